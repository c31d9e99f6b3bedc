//! A KV that lags as the real one may: a read is answered from a cache for a minute, absence too, and a key
//! takes one write a second.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;

/// For so long a place goes on with what it has read.
const CACHED_MS: i64 = 60_000;

/// A key takes no second write within this span.
const WRITE_PAUSE_MS: i64 = 1_000;

type Seen = (i64, Option<String>);

/// The namespace, as one place of the network sees it.
#[derive(Default)]
pub(crate) struct Kv {
    /// Whether it lags; else every write is seen at once.
    pub(crate) lags: Cell<bool>,
    values: RefCell<BTreeMap<String, (i64, String)>>,
    cache: RefCell<BTreeMap<String, Seen>>,
    reads: Cell<u32>,
    writes: Cell<u32>,
}

impl Kv {
    pub(crate) fn read(&self, key: &str, now_ms: i64) -> Option<String> {
        self.reads.set(self.reads.get() + 1);
        let value = self.values.borrow().get(key).map(|(_, value)| value.clone());
        if !self.lags.get() {
            return value;
        }
        let mut cache = self.cache.borrow_mut();
        match cache.get(key) {
            Some((read, seen)) if now_ms - read < CACHED_MS => seen.clone(),
            _ => {
                cache.insert(key.to_owned(), (now_ms, value.clone()));
                value
            }
        }
    }

    /// Tells whether the write was taken.
    pub(crate) fn write(&self, key: &str, value: &str, now_ms: i64) -> bool {
        self.writes.set(self.writes.get() + 1);
        let mut values = self.values.borrow_mut();
        let too_soon = values.get(key).is_some_and(|(written, _)| now_ms - written < WRITE_PAUSE_MS);
        if self.lags.get() && too_soon {
            return false;
        }
        values.insert(key.to_owned(), (now_ms, value.to_owned()));
        true
    }

    /// Somebody else writes over everything there is.
    pub(crate) fn alter(&self, value: &str) {
        for (_, held) in self.values.borrow_mut().values_mut() {
            value.clone_into(held);
        }
        self.cache.borrow_mut().clear();
    }

    pub(crate) fn keys(&self) -> Vec<String> {
        self.values.borrow().keys().cloned().collect()
    }

    pub(crate) fn take_reads(&self) -> u32 {
        self.reads.take()
    }

    pub(crate) fn take_writes(&self) -> u32 {
        self.writes.take()
    }
}
