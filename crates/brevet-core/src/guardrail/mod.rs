//! The bounds that no rule can switch off.
//!
//! They are checked on what a token would really be able to do, on every create and every update,
//! whoever asks and in whatever form. The parent token is no ceiling: Cloudflare lets it grant what
//! it does not have itself, so this is the last place where too much can be refused.

mod breach;

use crate::access::{Access, Places, Resource};
use crate::catalogue::{Catalogue, Class, Group};
use crate::id::{AccountId, ZoneId};
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
/// The first [`Breach`], in the order of the policies, their resources and their groups.
pub fn check(
    access: &Access,
    catalogue: &Catalogue,
    host: &dyn Host,
    facts: &Facts,
) -> Result<Marks, Breach> {
    let lifetime = facts.lifetime.ok_or(Breach::NoEnd)?;
    let mut marks = Marks::default();
    for policy in access.policies() {
        let groups: Vec<_> = policy.groups().iter().map(|id| (*id, catalogue.get(*id))).collect();
        for resource in policy.resources() {
            if !inside_rules(resource, host) {
                return Err(Breach::OutsideRules { policy: policy.source(), resource: resource.clone() });
            }
            for (id, group) in &groups {
                let offence = || {
                    Box::new(Offence {
                        policy: policy.source(),
                        group: *id,
                        name: group.map(|group| group.name().to_owned()),
                        resource: resource.clone(),
                    })
                };
                let more = match group {
                    Some(group) => check_known(group, resource, host, facts, lifetime, offence)?,
                    // Nobody knows what it can do, so the worst is written down.
                    None if facts.operator_mint => Marks { escapes_books: true, takeover: true },
                    None => return Err(Breach::UnknownGroup(offence())),
                };
                marks.escapes_books |= more.escapes_books;
                marks.takeover |= more.takeover;
            }
        }
    }
    Ok(marks)
}

fn check_known(
    group: &Group,
    resource: &Resource,
    host: &dyn Host,
    facts: &Facts,
    lifetime: Seconds,
    offence: impl Fn() -> Box<Offence>,
) -> Result<Marks, Breach> {
    if group.scope() != resource.scope() {
        return Err(Breach::WrongScope { on: offence(), scope: group.scope() });
    }
    let escapes_books = group.class() == Class::Managing;
    if escapes_books {
        if !facts.operator_mint {
            return Err(Breach::ManagingWithoutOperator(offence()));
        }
        if lifetime > MAX_MANAGING_LIFETIME {
            return Err(Breach::ManagingTooLong { on: offence(), lifetime });
        }
        if !facts.has_ip_condition {
            return Err(Breach::ManagingFromAnywhere(offence()));
        }
    }
    let takeover = takes_over(group.class(), resource, host);
    if takeover && !facts.operator_mint && !facts.accepts_takeover {
        return Err(Breach::Takeover { on: offence(), class: group.class() });
    }
    Ok(Marks { escapes_books, takeover })
}

/// Whether the rules name where the resource is. The account is the one *in the resource*, whoever
/// owns the token.
fn inside_rules(resource: &Resource, host: &dyn Host) -> bool {
    match resource {
        Resource::User(user) => host.user() == Some(*user),
        other => other.account().is_some_and(|account| host.knows_account(account)),
    }
}

/// Whether a group of this class on this resource can rewrite, divert or overhear Brevet.
fn takes_over(class: Class, resource: &Resource, host: &dyn Host) -> bool {
    match class {
        // What manages tokens is an operator's on every account alike.
        Class::Read | Class::Write | Class::Managing => false,
        // A user belongs to no account and reaches all of them.
        Class::HostAccount | Class::Unclassified => {
            resource.account().is_none_or(|account| host.hosts_brevet(account))
        }
        Class::HostZone => may_hold_brevet_zone(resource, host),
    }
}

/// Whether the zone of Brevet's URL is, or may be, among what the resource names.
fn may_hold_brevet_zone(resource: &Resource, host: &dyn Host) -> bool {
    let brevet = host.brevet_zone();
    match (resource, brevet) {
        (_, BrevetZone::None) => false,
        (Resource::Zone { zone, .. }, BrevetZone::This(brevet)) => *zone == brevet,
        (Resource::Zone { zone, account }, BrevetZone::Unnamed) => {
            host.hosts_brevet(*account) && host.account_of_zone(*zone).is_none()
        }
        (Resource::AllZones(account), BrevetZone::This(brevet)) => {
            host.hosts_brevet(*account) || host.account_of_zone(brevet) == Some(*account)
        }
        (Resource::AllZones(account), BrevetZone::Unnamed) => host.hosts_brevet(*account),
        // No zone-scoped group acts on these; were one to, it is not said on which zones.
        (Resource::Account(_) | Resource::User(_) | Resource::Bucket(_), _) => true,
    }
}

#[cfg(test)]
mod tests;
