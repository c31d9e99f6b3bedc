//! `GET /zones` and `GET /zones/{id}`: only what the presented token's policies let it see.

use serde_json::{Value, json};

use super::paging::{Page, descending};
use super::{Ask, may, only_get};
use crate::envelope::{Answer, json_answer, listing, success};
use crate::instant;
use crate::refusal::Refusal;
use crate::state::{Place, State};
use crate::token::{Action, Target};
use crate::world::{EPOCH, USER, World, Zone};

/// Longest filter by name, in characters.
const NAME_MAX: usize = 253;
/// The types of zone.
const KINDS: [&str; 4] = ["full", "partial", "secondary", "internal"];
/// The statuses of zones.
const STATUSES: [&str; 4] = ["initializing", "pending", "active", "moved"];

/// All zones that the token may see; none is 200 and an empty list.
pub(super) fn list(state: &mut State, ask: &mut Ask<'_>) -> Result<Answer, Refusal> {
    match ask.method.as_str() {
        "GET" => {}
        "POST" => {
            ask.present(state, Place::Core)?;
            return Err(Refusal::MethodNeedsUser("POST".to_owned()));
        }
        method => return Err(Refusal::NoMethod(method.to_owned())),
    }
    let token = ask.present(state, Place::Core)?;
    let page = Page::of(ask)?;
    let filter = Filter::of(ask)?;
    let backwards = descending(ask)?;
    let mut zones: Vec<&Zone> = state
        .world
        .zones
        .iter()
        .filter(|zone| {
            let target = Target::Zone { account: &zone.account, id: &zone.id };
            may(state, &token, Action::ReadZone, target, ask.now)
        })
        .filter(|zone| filter.admits(zone, &state.world))
        .collect();
    let key = |zone: &Zone| match filter.order {
        Order::Name | Order::Plan => zone.name.clone(),
        Order::Status => zone.status.to_owned(),
        Order::Account => zone.account.clone(),
        Order::AccountName => account_name(zone, &state.world).to_owned(),
    };
    zones.sort_by_key(|zone| (key(zone), zone.name.clone()));
    if backwards {
        zones.reverse();
    }
    let all = zones.into_iter().map(|zone| zone_json(zone, &state.world)).collect();
    let (shown, info) = page.cut(all, true);
    Ok(json_answer(200, &listing(shown, info)))
}

/// One zone. A zone that is not there is refused like one that may not be seen.
pub(super) fn one(state: &mut State, ask: &mut Ask<'_>, id: &str) -> Result<Answer, Refusal> {
    only_get(ask)?;
    let token = ask.present(state, Place::Core)?;
    let zone = state.world.zone(id).ok_or(Refusal::Unauthorized)?;
    let target = Target::Zone { account: &zone.account, id };
    if !may(state, &token, Action::ReadZone, target, ask.now) {
        return Err(Refusal::Unauthorized);
    }
    Ok(json_answer(200, &success(zone_json(zone, &state.world))))
}

fn account_name<'a>(zone: &Zone, world: &'a World) -> &'a str {
    world.account(&zone.account).map_or("", |account| account.name.as_str())
}

fn zone_json(zone: &Zone, world: &World) -> Value {
    let made = instant::text(EPOCH);
    let active = zone.status == "active";
    json!({
        "id": zone.id,
        "name": zone.name,
        "status": zone.status,
        "paused": false,
        "type": zone.kind,
        "development_mode": 0,
        "name_servers": ["ada.ns.cloudflare.com", "bob.ns.cloudflare.com"],
        "original_name_servers": null,
        "original_registrar": null,
        "original_dnshost": null,
        "created_on": made,
        "modified_on": made,
        "activated_on": active.then_some(made.as_str()),
        "account": { "id": zone.account, "name": account_name(zone, world) },
        "owner": { "id": USER, "type": "user", "name": "user@example.com" },
        "meta": { "step": 2, "page_rule_quota": 3, "custom_certificate_quota": 0, "phishing_detected": false },
        "permissions": ["#zone:read"],
        "plan": {
            "id": "0feeeeeeeeeeeeeeeeeeeeeeeeeeeeee",
            "name": "Free Website",
            "price": 0,
            "currency": "USD",
            "frequency": "",
            "is_subscribed": false,
            "can_subscribe": false,
            "legacy_id": "free",
            "legacy_discount": false,
            "externally_managed": false
        }
    })
}

#[derive(Clone, Copy, Debug)]
enum Order {
    Name,
    Status,
    Account,
    AccountName,
    Plan,
}

/// The query's filters.
struct Filter {
    name: Option<NameTest>,
    account_name: Option<NameTest>,
    account: Option<String>,
    status: Option<String>,
    kinds: Option<Vec<String>>,
    any: bool,
    order: Order,
}

impl Filter {
    fn of(ask: &Ask<'_>) -> Result<Self, Refusal> {
        let one_of = |name: &str, allowed: &[&str]| match ask.parameter(name) {
            Some(text) if !allowed.contains(&text) => {
                Err(Refusal::query(format!("{name} must be one of: {}", allowed.join(", "))))
            }
            found => Ok(found.map(str::to_owned)),
        };
        let kinds = ask.parameter("type").map(|text| text.split(',').map(str::to_owned).collect::<Vec<_>>());
        if kinds.iter().flatten().any(|kind| !KINDS.contains(&kind.as_str())) {
            return Err(Refusal::query(format!("type must be among: {}", KINDS.join(", "))));
        }
        Ok(Self {
            name: NameTest::of(ask, "name")?,
            account_name: NameTest::of(ask, "account.name")?,
            account: ask.parameter("account.id").map(str::to_owned),
            status: one_of("status", &STATUSES)?,
            kinds,
            any: one_of("match", &["any", "all"])?.as_deref() == Some("any"),
            order: match ask.parameter("order") {
                None | Some("name") => Order::Name,
                Some("status") => Order::Status,
                Some("account.id") => Order::Account,
                Some("account.name") => Order::AccountName,
                Some("plan.id") => Order::Plan,
                Some(_) => {
                    return Err(Refusal::query(
                        "order must be one of: name, status, account.id, account.name, plan.id",
                    ));
                }
            },
        })
    }

    fn admits(&self, zone: &Zone, world: &World) -> bool {
        // Internal zones are hidden unless asked for, whatever else matches.
        let kind = match &self.kinds {
            Some(kinds) => kinds.iter().any(|kind| kind == zone.kind),
            None => zone.kind != "internal",
        };
        let tests = [
            self.name.as_ref().map(|test| test.holds(&zone.name)),
            self.account_name.as_ref().map(|test| test.holds(account_name(zone, world))),
            self.account.as_ref().map(|id| *id == zone.account),
            self.status.as_ref().map(|status| status == zone.status),
        ];
        let mut asked = tests.into_iter().flatten().peekable();
        let met =
            if self.any && asked.peek().is_some() { asked.any(|held| held) } else { asked.all(|held| held) };
        kind && met
    }
}

/// A filter by name: plain text is equality, an operator in front of a colon another test.
struct NameTest {
    operator: String,
    text: String,
}

impl NameTest {
    fn of(ask: &Ask<'_>, parameter: &str) -> Result<Option<Self>, Refusal> {
        let Some(value) = ask.parameter(parameter) else { return Ok(None) };
        if value.chars().count() > NAME_MAX {
            return Err(Refusal::query(format!("{parameter} must have at most {NAME_MAX} characters")));
        }
        let (operator, text) = value.split_once(':').unwrap_or(("equal", value));
        Ok(Some(Self { operator: operator.to_owned(), text: text.to_owned() }))
    }

    fn holds(&self, name: &str) -> bool {
        let (low, text) = (name.to_lowercase(), self.text.to_lowercase());
        match self.operator.as_str() {
            "equal" => low == text,
            "not_equal" => low != text,
            "starts_with" => low.starts_with(&text),
            "ends_with" => low.ends_with(&text),
            "contains" => low.contains(&text),
            "starts_with_case_sensitive" => name.starts_with(&self.text),
            "ends_with_case_sensitive" => name.ends_with(&self.text),
            "contains_case_sensitive" => name.contains(&self.text),
            _ => false,
        }
    }
}
