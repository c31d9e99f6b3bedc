//! What else the API lists: permission groups, zones, accounts, and the user behind a token.

use crate::error::Misread;
use crate::id::{AccountId, GroupId, UserId, ZoneId};
use crate::member;
use crate::time::Time;
use serde_json::Value;

/// A permission group of the catalogue. Seven names exist twice, once for accounts and once for zones: the key is name
/// and scope.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PermissionGroup {
    /// Its id, which stays.
    pub id: GroupId,
    /// Its display name, which may change.
    pub name: String,
    /// The kinds of resource it acts on, such as `com.cloudflare.api.account.zone`.
    pub scopes: Vec<String>,
    /// The product category, if there is one.
    pub category: Option<String>,
}

/// A zone that the token may see.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Zone {
    /// Its id.
    pub id: ZoneId,
    /// Its domain name.
    pub name: String,
    /// `initializing`, `pending`, `active`, `moved` or another.
    pub status: Option<String>,
    /// `full`, `partial`, `secondary`, `internal` or another.
    pub kind: Option<String>,
    /// Whether it only uses Cloudflare's DNS.
    pub paused: bool,
    /// The account it belongs to.
    pub account: Option<AccountRef>,
}

/// An account as other answers name it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AccountRef {
    /// Its id.
    pub id: AccountId,
    /// Its name.
    pub name: Option<String>,
}

/// The user behind a user-owned token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct User {
    /// The id, which is also the user's resource key in policies.
    pub id: UserId,
    /// The e-mail address.
    pub email: Option<String>,
    /// The first name.
    pub first_name: Option<String>,
    /// The last name.
    pub last_name: Option<String>,
    /// Whether a second factor is set up.
    pub two_factor: Option<bool>,
}

/// An account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Account {
    /// Its id.
    pub id: AccountId,
    /// Its name.
    pub name: String,
    /// `standard`, `enterprise` or another.
    pub kind: Option<String>,
    /// When it was made.
    pub created_on: Option<Time>,
}

impl PermissionGroup {
    /// `Ok(None)` for an entry without a usable id or name: it can be granted by no one, and one odd entry must not take
    /// the catalogue away.
    pub(crate) fn read(value: Value) -> Result<Option<Self>, Misread> {
        let mut group = member::object(value, "result")?;
        let scopes = member::list(member::take(&mut group, "scopes"), "scopes")?;
        let (Some(id), Some(name)) = (member::optional_id(&group, "id"), member::text(&mut group, "name"))
        else {
            return Ok(None);
        };
        Ok(Some(Self {
            id,
            name,
            scopes: scopes
                .into_iter()
                .filter_map(|scope| match scope {
                    Value::String(scope) => Some(scope),
                    _ => None,
                })
                .collect(),
            category: member::text(&mut group, "category"),
        }))
    }
}

impl Zone {
    pub(crate) fn read(value: Value) -> Result<Self, Misread> {
        let mut zone = member::object(value, "result")?;
        let id = member::id(&zone, "result.id")?;
        let name = member::text(&mut zone, "name").ok_or(Misread::Member("result.name"))?;
        let account = match member::take(&mut zone, "account") {
            Value::Object(mut account) => member::optional_id(&account, "id")
                .map(|id| AccountRef { id, name: member::text(&mut account, "name") }),
            _ => None,
        };
        Ok(Self {
            id,
            name,
            status: member::text(&mut zone, "status"),
            kind: member::text(&mut zone, "type"),
            paused: zone.get("paused") == Some(&Value::Bool(true)),
            account,
        })
    }
}

impl User {
    pub(crate) fn read(value: Value) -> Result<Self, Misread> {
        let mut user = member::object(value, "result")?;
        Ok(Self {
            id: member::id(&user, "result.id")?,
            email: member::text(&mut user, "email"),
            first_name: member::text(&mut user, "first_name"),
            last_name: member::text(&mut user, "last_name"),
            two_factor: user.get("two_factor_authentication_enabled").and_then(Value::as_bool),
        })
    }
}

impl Account {
    pub(crate) fn read(value: Value) -> Result<Self, Misread> {
        let mut account = member::object(value, "result")?;
        Ok(Self {
            id: member::id(&account, "result.id")?,
            name: member::text(&mut account, "name").unwrap_or_default(),
            kind: member::text(&mut account, "type"),
            created_on: member::time(&account, "created_on"),
        })
    }
}
