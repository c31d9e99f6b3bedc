//! A clock that moves when it is told to.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::rc::Rc;

use brevet_core::ledger::office::{Clock, NotRead};
use brevet_core::time::{Seconds, Timestamp};

/// Where every test begins: 2026-11-23T00:00:00Z.
pub(crate) const START: i64 = 1_795_392_000;

/// A clock; its clones are the same clock.
#[derive(Clone, Debug)]
pub(crate) struct ManualClock(Rc<Cell<Timestamp>>, Rc<Cell<Option<Timestamp>>>, Rc<Kv>);

/// The store for what must outlive the object.
#[derive(Debug, Default)]
pub(crate) struct Kv {
    pub(crate) kept: RefCell<BTreeMap<String, String>>,
    /// While this is true it fails.
    pub(crate) down: Cell<bool>,
}

impl ManualClock {
    pub(crate) fn new() -> Self {
        Self(Rc::new(Cell::new(Timestamp::from_unix(START).unwrap())), Rc::default(), Rc::default())
    }

    pub(crate) fn kv(&self) -> &Kv {
        &self.2
    }

    /// Goes to a moment, if it is not past.
    pub(crate) fn go_to(&self, at: Timestamp) {
        self.0.set(self.0.get().max(at));
    }

    /// When the alarm is to go off.
    pub(crate) fn alarm(&self) -> Option<Timestamp> {
        self.1.get()
    }

    /// The runtime forgets the alarm.
    pub(crate) fn lose_alarm(&self) {
        self.1.set(None);
    }

    /// Whether the alarm goes off now. It does so once.
    pub(crate) fn take_alarm(&self) -> bool {
        let due = self.1.get().is_some_and(|at| at <= self.0.get());
        if due {
            self.1.set(None);
        }
        due
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

    fn wake_at(&self, at: Timestamp) {
        self.1.set(Some(at));
    }

    async fn segment(&self, key: &str) -> Result<Option<String>, NotRead> {
        if self.2.down.get() { Err(NotRead) } else { Ok(self.2.kept.borrow().get(key).cloned()) }
    }

    async fn segment_keys(&self, prefix: &str) -> Result<Vec<String>, NotRead> {
        let kept = self.2.kept.borrow();
        let keys = kept.keys().filter(|key| key.starts_with(prefix)).cloned().collect();
        if self.2.down.get() { Err(NotRead) } else { Ok(keys) }
    }

    async fn keep_segment(&self, key: &str, text: &str) -> bool {
        if !self.2.down.get() {
            self.2.kept.borrow_mut().insert(key.to_owned(), text.to_owned());
        }
        !self.2.down.get()
    }
}
