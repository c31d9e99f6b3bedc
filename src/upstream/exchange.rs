//! One call, sent as often as it may be and as its time allows.

use cloudflare_tokens::{ApiBase, ApiError, ApiToken, Call, Kind, MAX_ANSWER_BYTES, Repeat, WriteError};
use http::Method;

use super::circuits::{Circuits, Counted, MAX_BLOCK_MS};
use super::pace::{Budget, MAX_TRIES, SILENT_BLOCK_SECONDS, pause_ms};
use super::spec::SpecError;
use super::transport::{Transport, TransportError};

/// What kept a call from succeeding.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Trouble {
    /// What should be sent is not in Cloudflare's form.
    Spec(SpecError),
    /// The request could not be written.
    Unwritable(WriteError),
    /// The circuit is open, so nothing was sent.
    CircuitOpen,
    /// There is no time left for another call.
    OutOfTime,
    /// No whole answer came.
    Lost(TransportError),
    /// The answer is no success.
    Answered(ApiError),
}

impl Trouble {
    /// Whether this call surely changed nothing.
    fn surely_undone(&self) -> bool {
        match self {
            Self::Spec(_) | Self::Unwritable(_) | Self::CircuitOpen | Self::OutOfTime => true,
            Self::Lost(error) => *error == TransportError::NotSent,
            Self::Answered(error) => error.surely_refused(),
        }
    }

    /// Whether the call may be sent again, and that may help.
    fn repeatable(&self, repeat: Repeat) -> bool {
        match self {
            Self::Lost(TransportError::NotSent) => true,
            Self::Lost(TransportError::Timeout | TransportError::Reset) => repeat != Repeat::OnlyIfNotSent,
            Self::Answered(error) => repeat.allows(error),
            Self::Lost(TransportError::TooLarge)
            | Self::Spec(_)
            | Self::Unwritable(_)
            | Self::CircuitOpen
            | Self::OutOfTime => false,
        }
    }

    /// How long Cloudflare wants to be left alone, in seconds.
    fn told_wait(&self) -> Option<u32> {
        match self {
            Self::Answered(error) => error.retry_after(),
            _ => None,
        }
    }
}

/// A call that failed for good.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Failed {
    /// What its last try met.
    pub(super) trouble: Trouble,
    /// Whether a try may have changed something although none succeeded.
    pub(super) maybe_done: bool,
    /// Seconds after which another try makes sense.
    pub(super) retry_after: Option<u32>,
}

impl From<Trouble> for Failed {
    fn from(trouble: Trouble) -> Self {
        Self { trouble, maybe_done: false, retry_after: None }
    }
}

/// What all calls of an operation share.
pub(super) struct Exchange<'a, T> {
    pub(super) transport: &'a T,
    pub(super) base: &'a ApiBase,
    pub(super) circuits: &'a Circuits,
    pub(super) budget: Budget,
}

impl<T: Transport> Exchange<'_, T> {
    /// Sends the call until it succeeds, may not be repeated, or has no time left.
    pub(super) async fn call<C: Call>(
        &self,
        call: &C,
        token: &ApiToken,
        counted: Counted,
    ) -> Result<C::Output, Failed> {
        let mut maybe_done = false;
        let mut tries = 0;
        loop {
            let now = self.transport.now_ms();
            if let Some(left) = self.circuits.closes_in(counted, now) {
                let retry_after = Some(whole_seconds(left));
                return Err(Failed { trouble: Trouble::CircuitOpen, maybe_done, retry_after });
            }
            let Some(deadline) = self.budget.for_call(now, 0) else {
                return Err(Failed { trouble: Trouble::OutOfTime, maybe_done, retry_after: None });
            };
            let trouble = match self.once(call, token, deadline).await {
                Ok(output) => return Ok(output),
                Err(trouble) => trouble,
            };
            tries += 1;
            maybe_done |= call.method() != Method::GET && !trouble.surely_undone();
            match self.pause_after(&trouble, tries, call.repeat(), counted) {
                Ok(pause) => self.transport.sleep_ms(pause).await,
                Err(retry_after) => return Err(Failed { trouble, maybe_done, retry_after }),
            }
        }
    }

    async fn once<C: Call>(&self, call: &C, token: &ApiToken, deadline: u32) -> Result<C::Output, Trouble> {
        let request = call.request(self.base, token).map_err(Trouble::Unwritable)?;
        let sent = self.transport.send(request, deadline, MAX_ANSWER_BYTES).await;
        let answer = sent.map_err(Trouble::Lost)?;
        call.read(answer.status(), answer.headers(), answer.body()).map_err(Trouble::Answered)
    }

    /// How long to pause before the next try, or, where there is none, after how many seconds the
    /// caller may try. A rate limit opens the circuit for that long: this call waits for it to close,
    /// all others are told at once.
    fn pause_after(
        &self,
        trouble: &Trouble,
        tries: u32,
        repeat: Repeat,
        counted: Counted,
    ) -> Result<u32, Option<u32>> {
        let told = trouble.told_wait();
        let limited =
            matches!(trouble, Trouble::Answered(error) if matches!(error.kind(), Kind::RateLimited { .. }));
        let now = self.transport.now_ms();
        let jitter = pause_ms(tries, self.transport.random_u32());
        let told_ms = told.map(|seconds| seconds.saturating_mul(1_000).min(MAX_BLOCK_MS));
        let pause = told_ms.unwrap_or_default().saturating_add(jitter);
        if trouble.repeatable(repeat) && tries < MAX_TRIES && self.budget.for_call(now, pause).is_some() {
            if limited {
                self.circuits.open(counted, told_ms.unwrap_or(pause), now);
            }
            return Ok(pause);
        }
        if !limited {
            return Err(told_ms.map(whole_seconds));
        }
        let block = told_ms.unwrap_or(SILENT_BLOCK_SECONDS * 1_000);
        self.circuits.open(counted, block, now);
        Err(Some(whole_seconds(block)))
    }
}

/// Whole seconds, rounded up, at least one: to come back too early only makes a block longer.
fn whole_seconds(ms: u32) -> u32 {
    ms.div_ceil(1_000).max(1)
}
