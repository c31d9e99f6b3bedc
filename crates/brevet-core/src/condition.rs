//! From which addresses a token may be used.
//!
//! Cloudflare's form is `{"request_ip": {"in": [...], "not_in": [...]}}`; its older schema and some
//! clients write `request.ip`. The rules write the two lists alone. All are read, the first is sent.
//! An empty list is dropped: Cloudflare takes `in: []` to mean that no address at all may use the
//! token, which locks the caller out and is never what was meant.

use std::fmt;
use std::net::IpAddr;

use ipnet::IpNet;
use serde_json::{Map, Value};

use crate::json::{object, to_text};

/// The most networks in one list. Cloudflare publishes no bound; ours keeps a comparison of two
/// lists below a few thousand steps and an answer small.
pub const MAX_NETWORKS: usize = 64;

/// The longest network as text, in bytes: an IPv6 address written in full with its mask.
const MAX_NETWORK_TEXT: usize = 43;

/// From which addresses a token may be used: from those of `allow` (from anywhere where it is
/// empty), but from none of `deny`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Condition {
    allow: Vec<IpNet>,
    deny: Vec<IpNet>,
}

/// What is wrong with a condition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ConditionFault {
    /// A JSON object was expected.
    NotAnObject,
    /// A member that conditions do not have.
    UnknownMember(String),
    /// Two of the spellings at once: which one counts would be a guess.
    SpeltTwice,
    /// A list of networks was expected.
    NotAList,
    /// More than [`MAX_NETWORKS`] networks in a list.
    TooMany(usize),
    /// Not an address or a network like `203.0.113.0/24`.
    NotANetwork(String),
    /// Bits below the mask are set, so that what was meant is a guess.
    HostBits {
        /// The network that the mask leaves.
        network: IpNet,
    },
    /// A caller asked for addresses that its grant does not allow.
    Wider {
        /// The network that goes too far.
        network: IpNet,
    },
    /// What one side allows, the other denies: nobody could use the token.
    NothingLeft,
}

/// What is wrong with a condition, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConditionError {
    /// JSON pointer (RFC 6901) into the condition; empty for the condition as a whole.
    pub pointer: String,
    /// What is wrong there.
    pub fault: ConditionFault,
}

impl fmt::Display for ConditionFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotAnObject => f.write_str("it must be an object like {\"in\": [\"203.0.113.0/24\"]}"),
            Self::UnknownMember(name) => {
                write!(f, "it has the unknown member \"{name}\"; it may have \"in\" and \"not_in\"")
            }
            Self::SpeltTwice => f.write_str("it gives its lists more than once; write \"request_ip\" alone"),
            Self::NotAList => f.write_str("it must be a list of networks like [\"203.0.113.0/24\"]"),
            Self::TooMany(found) => {
                write!(f, "it has {found} networks; at most {MAX_NETWORKS} fit in one list")
            }
            Self::NotANetwork(text) => {
                write!(f, "\"{text}\" is not an address or a network like 203.0.113.0/24 or 2001:db8::/32")
            }
            Self::HostBits { network } => {
                write!(f, "the address has bits below its mask; the network would be {network}")
            }
            Self::Wider { network } => {
                write!(
                    f,
                    "{network} is outside the addresses that the grant allows; a caller may only narrow them"
                )
            }
            Self::NothingLeft => {
                f.write_str("every address it allows is also denied, so nobody could use the token")
            }
        }
    }
}

impl fmt::Display for ConditionError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.pointer.is_empty() {
            write!(f, "the condition is refused: {}", self.fault)
        } else {
            write!(f, "the condition is refused at {}: {}", self.pointer, self.fault)
        }
    }
}

impl std::error::Error for ConditionError {}

impl ConditionFault {
    fn at(self, pointer: impl Into<String>) -> ConditionError {
        ConditionError { pointer: pointer.into(), fault: self }
    }
}

/// Reads a list of networks. A bare address gets the mask that stands for it alone; a network given
/// twice counts once.
///
/// # Errors
/// [`ConditionError`] with a pointer into the list.
pub fn networks(value: &Value) -> Result<Vec<IpNet>, ConditionError> {
    let Value::Array(entries) = value else {
        return Err(ConditionFault::NotAList.at(""));
    };
    if entries.len() > MAX_NETWORKS {
        return Err(ConditionFault::TooMany(entries.len()).at(""));
    }
    let mut networks = Vec::with_capacity(entries.len());
    for (index, entry) in entries.iter().enumerate() {
        let network = network(entry).map_err(|fault| fault.at(format!("/{index}")))?;
        if !networks.contains(&network) {
            networks.push(network);
        }
    }
    Ok(networks)
}

fn network(entry: &Value) -> Result<IpNet, ConditionFault> {
    let not_a_network = || {
        let shown = entry.as_str().map_or_else(|| to_text(entry), str::to_owned);
        ConditionFault::NotANetwork(shown.chars().take(MAX_NETWORK_TEXT).collect())
    };
    let text = entry.as_str().filter(|text| text.len() <= MAX_NETWORK_TEXT).ok_or_else(not_a_network)?;
    if let Ok(address) = text.parse::<IpAddr>() {
        return Ok(IpNet::from(address));
    }
    let network: IpNet = text.parse().map_err(|_| not_a_network())?;
    if network.trunc() == network {
        Ok(network)
    } else {
        Err(ConditionFault::HostBits { network: network.trunc() })
    }
}

impl Condition {
    /// Reads a condition: Cloudflare's form, in both spellings, or the two lists alone. `null` and a
    /// condition without networks are the empty one.
    ///
    /// # Errors
    /// [`ConditionError`].
    pub fn parse(value: &Value) -> Result<Self, ConditionError> {
        let members = match value {
            Value::Null => return Ok(Self::default()),
            Value::Object(members) => members,
            _ => return Err(ConditionFault::NotAnObject.at("")),
        };
        match (members.get("request_ip"), members.get("request.ip")) {
            (None, None) => Self::lists(members, ""),
            (Some(_), Some(_)) => Err(ConditionFault::SpeltTwice.at("")),
            (Some(lists), None) => Self::nested(members, "request_ip", lists),
            (None, Some(lists)) => Self::nested(members, "request.ip", lists),
        }
    }

    fn nested(
        members: &Map<String, Value>,
        spelling: &'static str,
        lists: &Value,
    ) -> Result<Self, ConditionError> {
        if let Some(other) = members.keys().find(|name| *name != spelling) {
            let twice = matches!(other.as_str(), "in" | "not_in");
            let fault = if twice { ConditionFault::SpeltTwice } else { unknown_member(other) };
            return Err(fault.at(""));
        }
        match lists {
            Value::Null => Ok(Self::default()),
            Value::Object(lists) => Self::lists(lists, &format!("/{spelling}")),
            _ => Err(ConditionFault::NotAnObject.at(format!("/{spelling}"))),
        }
    }

    fn lists(members: &Map<String, Value>, at: &str) -> Result<Self, ConditionError> {
        let mut condition = Self::default();
        for (name, list) in members {
            let side = match name.as_str() {
                "in" => &mut condition.allow,
                "not_in" => &mut condition.deny,
                _ => return Err(unknown_member(name).at(at)),
            };
            if !list.is_null() {
                *side = networks(list)
                    .map_err(|error| error.fault.at(format!("{at}/{name}{}", error.pointer)))?;
            }
        }
        condition.usable()
    }

    fn usable(self) -> Result<Self, ConditionError> {
        let denied = |network: &IpNet| self.deny.iter().any(|denied| denied.contains(network));
        if !self.allow.is_empty() && self.allow.iter().all(denied) {
            return Err(ConditionFault::NothingLeft.at(""));
        }
        Ok(self)
    }

    /// The networks from which the token may be used; empty means from anywhere.
    pub fn allow(&self) -> &[IpNet] {
        &self.allow
    }

    /// The networks from which it may not.
    pub fn deny(&self) -> &[IpNet] {
        &self.deny
    }

    /// Whether it says nothing.
    pub fn is_empty(&self) -> bool {
        self.allow.is_empty() && self.deny.is_empty()
    }

    /// Whether it lets in a bounded set of addresses: it has an `in` list, and that list does not
    /// amount to all of IPv4 or all of IPv6. A list of what is *not* let in bounds nothing.
    pub fn bounds_addresses(&self) -> bool {
        // Each network as its share of the address space, in 2^-64ths; what overlaps counts twice,
        // which errs to the safe side.
        let share = |network: &IpNet| 1_u128 << (64 - u32::from(network.prefix_len()).min(64));
        let whole = 1_u128 << 64;
        let of_v4: u128 =
            self.allow.iter().filter(|network| matches!(network, IpNet::V4(_))).map(share).sum();
        let of_v6: u128 =
            self.allow.iter().filter(|network| matches!(network, IpNet::V6(_))).map(share).sum();
        !self.allow.is_empty() && of_v4 < whole && of_v6 < whole
    }

    /// Whether a call from this address passes.
    pub fn admits(&self, address: IpAddr) -> bool {
        let listed = |networks: &[IpNet]| networks.iter().any(|network| network.contains(&address));
        (self.allow.is_empty() || listed(&self.allow)) && !listed(&self.deny)
    }

    /// This condition (a grant's), narrowed by what a caller asked for: what the caller lets in must
    /// lie within what the grant lets in, and what either keeps out stays out.
    ///
    /// # Errors
    /// [`ConditionFault::Wider`], [`ConditionFault::NothingLeft`], and [`ConditionFault::TooMany`]
    /// where both deny lists together pass the bound. The pointer leads into the asked condition.
    pub fn narrowed_by(&self, asked: &Self) -> Result<Self, ConditionError> {
        let within = |network: &IpNet| self.allow.iter().any(|allowed| allowed.contains(network));
        let allow = match (self.allow.as_slice(), asked.allow.as_slice()) {
            (granted, []) => granted.to_vec(),
            ([], asked) => asked.to_vec(),
            (_, asked) => match asked.iter().position(|network| !within(network)) {
                Some(at) => {
                    let network = asked.get(at).copied().unwrap_or_default();
                    return Err(ConditionFault::Wider { network }.at(format!("/in/{at}")));
                }
                None => asked.to_vec(),
            },
        };
        let mut deny = self.deny.clone();
        deny.extend(asked.deny.iter().filter(|network| !self.deny.contains(network)));
        if deny.len() > MAX_NETWORKS {
            return Err(ConditionFault::TooMany(deny.len()).at("/not_in"));
        }
        Self { allow, deny }.usable()
    }

    /// The condition as Cloudflare takes it: masks always there, no empty list; nothing where it says
    /// nothing.
    pub fn to_json(&self) -> Option<Value> {
        let texts =
            |networks: &[IpNet]| networks.iter().map(|network| Value::from(network.to_string())).collect();
        let mut lists = Map::new();
        for (name, networks) in [("in", &self.allow), ("not_in", &self.deny)] {
            if !networks.is_empty() {
                lists.insert(name.to_owned(), Value::Array(texts(networks)));
            }
        }
        (!lists.is_empty()).then(|| object([("request_ip", Value::Object(lists))]))
    }
}

fn unknown_member(name: &str) -> ConditionFault {
    ConditionFault::UnknownMember(name.chars().take(MAX_NETWORK_TEXT).collect())
}

#[cfg(test)]
mod tests;
