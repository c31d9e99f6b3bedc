//! Which call a path asks for. Fixed segments are matched before ids; ids are checked here.

use crate::value::is_id;

/// A call's place in the API; ids are well-formed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Route<'a> {
    /// Something of a family of tokens; the account's id, or `None` for the user's.
    Tokens(Option<&'a str>, TokenRoute<'a>),
    /// `/zones`.
    Zones,
    /// `/zones/{id}`.
    Zone(&'a str),
    /// `/zones/{id}/dns_records`.
    DnsRecords(&'a str),
    /// `/zones/{id}/purge_cache`.
    PurgeCache(&'a str),
    /// `/user`.
    User,
    /// `/memberships`.
    Memberships,
    /// `/accounts`.
    Accounts,
    /// `/accounts/{id}`.
    Account(&'a str),
    /// `/accounts/{id}/workers/scripts`.
    Scripts(&'a str),
}

/// A place within a family of tokens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum TokenRoute<'a> {
    /// The collection.
    All,
    /// The collection with a slash at its end: a token whose id is empty.
    EmptyId,
    /// `verify`.
    Verify,
    /// `permission_groups`.
    Groups,
    /// A token.
    One(&'a str),
    /// A token's value.
    Value(&'a str),
}

impl<'a> Route<'a> {
    /// Reads a path without `/client/v4`. `None`: no such path, or a malformed id in it.
    #[must_use]
    pub(crate) fn parse(path: &'a str) -> Option<Self> {
        let segments: Vec<&str> = path.strip_prefix('/')?.split('/').collect();
        let id = |text: &'a str| is_id(text).then_some(text);
        match *segments.as_slice() {
            ["user"] => Some(Self::User),
            ["user", "tokens", ref rest @ ..] => {
                TokenRoute::parse(rest).map(|route| Self::Tokens(None, route))
            }
            ["accounts"] => Some(Self::Accounts),
            ["accounts", account] => id(account).map(Self::Account),
            ["accounts", account, "tokens", ref rest @ ..] => TokenRoute::parse(rest)
                .zip(id(account))
                .map(|(route, account)| Self::Tokens(Some(account), route)),
            ["accounts", account, "workers", "scripts"] => id(account).map(Self::Scripts),
            ["zones"] => Some(Self::Zones),
            ["zones", zone] => id(zone).map(Self::Zone),
            ["zones", zone, "dns_records"] => id(zone).map(Self::DnsRecords),
            ["zones", zone, "purge_cache"] => id(zone).map(Self::PurgeCache),
            ["memberships"] => Some(Self::Memberships),
            _ => None,
        }
    }
}

impl<'a> TokenRoute<'a> {
    fn parse(segments: &[&'a str]) -> Option<Self> {
        match *segments {
            [] => Some(Self::All),
            [""] => Some(Self::EmptyId),
            ["verify"] => Some(Self::Verify),
            ["permission_groups"] => Some(Self::Groups),
            [token] if is_id(token) => Some(Self::One(token)),
            [token, "value"] if is_id(token) => Some(Self::Value(token)),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: &str = "0123456789abcdef0123456789abcdef";

    #[test]
    fn fixed_segments_come_before_ids() {
        assert_eq!(Route::parse("/user/tokens/verify"), Some(Route::Tokens(None, TokenRoute::Verify)));
        let path = format!("/accounts/{ID}/tokens/permission_groups");
        assert_eq!(Route::parse(&path), Some(Route::Tokens(Some(ID), TokenRoute::Groups)));
    }

    #[test]
    fn an_empty_id_is_not_the_collection() {
        assert_eq!(Route::parse("/user/tokens/"), Some(Route::Tokens(None, TokenRoute::EmptyId)));
        assert_eq!(Route::parse("/user/tokens"), Some(Route::Tokens(None, TokenRoute::All)));
    }

    #[test]
    fn malformed_ids_and_unknown_paths_have_no_route() {
        let upper = ID.to_uppercase();
        for path in [
            "",
            "/",
            "/user/tokens/xyz",
            "/user/tokens//value",
            "/user//tokens",
            "/user/tokens/verify/",
            &format!("/user/tokens/{upper}"),
            &format!("/user/tokens/{ID}/value/"),
            &format!("/user/tokens/%30{}", &ID[1..]),
            &format!("/accounts/{ID}0/tokens"),
            "/accounts/../tokens",
            "/zones/example.com",
            "/nothing",
        ] {
            assert_eq!(Route::parse(path), None, "{path}");
        }
    }
}
