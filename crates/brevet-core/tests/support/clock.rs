//! A clock that moves when it is told to.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::rc::Rc;

use brevet_core::ledger::office::{Clock, NotRead};
use brevet_core::secret::Secret;
use brevet_core::time::{Seconds, Timestamp};

/// Where every test begins: 2026-11-23T00:00:00Z.
pub(crate) const START: i64 = 1_795_392_000;

/// A clock; its clones are the same clock.
#[derive(Clone, Debug)]
pub(crate) struct ManualClock(Rc<Cell<Timestamp>>, Rc<Cell<Option<Timestamp>>>, Rc<Kv>, Rc<Receivers>);

/// What a receiver does that never answers, as long as the future lives.
pub(crate) const HANGS: &str = "hangs";

/// What a receiver does that uses its whole time up.
pub(crate) const SLOW: &str = "it took too long";

/// Something that was sent to a receiver.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Post {
    pub(crate) url: String,
    pub(crate) headers: BTreeMap<String, String>,
    pub(crate) body: String,
}

/// Everybody else in the world.
#[derive(Debug, Default)]
pub(crate) struct Receivers {
    pub(crate) posts: RefCell<Vec<Post>>,
    /// What a URL answers; 204 where nothing else is said.
    pub(crate) answers: RefCell<BTreeMap<String, Result<u16, &'static str>>>,
    pub(crate) secrets: RefCell<BTreeMap<String, String>>,
    /// A body with this in it is answered with 422, whatever else is said.
    pub(crate) refuses: RefCell<Option<String>>,
}

impl Receivers {
    pub(crate) fn answer(&self, url: &str, answer: Result<u16, &'static str>) {
        self.answers.borrow_mut().insert(url.to_owned(), answer);
    }

    pub(crate) fn take(&self) -> Vec<Post> {
        self.posts.take()
    }
}

/// The store for what must outlive the object.
#[derive(Debug, Default)]
pub(crate) struct Kv {
    pub(crate) kept: RefCell<BTreeMap<String, String>>,
    /// While this is true it fails.
    pub(crate) down: Cell<bool>,
}

impl ManualClock {
    pub(crate) fn new() -> Self {
        Self(
            Rc::new(Cell::new(Timestamp::from_unix(START).unwrap())),
            Rc::default(),
            Rc::default(),
            Rc::default(),
        )
    }

    pub(crate) fn receivers(&self) -> &Receivers {
        &self.3
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

    fn hook_secret(&self, name: &str) -> Option<Secret> {
        self.3.secrets.borrow().get(name).cloned().map(Secret::new)
    }

    async fn post(&self, url: &str, headers: &str, body: &str) -> Result<u16, &'static str> {
        let mut lines = headers.lines().map(str::to_owned);
        let mut headers = BTreeMap::new();
        while let (Some(name), Some(value)) = (lines.next(), lines.next()) {
            assert_eq!(headers.insert(name, value), None);
        }
        self.3.posts.borrow_mut().push(Post { url: url.to_owned(), headers, body: body.to_owned() });
        let answer = self.3.answers.borrow().get(url).copied().unwrap_or(Ok(204));
        if self.3.refuses.borrow().as_ref().is_some_and(|text| body.contains(text)) {
            return Ok(422);
        }
        if answer == Err(HANGS) {
            std::future::pending::<()>().await;
        }
        if answer == Err(SLOW) {
            self.pass(10);
        }
        answer
    }
}
