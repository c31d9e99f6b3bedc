//! Paths, and who answers them.

use std::sync::LazyLock;

use brevet_core::broker::{Fault, Ports, RequestError};
use http::Request;
use matchit::{Params, Router};

use super::answer::{Reply, problem, refused_envelope};
use super::dropin::{self, Of};
use super::{Body, Inbound, config, leases, monitor, tokens};

/// What a path stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Route {
    Health,
    Ready,
    Panic,
    Verify,
    Tokens,
    Plan,
    Leases,
    Lease,
    Renew,
    Roll,
    WhoAmI,
    Templates,
    PermissionGroups,
    Config,
    ConfigHistory,
    ConfigVersion,
    ConfigLint,
    DropIn(Family, DropIn),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Family {
    User,
    Account,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum DropIn {
    Tokens,
    Verify,
    PermissionGroups,
    Token,
    Value,
}

const PATHS: &[(&str, Route)] = &[
    ("/healthz", Route::Health),
    ("/readyz", Route::Ready),
    ("/dev/panic", Route::Panic),
    ("/v1/tokens/verify", Route::Verify),
    ("/v1/tokens", Route::Tokens),
    ("/v1/plan", Route::Plan),
    ("/v1/leases", Route::Leases),
    ("/v1/leases/{id}", Route::Lease),
    ("/v1/leases/{id}/renew", Route::Renew),
    ("/v1/leases/{id}/roll", Route::Roll),
    ("/v1/whoami", Route::WhoAmI),
    ("/v1/templates", Route::Templates),
    ("/v1/permission-groups", Route::PermissionGroups),
    ("/v1/config", Route::Config),
    ("/v1/config/history", Route::ConfigHistory),
    ("/v1/config/versions/{version}", Route::ConfigVersion),
    ("/v1/config/lint", Route::ConfigLint),
    ("/client/v4/user/tokens", Route::DropIn(Family::User, DropIn::Tokens)),
    ("/client/v4/user/tokens/", Route::DropIn(Family::User, DropIn::Tokens)),
    ("/client/v4/user/tokens/verify", Route::DropIn(Family::User, DropIn::Verify)),
    ("/client/v4/user/tokens/permission_groups", Route::DropIn(Family::User, DropIn::PermissionGroups)),
    ("/client/v4/user/tokens/{id}", Route::DropIn(Family::User, DropIn::Token)),
    ("/client/v4/user/tokens/{id}/value", Route::DropIn(Family::User, DropIn::Value)),
    ("/client/v4/accounts/{account}/tokens", Route::DropIn(Family::Account, DropIn::Tokens)),
    ("/client/v4/accounts/{account}/tokens/", Route::DropIn(Family::Account, DropIn::Tokens)),
    ("/client/v4/accounts/{account}/tokens/verify", Route::DropIn(Family::Account, DropIn::Verify)),
    (
        "/client/v4/accounts/{account}/tokens/permission_groups",
        Route::DropIn(Family::Account, DropIn::PermissionGroups),
    ),
    ("/client/v4/accounts/{account}/tokens/{id}", Route::DropIn(Family::Account, DropIn::Token)),
    ("/client/v4/accounts/{account}/tokens/{id}/value", Route::DropIn(Family::Account, DropIn::Value)),
];

static TABLE: LazyLock<Router<Route>> = LazyLock::new(|| {
    let mut table = Router::new();
    for (path, route) in PATHS {
        // A path that clashes would be missing; the test below finds it.
        drop(table.insert(*path, *route));
    }
    table
});

/// Answers a request.
pub async fn respond<P: Ports>(ports: &P, request: Request<Body>) -> Reply {
    let path = request.uri().path().to_owned();
    let inbound = Inbound::of(request);
    let drop_in = path == "/client/v4" || path.starts_with("/client/v4/");
    let word = if drop_in { refused_envelope } else { problem };
    let outcome = match TABLE.at(&path) {
        Ok(found) => dispatch(ports, *found.value, &found.params, &inbound).await,
        Err(_) if drop_in => Err(Fault::Request(RequestError::NotATokenEndpoint)),
        Err(_) => Err(Fault::Request(RequestError::NoSuchPath)),
    };
    outcome.unwrap_or_else(|fault| {
        log(ports, &fault);
        word(&fault)
    })
}

/// Faults of ours, and refused credentials, are logged once, here.
fn log<P: Ports>(ports: &P, fault: &Fault) {
    let event = match fault {
        Fault::Auth(reason) => {
            serde_json::json!({ "event": "credential_refused", "reason": reason.to_string() })
        }
        Fault::Unreachable(part) => {
            serde_json::json!({ "event": "unreachable", "part": part.part, "reason": part.reason })
        }
        Fault::Upstream(failure) | Fault::OutcomeUnknown(failure) => {
            serde_json::json!({ "event": "upstream", "kind": failure.kind, "cause": failure.cause })
        }
        Fault::NotSetUp(problem) => serde_json::json!({ "event": "not_set_up", "problem": problem }),
        _ => return,
    };
    ports.log(&event);
}

async fn dispatch<P: Ports>(
    ports: &P,
    route: Route,
    params: &Params<'_, '_>,
    inbound: &Inbound,
) -> Result<Reply, Fault> {
    let id = params.get("id").unwrap_or_default();
    let method = inbound.method.as_str();
    match (route, method) {
        (Route::Health, "GET" | "HEAD") => Ok(monitor::health()),
        (Route::Ready, "GET" | "HEAD") => monitor::ready(ports, inbound).await,
        (Route::Panic, "POST") if ports.settings().development && inbound.visitor.loopback => {
            monitor::panic()
        }
        (Route::Panic, _) => Err(Fault::Request(RequestError::NoSuchPath)),
        (Route::Verify, "POST") => tokens::verify(ports, inbound).await,
        (Route::Tokens, "POST") => tokens::create(ports, inbound).await,
        (Route::Plan, "POST") => tokens::plan(ports, inbound).await,
        (Route::Leases, "GET") => leases::list(ports, inbound).await,
        (Route::Lease, "GET") => leases::read(ports, inbound, id).await,
        (Route::Lease, "DELETE") => leases::revoke(ports, inbound, id).await,
        (Route::Renew, "POST") => leases::renew(ports, inbound, id).await,
        (Route::Roll, "POST") => leases::roll(ports, inbound, id).await,
        (Route::WhoAmI, "GET") => tokens::who_am_i(ports, inbound).await,
        (Route::Templates, "GET") => tokens::templates(ports, inbound).await,
        (Route::PermissionGroups, "GET") => tokens::permission_groups(ports, inbound).await,
        (Route::Config, "GET") => config::read(ports, inbound, None).await,
        (Route::Config, "PUT") => config::push(ports, inbound).await,
        (Route::ConfigHistory, "GET") => config::history(ports, inbound).await,
        (Route::ConfigVersion, "GET") => config::read(ports, inbound, params.get("version")).await,
        (Route::ConfigLint, "POST") => config::lint(ports, inbound).await,
        (Route::DropIn(family, what), _) => {
            let of = match family {
                Family::User => Of::User,
                Family::Account => Of::Account(params.get("account").unwrap_or_default()),
            };
            match (what, method) {
                (DropIn::Verify, "GET") => dropin::verify(ports, inbound, of).await,
                (DropIn::Tokens, "GET") => dropin::list(ports, inbound, of).await,
                (DropIn::Tokens, "POST") => dropin::create(ports, inbound, of).await,
                (DropIn::PermissionGroups, "GET") => dropin::permission_groups(ports, inbound, of).await,
                (DropIn::Token, "GET") => dropin::read(ports, inbound, of, id).await,
                (DropIn::Token, "PUT") => dropin::update(ports, inbound, of, id).await,
                (DropIn::Token, "DELETE") => dropin::delete(ports, inbound, of, id).await,
                (DropIn::Value, "PUT") => dropin::roll(ports, inbound, of, id).await,
                _ => Err(Fault::Request(RequestError::Method(drop_in_methods(what)))),
            }
        }
        _ => Err(Fault::Request(RequestError::Method(methods(route)))),
    }
}

const fn drop_in_methods(what: DropIn) -> &'static str {
    match what {
        DropIn::Verify | DropIn::PermissionGroups => "GET",
        DropIn::Tokens => "GET, POST",
        DropIn::Token => "GET, PUT, DELETE",
        DropIn::Value => "PUT",
    }
}

const fn methods(route: Route) -> &'static str {
    match route {
        Route::Verify
        | Route::Tokens
        | Route::Plan
        | Route::Renew
        | Route::Roll
        | Route::Panic
        | Route::ConfigLint => "POST",
        Route::Lease => "GET, DELETE",
        Route::Config => "GET, PUT",
        Route::Health | Route::Ready => "GET, HEAD",
        _ => "GET",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::Method;

    #[test]
    fn every_path_of_the_table_is_found_and_means_itself() {
        for (path, route) in PATHS {
            let real = path.replace("{id}", "x").replace("{account}", "y").replace("{version}", "1");
            assert_eq!(TABLE.at(&real).map(|found| *found.value), Ok(*route), "{path}");
        }
    }

    #[test]
    fn every_method_that_is_named_is_one_that_the_route_takes() {
        for (_, route) in PATHS {
            let named = match route {
                Route::DropIn(_, what) => drop_in_methods(*what),
                other => methods(*other),
            };
            for method in named.split(", ") {
                assert!(Method::from_bytes(method.as_bytes()).is_ok());
            }
        }
    }
}
