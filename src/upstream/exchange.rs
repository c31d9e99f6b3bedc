//! One call, sent as often as it may be and as its time allows.

use cloudflare_tokens::{
    AccessMeaning, Answer, ApiBase, ApiError, ApiToken, Call, Kind, MAX_ANSWER_BYTES, Method, Repeat,
    Request, WriteError,
};

use brevet_core::cloudflare::Failure;

use super::circuits::{Circuits, Counted, MAX_BLOCK_MS};
use super::failure;
use super::pace::{Budget, MAX_TRIES, SILENT_BLOCK_SECONDS, TIMER_SLACK_MS, pause_ms};
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

impl Failed {
    /// Whether this answer to a verify means that there is no such live token in the family. An address
    /// that is refused says nothing of the kind.
    pub(super) fn says_unknown(&self) -> bool {
        match &self.trouble {
            Trouble::Answered(error) => match error {
                ApiError::AccessDenied { meaning, .. } => *meaning != AccessMeaning::Address,
                ApiError::InvalidToken(_)
                | ApiError::MalformedAuthorization(_)
                | ApiError::AuthenticationFailed(_)
                | ApiError::AuthenticationError(_)
                | ApiError::MissingCredentials(_) => true,
                _ => false,
            },
            _ => false,
        }
    }
}

impl From<Trouble> for Failed {
    fn from(trouble: Trouble) -> Self {
        Self { trouble, maybe_done: false, retry_after: None }
    }
}

/// A call of any kind. Behind this the loop that sends it is compiled once and not for each kind.
pub(super) trait AnyCall {
    /// Whether it changes something.
    fn changes(&self) -> bool;
    /// Whether it deletes a token: some of what Cloudflare allows is kept for that.
    fn deletes(&self) -> bool;
    /// When it may be sent again.
    fn repeat(&self) -> Repeat;
    /// The request, or why there is none.
    fn request(&self, base: &ApiBase, token: &ApiToken) -> Result<Request, Trouble>;
    /// Reads the answer and keeps what it holds.
    fn take(&mut self, answer: &Answer) -> Result<(), Trouble>;
}

/// A call, or why it cannot be made, and what its answer holds once it has come.
pub(super) struct Asking<C: Call> {
    call: Result<C, SpecError>,
    output: Option<C::Output>,
}

impl<C: Call> Asking<C> {
    pub(super) fn new(call: Result<C, SpecError>) -> Self {
        Self { call, output: None }
    }

    fn call(&self) -> Result<&C, Trouble> {
        self.call.as_ref().map_err(|error| Trouble::Spec(*error))
    }

    /// What the answer holds; there after the call has succeeded.
    pub(super) fn output(self) -> Result<C::Output, Failure> {
        self.output.ok_or_else(failure::unusable_answer)
    }
}

impl<C: Call> AnyCall for Asking<C> {
    fn changes(&self) -> bool {
        self.call().is_ok_and(|call| call.method() != Method::Get)
    }

    fn deletes(&self) -> bool {
        self.call().is_ok_and(|call| call.method() == Method::Delete)
    }

    fn repeat(&self) -> Repeat {
        self.call().map_or(Repeat::OnlyIfNotSent, Call::repeat)
    }

    fn request(&self, base: &ApiBase, token: &ApiToken) -> Result<Request, Trouble> {
        self.call()?.request(base, token).map_err(Trouble::Unwritable)
    }

    fn take(&mut self, answer: &Answer) -> Result<(), Trouble> {
        let read = self.call()?.read(answer.status, &answer.headers, &answer.body);
        self.output = Some(read.map_err(Trouble::Answered)?);
        Ok(())
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
    pub(super) async fn call(
        &self,
        call: &mut dyn AnyCall,
        token: &ApiToken,
        counted: Counted,
    ) -> Result<(), Failed> {
        let mut maybe_done = false;
        let mut tries = 0;
        loop {
            let now = self.transport.now_ms();
            if let Some(left) = self.circuits.closed_for(counted, call.deletes(), now) {
                let retry_after = Some(whole_seconds(left));
                return Err(Failed { trouble: Trouble::CircuitOpen, maybe_done, retry_after });
            }
            let Some(deadline) = self.budget.for_call(now, 0) else {
                return Err(Failed { trouble: Trouble::OutOfTime, maybe_done, retry_after: None });
            };
            self.circuits.count(counted, now);
            let trouble = match self.once(call, token, deadline).await {
                Ok(()) => return Ok(()),
                Err(trouble) => trouble,
            };
            tries += 1;
            maybe_done |= call.changes() && !trouble.surely_undone();
            match self.pause_after(&trouble, tries, call.repeat(), counted) {
                Ok(pause) => self.transport.sleep_ms(pause).await,
                Err(retry_after) => return Err(Failed { trouble, maybe_done, retry_after }),
            }
        }
    }

    async fn once(&self, call: &mut dyn AnyCall, token: &ApiToken, deadline: u32) -> Result<(), Trouble> {
        let request = call.request(self.base, token)?;
        let sent = self.transport.send(request, deadline, MAX_ANSWER_BYTES).await;
        let answer = sent.map_err(Trouble::Lost)?;
        call.take(&answer)
    }

    /// How long to pause before the next try, or, where there is none, after how many seconds the
    /// caller may try. A rate limit opens the circuit for that long: this call waits for it to close,
    /// all others are told at once, those too that were under way and met the limit themselves. So a
    /// storm of calls is followed by one and not by another storm.
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
        let closed = told_ms.unwrap_or_default().saturating_add(jitter);
        let pause = if limited { closed.saturating_add(TIMER_SLACK_MS) } else { closed };
        if let Some(left) = self.circuits.closes_in(counted, now).filter(|_| limited) {
            return Err(Some(whole_seconds(told_ms.unwrap_or(left).max(left))));
        }
        if trouble.repeatable(repeat) && tries < MAX_TRIES && self.budget.for_call(now, pause).is_some() {
            if limited {
                self.circuits.open(counted, told_ms.unwrap_or(closed), now);
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
