//! Tokens: as they are read, and as they are asked for.

use crate::condition::Condition;
use crate::error::Misread;
use crate::id::TokenId;
use crate::member::{self, Object, json, put};
use crate::policy::{Policy, read_policies, write_policies};
use crate::secret::ApiToken;
use crate::time::Time;
use crate::write::{WriteError, check_name};
use serde_json::Value;

/// A token as Cloudflare describes it. Its value is not in here: that is shown once, when it is made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Token {
    /// Its id.
    pub id: TokenId,
    /// Its name; empty when the answer left it out. Names need not be unique.
    pub name: String,
    /// Whether it works.
    pub status: TokenStatus,
    /// When it was made.
    pub issued_on: Option<Time>,
    /// When it was last changed.
    pub modified_on: Option<Time>,
    /// When it was last used. How exact that is, and how late, is not documented.
    pub last_used_on: Option<Time>,
    /// From when it works; `None` = from the beginning.
    pub not_before: Option<Time>,
    /// When it stops working, that second included; `None` = never.
    pub expires_on: Option<Time>,
    /// From where it works; `None` = from everywhere.
    pub condition: Option<Condition>,
    /// What it may do, in Cloudflare's order.
    pub policies: Vec<Policy>,
}

/// Whether a token works.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TokenStatus {
    /// It works, if its time and place are right.
    Active,
    /// Switched off; can be switched on again.
    Disabled,
    /// Past its end.
    Expired,
    /// `revoked (exposed)`: its value was found in public and Cloudflare ended it. In no schema, but real.
    Exposed,
    /// Anything else, empty when the answer left it out. Never take it for active.
    Other(String),
}

impl TokenStatus {
    /// As it stands in JSON.
    #[must_use]
    pub fn as_str(&self) -> &str {
        match self {
            Self::Active => "active",
            Self::Disabled => "disabled",
            Self::Expired => "expired",
            Self::Exposed => "revoked (exposed)",
            Self::Other(text) => text,
        }
    }

    fn read(text: Option<String>) -> Self {
        let text = text.unwrap_or_default();
        match text.as_str() {
            "active" => Self::Active,
            "disabled" => Self::Disabled,
            "expired" => Self::Expired,
            "revoked (exposed)" => Self::Exposed,
            _ => Self::Other(text),
        }
    }
}

/// A token and its value, which Cloudflare shows only in this answer.
#[derive(Debug, Clone)]
pub struct CreatedToken {
    /// The token.
    pub token: Token,
    /// Its value.
    pub value: ApiToken,
}

/// What `verify` says of a token. It tells nothing about what the token may do, nor whose it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verified {
    /// Its id.
    pub id: TokenId,
    /// Whether it works: only [`TokenStatus::Active`] does.
    pub status: TokenStatus,
    /// From when it works, if that was set.
    pub not_before: Option<Time>,
    /// When it stops working, if that was set.
    pub expires_on: Option<Time>,
}

/// A token to be made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewToken {
    /// 1 to 120 characters.
    pub name: String,
    /// At least one. Give each scope a policy of its own: Cloudflare refuses mixtures.
    pub policies: Vec<Policy>,
    /// An empty one is left out.
    pub condition: Option<Condition>,
    /// `None` = from now.
    pub not_before: Option<Time>,
    /// `None` = never expires.
    pub expires_on: Option<Time>,
}

/// The whole of what a token is to be.
///
/// **An update replaces everything.** What is `None` here is not sent, and whether Cloudflare then keeps or drops the old
/// value is not documented; so whatever must stay has to be in here. [`keeping`](Self::keeping) starts from a token as it was
/// read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TokenUpdate {
    /// 1 to 120 characters.
    pub name: String,
    /// At least one.
    pub policies: Vec<Policy>,
    /// Whether it is to work; `None` leaves the decision to Cloudflare.
    pub status: Option<SettableStatus>,
    /// From where; an empty one is left out.
    pub condition: Option<Condition>,
    /// From when.
    pub not_before: Option<Time>,
    /// Until when.
    pub expires_on: Option<Time>,
}

/// A status that can be set. Disabling is a revocation that can be taken back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SettableStatus {
    /// Works.
    Active,
    /// Does not.
    Disabled,
}

impl NewToken {
    /// The exact body that [`CreateToken`](crate::CreateToken) sends.
    ///
    /// # Errors
    /// [`WriteError`] when it is no good request.
    pub fn to_json(&self) -> Result<Value, WriteError> {
        write(&self.name, &self.policies, self.condition.as_ref(), self.not_before, self.expires_on)
            .map(Value::Object)
    }
}

impl TokenUpdate {
    /// The update that changes nothing: the token as it was read.
    ///
    /// # Errors
    /// [`WriteError::StatusNotSettable`] for a token that Cloudflare ended because it leaked, or whose status is not known:
    /// sending it back could bring it to life.
    pub fn keeping(token: &Token) -> Result<Self, WriteError> {
        let status = match token.status {
            TokenStatus::Active => Some(SettableStatus::Active),
            TokenStatus::Disabled => Some(SettableStatus::Disabled),
            TokenStatus::Expired => None,
            TokenStatus::Exposed | TokenStatus::Other(_) => {
                return Err(WriteError::StatusNotSettable);
            }
        };
        Ok(Self {
            name: token.name.clone(),
            policies: token.policies.clone(),
            status,
            condition: token.condition.clone(),
            not_before: token.not_before,
            expires_on: token.expires_on,
        })
    }

    /// The exact body that [`UpdateToken`](crate::UpdateToken) sends.
    ///
    /// # Errors
    /// [`WriteError`] when it is no good request.
    pub fn to_json(&self) -> Result<Value, WriteError> {
        let mut body =
            write(&self.name, &self.policies, self.condition.as_ref(), self.not_before, self.expires_on)?;
        if let Some(status) = self.status {
            let status = match status {
                SettableStatus::Active => TokenStatus::Active,
                SettableStatus::Disabled => TokenStatus::Disabled,
            };
            put(&mut body, "status", json(status.as_str()));
        }
        Ok(Value::Object(body))
    }
}

fn write(
    name: &str,
    policies: &[Policy],
    condition: Option<&Condition>,
    not_before: Option<Time>,
    expires_on: Option<Time>,
) -> Result<Object, WriteError> {
    check_name(name)?;
    if let (Some(start), Some(end)) = (not_before, expires_on)
        && end <= start
    {
        return Err(WriteError::EndsBeforeStart);
    }
    let mut body = Object::new();
    put(&mut body, "name", json(name));
    put(&mut body, "policies", write_policies(policies)?);
    if let Some(condition) = condition.map(Condition::write).transpose()?.flatten() {
        put(&mut body, "condition", condition);
    }
    for (key, time) in [("not_before", not_before), ("expires_on", expires_on)] {
        if let Some(time) = time {
            let text = time.to_rfc3339().ok_or(WriteError::TimeOutOfRange)?;
            put(&mut body, key, Value::String(text));
        }
    }
    Ok(body)
}

impl Token {
    pub(crate) fn read(value: Value) -> Result<Self, Misread> {
        let token = member::object(value, "result")?;
        Self::read_object(token)
    }

    pub(crate) fn read_object(mut token: Object) -> Result<Self, Misread> {
        // What can fail comes first: then there is little to give up on the way out.
        let id = member::id(&token, "result.id")?;
        let not_before = member::bound(&token, "not_before")?;
        let expires_on = member::bound(&token, "expires_on")?;
        let condition = Condition::read(member::take(&mut token, "condition"))?;
        let policies = read_policies(member::take(&mut token, "policies"))?;
        Ok(Self {
            id,
            name: member::text(&mut token, "name").unwrap_or_default(),
            status: TokenStatus::read(member::text(&mut token, "status")),
            issued_on: member::time(&token, "issued_on"),
            modified_on: member::time(&token, "modified_on"),
            last_used_on: member::time(&token, "last_used_on"),
            not_before,
            expires_on,
            condition,
            policies,
        })
    }
}

impl Verified {
    pub(crate) fn read(value: Value) -> Result<Self, Misread> {
        let mut token = member::object(value, "result")?;
        Ok(Self {
            id: member::id(&token, "result.id")?,
            status: TokenStatus::read(member::text(&mut token, "status")),
            not_before: member::bound(&token, "not_before")?,
            expires_on: member::bound(&token, "expires_on")?,
        })
    }
}
