//! What a scripted Cloudflare does with a call, and where the call can be held.

use std::cell::Cell;
use std::future::poll_fn;
use std::rc::Rc;
use std::task::Poll;

use brevet_core::cloudflare::{Failure, FailureKind};

/// The kinds of calls.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verb {
    Create,
    Update,
    Roll,
    Delete,
    Read,
    Find,
    List,
    Check,
    Groups,
    Verify,
}

/// What becomes of a call.
#[derive(Clone, Debug)]
pub(crate) enum Script {
    /// It is carried out and answered.
    Work,
    /// It is refused; nothing is done.
    Refuse(FailureKind),
    /// It is carried out, and the answer is lost.
    LoseAnswer,
    /// It is lost on its way; nobody knows.
    LoseCall,
    /// Its answer is lost, and it is carried out when [`ScriptedCloudflare::carry_out_adrift`] says so.
    Late,
}

/// Where a call can be held.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stage {
    /// It arrived; nothing is done yet.
    BeforeWork,
    /// It is done; the answer is not out yet.
    BeforeAnswer,
}

/// A place where a call waits until it is released.
#[derive(Clone, Debug)]
pub(crate) struct Barrier {
    pub(crate) verb: Verb,
    pub(crate) stage: Stage,
    reached: Rc<Cell<bool>>,
    open: Rc<Cell<bool>>,
}

impl Barrier {
    pub(super) fn new(verb: Verb, stage: Stage) -> Self {
        Self { verb, stage, reached: Rc::default(), open: Rc::default() }
    }

    pub(crate) fn is_reached(&self) -> bool {
        self.reached.get()
    }

    /// Waits until it is released.
    pub(super) async fn pass(&self) {
        self.reached.set(true);
        poll_fn(|_| if self.open.get() { Poll::Ready(()) } else { Poll::Pending }).await;
    }

    pub(crate) fn release(&self) {
        self.open.set(true);
    }
}

/// A failure of a kind, as an adapter would word it.
pub(crate) fn failure(kind: FailureKind) -> Failure {
    Failure::new(kind, format!("Scripted: {kind:?}."), "Change the script.".to_owned())
}
