//! What the `RULES` object does: it answers, and brings pushed rules to every ledger.

use std::future::Future;

use crate::cloudflare::TokenOwner;
use crate::json::Object;
use crate::ledger::protocol::{Answer, Operation, PROTOCOL, Request};
use crate::ledger::sql::{Sql, SqlError};
use crate::rulebook::{Kept, PushRefusal, Register, RulebookAnswer, RulebookRequest};
use crate::time::Timestamp;

/// What the register needs of the world around its object.
pub trait Errands {
    /// The present moment.
    fn now(&self) -> Timestamp;

    /// Asks a ledger; `None` where it gives no answer that makes sense.
    fn ask_ledger(&self, ledger: TokenOwner, request: &Request) -> impl Future<Output = Option<Answer>>;

    /// Writes the read copy of a version; tells whether that was done.
    fn keep_copy(&self, key: &str, json: &str) -> impl Future<Output = bool>;

    /// Has [`wake`] called in a few seconds, whatever happens to this object.
    fn wake_later(&self) -> impl Future<Output = ()>;

    /// Writes a structured line to the log.
    fn log(&self, event: &Object);
}

/// Answers a question. A database that fails is told to the log and refuses.
pub async fn serve<S: Sql, E: Errands>(
    register: Result<Register<S>, SqlError>,
    errands: &E,
    request: RulebookRequest,
) -> RulebookAnswer {
    let answer = match register {
        Ok(register) => answer(&register, errands, request).await,
        Err(error) => Err(error),
    };
    answer.unwrap_or_else(|error| {
        let mut event = Object::saying("event", "register_database");
        event.put("alarm", &true).text("error", &error.to_string());
        errands.log(&event);
        RulebookAnswer::Refused(PushRefusal::Database)
    })
}

async fn answer<S: Sql, E: Errands>(
    register: &Register<S>,
    errands: &E,
    request: RulebookRequest,
) -> Result<RulebookAnswer, SqlError> {
    match request {
        RulebookRequest::Head => register.head().map(RulebookAnswer::Head),
        RulebookRequest::Get { version } => register.version(version).map(RulebookAnswer::Version),
        RulebookRequest::History => register.history().map(RulebookAnswer::History),
        RulebookRequest::Push { expected, json, source_map, ledgers, by } => {
            let pushed =
                register.push(expected, &json, source_map.as_deref(), &ledgers, &by, errands.now())?;
            match pushed {
                Err(refusal) => Ok(RulebookAnswer::Refused(refusal)),
                Ok(mark) => Ok(RulebookAnswer::Pushed { mark, missing: deliver(register, errands).await? }),
            }
        }
    }
}

/// Goes on with what a push left undone. It sets the next waking itself where something is left.
pub async fn wake<S: Sql, E: Errands>(register: Result<Register<S>, SqlError>, errands: &E) {
    let left = match register {
        Ok(register) => deliver(&register, errands).await,
        Err(error) => Err(error),
    };
    if !matches!(&left, Ok(left) if left.is_empty()) {
        errands.wake_later().await;
    }
}

/// Brings the version in force to the ledgers that lack it, and its copy to KV; gives those that
/// still lack it.
async fn deliver<S: Sql, E: Errands>(register: &Register<S>, errands: &E) -> Result<Vec<String>, SqlError> {
    let Some(Kept { mark, json: Some(json), .. }) = register.version(None)? else {
        return Ok(Vec::new());
    };
    let waiting = register.undelivered()?;
    if waiting.is_empty() {
        return Ok(waiting);
    }
    // Before anything is sent: an object that dies here is woken again.
    errands.wake_later().await;
    for name in waiting {
        let Some(owner) = TokenOwner::from_ledger_name(&name) else {
            register.delivered(&name, &mark)?;
            continue;
        };
        let operation = Operation::TakeRules { json: json.clone() };
        let request = Request { protocol: PROTOCOL, rules: mark.clone(), owner: None, by: None, operation };
        if let Some(Answer::Done) = errands.ask_ledger(owner, &request).await {
            register.delivered(&name, &mark)?;
        } else {
            let mut event = Object::saying("event", "rules_not_taken");
            event.text("ledger", &name);
            errands.log(&event);
        }
    }
    // A copy that cannot be written costs a little speed and nothing else.
    if !errands.keep_copy(&mark.digest.kv_key(), &json).await {
        errands.log(&Object::saying("event", "rules_copy_not_written"));
    }
    register.undelivered()
}
