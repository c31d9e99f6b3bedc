//! What a stand-in starts with: the seed, the parent tokens and the switches.

use crate::settings::Settings;
use crate::token::Owner;
use crate::value::{Source, TokenValue};
use crate::world::{APPS_ACCOUNT, MAIN_ACCOUNT, USER};

/// A parent token. It may write tokens of its own family and nothing else.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Parent {
    /// The name of the Worker secret that holds it.
    pub name: String,
    /// Whose it is.
    pub owner: Owner,
    /// Its value.
    pub value: TokenValue,
}

/// What a stand-in starts with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// Ids and values are made from it.
    pub seed: u64,
    /// The parent tokens.
    pub parents: Vec<Parent>,
    /// The switches at the start and after a reset.
    pub settings: Settings,
}

impl Config {
    /// The three parents of the example rules, with values made from the seed.
    #[must_use]
    pub fn seeded(seed: u64) -> Self {
        let source = Source::new(seed);
        let parent = |name: &str, owner: Owner| Parent {
            name: name.to_owned(),
            value: source.value(owner.value_prefix(), name),
            owner,
        };
        Self {
            seed,
            parents: vec![
                parent("CLOUDFLARE_API_TOKEN", Owner::Account(MAIN_ACCOUNT.to_owned())),
                parent("CLOUDFLARE_APPS_TOKEN", Owner::Account(APPS_ACCOUNT.to_owned())),
                parent("CLOUDFLARE_USER_TOKEN", Owner::User(USER.to_owned())),
            ],
            settings: Settings::default(),
        }
    }

    /// The value of the parent with this name.
    #[must_use]
    pub fn parent(&self, name: &str) -> Option<&TokenValue> {
        self.parents.iter().find(|parent| parent.name == name).map(|parent| &parent.value)
    }
}

impl Default for Config {
    fn default() -> Self {
        Self::seeded(0)
    }
}
