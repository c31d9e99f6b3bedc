//! Which parent token a call is made with.

use brevet_core::cloudflare::{Failure, Parents, TokenOwner, Verified};
use brevet_core::id::TokenId;
use cloudflare_tokens::{ApiToken, Family, TokenForm, TokenStatus};

use super::circuits::Counted;
use super::exchange::{AnyCall, Exchange, Failed, Trouble};
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
    /// Why, and its id where Cloudflare still has it.
    Dead(Failure, Option<TokenId>),
}

impl<T: Transport, S: Secrets> Upstream<T, S> {
    /// Makes the call with the parent, and with its successor where Cloudflare says that it is dead.
    pub(super) async fn with_parents(
        &self,
        exchange: &Exchange<'_, T>,
        owner: TokenOwner,
        parents: &Parents,
        call: &mut dyn AnyCall,
    ) -> Result<(), Failure> {
        let mut line = self.line(parents)?;
        // A parent that was dead a moment ago goes last; it may be alive again.
        let now = self.transport.now_ms();
        if line.usable.first().is_some_and(|first| self.circuits.is_dead(first.name, now))
            && line.usable.last().is_some_and(|last| !self.circuits.is_dead(last.name, now))
        {
            line.usable.reverse();
        }
        let writes = call.changes();
        let mut maybe_done = false;
        let mut dead = Vec::new();
        let mut last = None;
        for parent in &line.usable {
            let scene = Scene { owner, credential: Credential::Parent(parent.name), writes };
            let mut failed = match exchange.call(call, &parent.token, Counted::Owner(owner)).await {
                Ok(()) => return Ok(()),
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
                Life::Dead(told, _) => {
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

    /// The ids of the parents, as far as Cloudflare knows them.
    pub(super) async fn parent_ids(
        &self,
        exchange: &Exchange<'_, T>,
        owner: TokenOwner,
        parents: &Parents,
    ) -> Result<Vec<TokenId>, Failure> {
        let line = self.line(parents)?;
        let mut ids = Vec::new();
        for parent in &line.usable {
            match self.life(exchange, owner, parent).await? {
                Life::Alive(Verified { id, .. }) | Life::Dead(_, Some(id)) => ids.push(id),
                Life::Dead(_, None) => {}
            }
        }
        Ok(ids)
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
                matches!(self.life(exchange, owner, parent).await, Ok(Life::Dead(..)))
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
        let own = spec::family(owner);
        // A user-owned token with the right group may make an account's tokens, but is verified as the
        // user's.
        let (own_first, user_too) = match (owner, parent.token.form()) {
            (TokenOwner::User(_), TokenForm::Account) => {
                return Ok(Life::Dead(failure::wrong_family(&scene), None));
            }
            (TokenOwner::User(_), _) | (TokenOwner::Account(_), TokenForm::Account) => (true, false),
            (TokenOwner::Account(_), TokenForm::User) => (false, true),
            (TokenOwner::Account(_), _) => (true, true),
        };
        let counted = Counted::Owner(owner);
        let mut known = None;
        for (wanted, family) in [(own_first, own), (user_too, Ok(Family::User))] {
            if wanted && known.is_none() {
                known = self.ask(exchange, family, &parent.token, counted, &scene).await?;
            }
        }
        Ok(match known {
            Some(verified) if verified.status == TokenStatus::Active.as_str() => Life::Alive(verified),
            other => {
                let status = other.as_ref().map(|verified| verified.status.as_str());
                let id = other.as_ref().map(|verified| verified.id);
                Life::Dead(failure::inactive_parent(parent.name, status), id)
            }
        })
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
