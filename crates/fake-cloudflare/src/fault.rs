//! Faults: what goes wrong on which calls, and barriers: calls that wait until they are let go.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

/// Which calls are meant. An absent member means every call.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Matcher {
    /// The method, upper case.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub method: Option<String>,
    /// How the path begins, with or without `/client/v4`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    /// How the path ends, for instance `/value` for rolls and `/tokens` for creates and lists.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub suffix: Option<String>,
}

impl Matcher {
    /// Every call with this method whose path begins so.
    #[must_use]
    pub fn new(method: &str, path: &str) -> Self {
        Self { method: Some(method.to_owned()), path: Some(path.to_owned()), suffix: None }
    }

    /// Whether a call is meant; `path` without `/client/v4`.
    #[must_use]
    pub fn meets(&self, method: &str, path: &str) -> bool {
        let begins = |prefix: &String| path.starts_with(prefix.strip_prefix(super::BASE).unwrap_or(prefix));
        self.method.as_ref().is_none_or(|wanted| wanted.eq_ignore_ascii_case(method))
            && self.path.as_ref().is_none_or(begins)
            && self.suffix.as_ref().is_none_or(|suffix| path.ends_with(suffix.as_str()))
    }
}

/// When something happens, seen from the work that the call asks for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum When {
    /// Before it: the work is not done, or only later.
    #[default]
    Before,
    /// After it: the work is done.
    After,
}

/// What goes wrong.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum Effect {
    /// The call takes longer.
    Latency {
        /// Milliseconds.
        ms: u64,
        /// Before the work, or after it (the default here is `before`).
        #[serde(default)]
        when: When,
    },
    /// The answer's head comes, its body only after so long.
    SlowBody {
        /// Milliseconds.
        ms: u64,
    },
    /// A failure in the envelope. `after`: although the work was done.
    Status {
        /// The HTTP status.
        status: u16,
        /// The code of the one error.
        #[serde(default = "default_code")]
        code: i64,
        /// The message of the one error.
        #[serde(default = "default_message")]
        message: String,
        /// Headers of the answer.
        #[serde(default)]
        headers: BTreeMap<String, String>,
        /// Whether the work is done first.
        #[serde(default)]
        when: When,
    },
    /// 429/971 with `retry-after`.
    RateLimited {
        /// Seconds in `retry-after`.
        retry_after: i64,
    },
    /// An HTML page, as a proxy in front of the API gives it.
    Html {
        /// The HTTP status.
        status: u16,
        /// Whether the work is done first.
        #[serde(default)]
        when: When,
    },
    /// Any other answer.
    Raw {
        /// The HTTP status.
        status: u16,
        /// The `content-type`.
        #[serde(default = "default_type")]
        content_type: String,
        /// The body.
        body: String,
        /// Headers of the answer.
        #[serde(default)]
        headers: BTreeMap<String, String>,
        /// Whether the work is done first.
        #[serde(default)]
        when: When,
    },
    /// A redirect.
    Redirect {
        /// The HTTP status (302).
        #[serde(default = "default_redirect")]
        status: u16,
        /// The `location`.
        location: String,
    },
    /// The connection ends without an answer. `after`: although the work was done.
    Drop {
        /// Whether the work is done first.
        #[serde(default)]
        when: When,
    },
    /// The connection is reset before the work is done.
    Reset,
    /// The answer ends after so many bytes of its body, whose length was announced in full.
    Truncate {
        /// Bytes that come.
        bytes: usize,
    },
    /// The answer is a whole and valid JSON envelope, but blown up to at least so many bytes.
    Huge {
        /// Bytes.
        bytes: usize,
    },
}

const fn default_code() -> i64 {
    10_001
}

fn default_message() -> String {
    "Internal error".to_owned()
}

fn default_type() -> String {
    "application/json".to_owned()
}

const fn default_redirect() -> u16 {
    302
}

impl Effect {
    /// When it strikes.
    #[must_use]
    pub const fn when(&self) -> When {
        match self {
            Self::Latency { when, .. }
            | Self::Status { when, .. }
            | Self::Html { when, .. }
            | Self::Raw { when, .. }
            | Self::Drop { when } => *when,
            Self::RateLimited { .. } | Self::Redirect { .. } | Self::Reset => When::Before,
            Self::SlowBody { .. } | Self::Truncate { .. } | Self::Huge { .. } => When::After,
        }
    }

    /// Whether the call goes on to the next fault: it only takes time.
    #[must_use]
    pub const fn only_delays(&self) -> bool {
        matches!(self, Self::Latency { .. } | Self::SlowBody { .. })
    }
}

/// A fault on some calls.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Fault {
    /// Which calls.
    #[serde(default, rename = "match")]
    pub on: Matcher,
    /// How many of them pass unharmed first.
    #[serde(default)]
    pub skip: u32,
    /// How many are then hit; all, where it is left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub count: Option<u32>,
    /// What happens.
    pub effect: Effect,
}

impl Fault {
    /// A fault that hits the next `count` calls.
    #[must_use]
    pub const fn next(count: u32, on: Matcher, effect: Effect) -> Self {
        Self { on, skip: 0, count: Some(count), effect }
    }

    /// A fault that hits every call.
    #[must_use]
    pub const fn always(on: Matcher, effect: Effect) -> Self {
        Self { on, skip: 0, count: None, effect }
    }
}

/// The faults in force.
#[derive(Debug, Default)]
pub(crate) struct Faults {
    list: Vec<(u64, Fault)>,
    made: u64,
}

impl Faults {
    /// Puts a fault in force and gives its number.
    pub(crate) fn add(&mut self, fault: Fault) -> u64 {
        self.made = self.made.wrapping_add(1);
        self.list.push((self.made, fault));
        self.made
    }

    /// Takes one out of force; whether it was there.
    pub(crate) fn remove(&mut self, number: u64) -> bool {
        let before = self.list.len();
        self.list.retain(|(own, _)| *own != number);
        before != self.list.len()
    }

    /// Takes all out of force.
    pub(crate) fn clear(&mut self) {
        self.list.clear();
    }

    /// The faults in force with their numbers, and what is left of their counts.
    #[must_use]
    pub(crate) fn list(&self) -> &[(u64, Fault)] {
        &self.list
    }

    /// The faults that hit this call: all delays, and the first other one. Each is counted down.
    pub(crate) fn strike(&mut self, method: &str, path: &str) -> Vec<Effect> {
        let mut hits = Vec::new();
        let mut ended = false;
        for (_, fault) in &mut self.list {
            if !fault.on.meets(method, path) || (ended && !fault.effect.only_delays()) {
                continue;
            }
            if fault.skip > 0 {
                fault.skip = fault.skip.saturating_sub(1);
                continue;
            }
            if let Some(left) = &mut fault.count {
                if *left == 0 {
                    continue;
                }
                *left = left.saturating_sub(1);
            }
            ended |= !fault.effect.only_delays();
            hits.push(fault.effect.clone());
        }
        self.list.retain(|(_, fault)| fault.count != Some(0));
        hits
    }
}

/// A place in front of a barrier.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Ticket {
    /// The barrier's number.
    pub barrier: u64,
    /// The place.
    pub place: u64,
}

/// A barrier as it is set up.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Barrier {
    /// Which calls it holds.
    #[serde(default, rename = "match")]
    pub on: Matcher,
    /// Before the work, or after it and before the answer.
    pub when: When,
    /// How many it holds; later calls pass. All, where it is left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub count: Option<u32>,
}

#[derive(Debug)]
struct Standing {
    barrier: Barrier,
    taken: u32,
    held: BTreeSet<u64>,
}

/// The barriers that stand.
#[derive(Debug, Default)]
pub(crate) struct Barriers {
    standing: BTreeMap<u64, Standing>,
    made: u64,
    places: u64,
}

impl Barriers {
    /// Sets one up and gives its number.
    pub(crate) fn add(&mut self, barrier: Barrier) -> u64 {
        self.made = self.made.wrapping_add(1);
        self.standing.insert(self.made, Standing { barrier, taken: 0, held: BTreeSet::new() });
        self.made
    }

    /// Holds a call, if one of them is for it.
    pub(crate) fn hold(&mut self, when: When, method: &str, path: &str) -> Option<Ticket> {
        let (number, standing) = self.standing.iter_mut().find(|(_, standing)| {
            standing.barrier.when == when
                && standing.barrier.count.is_none_or(|count| standing.taken < count)
                && standing.barrier.on.meets(method, path)
        })?;
        self.places = self.places.wrapping_add(1);
        standing.taken = standing.taken.saturating_add(1);
        standing.held.insert(self.places);
        Some(Ticket { barrier: *number, place: self.places })
    }

    /// Whether the call must still wait.
    #[must_use]
    pub(crate) fn holds(&self, ticket: Ticket) -> bool {
        self.standing.get(&ticket.barrier).is_some_and(|standing| standing.held.contains(&ticket.place))
    }

    /// The caller has gone away.
    pub(crate) fn leave(&mut self, ticket: Ticket) {
        if let Some(standing) = self.standing.get_mut(&ticket.barrier) {
            standing.held.remove(&ticket.place);
        }
    }

    /// How many calls wait there; `None` where no such barrier stands.
    #[must_use]
    pub(crate) fn held(&self, number: u64) -> Option<usize> {
        self.standing.get(&number).map(|standing| standing.held.len())
    }

    /// Lets the first `count` go, or, without a number, all, and takes the barrier down.
    /// Gives how many went; `None` where no such barrier stands.
    pub(crate) fn release(&mut self, number: u64, count: Option<usize>) -> Option<usize> {
        let Some(count) = count else {
            return self.standing.remove(&number).map(|standing| standing.held.len());
        };
        let standing = self.standing.get_mut(&number)?;
        let going: Vec<u64> = standing.held.iter().take(count).copied().collect();
        standing.held.retain(|place| !going.contains(place));
        Some(going.len())
    }

    /// Lets everybody go.
    pub(crate) fn clear(&mut self) {
        self.standing.clear();
    }

    /// The barriers that stand: number, barrier, how many wait.
    pub(crate) fn list(&self) -> impl Iterator<Item = (u64, &Barrier, usize)> {
        self.standing.iter().map(|(number, standing)| (*number, &standing.barrier, standing.held.len()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn creates() -> Matcher {
        Matcher { suffix: Some("/tokens".to_owned()), ..Matcher::new("POST", "/client/v4/accounts/") }
    }

    #[test]
    fn a_matcher_takes_the_path_with_and_without_the_base() {
        assert!(creates().meets("post", "/accounts/a/tokens"));
        assert!(!creates().meets("GET", "/accounts/a/tokens"));
        assert!(!creates().meets("POST", "/accounts/a/tokens/b"));
        assert!(!creates().meets("POST", "/user/tokens"));
        assert!(Matcher::default().meets("GET", "/"));
    }

    #[test]
    fn a_fault_skips_then_hits_then_is_spent() {
        let mut faults = Faults::default();
        faults.add(Fault { skip: 1, ..Fault::next(2, Matcher::default(), Effect::Reset) });
        let hits: Vec<bool> = (0..4).map(|_| !faults.strike("GET", "/zones").is_empty()).collect();
        assert_eq!(hits, [false, true, true, false]);
        assert!(faults.list().is_empty());
    }

    #[test]
    fn a_fault_behind_another_is_not_spent_by_the_same_call() {
        let mut faults = Faults::default();
        faults.add(Fault::next(1, Matcher::default(), Effect::Reset));
        faults.add(Fault::next(1, Matcher::default(), Effect::Drop { when: When::After }));
        assert_eq!(faults.strike("GET", "/"), [Effect::Reset]);
        assert_eq!(faults.strike("GET", "/"), [Effect::Drop { when: When::After }]);
    }

    #[test]
    fn delays_add_to_another_fault() {
        let mut faults = Faults::default();
        faults.add(Fault::next(1, Matcher::default(), Effect::Reset));
        faults.add(Fault::always(Matcher::default(), Effect::Latency { ms: 5, when: When::Before }));
        assert_eq!(faults.strike("GET", "/").len(), 2);
    }

    #[test]
    fn a_barrier_holds_as_many_as_told_until_released() {
        let mut barriers = Barriers::default();
        let number = barriers.add(Barrier { on: creates(), when: When::After, count: Some(2) });
        let path = "/accounts/a/tokens";
        let first = barriers.hold(When::After, "POST", path);
        let second = barriers.hold(When::After, "POST", path);
        assert_eq!(barriers.hold(When::After, "POST", path), None);
        assert_eq!(barriers.hold(When::Before, "POST", path), None);
        assert_eq!(barriers.held(number), Some(2));
        assert_eq!(barriers.release(number, Some(1)), Some(1));
        assert_eq!(first.map(|ticket| barriers.holds(ticket)), Some(false));
        assert_eq!(second.map(|ticket| barriers.holds(ticket)), Some(true));
        assert_eq!(barriers.release(number, None), Some(1));
        assert_eq!(barriers.release(number, None), None);
    }

    #[test]
    fn who_goes_away_no_longer_waits() {
        let mut barriers = Barriers::default();
        let number = barriers.add(Barrier { on: Matcher::default(), when: When::Before, count: None });
        let ticket = barriers.hold(When::Before, "GET", "/zones");
        barriers.leave(ticket.expect("held"));
        assert_eq!(barriers.held(number), Some(0));
    }
}
