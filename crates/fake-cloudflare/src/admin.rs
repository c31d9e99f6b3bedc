//! The switches over HTTP, under `/__admin`, outside the API. README.md shows each with one line.

use http::Request;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value, json};

use crate::envelope::{Answer, json_answer};
use crate::fake::{Fake, Outcome};
use crate::fault::{Barrier, Fault};
use crate::issuer;
use crate::refusal::Refusal;
use crate::settings::Settings;
use crate::state::Call;
use crate::token::Owner;
use crate::world::{USER, World};

/// Where the switches begin in every path.
const ROOT: &str = "/__admin/";

/// Why a switch is not thrown.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Fumble {
    /// The body is not what the switch takes; says what is wrong.
    Body(String),
    /// No switch, fault, barrier or token of that name.
    Nothing(String),
    /// The API would refuse the token that is asked for.
    Refused(Refusal),
}

impl From<Refusal> for Fumble {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

impl From<Fumble> for Answer {
    fn from(fumble: Fumble) -> Self {
        let (status, text) = match fumble {
            Fumble::Body(text) => (400, text),
            Fumble::Nothing(what) => {
                (404, format!("there is no {what}; README.md of fake-cloudflare lists the switches"))
            }
            Fumble::Refused(refusal) => (400, refusal.message()),
        };
        json_answer(status, &json!({ "error": text }))
    }
}

/// Answers everything that is not under `/client/v4`.
pub(crate) fn answer(fake: &Fake, request: &Request<Vec<u8>>, now: i64) -> Outcome {
    if let Some(outcome) = fake.lock().issuers.answer(request) {
        return outcome;
    }
    let answer = switch(fake, request, now).map_or_else(Answer::from, |body| json_answer(200, &body));
    issuer::at_once(answer)
}

fn switch(fake: &Fake, request: &Request<Vec<u8>>, now: i64) -> Result<Value, Fumble> {
    let path = request.uri().path();
    let nothing = || Fumble::Nothing(format!("{} {path}", request.method()));
    let segments: Vec<&str> = path.strip_prefix(ROOT).ok_or_else(nothing)?.split('/').collect();
    match (request.method().as_str(), segments.as_slice()) {
        ("GET", ["world"]) => Ok(world(&fake.lock().world)),
        ("GET", ["settings"]) => Ok(json!(fake.settings())),
        ("PATCH", ["settings"]) => patch_settings(fake, &object(request)?),
        ("POST", ["clock"]) => move_clock(fake, &read(request)?),
        ("GET", ["faults"]) => Ok(json!(fake.faults().iter().map(numbered).collect::<Vec<_>>())),
        ("POST", ["faults"]) => Ok(json!({ "id": fake.add_fault(read::<Fault>(request)?) })),
        ("DELETE", ["faults"]) => {
            fake.set_faults([]);
            Ok(json!({}))
        }
        ("DELETE", ["faults", id]) => {
            let there = fake.remove_fault(number(id)?);
            there.then(|| json!({})).ok_or_else(|| Fumble::Nothing(format!("fault {id}")))
        }
        ("GET", ["barriers"]) => Ok(json!(fake.barriers().iter().map(standing).collect::<Vec<_>>())),
        ("POST", ["barriers"]) => Ok(json!({ "id": fake.add_barrier(read::<Barrier>(request)?) })),
        ("GET", ["barriers", id]) => {
            let held = fake.held(number(id)?).ok_or_else(|| Fumble::Nothing(format!("barrier {id}")))?;
            Ok(json!({ "held": held }))
        }
        ("POST", ["barriers", id, "release"]) => {
            let Release { count } =
                if request.body().is_empty() { Release::default() } else { read(request)? };
            let gone =
                fake.release(number(id)?, count).ok_or_else(|| Fumble::Nothing(format!("barrier {id}")))?;
            Ok(json!({ "released": gone }))
        }
        ("GET", ["calls"]) => Ok(calls(fake, request)),
        ("DELETE", ["calls"]) => {
            fake.clear_calls();
            Ok(json!({}))
        }
        ("GET", ["tokens"]) => Ok(json!(fake.tokens_json(now))),
        ("POST", ["tokens"]) => mint(fake, object(request)?, now),
        ("PATCH", ["tokens", id]) => {
            fake.alter(id, &Value::Object(object(request)?), now)?;
            Ok(json!({}))
        }
        ("DELETE", ["tokens", id]) => found(fake.remove_token(id), id),
        ("POST", ["tokens", id, "expose"]) => found(fake.expose(id), id),
        (_, ["issuer", shape, what]) => {
            fake.lock().issuers.switch(request, shape, what, now).map_err(Fumble::Body)
        }
        ("GET", ["violations"]) => Ok(json!(fake.violations())),
        ("POST", ["reset"]) => {
            fake.reset();
            Ok(json!({}))
        }
        _ => Err(nothing()),
    }
}

fn read<T: DeserializeOwned>(request: &Request<Vec<u8>>) -> Result<T, Fumble> {
    serde_json::from_slice(request.body()).map_err(|error| Fumble::Body(error.to_string()))
}

fn object(request: &Request<Vec<u8>>) -> Result<Map<String, Value>, Fumble> {
    read(request)
}

/// The number of a fault or barrier.
fn number(text: &str) -> Result<u64, Fumble> {
    text.parse().map_err(|_| Fumble::Body(format!("{text} is no number of a fault or barrier")))
}

fn found(there: bool, id: &str) -> Result<Value, Fumble> {
    there.then(|| json!({ "id": id })).ok_or_else(|| Fumble::Nothing(format!("token {id}")))
}

fn numbered((id, fault): &(u64, Fault)) -> Value {
    json!({ "id": id, "fault": fault })
}

fn standing((id, barrier, held): &(u64, Barrier, usize)) -> Value {
    json!({ "id": id, "barrier": barrier, "held": held })
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Release {
    /// The first so many; all where it is left out.
    #[serde(default)]
    count: Option<usize>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ClockMove {
    /// Seconds to move the clock by, from where it is.
    jump_s: i64,
}

fn move_clock(fake: &Fake, asked: &ClockMove) -> Result<Value, Fumble> {
    fake.change_settings(|settings| {
        settings.clock_offset_s = settings.clock_offset_s.saturating_add(asked.jump_s);
    });
    Ok(json!({ "clock_offset_s": fake.settings().clock_offset_s }))
}

/// Replaces the members given and keeps the others.
fn patch_settings(fake: &Fake, members: &Map<String, Value>) -> Result<Value, Fumble> {
    let mut merged = json!(fake.settings());
    for (name, value) in members {
        if let Some(all) = merged.as_object_mut() {
            all.insert(name.clone(), value.clone());
        }
    }
    let settings: Settings =
        serde_json::from_value(merged).map_err(|error| Fumble::Body(error.to_string()))?;
    fake.change_settings(|own| *own = settings);
    Ok(json!(fake.settings()))
}

/// The calls, filtered by `method`, `path` (how it begins, with or without `/client/v4`) and
/// `after` (a call's number).
fn calls(fake: &Fake, request: &Request<Vec<u8>>) -> Value {
    let query = request.uri().query().unwrap_or_default();
    let asked: Vec<(String, String)> = form_urlencoded::parse(query.as_bytes()).into_owned().collect();
    let one = |name: &str| asked.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str());
    let prefix = one("path").map(|path| path.strip_prefix(crate::BASE).unwrap_or(path));
    let after: u64 = one("after").and_then(|text| text.parse().ok()).unwrap_or(0);
    let wanted = |call: &Call| {
        let path = call.path.strip_prefix(crate::BASE).unwrap_or(&call.path);
        call.number > after
            && one("method").is_none_or(|method| call.method.eq_ignore_ascii_case(method))
            && prefix.is_none_or(|prefix| path.starts_with(prefix))
    };
    json!(fake.calls().into_iter().filter(wanted).collect::<Vec<_>>())
}

/// Makes a token: a create's body with `owner` besides, `"user"` or an account's id.
fn mint(fake: &Fake, mut body: Map<String, Value>, now: i64) -> Result<Value, Fumble> {
    let owner = match body.remove("owner").as_ref().and_then(Value::as_str) {
        Some("user") => Owner::User(USER.to_owned()),
        Some(id) if fake.lock().world.account(id).is_some() => Owner::Account(id.to_owned()),
        _ => return Err(Fumble::Body("owner must be \"user\" or the id of an account".to_owned())),
    };
    let (id, value) = fake.mint(&owner, &Value::Object(body), now)?;
    Ok(json!({ "id": id, "value": value.expose() }))
}

fn world(world: &World) -> Value {
    let account = |account: &crate::world::Account| json!({ "id": account.id, "name": account.name, "ours": account.ours });
    let zone =
        |zone: &crate::world::Zone| json!({ "id": zone.id, "name": zone.name, "account": zone.account });
    json!({
        "user": USER,
        "accounts": world.accounts.iter().map(account).collect::<Vec<_>>(),
        "zones": world.zones.iter().map(zone).collect::<Vec<_>>(),
    })
}
