//! What an `allow` line reaches, and which part of it a caller asks for.
//!
//! A fixed value and a list of one are the same thing here: the caller need not give it and cannot
//! give another. So a line is its accounts, its zones and its template, and nothing is substituted
//! into anything.

use crate::sorted::distinct;
use crate::sorted::{SortedMap, SortedSet};

use super::caller::Caller;
use super::denial::Denial;
use super::{Policy, ZoneRef};
use crate::access::{Access, AccessPolicy, Resource};
use crate::cloudflare::TokenOwner;
use crate::id::AccountId;
use crate::rules::document::Pattern;
use crate::template::{Holder, RenderError, Rendered, Target, Template, Zones};

/// All zones of the account, as rules and callers write it.
const ALL_ZONES: &str = "*";

/// One `allow` line, worked out.
#[derive(Clone, Debug)]
pub(crate) struct Line {
    /// The name of its template.
    pub(crate) template: String,
    /// Where it may reach.
    pub(crate) bounds: Bounds,
    /// Whether policies are taken that lie in its reach.
    pub(crate) raw: bool,
    /// Where it stands in the rules.
    pub(crate) pointer: String,
    /// The claim that must say this, where the line is one of a map.
    pub(crate) only: Option<(String, Pattern)>,
}

impl Line {
    /// Whether it is for this caller, who has its grant.
    pub(super) fn is_for(&self, caller: &Caller) -> bool {
        let Some((claim, said)) = &self.only else { return true };
        match caller {
            Caller::Workload(workload) => {
                workload.identity().claims().get(claim).is_some_and(|claim| claim.fits(said))
            }
            Caller::Operator { .. } | Caller::Client { .. } | Caller::Hook { .. } => false,
        }
    }
}

/// The accounts and zones of a line.
#[derive(Clone, Debug)]
pub(crate) struct Bounds {
    /// The accounts, and perhaps the user, by their place among those of the rules; none twice.
    pub(crate) accounts: Vec<usize>,
    /// The zones.
    pub(crate) zones: ZoneBounds,
}

/// The zones of a line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum ZoneBounds {
    /// The line names none.
    None,
    /// All of the account.
    All,
    /// The caller's choice from these; not empty.
    From(Vec<ZoneRef>),
    /// Any or none, as asked: an operator has no line.
    Free,
}

/// The accounts and zones that a caller asks for, found in the rules.
#[derive(Clone, Debug, Default)]
pub(super) struct Wish {
    accounts: Option<Vec<usize>>,
    zones: Option<WishedZones>,
}

#[derive(Clone, Debug)]
enum WishedZones {
    All,
    These(Vec<ZoneRef>),
}

/// The part of a line that was chosen.
#[derive(Clone, Debug)]
pub(super) struct Selection {
    /// The account or user that will own the token, by its place among those of the rules.
    pub(super) account: usize,
    /// What to render the template for.
    pub(super) target: Target,
}

impl Wish {
    /// Reads a caller's parameters.
    pub(super) fn read(policy: &Policy, params: &SortedMap<String, Vec<String>>) -> Result<Self, Denial> {
        let mut wish = Self::default();
        for (name, values) in params {
            match name.as_str() {
                "account" => {
                    let accounts = values
                        .iter()
                        .map(|value| {
                            policy
                                .account_index(value)
                                .ok_or_else(|| Denial::UnknownAccount { value: value.clone() })
                        })
                        .collect::<Result<Vec<_>, _>>()?;
                    wish.accounts = Some(distinct(accounts));
                }
                "zone" if values.iter().any(|value| value == ALL_ZONES) => {
                    if values.len() > 1 {
                        return Err(Denial::AllZonesAndMore);
                    }
                    wish.zones = Some(WishedZones::All);
                }
                "zone" => {
                    let zones = values
                        .iter()
                        .map(|value| {
                            policy
                                .zone_named(value)
                                .ok_or_else(|| Denial::UnknownZone { value: value.clone() })
                        })
                        .collect::<Result<Vec<_>, _>>()?;
                    wish.zones = Some(WishedZones::These(zones));
                }
                _ => return Err(Denial::UnknownParameter { name: name.clone() }),
            }
        }
        Ok(wish)
    }
}

impl Bounds {
    /// An operator's: every account, and whatever zones are asked for.
    pub(super) fn of_operator(policy: &Policy) -> Self {
        Self { accounts: (0..policy.accounts.len()).collect(), zones: ZoneBounds::Free }
    }

    /// The accounts that a user token of this line may reach: those that it names beside the user,
    /// or else all of the rules.
    fn reachable(&self, policy: &Policy) -> Vec<AccountId> {
        let named: Vec<_> = self.accounts.iter().filter_map(|at| policy.account_id_at(*at)).collect();
        if named.is_empty() { policy.account_ids().collect() } else { named }
    }

    /// The part of this line that a caller asks for.
    pub(super) fn select(&self, policy: &Policy, wish: &Wish) -> Result<Selection, Denial> {
        let user = self.accounts.iter().copied().find(|at| policy.is_user(*at));
        if let Some(asked) = &wish.accounts {
            let only_user = user.is_some() && self.accounts.len() == 1;
            let inside = |at: &usize| self.accounts.contains(at) || only_user;
            if let Some(outside) = asked.iter().find(|at| !inside(at)) {
                return Err(policy.outside(*outside));
            }
        }
        let pool = wish.accounts.as_ref().unwrap_or(&self.accounts);
        match user.filter(|user| pool.contains(user)) {
            None => self.select_account(policy, wish, pool),
            Some(user) if wish.accounts.is_some() || pool.len() == 1 => self.select_user(policy, wish, user),
            // A user token reaches further than an account's, so it is never the one that zones alone
            // lead to.
            Some(user) if wish.zones.is_some() => {
                let others: Vec<_> = pool.iter().copied().filter(|at| *at != user).collect();
                self.select_account(policy, wish, &others)
            }
            Some(_) => Err(self.account_needed(policy)),
        }
    }

    fn account_needed(&self, policy: &Policy) -> Denial {
        let choices = self.accounts.iter().filter_map(|at| policy.accounts.get(*at));
        Denial::ParameterNeeded {
            name: "account",
            choices: choices.map(|account| account.name().to_owned()).collect(),
        }
    }

    fn select_account(&self, policy: &Policy, wish: &Wish, pool: &[usize]) -> Result<Selection, Denial> {
        if wish.accounts.is_some() && pool.len() > 1 {
            return Err(Denial::SeveralAccounts);
        }
        let ids: Vec<_> = pool.iter().filter_map(|at| policy.account_id_at(*at)).collect();
        let zones = self.zones(wish, &ids)?;
        let account = match pool {
            [only] => *only,
            _ => {
                let told = match &zones {
                    Chosen::These(zones) => zones.first().map(|zone| zone.account),
                    Chosen::None | Chosen::All => None,
                };
                let found =
                    pool.iter().copied().find(|at| told.is_some() && policy.account_id_at(*at) == told);
                found.ok_or_else(|| self.account_needed(policy))?
            }
        };
        let id = policy.account_id_at(account).ok_or_else(|| self.account_needed(policy))?;
        let zones = zones.within(policy, &[id])?;
        Ok(Selection { account, target: Target { holder: Holder::Account(id), zones } })
    }

    fn select_user(&self, policy: &Policy, wish: &Wish, at: usize) -> Result<Selection, Denial> {
        let user = policy.user_id_at(at).ok_or_else(|| self.account_needed(policy))?;
        let reachable = self.reachable(policy);
        let asked: Vec<_> =
            wish.accounts.iter().flatten().filter_map(|asked| policy.account_id_at(*asked)).collect();
        let zones = self.zones(wish, if asked.is_empty() { &reachable } else { &asked })?;
        let accounts = match &zones {
            _ if !asked.is_empty() => asked,
            Chosen::These(zones) => {
                let zoned: SortedSet<_> = zones.iter().map(|zone| zone.account).collect();
                zoned.into_iter().filter(|account| reachable.contains(account)).collect()
            }
            Chosen::None | Chosen::All => reachable,
        };
        let zones = zones.within(policy, &accounts)?;
        Ok(Selection { account: at, target: Target { holder: Holder::User { user, accounts }, zones } })
    }

    /// The zones asked for, or those that the line leaves no choice about.
    fn zones(&self, wish: &Wish, accounts: &[AccountId]) -> Result<Chosen, Denial> {
        let refused = |value: &str| Denial::ParameterRefused { name: "zone", value: value.to_owned() };
        match (&self.zones, &wish.zones) {
            (ZoneBounds::None | ZoneBounds::Free, None) => Ok(Chosen::None),
            (ZoneBounds::All, None) | (ZoneBounds::All | ZoneBounds::Free, Some(WishedZones::All)) => {
                Ok(Chosen::All)
            }
            (ZoneBounds::All | ZoneBounds::Free, Some(WishedZones::These(zones))) => {
                Ok(Chosen::These(zones.clone()))
            }
            (ZoneBounds::None | ZoneBounds::From(_), Some(WishedZones::All)) => Err(refused(ALL_ZONES)),
            (ZoneBounds::None, Some(WishedZones::These(zones))) => {
                Err(refused(zones.first().map_or(ALL_ZONES, |zone| &zone.name)))
            }
            (ZoneBounds::From(known), Some(WishedZones::These(zones))) => {
                match zones.iter().find(|zone| !known.contains(zone)) {
                    Some(zone) => Err(refused(&zone.name)),
                    None => Ok(Chosen::These(zones.clone())),
                }
            }
            (ZoneBounds::From(known), None) => {
                let here: Vec<_> =
                    known.iter().filter(|zone| accounts.contains(&zone.account)).cloned().collect();
                match here.as_slice() {
                    [_] => Ok(Chosen::These(here)),
                    _ => Err(Denial::ParameterNeeded {
                        name: "zone",
                        choices: here.into_iter().map(|zone| zone.name).collect(),
                    }),
                }
            }
        }
    }

    /// The whole of this line for one of its accounts.
    pub(crate) fn whole(&self, policy: &Policy, account: usize) -> Option<Target> {
        let (holder, accounts) = match policy.accounts.get(account)?.owner {
            TokenOwner::Account(id) => (Holder::Account(id), vec![id]),
            TokenOwner::User(user) => {
                let accounts = self.reachable(policy);
                (Holder::User { user, accounts: accounts.clone() }, accounts)
            }
        };
        let zones = match &self.zones {
            ZoneBounds::None | ZoneBounds::Free => Zones::None,
            ZoneBounds::All => Zones::All,
            ZoneBounds::From(zones) => {
                let here: Vec<_> = zones
                    .iter()
                    .filter(|zone| accounts.contains(&zone.account))
                    .map(|zone| (zone.id, zone.account))
                    .collect();
                if here.is_empty() { Zones::None } else { Zones::These(here) }
            }
        };
        Some(Target { holder, zones })
    }
}

enum Chosen {
    None,
    All,
    These(Vec<ZoneRef>),
}

impl Chosen {
    /// The zones, all of them in these accounts.
    fn within(self, policy: &Policy, accounts: &[AccountId]) -> Result<Zones, Denial> {
        match self {
            Self::None => Ok(Zones::None),
            Self::All => Ok(Zones::All),
            Self::These(zones) => match zones.iter().find(|zone| !accounts.contains(&zone.account)) {
                Some(zone) => Err(Denial::ZoneElsewhere {
                    zone: zone.name.clone(),
                    account: policy.name_of(zone.account),
                }),
                None => Ok(Zones::These(zones.into_iter().map(|zone| (zone.id, zone.account)).collect())),
            },
        }
    }
}

/// Whether every (group, resource) pair of `asked` lies in the whole of a line for an account.
pub(super) fn covers(
    policy: &Policy,
    line: &Line,
    template: &Template,
    account: usize,
    asked: &Access,
) -> Result<(), Denial> {
    let refused = |asked: &AccessPolicy, group, resource: &Resource| Denial::OutOfReach {
        policy: asked.source(),
        group,
        name: policy.catalogue().get(group).map(|group| group.name().to_owned()),
        resource: resource.clone(),
    };
    let whole = line.bounds.whole(policy, account);
    let rendered: Option<Result<Rendered, RenderError>> = whole.map(|target| template.render(&target));
    let reach: SortedMap<_, _> = match &rendered {
        Some(Ok(rendered)) => {
            let policies = rendered.access.policies().iter();
            policies.flat_map(|policy| policy.groups().iter().map(move |group| (*group, policy))).collect()
        }
        // What cannot be rendered reaches nothing.
        Some(Err(_)) | None => SortedMap::new(),
    };
    for policy in asked.policies() {
        // The groups of a policy have one scope, and a template has one policy per scope: its
        // resources are compared once, not once for each group.
        let mut compared: Option<&AccessPolicy> = None;
        for group in policy.groups() {
            let resources = policy.resources();
            let Some(allowed) = reach.get(group).copied() else {
                return resources.first().map_or(Ok(()), |resource| Err(refused(policy, *group, resource)));
            };
            if !compared.is_some_and(|known| std::ptr::eq(known, allowed)) {
                let covered =
                    |resource: &&Resource| allowed.resources().iter().any(|one| one.covers(resource));
                if let Some(resource) = resources.iter().find(|resource| !covered(resource)) {
                    return Err(refused(policy, *group, resource));
                }
                compared = Some(allowed);
            }
        }
    }
    Ok(())
}
