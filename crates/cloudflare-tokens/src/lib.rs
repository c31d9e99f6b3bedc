//! A typed, sans-IO client for Cloudflare's API token endpoints.
//!
//! **Owns:** how each call is written as a [`Request`], how each answer is read, and what every known error
//! means. Requests are strict: what this crate would not accept as a good request never leaves it. Answers are read
//! leniently: open enums, absent and null members, messages in either form.
//!
//! **Does not own:** sending, time-outs, retries, redirects, the clock, and what a caller may ask for. It never sees a
//! runtime, a policy decision or a place to store anything. Whoever sends must treat a redirect as a failure: a
//! followed redirect would carry the `Authorization` header to another host.
//!
//! The way through: build a [`Call`] such as [`CreateToken`], ask it for its [`request`](Call::request), send that, and
//! give status, headers and body to its [`read`](Call::read). Its [`repeat`](Call::repeat) says when the same call may be
//! sent again, and [`ApiError::kind`] whether that can help.
#![forbid(unsafe_code)]

mod base;
mod call;
mod condition;
mod directory;
mod envelope;
mod error;
mod hint;
mod id;
mod member;
mod message;
mod page;
mod policy;
pub mod rate;
mod secret;
mod time;
mod token;
mod wire;
mod write;

pub use base::{ApiBase, BaseError, CLOUDFLARE_API, MAX_BASE_CHARS};
pub use call::directory::{GetAccount, GetUser, ListAccounts, ListPermissionGroups, ListZones};
pub use call::token::{
    CreateToken, DeleteToken, Deleted, GetToken, ListTokens, RollToken, UpdateToken, VerifyToken,
};
pub use call::{Call, Family, Repeat};
pub use condition::{Condition, RequestIp};
pub use directory::{Account, AccountRef, PermissionGroup, User, Zone};
pub use envelope::MAX_ANSWER_BYTES;
pub use error::{AccessMeaning, ApiError, Entry, Kind, Misread, Refusal};
pub use id::{AccountId, GroupId, IdError, PolicyId, TokenId, UserId, ZoneId};
pub use message::{MAX_MESSAGE_CHARS, Message};
pub use page::{Direction, Page, Paging, ResultInfo};
pub use policy::{Effect, Group, Policy, ResourceValue, same_policies};
pub use secret::{ApiToken, TokenForm, TokenTextError};
pub use time::{Time, TimeError};
pub use token::{CreatedToken, NewToken, SettableStatus, Token, TokenStatus, TokenUpdate, Verified};
pub use wire::{Answer, Headers, Method, Request};
pub use write::{MAX_FILTER_CHARS, MAX_NAME_CHARS, WriteError};
