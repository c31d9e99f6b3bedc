//! How many calls an owner's parent token has left.
//!
//! Cloudflare blocks a token's user for five minutes that calls too often, and then nothing can be revoked
//! either. So the calls are counted here, and the last ones of every window are kept for deletions.

use brevet_core::cloudflare::Allowance;

/// The calls that Cloudflare takes in a window.
pub const CALLS: u32 = 1_200;

/// So many of them only a deletion may use: a leak on the worst day still ends.
pub const KEPT_FOR_DELETES: u32 = 200;

/// The window, in milliseconds.
pub const WINDOW_MS: u32 = 300_000;

/// The calls are counted by slots of so many milliseconds. The window in which they are counted is longer
/// than Cloudflare's by up to one slot, never shorter.
const SLOT_MS: i64 = 30_000;

/// The slots of a window, and the one that has begun.
const SLOTS: usize = 11;

/// The calls of the last minutes: a slot's number and how many fell into it.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Spent([(i64, u32); SLOTS]);

impl Spent {
    /// Counts one call.
    pub(super) fn count(&mut self, now_ms: i64) {
        let slot = slot_of(now_ms);
        let at = usize::try_from(slot.rem_euclid(SLOTS_I64)).unwrap_or_default();
        if let Some((number, calls)) = self.0.get_mut(at) {
            if *number != slot {
                (*number, *calls) = (slot, 0);
            }
            *calls = calls.saturating_add(1);
        }
    }

    /// What is left for a call that deletes nothing.
    pub(super) fn left(&self, now_ms: i64) -> Allowance {
        let (calls, oldest) = self.sum(now_ms);
        let left = (CALLS - KEPT_FOR_DELETES).saturating_sub(calls);
        Allowance { left, resets: oldest.map_or(0, |ms| ms.div_ceil(1_000)), blocked: None }
    }

    /// Milliseconds until a call can be sent, where none can be now.
    pub(super) fn closed_for(&self, deletes: bool, now_ms: i64) -> Option<u32> {
        let most = if deletes { CALLS } else { CALLS - KEPT_FOR_DELETES };
        let (calls, oldest) = self.sum(now_ms);
        oldest.filter(|_| calls >= most)
    }

    /// The calls of the window, and in how many milliseconds the oldest of them leaves it.
    fn sum(&self, now_ms: i64) -> (u32, Option<u32>) {
        let first = slot_of(now_ms).saturating_sub(SLOTS_I64 - 1);
        // A clock that was set back makes slots of the future; they count until they are overwritten.
        let within = self.0.iter().filter(|(slot, calls)| *slot >= first && *calls > 0);
        let (mut calls, mut oldest) = (0_u32, None::<i64>);
        for (slot, count) in within {
            calls = calls.saturating_add(*count);
            oldest = Some(oldest.map_or(*slot, |oldest| oldest.min(*slot)));
        }
        let leaves =
            oldest.map(|slot| slot.saturating_add(SLOTS_I64).saturating_mul(SLOT_MS).saturating_sub(now_ms));
        (calls, leaves.map(|ms| u32::try_from(ms.max(1)).unwrap_or(WINDOW_MS).min(WINDOW_MS + 30_000)))
    }
}

const SLOTS_I64: i64 = 11;

fn slot_of(now_ms: i64) -> i64 {
    now_ms.div_euclid(SLOT_MS)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn what_is_kept_for_deletes_nothing_else_uses() {
        let mut spent = Spent::default();
        for _ in 0..1_000 {
            assert_eq!(spent.closed_for(false, 5_000), None);
            spent.count(5_000);
        }
        assert_eq!(spent.left(5_000), Allowance { left: 0, resets: 325, blocked: None });
        assert_eq!(spent.closed_for(false, 5_000), Some(325_000));
        for _ in 0..200 {
            assert_eq!(spent.closed_for(true, 5_000), None);
            spent.count(5_000);
        }
        assert_eq!(spent.closed_for(true, 5_000), Some(325_000));
        assert_eq!(spent.closed_for(false, 329_999), Some(1));
        assert_eq!(spent.closed_for(false, 330_000), None);
        assert_eq!(spent.left(330_000), Allowance { left: 1_000, resets: 0, blocked: None });
    }

    proptest! {
        #[test]
        fn no_window_of_five_minutes_ever_holds_more_than_cloudflare_takes(
            steps in proptest::collection::vec((0_i64..20_000, any::<bool>()), 1..4_000)
        ) {
            let (mut spent, mut now, mut sent) = (Spent::default(), 1_800_000_000_000_i64, Vec::new());
            for (step, deletes) in steps {
                // Most of them come at once.
                now += if step < 19_000 { 0 } else { step };
                if spent.closed_for(deletes, now).is_none() {
                    spent.count(now);
                    sent.push(now);
                }
                let since = now - i64::from(WINDOW_MS);
                let within = sent.iter().rev().take_while(|at| **at > since).count();
                prop_assert!(within <= usize::try_from(CALLS).unwrap());
            }
        }
    }
}
