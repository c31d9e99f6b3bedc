//! The bounds that no rule can switch off.
//!
//! They are checked on what a token would really be able to do, on every create and every update,
//! whoever asks and in whatever form. The parent token is no ceiling: Cloudflare lets it grant what
//! it does not have itself, so this is the last place where too much can be refused.

mod breach;

use crate::access::{Access, AccessPolicy, Places, Resource};
use crate::catalogue::{Catalogue, Class, Group};
use crate::id::{AccountId, GroupId, ZoneId};
use crate::time::Seconds;

pub use breach::{Breach, Offence};

/// The longest life of a token with a group that manages tokens, members, roles or identity: what it
/// makes is in no book, so the time for making it is short.
pub const MAX_MANAGING_LIFETIME: Seconds = Seconds::of(60 * 60);

/// The zone of Brevet's own URL.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BrevetZone {
    /// Brevet answers on no zone of ours: a loopback host, or Cloudflare's shared `workers.dev`.
    None,
    /// It is this one.
    This(ZoneId),
    /// It is one that the rules do not name: any zone of a hosting account that they do not name.
    Unnamed,
}

/// Where Brevet itself lives. The rules answer it.
pub trait Host: Places {
    /// Whether Brevet runs in this account. An account that the rules do not name may host it.
    fn hosts_brevet(&self, account: AccountId) -> bool;
    /// The zone of `[brevet] url`.
    fn brevet_zone(&self) -> BrevetZone;
}

/// What the guardrails weigh besides the access itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Facts {
    /// Whether the caller is an operator who may mint.
    pub operator_mint: bool,
    /// From the token's creation to its end, however often it was renewed; nothing where no end is
    /// set.
    pub lifetime: Option<Seconds>,
    /// Whether the token's condition lets in a bounded set of addresses
    /// ([`crate::condition::Condition::bounds_addresses`]).
    pub has_ip_condition: bool,
    /// Whether the grant accepts, for a written reason, that the token can take Brevet over.
    pub accepts_takeover: bool,
}

/// What answer and journal must say of a token that passed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Marks {
    /// It can make tokens or credentials that no book of ours records.
    pub escapes_books: bool,
    /// It can take Brevet over.
    pub takeover: bool,
}

/// Checks what a token would be able to do.
///
/// # Errors
/// The first [`Breach`], in the order of the policies, their groups and their resources.
pub fn check(
    access: &Access,
    catalogue: &Catalogue,
    host: &dyn Host,
    facts: &Facts,
) -> Result<Marks, Breach> {
    let lifetime = facts.lifetime.ok_or(Breach::NoEnd)?;
    let mut marks = Marks::default();
    for policy in access.policies() {
        for resource in policy.resources() {
            check_place(policy, resource, host)?;
        }
        for id in policy.groups() {
            let offence = |resource: &Resource| offence(policy, *id, catalogue, resource);
            let Some(group) = catalogue.get(*id) else {
                if facts.operator_mint {
                    // Nobody knows what it can do, so the worst is written down.
                    marks = Marks { escapes_books: true, takeover: true };
                    continue;
                }
                return Err(match policy.resources().first() {
                    Some(resource) => Breach::UnknownGroup(offence(resource)),
                    None => Breach::EmptyPolicy { policy: policy.source() },
                });
            };
            for resource in policy.resources() {
                if group.scope() != resource.scope() {
                    return Err(Breach::WrongScope { on: offence(resource), scope: group.scope() });
                }
                if group.class() == Class::Managing {
                    check_managing(lifetime, facts, || offence(resource))?;
                    marks.escapes_books = true;
                }
                if takes_over(group, resource, host) {
                    if !(facts.operator_mint || facts.accepts_takeover) {
                        return Err(Breach::Takeover { on: offence(resource), class: group.class() });
                    }
                    marks.takeover = true;
                }
            }
        }
    }
    Ok(marks)
}

/// Whether the resource is one of those that the rules name, read in no other way than by its ids.
fn check_place(policy: &AccessPolicy, resource: &Resource, host: &dyn Host) -> Result<(), Breach> {
    let inside = match (resource, resource.account()) {
        (_, Some(account)) => host.knows_account(account),
        (Resource::User(user), None) => host.user() == Some(*user),
        (_, None) => false,
    };
    if inside {
        Ok(())
    } else {
        Err(Breach::OutsideRules { policy: policy.source(), resource: resource.clone() })
    }
}

fn check_managing(lifetime: Seconds, facts: &Facts, offence: impl FnOnce() -> Offence) -> Result<(), Breach> {
    if !facts.operator_mint {
        Err(Breach::ManagingWithoutOperator(offence()))
    } else if lifetime > MAX_MANAGING_LIFETIME {
        Err(Breach::ManagingTooLong { on: offence(), lifetime })
    } else if !facts.has_ip_condition {
        Err(Breach::ManagingFromAnywhere(offence()))
    } else {
        Ok(())
    }
}

/// Whether this group on this resource can rewrite, divert or overhear Brevet.
fn takes_over(group: &Group, resource: &Resource, host: &dyn Host) -> bool {
    match group.class() {
        // What manages members or tokens is refused on every account alike, before this.
        Class::Read | Class::Write | Class::Managing => false,
        // A user's groups reach wherever the user does.
        Class::HostAccount | Class::Unclassified => {
            resource.account().is_none_or(|account| host.hosts_brevet(account))
        }
        Class::HostZone => may_be_brevet_zone(resource, host),
    }
}

fn may_be_brevet_zone(resource: &Resource, host: &dyn Host) -> bool {
    match (host.brevet_zone(), resource) {
        (BrevetZone::None, _) => false,
        (BrevetZone::This(brevet), Resource::Zone { zone, .. }) => *zone == brevet,
        (BrevetZone::Unnamed, Resource::Zone { zone, account }) => {
            host.hosts_brevet(*account) && host.account_of_zone(*zone).is_none()
        }
        (BrevetZone::This(_) | BrevetZone::Unnamed, resource) => {
            resource.account().is_none_or(|account| host.hosts_brevet(account))
        }
    }
}

fn offence(policy: &AccessPolicy, id: GroupId, catalogue: &Catalogue, resource: &Resource) -> Offence {
    Offence {
        policy: policy.source(),
        group: id,
        name: catalogue.get(id).map(|group| group.name().to_owned()),
        resource: resource.clone(),
    }
}

#[cfg(test)]
mod tests;
