//! A clock that moves when it is told to.

use std::cell::Cell;
use std::rc::Rc;

use brevet_core::ledger::office::Clock;
use brevet_core::time::{Seconds, Timestamp};

/// Where every test begins: 2026-11-23T00:00:00Z.
pub(crate) const START: i64 = 1_795_392_000;

/// A clock; its clones are the same clock.
#[derive(Clone, Debug)]
pub(crate) struct ManualClock(Rc<Cell<Timestamp>>);

impl ManualClock {
    pub(crate) fn new() -> Self {
        Self(Rc::new(Cell::new(Timestamp::from_unix(START).unwrap())))
    }

    pub(crate) fn pass(&self, seconds: u32) {
        if seconds > 0 {
            self.0.set(self.0.get().plus(Seconds::of(seconds)));
        }
    }
}

impl Clock for ManualClock {
    fn now(&self) -> Timestamp {
        self.0.get()
    }
}
