//! Everything the stand-in remembers, and how a presented token is recognised.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::net::IpAddr;

use serde::Serialize;
use serde_json::Value;

use crate::config::Config;
use crate::fault::{Barriers, Faults};
use crate::groups::Groups;
use crate::issuer::Issuers;
use crate::policy::{Effect, Policy, Resource, Which};
use crate::refusal::Refusal;
use crate::settings::{InactiveVerify, Settings};
use crate::token::{Owner, Standing, Status, Token};
use crate::value::{Digest, Source, TokenValue, id_of};
use crate::world::{EPOCH, World};

/// Calls that are kept; older ones are forgotten, so that a long run does not grow.
pub const CALLS_KEPT: usize = 100_000;

/// One call that arrived. It holds no secret.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Call {
    /// Counts all calls from 1.
    pub number: u64,
    /// Unix seconds by the stand-in's clock.
    pub time: i64,
    /// The method.
    pub method: String,
    /// The path with `/client/v4`; `[redacted]` where a secret was in the URL.
    pub path: String,
    /// The query, if any.
    pub query: Option<String>,
    /// The status answered; `None` where no answer was given.
    pub status: Option<u16>,
    /// The id of the token that was presented, if it is a known one.
    pub token: Option<String>,
    /// The names of the request's headers, in order.
    pub headers: Vec<String>,
    /// The body, where it is JSON and holds no secret.
    pub body: Option<Value>,
}

/// Something that must not have arrived did.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Violation {
    /// What arrived.
    pub what: String,
    /// Where in the request.
    pub place: String,
    /// The request's method.
    pub method: String,
    /// The request's path; `[redacted]` where the secret was in the URL.
    pub path: String,
}

/// Where a token is presented: that decides how a dead one is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    /// verify.
    Verify,
    /// Tokens, zones, user and accounts.
    Core,
    /// A product's API.
    Product,
}

/// What is left of the calls a token may make.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Meter {
    window_from: i64,
    used: u32,
    blocked_until: i64,
}

/// What the headers tell of a meter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Reading {
    /// Calls in a window.
    pub(crate) limit: u32,
    /// The window's length in seconds.
    pub(crate) window: i64,
    /// Calls left.
    pub(crate) left: u32,
    /// Seconds until the window ends.
    pub(crate) reset: i64,
}

#[derive(Debug)]
struct Ghost {
    token: Token,
    until: i64,
}

/// Everything there is.
#[derive(Debug)]
pub(crate) struct State {
    pub(crate) config: Config,
    pub(crate) world: World,
    /// The groups by their first names: what they mean.
    pub(crate) catalogue: Groups,
    /// The groups as they are shown and may be granted.
    pub(crate) groups: Groups,
    pub(crate) settings: Settings,
    pub(crate) source: Source,
    pub(crate) tokens: BTreeMap<String, Token>,
    by_digest: HashMap<Digest, String>,
    ghosts: HashMap<Digest, Ghost>,
    meters: HashMap<String, Meter>,
    addresses: HashMap<IpAddr, (i64, u32)>,
    pub(crate) calls: VecDeque<Call>,
    pub(crate) calls_made: u64,
    pub(crate) faults: Faults,
    pub(crate) barriers: Barriers,
    pub(crate) issuers: Issuers,
    pub(crate) violations: Vec<Violation>,
    pub(crate) dns_records: BTreeMap<String, Vec<Value>>,
    made: u64,
}

impl State {
    pub(crate) fn new(config: Config) -> Self {
        let mut state = Self {
            world: World::example(),
            catalogue: Groups::catalogue(),
            groups: Groups::catalogue(),
            settings: config.settings.clone(),
            source: Source::new(config.seed),
            tokens: BTreeMap::new(),
            by_digest: HashMap::new(),
            ghosts: HashMap::new(),
            meters: HashMap::new(),
            addresses: HashMap::new(),
            calls: VecDeque::new(),
            calls_made: 0,
            faults: Faults::default(),
            barriers: Barriers::default(),
            issuers: Issuers::default(),
            violations: Vec::new(),
            dns_records: BTreeMap::new(),
            made: 0,
            config,
        };
        state.seat_parents();
        state.apply_settings(state.settings.clone());
        state
    }

    /// Back to the beginning; only the violations stay, for a run that had one has failed.
    pub(crate) fn reset(&mut self) {
        let violations = std::mem::take(&mut self.violations);
        // The numbers go on, so that an old ticket never fits a new barrier.
        let mut barriers = std::mem::take(&mut self.barriers);
        barriers.clear();
        *self = Self::new(self.config.clone());
        self.violations = violations;
        self.barriers = barriers;
    }

    pub(crate) fn apply_settings(&mut self, settings: Settings) {
        let mut groups = self.catalogue.clone();
        for group in &settings.extra_groups {
            groups.put(group.clone());
        }
        for id in &settings.hidden_groups {
            groups.hide(id);
        }
        for (id, name) in &settings.renamed_groups {
            groups.rename(id, name);
        }
        self.groups = groups;
        self.settings = settings;
    }

    fn seat_parents(&mut self) {
        for parent in self.config.parents.clone() {
            let id = self.source.id(&format!("parent {}", parent.name));
            let (group, resource) = match &parent.owner {
                Owner::User(user) => ("API Tokens Write", Resource::User(user.clone())),
                Owner::Account(account) => {
                    ("Account API Tokens Write", Resource::Account(Which::One(account.clone())))
                }
            };
            let groups = self.catalogue.named(group, resource.scope()).map(|group| group.id.clone());
            let policy = Policy {
                id: id_of(&format!("policy {id}")),
                effect: Effect::Allow,
                groups: groups.into_iter().collect(),
                resources: vec![resource],
            };
            let sequence = self.next_sequence();
            self.seat(Token {
                id,
                owner: parent.owner,
                name: format!("parent {}", parent.name),
                policies: vec![policy],
                condition: None,
                status: Status::Active,
                issued_on: EPOCH,
                modified_on: EPOCH,
                last_used_on: None,
                not_before: None,
                expires_on: None,
                digest: parent.value.digest(),
                unknown_until: 0,
                before_change: None,
                sequence,
            });
        }
    }

    pub(crate) const fn next_sequence(&mut self) -> u64 {
        self.made = self.made.wrapping_add(1);
        self.made
    }

    /// Takes a token in.
    pub(crate) fn seat(&mut self, token: Token) {
        self.by_digest.insert(token.digest, token.id.clone());
        self.tokens.insert(token.id.clone(), token);
    }

    /// Takes a token out; its value may work on for a while.
    pub(crate) fn unseat(&mut self, id: &str, works_until: i64) -> Option<Token> {
        let token = self.tokens.remove(id)?;
        self.by_digest.remove(&token.digest);
        for ghost in self.ghosts.values_mut().filter(|ghost| ghost.token.id == id) {
            ghost.until = ghost.until.min(works_until);
        }
        self.ghosts.insert(token.digest, Ghost { token: token.clone(), until: works_until });
        Some(token)
    }

    /// Gives a token another value; the old one may work on for a while.
    pub(crate) fn roll(&mut self, id: &str, value: &TokenValue, now: i64) {
        let (known, gone) = (self.settings.propagation_create_s, self.settings.propagation_roll_s);
        let Some(token) = self.tokens.get_mut(id) else { return };
        let ghost = Ghost { token: token.clone(), until: now.saturating_add(gone) };
        self.by_digest.remove(&token.digest);
        self.ghosts.insert(token.digest, ghost);
        token.digest = value.digest();
        token.modified_on = now;
        token.unknown_until = now.saturating_add(known);
        self.by_digest.insert(token.digest, token.id.clone());
    }

    /// Forgets what expired too long ago and ghosts that are over.
    pub(crate) fn sweep(&mut self, now: i64) {
        let kept = self.settings.expired_kept_s;
        let gone = |token: &Token| token.expires_on.is_some_and(|end| end.saturating_add(kept) <= now);
        let old: Vec<String> =
            self.tokens.values().filter(|token| gone(token)).map(|token| token.id.clone()).collect();
        for id in old {
            self.unseat(&id, now);
        }
        self.ghosts.retain(|_, ghost| now < ghost.until);
    }

    /// The token with this value at this moment: the present one, or one that lives on.
    fn find(&self, value: &TokenValue, now: i64) -> Option<Token> {
        let digest = value.digest();
        let present = self.by_digest.get(&digest).and_then(|id| self.tokens.get(id)).cloned();
        present.or_else(|| {
            let ghost = self.ghosts.get(&digest).filter(|ghost| now < ghost.until)?;
            // A rolled-away value shares its token's fate, but not the new value's spreading.
            let token = self.tokens.get(&ghost.token.id).unwrap_or(&ghost.token);
            Some(Token { unknown_until: ghost.token.unknown_until, ..token.clone() })
        })
    }

    /// The id of the token with this value, live or not; for the list of calls.
    pub(crate) fn id_of_value(&self, value: &TokenValue, now: i64) -> Option<String> {
        self.find(value, now).map(|token| token.id)
    }

    /// Decides whether a presented value opens the door at all.
    pub(crate) fn recognise(
        &mut self,
        value: &TokenValue,
        place: Place,
        ip: IpAddr,
        now: i64,
    ) -> Result<(Token, Option<Reading>), Refusal> {
        let dead = match place {
            Place::Verify => Refusal::InvalidApiToken,
            Place::Core => Refusal::DeadToken,
            Place::Product => Refusal::NotAuthenticated { status: 401 },
        };
        let token = self.find(value, now).ok_or_else(|| dead.clone())?;
        let reading = self.count(&token, now)?;
        if now < token.unknown_until {
            return Err(match place {
                Place::Verify => Refusal::InvalidApiToken,
                _ => Refusal::NotAuthenticated { status: self.settings.propagation_status },
            });
        }
        let told = |how: InactiveVerify| place == Place::Verify && how == InactiveVerify::Status;
        let passes = match token.standing(now) {
            Standing::Live => true,
            Standing::Expired | Standing::Disabled => told(self.settings.inactive_verify),
            Standing::NotYetValid => told(self.settings.not_yet_valid_verify),
            Standing::Exposed => false,
        };
        if !passes {
            return Err(dead);
        }
        if token.condition.as_ref().is_some_and(|condition| !condition.admits(ip)) {
            return Err(Refusal::Location(ip));
        }
        if let Some(kept) = self.tokens.get_mut(&token.id) {
            kept.last_used_on = Some(now);
        }
        Ok((token, reading))
    }

    /// Counts a call. The user's tokens share one meter, an account token has its own.
    fn count(&mut self, token: &Token, now: i64) -> Result<Option<Reading>, Refusal> {
        let (limit, window, block) =
            (self.settings.rate_limit, self.settings.rate_window_s, self.settings.rate_block_s);
        if limit == 0 {
            return Ok(None);
        }
        let key = match &token.owner {
            Owner::User(user) => user,
            Owner::Account(_) => &token.id,
        };
        let meter = self.meters.entry(key.clone()).or_insert(Meter { window_from: now, ..Meter::default() });
        if now < meter.blocked_until {
            return Err(Refusal::RateLimited { retry_after: meter.blocked_until.saturating_sub(now) });
        }
        if now >= meter.window_from.saturating_add(window) || now < meter.window_from {
            *meter = Meter { window_from: now, ..Meter::default() };
        }
        if meter.used >= limit {
            meter.blocked_until = now.saturating_add(block);
            return Err(Refusal::RateLimited { retry_after: block });
        }
        meter.used = meter.used.saturating_add(1);
        let reset = meter.window_from.saturating_add(window).saturating_sub(now);
        Ok(Some(Reading { limit, window, left: limit.saturating_sub(meter.used), reset }))
    }

    /// Counts a call of an address.
    pub(crate) fn count_address(&mut self, ip: IpAddr, now: i64) -> Result<(), Refusal> {
        let limit = self.settings.ip_rate_limit;
        if limit == 0 {
            return Ok(());
        }
        let (second, used) = self.addresses.entry(ip).or_insert((now, 0));
        if *second != now {
            (*second, *used) = (now, 0);
        }
        if *used >= limit {
            return Err(Refusal::RateLimited { retry_after: 1 });
        }
        *used = used.saturating_add(1);
        Ok(())
    }

    /// How many tokens the owner has, expired ones included.
    pub(crate) fn owned(&self, owner: &Owner) -> usize {
        self.tokens.values().filter(|token| token.owner == *owner).count()
    }

    /// Writes a call down.
    pub(crate) fn record(&mut self, mut call: Call) {
        self.calls_made = self.calls_made.wrapping_add(1);
        call.number = self.calls_made;
        if self.calls.len() >= CALLS_KEPT {
            self.calls.pop_front();
        }
        self.calls.push_back(call);
    }
}
