//! Which parent token a call is made with.

use brevet_core::cloudflare::{Failure, Parents, TokenOwner, Verified};
use cloudflare_tokens::{ApiToken, Call, Family, TokenForm, TokenStatus};
use http::Method;

use super::circuits::Counted;
use super::exchange::{Exchange, Failed, Trouble};
use super::failure::{self, Credential, NoParent, Scene};
use super::{Secrets, Transport, Upstream, spec};

/// What the name of every parent's secret begins with.
const PREFIX: &str = "CLOUDFLARE_";

/// The longest name of a secret, in characters.
pub const MAX_SECRET_NAME_CHARS: usize = 64;

/// A parent token and the name of its secret.
struct Parent<'a> {
    name: &'a str,
    token: ApiToken,
}

/// The parents of an owner that can be used at all, in the order of the rules.
struct Line<'a> {
    usable: Vec<Parent<'a>>,
    /// The successor, where its secret is missing or malformed.
    unusable_next: Option<&'a str>,
}

/// How a parent was found to be.
enum Life {
    Alive(Verified),
    Dead(Failure),
}

impl<T: Transport, S: Secrets> Upstream<T, S> {
    /// Makes the call with the parent, and with its successor where Cloudflare says that it is dead.
    pub(super) async fn with_parents<C: Call>(
        &self,
        exchange: &Exchange<'_, T>,
        owner: TokenOwner,
        parents: &Parents,
        call: &C,
    ) -> Result<C::Output, Failure> {
        let mut line = self.line(parents)?;
        // A parent that was dead a moment ago goes last; it may be alive again.
        let now = self.transport.now_ms();
        line.usable.sort_by_key(|parent| self.circuits.is_dead(parent.name, now));
        let writes = call.method() != Method::GET;
        let mut maybe_done = false;
        let mut dead = Vec::new();
        let mut last = None;
        for parent in &line.usable {
            let scene = Scene { owner, credential: Credential::Parent(parent.name), writes };
            let mut failed = match exchange.call(call, &parent.token, Counted::Owner(owner)).await {
                Ok(output) => {
                    self.circuits.revive(parent.name);
                    return Ok(output);
                }
                Err(failed) => failed,
            };
            maybe_done |= failed.maybe_done;
            failed.maybe_done = maybe_done;
            let told = failure::of_call(&scene, &failed);
            if !self.is_death(exchange, owner, parent, &line, &failed).await {
                return Err(told);
            }
            self.circuits.bury(parent.name, self.transport.now_ms());
            dead.push(parent.name);
            last = Some(told);
        }
        match last {
            Some(last) => Err(failure::dead_parents(&dead, line.unusable_next, &last)),
            None => Err(failure::no_parent(&parents.parent, NoParent::Missing)),
        }
    }

    /// Checks the parents in the order of the rules, and remembers what it finds.
    pub(super) async fn check(
        &self,
        owner: TokenOwner,
        parents: &Parents,
    ) -> Result<(String, Verified), Failure> {
        let exchange = self.begin();
        let line = self.line(parents)?;
        let mut dead = Vec::new();
        let mut last = None;
        for parent in &line.usable {
            match self.life(&exchange, owner, parent).await? {
                Life::Alive(verified) => {
                    self.circuits.revive(parent.name);
                    return Ok((parent.name.to_owned(), verified));
                }
                Life::Dead(told) => {
                    self.circuits.bury(parent.name, self.transport.now_ms());
                    dead.push(parent.name);
                    last = Some(told);
                }
            }
        }
        match last {
            Some(last) => Err(failure::dead_parents(&dead, line.unusable_next, &last)),
            None => Err(failure::no_parent(&parents.parent, NoParent::Missing)),
        }
    }

    /// Whether Cloudflare says by this failure that the parent is dead. Where its words leave that
    /// open and there is a successor, Cloudflare is asked: its texts change.
    async fn is_death(
        &self,
        exchange: &Exchange<'_, T>,
        owner: TokenOwner,
        parent: &Parent<'_>,
        line: &Line<'_>,
        failed: &Failed,
    ) -> bool {
        use cloudflare_tokens::{AccessMeaning, ApiError};
        let Trouble::Answered(error) = &failed.trouble else {
            return false;
        };
        match error {
            ApiError::InvalidToken(_)
            | ApiError::MalformedAuthorization(_)
            | ApiError::MissingCredentials(_)
            | ApiError::AccessDenied { meaning: AccessMeaning::DeadToken, .. } => true,
            ApiError::AuthenticationFailed(_)
            | ApiError::AuthenticationError(_)
            | ApiError::AccessDenied { meaning: AccessMeaning::Unknown, .. }
                if line.usable.len() > 1 =>
            {
                matches!(self.life(exchange, owner, parent).await, Ok(Life::Dead(_)))
            }
            _ => false,
        }
    }

    /// Asks Cloudflare about a parent itself.
    async fn life(
        &self,
        exchange: &Exchange<'_, T>,
        owner: TokenOwner,
        parent: &Parent<'_>,
    ) -> Result<Life, Failure> {
        let scene = Scene { owner, credential: Credential::Parent(parent.name), writes: false };
        let told = |failed: &Failed| failure::of_call(&scene, failed);
        let own = spec::family(owner).map_err(|error| told(&Trouble::Spec(error).into()))?;
        // A user-owned token with the right group may make an account's tokens, but is verified as the
        // user's.
        let families: &[Family] = match (own, parent.token.form()) {
            (Family::User, TokenForm::Account) => return Ok(Life::Dead(failure::wrong_family(&scene))),
            (Family::User, _) => &[Family::User],
            (Family::Account(_), TokenForm::Account) => &[own],
            (Family::Account(_), TokenForm::User) => &[Family::User],
            (Family::Account(_), _) => &[own, Family::User],
        };
        for family in families {
            let answer = self.ask(exchange, *family, &parent.token, Counted::Owner(owner)).await;
            let Some(verified) = answer.map_err(|failed| told(&failed))? else {
                continue;
            };
            if verified.status != TokenStatus::Active {
                return Ok(Life::Dead(failure::inactive_parent(parent.name, Some(verified.status.as_str()))));
            }
            return spec::verified(verified).map(Life::Alive).ok_or_else(failure::unusable_answer);
        }
        Ok(Life::Dead(failure::inactive_parent(parent.name, None)))
    }

    /// The parents with their tokens. The first one must be there; a successor may not be there yet.
    fn line<'a>(&self, parents: &'a Parents) -> Result<Line<'a>, Failure> {
        let mut line = Line { usable: vec![self.parent(&parents.parent)?], unusable_next: None };
        if let Some(next) = parents.parent_next.as_deref().filter(|next| *next != parents.parent) {
            match self.parent(next) {
                Ok(parent) => line.usable.push(parent),
                Err(_) => line.unusable_next = Some(next),
            }
        }
        Ok(line)
    }

    fn parent<'a>(&self, name: &'a str) -> Result<Parent<'a>, Failure> {
        let read = || {
            if !is_parent_name(name) {
                return Err(NoParent::Name);
            }
            let secret = self.secrets.secret(name).ok_or(NoParent::Missing)?;
            // A line break at the end is what pasting leaves behind.
            let token: ApiToken = secret.expose().trim_ascii().parse().map_err(NoParent::Malformed)?;
            match token.form() {
                TokenForm::GlobalKey => Err(NoParent::OtherCredential("a global API key")),
                TokenForm::OAuth => Err(NoParent::OtherCredential("an OAuth token of wrangler's")),
                _ => Ok(token),
            }
        };
        read().map(|token| Parent { name, token }).map_err(|why| failure::no_parent(name, why))
    }
}

/// Whether a name is one that a parent's secret can have.
fn is_parent_name(name: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_uppercase() || byte.is_ascii_digit() || byte == b'_';
    name.len() <= MAX_SECRET_NAME_CHARS
        && name.strip_prefix(PREFIX).is_some_and(|rest| !rest.is_empty() && rest.bytes().all(plain))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_names_of_parents_are_ever_asked_for() {
        for name in [
            "",
            "BREVET_PEPPER",
            "CLOUDFLARE_",
            "cloudflare_api_token",
            "CLOUDFLARE_api",
            "CLOUDFLARE-API",
            "XCLOUDFLARE_API_TOKEN",
            "CLOUDFLARE_API_TOKEN\n",
            "CLOUDFLARE_API TOKEN",
        ] {
            assert!(!is_parent_name(name), "{name:?}");
        }
        assert!(is_parent_name("CLOUDFLARE_API_TOKEN_2"));
        assert!(!is_parent_name(&format!("CLOUDFLARE_{}", "A".repeat(MAX_SECRET_NAME_CHARS))));
    }
}
