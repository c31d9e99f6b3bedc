//! What a signed token must say to be an identity.

use std::fmt;
use std::rc::Rc;

use serde_json::Value;

use crate::oidc::claims::Claims;
use crate::oidc::issuer::IssuerSpec;
use crate::oidc::jwt::UnverifiedJwt;
use crate::time::{Seconds, Timestamp};

/// How far the clocks of an issuer and of Brevet may be apart.
pub const LEEWAY: Seconds = Seconds::of(60);

/// The longest subject and token id, in bytes.
const LONGEST_ID: usize = 1_024;

/// Why a token is no identity. It names claims and holds none of their values.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum IdentityError {
    /// It is not of this issuer.
    Issuer,
    /// It is signed with an algorithm that the issuer does not use, or that the key is not for.
    Algorithm,
    /// Its `typ` is another than the issuer's.
    Type,
    /// The issuer has no key of its id.
    Key,
    /// It names no key, and the issuer has several.
    KeyNeeded,
    /// The signature is not the key's.
    Signature,
    /// A claim is missing or is not of its kind.
    Claim(&'static str),
    /// `aud` is not exactly what the rules say.
    Audience,
    /// Its time is up.
    Expired,
    /// It is not yet valid.
    NotYet,
    /// It was issued in the future.
    Future,
    /// It lives longer than the issuer's tokens may.
    Lifetime,
    /// A claim that the issuer is pinned by does not fit.
    Pin(String),
}

impl fmt::Display for IdentityError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Issuer => f.write_str("it is of another issuer"),
            Self::Algorithm => {
                f.write_str("it is signed with an algorithm that the issuer's rule does not take")
            }
            Self::Type => f.write_str("its typ is not the one that the issuer's rule takes"),
            Self::Key => f.write_str("its issuer has no key of that id"),
            Self::KeyNeeded => f.write_str("it names no key, and its issuer has several"),
            Self::Signature => f.write_str("its signature is not its issuer's"),
            Self::Claim(name) => write!(f, "its claim {name} is missing or not of its kind"),
            Self::Audience => f.write_str("its aud is not exactly the audience that the issuer's rule takes"),
            Self::Expired => f.write_str("its time is up"),
            Self::NotYet => f.write_str("it is not valid yet"),
            Self::Future => f.write_str("it was issued in the future"),
            Self::Lifetime => f.write_str("it lives longer than the issuer's rule takes"),
            Self::Pin(name) => write!(f, "its claim {name} is not the one that its issuer is pinned to"),
        }
    }
}

impl std::error::Error for IdentityError {}

/// A token whose signature is its issuer's. What it says is not checked yet.
#[derive(Clone, Debug)]
pub struct SignedJwt(UnverifiedJwt);

/// A workload, as its issuer says and the rules take it. Only [`SignedJwt::check`] makes one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VerifiedIdentity {
    issuer: String,
    subject: String,
    token_id: Option<String>,
    until: Timestamp,
    claims: Rc<Claims>,
    digest: String,
}

impl SignedJwt {
    pub(super) fn new(jwt: UnverifiedJwt) -> Self {
        Self(jwt)
    }

    /// The issuer whose key signed it.
    pub fn issuer(&self) -> &str {
        self.0.claimed_issuer()
    }

    /// Checks what it says, at this moment and under this rule of its issuer.
    ///
    /// # Errors
    /// [`IdentityError`].
    pub fn check(&self, issuer: &IssuerSpec, now: Timestamp) -> Result<VerifiedIdentity, IdentityError> {
        self.0.read(issuer, now)
    }
}

impl UnverifiedJwt {
    /// Why it would be no identity even if its signature were good; for the simulator.
    pub fn trouble(&self, issuer: &IssuerSpec, now: Timestamp) -> Option<IdentityError> {
        self.read(issuer, now).err()
    }

    fn registered(&self, name: &str) -> Option<&Value> {
        self.registered.iter().find(|(known, _)| *known == name).map(|(_, value)| value)
    }

    fn read(&self, issuer: &IssuerSpec, now: Timestamp) -> Result<VerifiedIdentity, IdentityError> {
        // The rule may be a later one than that of the signature.
        self.check_header(issuer)?;
        let Self { claims, digest, .. } = self;
        let moment = |name: &'static str| match self.registered(name) {
            None => Ok(None),
            // Whole seconds: RFC 7519 allows fractions, and no issuer writes them.
            Some(value) => value
                .as_i64()
                .and_then(|seconds| Timestamp::from_unix(seconds).ok())
                .map(Some)
                .ok_or(IdentityError::Claim(name)),
        };
        let text = |name: &'static str| match self.registered(name) {
            None => Ok(None),
            Some(Value::String(text)) if (1..=LONGEST_ID).contains(&text.len()) => Ok(Some(text.clone())),
            Some(_) => Err(IdentityError::Claim(name)),
        };
        check_audience(self.registered("aud"), issuer)?;
        let until = moment("exp")?.ok_or(IdentityError::Claim("exp"))?;
        let issued = moment("iat")?.ok_or(IdentityError::Claim("iat"))?;
        let leeway = i64::from(LEEWAY.get());
        if now.since(until) >= leeway {
            return Err(IdentityError::Expired);
        }
        if issued.since(now) > leeway {
            return Err(IdentityError::Future);
        }
        if moment("nbf")?.is_some_and(|from| from.since(now) > leeway) {
            return Err(IdentityError::NotYet);
        }
        let lifetime = until.since(issued);
        if lifetime <= 0 || lifetime > i64::from(issuer.max_lifetime.get()) {
            return Err(IdentityError::Lifetime);
        }
        let subject = text("sub")?.ok_or(IdentityError::Claim("sub"))?;
        let token_id = text("jti")?;
        if let Some(name) = claims.misfit(&issuer.pin) {
            return Err(IdentityError::Pin(name.to_owned()));
        }
        Ok(VerifiedIdentity {
            issuer: issuer.name.clone(),
            subject,
            token_id,
            until,
            claims: Rc::clone(claims),
            digest: digest.clone(),
        })
    }
}

/// One audience, exactly: a token that is also for somebody else can be used here by them.
fn check_audience(audience: Option<&Value>, issuer: &IssuerSpec) -> Result<(), IdentityError> {
    let audience = match audience {
        Some(Value::String(audience)) => audience,
        Some(Value::Array(list)) => match list.as_slice() {
            [Value::String(only)] => only,
            _ => return Err(IdentityError::Audience),
        },
        _ => return Err(IdentityError::Claim("aud")),
    };
    if issuer.audiences.contains(audience) { Ok(()) } else { Err(IdentityError::Audience) }
}

impl VerifiedIdentity {
    /// The issuer's name in the rules.
    pub fn issuer(&self) -> &str {
        &self.issuer
    }

    /// Its subject, for people: rules decide on claims.
    pub fn subject(&self) -> &str {
        &self.subject
    }

    /// The token's own id, where it has one.
    pub fn token_id(&self) -> Option<&str> {
        self.token_id.as_deref()
    }

    /// What this very token is known by where it is good for one use: its id, or the digest of all of it.
    pub fn once(&self) -> String {
        match &self.token_id {
            Some(id) => format!("jti:{id}"),
            None => format!("sha256:{}", self.digest),
        }
    }

    /// The moment after which the token is refused for its age, the clocks' difference included.
    pub fn until(&self) -> Timestamp {
        self.until.plus(LEEWAY)
    }

    /// What its issuer says of it.
    pub fn claims(&self) -> &Claims {
        &self.claims
    }
}

impl VerifiedIdentity {
    /// As if these claims had been verified: for tests and the simulator, which lets nobody have it.
    pub(crate) fn supposed(issuer: &str, claims: Claims, until: Timestamp) -> Self {
        let text = |name: &str| claims.text(name).map(str::to_owned);
        Self {
            issuer: issuer.to_owned(),
            subject: text("sub").unwrap_or_default(),
            token_id: text("jti"),
            until,
            claims: Rc::new(claims),
            digest: String::new(),
        }
    }
}
