//! What one running instance remembers between requests: the rules it last saw in force, answers to
//! verifications, and how often an address has asked. All of it may be lost at any time.

use std::cell::{Cell, RefCell};
use std::net::IpAddr;
use std::rc::Rc;

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

use crate::broker::identity::KnownKeys;
use crate::broker::in_force::InForce;
use crate::broker::refusals::Counted;
use crate::broker::verify::Validity;
use crate::secret::Secret;
use crate::sorted::SortedMap;
use crate::time::{Seconds, Timestamp};

/// How many answers are remembered: at about 300 bytes each, some hundred kilobytes of an instance's
/// 128 MB.
const MOST_ANSWERS: usize = 1_000;

/// How many addresses are counted at once. When there are more, counting starts anew: the count
/// guards against a flood from few addresses, and Cloudflare itself against one from many.
const MOST_ADDRESSES: usize = 4_096;

/// The span in which an address's verifications are counted.
pub const VISIT_WINDOW: Seconds = Seconds::of(60);

/// Verifications an address may ask for in a [`VISIT_WINDOW`] of one instance. Cloudflare lets one
/// address make 200 calls a second; a person or a job needs a handful.
pub const MOST_VISITS: u32 = 120;

type Answers = SortedMap<[u8; 32], (Rc<Validity>, Timestamp)>;
type Visits = SortedMap<IpAddr, (Timestamp, u32)>;

/// One instance's memory.
#[derive(Debug, Default)]
pub struct Memory {
    pub(super) rules: RefCell<Option<Rc<InForce>>>,
    pub(super) rules_checked: Cell<Option<Timestamp>>,
    answers: RefCell<Answers>,
    key: Cell<Option<[u8; 16]>>,
    visits: RefCell<Visits>,
    pub(super) strangers: RefCell<Counted>,
    pub(super) keys: RefCell<KnownKeys>,
}

impl Memory {
    /// The place of a presented value in the memory: a hash under a key that this instance drew for
    /// itself, so that neither the value nor a hash that could be searched for is kept.
    pub(super) fn place_of(
        &self,
        value: &Secret,
        scope: &str,
        random: impl FnOnce() -> [u8; 16],
    ) -> [u8; 32] {
        let key = self.key.get().unwrap_or_else(random);
        self.key.set(Some(key));
        let Ok(mac) = Hmac::<Sha256>::new_from_slice(&key) else { return [0; 32] };
        mac.chain_update(scope.as_bytes())
            .chain_update([0])
            .chain_update(value.expose().as_bytes())
            .finalize()
            .into_bytes()
            .into()
    }

    /// The remembered answer, unless it is too old.
    pub(super) fn recall(&self, place: &[u8; 32], now: Timestamp) -> Option<Rc<Validity>> {
        let answers = self.answers.borrow();
        answers.get(place).filter(|(_, until)| now < *until).map(|(answer, _)| Rc::clone(answer))
    }

    /// Remembers an answer until a moment.
    pub(super) fn remember(&self, place: [u8; 32], answer: Rc<Validity>, until: Timestamp, now: Timestamp) {
        let mut answers = self.answers.borrow_mut();
        if answers.len() >= MOST_ANSWERS {
            answers.retain(|(_, until)| now < *until);
        }
        if answers.len() >= MOST_ANSWERS {
            answers.clear();
        }
        answers.insert(place, (answer, until));
    }

    /// Forgets what is remembered of a token, because it was just revoked, rolled or changed here.
    pub(super) fn forget_token(&self, token: crate::id::TokenId) {
        self.answers.borrow_mut().retain(|(answer, _)| answer.id != Some(token));
    }

    /// Counts a visit. An error holds the seconds after which the address may come again.
    pub(super) fn visit(&self, address: IpAddr, now: Timestamp) -> Result<(), u32> {
        let mut visits = self.visits.borrow_mut();
        if visits.len() >= MOST_ADDRESSES && !visits.contains_key(&address) {
            visits.clear();
        }
        if !visits.contains_key(&address) {
            visits.insert(address, (now, 0));
        }
        let Some((start, count)) = visits.get_mut(&address) else { return Ok(()) };
        let age = now.since(*start);
        if !(0..i64::from(VISIT_WINDOW.get())).contains(&age) {
            (*start, *count) = (now, 0);
        }
        if *count >= MOST_VISITS {
            let left = i64::from(VISIT_WINDOW.get()) - now.since(*start);
            return Err(u32::try_from(left).unwrap_or(VISIT_WINDOW.get()).max(1));
        }
        *count += 1;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_unix(1_800_000_000 + seconds).unwrap()
    }

    #[test]
    fn an_address_that_asks_too_often_waits_until_its_window_ends() {
        let memory = Memory::default();
        let address = "203.0.113.9".parse().unwrap();
        for _ in 0..MOST_VISITS {
            assert_eq!(memory.visit(address, at(0)), Ok(()));
        }
        assert_eq!(memory.visit(address, at(10)), Err(50));
        assert_eq!(memory.visit("203.0.113.10".parse().unwrap(), at(10)), Ok(()));
        assert_eq!(memory.visit(address, at(60)), Ok(()));
    }

    #[test]
    fn an_answer_is_recalled_until_its_moment_and_forgotten_with_its_token() {
        let memory = Memory::default();
        let value = Secret::new("x".repeat(40));
        let place = memory.place_of(&value, "user", || [1; 16]);
        assert_eq!(place, memory.place_of(&value, "user", || [2; 16]));
        assert_ne!(place, memory.place_of(&value, "account", || [2; 16]));
        let token = "023e105f4ecef8ad9ca31a8372d0c353".parse().unwrap();
        let answer = Rc::new(Validity { id: Some(token), ..Validity::unknown(at(0)) });
        memory.remember(place, answer, at(10), at(0));
        assert!(memory.recall(&place, at(9)).is_some());
        assert!(memory.recall(&place, at(10)).is_none());
        memory.forget_token(token);
        assert!(memory.recall(&place, at(1)).is_none());
    }

    #[test]
    fn the_memory_stays_bounded() {
        let memory = Memory::default();
        for index in 0..3_000_u32 {
            let place = memory.place_of(&Secret::new(index.to_string()), "", || [1; 16]);
            memory.remember(place, Rc::new(Validity::unknown(at(0))), at(10), at(0));
        }
        assert!(memory.answers.borrow().len() <= MOST_ANSWERS);
    }
}
