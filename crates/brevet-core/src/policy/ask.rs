//! What a caller asks for.

use crate::sorted::SortedMap;
use std::fmt;

use serde_json::{Map, Value};

use crate::catalogue::closest;
use crate::time::{Seconds, TimeError, Timestamp};

/// The most parameters of an ask. Templates have two.
pub(super) const MAX_PARAMETERS: usize = 8;

/// The most values of one parameter: as many resources as one token may hold.
pub(super) const MAX_VALUES: usize = 500;

/// The longest name of a template, grant, account, parameter or value in an ask, in bytes: a domain
/// name is the longest that the rules may hold.
pub(super) const MAX_WORD_BYTES: usize = 253;

/// The longest name of a token, in characters: Cloudflare's bound.
pub const MAX_NAME: usize = 120;

/// A request for a token.
#[derive(Clone, Debug, PartialEq)]
pub struct Ask {
    /// What the token may do.
    pub access: AskedAccess,
    /// The grant that shall decide.
    pub grant: Option<String>,
    /// How long it shall live.
    pub lifetime: Lifetime,
    /// From when it shall work.
    pub not_before: Option<Timestamp>,
    /// The name that the caller gives it.
    pub name: Option<String>,
    /// From which addresses it may be used.
    pub condition: Option<Value>,
    /// Where the request came in.
    pub surface: Surface,
}

/// What a token shall be able to do.
#[derive(Clone, Debug, PartialEq)]
pub enum AskedAccess {
    /// What a template renders with these parameters.
    Template {
        /// The template.
        name: String,
        /// The values of each parameter.
        params: SortedMap<String, Vec<String>>,
    },
    /// These policies, in Cloudflare's form.
    Raw {
        /// The policies.
        policies: Value,
        /// The account or user whose token it shall be, by name or id.
        account: Option<String>,
    },
}

/// How long a token shall live.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lifetime {
    /// As long as the grant or the template says.
    Default,
    /// So long from now on.
    Ttl(Seconds),
    /// Until this moment.
    Until(Timestamp),
}

/// Where a request came in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Surface {
    /// `/v1/…`.
    Native,
    /// `/client/v4/…`, for this account or user: its name in the rules.
    DropIn {
        /// The name.
        account: String,
    },
}

/// The members of a native request's body.
const MEMBERS: &[&str] = &[
    "template",
    "params",
    "policies",
    "account",
    "grant",
    "ttl",
    "expires_on",
    "not_before",
    "name",
    "condition",
];

/// What is wrong with a request's body.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AskError {
    pointer: String,
    fault: AskFault,
}

/// The kinds of faults a body can have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AskFault {
    /// The body is no object.
    NotAnObject,
    /// No such member.
    UnknownMember {
        /// The member that was perhaps meant.
        suggestion: Option<&'static str>,
    },
    /// Neither `template` nor `policies`.
    Nothing,
    /// A member that does not go with another one.
    Together {
        /// The other one.
        other: &'static str,
    },
    /// No string.
    NotText,
    /// No object of parameters.
    NotParameters,
    /// No string and no list of strings.
    NotValues,
    /// Empty.
    Empty,
    /// Longer than this, in bytes or entries.
    TooLong {
        /// The most.
        most: usize,
    },
    /// Characters that cannot be printed.
    Unprintable,
    /// No moment or duration.
    Time(TimeError),
}

impl fmt::Display for AskFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotAnObject => f.write_str("a JSON object belongs here"),
            Self::UnknownMember { .. } => f.write_str("there is no such member"),
            Self::Nothing => f.write_str("neither \"template\" nor \"policies\" is there"),
            Self::Together { other } => write!(f, "this does not go together with \"{other}\""),
            Self::NotText => f.write_str("a string belongs here"),
            Self::NotParameters => f.write_str("an object like {\"zone\": \"example.com\"} belongs here"),
            Self::NotValues => f.write_str("a string or a list of strings belongs here"),
            Self::Empty => f.write_str("this is empty"),
            Self::TooLong { most } => write!(f, "this is longer than {most}"),
            Self::Unprintable => f.write_str("this holds characters that cannot be printed"),
            Self::Time(error) => write!(f, "{error}"),
        }
    }
}

impl fmt::Display for AskError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let place = if self.pointer.is_empty() { "the body" } else { &self.pointer };
        write!(f, "{place}: {}", self.fault)
    }
}

impl std::error::Error for AskError {}

impl AskError {
    /// The member concerned, as a JSON pointer into the body.
    pub fn pointer(&self) -> &str {
        &self.pointer
    }

    /// What is wrong with it.
    pub fn fault(&self) -> &AskFault {
        &self.fault
    }

    /// What to do about it.
    pub fn hint(&self) -> String {
        match &self.fault {
            AskFault::UnknownMember { suggestion: Some(name) } => format!("Did you mean \"{name}\"?"),
            AskFault::UnknownMember { suggestion: None } => format!("Known members: {}.", MEMBERS.join(", ")),
            AskFault::Nothing => {
                "Send {\"template\": \"cache-purge\", …} or {\"policies\": […], …}.".to_owned()
            }
            AskFault::Together { .. } => "Leave one of the two out.".to_owned(),
            AskFault::Time(_) => {
                "Write durations like \"15m\" or 900 (seconds) and moments like \"2027-01-31T00:00:00Z\"."
                    .to_owned()
            }
            AskFault::Empty => "Give it a value or leave it out.".to_owned(),
            AskFault::NotAnObject => "Send one JSON object.".to_owned(),
            AskFault::NotText => "Write it in double quotes.".to_owned(),
            AskFault::NotParameters | AskFault::NotValues => {
                "See the template's parameters with GET /v1/templates.".to_owned()
            }
            AskFault::TooLong { .. } => "Shorten it.".to_owned(),
            AskFault::Unprintable => "Leave control characters out.".to_owned(),
        }
    }
}

impl AskFault {
    fn at(self, pointer: impl Into<String>) -> AskError {
        AskError { pointer: pointer.into(), fault: self }
    }
}

impl Ask {
    /// Reads the body of `POST /v1/tokens` and `POST /v1/plan`. A member that is null counts as absent.
    ///
    /// # Errors
    /// [`AskError`] for the first fault.
    pub fn from_json(body: &Value) -> Result<Self, AskError> {
        let members = body.as_object().ok_or_else(|| AskFault::NotAnObject.at(""))?;
        if let Some(unknown) = members.keys().find(|name| !MEMBERS.contains(&name.as_str())) {
            let suggestion = closest(unknown, MEMBERS.iter().copied()).first().copied();
            let shown: String = unknown.chars().take(MAX_WORD_BYTES).collect();
            let shown = shown.replace('~', "~0").replace('/', "~1");
            return Err(AskFault::UnknownMember { suggestion }.at(format!("/{shown}")));
        }
        let moment = |name: &str| {
            let text = text(members, name, MAX_WORD_BYTES)?;
            text.map(|text| {
                Timestamp::parse(&text).map_err(|error| AskFault::Time(error).at(format!("/{name}")))
            })
            .transpose()
        };
        let ttl = present(members, "ttl")
            .map(|value| Seconds::from_json(value).map_err(|error| AskFault::Time(error).at("/ttl")))
            .transpose()?;
        let lifetime = match (ttl, moment("expires_on")?) {
            (None, None) => Lifetime::Default,
            (Some(ttl), None) => Lifetime::Ttl(ttl),
            (None, Some(moment)) => Lifetime::Until(moment),
            (Some(_), Some(_)) => return Err(AskFault::Together { other: "ttl" }.at("/expires_on")),
        };
        Ok(Self {
            access: access(members)?,
            grant: text(members, "grant", MAX_WORD_BYTES)?,
            lifetime,
            not_before: moment("not_before")?,
            name: present(members, "name").map(|value| token_name(value, "/name")).transpose()?,
            condition: present(members, "condition").cloned(),
            surface: Surface::Native,
        })
    }
}

/// Reads a token's name as a caller may choose it: 1 to [`MAX_NAME`] printable characters. `pointer`
/// is where it stands, for the error.
///
/// # Errors
/// [`AskError`].
pub fn token_name(value: &Value, pointer: &str) -> Result<String, AskError> {
    let name = value.as_str().ok_or_else(|| AskFault::NotText.at(pointer))?;
    let length = name.chars().take(MAX_NAME + 1).count();
    if length == 0 {
        Err(AskFault::Empty.at(pointer))
    } else if length > MAX_NAME {
        Err(AskFault::TooLong { most: MAX_NAME }.at(pointer))
    } else if name.chars().any(char::is_control) {
        Err(AskFault::Unprintable.at(pointer))
    } else {
        Ok(name.to_owned())
    }
}

fn access(members: &Map<String, Value>) -> Result<AskedAccess, AskError> {
    let template = text(members, "template", MAX_WORD_BYTES)?;
    let policies = present(members, "policies");
    match (template, policies) {
        (None, None) => Err(AskFault::Nothing.at("")),
        (Some(_), Some(_)) => Err(AskFault::Together { other: "template" }.at("/policies")),
        (Some(name), None) => {
            if present(members, "account").is_some() {
                // A template's account is a parameter: in two places it could say two things.
                return Err(AskFault::Together { other: "template" }.at("/account"));
            }
            Ok(AskedAccess::Template { name, params: params(members)? })
        }
        (None, Some(policies)) => {
            if present(members, "params").is_some() {
                return Err(AskFault::Together { other: "policies" }.at("/params"));
            }
            let account = text(members, "account", MAX_WORD_BYTES)?;
            Ok(AskedAccess::Raw { policies: policies.clone(), account })
        }
    }
}

fn params(members: &Map<String, Value>) -> Result<SortedMap<String, Vec<String>>, AskError> {
    let Some(value) = present(members, "params") else { return Ok(SortedMap::new()) };
    let entries = value.as_object().ok_or_else(|| AskFault::NotParameters.at("/params"))?;
    if entries.len() > MAX_PARAMETERS {
        return Err(AskFault::TooLong { most: MAX_PARAMETERS }.at("/params"));
    }
    let mut params = SortedMap::new();
    for (name, value) in entries {
        // The name is a stranger's: the pointer to it stays short.
        word(name, "/params")?;
        let pointer = format!("/params/{}", name.replace('~', "~0").replace('/', "~1"));
        let values = match value {
            Value::String(text) => vec![word(text, &pointer)?],
            Value::Array(list) if list.is_empty() => return Err(AskFault::Empty.at(pointer)),
            Value::Array(list) if list.len() > MAX_VALUES => {
                return Err(AskFault::TooLong { most: MAX_VALUES }.at(pointer));
            }
            Value::Array(list) => {
                let entry = |(at, value): (usize, &Value)| {
                    let pointer = format!("{pointer}/{at}");
                    let text = value.as_str().ok_or_else(|| AskFault::NotText.at(pointer.clone()))?;
                    word(text, &pointer)
                };
                list.iter().enumerate().map(entry).collect::<Result<_, _>>()?
            }
            _ => return Err(AskFault::NotValues.at(pointer)),
        };
        params.insert(name.clone(), values);
    }
    Ok(params)
}

/// A member that is there and not null.
fn present<'a>(members: &'a Map<String, Value>, name: &str) -> Option<&'a Value> {
    members.get(name).filter(|value| !value.is_null())
}

fn text(members: &Map<String, Value>, name: &str, most: usize) -> Result<Option<String>, AskError> {
    let pointer = format!("/{name}");
    let Some(value) = present(members, name) else { return Ok(None) };
    let text = value.as_str().ok_or_else(|| AskFault::NotText.at(&*pointer))?;
    bounded(text, most, &pointer).map(Some)
}

fn word(text: &str, pointer: &str) -> Result<String, AskError> {
    bounded(text, MAX_WORD_BYTES, pointer)
}

fn bounded(text: &str, most: usize, pointer: &str) -> Result<String, AskError> {
    if text.is_empty() {
        Err(AskFault::Empty.at(pointer))
    } else if text.len() > most {
        Err(AskFault::TooLong { most }.at(pointer))
    } else if text.chars().any(char::is_control) {
        Err(AskFault::Unprintable.at(pointer))
    } else {
        Ok(text.to_owned())
    }
}
