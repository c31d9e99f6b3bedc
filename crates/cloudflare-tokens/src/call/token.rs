//! The calls on tokens.

use super::{Call, Family, Repeat, misread, read_page};
use crate::base::ApiBase;
use crate::envelope::{Subject, open};
use crate::error::{ApiError, Misread};
use crate::id::TokenId;
use crate::member;
use crate::page::{Direction, Page, Paging};
use crate::secret::ApiToken;
use crate::token::{CreatedToken, NewToken, Token, TokenUpdate, Verified};
use crate::wire::{Headers, Method, Request};
use crate::write::{Query, WriteError, request};
use serde_json::Value;

/// Lists the tokens of a family. Needs a group that reads or writes tokens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListTokens {
    /// Whose.
    pub family: Family,
    /// Which page.
    pub paging: Paging,
    /// In which order; `None` leaves it to Cloudflare.
    pub direction: Option<Direction>,
    /// Whether recently expired tokens are listed too. How recently is not documented.
    pub include_expired: bool,
}

impl Call for ListTokens {
    type Output = Page<Token>;

    fn name(&self) -> &'static str {
        "tokens.list"
    }

    fn method(&self) -> Method {
        Method::Get
    }

    fn request(&self, base: &ApiBase, token: &ApiToken) -> Result<Request, WriteError> {
        let mut query = Query::default();
        query.paging(self.paging, self.direction)?;
        if self.include_expired {
            query.add("include_expired", "true");
        }
        let target = query.after(&self.family.path(&[]));
        request(base, token, self.method(), &target, None)
    }

    fn read(&self, status: u16, headers: &Headers, body: &[u8]) -> Result<Page<Token>, ApiError> {
        let answer = open(Subject::Other, status, headers, body)?;
        read_page(answer, Token::read).map_err(misread(status))
    }

    fn repeat(&self) -> Repeat {
        Repeat::Safe
    }
}

/// Makes a token. Needs a group that writes tokens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CreateToken {
    /// Whose it will be.
    pub family: Family,
    /// What it will be.
    pub token: NewToken,
}

impl Call for CreateToken {
    type Output = CreatedToken;

    fn name(&self) -> &'static str {
        "tokens.create"
    }

    fn method(&self) -> Method {
        Method::Post
    }

    fn request(&self, base: &ApiBase, token: &ApiToken) -> Result<Request, WriteError> {
        let body = member::to_text(&self.token.to_json()?);
        let target = self.family.path(&[]);
        request(base, token, self.method(), &target, Some(body))
    }

    fn read(&self, status: u16, headers: &Headers, body: &[u8]) -> Result<CreatedToken, ApiError> {
        let answer = open(Subject::NewToken, status, headers, body)?;
        let misread = misread(status);
        let mut token = member::object(answer.result, "result").map_err(&misread)?;
        let id = member::id(&token, "result.id").map_err(&misread)?;
        let value = member::text(&mut token, "value").and_then(|text| ApiToken::new(text).ok());
        let value = value.ok_or(ApiError::ValueMissing { id })?;
        let token = Token::read_object(token).map_err(misread)?;
        Ok(CreatedToken { token, value })
    }

    fn repeat(&self) -> Repeat {
        Repeat::OnlyIfNotSent
    }
}

/// Reads one token. Needs a group that reads or writes tokens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GetToken {
    /// Whose.
    pub family: Family,
    /// Which.
    pub id: TokenId,
}

impl Call for GetToken {
    type Output = Token;

    fn name(&self) -> &'static str {
        "tokens.get"
    }

    fn method(&self) -> Method {
        Method::Get
    }

    fn request(&self, base: &ApiBase, token: &ApiToken) -> Result<Request, WriteError> {
        let target = self.family.path(&[self.id.as_str()]);
        request(base, token, self.method(), &target, None)
    }

    fn read(&self, status: u16, headers: &Headers, body: &[u8]) -> Result<Token, ApiError> {
        let answer = open(Subject::Token, status, headers, body)?;
        read_same(answer.result, self.id).map_err(misread(status))
    }

    fn repeat(&self) -> Repeat {
        Repeat::Safe
    }
}

/// Replaces a token. Needs a group that writes tokens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UpdateToken {
    /// Whose.
    pub family: Family,
    /// Which.
    pub id: TokenId,
    /// The whole of what it is to be.
    pub token: TokenUpdate,
}

impl Call for UpdateToken {
    type Output = Token;

    fn name(&self) -> &'static str {
        "tokens.update"
    }

    fn method(&self) -> Method {
        Method::Put
    }

    fn request(&self, base: &ApiBase, token: &ApiToken) -> Result<Request, WriteError> {
        let body = member::to_text(&self.token.to_json()?);
        let target = self.family.path(&[self.id.as_str()]);
        request(base, token, self.method(), &target, Some(body))
    }

    fn read(&self, status: u16, headers: &Headers, body: &[u8]) -> Result<Token, ApiError> {
        let answer = open(Subject::TokenPolicies, status, headers, body)?;
        read_same(answer.result, self.id).map_err(misread(status))
    }

    fn repeat(&self) -> Repeat {
        Repeat::LastWins
    }
}

/// Deletes a token. Needs a group that writes tokens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeleteToken {
    /// Whose.
    pub family: Family,
    /// Which.
    pub id: TokenId,
}

/// How a delete ended. Either way the token is gone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Deleted {
    /// This call deleted it.
    Now,
    /// It was gone before.
    Before,
}

impl Call for DeleteToken {
    type Output = Deleted;

    fn name(&self) -> &'static str {
        "tokens.delete"
    }

    fn method(&self) -> Method {
        Method::Delete
    }

    fn request(&self, base: &ApiBase, token: &ApiToken) -> Result<Request, WriteError> {
        let target = self.family.path(&[self.id.as_str()]);
        request(base, token, self.method(), &target, None)
    }

    fn read(&self, status: u16, headers: &Headers, body: &[u8]) -> Result<Deleted, ApiError> {
        match open(Subject::Token, status, headers, body) {
            // The answer names the token; if it names another one, this one may still live.
            Ok(answer) => match answer.result.get("id").and_then(Value::as_str) {
                Some(id) if id != self.id.as_str() => Err(misread(status)(Misread::Member("result.id"))),
                _ => Ok(Deleted::Now),
            },
            Err(ApiError::Gone(_)) => Ok(Deleted::Before),
            Err(error) => Err(error),
        }
    }

    fn repeat(&self) -> Repeat {
        Repeat::AbsentIsDone
    }
}

/// Gives a token a new value; the old one is dead at once. Needs a group that writes tokens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RollToken {
    /// Whose.
    pub family: Family,
    /// Which.
    pub id: TokenId,
}

impl Call for RollToken {
    type Output = ApiToken;

    fn name(&self) -> &'static str {
        "tokens.roll"
    }

    fn method(&self) -> Method {
        Method::Put
    }

    fn request(&self, base: &ApiBase, token: &ApiToken) -> Result<Request, WriteError> {
        let target = self.family.path(&[self.id.as_str(), "value"]);
        // A JSON object is demanded, though nothing is in it.
        request(base, token, self.method(), &target, Some("{}".to_owned()))
    }

    fn read(&self, status: u16, headers: &Headers, body: &[u8]) -> Result<ApiToken, ApiError> {
        let answer = open(Subject::Token, status, headers, body)?;
        match answer.result {
            // The new value, as it is.
            Value::String(value) => ApiToken::new(value).ok(),
            _ => None,
        }
        .ok_or_else(|| misread(status)(Misread::Member("result")))
    }

    fn repeat(&self) -> Repeat {
        Repeat::LastWins
    }
}

/// Asks whether the token that makes the call is live. Needs no group, but the token's own family: the other one answers as
/// for an unknown token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VerifyToken {
    /// Whose.
    pub family: Family,
}

impl Call for VerifyToken {
    type Output = Verified;

    fn name(&self) -> &'static str {
        "tokens.verify"
    }

    fn method(&self) -> Method {
        Method::Get
    }

    fn request(&self, base: &ApiBase, token: &ApiToken) -> Result<Request, WriteError> {
        let target = self.family.path(&["verify"]);
        request(base, token, self.method(), &target, None)
    }

    fn read(&self, status: u16, headers: &Headers, body: &[u8]) -> Result<Verified, ApiError> {
        let answer = open(Subject::Other, status, headers, body)?;
        Verified::read(answer.result).map_err(misread(status))
    }

    fn repeat(&self) -> Repeat {
        Repeat::Safe
    }
}

/// Reads a token that must be the one asked for.
fn read_same(value: Value, asked: TokenId) -> Result<Token, Misread> {
    let token = Token::read(value)?;
    if token.id == asked { Ok(token) } else { Err(Misread::Member("result.id")) }
}
