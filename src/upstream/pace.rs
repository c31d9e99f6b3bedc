//! How long a call, an operation and a pause may take.

/// The longest that one call may take, in milliseconds. Cloudflare answers these calls in well under
/// a second; after ten an answer is no longer worth waiting for.
pub const CALL_DEADLINE_MS: u32 = 10_000;

/// The longest that an operation may take with all its calls and pauses, in milliseconds. Less than
/// the 30 s after which most clients give up, so that Brevet answers them with the cause.
pub const OPERATION_DEADLINE_MS: u32 = 25_000;

/// The shortest time for which a call is still started, in milliseconds. A create that is cut off
/// leaves an uncertain outcome, so none is begun that has hardly a chance.
pub const SHORTEST_CALL_MS: u32 = 1_000;

/// How often one call is sent at most. Subrequests are limited, too (50 for a request on the smallest
/// plan), and six tries span more than six seconds of pauses.
pub const MAX_TRIES: u32 = 6;

/// The ceiling of the first pause, in milliseconds; it doubles with every try.
const FIRST_PAUSE_MS: u32 = 200;

/// No ceiling is higher, in milliseconds.
const LONGEST_PAUSE_MS: u32 = 5_000;

/// How long a block is taken to last when Cloudflare says nothing of it and the tries are used up, in
/// seconds. Less than the five minutes it may be, for one call then finds out.
pub const SILENT_BLOCK_SECONDS: u32 = 60;

/// How much longer than a rate limit its own call waits, in milliseconds. A timer may fire a moment
/// early by the clock that it is measured with, and would then find the circuit still open.
pub const TIMER_SLACK_MS: u32 = 10;

/// The highest pause before try number `tries` + 1; the first try is number 1.
pub(super) fn pause_ceiling_ms(tries: u32) -> u32 {
    let doublings = tries.saturating_sub(1).min(16);
    FIRST_PAUSE_MS.saturating_mul(1 << doublings).min(LONGEST_PAUSE_MS)
}

/// A pause with full jitter: anything from nothing to the ceiling, so that those who failed together
/// do not come back together.
pub(super) fn pause_ms(tries: u32, random: u32) -> u32 {
    random % pause_ceiling_ms(tries).saturating_add(1)
}

/// The time that an operation has.
#[derive(Clone, Copy, Debug)]
pub(super) struct Budget {
    ends_ms: i64,
}

impl Budget {
    pub(super) fn from(now_ms: i64) -> Self {
        Self { ends_ms: now_ms.saturating_add(i64::from(OPERATION_DEADLINE_MS)) }
    }

    /// The deadline of a call that starts after a pause of `pause_ms`; `None` where it is not worth
    /// starting.
    pub(super) fn for_call(self, now_ms: i64, pause_ms: u32) -> Option<u32> {
        let left = self.ends_ms.saturating_sub(now_ms).saturating_sub(i64::from(pause_ms));
        let left = u32::try_from(left).ok().filter(|left| *left >= SHORTEST_CALL_MS)?;
        Some(left.min(CALL_DEADLINE_MS))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_ceiling_doubles_up_to_its_bound() {
        let ceilings: Vec<u32> = (1..=7).map(pause_ceiling_ms).collect();
        assert_eq!(ceilings, [200, 400, 800, 1_600, 3_200, 5_000, 5_000]);
        assert_eq!(pause_ceiling_ms(u32::MAX), LONGEST_PAUSE_MS);
    }

    #[test]
    fn jitter_is_full_and_never_above_the_ceiling() {
        assert_eq!(pause_ms(1, 0), 0);
        assert_eq!(pause_ms(1, 200), 200);
        assert_eq!(pause_ms(1, 201), 0);
        for random in [0, 1, 199, 200, 12_345, u32::MAX - 1, u32::MAX] {
            for tries in 1..=MAX_TRIES {
                assert!(pause_ms(tries, random) <= pause_ceiling_ms(tries));
            }
        }
    }

    #[test]
    fn no_call_is_started_that_has_hardly_a_chance() {
        let budget = Budget::from(0);
        let end = i64::from(OPERATION_DEADLINE_MS);
        assert_eq!(budget.for_call(0, 0), Some(CALL_DEADLINE_MS));
        assert_eq!(budget.for_call(end - 2_000, 0), Some(2_000));
        assert_eq!(budget.for_call(end - 2_000, 1_000), Some(SHORTEST_CALL_MS));
        assert_eq!(budget.for_call(end - 2_000, 1_001), None);
        assert_eq!(budget.for_call(end + 1, 0), None);
        assert_eq!(Budget::from(i64::MAX).for_call(i64::MIN, 0), None);
    }
}
