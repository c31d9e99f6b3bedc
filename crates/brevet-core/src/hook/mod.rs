//! Signed webhooks: what the rules say of each, whether a message is signed, and what it asks for.

mod message;
mod signature;

use serde_json::Value;

use crate::json::words;
use crate::ledger::freeze::By;
use crate::rules::document::Pattern;
use crate::sorted::SortedMap;
use crate::time::Seconds;

pub use message::{MOST_TEXT, Unfit, Wish};
pub use signature::{MOST_SECRETS, Signed, is_signed, key_of};

/// How far a signed time may be from the present, either way: what the libraries of Standard Webhooks
/// take.
pub const WINDOW: Seconds = Seconds::of(300);

/// How a sender signs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scheme {
    /// Standard Webhooks 1.0.0, HMAC-SHA256 over id, time and body.
    StandardWebhooks,
    /// GitHub's: HMAC-SHA256 over the body alone.
    Github,
}

words!(Scheme { StandardWebhooks = "standard-webhooks", Github = "github" });

impl Scheme {
    /// The words of `scheme`.
    pub const WORDS: &'static [&'static str] = &["standard-webhooks", "github"];
}

/// `[hook.NAME]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hook {
    /// How its sender signs.
    pub scheme: Scheme,
    /// The Worker secrets with its keys.
    pub secrets: Vec<String>,
    /// Which messages it acts on: any of the sets, all of a set; `event`, or a JSON pointer into the body.
    /// All messages, where there are none.
    pub when: Vec<SortedMap<String, Pattern>>,
    /// What it does.
    pub action: Action,
}

/// What a hook does. A text that begins with `/` is a JSON pointer into the body; all else stands for
/// itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// Freezes, then revokes.
    Stop {
        /// What is revoked.
        revoke: Option<Target>,
        /// What is frozen.
        freeze: Vec<Target>,
        /// For how long; until it is lifted where that is not said.
        span: Option<Seconds>,
    },
    /// Lifts what hooks froze.
    Lift(Vec<Target>),
    /// Answers the sender, for whom its grants decide.
    Reply {
        /// What it does.
        deed: ReplyDeed,
        /// With these parameters.
        params: Vec<(String, Value)>,
    },
}

/// What is revoked, frozen or lifted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    /// By what it is chosen.
    pub by: By,
    /// The values, each with the claim that must have it where it is chosen by claims. None where all is
    /// chosen.
    pub values: Vec<(String, Value)>,
}

/// What a hook does for a sender that waits for the answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReplyDeed {
    /// Tells what a token is worth.
    Verify,
    /// Makes a token.
    Create,
    /// Gives a token a new value.
    Roll,
    /// Ends a token.
    Revoke,
}

words!(ReplyDeed { Verify = "verify", Create = "create", Roll = "roll", Revoke = "revoke" });

impl Hook {
    /// Whether its sender waits for the outcome.
    pub fn replies(&self) -> bool {
        matches!(self.action, Action::Reply { .. })
    }

    /// Adds the claims by which it chooses leases, where they are not there.
    pub fn add_claims(&self, known: &mut Vec<String>) {
        let Action::Stop { revoke: Some(Target { by: By::Claims, values }), .. } = &self.action else {
            return;
        };
        for (claim, _) in values {
            if !known.contains(claim) {
                known.push(claim.clone());
            }
        }
    }
}
