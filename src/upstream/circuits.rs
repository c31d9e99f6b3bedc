//! What an isolate or object remembers of Cloudflare between requests: blocks and dead parents.

use std::cell::RefCell;
use std::rc::Rc;

use brevet_core::cloudflare::{Allowance, TokenOwner};
use brevet_core::secret::SecretDigest;

use super::allowance::Spent;

/// The most circuits held open. There is one owner for each ledger, and the values that strangers
/// present for verification must not fill the memory.
const MAX_OPEN: usize = 64;

/// The most dead parents remembered: far more than an installation has accounts.
const MAX_DEAD: usize = 64;

/// The longest time that a circuit stays open, in milliseconds. A block of Cloudflare's lasts five
/// minutes; a mistaken header must not shut Brevet off for longer.
pub const MAX_BLOCK_MS: u32 = 300_000;

/// How long a dead parent is remembered, in milliseconds. Meanwhile its successor goes first, which
/// saves a refused call each time; then the first is tried again, for it may have been switched on.
pub const DEAD_PARENT_MS: u32 = 300_000;

/// Whose calls Cloudflare counts together.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Counted {
    /// The calls with an owner's parent token.
    Owner(TokenOwner),
    /// The calls with a value that somebody presented. A stranger's blocked token must not open the
    /// circuit of an owner.
    Presented(SecretDigest),
}

/// The open circuits and the dead parents. Cheap to clone: all clones are one. It holds nothing of a
/// request, so it may live as long as the isolate or the object.
#[derive(Clone, Debug, Default)]
pub struct Circuits(Rc<RefCell<Memory>>);

#[derive(Debug, Default)]
struct Memory {
    /// With the moment at which each closes, in Unix milliseconds.
    open: Vec<(Counted, i64)>,
    /// Names of Worker secrets, with the moment at which each is forgotten.
    dead: Vec<(String, i64)>,
    /// The calls with each owner's parent token.
    spent: Vec<(TokenOwner, Spent)>,
}

impl Circuits {
    /// No circuit open, no parent dead.
    pub fn new() -> Self {
        Self::default()
    }

    /// Milliseconds until the circuit of this owner closes, where it is open.
    pub fn open_for_ms(&self, owner: TokenOwner, now_ms: i64) -> Option<u32> {
        self.closes_in(Counted::Owner(owner), now_ms)
    }

    /// What an owner's parent token has left.
    pub fn allowance(&self, owner: TokenOwner, now_ms: i64) -> Allowance {
        let blocked = self.open_for_ms(owner, now_ms).map(|ms| ms.div_ceil(1_000));
        Allowance { blocked, ..self.spent(owner).left(now_ms) }
    }

    fn spent(&self, owner: TokenOwner) -> Spent {
        let memory = self.0.borrow();
        memory.spent.iter().find(|(whose, _)| *whose == owner).map(|(_, spent)| *spent).unwrap_or_default()
    }

    /// Counts a call that is sent now. A presented value's calls are its own owner's.
    pub(super) fn count(&self, counted: Counted, now_ms: i64) {
        let Counted::Owner(owner) = counted else { return };
        let mut spent = self.spent(owner);
        spent.count(now_ms);
        let memory = &mut *self.0.borrow_mut();
        memory.spent.retain(|(whose, _)| *whose != owner);
        if memory.spent.len() >= MAX_OPEN {
            memory.spent.remove(0);
        }
        memory.spent.push((owner, spent));
    }

    /// Milliseconds until such a call may be sent, where it may not be now: Cloudflare limits us, or would.
    pub(super) fn closed_for(&self, counted: Counted, deletes: bool, now_ms: i64) -> Option<u32> {
        let spent = match counted {
            Counted::Owner(owner) => self.spent(owner).closed_for(deletes, now_ms),
            Counted::Presented(_) => None,
        };
        self.closes_in(counted, now_ms).max(spent)
    }

    pub(super) fn closes_in(&self, counted: Counted, now_ms: i64) -> Option<u32> {
        let memory = self.0.borrow();
        let (_, closes) = memory.open.iter().find(|(whose, _)| *whose == counted)?;
        u32::try_from(closes.saturating_sub(now_ms)).ok().filter(|left| *left > 0)
    }

    /// Opens a circuit for so long. One that is open for longer already stays so.
    pub(super) fn open(&self, counted: Counted, for_ms: u32, now_ms: i64) {
        let closes = now_ms.saturating_add(i64::from(for_ms.min(MAX_BLOCK_MS)));
        let memory = &mut *self.0.borrow_mut();
        memory.open.retain(|(_, closes)| *closes > now_ms);
        if let Some((_, old)) = memory.open.iter_mut().find(|(whose, _)| *whose == counted) {
            *old = closes.max(*old);
            return;
        }
        push_bounded(&mut memory.open, (counted, closes), MAX_OPEN);
    }

    pub(super) fn is_dead(&self, parent: &str, now_ms: i64) -> bool {
        self.0.borrow().dead.iter().any(|(name, until)| name == parent && *until > now_ms)
    }

    pub(super) fn bury(&self, parent: &str, now_ms: i64) {
        let until = now_ms.saturating_add(i64::from(DEAD_PARENT_MS));
        let memory = &mut *self.0.borrow_mut();
        memory.dead.retain(|(name, until)| name != parent && *until > now_ms);
        push_bounded(&mut memory.dead, (parent.to_owned(), until), MAX_DEAD);
    }

    pub(super) fn revive(&self, parent: &str) {
        self.0.borrow_mut().dead.retain(|(name, _)| name != parent);
    }
}

/// Adds an entry; where there is no room, the one that ends first makes it.
fn push_bounded<T>(list: &mut Vec<(T, i64)>, entry: (T, i64), most: usize) {
    if list.len() >= most {
        let first = list.iter().enumerate().min_by_key(|(_, (_, end))| *end).map(|(index, _)| index);
        if let Some(first) = first {
            list.swap_remove(first);
        }
    }
    list.push(entry);
}

#[cfg(test)]
mod tests {
    use super::*;
    use brevet_core::secret::Secret;

    const OWNER: &str = "account:0123456789abcdef0123456789abcdef";

    fn owner() -> TokenOwner {
        TokenOwner::from_ledger_name(OWNER).unwrap()
    }

    fn presented(number: usize) -> Counted {
        Counted::Presented(Secret::new(number.to_string()).digest())
    }

    #[test]
    fn a_circuit_closes_at_its_moment_and_not_before() {
        let circuits = Circuits::new();
        circuits.open(Counted::Owner(owner()), 1_000, 5_000);
        assert_eq!(circuits.open_for_ms(owner(), 5_999), Some(1));
        assert_eq!(circuits.open_for_ms(owner(), 6_000), None);
    }

    #[test]
    fn a_shorter_block_does_not_close_a_longer_one() {
        let circuits = Circuits::new();
        circuits.open(Counted::Owner(owner()), 10_000, 0);
        circuits.open(Counted::Owner(owner()), 1, 0);
        assert_eq!(circuits.open_for_ms(owner(), 0), Some(10_000));
    }

    #[test]
    fn no_block_lasts_longer_than_cloudflares_own() {
        let circuits = Circuits::new();
        circuits.open(Counted::Owner(owner()), u32::MAX, 0);
        assert_eq!(circuits.open_for_ms(owner(), 0), Some(MAX_BLOCK_MS));
    }

    #[test]
    fn a_flood_of_presented_values_neither_grows_nor_pushes_out_a_longer_block() {
        let circuits = Circuits::new();
        circuits.open(Counted::Owner(owner()), 10_000, 0);
        for number in 0..200 {
            circuits.open(presented(number), 1_000, 0);
        }
        assert_eq!(circuits.0.borrow().open.len(), MAX_OPEN);
        assert_eq!(circuits.open_for_ms(owner(), 0), Some(10_000));
    }

    #[test]
    fn a_dead_parent_is_forgotten_after_a_while() {
        let circuits = Circuits::new();
        circuits.bury("CLOUDFLARE_A", 0);
        assert!(circuits.is_dead("CLOUDFLARE_A", i64::from(DEAD_PARENT_MS) - 1));
        assert!(!circuits.is_dead("CLOUDFLARE_A", i64::from(DEAD_PARENT_MS)));
        assert!(!circuits.is_dead("CLOUDFLARE_B", 0));
        circuits.revive("CLOUDFLARE_A");
        assert!(!circuits.is_dead("CLOUDFLARE_A", 0));
    }

    #[test]
    fn shows_nothing_of_a_presented_value() {
        let circuits = Circuits::new();
        circuits.open(Counted::Presented(Secret::new("hunter2".to_owned()).digest()), 1_000, 0);
        assert!(format!("{circuits:?}").contains("[digest]"));
    }
}
