//! The calls of the API: who asks, whether the token may, what comes back.

use std::net::IpAddr;

use http::{HeaderMap, HeaderValue, Method, header};
use serde_json::Value;

use crate::envelope::Answer;
use crate::refusal::Refusal;
use crate::route::Route;
use crate::state::{Place, Reading, State};
use crate::token::{Action, Target, Token, permits};
use crate::value::TokenValue;

mod draft;
mod identity;
mod paging;
mod products;
mod tokens;
mod zones;

pub(crate) use draft::Draft;
pub(crate) use tokens::{change, make};

/// A request, taken apart.
pub(crate) struct Ask<'a> {
    pub(crate) method: &'a Method,
    /// Without `/client/v4`.
    pub(crate) path: &'a str,
    pub(crate) query: Vec<(String, String)>,
    pub(crate) headers: &'a HeaderMap,
    pub(crate) body: &'a [u8],
    pub(crate) now: i64,
    pub(crate) ip: IpAddr,
    /// What the meter says, once the token is recognised.
    pub(crate) reading: Option<Reading>,
}

impl Ask<'_> {
    /// A parameter of the query; the first where there are several.
    pub(crate) fn parameter(&self, name: &str) -> Option<&str> {
        self.query.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    /// The body as JSON.
    pub(crate) fn json(&self) -> Result<Value, Refusal> {
        serde_json::from_slice(self.body).map_err(|_| Refusal::BrokenJson)
    }

    /// Recognises the presented token.
    pub(crate) fn present(&mut self, state: &mut State, place: Place) -> Result<Token, Refusal> {
        let value = bearer(self.headers)?;
        let (token, reading) = state.recognise(&value, place, self.ip, self.now)?;
        self.reading = reading;
        Ok(token)
    }
}

/// The value in the `Authorization` header.
pub(crate) fn bearer(headers: &HeaderMap) -> Result<TokenValue, Refusal> {
    let mut all = headers.get_all(header::AUTHORIZATION).iter();
    let first = all.next().ok_or(Refusal::NoCredentials)?;
    if all.next().is_some() {
        return Err(Refusal::MalformedBearer);
    }
    let text = first.to_str().map_err(|_| Refusal::MalformedBearer)?;
    let (scheme, value) = text.split_once(' ').ok_or(Refusal::MalformedBearer)?;
    if !scheme.eq_ignore_ascii_case("bearer") {
        return Err(Refusal::MalformedBearer);
    }
    TokenValue::parse(value).ok_or(Refusal::MalformedBearer)
}

/// Whether a token may do something, by its policies in force and its owner's reach.
pub(crate) fn may(state: &State, token: &Token, action: Action, target: Target<'_>, now: i64) -> bool {
    let reached = match target {
        Target::Account(account) | Target::Zone { account, .. } => {
            token.owner.reaches_account(account, &state.world)
        }
        Target::User(user) => token.owner == crate::token::Owner::User(user.to_owned()),
    };
    reached && permits(token.policies_at(now), action, target, &state.catalogue)
}

/// Answers a call.
pub(crate) fn answer(state: &mut State, ask: &mut Ask<'_>) -> Answer {
    let done = dispatch(state, ask);
    let limited = matches!(done, Err(Refusal::RateLimited { .. }));
    let mut answer = done.unwrap_or_else(|refusal| Answer::from(&refusal));
    let settings = &state.settings;
    let reading = ask.reading.or_else(|| {
        let (limit, window) = (settings.rate_limit, settings.rate_window_s);
        limited.then_some(Reading { limit, window, left: 0, reset: settings.rate_block_s })
    });
    if let Some(reading) = reading {
        let Reading { limit, window, left, reset } = reading;
        put(&mut answer, "ratelimit", &format!("\"default\";r={left};t={reset}"));
        put(&mut answer, "ratelimit-policy", &format!("\"default\";q={limit};w={window}"));
    }
    answer
}

/// Sets a header; a value that is none is left out.
pub(crate) fn put(answer: &mut Answer, name: &str, value: &str) {
    if let (Ok(name), Ok(value)) = (header::HeaderName::try_from(name), HeaderValue::from_str(value)) {
        answer.headers_mut().insert(name, value);
    }
}

fn dispatch(state: &mut State, ask: &mut Ask<'_>) -> Result<Answer, Refusal> {
    state.count_address(ask.ip, ask.now)?;
    let path = ask.path;
    let no_route = || Refusal::NoRoute(format!("{}{path}", crate::BASE));
    match Route::parse(path).ok_or_else(no_route)? {
        Route::Tokens(account, route) => tokens::answer(state, ask, account, route),
        Route::Zones => zones::list(state, ask),
        Route::Zone(id) => zones::one(state, ask, id),
        Route::User => identity::user(state, ask),
        Route::Memberships => identity::memberships(state, ask),
        Route::Accounts => identity::accounts(state, ask),
        Route::Account(id) => identity::account(state, ask, id),
        Route::Scripts(account) => products::scripts(state, ask, account),
        Route::DnsRecords(zone) => products::dns_records(state, ask, zone),
        Route::PurgeCache(zone) => products::purge_cache(state, ask, zone),
    }
}

/// Refuses every method but GET.
pub(crate) fn only_get(ask: &Ask<'_>) -> Result<(), Refusal> {
    if ask.method == Method::GET { Ok(()) } else { Err(Refusal::NoMethod(ask.method.to_string())) }
}
