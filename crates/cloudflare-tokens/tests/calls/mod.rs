//! One call of each kind, and answers to it.
#![allow(dead_code, unreachable_pub, missing_docs, reason = "each test file uses a part of it")]

use cloudflare_tokens::*;
use serde_json::{Value, json};

pub const TOKEN: &str = "ed17574386854bf78a67040be0a770b0";
pub const VALUE: &str = "cfat_8M7wS6hCpXVc-DoRnPPY_UCWPgy8aea4Wy6kCe5T12345678";

pub fn id() -> TokenId {
    TOKEN.parse().unwrap()
}

pub fn create() -> CreateToken {
    let policy = Policy { id: None, effect: Effect::Allow, resources: Vec::new(), groups: Vec::new() };
    let token = NewToken {
        name: "x".to_owned(),
        policies: vec![policy],
        condition: None,
        not_before: None,
        expires_on: None,
    };
    CreateToken { family: Family::User, token }
}

pub fn update() -> UpdateToken {
    let NewToken { name, policies, condition, not_before, expires_on } = create().token;
    let token = TokenUpdate { name, policies, status: None, condition, not_before, expires_on };
    UpdateToken { family: Family::User, id: id(), token }
}

pub fn list() -> ListTokens {
    ListTokens { family: Family::User, paging: Paging::default(), direction: None, include_expired: false }
}

pub const VERIFY: VerifyToken = VerifyToken { family: Family::User };

pub fn get() -> GetToken {
    GetToken { family: Family::User, id: id() }
}

pub fn delete() -> DeleteToken {
    DeleteToken { family: Family::User, id: id() }
}

pub fn roll() -> RollToken {
    RollToken { family: Family::User, id: id() }
}

pub fn failure(errors: Value) -> String {
    json!({"success": false, "errors": errors, "messages": [], "result": null}).to_string()
}

pub fn one(code: i64, message: &str) -> String {
    failure(json!([{"code": code, "message": message}]))
}

pub fn read<C: Call>(call: &C, status: u16, body: &str) -> Result<C::Output, ApiError> {
    call.read(status, &Headers::new(), body.as_bytes())
}

pub fn error<C: Call>(call: &C, status: u16, body: &str) -> ApiError {
    match read(call, status, body) {
        Ok(_) => panic!("{status} {body} is no failure"),
        Err(error) => error,
    }
}

/// The parts of an error's evidence.
pub fn evidence(error: &ApiError) -> (u16, Option<i64>, &str) {
    let refusal = error.refusal().unwrap();
    (refusal.status, refusal.code, refusal.message.as_str())
}
