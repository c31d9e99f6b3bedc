//! The envelope around every answer: opening it, and telling what a refusal means.

use crate::error::{AccessMeaning, ApiError, Entry, Misread, Refusal};
use crate::member::{self, Object};
use crate::message::Message;
use crate::page::ResultInfo;
use crate::rate;
use crate::wire::Headers;
use serde_json::Value;

/// The largest answer read, in bytes. The longest expected, 50 tokens of 400 permission groups each, has about 3 MB; the
/// whole catalogue of permission groups has 0.1 MB. Whoever reads the body from the network should stop here.
pub const MAX_ANSWER_BYTES: usize = 4 << 20;

/// How deep an `error_chain` is followed.
const MAX_CHAIN_DEPTH: usize = 4;

/// What a call was about, as far as that changes the meaning of a code.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Subject {
    /// It makes a token, with policies.
    NewToken,
    /// It gives a token new policies.
    TokenPolicies,
    /// It names a token.
    Token,
    /// None of these.
    Other,
}

impl Subject {
    fn writes_policies(self) -> bool {
        matches!(self, Self::NewToken | Self::TokenPolicies)
    }

    fn names_token(self) -> bool {
        matches!(self, Self::TokenPolicies | Self::Token)
    }
}

/// An opened answer.
pub(crate) struct Answer {
    /// `result`; absent is `null`.
    pub(crate) result: Value,
    /// `result_info`, unless it is absent or `null`.
    pub(crate) info: Option<ResultInfo>,
}

/// Opens an answer. It is a success only if the status *and* `success` say so: Cloudflare's statuses alone are not to be
/// trusted, and neither is a `success` in an answer that went wrong on the way. `messages` are never looked at: they hold
/// code 10000, elsewhere an error, for a good token.
pub(crate) fn open(
    subject: Subject,
    status: u16,
    headers: &Headers,
    body: &[u8],
) -> Result<Answer, ApiError> {
    if (300..400).contains(&status) {
        return Err(ApiError::Redirected { status });
    }
    let after = || rate::read(headers).wait();
    if body.len() > MAX_ANSWER_BYTES {
        return Err(unread(status, &after).unwrap_or(ApiError::TooLarge { status, bytes: body.len() }));
    }
    let mut envelope = match parse(body) {
        Ok(envelope) => envelope,
        Err(why) => {
            return Err(unread(status, &after).unwrap_or(ApiError::Unreadable { status, why }));
        }
    };
    let success = envelope.get("success").and_then(Value::as_bool);
    if (200..300).contains(&status) && success == Some(true) {
        let info = match envelope.get("result_info") {
            Some(Value::Object(info)) => Some(ResultInfo::read(info)),
            _ => None,
        };
        let result = member::take(&mut envelope, "result");
        return Ok(Answer { result, info });
    }
    let said = Said::read(envelope.get("errors"));
    if said.is_empty() && success.is_none() {
        // JSON of something else, such as a proxy.
        return Err(
            unread(status, &after).unwrap_or(ApiError::Unreadable { status, why: Misread::NotAnEnvelope })
        );
    }
    Err(classify(subject, status, &said, &after))
}

fn parse(body: &[u8]) -> Result<Object, Misread> {
    if body.trim_ascii().is_empty() {
        return Err(Misread::Empty);
    }
    match serde_json::from_slice(body) {
        Ok(Value::Object(envelope)) => Ok(envelope),
        Ok(_) => Err(Misread::NotAnEnvelope),
        Err(_) => Err(Misread::NotJson),
    }
}

/// Whether the work may have been done although it is no success: the server failed, or gave up waiting.
fn outcome_open(status: u16) -> bool {
    status == 408 || status >= 500
}

/// What the status alone tells, when the body tells nothing.
fn unread(status: u16, after: &dyn Fn() -> Option<u32>) -> Option<ApiError> {
    let refusal = Refusal::bare(status);
    if status == 429 {
        let after = after();
        Some(ApiError::RateLimited { after, refusal })
    } else if outcome_open(status) {
        let after = after();
        Some(ApiError::Unavailable { after, refusal })
    } else {
        None
    }
}

/// One error of an answer, with its message as it came.
struct Spoken<'a> {
    code: Option<i64>,
    raw: &'a str,
    pointer: Option<&'a str>,
}

/// The errors of an answer, flattened.
#[derive(Default)]
struct Said<'a>(Vec<Spoken<'a>>);

impl<'a> Said<'a> {
    /// `errors` is a list of objects; some services send texts, or a single one.
    fn read(errors: Option<&'a Value>) -> Self {
        let mut said = Self::default();
        if let Some(errors) = errors {
            said.add(errors, MAX_CHAIN_DEPTH);
        }
        said
    }

    fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    fn add(&mut self, value: &'a Value, depth: usize) {
        if self.0.len() >= Refusal::MAX_ENTRIES {
            return;
        }
        match value {
            Value::Array(list) => {
                for value in list {
                    // A list in a list is no error of any service.
                    if !value.is_array() {
                        self.add(value, depth);
                    }
                }
            }
            Value::String(raw) => self.0.push(Spoken { code: None, raw, pointer: None }),
            Value::Object(error) => {
                self.0.push(Spoken {
                    code: error.get("code").and_then(code),
                    raw: error.get("message").and_then(Value::as_str).unwrap_or_default(),
                    pointer: error
                        .get("source")
                        .and_then(|source| source.get("pointer"))
                        .and_then(Value::as_str),
                });
                if let (Some(chain), Some(depth)) = (error.get("error_chain"), depth.checked_sub(1)) {
                    self.add(chain, depth);
                }
            }
            Value::Null | Value::Bool(_) | Value::Number(_) => {}
        }
    }

    fn has(&self, code: i64) -> bool {
        self.0.iter().any(|spoken| spoken.code == Some(code))
    }

    fn refusal(&self, status: u16, decided: Option<&Spoken<'_>>) -> Box<Refusal> {
        let entries = self.0.iter().map(|spoken| Entry {
            code: spoken.code,
            message: Message::of(spoken.raw),
            pointer: spoken.pointer.map(Message::of),
        });
        let decided = decided.or(self.0.first());
        Box::new(Refusal {
            status,
            code: decided.and_then(|spoken| spoken.code),
            message: decided.map(|spoken| Message::of(spoken.raw)).unwrap_or_default(),
            entries: entries.collect(),
        })
    }
}

/// A code is a status; a text that is one counts, too.
fn code(value: &Value) -> Option<i64> {
    value.as_i64().or_else(|| value.as_str()?.parse().ok())
}

/// Tells what a refusal means. The first error whose code is known decides.
fn classify(subject: Subject, status: u16, said: &Said<'_>, after: &dyn Fn() -> Option<u32>) -> ApiError {
    if status == 429 || (!outcome_open(status) && said.has(971)) {
        let refusal = said.refusal(status, said.0.iter().find(|spoken| spoken.code == Some(971)));
        let after = after();
        return ApiError::RateLimited { after, refusal };
    }
    if outcome_open(status) {
        let refusal = said.refusal(status, None);
        let after = after();
        return ApiError::Unavailable { after, refusal };
    }
    // The code of an unknown token is not documented, so none is looked at.
    if status == 404 && subject.names_token() {
        return ApiError::Gone(said.refusal(status, None));
    }
    let known = said.0.iter().find_map(|spoken| known(subject, status, said, spoken));
    known.unwrap_or_else(|| ApiError::Other(said.refusal(status, None)))
}

fn known(subject: Subject, status: u16, said: &Said<'_>, spoken: &Spoken<'_>) -> Option<ApiError> {
    let refusal = || said.refusal(status, Some(spoken));
    Some(match (spoken.code?, status) {
        (6003 | 6111, _) => ApiError::MalformedAuthorization(refusal()),
        (9106, _) => ApiError::AuthenticationFailed(refusal()),
        (1001, 401) => ApiError::MissingCredentials(refusal()),
        (1001, _) if subject.writes_policies() => {
            ApiError::PolicyRefused { group: group_name(spoken.raw).map(Message::of), refusal: refusal() }
        }
        (1001, 400) => ApiError::NotForAccountTokens(refusal()),
        (400, _) => ApiError::Invalid(refusal()),
        (1000, 400 | 401 | 403) => ApiError::InvalidToken(refusal()),
        (1005, _) if subject == Subject::NewToken => ApiError::Quota(refusal()),
        (9109, _) => ApiError::AccessDenied { meaning: meaning(spoken.raw), refusal: refusal() },
        (10000, 405) => ApiError::TokensUnsupported(refusal()),
        (10000, _) => ApiError::AuthenticationError(refusal()),
        (7003, _) => ApiError::NoRoute(refusal()),
        (7001, _) => ApiError::NoMethod(refusal()),
        _ => return None,
    })
}

/// What stands in `(Permission group: "…")`.
fn group_name(raw: &str) -> Option<&str> {
    let (_, rest) = raw.split_once("(Permission group: \"")?;
    let (name, _) = rest.split_once('"')?;
    (!name.is_empty()).then_some(name)
}

fn meaning(raw: &str) -> AccessMeaning {
    let says = |text| raw.contains(text);
    if says("user-level authentication") {
        AccessMeaning::WrongFamily
    } else if says("from location") {
        AccessMeaning::Address
    } else if says("Invalid access token") {
        AccessMeaning::DeadToken
    } else if says("Unauthorized to access") {
        AccessMeaning::MissingPermission
    } else {
        AccessMeaning::Unknown
    }
}
