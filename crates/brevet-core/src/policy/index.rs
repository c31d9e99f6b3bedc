//! Which grants of an issuer a workload may have, without a look at all of them.
//!
//! A grant takes a workload by a set of claims, all of which must fit. To find a set one of its claims is enough: the one
//! that the fewest sets want. What is found so is compared in full before it counts.

use super::GrantEntry;
use crate::oidc::Claims;
use crate::rules::document::{Pattern, Source};
use crate::sorted::{SortedMap, distinct};

/// The grants of one issuer, by their places among all.
#[derive(Clone, Debug, Default)]
pub(crate) struct GrantIndex {
    /// All of them, ascending.
    all: Vec<usize>,
    /// The claims that grants are found by.
    names: Vec<String>,
    /// A claim and its text → the grants with a set that wants it.
    by_claim: SortedMap<String, Vec<usize>>,
    /// Those with a set that wants no claim exactly.
    others: Vec<usize>,
}

/// A claim and its text.
fn key(name: &str, text: &str) -> String {
    [name, "\n", text].concat()
}

/// The claims that a set wants exactly.
fn exact(set: &SortedMap<String, Pattern>) -> impl Iterator<Item = (&String, String)> {
    set.iter().filter_map(|(name, pattern)| match pattern {
        Pattern::Exactly(text) => Some((name, key(name, text))),
        Pattern::Prefix(_) => None,
    })
}

impl GrantIndex {
    /// The index of an issuer's grants among all.
    pub(crate) fn of(grants: &[GrantEntry], issuer: &str) -> Self {
        let mut index = Self::default();
        let mut wanted = Vec::new();
        for (at, grant) in grants.iter().enumerate() {
            if matches!(&grant.from, Source::Issuer(from) if from == issuer) {
                index.all.push(at);
                grant.when.iter().for_each(|set| wanted.extend(exact(set).map(|(_, key)| key)));
            }
        }
        let mut wanted: Vec<&str> = wanted.iter().map(String::as_str).collect();
        wanted.sort_unstable();
        let begin = |key: &str, or_after: bool| {
            wanted.partition_point(|other| *other < key || or_after && *other == key)
        };
        for (at, grant) in index.all.iter().filter_map(|at| Some((*at, grants.get(*at)?))) {
            if grant.when.is_empty() {
                index.others.push(at);
            }
            for set in &grant.when {
                let rarest = exact(set).min_by_key(|(_, key)| begin(key, true) - begin(key, false));
                let Some((name, key)) = rarest else {
                    index.others.push(at);
                    continue;
                };
                if !index.names.contains(name) {
                    index.names.push(name.clone());
                }
                match index.by_claim.get_mut(&key) {
                    Some(places) => places.push(at),
                    None => drop(index.by_claim.insert(key, vec![at])),
                }
            }
        }
        index
    }

    /// The places of all grants of the issuer, ascending.
    pub(super) fn all(&self) -> &[usize] {
        &self.all
    }

    /// The places of the grants that may take these claims, ascending: no other does.
    pub(super) fn candidates(&self, claims: &Claims) -> Vec<usize> {
        let mut places = self.others.clone();
        for name in &self.names {
            for text in claims.texts(name) {
                places.extend(self.by_claim.get(&key(name, &text)).into_iter().flatten());
            }
        }
        distinct(places)
    }
}
