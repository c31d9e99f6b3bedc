//! The findings in words, and as JSON.

use std::fmt;

use crate::json::Object;

use super::document::{MAX_LIFETIME, MAX_REASON_BYTES, VERSION};
use super::finding::{Finding, HookProblem, PatternProblem, Problem, Section, Severity, UrlProblem};
use super::source_map::SourceMap;

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Error => "error",
            Self::Warning => "warning",
        })
    }
}

impl Finding {
    /// What is wrong, in one sentence without a full stop.
    pub fn message(&self) -> String {
        self.problem.to_string()
    }

    /// What to do about it, in one sentence.
    pub fn help(&self) -> String {
        self.problem.help()
    }

    /// The finding for a machine and a person; with a source map also the line and column in the file
    /// that the rules came from.
    pub fn to_json(&self, map: Option<&SourceMap>) -> Object {
        let mut told = Object::new();
        told.text("severity", &self.severity.to_string())
            .text("pointer", &self.pointer)
            .text("code", self.problem.code())
            .text("message", &self.message())
            .text("help", &self.help());
        if let Some(place) = map.and_then(|map| map.locate(&self.pointer)) {
            told.put("line", &place.line).put("column", &place.column);
        }
        told
    }
}

impl UrlProblem {
    fn message(self) -> &'static str {
        match self {
            Self::TooLong => "this URL is too long",
            Self::Scheme => "this URL is not https",
            Self::UserInfo => "this URL holds a user name or password",
            Self::Host => "this URL has no valid host name",
            Self::Port => "this URL has no valid port",
            Self::Path => "this URL has a path",
            Self::Tail => "this URL has a query, a fragment or characters that need escaping",
            Self::Private => "this URL's host is an address, or a name that only a private network knows",
            Self::OtherPort => "this URL names a port",
            Self::Own => "this URL is this installation's own",
        }
    }

    fn help(self) -> &'static str {
        match self {
            Self::Scheme => {
                "Write https://…; plain http is taken for a loopback host only, and in development mode only."
            }
            Self::Path => "Write scheme, host and port only, like https://brevet.example.com.",
            Self::Private => {
                "Name a host that everybody can look up, like https://events.example.com/brevet."
            }
            Self::OtherPort => "Leave the port out: events are sent to https' own, 443.",
            Self::Own => "Name the host of whoever is to be told.",
            _ => "Write it like https://brevet.example.com, in lower case.",
        }
    }
}

impl PatternProblem {
    fn message(self) -> &'static str {
        match self {
            Self::InnerStar => "a * may only be the last character",
            Self::StarOnId => "a claim that ends in _id is compared exactly, so it takes no *",
            Self::OnlyStar => "a * alone would take any value",
            Self::Text => {
                "a claim's name or value is empty, too long or has characters that cannot be printed"
            }
        }
    }
}

impl HookProblem {
    fn message(self) -> &'static str {
        match self {
            Self::When => "a condition is on \"event\" or on a place in the body like \"/action\"",
            Self::Pointer => "this is no JSON pointer (RFC 6901)",
            Self::NoAction => "this hook does nothing",
            Self::Actions => "these do not go together in one hook",
            Self::ReplyWithoutTime => "this hook answers a sender that does not sign the time",
            Self::Target => "it is not clear what this is about",
            Self::EventUnsigned => {
                "GitHub does not sign the name of the event, and nothing of the body is looked at"
            }
            Self::Silent => "this hook makes no tokens",
        }
    }

    fn help(self) -> &'static str {
        match self {
            Self::When => "Write when = [{ event = \"NAME\", \"/place/in/body\" = \"VALUE\" }].",
            Self::Pointer => "Begin it with / and write ~ as ~0 and / within a name as ~1.",
            Self::NoAction | Self::Actions => {
                "Write revoke, freeze (or both), or unfreeze; or reply = true and one of verify, create, roll and revoke."
            }
            Self::ReplyWithoutTime => {
                "Write scheme = \"standard-webhooks\": else whoever kept a message could send it again for its answer."
            }
            Self::Target => {
                "Name claims, like { repository_id = \"/repository/id\" }, or exactly one of lease, owner, grant, template, run and all = true; to freeze, grant or all = true."
            }
            Self::EventUnsigned => {
                "Add a place of the body that tells this event from others, like \"/action\" = \"created\"."
            }
            Self::Silent => "Write reply = true and create on the hook, or take this grant out.",
        }
    }
}

fn suggested(suggestion: Option<&String>, or_else: &str) -> String {
    suggestion.map_or_else(|| or_else.to_owned(), |name| format!("Did you mean \"{name}\"?"))
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::WrongKind { expected, found } => write!(f, "{expected} belongs here, and this is {found}"),
            Self::UnknownField { name, .. } => write!(f, "there is no field \"{name}\" here"),
            Self::Reserved { name } => write!(f, "\"{name}\" is reserved for a later version of Brevet"),
            Self::Missing { name } => write!(f, "the field \"{name}\" is missing"),
            Self::Version { found } => write!(f, "version {found} of the rules is not known"),
            Self::TooMany { found, most } => write!(f, "there are {found} entries, and {most} is the most"),
            Self::Empty => f.write_str("this is empty"),
            Self::Duplicate { first } => write!(f, "this is already at {first}"),
            Self::Name { most } => write!(f, "a name has 1 to {most} characters of a-z, 0-9 and -"),
            Self::NameLikeId => f.write_str("this name could be taken for an id"),
            Self::ZoneName => f.write_str("a zone's name is a domain name in lower case"),
            Self::Id(error) => write!(f, "this is no id: {error}"),
            Self::Time(error) => write!(f, "this cannot be read: {error}"),
            Self::TooLongSpan { most } => write!(f, "this is longer than {most}"),
            Self::Digest => f.write_str("this is no SHA-256 in hexadecimal (64 digits)"),
            Self::Url(problem) => f.write_str(problem.message()),
            Self::SecretName { prefix } => {
                write!(f, "this is not the name of a Worker secret that begins with {prefix}")
            }
            Self::SharedSecret { first } => write!(f, "the secret at {first} is the same"),
            Self::NotOneOf { choices, .. } => write!(f, "only {} are known here", choices.join(", ")),
            Self::Dangling { section, name, .. } => write!(f, "there is no {section} \"{name}\""),
            Self::Taken { section: Section::Operator } => f.write_str(
                "\"root\" is the operator whose secret is the Worker secret BREVET_OPERATOR_SECRET",
            ),
            Self::Taken { section } => write!(f, "a built-in {section} has this name"),
            Self::Condition(fault) => write!(f, "this cannot be read: {fault}"),
            Self::Pattern(problem) => f.write_str(problem.message()),
            Self::Unpinned { shared: true } => {
                f.write_str("this issuer signs for everybody who has an account there, and nothing pins it")
            }
            Self::Unpinned { shared: false } => f.write_str("none of the pinned claims ends in _id"),
            Self::SecondUser { first } => {
                write!(f, "only one account may be of family \"user\", and \"{first}\" is one")
            }
            Self::UserHostsNothing => f.write_str("a user hosts no Worker"),
            Self::ZoneOfUser => f.write_str("a zone belongs to an account, and this is a user"),
            Self::Group(error) => write!(f, "{error}"),
            Self::Placeholder { expected } => write!(f, "only \"{expected}\" belongs here"),
            Self::From => f.write_str("a grant is from exactly one client, issuer or hook"),
            Self::WhenWithoutClaims => f.write_str("only workloads have claims to compare"),
            Self::EveryWorkload => f.write_str("this grant takes every workload of its issuer"),
            Self::NameOnly => f.write_str(
                "this set has no claim that ends in _id: whoever registers the names anew fits it",
            ),
            Self::MapWithoutClaims => f.write_str("a client has no claims to look up in a map"),
            Self::Trap(trap) => f.write_str(trap.says()),
            Self::TwoMaps => f.write_str("account and zone are both looked up by a claim"),
            Self::Hook(problem) => f.write_str(problem.message()),
            Self::Reason => {
                write!(f, "a reason of 1 to {MAX_REASON_BYTES} printable characters belongs here")
            }
            Self::Template(error) => write!(f, "{error}"),
            Self::HostsBrevet { zone, account } => {
                write!(
                    f,
                    "\"{zone}\" serves Brevet, and the rules say that account \"{account}\" does not host it"
                )
            }
            Self::UnknownBrevetZone { host } => write!(f, "no zone of the rules has the host \"{host}\""),
            Self::OverMaxTtl { ttl, max_ttl, from } => {
                write!(f, "the default lifetime of {ttl} is over {max_ttl}, the most that {from} allows")
            }
            Self::LineAccount => f.write_str("it is not clear for which account this line is"),
            Self::ZoneElsewhere { zone, account } => {
                write!(f, "zone \"{zone}\" lies in account \"{account}\", which this line does not name")
            }
            Self::NoZoneScope { template } => {
                write!(f, "template \"{template}\" has nothing that acts on zones")
            }
            Self::ZoneNeeded { template } => write!(f, "everything in template \"{template}\" acts on zones"),
            Self::OperatorOnly { template } => write!(f, "only an operator may use template \"{template}\""),
            Self::Render(error) => write!(f, "{error}"),
            Self::Guardrail(breach) => write!(f, "{breach}"),
            Self::NeedlessTakeover => f.write_str("no token of this grant could rewrite Brevet"),
            Self::NoUrl => f.write_str("[brevet] has no url"),
            Self::PlainHttp => f.write_str("plain http is taken in development mode only"),
            Self::Example => f.write_str("this is taken from the published example"),
        }
    }
}

impl Problem {
    /// A stable name for the kind of problem.
    pub fn code(&self) -> &'static str {
        match self {
            Self::WrongKind { .. } => "wrong-kind",
            Self::UnknownField { .. } => "unknown-field",
            Self::Reserved { .. } => "reserved",
            Self::Missing { .. } => "missing",
            Self::Version { .. } => "version",
            Self::TooMany { .. } => "too-many",
            Self::Empty => "empty",
            Self::Duplicate { .. } => "duplicate",
            Self::Name { .. } | Self::NameLikeId | Self::ZoneName => "name",
            Self::Id(_) => "id",
            Self::Time(_) | Self::TooLongSpan { .. } => "time",
            Self::Digest => "digest",
            Self::Url(_) => "url",
            Self::SecretName { .. } => "secret-name",
            Self::SharedSecret { .. } => "shared-secret",
            Self::NotOneOf { .. } => "word",
            Self::Dangling { .. } => "dangling",
            Self::Taken { .. } => "taken",
            Self::Condition(_) => "condition",
            Self::Pattern(_) => "pattern",
            Self::Unpinned { .. } => "unpinned",
            Self::SecondUser { .. } => "second-user",
            Self::UserHostsNothing | Self::ZoneOfUser => "user",
            Self::Group(_) => "group",
            Self::Placeholder { .. } => "placeholder",
            Self::From => "from",
            Self::WhenWithoutClaims | Self::EveryWorkload | Self::NameOnly => "when",
            Self::Trap(_) => "trap",
            Self::MapWithoutClaims | Self::TwoMaps => "map",
            Self::Hook(HookProblem::When | HookProblem::EventUnsigned) => "when",
            Self::Hook(_) => "hook",
            Self::Reason => "reason",
            Self::Template(_) => "template",
            Self::HostsBrevet { .. } | Self::UnknownBrevetZone { .. } => "brevet-zone",
            Self::OverMaxTtl { .. } => "over-max-ttl",
            Self::LineAccount => "line-account",
            Self::ZoneElsewhere { .. } | Self::NoZoneScope { .. } | Self::ZoneNeeded { .. } => "line-zone",
            Self::OperatorOnly { .. } => "operator-only",
            Self::Render(_) => "render",
            Self::Guardrail(_) => "guardrail",
            Self::NeedlessTakeover => "needless-takeover",
            Self::NoUrl | Self::PlainHttp | Self::Example => "development-only",
        }
    }

    fn help(&self) -> String {
        let text = match self {
            Self::UnknownField { suggestion, .. } => {
                return suggested(
                    suggestion.as_ref(),
                    "Take it out, or see docs/brevet.schema.json for what may be here.",
                );
            }
            Self::NotOneOf { suggestion, choices } => {
                return suggested(suggestion.as_ref(), &format!("Write one of {}.", choices.join(", ")));
            }
            Self::Dangling { suggestion, section, .. } => {
                return suggested(
                    suggestion.as_ref(),
                    &format!("Name a known {section}, or add this one to the rules."),
                );
            }
            Self::Missing { name } => return format!("Add {name} = …"),
            Self::Version { .. } => return format!("Write version = {VERSION}, or update Brevet."),
            Self::Placeholder { expected } => {
                return format!("Write \"{expected}\" and fix the value in the allow line of a grant.");
            }
            Self::TooLongSpan { .. } => return format!("No token may live longer than {MAX_LIFETIME}."),
            Self::Url(problem) => problem.help(),
            Self::Hook(problem) => problem.help(),
            Self::WrongKind { .. } => "See docs/brevet.schema.json for what belongs here.",
            Self::Reserved { .. } => "Take it out until a version of Brevet knows it.",
            Self::TooMany { .. } => "Take some out; the bound keeps every decision fast.",
            Self::Empty => "Write at least one entry, or take the field out.",
            Self::Duplicate { .. } => "Take one of the two out.",
            Self::Name { .. } => "Write it in lower case, with - between words.",
            Self::NameLikeId => "Choose a name that does not have 32 hexadecimal digits.",
            Self::ZoneName => "Write it like example.com; international names in their xn-- form.",
            Self::Id(_) => "Copy it from Cloudflare's dashboard: 32 lower-case hexadecimal digits.",
            Self::Time(_) => "Write moments like 2027-01-31T00:00:00Z and durations like 15m, 1h or 30days.",
            Self::Digest => {
                "Run `brevet client new NAME`, which prints the digest and shows the secret once."
            }
            Self::SharedSecret { .. } => {
                "Make a key of its own for each endpoint and hook: whoever checks signatures with it can make them."
            }
            Self::SecretName { .. } => {
                "Parent tokens are in secrets like CLOUDFLARE_API_TOKEN, keys of hooks in secrets like HOOK_GITHUB; no rule may name another secret."
            }
            Self::Taken { .. } => "Choose another name.",
            Self::Condition(_) => "Write a list of networks like [\"203.0.113.0/24\"].",
            Self::Pattern(_) => {
                "Write the whole value, or its beginning and a * for what follows up to / or :."
            }
            Self::Unpinned { .. } => {
                "Pin it by the id of your organisation, like pin = { repository_owner_id = \"100000001\" }."
            }
            Self::SecondUser { .. } => "Use a second installation of Brevet for a second user.",
            Self::UserHostsNothing => "Take hosts_brevet out here, and write it on the accounts.",
            Self::ZoneOfUser => "Name the account that has the zone.",
            Self::Group(_) => "See the permission groups that Brevet knows with GET /v1/permission-groups.",
            Self::From => "Write from = { client = \"NAME\" }, { issuer = \"NAME\" } or { hook = \"NAME\" }.",
            Self::WhenWithoutClaims => "Take when out; the conditions of a hook stand in [hook.NAME].",
            Self::NameOnly => {
                "Add repository_id = \"…\" to the set; the id of a repository is never given twice."
            }
            Self::EveryWorkload => "Add when = [{ repository_id = \"…\" }] to say which of them.",
            Self::Trap(trap) => trap.help(),
            Self::MapWithoutClaims => "Write a name or a list of names.",
            Self::TwoMaps => "Look the zones up and leave account out: a zone tells its account.",
            Self::Reason => {
                "Write in one line why tokens of this grant may rewrite Brevet; it is journalled with each."
            }
            Self::Template(_) => "Write permissions = [{ name = \"DNS Write\", scope = \"zone\" }].",
            Self::HostsBrevet { .. } => "Write hosts_brevet = true on that account.",
            Self::UnknownBrevetZone { .. } => "Add its zone to [zone], so that the guardrails know it.",
            Self::OverMaxTtl { .. } => "Lower the default, or raise the most.",
            Self::LineAccount => "Add account = \"NAME\" to the line.",
            Self::ZoneElsewhere { .. } => "Write one line per account: lines are alternatives.",
            Self::NoZoneScope { .. } => "Take zone out of the line.",
            Self::ZoneNeeded { .. } => {
                "Add zone = [\"example.com\"], or zone = \"*\" for all zones of the account."
            }
            Self::OperatorOnly { .. } => {
                "Write a template of your own with just the permissions that the caller needs."
            }
            Self::Render(_) => "Change the line so that its template can be used there.",
            Self::Guardrail(_) => "Take these permissions out of the template, or name other resources.",
            Self::NeedlessTakeover => {
                "Take accept_takeover out, so that it cannot come to mean something later."
            }
            Self::NoUrl => "Write url = \"https://…\", where this installation is reached.",
            Self::PlainHttp => "Write an https:// URL.",
            Self::Example => "Put your own id or digest here.",
        };
        text.to_owned()
    }
}
