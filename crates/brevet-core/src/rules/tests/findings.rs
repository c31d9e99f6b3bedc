//! The findings in words.

use super::*;
use crate::condition::ConditionFault;
use crate::guardrail::Breach;
use crate::id::IdError;
use crate::template::{RenderError, TemplateError};
use crate::time::{Seconds, TimeError};

/// A problem, its name, a part of its message, a part of its help.
type Row = (Problem, &'static str, &'static str, &'static str);

fn text(value: &str) -> String {
    value.to_owned()
}

fn every_problem() -> Vec<Row> {
    let url = Problem::Url;
    let pattern = Problem::Pattern;
    let unknown = |suggestion: Option<&str>| Problem::UnknownField {
        name: text("x"),
        suggestion: suggestion.map(text),
    };
    let word = |suggestion: Option<&str>| Problem::NotOneOf {
        choices: &["a", "b"],
        suggestion: suggestion.map(text),
    };
    let dangling = |suggestion: Option<&str>| Problem::Dangling {
        section: Section::Client,
        name: text("x"),
        suggestion: suggestion.map(text),
    };
    let wrong = Problem::WrongKind { expected: Kind::Text, found: Kind::List };
    let hosts = Problem::HostsBrevet { zone: text("z"), account: text("a") };
    let over =
        Problem::OverMaxTtl { ttl: Seconds::of(60), max_ttl: Seconds::of(30), from: text("grant \"g\"") };
    let elsewhere = Problem::ZoneElsewhere { zone: text("z"), account: text("a") };
    let known =
        crate::catalogue::CatalogueError::Name { id: "d0000000000000000000000000000001".parse().unwrap() };
    let paste = "hexadecimal digits";
    vec![
        (wrong, "wrong-kind", "a string belongs here, and this is a list", "docs/brevet.schema.json"),
        (unknown(Some("y")), "unknown-field", "no field \"x\" here", "Did you mean \"y\"?"),
        (unknown(None), "unknown-field", "no field \"x\" here", "Take it out, or see"),
        (
            Problem::Reserved { name: text("x") },
            "reserved",
            "\"x\" is reserved for a later version",
            "until a version of Brevet knows it",
        ),
        (Problem::Missing { name: "id" }, "missing", "\"id\" is missing", "Add id = …"),
        (Problem::Version { found: 2 }, "version", "version 2", "version = 1"),
        (Problem::TooMany { found: 5, most: 3 }, "too-many", "5 entries, and 3 is the most", "Take some out"),
        (Problem::Empty, "empty", "this is empty", "at least one"),
        (Problem::Duplicate { first: text("/x") }, "duplicate", "already at /x", "one of the two"),
        (Problem::Name { most: 64 }, "name", "1 to 64 characters", "lower case"),
        (Problem::NameLikeId, "name", "taken for an id", "32 hexadecimal"),
        (Problem::ZoneName, "name", "domain name", "xn--"),
        (Problem::Id(IdError::Character { at: 3 }), "id", "offset 3", paste),
        (Problem::Time(TimeError::NotPositive), "time", "not more than zero", "15m, 1h or 30days"),
        (
            Problem::TooLongSpan { most: Seconds::of(60) },
            "time",
            "longer than 1m",
            "No token may live longer",
        ),
        (Problem::Digest, "digest", "no SHA-256", "brevet client new"),
        (url(UrlProblem::TooLong), "url", "too long", "https://brevet.example.com"),
        (url(UrlProblem::Scheme), "url", "not https", "loopback"),
        (url(UrlProblem::UserInfo), "url", "user name or password", "lower case"),
        (url(UrlProblem::Host), "url", "host name", "lower case"),
        (url(UrlProblem::Port), "url", "valid port", "lower case"),
        (url(UrlProblem::Path), "url", "has a path", "scheme, host and port only"),
        (url(UrlProblem::Tail), "url", "a query, a fragment", "lower case"),
        (
            Problem::SecretName { prefix: "CLOUDFLARE_" },
            "secret-name",
            "begins with CLOUDFLARE_",
            "no rule may name another secret",
        ),
        (word(Some("a")), "word", "only a, b are known here", "Did you mean \"a\"?"),
        (word(None), "word", "only a, b are known here", "Write one of a, b."),
        (dangling(Some("y")), "dangling", "no client \"x\"", "Did you mean \"y\"?"),
        (dangling(None), "dangling", "no client \"x\"", "Name a known client"),
        (Problem::Taken { section: Section::Operator }, "taken", "BREVET_OPERATOR_SECRET", "another name"),
        (
            Problem::Taken { section: Section::Template },
            "taken",
            "a built-in template has this name",
            "another name",
        ),
        (Problem::Condition(ConditionFault::NotAList), "condition", "list of networks", "203.0.113.0/24"),
        (
            pattern(PatternProblem::InnerStar),
            "pattern",
            "only be the last character",
            "its beginning and a *",
        ),
        (pattern(PatternProblem::StarOnId), "pattern", "compared exactly", "its beginning and a *"),
        (pattern(PatternProblem::OnlyStar), "pattern", "any value", "its beginning and a *"),
        (pattern(PatternProblem::Text), "pattern", "cannot be printed", "its beginning and a *"),
        (Problem::Unpinned { shared: true }, "unpinned", "for everybody", "repository_owner_id"),
        (Problem::Unpinned { shared: false }, "unpinned", "ends in _id", "repository_owner_id"),
        (Problem::SecondUser { first: text("me") }, "second-user", "\"me\" is one", "second installation"),
        (Problem::UserHostsNothing, "user", "hosts no Worker", "Take hosts_brevet out"),
        (Problem::ZoneOfUser, "user", "this is a user", "account that has the zone"),
        (Problem::Group(known), "group", "printable", "/v1/permission-groups"),
        (
            Problem::Placeholder { expected: "{zone}" },
            "placeholder",
            "only \"{zone}\" belongs here",
            "allow line of a grant",
        ),
        (Problem::NameOnly, "when", "registers the names anew", "repository_id"),
        (Problem::From, "from", "exactly one client, issuer or hook", "from = { client"),
        (Problem::WhenWithoutClaims, "when", "only workloads", "Take when out"),
        (Problem::MapWithoutClaims, "map", "no claims to look up", "a list of names"),
        (Problem::TwoMaps, "map", "both looked up", "leave account out"),
        (Problem::Trap(Trap::PrivilegedEvent), "trap", "what strangers send", "another event"),
        (Problem::Trap(Trap::AnyBranch), "trap", "any pull request", "refs/heads/main"),
        (Problem::Trap(Trap::Subject), "trap", "written otherwise", "repository_id"),
        (Problem::Trap(Trap::Workflow), "trap", "exact ref", "name.yml@refs/heads/main"),
        (Problem::Trap(Trap::AnyRefType), "trap", "tag can have", "ref_type"),
        (Problem::EveryWorkload, "when", "every workload", "Add when"),
        (Problem::Hook(HookProblem::When), "when", "place in the body", "event = "),
        (Problem::Hook(HookProblem::Pointer), "hook", "no JSON pointer", "~0"),
        (Problem::Hook(HookProblem::NoAction), "hook", "does nothing", "reply = true"),
        (Problem::Hook(HookProblem::Actions), "hook", "do not go together", "reply = true"),
        (Problem::Hook(HookProblem::ReplyWithoutTime), "hook", "does not sign the time", "standard-webhooks"),
        (Problem::Hook(HookProblem::Target), "hook", "not clear", "exactly one of"),
        (Problem::Hook(HookProblem::EventUnsigned), "when", "does not sign the name", "/action"),
        (Problem::Hook(HookProblem::Silent), "hook", "makes no tokens", "reply = true"),
        (Problem::Reason, "reason", "1 to 400 printable", "journalled"),
        (
            Problem::Template(TemplateError::NoPermissions),
            "template",
            "at least one permission group",
            "permissions = [",
        ),
        (hosts, "brevet-zone", "\"z\" serves Brevet", "hosts_brevet = true"),
        (Problem::UnknownBrevetZone { host: text("h") }, "brevet-zone", "has the host \"h\"", "[zone]"),
        (over, "over-max-ttl", "1m is over 30s, the most that grant \"g\" allows", "Lower the default"),
        (Problem::LineAccount, "line-account", "for which account", "account = \"NAME\""),
        (elsewhere, "line-zone", "lies in account \"a\"", "one line per account"),
        (
            Problem::NoZoneScope { template: text("t") },
            "line-zone",
            "nothing that acts on zones",
            "Take zone out",
        ),
        (
            Problem::ZoneNeeded { template: text("t") },
            "line-zone",
            "everything in template \"t\"",
            "zone = \"*\"",
        ),
        (
            Problem::OperatorOnly { template: text("t") },
            "operator-only",
            "only an operator",
            "template of your own",
        ),
        (Problem::Render(RenderError::NoZones), "render", "list of zones is empty", "Change the line"),
        (Problem::Guardrail(Breach::NoEnd), "guardrail", "must have an end", "Take these permissions out"),
        (Problem::NeedlessTakeover, "needless-takeover", "could rewrite Brevet", "Take accept_takeover out"),
        (Problem::NoUrl, "development-only", "has no url", "url = \"https://…\""),
        (Problem::PlainHttp, "development-only", "development mode only", "https:// URL"),
        (Problem::Example, "development-only", "published example", "your own id or digest"),
    ]
}

#[test]
fn each_finding_says_what_is_wrong_and_what_to_do() {
    for (problem, code, message, help) in every_problem() {
        let finding = Finding { severity: Severity::Error, pointer: text("/x"), problem };
        assert_eq!(finding.problem.code(), code, "{finding:?}");
        assert!(finding.message().contains(message), "{}", finding.message());
        assert!(!finding.message().ends_with('.'), "{}", finding.message());
        assert!(finding.help().contains(help), "{}", finding.help());
        assert!(finding.help().ends_with(['.', '?', '…']), "{}", finding.help());
    }
}

#[test]
fn kinds_and_sections_have_words() {
    let kinds = [
        (Kind::Text, "a string"),
        (Kind::WholeNumber, "a whole number"),
        (Kind::Flag, "true or false"),
        (Kind::List, "a list"),
        (Kind::Table, "a table"),
        (Kind::TextOrList, "a string or a list of strings"),
        (Kind::Span, "a duration like \"15m\" or a whole number of seconds"),
        (Kind::Scalar, "a string, a whole number, or true or false"),
        (Kind::Null, "null"),
        (Kind::Fraction, "a number with a fraction"),
    ];
    for (kind, word) in kinds {
        assert_eq!(kind.to_string(), word);
    }
    let sections = [
        (Section::Account, "account"),
        (Section::Zone, "zone"),
        (Section::Template, "template"),
        (Section::Client, "client"),
        (Section::Issuer, "issuer"),
        (Section::Operator, "operator"),
        (Section::Hook, "hook"),
        (Section::Grant, "grant"),
    ];
    for (section, word) in sections {
        assert_eq!(section.to_string(), word);
    }
}

#[test]
fn a_finding_as_json_names_the_line_where_a_map_knows_it() {
    let finding =
        Finding { severity: Severity::Warning, pointer: text("/grant/x/ttl"), problem: Problem::Empty };
    let plain = json!({
        "severity": "warning", "pointer": "/grant/x/ttl", "code": "empty", "message": "this is empty",
        "help": "Write at least one entry, or take the field out.",
    });
    let told = |finding: &Finding, map: Option<&SourceMap>| crate::json::to_value(&finding.to_json(map));
    assert_eq!(told(&finding, None), plain);
    assert_eq!(told(&finding, Some(&SourceMap::default())), plain);
    let mut map = SourceMap::default();
    map.insert(text("/grant/x"), Place { line: 12, column: 3 });
    let placed = told(&finding, Some(&map));
    assert_eq!((&placed["line"], &placed["column"]), (&json!(12), &json!(3)));
    let error = Finding { severity: Severity::Error, ..finding };
    assert_eq!(told(&error, None)["severity"], "error");
}
