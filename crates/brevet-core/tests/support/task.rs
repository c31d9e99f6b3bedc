//! Futures polled by hand, so that a test decides what happens between two waits.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};

/// A future under way. Dropping it is what the runtime does to an object that dies.
pub(crate) struct Task<T> {
    future: Option<Pin<Box<dyn Future<Output = T>>>>,
    output: Option<T>,
}

impl<T> Task<T> {
    /// Starts a future and runs it to its first wait.
    pub(crate) fn start(future: impl Future<Output = T> + 'static) -> Self {
        let mut task = Self { future: Some(Box::pin(future)), output: None };
        task.go_on();
        task
    }

    /// Runs it to its next wait, and tells whether it has ended.
    pub(crate) fn go_on(&mut self) -> bool {
        if let Some(future) = &mut self.future
            && let Poll::Ready(output) = future.as_mut().poll(&mut Context::from_waker(Waker::noop()))
        {
            self.output = Some(output);
            self.future = None;
        }
        self.future.is_none()
    }

    pub(crate) fn is_waiting(&self) -> bool {
        self.future.is_some()
    }

    /// Runs it to its end, which must come without anybody's help.
    #[track_caller]
    pub(crate) fn end(mut self) -> T {
        assert!(self.go_on(), "it still waits");
        self.output.take().unwrap()
    }

    pub(crate) fn take_output(&mut self) -> Option<T> {
        self.output.take()
    }
}
