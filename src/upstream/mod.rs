//! The adapter behind the domain's port to Cloudflare.
//!
//! **Owns:** which parent token a call is made with, how long it may take, when it is sent again, when
//! it is not sent at all because Cloudflare is limiting us, and in which words a failure is told.
//!
//! **Does not own:** how a request looks and what an answer means (the client crate does), who may ask
//! for what (the domain does), and what is done about an uncertain outcome (the ledger does).
//!
//! The promises, each with a test of its own:
//! - A call has a deadline and so has an operation with all its calls: it always ends.
//! - A redirect is a failure. The parent token goes to the API base and nowhere else.
//! - A read is repeated after 429, 5xx and network errors, with exponential backoff and full jitter,
//!   not before `retry-after`, and not beyond the deadline.
//! - A create is repeated only when it surely did not happen. Otherwise it is *uncertain*.
//! - A roll, an update and a delete may be repeated: only the last one counts.
//! - While Cloudflare limits an owner's calls, the circuit is open: none is sent, and callers are told
//!   at once until when.
//! - No more calls are sent than Cloudflare takes in five minutes, and some of them are kept for deletes.
//! - `parent_next` takes over only when Cloudflare says that the first is dead.
//! - A failure is one clear sentence with what to do next, and holds no secret.

mod allowance;
mod base;
mod circuits;
mod exchange;
mod failure;
mod listing;
mod pace;
mod parents;
mod spec;
mod transport;

use brevet_core::cloudflare::{
    Allowance, Cloudflare, Failure, FailureKind, Minted, Parents, TokenOwner, TokenSpec, TokenView, Verified,
};
use brevet_core::id::TokenId;
use brevet_core::secret::Secret;
use cloudflare_tokens::{
    ApiBase, ApiToken, Call, CreateToken, DeleteToken, Family, GetToken, ListPermissionGroups, RollToken,
    UpdateToken, VerifyToken,
};
use serde_json::Value;

pub use allowance::{CALLS, KEPT_FOR_DELETES, WINDOW_MS};
pub use base::{BaseRefusal, api_base};
pub use circuits::{Circuits, DEAD_PARENT_MS, MAX_BLOCK_MS};
pub use listing::{MAX_PAGES, MAX_PASSES};
pub use pace::{
    CALL_DEADLINE_MS, MAX_TRIES, OPERATION_DEADLINE_MS, SHORTEST_CALL_MS, SILENT_BLOCK_SECONDS,
    TIMER_SLACK_MS,
};
pub use parents::MAX_SECRET_NAME_CHARS;
pub use spec::SpecError;
pub use transport::{Secrets, Transport, TransportError};

use circuits::Counted;
use exchange::{AnyCall, Asking, Exchange};
use failure::{Credential, Scene};
use pace::Budget;

/// Cloudflare, behind a transport. Made anew for each request; what must outlive it is in [`Circuits`].
#[derive(Debug)]
pub struct Upstream<T, S> {
    base: ApiBase,
    transport: T,
    secrets: S,
    circuits: Circuits,
}

impl<T: Transport, S: Secrets> Upstream<T, S> {
    /// The API at `base` (see [`api_base`]), with what this isolate or object remembers of it.
    pub fn new(base: ApiBase, transport: T, secrets: S, circuits: Circuits) -> Self {
        Self { base, transport, secrets, circuits }
    }

    /// An operation that begins now: its calls share one deadline.
    fn begin(&self) -> Exchange<'_, T> {
        Exchange {
            transport: &self.transport,
            base: &self.base,
            circuits: &self.circuits,
            budget: Budget::from(self.transport.now_ms()),
        }
    }

    /// One call as an operation of its own, with the parent token.
    async fn parent_call<C: Call>(
        &self,
        owner: TokenOwner,
        parents: &Parents,
        call: Result<C, SpecError>,
    ) -> Result<C::Output, Failure> {
        let mut asking = Asking::new(call);
        self.send(owner, parents, &mut asking).await?;
        asking.output()
    }

    async fn send(
        &self,
        owner: TokenOwner,
        parents: &Parents,
        call: &mut dyn AnyCall,
    ) -> Result<(), Failure> {
        self.with_parents(&self.begin(), owner, parents, call).await
    }

    /// What Cloudflare says of the token that makes the call; `None` where it does not know it in this
    /// family. A value that it finds odd in another way is not known either.
    async fn ask(
        &self,
        exchange: &Exchange<'_, T>,
        family: Result<Family, SpecError>,
        token: &ApiToken,
        counted: Counted,
        scene: &Scene<'_>,
    ) -> Result<Option<Verified>, Failure> {
        let mut asking = Asking::new(family.map(|family| VerifyToken { family }));
        match exchange.call(&mut asking, token, counted).await {
            Ok(()) => {
                let verified = spec::verified(asking.output()?);
                verified.map(Some).ok_or_else(failure::unusable_answer)
            }
            Err(failed) if failed.says_unknown() => Ok(None),
            Err(failed) => Err(failure::of_call(scene, &failed)),
        }
    }
}

impl<T: Transport, S: Secrets> Cloudflare for Upstream<T, S> {
    async fn create(
        &self,
        owner: TokenOwner,
        parents: &Parents,
        spec: &TokenSpec,
    ) -> Result<Minted, Failure> {
        let call = || Ok(CreateToken { family: spec::family(owner)?, token: spec::new_token(spec)? });
        let made = self.parent_call(owner, parents, call()).await?;
        let view = spec::view(made.token).ok_or_else(failure::unusable_answer)?;
        Ok(Minted { view, value: domain_secret(&made.value) })
    }

    async fn update(
        &self,
        owner: TokenOwner,
        parents: &Parents,
        token: TokenId,
        spec: &TokenSpec,
    ) -> Result<TokenView, Failure> {
        let call = || {
            let (family, id) = (spec::family(owner)?, spec::token_id(token)?);
            Ok(UpdateToken { family, id, token: spec::token_update(spec)? })
        };
        let token = self.parent_call(owner, parents, call()).await?;
        spec::view(token).ok_or_else(failure::unusable_answer)
    }

    async fn roll(&self, owner: TokenOwner, parents: &Parents, token: TokenId) -> Result<Secret, Failure> {
        let call = || Ok(RollToken { family: spec::family(owner)?, id: spec::token_id(token)? });
        let value = self.parent_call(owner, parents, call()).await?;
        Ok(domain_secret(&value))
    }

    async fn delete(&self, owner: TokenOwner, parents: &Parents, token: TokenId) -> Result<(), Failure> {
        let call = || Ok(DeleteToken { family: spec::family(owner)?, id: spec::token_id(token)? });
        self.parent_call(owner, parents, call()).await.map(|_deleted| ())
    }

    async fn read(
        &self,
        owner: TokenOwner,
        parents: &Parents,
        token: TokenId,
    ) -> Result<Option<TokenView>, Failure> {
        let call = || Ok(GetToken { family: spec::family(owner)?, id: spec::token_id(token)? });
        match self.parent_call(owner, parents, call()).await {
            Ok(token) => spec::view(token).map(Some).ok_or_else(failure::unusable_answer),
            Err(failure) if failure.kind == FailureKind::NotFound => Ok(None),
            Err(failure) => Err(failure),
        }
    }

    async fn find_by_name(
        &self,
        owner: TokenOwner,
        parents: &Parents,
        name: &str,
    ) -> Result<Vec<TokenId>, Failure> {
        self.find(owner, parents, name).await
    }

    async fn list(&self, owner: TokenOwner, parents: &Parents) -> Result<Vec<TokenView>, Failure> {
        self.all(owner, parents).await
    }

    async fn check_parents(
        &self,
        owner: TokenOwner,
        parents: &Parents,
    ) -> Result<(String, Verified), Failure> {
        self.check(owner, parents).await
    }

    async fn permission_groups(&self, owner: TokenOwner, parents: &Parents) -> Result<Value, Failure> {
        let call = || Ok(ListPermissionGroups { family: spec::family(owner)?, name: None, scope: None });
        self.parent_call(owner, parents, call()).await.map(spec::groups_json)
    }

    fn allowance(&self, owner: TokenOwner) -> Allowance {
        self.circuits.allowance(owner, self.transport.now_ms())
    }

    async fn verify(&self, owner: TokenOwner, value: &Secret) -> Result<Option<Verified>, Failure> {
        // What cannot be a token is not sent: it is unknown to Cloudflare for sure.
        let Ok(token) = value.expose().parse::<ApiToken>() else {
            return Ok(None);
        };
        let counted = Counted::Presented(value.digest());
        let scene = Scene { owner, credential: Credential::Presented, writes: false };
        self.ask(&self.begin(), spec::family(owner), &token, counted, &scene).await
    }
}

fn domain_secret(value: &ApiToken) -> Secret {
    Secret::new(value.expose().to_owned())
}
