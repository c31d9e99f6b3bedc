//! What a caller sees of a fault: the one place where evidence becomes words.

use crate::bearer::BearerError;
use crate::broker::fault::{Fault, IdentityFault, NoRules, RequestError};
use crate::cloudflare::{Failure, FailureKind};
use crate::ledger::freeze::{By, Freeze};
use crate::ledger::protocol::Refusal;

/// What a caller sees of a fault.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Face {
    /// The HTTP status.
    pub status: u16,
    /// The stable name of the problem, in kebab case.
    pub kind: &'static str,
    /// A short sentence that is the same for every such problem.
    pub title: &'static str,
    /// What happened this time.
    pub detail: String,
    /// What to do next.
    pub hint: String,
    /// The field (of the body) or the rule concerned.
    pub pointer: Option<String>,
    /// The error code in a Cloudflare envelope.
    pub code: i64,
    /// Seconds after which to try again.
    pub retry_after: Option<u32>,
    /// Whether a client that retries by itself should: a definite refusal says no.
    pub should_retry: bool,
}

impl Face {
    #[inline(never)]
    fn new(status: u16, code: i64, kind: &'static str, title: &'static str) -> Self {
        Self {
            status,
            kind,
            title,
            detail: String::new(),
            hint: String::new(),
            pointer: None,
            code,
            retry_after: None,
            should_retry: false,
        }
    }

    fn said(mut self, detail: impl Into<String>, hint: impl Into<String>) -> Self {
        self.detail = detail.into();
        self.hint = hint.into();
        self
    }

    fn later(mut self, seconds: u32) -> Self {
        self.retry_after = Some(seconds);
        self.should_retry = true;
        self
    }
}

/// Seconds after which asking a part of this installation again makes sense: an object restarts in
/// less.
const PART_RETRY: u32 = 2;

impl Fault {
    /// What the caller sees.
    pub fn face(&self) -> Face {
        match self {
            Self::Bearer(error) => {
                let missing = matches!(error, BearerError::Missing);
                let face = if missing {
                    Face::new(401, 9106, "missing-credential", "A credential is needed")
                } else {
                    Face::new(400, 6003, "malformed-credential", "The Authorization header is malformed")
                };
                face.said(error.to_string(), "Send the header \"Authorization: Bearer <credential>\" with a Brevet client or operator secret.")
            }
            // One answer for every reason: an unknown, a wrong, an expired and a misplaced credential
            // are not told apart.
            Self::Auth(_) => Face::new(401, 1000, "invalid-credential", "The credential is not valid").said(
                "Brevet does not accept this credential.",
                "Check that it is complete, belongs to this installation, has not been rotated or expired, and is used from an address that its rule allows.",
            ),
            // One answer for an unknown hook and for a wrong signature.
            Self::Unsigned => Face::new(401, 1000, "invalid-signature", "The signature is not good").said(
                "There is no hook of this name that takes this signature.",
                "Check the hook's name and secret, and sign the body exactly as it is sent; a webhook-id must not have a dot.",
            ),
            Self::Stale(seconds) => Face::new(400, 1001, "stale-message", "The signed time is too far from the present").said(
                format!("The signed time is {seconds} seconds off."),
                format!("Sign each attempt anew, with a clock that is right to within {} seconds.", crate::hook::WINDOW.get()),
            ),
            Self::Repeated => Face::new(409, 1001, "message-repeated", "The message came before").said(
                "A message with this webhook-id was answered before; an answer is given once.",
                "Send a new message with a new webhook-id.",
            ),
            Self::Unfit(pointer) => {
                let mut face = Face::new(422, 1001, "unfit-message", "The message does not have what its hook looks for").said(
                    format!("The signed body has no text or number at {pointer}, where the rules look."),
                    "Send it there, or change the pointer in [hook.NAME].",
                );
                face.pointer = Some(pointer.clone());
                face
            }
            Self::Identity(fault) => identity_face(fault),
            Self::UnknownToken => Face::new(401, 1000, "unknown-token", "Invalid API Token").said(
                "Invalid API Token.",
                "It may be revoked, rolled or mistyped, or belong to the other family: account tokens are verified at /accounts/{id}/tokens/verify, user tokens at /user/tokens/verify.",
            ),
            Self::Denied(denial) => {
                let mut face = Face::new(denial.status(), 9109, denial.code(), denial.title()).said(denial.detail(), denial.hint());
                face.pointer = denial.pointer();
                face
            }
            Self::Ask(error) => {
                let mut face = Face::new(400, 1001, "invalid-request", "The request does not say what it should").said(error.to_string(), error.hint());
                face.pointer = Some(error.pointer().to_owned());
                face
            }
            Self::Json(error) => Face::new(400, 1001, "invalid-json", "The body cannot be read")
                .said(error.to_string(), "Send one JSON object with each member once."),
            Self::Request(error) => request_face(error),
            Self::NoRules(reason) => no_rules_face(reason),
            Self::Power(power) => Face::new(403, 9109, "power-missing", "The operator lacks a power").said(
                format!("This needs the power \"{power}\"."),
                format!("Use the credential of an operator whose rule has \"{power}\" in `may`."),
            ),
            Self::Ledger(refusal) => ledger_face(*refusal),
            Self::Frozen(freeze) => frozen_face(freeze),
            Self::PartlyDone(missed) => Face::new(503, 1500, "partly-done", "Not every ledger has answered")
                .said(
                    format!("The ledgers of {} did not answer; it is done in all others.", missed.join(", ")),
                    "Ask for the same again until it is done everywhere; doing it twice does no harm.",
                )
                .later(PART_RETRY),
            Self::Upstream(failure) => upstream_face(failure),
            Self::OutcomeUnknown { failure, keyed } => {
                let mut face = Face::new(502, 1500, "outcome-unknown", "It is not known whether the token was made")
                    .said(
                        format!("{} The outcome of the create is unknown; if there is a token, it is being cleaned up.", failure.cause),
                        "Ask again for a new token; the lost one has a value that nobody holds.",
                    );
                // Without a key nobody could tell a second request from a wish for a second token.
                face.should_retry = *keyed;
                face
            }
            Self::Unreachable(unreachable) => Face::new(503, 1500, "temporarily-unavailable", "A part of Brevet cannot be reached")
                .said(format!("The {} did not answer.", unreachable.part), "Try again in a moment. Nothing was changed, or the change is in the books.")
                .later(PART_RETRY),
            Self::TooOften(after) => Face::new(429, 971, "too-many-requests", "Too many requests")
                .said("This address has asked too often.", format!("Wait {after} seconds."))
                .later(*after),
            Self::NotSetUp(problem) => Face::new(503, 1500, "not-set-up", "Brevet is not set up")
                .said(problem.clone(), "The operator sets the secret with `wrangler secret put` or runs `brevet deploy`."),
            Self::ExampleRules => Face::new(422, 1001, "example-rules", "The rules are the example's")
                .said("The rules hold an id or a digest of the example, which is public.", "Replace it by your own and push again."),
            Self::Rules(_) => Face::new(422, 1001, "invalid-rules", "The rules are not good")
                .said("The rules have errors; nothing was changed.", "Mend what the findings name and push again; `brevet config lint` shows the same list."),
            Self::RulesMoved { present } => Face::new(412, 1001, "rules-moved", "Other rules are in force than the ones expected").said(
                format!("Version {present} is in force."),
                format!("Read it, put your change on top of it, and push with If-Match: \"{present}\"."),
            ),
            Self::NoIfMatch => Face::new(428, 1001, "if-match-needed", "A push needs If-Match").said(
                "The request does not say on which version of the rules it rests.",
                "Send If-Match with the version in force in double quotes, \"0\" for the first push.",
            ),
            Self::NeedsRoot(_) => Face::new(403, 9109, "root-needed", "This push needs the root operator").said(
                "The push adds or widens an operator, an accepted takeover or an account.",
                "Push with the root operator's secret.",
            ),
            Self::LeavesLeases(left) => Face::new(409, 1001, "leases-remain", "Live leases rest on what is removed").said(
                format!("The push removes {}.", left.removed.join(", ")),
                "Push with revoke=true to end these leases, or with keep=true to let them run out.",
            ),
            Self::AccountHasLeases { accounts } => Face::new(409, 1001, "account-has-leases", "An account with live leases cannot be removed").said(
                format!("Live leases are left in {}.", accounts.join(", ")),
                "Revoke these leases or wait for their end, then push again.",
            ),
        }
    }
}

fn frozen_face(freeze: &Freeze) -> Face {
    let what = match freeze.selection.by {
        By::All => "everything".to_owned(),
        by => format!("{} {}", by.as_str(), freeze.selection.value),
    };
    let over = match freeze.until {
        Some(until) => format!(
            "It is over at {until}; an operator can lift it before with DELETE /v1/freezes/{}.",
            freeze.id
        ),
        None => format!("An operator lifts it with DELETE /v1/freezes/{}.", freeze.id),
    };
    let mut face = Face::new(403, 9109, "frozen", "A freeze holds this")
        .said(format!("Tokens of {what} are neither made nor changed: {}", freeze.reason), over);
    face.should_retry = false;
    face
}

fn request_face(error: &RequestError) -> Face {
    match error {
        RequestError::NoSuchPath => Face::new(404, 7003, "no-such-path", "There is no such path")
            .said("Brevet has no such path.", "See the list of routes in the documentation."),
        RequestError::Method(methods) => {
            Face::new(405, 7001, "method-not-allowed", "The path does not take this method")
                .said("The path does not take this method.", format!("It takes {methods}."))
        }
        RequestError::BodyTooLong(most) => Face::new(413, 1001, "body-too-long", "The body is too long")
            .said(format!("The body has more than {most} bytes."), "Send a shorter one."),
        RequestError::Encoded => Face::new(415, 1001, "encoded-body", "The body is compressed")
            .said("Brevet takes no Content-Encoding.", "Send the body as it is."),
        RequestError::Header(name, wanted) => Face::new(400, 1001, "invalid-header", "A header is wrong")
            .said(format!("The header {name} is wrong."), format!("It must be {wanted}.")),
        RequestError::Query(name, wanted) => {
            let mut face = Face::new(400, 1001, "invalid-query", "A query parameter is wrong")
                .said(format!("The query parameter {name} is wrong."), format!("It must be {wanted}."));
            face.pointer = Some((*name).to_owned());
            face
        }
        RequestError::Id(wanted) => Face::new(404, 7003, "malformed-id", "An id in the path is malformed")
            .said(
                "An id in the path is malformed; nothing was asked of Cloudflare.",
                format!("It must be {wanted}."),
            ),
        RequestError::Member(pointer, wanted) => {
            let mut face = Face::new(400, 1001, "invalid-request", "The request does not say what it should")
                .said(format!("{pointer} is missing or wrong."), format!("It must be {wanted}."));
            face.pointer = Some((*pointer).to_owned());
            face
        }
        RequestError::UnknownMember(name, known) => {
            let name = shown(name);
            let mut face = Face::new(400, 1001, "invalid-request", "The request does not say what it should")
                .said(
                    format!("The body has the unknown member \"{name}\"."),
                    format!("Known members: {known}."),
                );
            face.pointer = Some(format!("/{}", name.replace('~', "~0").replace('/', "~1")));
            face
        }
        RequestError::UnknownParameter(name, known) => {
            let name = shown(name);
            let mut face = Face::new(400, 1001, "invalid-query", "A query parameter is wrong").said(
                format!("There is no query parameter \"{name}\"."),
                format!("Known parameters: {known}."),
            );
            face.pointer = Some(name);
            face
        }
        RequestError::ParameterTwice(name) => {
            let mut face = Face::new(400, 1001, "invalid-query", "A query parameter is wrong")
                .said(format!("The query has {name} twice."), "Give each parameter once.");
            face.pointer = Some(name.clone());
            face
        }
        RequestError::UnknownAccount => {
            Face::new(404, 7003, "unknown-account", "The account is none of the rules'").said(
                "The rules of this installation do not name this account.",
                "Use an account that the rules name.",
            )
        }
        RequestError::AmbiguousAccount => Face::new(400, 1001, "account-needed", "The account must be named")
            .said(
                "The rules know several accounts.",
                "Name the account, by its name in the rules or by its id.",
            ),
        RequestError::NotATokenEndpoint => {
            Face::new(404, 7003, "not-a-token-endpoint", "Brevet serves the token endpoints only").said(
                "Brevet serves the token endpoints only.",
                "Send this request to https://api.cloudflare.com/client/v4 with the minted token.",
            )
        }
        RequestError::NotACloudflareToken => {
            Face::new(400, 6003, "not-a-cloudflare-token", "This is no Cloudflare API token").said(
                "The value has not the form of a Cloudflare API token.",
                "Check that it is complete: 40 characters, or cfut_ or cfat_ and 40 to 75 characters.",
            )
        }
        RequestError::BoundToAddresses => {
            Face::new(400, 1001, "bound-to-addresses", "The token works from some addresses only").said(
                "The token's condition keeps Brevet from finding out which one it is.",
                "End its lease by its id, with the credential that made it: DELETE /v1/leases/{id}.",
            )
        }
        RequestError::Form(error) => Face::new(400, 1001, "invalid-form", "The form cannot be read")
            .said(error.to_string(), "Send each field once, percent-encoded."),
        RequestError::Field(_, name, wanted) => {
            Face::new(400, 1001, "invalid-form", "The form cannot be read")
                .said(format!("The field {name} is missing or wrong."), format!("It must be {wanted}."))
        }
    }
}

/// A stranger's word, cut so that an answer stays short.
fn shown(word: &str) -> String {
    const MOST_CHARS: usize = 80;
    word.chars().take(MOST_CHARS).collect()
}

fn no_rules_face(reason: &NoRules) -> Face {
    let face = Face::new(503, 1500, "no-rules", "No rules are in force");
    match reason {
        NoRules::NeverPushed => face.said(
            "No rules were pushed to this installation yet.",
            "Push them: brevet config push brevet.toml.",
        ),
        NoRules::Unusable(why) => face.said(
            format!("The rules in force cannot be used by this build: {why}"),
            "Deploy the build that they were made for, or push rules that this one takes.",
        ),
        NoRules::DevelopmentElsewhere => face.said(
            "Development mode is on and the request came to another host than loopback.",
            "Remove the variable BREVET_DEV from the deployment.",
        ),
        NoRules::Example => face.said(
            "The rules hold an id or a digest of the example, which is public.",
            "Replace it by your own and push again.",
        ),
    }
}

/// An identity token is its bearer's own: what is wrong with it may be told.
fn identity_face(fault: &IdentityFault) -> Face {
    let cause = match fault {
        IdentityFault::NoKeys => {
            return Face::new(503, 1500, "issuer-unavailable", "The issuer's keys cannot be had")
                .said(
                    "The issuer of this identity token does not give its keys at the moment.",
                    "Try again in a minute.",
                )
                .later(60);
        }
        fault => fault.cause(),
    };
    Face::new(401, 1000, "invalid-identity", "The identity token is not accepted").said(
        format!("The identity token is not accepted: {cause}."),
        "Ask its issuer for a fresh one for the audience of this installation, and send it as it is.",
    )
}

fn ledger_face(refusal: Refusal) -> Face {
    match refusal {
        Refusal::NotFound => Face::new(404, 1003, "no-such-lease", "There is no such lease").said(
            "There is no such lease, or it is not yours.",
            "List your leases to see the ids you may use.",
        ),
        Refusal::Ended => Face::new(404, 1003, "lease-ended", "The lease has ended")
            .said("The lease has ended and its token lives no more.", "Ask for a new token."),
        Refusal::Busy => Face::new(409, 1001, "lease-busy", "The lease is being worked on")
            .said("Another operation on this lease is under way.", "Try again in a moment.")
            .later(1),
        Refusal::Moved => Face::new(409, 1001, "lease-moved", "The lease was changed meanwhile")
            .said(
                "The lease was changed while this request was decided.",
                "Read it again and repeat the request.",
            )
            .later(1),
        Refusal::NotActive => Face::new(409, 1001, "lease-not-active", "The lease is not active").said(
            "The lease is being made or revoked and cannot be changed.",
            "Ask for a new token if this one is to be revoked.",
        ),
        Refusal::KeyReused => {
            Face::new(422, 1001, "idempotency-key-reused", "The idempotency key is another request's").said(
                "This Idempotency-Key came with another body before.",
                "Use a new key for every new request, and the same body with the same key.",
            )
        }
        Refusal::InFlight => Face::new(409, 1001, "in-flight", "The same request is under way")
            .said("A request with this Idempotency-Key is not settled yet.", "Send it again in a moment.")
            .later(PART_RETRY),
        Refusal::Used => Face::new(409, 1001, "credential-used", "The credential was used before").said(
            "This credential is good for one token, and that was made.",
            "Get a fresh one for every token; to repeat a request, send it with the Idempotency-Key that it came with.",
        ),
        Refusal::RulesDiffer => {
            Face::new(503, 1500, "rules-differ", "The rules of this instance are not those in force")
                .said(
                    "The rules read differ from those of record; nothing was granted.",
                    "Try again; the operator should look at the log.",
                )
                .later(PART_RETRY)
        }
        Refusal::Protocol => Face::new(503, 1500, "rolling-out", "A new build is being rolled out")
            .said("The Worker and its ledger run different builds.", "Try again in a minute.")
            .later(30),
        Refusal::Database => Face::new(503, 1500, "temporarily-unavailable", "The books cannot be read")
            .said("The ledger's database failed; nothing was granted.", "Try again in a moment.")
            .later(PART_RETRY),
    }
}

fn upstream_face(failure: &Failure) -> Face {
    let (status, code, kind, title, retry) = match failure.kind {
        FailureKind::DeadCredential => {
            (502, 1502, "parent-dead", "Cloudflare does not accept the parent token", false)
        }
        FailureKind::WrongFamily => {
            (502, 1502, "parent-wrong-family", "The parent token is of the other family", false)
        }
        FailureKind::MissingPermission => {
            (502, 1502, "parent-lacks-permission", "The parent token lacks a permission", false)
        }
        FailureKind::IpCondition => {
            (502, 1502, "parent-ip-condition", "The parent token's IP condition does not hold", false)
        }
        FailureKind::PolicyRefused => (422, 1001, "policy-refused", "Cloudflare refuses this policy", false),
        FailureKind::Quota => (429, 1005, "quota", "Cloudflare's limit of tokens is reached", false),
        FailureKind::RateLimited => {
            (429, 971, "upstream-rate-limited", "Cloudflare limits the rate of calls", true)
        }
        FailureKind::Invalid => {
            (422, 1001, "refused-by-cloudflare", "Cloudflare found the request wrong", false)
        }
        FailureKind::NotFound => (404, 1003, "token-gone", "The token is gone", false),
        FailureKind::WrongEndpoint => {
            (502, 1502, "wrong-endpoint", "The API base is not Cloudflare's token API", false)
        }
        FailureKind::Unavailable => (502, 1502, "upstream-unavailable", "Cloudflare cannot be reached", true),
        FailureKind::Uncertain => (502, 1502, "outcome-unknown", "The outcome is unknown", false),
        FailureKind::Protocol => {
            (502, 1502, "upstream-protocol", "Cloudflare's answer makes no sense", false)
        }
        FailureKind::NoParent => (503, 1500, "not-set-up", "The parent token is missing", false),
    };
    let mut face = Face::new(status, code, kind, title).said(failure.cause.clone(), failure.hint.clone());
    face.retry_after = failure.retry_after;
    face.should_retry = retry;
    face
}
