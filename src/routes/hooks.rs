//! `POST /hooks/{name}`: signed webhooks, and `/v1/hooks`: what became of them.

use brevet_core::broker::{self, Deed, Fault, KeyState, Ports, RequestError, Session};
use brevet_core::cloudflare::TokenOwner;
use brevet_core::hook::{ReplyDeed, Signed, Wish};
use brevet_core::json::{List, Object, read_value};
use brevet_core::ledger::book::{LeaseKey, MOST_LISTED};
use brevet_core::ledger::protocol::Operation;
use brevet_core::ledger::receipt::{Receipt, ReceiptFilter};
use serde_json::{Map, Value};

use super::answer::{Reply, of_json};
use super::shape::put_moment;
use super::task::Task;
use super::{Inbound, MOST_CALL_BYTES, tokens};

/// How many receipts a page holds where nothing else is asked.
const PAGE: u32 = 20;

/// What of the hooks a path is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Hooks<'a> {
    /// `/v1/hooks`.
    All,
    /// `/v1/hooks/receipts/{id}`.
    Receipt(&'a str),
}

/// What a message comes down to.
pub(super) enum Heard {
    /// To verify a token: nothing is changed, and the message may come again.
    Verify(Map<String, Value>),
    /// To do this, if the message did not come before.
    Task(Result<Task, Fault>),
}

/// Hears a message: who sent it, and what is to be done for it.
pub(super) async fn hear<P: Ports>(
    ports: &P,
    inbound: &Inbound,
    name: &str,
) -> Result<(Session, Heard), Fault> {
    let body = inbound.bytes(MOST_CALL_BYTES)?;
    let signed = Signed::read(&inbound.signed);
    let heard = broker::hear(ports, &inbound.visitor, name, &signed, body).await?;
    let receipt = broker::receipt_of(ports, &heard);
    let broker::Heard { session, wish, event, .. } = heard;
    let heard = match wish {
        Wish::Reply(ReplyDeed::Verify, params) => Heard::Verify(params),
        wish => Heard::Task(task(&session, wish, &event, receipt)),
    };
    Ok((session, heard))
}

fn task(
    session: &Session,
    wish: Wish,
    event: &str,
    receipt: Option<(TokenOwner, Box<Receipt>)>,
) -> Result<Task, Fault> {
    let mut then = None;
    match wish {
        Wish::Nothing(misfit) => {
            let mut told = Object::new();
            told.put("ignored", &true).text("event", event).text("because", &misfit);
            return Ok(Task::Say(of_json(200, told)));
        }
        // Where that fails nothing is done, so the same message may come again.
        Wish::Reply(deed, params) => then = Some(Box::new(reply(deed, params)?)),
        Wish::Stop { .. } | Wish::Lift(_) => {}
    }
    // Without accounts there is nothing to act on.
    let unknown = || Fault::from(RequestError::UnknownAccount);
    let (ledger, receipt) = receipt.ok_or_else(unknown)?;
    let account = session.in_force.policy.account_of(ledger).ok_or_else(unknown)?;
    Ok(Task::Ask {
        account: Box::new(account.clone()),
        operation: Box::new(Operation::Receive(receipt)),
        then,
    })
}

/// What is done for a sender that waits for the answer.
fn reply(deed: ReplyDeed, mut params: Map<String, Value>) -> Result<Task, Fault> {
    let deed = match deed {
        ReplyDeed::Create => {
            let mut of_template = Map::new();
            for name in ["account", "zone"] {
                if let Some(value) = params.remove(name) {
                    of_template.insert(name.to_owned(), value);
                }
            }
            params.insert("params".to_owned(), Value::Object(of_template));
            let (ask, asked) = tokens::ask_of(params)?;
            return Ok(Task::Mint { ask: Box::new(ask), asked, once: None });
        }
        ReplyDeed::Roll => Deed::Roll,
        ReplyDeed::Revoke | ReplyDeed::Verify => Deed::Revoke,
    };
    let key = params.get("lease").and_then(Value::as_str).and_then(LeaseKey::read);
    let key = key.ok_or(Fault::from(RequestError::Member(
        "lease",
        "a lease's id (26 characters) or a token's (32 lower-case hex digits)",
    )))?;
    Ok(Task::Act { within: None, key, deed })
}

/// The answer to a message whose order is carried out from now on, or was already.
pub(super) fn received(receipt: &Receipt, fresh: bool) -> Reply {
    let mut told = Object::new();
    told.put("receipt", &receipt.id).put("state", &receipt.stage);
    let location = format!("/v1/hooks/receipts/{}", receipt.id);
    tokens::replayed(of_json(202, told).with("location", location), !fresh)
}

/// Reads which receipts are asked for. The hooks themselves stand in the rules.
pub(super) fn list(session: &Session, inbound: &Inbound, what: Hooks<'_>) -> Result<Task, Fault> {
    if !session.caller.powers().read {
        return Err(Fault::Power("read"));
    }
    let mut filter = ReceiptFilter { limit: PAGE, ..ReceiptFilter::default() };
    match what {
        Hooks::Receipt(id) => {
            inbound.refuse_other_parameters(&[], "none")?;
            let id = id.parse();
            filter.id = Some(id.map_err(|_| unknown("a receipt's id, 26 characters"))?);
        }
        Hooks::All => {
            inbound.refuse_other_parameters(&["hook", "cursor", "limit"], "hook, cursor and limit")?;
            let text = |name: &str| inbound.parameter(name).filter(|value| !value.is_empty());
            let wrong = |name, wanted| Fault::from(RequestError::Query(name, wanted));
            filter.hook = text("hook");
            if let Some(cursor) = text("cursor") {
                let before = cursor.parse();
                filter.before =
                    Some(before.map_err(|_| wrong("cursor", "the next_cursor of the page before"))?);
            }
            if let Some(limit) = text("limit") {
                let limit = limit.parse().ok().filter(|limit| (1..=MOST_LISTED).contains(limit));
                filter.limit = limit.ok_or(wrong("limit", "a number from 1 to 100"))?;
            }
        }
    }
    let desk = session.in_force.policy.accounts().next();
    let account = Box::new(desk.ok_or(Fault::from(RequestError::UnknownAccount))?.clone());
    Ok(Task::Ask { account, operation: Box::new(Operation::Receipts(filter)), then: None })
}

/// The answer to [`list`].
pub(super) fn listed<P: Ports>(
    ports: &P,
    session: &Session,
    inbound: &Inbound,
    what: Hooks<'_>,
    receipts: &[Receipt],
) -> Result<Reply, Fault> {
    if let Hooks::Receipt(_) = what {
        let receipt = receipts.first().ok_or(unknown("the id of a receipt that is kept"))?;
        return Ok(of_json(200, shape(session, receipt)));
    }
    let rules = read_value(session.in_force.json.as_bytes()).unwrap_or_default();
    let mut hooks = List::new();
    for (name, hook) in session.in_force.policy.hooks() {
        let mut secrets = List::new();
        let states = broker::key_states(ports, hook);
        for (secret, state) in hook.secrets.iter().zip(&states) {
            let mut told = Object::saying("name", secret);
            told.put("state", state);
            secrets.push(&told);
        }
        let path = format!("/hooks/{name}");
        let base = session.in_force.policy.url().unwrap_or_default();
        let mut told = Object::saying("name", name);
        told.text("url", &format!("{base}{path}"))
            .put("ready", &states.contains(&KeyState::Ready))
            .put("secrets", &secrets)
            .put("rule", &rules.get("hook").and_then(|hooks| hooks.get(name)));
        hooks.push(&told);
    }
    let mut list = List::new();
    receipts.iter().for_each(|receipt| list.push(&shape(session, receipt)));
    let asked = inbound.parameter("limit").and_then(|limit| limit.parse().ok()).unwrap_or(PAGE);
    let full = usize::try_from(asked).is_ok_and(|asked| receipts.len() >= asked);
    let next = receipts.last().filter(|last| full && last.seq > 1).map(|last| last.seq.to_string());
    let mut told = Object::new();
    told.put("hooks", &hooks).put("receipts", &list).put("next_cursor", &next);
    Ok(of_json(200, told))
}

fn shape(session: &Session, receipt: &Receipt) -> Object {
    let mut told = Object::new();
    told.put("id", &receipt.id)
        .text("hook", &receipt.hook)
        .text("event", &receipt.event)
        .put("state", &receipt.stage)
        .text("what", &receipt.what)
        .put("rules_version", &receipt.rules_version);
    put_moment(&mut told, "received_on", Some(receipt.at));
    put_moment(&mut told, "done_on", receipt.done_on);
    put_moment(&mut told, "known_until", Some(receipt.until));
    let policy = &session.in_force.policy;
    let mut left = List::new();
    for account in policy.accounts().filter(|account| receipt.left.contains(&account.owner().ledger_name())) {
        left.push(account.name());
    }
    let mut freezes = List::new();
    let order = receipt.order.as_deref();
    for freeze in order.map_or(&[][..], |order| &order.freezes) {
        freezes.push(&freeze.id);
    }
    let job = order.and_then(|order| order.revoke.as_ref()).map(|_| format!("/v1/jobs/{}", receipt.id));
    told.put("leases", &receipt.leases).put("job", &job).put("freezes", &freezes).put("left", &left);
    told
}

fn unknown(wanted: &'static str) -> Fault {
    Fault::from(RequestError::Id(wanted))
}
