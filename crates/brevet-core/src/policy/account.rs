//! The accounts and users whose tokens Brevet makes.

use crate::access::Family;
use crate::cloudflare::TokenOwner;
use crate::time::Seconds;

/// An account or user of the rules.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Account {
    pub(crate) name: String,
    pub(crate) owner: TokenOwner,
    pub(crate) parent: String,
    pub(crate) parent_next: Option<String>,
    pub(crate) hosts_brevet: bool,
    pub(crate) max_ttl: Option<Seconds>,
}

impl Account {
    /// Its name in the rules.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The account or user itself, whose token endpoints are used.
    pub fn owner(&self) -> TokenOwner {
        self.owner
    }

    /// Its id, an account's or a user's.
    pub fn id(&self) -> String {
        match self.owner {
            TokenOwner::Account(id) => id.to_string(),
            TokenOwner::User(id) => id.to_string(),
        }
    }

    /// The family of its tokens.
    pub fn family(&self) -> Family {
        match self.owner {
            TokenOwner::Account(_) => Family::Account,
            TokenOwner::User(_) => Family::User,
        }
    }

    /// The Worker secret that holds the parent token.
    pub fn parent(&self) -> &str {
        &self.parent
    }

    /// The Worker secret that takes over when the first parent token is dead.
    pub fn parent_next(&self) -> Option<&str> {
        self.parent_next.as_deref()
    }

    /// The longest lifetime of its tokens, where the rules set one.
    pub fn max_ttl(&self) -> Option<Seconds> {
        self.max_ttl
    }
}
