//! Which entries of the journal are events, how an event is named and what it says.

use std::fmt;

use crate::cloudflare::TokenOwner;
use crate::json::{Object, Raw};
use crate::ledger::journal::{Entry, Kept};

/// The types of events, and the words of the journal that they stand for. An entry with another word is not
/// announced: entries about deliveries are among those, for each would else make the next.
const KINDS: &[(&str, &[&str])] = &[
    ("lease.granted", &["created"]),
    ("lease.refused", &["refused"]),
    ("lease.renewed", &["renewed"]),
    ("lease.updated", &["updated"]),
    ("lease.rolled", &["rolled"]),
    ("lease.revoking", &["revoking"]),
    ("lease.revoked", &["revoked"]),
    ("lease.ended", &["expired", "rolled_away", "found_dead", "never_created"]),
    ("lease.stuck", &["stuck"]),
    ("lease.drifted", &["drifted"]),
    ("lease.put_back", &["put_back"]),
    ("lease.found", &["found"]),
    ("token.swept", &["swept"]),
    ("leases.revoked", &["revoked_many"]),
    ("hook.received", &["hook_received"]),
    ("hook.done", &["hook_done"]),
    (LEAK_REFLEX, &[]),
    ("strangers.refused", &["refused_unknown"]),
    ("quota.near", &["quota_near"]),
    ("parent.unhealthy", &["parent_unhealthy"]),
    ("parent.healthy", &["parent_healthy"]),
    ("rules.pushed", &["rules_taken"]),
    ("freeze.set", &["frozen"]),
    ("freeze.lifted", &["lifted"]),
    ("ledger.rebuilt", &["rebuilt"]),
    ("endpoint.paused", &["endpoint_paused"]),
    ("endpoint.resumed", &["endpoint_resumed"]),
    ("events.dropped", &["events_dropped"]),
];

/// Many leases revoked because a signed webhook said so: somebody's alert of a leak.
const LEAK_REFLEX: &str = "leak.reflex";

/// The words of `events` in the rules.
pub const TYPES: &[&str] = &{
    let mut types = [""; KINDS.len()];
    let mut at = 0;
    #[expect(clippy::indexing_slicing, reason = "computed when this is compiled")]
    while at < types.len() {
        types[at] = KINDS[at].0;
        at += 1;
    }
    types
};

/// The type of the event that an entry is; none where it is not announced.
pub fn type_of(entry: &Entry) -> Option<&'static str> {
    if entry.event == "revoked_many" && entry.by.starts_with("hook:") {
        return Some(LEAK_REFLEX);
    }
    let kind = KINDS.iter().find(|(_, words)| words.contains(&entry.event.as_str()))?;
    Some(kind.0)
}

/// How many digits of an entry's authenticator are part of its event's id.
const MAC_DIGITS: usize = 16;

/// The id of an event for one endpoint: `evt_FAMILY_ID_SEQ_MAC_ENDPOINT`.
///
/// It says where the event stands in the journal, so it is the same at every attempt, whatever crashed in
/// between. Of the entry's authenticator a part is in it, because a book that was made anew numbers anew:
/// what a receiver has seen must not hide what it has not. Standard Webhooks forbids a dot.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EventId {
    /// The ledger.
    pub ledger: TokenOwner,
    /// The entry's number.
    pub seq: u64,
    /// The beginning of the entry's authenticator.
    pub mac: String,
    /// The endpoint's name.
    pub endpoint: String,
}

impl EventId {
    /// That of an entry.
    pub fn of(ledger: TokenOwner, kept: &Kept, endpoint: &str) -> Self {
        let mac = kept.mac.get(..MAC_DIGITS).unwrap_or(&kept.mac);
        Self { ledger, seq: kept.seq, mac: mac.to_owned(), endpoint: endpoint.to_owned() }
    }

    /// Reads an id back.
    pub fn read(text: &str) -> Option<Self> {
        let parts: Vec<&str> = text.split('_').collect();
        let ["evt", family, id, seq, mac, endpoint] = parts.as_slice() else { return None };
        let read = Self {
            ledger: TokenOwner::from_ledger_name(&format!("{family}:{id}"))?,
            seq: seq.parse().ok()?,
            mac: (*mac).to_owned(),
            endpoint: (*endpoint).to_owned(),
        };
        // Each id has one spelling.
        (read.to_string() == text && read.mac.len() == MAC_DIGITS).then_some(read)
    }
}

impl fmt::Display for EventId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ledger = self.ledger.ledger_name().replace(':', "_");
        write!(f, "evt_{ledger}_{}_{}_{}", self.seq, self.mac, self.endpoint)
    }
}

/// What an event says: its type, when it happened, the ledger, the entry as the journal has it, and where
/// that stands in the chain. A receiver that has seen an entry which the journal later lacks has found a cut.
/// The journal holds no value of a token and no secret, so neither does this.
pub fn body(kind: &str, ledger: TokenOwner, entry: &Entry, kept: &Kept) -> String {
    let mut head = Object::new();
    head.put("seq", &kept.seq).text("mac", &kept.mac);
    let mut data = Object::saying("ledger", &ledger.ledger_name());
    data.put("entry", &Raw(&kept.body)).put("journal", &head);
    let mut event = Object::saying("type", kind);
    event.text("timestamp", &entry.at.to_string()).put("data", &data);
    event.finish()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::time::Timestamp;
    use proptest::prelude::*;

    fn ledger() -> TokenOwner {
        TokenOwner::Account("0123456789abcdef0123456789abcdef".parse().unwrap())
    }

    fn kept(body: &str) -> Kept {
        Kept { seq: 12, body: body.to_owned(), mac: "0123456789abcdeffedc".to_owned() }
    }

    #[test]
    fn an_id_names_its_place_and_is_read_back() {
        let id = EventId::of(ledger(), &kept("{}"), "siem-eu");
        let text = id.to_string();
        assert_eq!(text, "evt_account_0123456789abcdef0123456789abcdef_12_0123456789abcdef_siem-eu");
        assert_eq!(EventId::read(&text), Some(id));
    }

    #[test]
    fn what_is_no_id_is_not_read() {
        let good = EventId::of(ledger(), &kept("{}"), "siem").to_string();
        for bad in [
            String::new(),
            good.replace("evt_", "msg_"),
            good.replace("account_0", "zone_0"),
            good.replace("_12_", "_012_"),
            good.replace("_12_", "_-1_"),
            good.replace("_12_", "_+12_"),
            good.replace("abcdef_siem", "abcde_siem"),
            format!("{good}_x"),
            good.replace("_siem", ""),
        ] {
            assert_eq!(EventId::read(&bad), None, "{bad}");
        }
    }

    #[test]
    fn every_type_has_its_own_words_and_no_word_two_types() {
        let mut seen = std::collections::BTreeSet::new();
        for (kind, words) in KINDS {
            assert!(seen.insert(*kind), "{kind}");
            assert!(kind.bytes().all(|byte| matches!(byte, b'a'..=b'z' | b'.' | b'_')), "{kind}");
            for word in *words {
                assert!(seen.insert(*word), "{word}");
            }
        }
        assert_eq!(TYPES.len(), KINDS.len());
    }

    #[test]
    fn a_revocation_of_many_by_a_hook_is_the_leak_reflex_and_by_an_operator_is_not() {
        let entry = |by: &str| Entry::of(Timestamp::default(), "revoked_many", by);
        assert_eq!(type_of(&entry("hook:github")), Some("leak.reflex"));
        assert_eq!(type_of(&entry("operator:root")), Some("leases.revoked"));
    }

    #[test]
    fn entries_about_deliveries_are_not_announced() {
        for word in ["delivery_dead", "delivery_replayed", "", "anything"] {
            assert_eq!(type_of(&Entry::of(Timestamp::default(), word, "brevet")), None, "{word}");
        }
    }

    proptest! {
        #[test]
        fn reading_an_id_never_panics_and_gives_back_its_text(text in any::<String>()) {
            if let Some(id) = EventId::read(&text) {
                prop_assert_eq!(id.to_string(), text);
            }
        }

        #[test]
        fn ids_of_other_places_differ(one in 0_u64..1000, other in 0_u64..1000, a in "[a-z0-9-]{1,8}", b in "[a-z0-9-]{1,8}") {
            let id = |seq, name: &str| EventId::of(ledger(), &Kept { seq, ..kept("{}") }, name).to_string();
            prop_assert_eq!(id(one, &a) == id(other, &b), one == other && a == b);
        }
    }
}
