//! A few calls of products, so that one can see what a token can and cannot do.

use serde_json::{Value, json};

use super::paging::Page;
use super::{Ask, may, only_get};
use crate::envelope::{Answer, json_answer, listing, success};
use crate::instant;
use crate::refusal::Refusal;
use crate::state::{Place, State};
use crate::token::{Action, Target};

/// DNS records on a page where none are asked.
const RECORDS_PER_PAGE: usize = 100;
/// Most DNS records on a page.
const RECORDS_PER_PAGE_MAX: usize = 5_000_000;

/// The account's Workers: there are none.
pub(super) fn scripts(state: &mut State, ask: &mut Ask<'_>, account: &str) -> Result<Answer, Refusal> {
    only_get(ask)?;
    let token = ask.present(state, Place::Product)?;
    if !may(state, &token, Action::ReadScripts, Target::Account(account), ask.now) {
        return Err(Refusal::NotAuthenticated { status: 403 });
    }
    Ok(json_answer(200, &success(json!([]))))
}

/// Empties a zone's cache.
pub(super) fn purge_cache(state: &mut State, ask: &mut Ask<'_>, zone: &str) -> Result<Answer, Refusal> {
    if ask.method != http::Method::POST {
        return Err(Refusal::NoMethod(ask.method.to_string()));
    }
    admit(state, ask, zone, Action::PurgeCache)?;
    let body = ask.json()?;
    let asked = ["purge_everything", "files", "tags", "hosts", "prefixes"];
    if !asked.iter().any(|name| body.get(name).is_some()) {
        return Err(Refusal::body("", format!("one of {} must be given", asked.join(", "))));
    }
    Ok(json_answer(200, &success(json!({ "id": zone }))))
}

/// Lists a zone's DNS records, or makes one.
pub(super) fn dns_records(state: &mut State, ask: &mut Ask<'_>, zone: &str) -> Result<Answer, Refusal> {
    match ask.method.as_str() {
        "GET" => {
            admit(state, ask, zone, Action::ReadDns)?;
            let records = state.dns_records.get(zone).cloned().unwrap_or_default();
            let (shown, info) =
                Page::within(ask, RECORDS_PER_PAGE, 1..=RECORDS_PER_PAGE_MAX)?.cut(records, true);
            Ok(json_answer(200, &listing(shown, info)))
        }
        "POST" => {
            admit(state, ask, zone, Action::WriteDns)?;
            let body = ask.json()?;
            let member = |name: &str| {
                body.get(name)
                    .and_then(Value::as_str)
                    .filter(|text| !text.is_empty())
                    .ok_or_else(|| Refusal::body(&format!("/{name}"), format!("{name} must be present")))
            };
            let (kind, name, content) = (member("type")?, member("name")?, member("content")?);
            let record = json!({
                "id": state.source.next_id(),
                "type": kind,
                "name": name,
                "content": content,
                "ttl": body.get("ttl").and_then(Value::as_u64).unwrap_or(1),
                "proxied": false,
                "proxiable": false,
                "settings": {},
                "meta": {},
                "tags": [],
                "created_on": instant::text(ask.now),
                "modified_on": instant::text(ask.now),
            });
            state.dns_records.entry(zone.to_owned()).or_default().push(record.clone());
            Ok(json_answer(200, &success(record)))
        }
        method => Err(Refusal::NoMethod(method.to_owned())),
    }
}

fn admit(state: &mut State, ask: &mut Ask<'_>, zone: &str, action: Action) -> Result<(), Refusal> {
    let token = ask.present(state, Place::Product)?;
    let found = state.world.zone(zone);
    let allowed = found.is_some_and(|found| {
        may(state, &token, action, Target::Zone { account: &found.account, id: zone }, ask.now)
    });
    if allowed { Ok(()) } else { Err(Refusal::NotAuthenticated { status: 403 }) }
}
