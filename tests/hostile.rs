//! What must hold of everything that strangers send, held with the seeds of the fuzz targets and with
//! what becomes of them when they are cut, doubled and mixed. The targets themselves are in `fuzz/`.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    unreachable_pub,
    reason = "a test that meets the unexpected should stop there"
)]

#[path = "../fuzz/src/lib.rs"]
mod checks;

use std::fs;
use std::path::Path;

use proptest::prelude::*;
use proptest::sample::Index;

/// How many changed seeds each check sees; some seconds in all.
const CASES: u32 = 3_000;

/// The variable that asks for more: the long run's is a million and more.
const CASES_VARIABLE: &str = "BREVET_HOSTILE_CASES";

fn cases() -> u32 {
    std::env::var(CASES_VARIABLE).map_or(CASES, |count| count.parse().expect("a number of cases"))
}

/// Words that mean something to one of the readers.
const WORDS: [&str; 56] = [
    "*",
    "\"*\"",
    "null",
    "true",
    "-1",
    "1e400",
    "[]",
    "{}",
    "[",
    "]",
    "{",
    "}",
    ",",
    ":",
    "\"",
    "\\u0000",
    "\\ud800",
    "\u{feff}",
    "/../",
    "%2e%2e",
    "allow",
    "deny",
    "account",
    "user",
    "zone",
    "raw",
    "effect",
    "com.cloudflare.api.account.",
    "com.cloudflare.api.account.zone.",
    "com.cloudflare.api.user.",
    "com.cloudflare.edge.r2.bucket.",
    "5f2b0c9d7e8a41639b0d2c4e6f8a1b3c",
    "8c1d2e3f405162738495a6b7c8d9e0f1",
    "e086da7e2179491d91ee5f35b3ca210a",
    "5bc3f8b21c554832afc660159ab75fa4",
    "brvc_",
    "brvo_",
    "cfat_",
    "Bearer ",
    "2026-11-01T00:10:00Z",
    "\"alg\":\"none\",",
    "HS256",
    "RS256",
    "ES256",
    "\"crit\":[],",
    "\"jwk\":{},",
    "\"kid\":\"../x\",",
    "\"aud\":[\"https://brevet.example.com\",\"x\"],",
    "\"iss\":[],",
    "\"exp\":1e300,",
    "\"kty\":\"oct\",",
    "\"kid\":\"one\",",
    "AA",
    "\n",
    "&resource=",
    "%00",
];

/// A change of an input.
#[derive(Clone, Debug)]
enum Change {
    Put(Index, u8),
    Cut(Index, u8),
    Double(Index, u8),
    Insert(Index, &'static str),
    Replace(Index, &'static str, u8),
    Splice(Index, Index),
}

fn change() -> impl Strategy<Value = Change> {
    let at = any::<Index>;
    let word = || prop::sample::select(&WORDS[..]);
    prop_oneof![
        (at(), any::<u8>()).prop_map(|(at, byte)| Change::Put(at, byte)),
        (at(), any::<u8>()).prop_map(|(at, count)| Change::Cut(at, count)),
        (at(), any::<u8>()).prop_map(|(at, count)| Change::Double(at, count)),
        (at(), word()).prop_map(|(at, word)| Change::Insert(at, word)),
        (at(), word(), any::<u8>()).prop_map(|(at, word, count)| Change::Replace(at, word, count)),
        (at(), at()).prop_map(|(at, from)| Change::Splice(at, from)),
    ]
}

fn changed(mut input: Vec<u8>, changes: &[Change], seeds: &[Vec<u8>]) -> Vec<u8> {
    for change in changes {
        let place = |index: &Index| index.index(input.len() + 1);
        let end = |at: usize, count: u8| at.saturating_add(usize::from(count)).min(input.len());
        match change {
            Change::Put(at, byte) => {
                let at = place(at);
                if let Some(old) = input.get_mut(at) {
                    *old = *byte;
                }
            }
            Change::Cut(at, count) => {
                let at = place(at);
                input.drain(at..end(at, *count));
            }
            Change::Double(at, count) => {
                let at = place(at);
                let part = input[at..end(at, *count)].to_vec();
                input.splice(at..at, part);
            }
            Change::Insert(at, word) => {
                let at = place(at);
                input.splice(at..at, word.bytes());
            }
            Change::Replace(at, word, count) => {
                let at = place(at);
                input.splice(at..end(at, count % 48), word.bytes());
            }
            Change::Splice(at, from) => {
                let at = place(at);
                let other = &seeds[from.index(seeds.len())];
                input.truncate(at);
                input.extend_from_slice(&other[at.min(other.len())..]);
            }
        }
    }
    input
}

fn hold(name: &str, check: fn(&[u8])) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/seeds").join(name);
    let mut paths: Vec<_> = fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    let seeds: Vec<Vec<u8>> = paths.iter().map(|path| fs::read(path).unwrap()).collect();
    assert!(seeds.len() > 3, "{}", folder.display());
    seeds.iter().for_each(|seed| check(seed));
    let input = (any::<Index>(), prop::collection::vec(change(), 0..8));
    proptest!(ProptestConfig { cases: cases(), failure_persistence: None, ..ProptestConfig::default() }, |((seed, changes) in input)| {
        check(&changed(seeds[seed.index(seeds.len())].clone(), &changes, &seeds));
    });
}

#[test]
fn whatever_is_read_as_json_reads_the_same_for_everybody() {
    hold("json", checks::json);
}

#[test]
fn whatever_is_in_an_authorization_header_is_sorted_by_its_shape_alone() {
    hold("bearer", checks::bearer);
}

#[test]
fn whatever_is_pushed_as_rules_is_compiled_or_refused_with_a_place() {
    hold("rules", checks::rules);
}

#[test]
fn whatever_a_client_asks_for_it_gets_no_more_than_its_line() {
    hold("policies", checks::policies);
}

#[test]
fn whatever_cloudflare_answers_no_reader_panics_or_shows_a_value() {
    hold("answers", checks::answers);
}

#[test]
fn whatever_token_comes_it_has_one_reading_and_says_what_the_rule_wants() {
    hold("jwt", checks::jwt);
}

#[test]
fn whatever_an_issuer_serves_as_keys_each_is_for_one_algorithm() {
    hold("jwks", checks::jwks);
}

#[test]
fn whatever_form_comes_each_field_is_there_once_and_with_a_value() {
    hold("form", checks::form);
}

#[test]
fn the_seeds_lead_deep() {
    // Seeds that were all refused at the door would prove nothing: some of each kind must be taken.
    let taken = |path: &str| {
        let text = fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/seeds").join(path)).unwrap();
        brevet_core::json::read_value(&text).unwrap()
    };
    for name in ["small", "whole", "example", "workloads"] {
        let rules = taken(&format!("rules/{name}"));
        assert!(
            brevet_core::rules::read(&rules)
                .is_ok_and(|document| brevet_core::rules::compile(document).is_ok()),
            "{name}"
        );
    }
    let bytes =
        |path: &str| fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/seeds").join(path)).unwrap();
    for name in ["github", "list_audience", "rsa"] {
        assert!(checks::passes(&bytes(&format!("jwt/{name}"))), "{name}");
    }
    for name in ["three", "one", "other_use"] {
        assert!(brevet_core::oidc::KeySet::parse(&bytes(&format!("jwks/{name}"))).is_ok(), "{name}");
    }
    for name in ["exchange", "revoke"] {
        assert!(brevet_core::form::Form::read(&bytes(&format!("form/{name}")), "resource").is_ok(), "{name}");
    }
    for name in ["nested", "all_zones", "account", "user", "bucket", "managing", "flat_zone"] {
        assert!(checks::reads(&taken(&format!("policies/{name}"))), "{name}");
    }
    for name in ["template", "raw"] {
        assert!(checks::grants(&taken(&format!("policies/{name}"))), "{name}");
    }
}
