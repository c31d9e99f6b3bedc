//! The rules in force, as one instance knows them.
//!
//! The register (`RULES`) alone says which version is in force; KV holds a read copy under the digest
//! of its text, which is used only if it has that digest. An instance asks the register again every
//! half minute. It may be late by that much for reading; whatever grants anything is checked by the
//! ledger against the version that was pushed to it, so that a tightened rule binds at once.

use std::rc::Rc;

use serde_json::Value;

use crate::broker::fault::{Fault, NoRules};
use crate::broker::ports::{Ports, Unreachable, Visitor};
use crate::json::Object;
use crate::policy::Policy;
use crate::rulebook::{RulebookAnswer, RulebookRequest, RulesMark};
use crate::rules;
use crate::time::{Seconds, Timestamp};

/// How long an instance goes on with rules before it asks the register again.
pub const RECHECK: Seconds = Seconds::of(30);

/// How long an instance goes on with the rules it has while the register cannot be asked. It fails
/// closed after that.
pub const LONGEST_WITHOUT_REGISTER: Seconds = Seconds::of(300);

/// Rules in force.
#[derive(Debug)]
pub struct InForce {
    /// Their version and digest.
    pub mark: RulesMark,
    /// What they say.
    pub policy: Policy,
    /// Their JSON.
    pub json: String,
}

/// The rules in force.
///
/// # Errors
/// [`Fault::NoRules`] where there are none, [`Fault::Unreachable`] where the register cannot be asked
/// for longer than [`LONGEST_WITHOUT_REGISTER`].
pub async fn load<P: Ports>(ports: &P, visitor: &Visitor) -> Result<Rc<InForce>, Fault> {
    if ports.settings().development && !visitor.loopback {
        return Err(Fault::NoRules(NoRules::DevelopmentElsewhere));
    }
    let now = ports.now();
    let memory = ports.memory();
    let known = memory.rules.borrow().clone();
    let checked = memory.rules_checked.get();
    if let (Some(known), Some(checked)) = (&known, checked)
        && is_younger(checked, now, RECHECK)
    {
        return Ok(Rc::clone(known));
    }
    match ports.rulebook(&RulebookRequest::Head).await {
        Ok(RulebookAnswer::Head(head)) => {
            let fresh = match (head, known) {
                (Some(mark), Some(known)) if known.mark == mark => known,
                (Some(mark), _) => {
                    let json = fetch(ports, &mark).await?;
                    compile(ports, mark, json)?
                }
                (None, Some(known)) if known.mark.version == 0 => known,
                (None, _) if ports.settings().development => {
                    let json = ports.example_rules().to_owned();
                    compile(ports, RulesMark::of(0, &json), json)?
                }
                (None, _) => return Err(Fault::NoRules(NoRules::NeverPushed)),
            };
            memory.rules.replace(Some(Rc::clone(&fresh)));
            memory.rules_checked.set(Some(now));
            Ok(fresh)
        }
        Ok(_) => Err(misunderstood("register of rules")),
        Err(unreachable) => match (known, checked) {
            (Some(known), Some(checked)) if is_younger(checked, now, LONGEST_WITHOUT_REGISTER) => {
                ports.log(&unreachable.event("register_unreachable"));
                Ok(known)
            }
            _ => Err(Fault::from(unreachable)),
        },
    }
}

fn is_younger(than: Timestamp, now: Timestamp, span: Seconds) -> bool {
    (0..i64::from(span.get())).contains(&now.since(than))
}

fn misunderstood(part: &'static str) -> Fault {
    Fault::from(Unreachable { part, reason: "it gave an answer to another question".to_owned() })
}

/// The text of a version: from KV if the copy there has its digest, else from the register.
async fn fetch<P: Ports>(ports: &P, mark: &RulesMark) -> Result<String, Fault> {
    match ports.stored(&mark.digest.kv_key()).await {
        Ok(Some(json)) if RulesMark::of(mark.version, &json) == *mark => return Ok(json),
        // Somebody wrote to the key: the digest is in it, so no version of ours has another text.
        Ok(Some(_)) => ports.log(
            Object::saying("event", "rules_copy_altered").put("alarm", &true).put("version", &mark.version),
        ),
        Ok(None) => {}
        Err(unreachable) => ports.log(&unreachable.event("kv_unreachable")),
    }
    let answer =
        ports.rulebook(&RulebookRequest::Get { version: Some(mark.version) }).await.map_err(Fault::from)?;
    match answer {
        RulebookAnswer::Version(Some(kept)) => match kept.json {
            Some(json) if RulesMark::of(mark.version, &json) == *mark => Ok(json),
            _ => Err(misunderstood("register of rules")),
        },
        _ => Err(misunderstood("register of rules")),
    }
}

/// Takes rules that a ledger says are in force, and remembers them.
///
/// # Errors
/// [`Fault::NoRules`] where this build cannot use them.
pub fn take<P: Ports>(ports: &P, mark: RulesMark, json: String) -> Result<Rc<InForce>, Fault> {
    if RulesMark::of(mark.version, &json) != mark {
        return Err(misunderstood("ledger"));
    }
    let fresh = compile(ports, mark, json)?;
    let memory = ports.memory();
    memory.rules.replace(Some(Rc::clone(&fresh)));
    memory.rules_checked.set(Some(ports.now()));
    Ok(fresh)
}

/// Forgets the rules, so that the next request asks the register.
pub fn forget<P: Ports>(ports: &P) {
    ports.memory().rules.replace(None);
    ports.memory().rules_checked.set(None);
}

fn compile<P: Ports>(ports: &P, mark: RulesMark, json: String) -> Result<Rc<InForce>, Fault> {
    let unusable = |why: String| Fault::NoRules(NoRules::Unusable(why));
    let value: Value =
        serde_json::from_slice(json.as_bytes()).map_err(|_| unusable("they are no JSON".to_owned()))?;
    let first = |findings: Vec<rules::Finding>| {
        unusable(findings.first().map_or_else(|| "unknown".to_owned(), |finding| finding.message()))
    };
    let document = rules::read(&value).map_err(first)?;
    if !ports.settings().development && rules::is_example(&document) {
        return Err(Fault::NoRules(NoRules::Example));
    }
    let (policy, _) = rules::compile(document).map_err(first)?;
    Ok(Rc::new(InForce { mark, policy, json }))
}
