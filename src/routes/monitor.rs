//! For people and monitors: is it alive, and can it do its work?

use brevet_core::broker::{self, Fault, Ports};
use brevet_core::json::{List, Object};

use super::Inbound;
use super::answer::{Reply, of_json, of_text};
use super::shape::put_moment;

/// `GET /healthz`: this instance runs. No rules and no I/O.
pub(super) fn health() -> Reply {
    of_text(200, r#"{"status":"ok"}"#.to_owned())
}

/// `GET /readyz`: rules are in force, and what the cron last found of the parent tokens. Strangers see
/// no names; an operator sees which account is meant.
pub(super) async fn ready<P: Ports>(ports: &P, inbound: &Inbound) -> Result<Reply, Fault> {
    let accounts = broker::readiness(ports, &inbound.visitor).await?;
    let known = match inbound.session(ports).await {
        Ok(session) => session.caller.powers().read,
        Err(_) => false,
    };
    let now = ports.now();
    // Not checked yet is ready: the cron comes within minutes of a deployment.
    let ready =
        accounts.iter().all(|account| account.parent.as_ref().is_none_or(|parent| parent.failure.is_none()));
    let mut parents = List::new();
    for account in &accounts {
        let parent = account.parent.as_ref();
        let state = match parent {
            None => "unchecked",
            Some(parent) if parent.failure.is_some() => "failing",
            Some(_) => "ok",
        };
        let mut entry = Object::saying("state", state);
        put_moment(&mut entry, "checked_at", parent.map(|parent| parent.checked_at));
        entry.put("age_seconds", &parent.map(|parent| now.since(parent.checked_at).max(0)));
        if known {
            let failure = parent.and_then(|parent| parent.failure.as_ref());
            entry
                .text("account", &account.account)
                .put("secret", &parent.and_then(|parent| parent.secret.as_ref()))
                .put("failure", &failure.map(ToString::to_string));
            put_moment(&mut entry, "expires_on", parent.and_then(|parent| parent.expires_on));
        }
        parents.push(&entry);
    }
    let mut told = Object::saying("status", if ready { "ready" } else { "not_ready" });
    told.put("parents", &parents);
    Ok(of_json(if ready { 200 } else { 503 }, told))
}

/// What the cron does: has every parent token checked, and logs the failing ones.
///
/// # Errors
/// Why none could be checked.
pub async fn check_parents<P: Ports>(ports: &P) -> Result<(), String> {
    let accounts = broker::check_parents(ports).await.map_err(|fault| fault.face().detail)?;
    for account in accounts {
        if let Some(failure) = account.parent.and_then(|parent| parent.failure) {
            let mut event = Object::saying("event", "parent_failing");
            event
                .put("alarm", &true)
                .text("account", &account.account)
                .put("kind", &failure.kind)
                .text("cause", &failure.cause);
            ports.log(&event);
        }
    }
    Ok(())
}

/// `POST /dev/panic`, in development only: what a defect of this kind does to the next request.
pub(super) fn panic() -> ! {
    #[expect(clippy::panic, reason = "that is what this route is for")]
    {
        panic!("asked to panic")
    }
}
