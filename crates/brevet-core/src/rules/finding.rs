//! What the linter has to say: one exact problem, at one place of the file.

use std::fmt;

use serde_json::Value;

use crate::catalogue::CatalogueError;
use crate::condition::ConditionFault;
use crate::guardrail::Breach;
use crate::id::IdError;
use crate::template::{RenderError, TemplateError};
use crate::time::{Seconds, TimeError};

pub use super::traps::Trap;

/// Whether a finding keeps the rules from being loaded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// The rules are refused.
    Error,
    /// The rules are taken; somebody should look.
    Warning,
}

/// One thing that is wrong, or looks wrong, in the rules.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// Whether the rules are refused for it.
    pub severity: Severity,
    /// Where: a JSON pointer (RFC 6901) into the rules.
    pub pointer: String,
    /// What.
    pub problem: Problem,
}

/// The kinds of JSON values, in the words a reader of TOML knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A string.
    Text,
    /// A number without a fraction.
    WholeNumber,
    /// `true` or `false`.
    Flag,
    /// A list.
    List,
    /// A table, JSON's object.
    Table,
    /// A list or a string, where either will do.
    TextOrList,
    /// A string such as `"15m"`, or a whole number of seconds.
    Span,
    /// A string, a whole number or a flag, which compare as text.
    Scalar,
    /// JSON's null, which TOML does not have.
    Null,
    /// A number with a fraction.
    Fraction,
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Text => "a string",
            Self::WholeNumber => "a whole number",
            Self::Flag => "true or false",
            Self::List => "a list",
            Self::Table => "a table",
            Self::TextOrList => "a string or a list of strings",
            Self::Span => "a duration like \"15m\" or a whole number of seconds",
            Self::Scalar => "a string, a whole number, or true or false",
            Self::Null => "null",
            Self::Fraction => "a number with a fraction",
        })
    }
}

impl Kind {
    /// The kind of a value found.
    pub(crate) fn of(value: &Value) -> Self {
        match value {
            Value::Null => Self::Null,
            Value::Bool(_) => Self::Flag,
            Value::Number(number) if number.is_f64() => Self::Fraction,
            Value::Number(_) => Self::WholeNumber,
            Value::String(_) => Self::Text,
            Value::Array(_) => Self::List,
            Value::Object(_) => Self::Table,
        }
    }
}

/// What a rule refers to by name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Section {
    /// `[account.NAME]`.
    Account,
    /// An entry of `[zone]`.
    Zone,
    /// `[template.NAME]` or a built-in template.
    Template,
    /// `[client.NAME]`.
    Client,
    /// `[issuer.NAME]`.
    Issuer,
    /// `[operator.NAME]`.
    Operator,
    /// `[hook.NAME]`.
    Hook,
    /// `[grant.NAME]`.
    Grant,
}

impl fmt::Display for Section {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Account => "account",
            Self::Zone => "zone",
            Self::Template => "template",
            Self::Client => "client",
            Self::Issuer => "issuer",
            Self::Operator => "operator",
            Self::Hook => "hook",
            Self::Grant => "grant",
        })
    }
}

/// What is wrong with a URL in the rules.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UrlProblem {
    /// Longer than a URL may be.
    TooLong,
    /// Neither `https://` nor, on a loopback host, `http://`.
    Scheme,
    /// It holds a user name or password.
    UserInfo,
    /// The host is empty or has characters that host names do not have.
    Host,
    /// The port is no number from 1 to 65535.
    Port,
    /// It has a path where only an origin is wanted.
    Path,
    /// It has a query, a fragment, or characters that would have to be escaped.
    Tail,
    /// The host is an address, or a name that only a private network knows.
    Private,
    /// It has a port where only https' own is wanted.
    OtherPort,
    /// It is this installation's own.
    Own,
}

/// What is wrong with a claim's pattern.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PatternProblem {
    /// `*` somewhere else than at the end.
    InnerStar,
    /// A `*` on a claim that names an id, which is compared exactly.
    StarOnId,
    /// Nothing but `*`: it would take any value.
    OnlyStar,
    /// Empty, too long, or with control characters.
    Text,
}

/// What is wrong with a hook.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HookProblem {
    /// A condition on something that is neither `event` nor a place in the body.
    When,
    /// No JSON pointer where there should be one.
    Pointer,
    /// It does nothing.
    NoAction,
    /// It does several things, or `reply` does not go with what it does.
    Actions,
    /// It answers a sender that signs no time.
    ReplyWithoutTime,
    /// It does not say in one way what it is about.
    Target,
    /// It goes by the name of an event that is not signed, and by nothing else.
    EventUnsigned,
    /// A grant to a hook that makes no tokens.
    Silent,
}

/// The problems there are. Each carries what it was found from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Problem {
    /// Another kind of value was expected.
    WrongKind {
        /// The kind that belongs here.
        expected: Kind,
        /// The kind that is here.
        found: Kind,
    },
    /// No such field.
    UnknownField {
        /// The field.
        name: String,
        /// The field that was perhaps meant.
        suggestion: Option<String>,
    },
    /// A field of a later version.
    Reserved {
        /// The field.
        name: String,
    },
    /// A field that must be there.
    Missing {
        /// The field.
        name: &'static str,
    },
    /// Another version of this file's format.
    Version {
        /// The version found.
        found: i64,
    },
    /// More entries than there may be.
    TooMany {
        /// How many there are.
        found: usize,
        /// How many there may be.
        most: usize,
    },
    /// A list or table that must hold something.
    Empty,
    /// The same value twice, where it may be there once.
    Duplicate {
        /// Where it is for the first time: a JSON pointer.
        first: String,
    },
    /// A name with other characters than `a-z`, `0-9` and `-`, or too long, or empty.
    Name {
        /// The longest name allowed here.
        most: usize,
    },
    /// A name that could be taken for an id.
    NameLikeId,
    /// A zone's name that is no domain name in lower case.
    ZoneName,
    /// No id.
    Id(IdError),
    /// No moment or no duration.
    Time(TimeError),
    /// A duration beyond the longest one.
    TooLongSpan {
        /// The longest span.
        most: Seconds,
    },
    /// No SHA-256 in hexadecimal.
    Digest,
    /// No URL as it belongs here.
    Url(UrlProblem),
    /// Not the name of a Worker secret that may be used here.
    SecretName {
        /// What such names begin with.
        prefix: &'static str,
    },
    /// A secret that signs events, and that a hook or another endpoint has too.
    SharedSecret {
        /// Where: a JSON pointer.
        first: String,
    },
    /// None of the words that belong here.
    NotOneOf {
        /// The words.
        choices: &'static [&'static str],
        /// The one that was perhaps meant.
        suggestion: Option<String>,
    },
    /// A reference to something that is not there.
    Dangling {
        /// What is referred to.
        section: Section,
        /// By this name.
        name: String,
        /// The name that was perhaps meant.
        suggestion: Option<String>,
    },
    /// A name that belongs to Brevet: the operator `root`, a built-in template.
    Taken {
        /// What it names.
        section: Section,
    },
    /// Addresses that cannot be read.
    Condition(ConditionFault),
    /// A claim's name or pattern that cannot be used.
    Pattern(PatternProblem),
    /// An issuer whose identities are not pinned by a claim that ends in `_id`.
    Unpinned {
        /// Whether the issuer is known to sign for strangers too.
        shared: bool,
    },
    /// A second account of family `user`.
    SecondUser {
        /// The first one's name.
        first: String,
    },
    /// `hosts_brevet` on a user.
    UserHostsNothing,
    /// A zone of a user.
    ZoneOfUser,
    /// A group that cannot join the table.
    Group(CatalogueError),
    /// A parameter's place in a template that says something else than which parameter it is.
    Placeholder {
        /// What belongs here.
        expected: &'static str,
    },
    /// `from` names no caller, or several.
    From,
    /// `when` on a grant to a client, which has no claims.
    WhenWithoutClaims,
    /// A grant to workloads without `when`.
    EveryWorkload,
    /// A set of claims of GitHub's that names nothing by its id.
    NameOnly,
    /// A map by a claim on a grant to a client, which has no claims.
    MapWithoutClaims,
    /// Two maps by claims on one line.
    TwoMaps,
    /// A set of claims that takes more, or less, than it seems to.
    Trap(Trap),
    /// Something of a hook.
    Hook(HookProblem),
    /// `accept_takeover` without a reason of printable characters.
    Reason,
    /// A template that cannot be made.
    Template(TemplateError),
    /// `hosts_brevet = false` on the account that has the zone of `[brevet] url`.
    HostsBrevet {
        /// That zone.
        zone: String,
        /// Its account.
        account: String,
    },
    /// No entry of `[zone]` has the host of `[brevet] url`.
    UnknownBrevetZone {
        /// The host.
        host: String,
    },
    /// A default lifetime over the longest one allowed.
    OverMaxTtl {
        /// The default.
        ttl: Seconds,
        /// The longest.
        max_ttl: Seconds,
        /// What sets the longest.
        from: String,
    },
    /// A line whose account is neither said nor told by its zones.
    LineAccount,
    /// A zone that lies in another account than its line says.
    ZoneElsewhere {
        /// The zone.
        zone: String,
        /// Its account.
        account: String,
    },
    /// `zone` on a template without zone scope.
    NoZoneScope {
        /// The template.
        template: String,
    },
    /// A template whose rows are all zone-scoped, on a line without `zone`.
    ZoneNeeded {
        /// The template.
        template: String,
    },
    /// A template that only an operator may use.
    OperatorOnly {
        /// The template.
        template: String,
    },
    /// A line that cannot be rendered.
    Render(RenderError),
    /// A line whose tokens would break a guardrail.
    Guardrail(Breach),
    /// `accept_takeover` on a grant whose tokens cannot rewrite Brevet.
    NeedlessTakeover,
    /// No `[brevet] url`.
    NoUrl,
    /// A URL of plain http.
    PlainHttp,
    /// A value of the published example.
    Example,
}
