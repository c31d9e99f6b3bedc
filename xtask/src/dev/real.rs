//! `--real`: a development session against the real API, with the user's own account.

use std::fmt;

use serde_json::{Value, json};

use super::ask::Ask;
use super::vars::Vars;
use crate::failure::Failure;
use crate::place;
use crate::setup::Workshop;

/// The user's account and its parent token, which is never printed.
#[derive(Clone)]
pub(super) struct Account {
    id: String,
    token: String,
}

impl fmt::Debug for Account {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Account({}, [redacted])", self.id)
    }
}

impl Account {
    /// From the environment, else from `.dev.vars`.
    ///
    /// # Errors
    /// When one is missing or the id is none.
    pub(super) fn find() -> Result<Self, Failure> {
        let file = Vars::read(&place::root().join(".dev.vars"))?;
        let value = |name: &str| {
            std::env::var(name)
                .ok()
                .filter(|value| !value.is_empty())
                .or_else(|| file.get(name).map(str::to_owned))
        };
        Self::of(value)
    }

    fn of(value: impl Fn(&str) -> Option<String>) -> Result<Self, Failure> {
        let wanted = |name: &str, what: &str| {
            value(name).ok_or_else(|| Failure::Missing {
                what: format!("--real needs {name}"),
                next: format!("put {what} into the environment or into .dev.vars"),
            })
        };
        let token =
            wanted("CLOUDFLARE_API_TOKEN", "an account-owned API token with Account API Tokens Write")?;
        let id = wanted("CLOUDFLARE_ACCOUNT_ID", "the account's id, 32 lower-case hexadecimal digits,")?;
        if id.len() != 32 || !id.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f')) {
            return Err(Failure::Usage(
                "dev: CLOUDFLARE_ACCOUNT_ID must be 32 lower-case hexadecimal digits".to_owned(),
            ));
        }
        Ok(Self { id, token })
    }

    /// The parent token.
    pub(super) fn token(&self) -> &str {
        &self.token
    }

    /// Puts rules in force that know this account and no other: the example's ids are nobody's.
    pub(super) fn push_rules(&self, workshop: &Workshop, url: &str, operator: &str) -> Result<(), Failure> {
        let url = format!("{url}/v1/config");
        let now = Ask { method: "GET", url: url.clone(), bearer: Some(operator), body: None, if_match: None }
            .send(workshop)?;
        if now.status == 200
            && now.body.pointer("/rules/account/main/id").and_then(Value::as_str) == Some(&self.id)
        {
            return Ok(());
        }
        let body = json!({ "rules": self.rules() });
        let pushed = Ask {
            method: "PUT",
            url: format!("{url}?keep=true"),
            bearer: Some(operator),
            body: Some(body),
            if_match: now.at("/version").as_u64(),
        }
        .send(workshop)?;
        if matches!(pushed.status, 200..=202) {
            Ok(())
        } else {
            Err(Failure::Step {
                step: "PUT /v1/config".to_owned(),
                seen: format!("{} {}", pushed.status, pushed.body),
            })
        }
    }

    fn rules(&self) -> Value {
        json!({
            "version": 1,
            "brevet": { "install": "dev" },
            "account": { "main": { "id": self.id, "family": "account", "parent": "CLOUDFLARE_API_TOKEN" } },
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: &str = "abcdefabcdefabcdefabcdefabcdef12";

    #[test]
    fn asks_for_what_is_missing_and_prints_no_token() {
        let none = Account::of(|_| None).unwrap_err().to_string();
        assert!(none.contains("CLOUDFLARE_API_TOKEN"), "{none}");
        let no_id = Account::of(|name| (name == "CLOUDFLARE_API_TOKEN").then(|| "hunter2".to_owned()))
            .unwrap_err()
            .to_string();
        assert!(no_id.contains("CLOUDFLARE_ACCOUNT_ID") && !no_id.contains("hunter2"), "{no_id}");
        let account =
            Account::of(|name| Some(if name == "CLOUDFLARE_API_TOKEN" { "hunter2" } else { ID }.to_owned()))
                .unwrap();
        assert!(!format!("{account:?}").contains("hunter2"));
        assert!(!account.rules().to_string().contains("hunter2"));
    }

    #[test]
    fn refuses_an_id_that_is_none() {
        for wrong in ["", "../..", "ABCDEFABCDEFABCDEFABCDEFABCDEF12", "abc"] {
            assert!(Account::of(|_| Some(wrong.to_owned())).is_err(), "{wrong}");
        }
    }
}
