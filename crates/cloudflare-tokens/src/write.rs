//! Writing requests: what is refused before anything is sent, and how a checked request is put together.

use crate::base::ApiBase;
use crate::page::{Direction, Paging};
use crate::secret::ApiToken;
use crate::wire::{Method, Request};
use std::fmt;

/// The longest token name, in characters.
pub const MAX_NAME_CHARS: usize = 120;

/// The longest text to filter a list by, in characters: the schema's bound for names of zones and accounts.
pub const MAX_FILTER_CHARS: usize = 253;

/// Why a request was not written. Nothing has been sent then.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WriteError {
    /// The name is empty or longer than [`MAX_NAME_CHARS`].
    NameLength {
        /// How many characters it has.
        chars: usize,
    },
    /// The name holds a control character.
    NameControl,
    /// There is no policy. Cloudflare would take that and make a token without any power.
    NoPolicies,
    /// A policy names no resource.
    NoResources {
        /// Which policy, from 0.
        policy: usize,
    },
    /// A policy names no permission group.
    NoGroups {
        /// Which policy, from 0.
        policy: usize,
    },
    /// A resource of a policy holds an empty map of nested resources.
    EmptyNested {
        /// Which policy, from 0.
        policy: usize,
    },
    /// A policy holds plain and nested resources side by side; the schema allows one kind per policy.
    MixedResources {
        /// Which policy, from 0.
        policy: usize,
    },
    /// A resource key is malformed, or names an account, zone or user by something that is no id.
    ResourceKey {
        /// Which policy, from 0.
        policy: usize,
    },
    /// A resource's value is neither `*` nor a map.
    ResourceValue {
        /// Which policy, from 0.
        policy: usize,
    },
    /// A policy's effect is neither `allow` nor `deny`.
    UnknownEffect {
        /// Which policy, from 0.
        policy: usize,
    },
    /// An address range is not an IPv4 or IPv6 address with a mask.
    AddressRange {
        /// Which one, from 0, `in` before `not_in`.
        index: usize,
    },
    /// The condition matches no address, so nobody could use the token. Only a read answer can hold such a one.
    NoAddress,
    /// A time before 1970 or after 9999.
    TimeOutOfRange,
    /// The token would end before it begins.
    EndsBeforeStart,
    /// The token has a status that cannot be set, so it cannot be sent back as it was read.
    StatusNotSettable,
    /// Page 0.
    Page,
    /// A page size out of 5 to 50.
    PerPage {
        /// What was asked for.
        found: u32,
    },
    /// A filter text is empty or longer than [`MAX_FILTER_CHARS`].
    FilterLength {
        /// How many characters it has.
        chars: usize,
    },
    /// A filter text holds a control character.
    FilterControl,
    /// The address or a header could not be put together.
    Unwritable,
}

impl fmt::Display for WriteError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (text, policy) = match self {
            Self::NameLength { .. } => ("a token's name has 1 to 120 characters", None),
            Self::NameControl => ("a token's name must hold no control character", None),
            Self::NoPolicies => ("a token needs at least one policy", None),
            Self::NoResources { policy } => ("a policy names no resource", Some(policy)),
            Self::NoGroups { policy } => ("a policy names no permission group", Some(policy)),
            Self::EmptyNested { policy } => ("a nested resource map is empty", Some(policy)),
            Self::MixedResources { policy } => {
                ("plain and nested resources must stand in policies of their own", Some(policy))
            }
            Self::ResourceKey { policy } => ("a resource key is malformed", Some(policy)),
            Self::ResourceValue { policy } => ("a resource's value is neither * nor a map", Some(policy)),
            Self::UnknownEffect { policy } => ("a policy's effect is neither allow nor deny", Some(policy)),
            Self::AddressRange { .. } => {
                ("an address range must be an IPv4 or IPv6 address with a mask, such as 203.0.113.0/24", None)
            }
            Self::NoAddress => ("the condition matches no address at all", None),
            Self::TimeOutOfRange => ("a time must lie from 1970 to 9999", None),
            Self::EndsBeforeStart => ("expires_on must be later than not_before", None),
            Self::StatusNotSettable => ("the token's status cannot be set", None),
            Self::Page => ("pages count from 1", None),
            Self::PerPage { .. } => ("a page has 5 to 50 items", None),
            Self::FilterLength { .. } => ("a filter has 1 to 253 characters", None),
            Self::FilterControl => ("a filter must hold no control character", None),
            Self::Unwritable => ("the request could not be put together", None),
        };
        f.write_str(text)?;
        match policy {
            Some(policy) => write!(f, " (policy {policy})"),
            None => Ok(()),
        }
    }
}

impl std::error::Error for WriteError {}

/// Puts a checked request together. `target` is path and query below the base, beginning with `/`.
pub(crate) fn request(
    base: &ApiBase,
    token: &ApiToken,
    method: Method,
    target: &str,
    body: Option<String>,
) -> Result<Request, WriteError> {
    let url = [base.as_str(), target].concat();
    Request::new(method, url, token.expose(), body).ok_or(WriteError::Unwritable)
}

/// A query string under construction.
#[derive(Default)]
pub(crate) struct Query(String);

impl Query {
    /// Adds `key=value`, encoding the value once. `key` must need no encoding.
    pub(crate) fn add(&mut self, key: &str, value: &str) {
        self.0.push(if self.0.is_empty() { '?' } else { '&' });
        self.0.push_str(key);
        self.0.push('=');
        for byte in value.bytes() {
            if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~') {
                self.0.push(char::from(byte));
            } else {
                self.0.push('%');
                self.0.push(hex_digit(byte >> 4));
                self.0.push(hex_digit(byte & 0xf));
            }
        }
    }

    /// Adds page, page size and order.
    pub(crate) fn paging(&mut self, paging: Paging, direction: Option<Direction>) -> Result<(), WriteError> {
        paging.check()?;
        self.add("page", &paging.page.to_string());
        self.add("per_page", &paging.per_page.to_string());
        if let Some(direction) = direction {
            self.add("direction", direction.as_str());
        }
        Ok(())
    }

    /// Adds a checked filter text, if there is one.
    pub(crate) fn filter(&mut self, key: &str, value: Option<&str>) -> Result<(), WriteError> {
        let Some(value) = value else {
            return Ok(());
        };
        let chars = value.chars().count();
        if !(1..=MAX_FILTER_CHARS).contains(&chars) {
            return Err(WriteError::FilterLength { chars });
        }
        if value.chars().any(char::is_control) {
            return Err(WriteError::FilterControl);
        }
        self.add(key, value);
        Ok(())
    }

    /// The string with its `?`, or an empty one.
    pub(crate) fn after(&self, path: &str) -> String {
        [path, &self.0].concat()
    }
}

fn hex_digit(nibble: u8) -> char {
    char::from_digit(u32::from(nibble), 16).unwrap_or('0').to_ascii_uppercase()
}

/// Checks a token's name.
pub(crate) fn check_name(name: &str) -> Result<(), WriteError> {
    let chars = name.chars().count();
    if !(1..=MAX_NAME_CHARS).contains(&chars) {
        return Err(WriteError::NameLength { chars });
    }
    if name.chars().any(char::is_control) {
        return Err(WriteError::NameControl);
    }
    Ok(())
}
