//! The calls that list permission groups, zones, accounts and the user.

use super::{Call, Family, Repeat, misread, read_page};
use crate::base::ApiBase;
use crate::directory::{Account, PermissionGroup, User, Zone};
use crate::envelope::{Subject, open};
use crate::error::ApiError;
use crate::id::AccountId;
use crate::member;
use crate::page::{Direction, Page, Paging};
use crate::secret::ApiToken;
use crate::wire::{Headers, Method, Request};
use crate::write::{Query, WriteError, request};

/// Lists the permission groups of a family; they come whole. Needs a group that reads or writes tokens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListPermissionGroups {
    /// Whose: the user's list has the user-scoped groups as well.
    pub family: Family,
    /// Only those with this name. Whether Cloudflare takes it as a part of the name is not documented, so the answer is
    /// filtered again, exactly.
    pub name: Option<String>,
    /// Only those with this scope; filtered again, too.
    pub scope: Option<String>,
}

impl Call for ListPermissionGroups {
    type Output = Vec<PermissionGroup>;

    fn name(&self) -> &'static str {
        "permission_groups.list"
    }

    fn method(&self) -> Method {
        Method::Get
    }

    fn request(&self, base: &ApiBase, token: &ApiToken) -> Result<Request, WriteError> {
        let mut query = Query::default();
        query.filter("name", self.name.as_deref())?;
        query.filter("scope", self.scope.as_deref())?;
        let target = query.after(&self.family.path(&["permission_groups"]));
        request(base, token, self.method(), &target, None)
    }

    fn read(&self, status: u16, headers: &Headers, body: &[u8]) -> Result<Vec<PermissionGroup>, ApiError> {
        let answer = open(Subject::Other, status, headers, body)?;
        let misread = misread(status);
        let list = member::list(answer.result, "result").map_err(&misread)?;
        let mut groups = Vec::with_capacity(list.len());
        for value in list {
            let Some(group) = PermissionGroup::read(value).map_err(&misread)? else {
                continue;
            };
            let named = self.name.as_ref().is_none_or(|name| *name == group.name);
            let scoped = self.scope.as_ref().is_none_or(|scope| group.scopes.contains(scope));
            if named && scoped {
                groups.push(group);
            }
        }
        Ok(groups)
    }

    fn repeat(&self) -> Repeat {
        Repeat::Safe
    }
}

/// Lists the zones that the token may see; none is an empty list. Needs Zone Read.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ListZones {
    /// Only this name, or by `contains:`, `starts_with:`, `ends_with:`, `not_equal:` and the like.
    pub name: Option<String>,
    /// Only zones with this status: `initializing`, `pending`, `active` or `moved`.
    pub status: Option<String>,
    /// Only this account's.
    pub account: Option<AccountId>,
    /// Which page.
    pub paging: Paging,
    /// In which order; `None` leaves it to Cloudflare.
    pub direction: Option<Direction>,
}

impl Call for ListZones {
    type Output = Page<Zone>;

    fn name(&self) -> &'static str {
        "zones.list"
    }

    fn method(&self) -> Method {
        Method::Get
    }

    fn request(&self, base: &ApiBase, token: &ApiToken) -> Result<Request, WriteError> {
        let mut query = Query::default();
        query.filter("name", self.name.as_deref())?;
        query.filter("status", self.status.as_deref())?;
        if let Some(account) = self.account {
            query.add("account.id", account.as_str());
        }
        query.paging(self.paging, self.direction)?;
        let target = query.after("/zones");
        request(base, token, self.method(), &target, None)
    }

    fn read(&self, status: u16, headers: &Headers, body: &[u8]) -> Result<Page<Zone>, ApiError> {
        let answer = open(Subject::Other, status, headers, body)?;
        read_page(answer, Zone::read).map_err(misread(status))
    }

    fn repeat(&self) -> Repeat {
        Repeat::Safe
    }
}

/// Reads the user behind the token. Needs User Details Read, and a user-owned token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GetUser;

impl Call for GetUser {
    type Output = User;

    fn name(&self) -> &'static str {
        "user.get"
    }

    fn method(&self) -> Method {
        Method::Get
    }

    fn request(&self, base: &ApiBase, token: &ApiToken) -> Result<Request, WriteError> {
        request(base, token, self.method(), "/user", None)
    }

    fn read(&self, status: u16, headers: &Headers, body: &[u8]) -> Result<User, ApiError> {
        let answer = open(Subject::Other, status, headers, body)?;
        User::read(answer.result).map_err(misread(status))
    }

    fn repeat(&self) -> Repeat {
        Repeat::Safe
    }
}

/// Lists the accounts that the token may see; none is an empty list.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ListAccounts {
    /// Only this name.
    pub name: Option<String>,
    /// Which page.
    pub paging: Paging,
    /// In which order; `None` leaves it to Cloudflare.
    pub direction: Option<Direction>,
}

impl Call for ListAccounts {
    type Output = Page<Account>;

    fn name(&self) -> &'static str {
        "accounts.list"
    }

    fn method(&self) -> Method {
        Method::Get
    }

    fn request(&self, base: &ApiBase, token: &ApiToken) -> Result<Request, WriteError> {
        let mut query = Query::default();
        query.filter("name", self.name.as_deref())?;
        query.paging(self.paging, self.direction)?;
        let target = query.after("/accounts");
        request(base, token, self.method(), &target, None)
    }

    fn read(&self, status: u16, headers: &Headers, body: &[u8]) -> Result<Page<Account>, ApiError> {
        let answer = open(Subject::Other, status, headers, body)?;
        read_page(answer, Account::read).map_err(misread(status))
    }

    fn repeat(&self) -> Repeat {
        Repeat::Safe
    }
}

/// Reads one account. Needs Account Settings Read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GetAccount {
    /// Which.
    pub id: AccountId,
}

impl Call for GetAccount {
    type Output = Account;

    fn name(&self) -> &'static str {
        "accounts.get"
    }

    fn method(&self) -> Method {
        Method::Get
    }

    fn request(&self, base: &ApiBase, token: &ApiToken) -> Result<Request, WriteError> {
        let target = ["/accounts/", self.id.as_str()].concat();
        request(base, token, self.method(), &target, None)
    }

    fn read(&self, status: u16, headers: &Headers, body: &[u8]) -> Result<Account, ApiError> {
        let answer = open(Subject::Other, status, headers, body)?;
        Account::read(answer.result).map_err(misread(status))
    }

    fn repeat(&self) -> Repeat {
        Repeat::Safe
    }
}
