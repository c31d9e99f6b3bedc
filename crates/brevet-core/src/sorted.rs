//! Small maps and sets, kept as sorted lists.
//!
//! The Worker's size is start-up time, and every `BTreeMap` of another type brings some kilobytes of
//! code of its own. Rules are read once and then only searched: a sorted list does that as well.
//! Adding at the end is cheap, and everything read from JSON comes in order.

use std::borrow::Borrow;
use std::cmp::Ordering;

/// Where an entry is, or where it would have to be put. `compare` tells how the entry at a place stands
/// to the one sought. The search is compiled once, and not for each type of entry.
fn search(len: usize, compare: &dyn Fn(usize) -> Ordering) -> Result<usize, usize> {
    // The last entry first: most additions come in order.
    if len == 0 || compare(len - 1) == Ordering::Less {
        return Err(len);
    }
    let (mut low, mut high) = (0, len);
    while low < high {
        let middle = low.midpoint(high);
        match compare(middle) {
            Ordering::Less => low = middle + 1,
            Ordering::Greater => high = middle,
            Ordering::Equal => return Ok(middle),
        }
    }
    Err(low)
}

/// Puts a list in order; of two entries neither of which comes before the other, the first stays
/// first. By insertion: the lists are short, and the standard library's sort brings four kilobytes of
/// code for every type.
pub fn in_order<T>(entries: Vec<T>, before: impl Fn(&T, &T) -> bool) -> Vec<T> {
    let mut sorted = Vec::with_capacity(entries.len());
    for entry in entries {
        let compare = |at: usize| match sorted.get(at) {
            Some(known) if before(&entry, known) => Ordering::Greater,
            _ => Ordering::Less,
        };
        let (Ok(at) | Err(at)) = search(sorted.len(), &compare);
        sorted.insert(at, entry);
    }
    sorted
}

/// Puts a list in order and leaves each entry out that is there already.
pub fn distinct<T: Ord>(entries: Vec<T>) -> Vec<T> {
    let mut sorted = Vec::with_capacity(entries.len());
    for entry in entries {
        let compare = |at: usize| sorted.get(at).map_or(Ordering::Less, |known: &T| known.cmp(&entry));
        if let Err(at) = search(sorted.len(), &compare) {
            sorted.insert(at, entry);
        }
    }
    sorted
}

/// A map, in the order of its keys.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SortedMap<K, V>(Vec<(K, V)>);

impl<K, V> Default for SortedMap<K, V> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<K: Ord, V> SortedMap<K, V> {
    /// An empty map.
    pub fn new() -> Self {
        Self::default()
    }

    fn place<Q: Ord + ?Sized>(&self, key: &Q) -> Result<usize, usize>
    where
        K: Borrow<Q>,
    {
        search(self.0.len(), &|at| {
            self.0.get(at).map_or(Ordering::Less, |(known, _)| known.borrow().cmp(key))
        })
    }

    /// The value of a key.
    pub fn get<Q: Ord + ?Sized>(&self, key: &Q) -> Option<&V>
    where
        K: Borrow<Q>,
    {
        self.place(key).ok().and_then(|at| self.0.get(at)).map(|(_, value)| value)
    }

    /// The value of a key, to be changed.
    pub fn get_mut<Q: Ord + ?Sized>(&mut self, key: &Q) -> Option<&mut V>
    where
        K: Borrow<Q>,
    {
        let at = self.place(key).ok()?;
        self.0.get_mut(at).map(|(_, value)| value)
    }

    /// Whether the key is there.
    pub fn contains_key<Q: Ord + ?Sized>(&self, key: &Q) -> bool
    where
        K: Borrow<Q>,
    {
        self.place(key).is_ok()
    }

    /// Puts a value under a key, and gives back the one that was there.
    pub fn insert(&mut self, key: K, value: V) -> Option<V> {
        match self.place(&key) {
            Ok(at) => self.0.get_mut(at).map(|(_, old)| std::mem::replace(old, value)),
            Err(at) => {
                self.0.insert(at, (key, value));
                None
            }
        }
    }

    /// Leaves only those entries for which this holds.
    pub fn retain(&mut self, keep: impl Fn(&V) -> bool) {
        self.0.retain(|(_, value)| keep(value));
    }

    /// Takes all entries out.
    pub fn clear(&mut self) {
        self.0.clear();
    }

    /// How many entries there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The entries, in order.
    pub fn iter(&self) -> Iter<'_, K, V> {
        self.into_iter()
    }

    /// The keys, in order.
    pub fn keys(&self) -> impl Iterator<Item = &K> {
        self.0.iter().map(|(key, _)| key)
    }

    /// The values, in the order of their keys.
    pub fn values(&self) -> impl Iterator<Item = &V> {
        self.0.iter().map(|(_, value)| value)
    }

    /// The values, in the order of their keys.
    pub fn into_values(self) -> impl Iterator<Item = V> {
        self.0.into_iter().map(|(_, value)| value)
    }
}

/// The entries of a [`SortedMap`].
pub type Iter<'a, K, V> = std::iter::Map<std::slice::Iter<'a, (K, V)>, fn(&'a (K, V)) -> (&'a K, &'a V)>;

impl<'a, K, V> IntoIterator for &'a SortedMap<K, V> {
    type Item = (&'a K, &'a V);
    type IntoIter = Iter<'a, K, V>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.iter().map(|(key, value)| (key, value))
    }
}

impl<K, V> IntoIterator for SortedMap<K, V> {
    type Item = (K, V);
    type IntoIter = std::vec::IntoIter<(K, V)>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.into_iter()
    }
}

impl<K: Ord, V> FromIterator<(K, V)> for SortedMap<K, V> {
    fn from_iter<I: IntoIterator<Item = (K, V)>>(entries: I) -> Self {
        let mut map = Self::default();
        for (key, value) in entries {
            map.insert(key, value);
        }
        map
    }
}

impl<K: Ord, V, const N: usize> From<[(K, V); N]> for SortedMap<K, V> {
    fn from(entries: [(K, V); N]) -> Self {
        entries.into_iter().collect()
    }
}

/// A set, in order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SortedSet<T>(SortedMap<T, ()>);

impl<T> Default for SortedSet<T> {
    fn default() -> Self {
        Self(SortedMap::default())
    }
}

impl<T: Ord> SortedSet<T> {
    /// An empty set.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds an entry, and tells whether it was not there.
    pub fn insert(&mut self, entry: T) -> bool {
        self.0.insert(entry, ()).is_none()
    }

    /// Takes an entry out, and tells whether it was there.
    pub fn remove(&mut self, entry: &T) -> bool {
        let place = self.0.place(entry);
        place.map(|at| self.0.0.remove(at)).is_ok()
    }

    /// Whether the entry is there.
    pub fn contains<Q: Ord + ?Sized>(&self, entry: &Q) -> bool
    where
        T: Borrow<Q>,
    {
        self.0.contains_key(entry)
    }

    /// How many entries there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The entries, in order.
    pub fn iter(&self) -> impl Iterator<Item = &T> {
        self.0.keys()
    }
}

impl<T: Ord> FromIterator<T> for SortedSet<T> {
    fn from_iter<I: IntoIterator<Item = T>>(entries: I) -> Self {
        Self(entries.into_iter().map(|entry| (entry, ())).collect())
    }
}

impl<T: Ord, const N: usize> From<[T; N]> for SortedSet<T> {
    fn from(entries: [T; N]) -> Self {
        entries.into_iter().collect()
    }
}

impl<T> IntoIterator for SortedSet<T> {
    type Item = T;
    type IntoIter = std::iter::Map<std::vec::IntoIter<(T, ())>, fn((T, ())) -> T>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.0.into_iter().map(|(entry, ())| entry)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::{BTreeMap, BTreeSet};

    proptest! {
        #[test]
        fn orders_like_the_standard_sort_and_keeps_equal_entries_in_their_order(entries in any::<Vec<(u8, u8)>>()) {
            let mut expected = entries.clone();
            expected.sort_by_key(|(key, _)| *key);
            prop_assert_eq!(in_order(entries, |a, b| a.0 < b.0), expected);
        }

        #[test]
        fn leaves_each_entry_once(entries in any::<Vec<u8>>()) {
            let expected: Vec<u8> = entries.iter().copied().collect::<BTreeSet<_>>().into_iter().collect();
            prop_assert_eq!(distinct(entries), expected);
        }

        #[test]
        fn a_map_holds_what_the_standard_one_holds(entries in proptest::collection::vec((0_u8..20, any::<u8>()), 0..60)) {
            let (mut ours, mut theirs) = (SortedMap::new(), BTreeMap::new());
            for (key, value) in entries {
                prop_assert_eq!(ours.insert(key, value), theirs.insert(key, value));
            }
            for key in 0..20 {
                prop_assert_eq!(ours.get(&key), theirs.get(&key));
                prop_assert_eq!(ours.contains_key(&key), theirs.contains_key(&key));
            }
            prop_assert_eq!(ours.len(), theirs.len());
            prop_assert!(ours.iter().eq(theirs.iter()));
            prop_assert!(ours.into_iter().eq(theirs));
        }

        #[test]
        fn a_set_holds_what_the_standard_one_holds(steps in proptest::collection::vec((0_u8..20, any::<bool>()), 0..60)) {
            let (mut ours, mut theirs) = (SortedSet::new(), BTreeSet::new());
            for (entry, add) in steps {
                if add {
                    prop_assert_eq!(ours.insert(entry), theirs.insert(entry));
                } else {
                    prop_assert_eq!(ours.remove(&entry), theirs.remove(&entry));
                }
            }
            prop_assert_eq!(ours.is_empty(), theirs.is_empty());
            prop_assert!(ours.iter().eq(theirs.iter()));
        }
    }
}
