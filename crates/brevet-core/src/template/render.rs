//! From a template and its parameters to what a token may do.

use std::fmt;

use super::{RenderError, Row, Template};
use crate::access::{Access, Family, MAX_RESOURCES, Resource};
use crate::catalogue::Scope;
use crate::id::{AccountId, UserId, ZoneId};
use crate::sorted::distinct;

/// For which token a template is rendered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    /// Who will own the token, and where it reaches.
    pub holder: Holder,
    /// The zones.
    pub zones: Zones,
}

/// Who will own the token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Holder {
    /// An account. The token reaches that account and its zones.
    Account(AccountId),
    /// A user.
    User {
        /// The user. User-scoped groups act on it.
        user: UserId,
        /// The accounts that the token is to reach; each must be one of the rules.
        accounts: Vec<AccountId>,
    },
}

impl Holder {
    /// The family of the token.
    pub fn family(&self) -> Family {
        match self {
            Self::Account(_) => Family::Account,
            Self::User { .. } => Family::User,
        }
    }

    fn user(&self) -> Option<UserId> {
        match self {
            Self::Account(_) => None,
            Self::User { user, .. } => Some(*user),
        }
    }

    fn accounts(&self) -> &[AccountId] {
        match self {
            Self::Account(account) => std::slice::from_ref(account),
            Self::User { accounts, .. } => accounts,
        }
    }
}

/// The zones for which a template is rendered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Zones {
    /// None is named. Zone-scoped groups are left out.
    None,
    /// Every zone of the holder's accounts (`zone = "*"`).
    All,
    /// These, each with the account that has it.
    These(Vec<(ZoneId, AccountId)>),
}

/// A rendered template.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rendered {
    /// What the token may do.
    pub access: Access,
    /// What was left out, and why.
    pub notes: Vec<Note>,
}

/// A part of a template that was left out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Note {
    /// User-scoped groups, because account-owned tokens cannot hold them.
    UserRowsDropped {
        /// Their names.
        groups: Vec<String>,
    },
    /// Zone-scoped groups, because no zone was named.
    NoZonePolicy {
        /// Their names.
        groups: Vec<String>,
    },
}

impl Note {
    /// A stable word for programs.
    pub fn code(&self) -> &'static str {
        match self {
            Self::UserRowsDropped { .. } => "user-rows-dropped",
            Self::NoZonePolicy { .. } => "no-zone-policy",
        }
    }
}

impl fmt::Display for Note {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (groups, why) = match self {
            Self::UserRowsDropped { groups } => {
                (groups, "account-owned tokens cannot hold user-scoped groups")
            }
            Self::NoZonePolicy { groups } => (groups, "no zone is named (params.zone)"),
        };
        write!(f, "left out, for {why}: {}", groups.join(", "))
    }
}

impl Template {
    /// What a token of this template may do for this target: at most one policy per scope, zones
    /// under their account, never a wildcard over accounts.
    ///
    /// # Errors
    /// [`RenderError`].
    pub fn render(&self, target: &Target) -> Result<Rendered, RenderError> {
        let family = target.holder.family();
        if !self.rows.iter().any(|row| row.counts_for(family)) {
            return Err(RenderError::NothingLeft(family));
        }
        self.check_zones(target)?;
        let mut parts = Vec::new();
        let mut notes = Vec::new();
        for scope in [Scope::Account, Scope::Zone, Scope::User] {
            let rows: Vec<&Row> =
                self.rows.iter().filter(|row| row.scope == scope && row.counts_for(family)).collect();
            if rows.is_empty() {
                continue;
            }
            let resources = match scope {
                Scope::Zone => zones(target)?,
                Scope::User => target.holder.user().map(Resource::User).into_iter().collect(),
                _ => needed(target.holder.accounts())?.iter().copied().map(Resource::Account).collect(),
            };
            if resources.is_empty() {
                let groups = rows.iter().map(|row| row.name.to_string()).collect();
                notes.push(Note::NoZonePolicy { groups });
            } else {
                parts.push((scope, rows.iter().map(|row| row.id).collect(), distinct(resources)));
            }
        }
        if family == Family::Account {
            let dropped = self.rows.iter().filter(|row| row.scope == Scope::User && row.family.is_none());
            let groups: Vec<String> = dropped.map(|row| row.name.to_string()).collect();
            if !groups.is_empty() {
                notes.push(Note::UserRowsDropped { groups });
            }
        }
        if parts.is_empty() {
            return Err(RenderError::ZoneNeeded);
        }
        let access = Access::from_parts(parts).map_err(RenderError::Access)?;
        Ok(Rendered { access, notes })
    }

    fn check_zones(&self, target: &Target) -> Result<(), RenderError> {
        match &target.zones {
            Zones::None => Ok(()),
            Zones::All | Zones::These(_) if !self.has(Scope::Zone) => Err(RenderError::ZoneUnused),
            Zones::All => Ok(()),
            Zones::These(zones) if zones.is_empty() => Err(RenderError::NoZones),
            Zones::These(zones) if zones.len() > MAX_RESOURCES => Err(RenderError::TooManyZones(zones.len())),
            Zones::These(zones) => {
                let accounts = target.holder.accounts();
                match zones.iter().find(|(_, account)| !accounts.contains(account)) {
                    Some((zone, account)) => {
                        Err(RenderError::ZoneElsewhere { zone: *zone, account: *account })
                    }
                    None => Ok(()),
                }
            }
        }
    }
}

fn zones(target: &Target) -> Result<Vec<Resource>, RenderError> {
    Ok(match &target.zones {
        Zones::None => Vec::new(),
        Zones::All => needed(target.holder.accounts())?.iter().copied().map(Resource::AllZones).collect(),
        Zones::These(zones) => {
            zones.iter().map(|(zone, account)| Resource::Zone { zone: *zone, account: *account }).collect()
        }
    })
}

fn needed(accounts: &[AccountId]) -> Result<&[AccountId], RenderError> {
    if accounts.is_empty() { Err(RenderError::NoAccount) } else { Ok(accounts) }
}
