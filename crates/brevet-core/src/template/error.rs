//! What can be wrong with a template, and with rendering one.

use std::fmt;

use super::MAX_ROWS;
use crate::access::{AccessFault, Family, MAX_RESOURCES};
use crate::catalogue::NameError;
use crate::id::{AccountId, ZoneId};
use crate::time::Seconds;

/// What is wrong with a template of the rules.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TemplateError {
    /// It names no permission group.
    NoPermissions,
    /// It names more than [`MAX_ROWS`].
    TooManyPermissions(usize),
    /// A name does not lead to one group.
    Permission {
        /// The entry's index.
        index: usize,
        /// Why.
        error: NameError,
    },
    /// The same group again.
    Twice {
        /// The second entry's index.
        index: usize,
        /// The group's name.
        name: String,
    },
    /// The group acts on R2 buckets, which templates have no parameter for.
    BucketScope {
        /// The entry's index.
        index: usize,
        /// The group's name.
        name: String,
    },
    /// Groups act on zones, and `resources` has no `zone`.
    ZoneNotDeclared,
    /// `resources` has a `zone`, and no group acts on zones.
    ZoneUnused,
    /// The usual lifetime is longer than the longest.
    TtlOverMaximum {
        /// The usual one.
        ttl: Seconds,
        /// The longest.
        max_ttl: Seconds,
    },
}

impl TemplateError {
    /// The member of the template that it concerns, as a JSON pointer relative to the template.
    pub fn pointer(&self) -> String {
        match self {
            Self::NoPermissions | Self::TooManyPermissions(_) => "/permissions".to_owned(),
            Self::Permission { index, .. } | Self::Twice { index, .. } | Self::BucketScope { index, .. } => {
                format!("/permissions/{index}")
            }
            Self::ZoneNotDeclared => "/resources".to_owned(),
            Self::ZoneUnused => "/resources/zone".to_owned(),
            Self::TtlOverMaximum { .. } => "/ttl".to_owned(),
        }
    }
}

impl fmt::Display for TemplateError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoPermissions => f.write_str("a template needs at least one permission group"),
            Self::TooManyPermissions(found) => {
                write!(f, "it names {found} permission groups; at most {MAX_ROWS} fit in a template")
            }
            Self::Permission { error, .. } => error.fmt(f),
            Self::Twice { name, .. } => write!(f, "\"{name}\" is named twice"),
            Self::BucketScope { name, .. } => write!(
                f,
                "\"{name}\" acts on R2 buckets, which templates cannot name; use a line with raw = true"
            ),
            Self::ZoneNotDeclared => {
                f.write_str("a permission group acts on zones; add zone = \"{zone}\" to resources")
            }
            Self::ZoneUnused => {
                f.write_str("no permission group of the template acts on zones; leave zone out")
            }
            Self::TtlOverMaximum { ttl, max_ttl } => {
                write!(f, "the ttl of {ttl} is longer than the max_ttl of {max_ttl}")
            }
        }
    }
}

impl std::error::Error for TemplateError {}

/// Why a template does not render.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RenderError {
    /// Every group of it acts on zones, and none is named.
    ZoneNeeded,
    /// No group of it acts on zones, and some are named.
    ZoneUnused,
    /// Zones are asked for by an empty list.
    NoZones,
    /// More than [`MAX_RESOURCES`] zones.
    TooManyZones(usize),
    /// A zone of an account that the token is not for.
    ZoneElsewhere {
        /// The zone.
        zone: ZoneId,
        /// The account that has it.
        account: AccountId,
    },
    /// A user token is to reach no account, and groups act on accounts or their zones.
    NoAccount,
    /// No group of it fits in tokens of this family.
    NothingLeft(Family),
    /// What would be rendered passes a bound of tokens.
    Access(AccessFault),
}

impl fmt::Display for RenderError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::ZoneNeeded => f.write_str(
                "every permission group of the template acts on zones: give params.zone, or \"*\" for all zones of the account",
            ),
            Self::ZoneUnused => {
                f.write_str("no permission group of the template acts on zones: leave params.zone out")
            }
            Self::NoZones => f.write_str("the list of zones is empty: name one, or give \"*\" for all of the account"),
            Self::TooManyZones(found) => {
                write!(f, "{found} zones are named; at most {MAX_RESOURCES} fit in a token")
            }
            Self::ZoneElsewhere { zone, account } => {
                write!(f, "zone {zone} belongs to account {account}, which the token is not for")
            }
            Self::NoAccount => {
                f.write_str("the template acts on an account, and none is named: give params.account")
            }
            Self::NothingLeft(Family::Account) => f.write_str(
                "every permission group of the template acts on a user, and account-owned tokens cannot: ask for a user token",
            ),
            Self::NothingLeft(Family::User) => {
                f.write_str("no permission group of the template fits in a user token: ask for an account-owned one")
            }
            Self::Access(fault) => fault.fmt(f),
        }
    }
}

impl std::error::Error for RenderError {}
