//! What went wrong, in one sentence, and what to do next in another.
//!
//! The sentences are Brevet's own. Of what Cloudflare said they hold only messages that the client has
//! made fit to be shown; of a request they hold the name of a secret, never its value.

use brevet_core::cloudflare::{Failure, FailureKind, TokenOwner};
use cloudflare_tokens::{AccessMeaning, ApiError, Message, Misread, Refusal, TokenTextError};

use super::exchange::{Failed, Trouble};
use super::pace::{CALL_DEADLINE_MS, OPERATION_DEADLINE_MS};
use super::transport::TransportError;

/// The longest cause, in characters.
const MAX_CAUSE_CHARS: usize = 400;

/// How many tokens Cloudflare lets a user have.
const USER_QUOTA: u32 = 50;

/// How many tokens Cloudflare lets an account have.
const ACCOUNT_QUOTA: u32 = 500;

const TRY_AGAIN: &str = "Try again in a moment.";

/// Whose credential a call was made with.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Credential<'a> {
    /// The parent token in the Worker secret of this name.
    Parent(&'a str),
    /// The value that a caller presented.
    Presented,
}

impl Credential<'_> {
    fn name(self) -> String {
        match self {
            Self::Parent(secret) => format!("the parent token in {secret}"),
            Self::Presented => "the presented token".to_owned(),
        }
    }
}

/// What a failed call was about.
#[derive(Clone, Copy, Debug)]
pub(super) struct Scene<'a> {
    pub(super) owner: TokenOwner,
    pub(super) credential: Credential<'a>,
    /// Whether it changes something, so that it needs a group that writes tokens.
    pub(super) writes: bool,
}

/// Why a parent token cannot be had.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum NoParent {
    /// The name is not one that is ever asked for.
    Name,
    /// There is no such secret.
    Missing,
    /// It holds what cannot be a token.
    Malformed(TokenTextError),
    /// It holds a credential of Cloudflare's that is no API token.
    OtherCredential(&'static str),
}

pub(super) fn no_parent(name: &str, why: NoParent) -> Failure {
    let shown = Message::of(name);
    let put = format!("Run `wrangler secret put {shown}` with a live API token that may write API tokens.");
    let (cause, hint) = match why {
        NoParent::Name => (
            format!("The rules name \"{shown}\" as the secret of a parent token, which is not a name for one."),
            "Name a Worker secret that begins with CLOUDFLARE_ and goes on in upper case, digits and _, with at most 64 characters.".to_owned(),
        ),
        NoParent::Missing => (format!("The Worker has no secret {shown}, which the rules name as a parent token."), put),
        NoParent::Malformed(error) => (format!("The secret {shown} cannot be an API token: {error}."), put),
        NoParent::OtherCredential(what) => (format!("The secret {shown} holds {what}, which cannot create API tokens."), put),
    };
    failure(FailureKind::NoParent, cause, hint)
}

/// Every parent of an owner is dead.
pub(super) fn dead_parents(names: &[&str], missing: Option<&str>, last: &Failure) -> Failure {
    let mut out = last.clone();
    match names {
        [first, second, ..] if out.kind != FailureKind::Uncertain => {
            out.cause = format!(
                "Cloudflare accepts neither the parent token in {first} nor the one in {second}: both are wrong, revoked, rolled, expired or disabled."
            );
            // Cloudflare was asked about each where its refusal left that open.
            out.kind = FailureKind::DeadCredential;
        }
        _ => {}
    }
    if let Some(missing) = missing {
        out.cause.push_str(&format!(" Its successor {missing} is missing or malformed."));
    }
    out.cause = clip(std::mem::take(&mut out.cause));
    out
}

/// A parent whose status is another than `active`, or `None` where Cloudflare does not know it.
pub(super) fn inactive_parent(name: &str, status: Option<&str>) -> Failure {
    let cause = match status {
        Some(status) => format!("The parent token in {name} is {}.", Message::of(status)),
        None => dead_cause(Credential::Parent(name)),
    };
    failure(FailureKind::DeadCredential, cause, put_live(Credential::Parent(name)))
}

/// A parent that belongs to the other family.
pub(super) fn wrong_family(scene: &Scene<'_>) -> Failure {
    let (cause, hint) = wrong_family_words(scene);
    failure(FailureKind::WrongFamily, cause, hint)
}

/// The list of tokens does not end where it must.
pub(super) fn endless_list(most: u32) -> Failure {
    failure(
        FailureKind::Protocol,
        format!("Cloudflare's list of tokens goes on after {most} pages, more than any owner can have."),
        "Check the API base, and whether tokens are left over that nobody needs.".to_owned(),
    )
}

/// The list of tokens changed each time it was read.
pub(super) fn restless_list() -> Failure {
    failure(
        FailureKind::Unavailable,
        "The list of tokens at Cloudflare changed while it was read, so a token may have been missed."
            .to_owned(),
        TRY_AGAIN.to_owned(),
    )
}

/// An answer that holds nothing that can be used.
pub(super) fn unusable_answer() -> Failure {
    failure(
        FailureKind::Protocol,
        "Cloudflare's answer holds nothing that can be used.".to_owned(),
        "Check the API base and what stands between.".to_owned(),
    )
}

pub(super) fn of_call(scene: &Scene<'_>, failed: &Failed) -> Failure {
    let mut out = match &failed.trouble {
        Trouble::Answered(error) => answered(scene, error),
        Trouble::Lost(error) => lost(*error),
        Trouble::CircuitOpen => rate_limited(scene, failed.retry_after, "so this one was not sent"),
        Trouble::OutOfTime => failure(
            FailureKind::Unavailable,
            format!(
                "The {} s that an operation may take were over before Cloudflare could be called again.",
                OPERATION_DEADLINE_MS / 1_000
            ),
            TRY_AGAIN.to_owned(),
        ),
        Trouble::Spec(error) => unwritable(&error.to_string()),
        Trouble::Unwritable(error) => unwritable(&error.to_string()),
    };
    if matches!(&failed.trouble, Trouble::Answered(ApiError::RateLimited { .. })) {
        let told = rate_limited(scene, failed.retry_after, "so the call was refused");
        (out.cause, out.hint) = (told.cause.clone(), told.hint.clone());
    }
    out.retry_after = failed.retry_after;
    // A token that is gone is gone, whatever an earlier try did to it.
    if failed.maybe_done && out.kind != FailureKind::NotFound {
        out.kind = FailureKind::Uncertain;
        let end = out.cause.trim_end_matches('.').len();
        out.cause.truncate(end);
        out.cause.push_str("; whether the change was made is unknown.");
        out.hint = "Find out what was done before trying again.".to_owned();
    }
    out.cause = clip(std::mem::take(&mut out.cause));
    out
}

fn failure(kind: FailureKind, cause: String, hint: String) -> Failure {
    Failure::new(kind, clip(cause), hint)
}

fn clip(mut cause: String) -> String {
    if let Some((end, _)) = cause.char_indices().nth(MAX_CAUSE_CHARS) {
        cause.truncate(end);
    }
    cause
}

fn unwritable(why: &str) -> Failure {
    failure(
        FailureKind::Invalid,
        format!("The request was not sent, for Cloudflare would not take it: {why}."),
        "Correct what the sentence names.".to_owned(),
    )
}

fn lost(error: TransportError) -> Failure {
    let (kind, cause, hint) = match error {
        TransportError::NotSent => (
            FailureKind::Unavailable,
            "Cloudflare's API could not be reached: no connection came about.".to_owned(),
            "Check the API base and the network, then try again.",
        ),
        TransportError::Timeout => (
            FailureKind::Unavailable,
            format!(
                "Cloudflare's API gave no answer within the {} s that a call may take at most.",
                CALL_DEADLINE_MS / 1_000
            ),
            TRY_AGAIN,
        ),
        TransportError::Reset => (
            FailureKind::Unavailable,
            "The connection to Cloudflare's API broke before the answer was whole.".to_owned(),
            TRY_AGAIN,
        ),
        TransportError::TooLarge => return too_large(),
    };
    failure(kind, cause, hint.to_owned())
}

fn too_large() -> Failure {
    failure(
        FailureKind::Protocol,
        "The answer is larger than any of Cloudflare's API and was cut off.".to_owned(),
        "Check the API base and what stands between.".to_owned(),
    )
}

fn rate_limited(scene: &Scene<'_>, retry_after: Option<u32>, what: &str) -> Failure {
    let whose = match (scene.credential, scene.owner) {
        (Credential::Presented, _) => "with the presented token",
        (_, TokenOwner::Account(_)) => "with this account's parent token",
        (_, TokenOwner::User(_)) => "of this user",
    };
    let seconds = retry_after.unwrap_or(1);
    failure(
        FailureKind::RateLimited,
        format!("Cloudflare limits the calls {whose} for another {seconds} s, {what}."),
        format!("Try again after {seconds} s, and less often."),
    )
}

fn dead_cause(credential: Credential<'_>) -> String {
    format!(
        "Cloudflare does not accept {}: it is wrong, revoked, rolled, expired or disabled.",
        credential.name()
    )
}

fn put_live(credential: Credential<'_>) -> String {
    match credential {
        Credential::Parent(secret) => {
            format!("Put a live token of the right family into the secret: `wrangler secret put {secret}`.")
        }
        Credential::Presented => "Present a live token.".to_owned(),
    }
}

fn wrong_family_words(scene: &Scene<'_>) -> (String, String) {
    let token = scene.credential.name();
    match scene.owner {
        TokenOwner::User(_) => (
            format!("An account owns {token}, but user-owned tokens are asked for, and only a user-owned token reaches those."),
            "Use a user-owned token (cfut_…) with API Tokens Write there, or set family = \"account\" in the rules.".to_owned(),
        ),
        TokenOwner::Account(_) => (
            format!("Cloudflare wants a token of the other family than {token}."),
            "Use an account-owned token (cfat_…) of this very account with Account API Tokens Write there.".to_owned(),
        ),
    }
}

/// The permission group that the call needs, by name.
fn needed_group(scene: &Scene<'_>) -> &'static str {
    match (scene.owner, scene.writes) {
        (TokenOwner::Account(_), true) => "Account API Tokens Write",
        (TokenOwner::Account(_), false) => "Account API Tokens Read (or Write)",
        (TokenOwner::User(_), true) => "API Tokens Write",
        (TokenOwner::User(_), false) => "API Tokens Read (or Write)",
    }
}

fn missing_group(scene: &Scene<'_>) -> (String, String) {
    let group = needed_group(scene);
    let token = scene.credential.name();
    let on = match scene.owner {
        TokenOwner::Account(id) => format!("on account {id}"),
        TokenOwner::User(_) => "on its user".to_owned(),
    };
    (
        format!("Cloudflare denied access: {token} lacks the permission group {group} {on}."),
        format!("Give it {group} {on} at Cloudflare; a change there can take a minute to work."),
    )
}

/// `: what Cloudflare said.`, or just the full stop.
fn said(refusal: &Refusal) -> String {
    let message = refusal.message.as_str().trim_end_matches('.');
    if message.is_empty() { ".".to_owned() } else { format!(": {message}.") }
}

fn answered(scene: &Scene<'_>, error: &ApiError) -> Failure {
    use FailureKind as K;
    let own = || error.hint().to_owned();
    let token = || scene.credential.name();
    let dead = || (K::DeadCredential, dead_cause(scene.credential), put_live(scene.credential));
    let with = |kind, (cause, hint)| (kind, cause, hint);
    let (kind, cause, hint) = match error {
        ApiError::InvalidToken(_) | ApiError::MalformedAuthorization(_) | ApiError::MissingCredentials(_) => {
            dead()
        }
        ApiError::AuthenticationFailed(refusal) => (
            K::DeadCredential,
            format!("Cloudflare could not authenticate {}{}", token(), said(refusal)),
            own(),
        ),
        ApiError::AuthenticationError(refusal) if refusal.status == 401 => dead(),
        ApiError::AuthenticationError(_) => with(K::MissingPermission, missing_group(scene)),
        ApiError::AccessDenied { meaning, refusal } => match meaning {
            AccessMeaning::DeadToken => dead(),
            AccessMeaning::WrongFamily => with(K::WrongFamily, wrong_family_words(scene)),
            AccessMeaning::MissingPermission => with(K::MissingPermission, missing_group(scene)),
            AccessMeaning::Address => (
                K::IpCondition,
                format!(
                    "The IP condition of {} refuses the address that the Worker calls from{}",
                    token(),
                    said(refusal)
                ),
                "Take the IP condition off that token: a Worker has no address of its own.".to_owned(),
            ),
            AccessMeaning::Unknown => (
                K::MissingPermission,
                format!("Cloudflare denied access to {}{}", token(), said(refusal)),
                format!("Check that it is live, of the right family, and holds {}.", needed_group(scene)),
            ),
        },
        ApiError::NotForAccountTokens(_) => with(K::WrongFamily, wrong_family_words(scene)),
        ApiError::PolicyRefused { group, refusal } => {
            let cause = match group {
                Some(group) => format!(
                    "Cloudflare refuses to grant the permission group \"{group}\" on these resources{}",
                    said(refusal)
                ),
                None => format!("Cloudflare refuses these policies{}", said(refusal)),
            };
            (K::PolicyRefused, cause, own())
        }
        ApiError::Quota(_) => {
            let (who, most) = match scene.owner {
                TokenOwner::Account(_) => ("The account", ACCOUNT_QUOTA),
                TokenOwner::User(_) => ("The user", USER_QUOTA),
            };
            (
                K::Quota,
                format!(
                    "{who} has as many API tokens as Cloudflare allows ({USER_QUOTA} for a user, {ACCOUNT_QUOTA} for an account; here {most})."
                ),
                "Revoke tokens that nobody needs, then try again.".to_owned(),
            )
        }
        ApiError::RateLimited { .. } => (K::RateLimited, String::new(), String::new()),
        ApiError::Invalid(refusal) => {
            (K::Invalid, format!("Cloudflare found the request invalid{}", said(refusal)), own())
        }
        ApiError::Other(refusal) => {
            (K::Invalid, format!("Cloudflare refused with status {}{}", refusal.status, said(refusal)), own())
        }
        // Whatever the path names, an API that has no such path holds no such token either way.
        ApiError::Gone(refusal) if refusal.has(7003) || refusal.has(7001) => {
            with(K::WrongEndpoint, no_endpoint(refusal))
        }
        ApiError::Gone(_) => (
            K::NotFound,
            "The token is gone: Cloudflare has none with this id.".to_owned(),
            "Create another one.".to_owned(),
        ),
        ApiError::NoRoute(refusal) | ApiError::NoMethod(refusal) | ApiError::TokensUnsupported(refusal) => {
            with(K::WrongEndpoint, no_endpoint(refusal))
        }
        ApiError::Unavailable { refusal, .. } => (
            K::Unavailable,
            format!(
                "Cloudflare's API answered with a server error (status {}){}",
                refusal.status,
                said(refusal)
            ),
            TRY_AGAIN.to_owned(),
        ),
        ApiError::Unreadable {
            status: 404,
            why: Misread::Empty | Misread::NotJson | Misread::NotAnEnvelope,
        } => (
            K::WrongEndpoint,
            "There is no Cloudflare API at this address: it answered 404 in another form than the API's."
                .to_owned(),
            "Check the API base.".to_owned(),
        ),
        ApiError::Unreadable { status, why } => (
            K::Protocol,
            format!("Cloudflare's API gave {why} (status {status})."),
            "Check the API base and what stands between.".to_owned(),
        ),
        ApiError::TooLarge { .. } => return too_large(),
        ApiError::Redirected { status } => (
            K::Protocol,
            format!(
                "The API answered with a redirect (status {status}), which is never followed, for the token would go with it."
            ),
            "Correct the API base.".to_owned(),
        ),
        ApiError::ValueMissing { .. } => (
            K::Protocol,
            "Cloudflare made the token but did not show its value, so nobody can use it.".to_owned(),
            own(),
        ),
    };
    let status = match error {
        ApiError::Unreadable { status, .. }
        | ApiError::TooLarge { status, .. }
        | ApiError::Redirected { status } => Some(*status),
        _ => error.refusal().map(|refusal| refusal.status),
    };
    let code = error.refusal().and_then(|refusal| refusal.code);
    let mut failure = failure(kind, cause, hint);
    failure.status = status;
    failure.code = code;
    failure
}

fn no_endpoint(refusal: &Refusal) -> (String, String) {
    (
        format!("Cloudflare's API has no such endpoint (status {}){}", refusal.status, said(refusal)),
        "Check the account id in the rules and the API base.".to_owned(),
    )
}
