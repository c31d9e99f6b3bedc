//! Paths, and who answers them.

use brevet_core::broker::{self, Deed, Fault, Ports, RequestError, Session};
use brevet_core::json::Object;
use brevet_core::ledger::protocol::{Answer, Operation, Refusal};

use super::answer::{Reply, problem, refused_envelope, refused_oauth};
use super::config::{self, Config};
use super::deliveries::{self, Deliveries};
use super::dropin::{self, Of};
use super::hooks::{self, Hooks};
use super::switch::{self, Switch};
use super::task::{Outcome, Task, perform};
use super::{Call, Inbound, audit, leases, monitor, oauth, tokens, verify};

/// What a path stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Route<'a> {
    Health,
    Ready,
    Panic,
    Verify,
    Exchange,
    Surrender,
    Metadata,
    Tokens,
    Plan,
    Simulate,
    Leases,
    Lease(&'a str),
    Renew(&'a str),
    Roll(&'a str),
    Audit,
    Rebuild(&'a str),
    WhoAmI,
    Templates,
    PermissionGroups,
    Config(Config<'a>),
    Switch(Switch<'a>),
    /// `/hooks/{name}`.
    Hook(&'a str),
    Hooks(Hooks<'a>),
    Deliveries(Deliveries<'a>),
    DropIn(Of<'a>, DropIn<'a>),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum DropIn<'a> {
    Tokens,
    Verify,
    PermissionGroups,
    Token(&'a str),
    Value(&'a str),
}

/// More segments than any path of ours has, so that a long path costs nothing.
const MOST_SEGMENTS: usize = 8;

/// What a path stands for. Segments are compared as they were sent: what needs decoding is no path of
/// ours.
fn route(path: &str) -> Result<Route<'_>, RequestError> {
    let segments: Vec<&str> = path.split('/').skip(1).take(MOST_SEGMENTS).collect();
    Ok(match segments.as_slice() {
        ["healthz"] => Route::Health,
        ["readyz"] => Route::Ready,
        ["dev", "panic"] => Route::Panic,
        ["oauth", "token"] => Route::Exchange,
        ["oauth", "revoke"] => Route::Surrender,
        [".well-known", "oauth-authorization-server"] => Route::Metadata,
        ["hooks", name] => Route::Hook(name),
        ["v1", rest @ ..] => match rest {
            ["tokens"] => Route::Tokens,
            ["tokens", "verify"] => Route::Verify,
            ["plan"] => Route::Plan,
            ["simulate"] => Route::Simulate,
            ["leases"] => Route::Leases,
            ["leases", "revoke"] => Route::Switch(Switch::RevokeMany),
            ["leases", id] => Route::Lease(id),
            ["leases", id, "renew"] => Route::Renew(id),
            ["leases", id, "roll"] => Route::Roll(id),
            ["audit"] => Route::Audit,
            ["ledgers", account, "rebuild"] => Route::Rebuild(account),
            ["whoami"] => Route::WhoAmI,
            ["templates"] => Route::Templates,
            ["permission-groups"] => Route::PermissionGroups,
            ["config"] => Route::Config(Config::InForce),
            ["config", "history"] => Route::Config(Config::History),
            ["config", "versions", version] => Route::Config(Config::Version(version)),
            ["freezes"] => Route::Switch(Switch::Freezes),
            ["freezes", id] => Route::Switch(Switch::Freeze(id)),
            ["hooks"] => Route::Hooks(Hooks::All),
            ["hooks", "receipts", id] => Route::Hooks(Hooks::Receipt(id)),
            ["jobs", id] => Route::Switch(Switch::Job(id)),
            ["deliveries"] => Route::Deliveries(Deliveries::All),
            ["deliveries", "resume"] => Route::Deliveries(Deliveries::Resume),
            ["deliveries", id, "replay"] => Route::Deliveries(Deliveries::Replay(id)),
            ["config", "lint"] => Route::Config(Config::Lint),
            _ => return Err(RequestError::NoSuchPath),
        },
        ["client", "v4", rest @ ..] => {
            let (of, rest) = match rest {
                ["user", "tokens", rest @ ..] => (Of::User, rest),
                ["accounts", account, "tokens", rest @ ..] => (Of::Account(account), rest),
                _ => return Err(RequestError::NotATokenEndpoint),
            };
            let what = match rest {
                // Some clients end the collection's path with a slash.
                [] | [""] => DropIn::Tokens,
                ["verify"] => DropIn::Verify,
                ["permission_groups"] => DropIn::PermissionGroups,
                [id] => DropIn::Token(id),
                [id, "value"] => DropIn::Value(id),
                _ => return Err(RequestError::NotATokenEndpoint),
            };
            Route::DropIn(of, what)
        }
        _ => return Err(RequestError::NoSuchPath),
    })
}

/// Answers a request.
pub async fn respond<P: Ports>(ports: &P, call: Call) -> Reply {
    let drop_in = call.path == "/client/v4" || call.path.starts_with("/client/v4/");
    let oauth = call.path.starts_with("/oauth/");
    let path = call.path.clone();
    let inbound = Inbound::of(call);
    let refuse = |fault: Fault| {
        log(ports, &fault);
        match (drop_in, oauth) {
            (true, _) => refused_envelope(&fault),
            (_, true) => refused_oauth(&fault),
            _ => problem(&fault),
        }
    };
    let outcome = match route(&path) {
        Ok(route) => dispatch(ports, route, &inbound, &refuse).await,
        Err(error) => Err(Fault::from(error)),
    };
    outcome.unwrap_or_else(refuse)
}

/// Faults of ours, and refused credentials, are logged once, here.
fn log<P: Ports>(ports: &P, fault: &Fault) {
    let event = match fault {
        Fault::Auth(reason) => {
            let mut event = Object::saying("event", "credential_refused");
            event.text("reason", &reason.to_string());
            event
        }
        Fault::Unsigned | Fault::Stale(_) | Fault::Unfit(_) => {
            let mut event = Object::saying("event", "webhook_refused");
            event.text("reason", fault.face().kind);
            event
        }
        Fault::Unreachable(part) => part.event("unreachable"),
        Fault::Upstream(failure) | Fault::OutcomeUnknown { failure, .. } => {
            let mut event = Object::saying("event", "upstream");
            event.put("kind", &failure.kind).text("cause", &failure.cause);
            event
        }
        Fault::NotSetUp(problem) => {
            let mut event = Object::saying("event", "not_set_up");
            event.text("problem", problem);
            event
        }
        _ => return,
    };
    ports.log(&event);
}

async fn dispatch<P: Ports>(
    ports: &P,
    route: Route<'_>,
    inbound: &Inbound,
    refuse: &dyn Fn(Fault) -> Reply,
) -> Result<Reply, Fault> {
    if !methods(route).split(", ").any(|method| method == inbound.method) {
        return Err(Fault::from(RequestError::Method(methods(route))));
    }
    match route {
        Route::Health => Ok(monitor::health()),
        Route::Ready => monitor::ready(ports, inbound).await,
        Route::Panic if ports.settings().development && inbound.visitor.loopback => monitor::panic(),
        Route::Panic => Err(Fault::from(RequestError::NoSuchPath)),
        Route::Verify => verify::native(ports, inbound, None).await,
        Route::Surrender => oauth::surrender(ports, inbound).await,
        Route::Metadata => oauth::metadata(ports, inbound).await,
        Route::DropIn(of, DropIn::Verify) => verify::drop_in(ports, inbound, of).await,
        Route::Config(what) => config::serve(ports, inbound, what).await,
        _ => {
            let asked = match route {
                Route::Exchange => oauth::exchange(inbound).map(|(bearer, task)| (Some(bearer), Some(task))),
                Route::Hook(_) => Ok((None, None)),
                _ => inbound.bearer(ports).map(|bearer| (Some(bearer), None)),
            };
            let opened = match (asked, route) {
                (Ok((Some(bearer), task)), _) => {
                    let opened = Session::open(ports, bearer, &inbound.visitor).await;
                    opened.map(|session| (session, task.map(Ok)))
                }
                (Ok(_), Route::Hook(name)) => match hooks::hear(ports, inbound, name).await {
                    Ok((session, hooks::Heard::Verify(body))) => {
                        return verify::native(ports, inbound, Some((session, body))).await;
                    }
                    Ok((session, hooks::Heard::Task(task))) => Ok((session, Some(task))),
                    Err(fault) => Err(fault),
                },
                (Ok(_), _) => Err(Fault::from(RequestError::NoSuchPath)),
                (Err(fault), _) => Err(fault),
            };
            let (mut session, task) = match opened {
                Ok(opened) => opened,
                Err(fault) => {
                    broker::tell_of_stranger(ports, &inbound.visitor, &fault).await;
                    return Err(fault);
                }
            };
            let task = task.unwrap_or_else(|| task_of(ports, &session, route, inbound));
            let outcome = match task {
                Ok(task) => perform(ports, &mut session, task).await,
                Err(fault) => Err(fault),
            };
            let reply = match outcome.and_then(|outcome| word(ports, &session, route, inbound, outcome)) {
                Ok(reply) => reply,
                Err(fault) => {
                    if inbound.method != "GET" && !matches!(route, Route::Plan | Route::Simulate) {
                        broker::tell_of_refusal(ports, &session, &fault).await;
                    }
                    refuse(fault)
                }
            };
            // A refusal too tells what is left: most of all the one because of which there is one.
            Ok(reply.with_allowance(session.allowance))
        }
    }
}

/// Reads the request of somebody who is known.
fn task_of<P: Ports>(
    ports: &P,
    session: &Session,
    route: Route<'_>,
    inbound: &Inbound,
) -> Result<Task, Fault> {
    let say = |reply| Ok(Task::Say(reply));
    match route {
        Route::Tokens => tokens::create(inbound),
        Route::Plan => say(tokens::plan(ports, session, inbound)?),
        Route::Simulate => say(tokens::simulate(ports, session, inbound)?),
        Route::Leases => leases::list(inbound),
        Route::Lease(id) if inbound.method == "DELETE" => leases::act(id, Deed::Revoke),
        Route::Lease(id) => leases::act(id, Deed::Read),
        Route::Renew(id) => leases::act(id, leases::renewal(inbound)?),
        Route::Roll(id) => leases::act(id, leases::roll(inbound)?),
        Route::Switch(what) => switch::order(ports, session, inbound, what),
        Route::Audit => audit::list(session, inbound),
        Route::Hooks(what) => hooks::list(session, inbound, what),
        Route::Deliveries(what) => deliveries::order(session, inbound, what),
        Route::Rebuild(account) => audit::rebuild(session, inbound, account),
        Route::WhoAmI => say(tokens::who_am_i(session)),
        Route::Templates => say(tokens::templates(session)),
        Route::PermissionGroups => say(tokens::permission_groups(session, inbound)?),
        Route::DropIn(of, what) => {
            let account = of.account(&session.in_force.policy)?;
            match what {
                DropIn::Tokens if inbound.method == "GET" => dropin::list(inbound, account),
                DropIn::Tokens => dropin::create(inbound, account),
                DropIn::Token(id) => dropin::act(inbound, account, id, false),
                DropIn::Value(id) => dropin::act(inbound, account, id, true),
                DropIn::PermissionGroups | DropIn::Verify => {
                    Ok(Task::Groups { account: Box::new(account.clone()) })
                }
            }
        }
        // These were served before.
        Route::Health
        | Route::Ready
        | Route::Panic
        | Route::Verify
        | Route::Exchange
        | Route::Surrender
        | Route::Metadata
        | Route::Config(_)
        | Route::Hook(_) => Err(Fault::from(RequestError::NoSuchPath)),
    }
}

/// Words what came of it, as the surface has it.
fn word<P: Ports>(
    ports: &P,
    session: &Session,
    route: Route<'_>,
    inbound: &Inbound,
    outcome: Outcome,
) -> Result<Reply, Fault> {
    let drop_in = matches!(route, Route::DropIn(..));
    let now = ports.now();
    Ok(match outcome {
        Outcome::Said(reply) => reply,
        Outcome::Minted(issued, _) if drop_in => dropin::created(&issued, now),
        Outcome::Minted(issued, account) if route == Route::Exchange => {
            oauth::exchanged(&issued, &account, now)?
        }
        Outcome::Minted(issued, account) => tokens::created(&issued, &account),
        Outcome::Done(done) if drop_in => dropin::acted(inbound, &done, now)?,
        Outcome::Done(done) => leases::acted(&session.in_force, &done, inbound.method == "GET"),
        Outcome::Listed(found, next) => leases::listed(&found, next),
        Outcome::Paged(leases, total, page) => dropin::listed(&leases, total, &page, now),
        Outcome::Answered(account, Answer::Journal(entries)) => audit::listed(&account, &entries),
        Outcome::Answered(_, Answer::Receipt { receipt, fresh }) => hooks::received(&receipt, fresh),
        Outcome::Answered(_, Answer::Receipts(receipts)) => match route {
            Route::Hooks(what) => hooks::listed(ports, session, inbound, what, &receipts)?,
            _ => return Err(Fault::Ledger(Refusal::Protocol)),
        },
        Outcome::Answered(account, Answer::Deliveries(page)) => deliveries::listed(&account, &page),
        // Of all that one ledger is asked this alone shows nothing.
        Outcome::Answered(_, Answer::Done) => {
            deliveries::replayed(if let Route::Deliveries(what) = route { what } else { Deliveries::All })
        }
        Outcome::Answered(..) => return Err(Fault::Ledger(Refusal::Protocol)),
        Outcome::Rebuilt(account, leases) => audit::rebuilt(&account, &leases),
        Outcome::Everywhere(operation, answers) => match &*operation {
            Operation::Resume(endpoint) => deliveries::resumed(endpoint, &answers)?,
            operation => switch::told(operation, &answers, session.blocked)?,
        },
        Outcome::Groups(groups) => dropin::permission_groups(inbound, &groups),
    })
}

const fn methods(route: Route<'_>) -> &'static str {
    match route {
        Route::Verify
        | Route::Exchange
        | Route::Surrender
        | Route::Tokens
        | Route::Plan
        | Route::Simulate
        | Route::Renew(_)
        | Route::Roll(_)
        | Route::Panic
        | Route::Rebuild(_)
        | Route::Config(Config::Lint)
        | Route::Hook(_)
        | Route::Deliveries(Deliveries::Replay(_) | Deliveries::Resume)
        | Route::Switch(Switch::RevokeMany) => "POST",
        Route::Switch(Switch::Freezes) => "GET, POST",
        Route::Switch(Switch::Freeze(_)) => "DELETE",
        Route::Lease(_) => "GET, DELETE",
        Route::Config(Config::InForce) => "GET, PUT",
        Route::Health | Route::Ready => "GET, HEAD",
        Route::DropIn(_, DropIn::Tokens) => "GET, POST",
        Route::DropIn(_, DropIn::Token(_)) => "GET, PUT, DELETE",
        Route::DropIn(_, DropIn::Value(_)) => "PUT",
        _ => "GET",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_path_means_what_the_documentation_says() {
        let account = Of::Account("a");
        for (path, expected) in [
            ("/healthz", Route::Health),
            ("/readyz", Route::Ready),
            ("/dev/panic", Route::Panic),
            ("/v1/tokens/verify", Route::Verify),
            ("/oauth/token", Route::Exchange),
            ("/oauth/revoke", Route::Surrender),
            ("/.well-known/oauth-authorization-server", Route::Metadata),
            ("/v1/tokens", Route::Tokens),
            ("/v1/plan", Route::Plan),
            ("/v1/simulate", Route::Simulate),
            ("/v1/leases", Route::Leases),
            ("/v1/leases/x", Route::Lease("x")),
            ("/v1/leases/x/renew", Route::Renew("x")),
            ("/v1/leases/x/roll", Route::Roll("x")),
            ("/v1/audit", Route::Audit),
            ("/v1/ledgers/main/rebuild", Route::Rebuild("main")),
            ("/v1/whoami", Route::WhoAmI),
            ("/v1/templates", Route::Templates),
            ("/v1/permission-groups", Route::PermissionGroups),
            ("/v1/leases/revoke", Route::Switch(Switch::RevokeMany)),
            ("/v1/freezes", Route::Switch(Switch::Freezes)),
            ("/v1/freezes/x", Route::Switch(Switch::Freeze("x"))),
            ("/v1/jobs/x", Route::Switch(Switch::Job("x"))),
            ("/hooks/x", Route::Hook("x")),
            ("/v1/hooks", Route::Hooks(Hooks::All)),
            ("/v1/hooks/receipts/x", Route::Hooks(Hooks::Receipt("x"))),
            ("/v1/deliveries", Route::Deliveries(Deliveries::All)),
            ("/v1/deliveries/resume", Route::Deliveries(Deliveries::Resume)),
            ("/v1/deliveries/x/replay", Route::Deliveries(Deliveries::Replay("x"))),
            ("/v1/config", Route::Config(Config::InForce)),
            ("/v1/config/history", Route::Config(Config::History)),
            ("/v1/config/versions/3", Route::Config(Config::Version("3"))),
            ("/v1/config/lint", Route::Config(Config::Lint)),
            ("/client/v4/user/tokens", Route::DropIn(Of::User, DropIn::Tokens)),
            ("/client/v4/user/tokens/", Route::DropIn(Of::User, DropIn::Tokens)),
            ("/client/v4/user/tokens/verify", Route::DropIn(Of::User, DropIn::Verify)),
            ("/client/v4/user/tokens/permission_groups", Route::DropIn(Of::User, DropIn::PermissionGroups)),
            ("/client/v4/user/tokens/x", Route::DropIn(Of::User, DropIn::Token("x"))),
            ("/client/v4/user/tokens/x/value", Route::DropIn(Of::User, DropIn::Value("x"))),
            ("/client/v4/accounts/a/tokens", Route::DropIn(account, DropIn::Tokens)),
            ("/client/v4/accounts/a/tokens/verify", Route::DropIn(account, DropIn::Verify)),
            ("/client/v4/accounts/a/tokens/x/value", Route::DropIn(account, DropIn::Value("x"))),
        ] {
            assert_eq!(route(path), Ok(expected), "{path}");
        }
    }

    #[test]
    fn refuses_every_other_path() {
        for path in [
            "",
            "/",
            "*",
            "/v1",
            "/v1/",
            "/v1/tokens/",
            "//v1/tokens",
            "/V1/tokens",
            "/v1/leases/x/renew/y",
            "/v1/%74okens",
            "/v1/config/versions",
            "/healthz/",
            "/oauth",
            "/oauth/",
            "/oauth/revoke/",
            "/hooks",
            "/hooks/x/",
            "/v1/hooks/x",
            "/v1/hooks/receipts",
        ] {
            assert_eq!(route(path), Err(RequestError::NoSuchPath), "{path}");
        }
        for path in [
            "/client/v4",
            "/client/v4/",
            "/client/v4/zones",
            "/client/v4/user/tokens//",
            "/client/v4/user/tokens/x/value/y",
            "/client/v4/accounts/a/b/tokens",
            "/client/v4/a/b/c/d/e/f/g/h/i/j/k/l",
        ] {
            assert_eq!(route(path), Err(RequestError::NotATokenEndpoint), "{path}");
        }
    }
}
