//! The texts of the rules that have a form of their own: names, URLs, secrets' names, addresses, claims.

use std::net::{IpAddr, Ipv6Addr};

use super::document::{MAX_NAME_BYTES, Origin, Pattern};
use super::finding::{PatternProblem, Problem, UrlProblem};
use crate::id::CLOUDFLARE_ID_LENGTH;

/// The longest URL, in bytes.
const MAX_URL_BYTES: usize = 512;

/// The longest name of a Worker secret, in bytes.
const MAX_SECRET_NAME_BYTES: usize = 64;

/// The longest claim name or pattern, in bytes. Claims that name a reusable workflow are the longest.
const MAX_CLAIM_BYTES: usize = 512;

/// The last labels of host names that no public resolver knows (RFC 6761, 6762, 8375, 9476), or that stand
/// for a machine within a network.
const PRIVATE_DOMAINS: &[&str] = &[
    "localhost",
    "local",
    "internal",
    "home",
    "lan",
    "corp",
    "intranet",
    "private",
    "arpa",
    "test",
    "invalid",
    "alt",
    "onion",
];

/// A Worker variable that begins like a parent token's secret and is none.
const API_BASE_VARIABLE: &str = "CLOUDFLARE_API_BASE";

/// 1 to `most` of `[a-z0-9-]`, and nothing that could be taken for an id: values are names or ids.
pub(super) fn name(text: &str, most: usize) -> Result<String, Problem> {
    let letters = text.bytes().all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-'));
    if text.is_empty() || text.len() > most || !letters {
        return Err(Problem::Name { most });
    }
    if text.len() == CLOUDFLARE_ID_LENGTH && text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return Err(Problem::NameLikeId);
    }
    Ok(text.to_owned())
}

/// A name of the common length.
pub(super) fn common_name(text: &str) -> Result<String, Problem> {
    name(text, MAX_NAME_BYTES)
}

/// A zone's name: a domain name in lower case, in its ASCII form.
pub(super) fn zone_name(text: &str) -> Result<String, Problem> {
    if host(text) && text.contains('.') { Ok(text.to_owned()) } else { Err(Problem::ZoneName) }
}

/// RFC 1123 labels between dots.
fn host(text: &str) -> bool {
    let label = |label: &str| {
        (1..=63).contains(&label.len())
            && label.bytes().all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_'))
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    text.len() <= 253 && text.split('.').all(label)
}

/// The name of a Worker secret with a parent token. Brevet's own secrets have another prefix, so that
/// no rule can send one of them to the Cloudflare API.
pub(super) fn parent_secret(text: &str) -> Result<String, Problem> {
    secret(text, "CLOUDFLARE_")
}

/// The name of a Worker secret with the key of a webhook, one that comes in or one that goes out.
pub(super) fn hook_secret(text: &str) -> Result<String, Problem> {
    secret(text, "HOOK_")
}

/// A Worker secret is usable only for what the beginning of its name says.
fn secret(text: &str, prefix: &'static str) -> Result<String, Problem> {
    let good = text.strip_prefix(prefix).is_some_and(|rest| {
        !rest.is_empty() && rest.bytes().all(|byte| matches!(byte, b'A'..=b'Z' | b'0'..=b'9' | b'_'))
    });
    if good && text.len() <= MAX_SECRET_NAME_BYTES && text != API_BASE_VARIABLE {
        Ok(text.to_owned())
    } else {
        Err(Problem::SecretName { prefix })
    }
}

/// A URL of scheme, host and port only.
pub(super) fn origin(text: &str) -> Result<Origin, Problem> {
    let (origin, path) = url(text).map_err(Problem::Url)?;
    if path.is_empty() { Ok(origin) } else { Err(Problem::Url(UrlProblem::Path)) }
}

/// An issuer's URL, kept byte for byte: it is compared with the `iss` claim. The flag tells whether it
/// is plain http.
pub(super) fn issuer_url(text: &str) -> Result<(String, bool, String), Problem> {
    let (origin, _) = url(text).map_err(Problem::Url)?;
    Ok((text.to_owned(), origin.plain, origin.host))
}

/// An endpoint's URL, and whether it is plain http. Outside loopback in development it names a public host:
/// no address, for a rule must not lead into a network that the Worker can reach and its author cannot.
pub(super) fn endpoint_url(text: &str) -> Result<(String, bool, String), Problem> {
    let (origin, _) = url(text).map_err(Problem::Url)?;
    let Origin { text: authority, host, plain } = origin;
    if !plain {
        let last = host.rsplit('.').next().unwrap_or_default();
        // `127.1` and `0x7f.1` are addresses to a URL parser: so is whatever ends in a number.
        let number = last.bytes().next().is_none_or(|byte| byte.is_ascii_digit());
        if host.contains(':') || !host.contains('.') || number || PRIVATE_DOMAINS.contains(&last) {
            return Err(Problem::Url(UrlProblem::Private));
        }
        if authority.len() > "https://".len() + host.len() {
            return Err(Problem::Url(UrlProblem::OtherPort));
        }
    }
    Ok((text.to_owned(), plain, host))
}

fn url(text: &str) -> Result<(Origin, &str), UrlProblem> {
    if text.len() > MAX_URL_BYTES {
        return Err(UrlProblem::TooLong);
    }
    let (plain, rest) = match (text.strip_prefix("https://"), text.strip_prefix("http://")) {
        (Some(rest), _) => (false, rest),
        (_, Some(rest)) => (true, rest),
        _ => return Err(UrlProblem::Scheme),
    };
    let path_start = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let (authority, path) = rest.split_at_checked(path_start).ok_or(UrlProblem::Host)?;
    let in_path = |byte: u8| {
        byte.is_ascii_alphanumeric() || matches!(byte, b'/' | b'-' | b'_' | b'.' | b'~' | b'@' | b':')
    };
    if !path.bytes().all(in_path) || path.split('/').any(|segment| matches!(segment, "." | "..")) {
        return Err(UrlProblem::Tail);
    }
    if authority.contains('@') {
        return Err(UrlProblem::UserInfo);
    }
    let (name, port, valid) = match authority.strip_prefix('[') {
        Some(rest) => {
            let (name, after) = rest.split_once(']').ok_or(UrlProblem::Host)?;
            let port =
                if after.is_empty() { None } else { Some(after.strip_prefix(':').ok_or(UrlProblem::Host)?) };
            (name, port, name.parse::<Ipv6Addr>().is_ok())
        }
        None => match authority.split_once(':') {
            Some((name, port)) => (name, Some(port), host(name)),
            None => (authority, None, host(authority)),
        },
    };
    if !valid {
        return Err(UrlProblem::Host);
    }
    let good_port = |port: &str| {
        port.bytes().all(|byte| byte.is_ascii_digit()) && port.parse::<u16>().is_ok_and(|number| number > 0)
    };
    if port.is_some_and(|port| !good_port(port)) {
        return Err(UrlProblem::Port);
    }
    if plain && !loopback(name) {
        return Err(UrlProblem::Scheme);
    }
    let scheme = if plain { "http" } else { "https" };
    let origin = Origin { text: format!("{scheme}://{authority}"), host: name.to_owned(), plain };
    Ok((origin, path))
}

/// Whether a host is this machine itself.
pub(super) fn loopback(host: &str) -> bool {
    host == "localhost"
        || host.ends_with(".localhost")
        || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

/// A claim's name.
pub(super) fn claim(text: &str) -> Result<String, Problem> {
    let letters = text.bytes().all(|byte| byte.is_ascii_graphic());
    let good = !text.is_empty() && text.len() <= MAX_CLAIM_BYTES && letters;
    if good { Ok(text.to_owned()) } else { Err(Problem::Pattern(PatternProblem::Text)) }
}

/// A JSON pointer (RFC 6901).
pub(super) fn is_pointer(text: &str) -> bool {
    let escapes = text.split('~').skip(1).all(|after| after.starts_with(['0', '1']));
    text.starts_with('/') && text.len() <= MAX_CLAIM_BYTES && escapes && !text.chars().any(char::is_control)
}

/// What a claim is compared with. A `*` may only end it, and never on a claim that names an id: an id
/// that begins like another is another tenant's.
pub(super) fn pattern(claim: &str, text: &str) -> Result<Pattern, Problem> {
    let bad = |problem| Err(Problem::Pattern(problem));
    if text.is_empty() || text.len() > MAX_CLAIM_BYTES || text.chars().any(char::is_control) {
        return bad(PatternProblem::Text);
    }
    match text.split_once('*') {
        None => Ok(Pattern::Exactly(text.to_owned())),
        Some((_, rest)) if !rest.is_empty() => bad(PatternProblem::InnerStar),
        Some(_) if claim.ends_with("_id") => bad(PatternProblem::StarOnId),
        Some(("", _)) => bad(PatternProblem::OnlyStar),
        Some((prefix, _)) => Ok(Pattern::Prefix(prefix.to_owned())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn refuses_names_with_other_letters_and_names_like_ids() {
        for text in ["", "Main", "a_b", "a.b", "a b", "ü", "../x", &"a".repeat(65)] {
            assert_eq!(common_name(text), Err(Problem::Name { most: 64 }), "{text:?}");
        }
        assert_eq!(common_name("0123456789abcdef0123456789abcdef"), Err(Problem::NameLikeId));
        for text in [
            "a",
            "edge-purger",
            "9",
            &"a".repeat(64),
            "0123456789abcdef0123456789abcde",
            "0123456789abcdef0123456789abcdeg",
        ] {
            assert_eq!(common_name(text).as_deref(), Ok(text));
        }
    }

    #[test]
    fn refuses_zone_names_that_are_no_domains() {
        for text in [
            "",
            "example",
            "Example.com",
            "a..b",
            "-a.com",
            "a-.com",
            "a.com.",
            "*.a.com",
            "ü.com",
            &format!("{}.com", "a".repeat(64)),
            &format!("{}com", "a.".repeat(126)),
        ] {
            assert_eq!(zone_name(text), Err(Problem::ZoneName), "{text:?}");
        }
        for text in [
            "example.com",
            "xn--bcher-kva.example",
            "_x.a-b.co",
            &format!("{}.com", "a".repeat(63)),
            &format!("{}c", "a.".repeat(126)),
        ] {
            assert_eq!(zone_name(text).as_deref(), Ok(text));
        }
    }

    #[test]
    fn refuses_secrets_that_are_no_parents() {
        for text in [
            "",
            "CLOUDFLARE_",
            "BREVET_PEPPER",
            "HOOK_X",
            "cloudflare_x",
            "CLOUDFLARE_x",
            "CLOUDFLARE_A-B",
            "CLOUDFLARE_API_BASE",
            &format!("CLOUDFLARE_{}", "A".repeat(54)),
        ] {
            assert_eq!(parent_secret(text), Err(Problem::SecretName { prefix: "CLOUDFLARE_" }), "{text:?}");
        }
        for text in ["CLOUDFLARE_API_TOKEN", "CLOUDFLARE_2", &format!("CLOUDFLARE_{}", "A".repeat(53))] {
            assert_eq!(parent_secret(text).as_deref(), Ok(text));
        }
    }

    #[test]
    fn refuses_urls_that_are_no_origin_over_https() {
        let refused = |text: &str| match origin(text) {
            Err(Problem::Url(problem)) => problem,
            other => panic!("{text}: {other:?}"),
        };
        for text in [
            "",
            "brevet.example.com",
            "ftp://a.b",
            "HTTPS://a.b",
            "http://a.b",
            "http://127.0.0.1.evil.com",
            "http://10.0.0.1",
            "http://[fe80::1]",
        ] {
            assert_eq!(refused(text), UrlProblem::Scheme, "{text}");
        }
        for text in [
            "https://",
            "https://a b",
            "https://A.b",
            "https://[::1",
            "https://[::1]x",
            "https://[x]",
            "https://ü.b",
            "https://-a.b",
            "https://:80",
            "https://a.b\n",
        ] {
            assert_eq!(refused(text), UrlProblem::Host, "{text:?}");
        }
        for text in [
            "https://a.b:",
            "https://a.b:0",
            "https://a.b:65536",
            "https://a.b:x",
            "https://a.b:+1",
            "https://[::1]:x",
        ] {
            assert_eq!(refused(text), UrlProblem::Port, "{text}");
        }
        for text in [
            "https://a.b?x",
            "https://a.b/#x",
            "https://a.b/%2e",
            "https://a.b/../x",
            "https://a.b/./x",
            "https://a.b/x y",
        ] {
            assert_eq!(refused(text), UrlProblem::Tail, "{text}");
        }
        assert_eq!(refused("https://u:p@a.b"), UrlProblem::UserInfo);
        assert_eq!(refused("https://a.b/"), UrlProblem::Path);
        assert_eq!(refused(&format!("https://{}", "a.".repeat(300))), UrlProblem::TooLong);
        assert_eq!(refused(&format!("https://a.b/{}", "a".repeat(500))), UrlProblem::Path);
        assert_eq!(refused(&format!("https://a.b/{}", "a".repeat(501))), UrlProblem::TooLong);
    }

    #[test]
    fn takes_https_origins_and_plain_http_on_loopback() {
        for (text, host, plain) in [
            ("https://brevet.example.com", "brevet.example.com", false),
            ("https://a.b:8443", "a.b", false),
            ("https://[2001:db8::1]:443", "2001:db8::1", false),
            ("http://127.0.0.1:8787", "127.0.0.1", true),
            ("http://localhost", "localhost", true),
            ("http://brevet.localhost:1", "brevet.localhost", true),
            ("http://[::1]:8787", "::1", true),
            ("http://[::1]", "::1", true),
        ] {
            assert_eq!(
                origin(text),
                Ok(Origin { text: text.to_owned(), host: host.to_owned(), plain }),
                "{text}"
            );
        }
    }

    #[test]
    fn an_issuer_may_have_a_path_and_is_kept_byte_for_byte() {
        for text in ["https://gitlab.example.com/", "https://a.b/_services/token", "https://a.b"] {
            assert_eq!(
                issuer_url(text),
                Ok((text.to_owned(), false, text[8..].split('/').next().unwrap().to_owned()))
            );
        }
        assert_eq!(issuer_url("https://a.b/?x=1"), Err(Problem::Url(UrlProblem::Tail)));
    }

    #[test]
    fn refuses_patterns_that_take_too_much() {
        let refused = |claim: &str, text: &str| match pattern(claim, text) {
            Err(Problem::Pattern(problem)) => problem,
            other => panic!("{claim} {text}: {other:?}"),
        };
        assert_eq!(refused("ref", "*"), PatternProblem::OnlyStar);
        assert_eq!(refused("ref", "a*b"), PatternProblem::InnerStar);
        assert_eq!(refused("ref", "a**"), PatternProblem::InnerStar);
        assert_eq!(refused("repository_id", "1*"), PatternProblem::StarOnId);
        assert_eq!(refused("repository_id", "*"), PatternProblem::StarOnId);
        for text in ["", "a\nb", &"a".repeat(513)] {
            assert_eq!(refused("ref", text), PatternProblem::Text, "{text:?}");
        }
        assert_eq!(pattern("ref", "refs/*"), Ok(Pattern::Prefix("refs/".to_owned())));
        assert_eq!(pattern("repository_id", "12"), Ok(Pattern::Exactly("12".to_owned())));
        assert_eq!(pattern("ref", &"a".repeat(512)), Ok(Pattern::Exactly("a".repeat(512))));
    }

    #[test]
    fn refuses_claims_without_a_printable_name() {
        for text in ["", "a b", "a\n", "ü", &"a".repeat(513)] {
            assert_eq!(claim(text), Err(Problem::Pattern(PatternProblem::Text)), "{text:?}");
        }
        for text in ["repository_id", "https://a.b/claim", &"a".repeat(512)] {
            assert_eq!(claim(text).as_deref(), Ok(text));
        }
    }

    proptest! {
        #[test]
        fn a_url_that_is_taken_has_a_host_of_plain_letters(text in "(https?://)?[a-z0-9.:/@\\[\\]#?%-]{0,40}") {
            if let Ok(origin) = origin(&text) {
                prop_assert!(!origin.host.contains(['@', '/', '?', '#', '%']), "{}", origin.host);
                prop_assert!(!origin.plain || loopback(&origin.host));
                prop_assert_eq!(origin.text, text);
            }
        }
    }
}
