//! In which account the Worker will run.

use std::fmt;

use brevet_core::cloudflare::TokenOwner;
use brevet_core::rules::Document;

/// Why the account is not clear, or must not be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum AccountError {
    /// Several would do.
    Several(Vec<String>),
    /// Wrangler may not work on it.
    NotOurs(String),
    /// The rules say that Brevet does not run there.
    DoesNotHost {
        /// Its name in the rules.
        name: String,
        /// Its id.
        id: String,
    },
    /// Wrangler has no account at all.
    None,
}

impl fmt::Display for AccountError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Several(ids) => write!(
                f,
                "it is not clear in which account Brevet shall run. Set CLOUDFLARE_ACCOUNT_ID to one of {}.",
                ids.join(", ")
            ),
            Self::NotOurs(id) => write!(
                f,
                "wrangler's log-in may not work on account {id}. Log in with `wrangler login` as somebody who may deploy Workers there."
            ),
            Self::DoesNotHost { name, id } => write!(
                f,
                "the rules say hosts_brevet = false for account \"{name}\" ({id}), and Brevet would run there, where its tokens could rewrite it. Write hosts_brevet = true, or choose another account with CLOUDFLARE_ACCOUNT_ID."
            ),
            Self::None => f.write_str("wrangler's log-in has no account. Log in with `wrangler login`."),
        }
    }
}

impl std::error::Error for AccountError {}

/// The account: the one that was named (by the environment or by wrangler's configuration), else the
/// one that the rules say hosts Brevet, else the only one that wrangler may work on.
///
/// # Errors
/// [`AccountError`].
pub(super) fn choose(
    named: Option<String>,
    rules: &Document,
    ours: &[(String, String)],
) -> Result<String, AccountError> {
    let ids = || ours.iter().map(|(id, _)| id.as_str());
    let hosts = || {
        rules.accounts.values().filter(|rule| rule.hosts_brevet).filter_map(|rule| match rule.owner {
            TokenOwner::Account(id) => Some(id.to_string()),
            TokenOwner::User(_) => None,
        })
    };
    let chosen = match named {
        Some(id) => id,
        None => {
            let both: Vec<String> = hosts().filter(|id| ids().any(|our| our == id)).collect();
            let all: Vec<String> = ids().map(str::to_owned).collect();
            match (both.as_slice(), all.as_slice(), hosts().next()) {
                ([one], _, _) => one.clone(),
                ([_, _, ..], _, _) => return Err(AccountError::Several(both)),
                (_, [], _) => return Err(AccountError::None),
                (_, _, Some(host)) => return Err(AccountError::NotOurs(host)),
                (_, [one], _) => one.clone(),
                _ => return Err(AccountError::Several(all)),
            }
        }
    };
    let elsewhere = rules.accounts.iter().find(|(_, rule)| {
        !rule.hosts_brevet && matches!(rule.owner, TokenOwner::Account(id) if id.as_str() == chosen)
    });
    if let Some((name, _)) = elsewhere {
        return Err(AccountError::DoesNotHost { name: name.clone(), id: chosen });
    }
    if ids().any(|id| id == chosen) { Ok(chosen) } else { Err(AccountError::NotOurs(chosen)) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    const A: &str = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";
    const B: &str = "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb";
    const C: &str = "cccccccccccccccccccccccccccccccc";

    fn rules(hosts: [bool; 2]) -> Document {
        let account = |id: &str, hosts: bool| json!({"id": id, "family": "account", "parent": "CLOUDFLARE_X", "hosts_brevet": hosts});
        let rules = json!({"version": 1, "brevet": {"install": "x"}, "account": {"a": account(A, hosts[0]), "b": account(B, hosts[1])}});
        brevet_core::rules::read(&rules).unwrap()
    }

    fn chosen(named: Option<&str>, hosts: [bool; 2], ours: &[&str]) -> Result<String, AccountError> {
        let ours: Vec<_> = ours.iter().map(|id| ((*id).to_owned(), String::new())).collect();
        choose(named.map(str::to_owned), &rules(hosts), &ours)
    }

    #[test]
    fn refuses_an_account_that_the_rules_say_does_not_host() {
        let refused = Err(AccountError::DoesNotHost { name: "b".to_owned(), id: B.to_owned() });
        assert_eq!(chosen(Some(B), [true, false], &[A, B]), refused);
        assert_eq!(chosen(None, [false, false], &[B]), refused);
    }

    #[test]
    fn refuses_an_account_that_wrangler_may_not_work_on() {
        assert_eq!(chosen(Some(A), [true, false], &[C]), Err(AccountError::NotOurs(A.to_owned())));
        assert_eq!(chosen(None, [true, false], &[C]), Err(AccountError::NotOurs(A.to_owned())));
        assert_eq!(chosen(None, [true, false], &[]), Err(AccountError::None));
    }

    #[test]
    fn refuses_to_choose_between_several() {
        assert_eq!(
            chosen(None, [true, true], &[A, B, C]),
            Err(AccountError::Several(vec![A.to_owned(), B.to_owned()]))
        );
        assert_eq!(
            chosen(None, [false, false], &[A, C]),
            Err(AccountError::Several(vec![A.to_owned(), C.to_owned()]))
        );
    }

    #[test]
    fn takes_the_one_named_or_the_one_that_hosts_or_the_only_one() {
        assert_eq!(chosen(Some(A), [true, true], &[A, B]).as_deref(), Ok(A));
        assert_eq!(chosen(None, [true, false], &[A, B, C]).as_deref(), Ok(A));
        assert_eq!(
            chosen(Some(C), [true, false], &[A, C]).as_deref(),
            Ok(C),
            "outside the rules it counts as hosting"
        );
        assert_eq!(chosen(None, [false, false], &[C]).as_deref(), Ok(C));
    }
}
