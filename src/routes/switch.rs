//! `/v1/freezes`, `/v1/leases/revoke` and `/v1/jobs`: the kill switch.

use brevet_core::broker::{Fault, Ports, RequestError, Session, Stop};
use brevet_core::id::LeaseId;
use brevet_core::json::{List, Object};
use brevet_core::ledger::freeze::{By, Freeze, Selection};
use brevet_core::ledger::lease::State;
use brevet_core::ledger::protocol::{Answer, Operation};
use brevet_core::policy::Account;
use brevet_core::time::Seconds;
use serde_json::{Map, Value};

use super::answer::{Reply, of_json};
use super::shape::{account, put_moment};
use super::task::Task;
use super::{Inbound, nothing_else};

/// A reason is a sentence for those who meet a freeze.
const LONGEST_REASON: usize = 300;

/// What of the switch a path is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Switch<'a> {
    /// `/v1/freezes`.
    Freezes,
    /// `/v1/freezes/{id}`.
    Freeze(&'a str),
    /// `/v1/leases/revoke`.
    RevokeMany,
    /// `/v1/jobs/{id}`.
    Job(&'a str),
}

/// What is asked of every ledger.
pub(super) fn order<P: Ports>(
    ports: &P,
    session: &Session,
    inbound: &Inbound,
    what: Switch<'_>,
) -> Result<Task, Fault> {
    let operation = match what {
        Switch::Freezes if inbound.method == "GET" => Operation::Freezes,
        Switch::Freezes => Operation::Freeze(read(inbound, false)?.0.freeze(ports, session)),
        Switch::Freeze(id) => Operation::Lift(read_id(id)?),
        Switch::RevokeMany => {
            let (stop, freezes) = read(inbound, true)?;
            stop.revoke(ports, session, freezes)
        }
        Switch::Job(id) => Operation::Job(read_id(id)?),
    };
    Ok(Task::Everywhere(Box::new(operation)))
}

/// The answer, of all that the ledgers said.
pub(super) fn told(
    operation: &Operation,
    answers: &[(Account, Answer)],
    blocked: Option<u32>,
) -> Result<Reply, Fault> {
    let mut told = Object::new();
    Ok(match operation {
        Operation::Freeze(freeze) => {
            of_json(201, freeze_shape(freeze)).with("location", format!("/v1/freezes/{}", freeze.id))
        }
        Operation::Lift(freeze) => {
            if !answers.iter().any(|(_, answer)| matches!(answer, Answer::Done)) {
                return Err(unknown("the id of a freeze that holds; see /v1/freezes"));
            }
            told.put("id", freeze).put("lifted", &true);
            of_json(200, told)
        }
        Operation::RevokeMany { job, freeze, .. } => {
            job_shape(&mut told, *job, answers, blocked);
            told.put("freeze", &freeze.as_ref().map(freeze_shape));
            of_json(202, told).with("location", format!("/v1/jobs/{job}"))
        }
        Operation::Job(job) => {
            if !job_shape(&mut told, *job, answers, blocked) {
                return Err(unknown("the id of a job of the last week that found a lease to revoke"));
            }
            of_json(200, told)
        }
        _ => {
            let mut list = List::new();
            let mut seen: Vec<&Freeze> = Vec::new();
            for (_, answer) in answers {
                let Answer::Freezes(freezes) = answer else { continue };
                for freeze in freezes {
                    if seen.iter().all(|known| known.id != freeze.id) {
                        list.push(&freeze_shape(freeze));
                        seen.push(freeze);
                    }
                }
            }
            told.put("freezes", &list);
            of_json(200, told)
        }
    })
}

fn unknown(wanted: &'static str) -> Fault {
    Fault::from(RequestError::Id(wanted))
}

fn read_id(text: &str) -> Result<LeaseId, Fault> {
    text.parse().map_err(|_| unknown("an id of 26 characters, as the answer gave it"))
}

fn wrong(pointer: &'static str, wanted: &'static str) -> Fault {
    Fault::from(RequestError::Member(pointer, wanted))
}

/// `{owner, client, grant, template, run or all, reason, for?, freeze?}`.
fn read(inbound: &Inbound, revokes: bool) -> Result<(Stop, bool), Fault> {
    let mut body = inbound.object()?;
    let selection = selection(&mut body, revokes)?;
    let reason = match body.remove("reason") {
        // Leases that are revoked need none; whoever meets a freeze wants one.
        None if revokes => "All of this was revoked.".to_owned(),
        Some(Value::String(reason)) if (1..=LONGEST_REASON).contains(&reason.trim().len()) => {
            reason.trim().to_owned()
        }
        _ => {
            return Err(wrong("/reason", "a text of at most 300 bytes that says why, for those who meet it"));
        }
    };
    let span = match body.remove("for") {
        None | Some(Value::Null) => None,
        Some(span) => Some(Seconds::from_json(&span).map_err(|_| {
            wrong(
                "/for",
                "a duration like \"2h\" or a number of seconds above zero; without it, until it is lifted",
            )
        })?),
    };
    let freezes = match revokes.then(|| body.remove("freeze")).flatten() {
        None => true,
        Some(Value::Bool(freezes)) => freezes,
        Some(_) => return Err(wrong("/freeze", "true or false")),
    };
    nothing_else(
        &body,
        "owner, client, grant, template, run or all, and reason, for and (to revoke) freeze",
    )?;
    Ok((Stop { selection, reason, span }, freezes))
}

/// Exactly one of the members that select.
fn selection(body: &mut Map<String, Value>, revokes: bool) -> Result<Selection, Fault> {
    let one = || {
        wrong(
            "",
            "an object with exactly one of owner, client, grant, template and all (to revoke, also run)",
        )
    };
    let mut found = None;
    for name in ["owner", "client", "grant", "template", "run", "all"] {
        let (by, value) = match (name, body.remove(name)) {
            (_, None) => continue,
            ("run", _) if !revokes => return Err(one()),
            ("all", Some(Value::Bool(true))) => (By::All, String::new()),
            ("client", Some(Value::String(client))) => (By::Owner, format!("client:{client}")),
            (name, Some(Value::String(value))) if name != "all" && !value.is_empty() => {
                (By::from_word(name).ok_or_else(one)?, value)
            }
            _ => return Err(one()),
        };
        if found.replace(Selection { by, value }).is_some() {
            return Err(one());
        }
    }
    found.ok_or_else(one)
}

fn freeze_shape(freeze: &Freeze) -> Object {
    let mut told = Object::new();
    told.put("id", &freeze.id);
    match freeze.selection.by {
        By::All => told.put("all", &true),
        by => told.text(by.as_str(), &freeze.selection.value),
    };
    told.text("reason", &freeze.reason).text("by", &freeze.by);
    put_moment(&mut told, "since", Some(freeze.since));
    put_moment(&mut told, "until", freeze.until);
    told
}

/// Tells of a job; whether it has leases.
fn job_shape(told: &mut Object, job: LeaseId, answers: &[(Account, Answer)], blocked: Option<u32>) -> bool {
    let mut leases = List::new();
    let mut counts = [("revoked", 0_u32), ("queued", 0), ("stuck", 0)];
    for (of, answer) in answers {
        let Answer::Job(found) = answer else { continue };
        for lease in found {
            let [revoked, queued, stuck] = &mut counts;
            let (word, count) = match lease.state {
                State::Ended => revoked,
                State::Stuck => stuck,
                State::Pending | State::Active | State::Revoking => queued,
            };
            *count = count.saturating_add(1);
            let mut entry = Object::new();
            entry
                .put("id", &lease.id)
                .put("token_id", &lease.token_id)
                .put("account", &account(of))
                .text("status", word)
                .put("end", &lease.end);
            leases.push(&entry);
        }
    }
    told.put("id", &job);
    for (word, count) in &counts {
        told.put(word, count);
    }
    told.put("leases", &leases);
    // Until then nothing can be deleted, by nobody; the ledgers go on by themselves.
    if let Some(seconds) = blocked {
        told.put("cloudflare_blocks_for", &seconds);
    }
    counts.iter().any(|(_, count)| *count > 0)
}
