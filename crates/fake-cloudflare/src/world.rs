//! The accounts, the user and the zones there are. They do not change while the stand-in runs.

use crate::value::id_of;

/// Account "main": the one that Brevet's example rules name first.
pub const MAIN_ACCOUNT: &str = "0123456789abcdef0123456789abcdef";
/// Account "apps".
pub const APPS_ACCOUNT: &str = "00112233445566778899aabbccddeeff";
/// An account that nobody here is a member of.
pub const FOREIGN_ACCOUNT: &str = "f0e1d2c3b4a5968778695a4b3c2d1e0f";
/// The user, a member of "main" and "apps".
pub const USER: &str = "fedcba9876543210fedcba9876543210";
/// `example.com` in "main".
pub const EXAMPLE_ZONE: &str = "023e105f4ecef8ad9ca31a8372d0c353";
/// `foreign.example` in the foreign account.
pub const FOREIGN_ZONE: &str = "fedbca98765432100123456789abcdef";
/// When everything in the world was made: 2025-01-01T00:00:00Z.
pub const EPOCH: i64 = 1_735_689_600;

/// More zones in "main", so that a list has a second page at the usual 20 a page.
const MORE_MAIN_ZONES: u32 = 24;

/// An account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Account {
    /// Its id.
    pub id: String,
    /// Its name.
    pub name: String,
    /// Whether the user is a member.
    pub ours: bool,
}

/// A zone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Zone {
    /// Its id.
    pub id: String,
    /// The domain.
    pub name: String,
    /// The account it belongs to.
    pub account: String,
    /// `initializing`, `pending`, `active` or `moved`.
    pub status: &'static str,
    /// `full`, `partial`, `secondary` or `internal`.
    pub kind: &'static str,
}

/// Everything that tokens can be about.
#[derive(Clone, Debug)]
pub struct World {
    /// All accounts.
    pub accounts: Vec<Account>,
    /// All zones, by name.
    pub zones: Vec<Zone>,
}

impl World {
    /// The one world there is.
    #[must_use]
    pub fn example() -> Self {
        let account = |id: &str, name: &str, ours| Account { id: id.to_owned(), name: name.to_owned(), ours };
        let mut zones = vec![
            zone(EXAMPLE_ZONE, "example.com", MAIN_ACCOUNT, "active", "full"),
            zone(FOREIGN_ZONE, "foreign.example", FOREIGN_ACCOUNT, "active", "full"),
        ];
        for number in 1..=MORE_MAIN_ZONES {
            zones.push(named_zone(&format!("site-{number:02}.example.net"), MAIN_ACCOUNT, "active", "full"));
        }
        zones.push(named_zone("pending.example.org", MAIN_ACCOUNT, "pending", "full"));
        zones.push(named_zone("partial.example.org", MAIN_ACCOUNT, "active", "partial"));
        zones.push(named_zone("internal.example.org", MAIN_ACCOUNT, "active", "internal"));
        for name in ["apps.example", "shop.apps.example", "status.apps.example"] {
            zones.push(named_zone(name, APPS_ACCOUNT, "active", "full"));
        }
        zones.sort_by(|a, b| a.name.cmp(&b.name));
        Self {
            accounts: vec![
                account(MAIN_ACCOUNT, "main", true),
                account(APPS_ACCOUNT, "apps", true),
                account(FOREIGN_ACCOUNT, "foreign", false),
            ],
            zones,
        }
    }

    /// The account with this id.
    #[must_use]
    pub fn account(&self, id: &str) -> Option<&Account> {
        self.accounts.iter().find(|account| account.id == id)
    }

    /// The zone with this id.
    #[must_use]
    pub fn zone(&self, id: &str) -> Option<&Zone> {
        self.zones.iter().find(|zone| zone.id == id)
    }
}

fn named_zone(name: &str, account: &str, status: &'static str, kind: &'static str) -> Zone {
    zone(&id_of(&format!("zone {name}")), name, account, status, kind)
}

fn zone(id: &str, name: &str, account: &str, status: &'static str, kind: &'static str) -> Zone {
    Zone { id: id.to_owned(), name: name.to_owned(), account: account.to_owned(), status, kind }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::value::is_id;

    #[test]
    fn every_id_is_sound_and_no_zone_is_without_account() {
        let world = World::example();
        assert!(world.accounts.iter().all(|account| is_id(&account.id)));
        assert!(world.zones.iter().all(|zone| is_id(&zone.id) && world.account(&zone.account).is_some()));
    }

    #[test]
    fn main_fills_more_than_one_page_of_zones() {
        let world = World::example();
        assert!(
            world.zones.iter().filter(|zone| zone.account == MAIN_ACCOUNT && zone.kind != "internal").count()
                > 20
        );
    }
}
