//! The Worker's executor: a task for each call of the runtime, and a ticket for each thing that a task waits for.
//!
//! JavaScript's promises are not wrapped: that costs two closures, a finalizer and a turn of a queue for each wait, more than all of
//! Brevet's own work on a request. A task begins something under a ticket, and when JavaScript says how that ended, exactly the task that
//! holds the ticket goes on, in the same turn and so in the context of its own request. Besides, one task of an object may wake another of
//! the same object, which goes on when the one at work has stopped.

use std::cell::RefCell;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};

use super::cloudflare::look_again;
use super::glue;

type Work = Pin<Box<dyn Future<Output = ()>>>;

/// A task: the call that it is for, what is left to do, and what wakes it.
struct Task {
    call: u32,
    work: Work,
    waker: Waker,
}

/// Puts the task of this call among those that are to go on.
struct Alarm(u32);

impl Wake for Alarm {
    fn wake(self: Arc<Self>) {
        TASKS.with_borrow_mut(|tasks| tasks.woken.push(self.0));
    }
}

/// How something ended that was begun under a ticket.
#[derive(Debug)]
pub(crate) enum Settled {
    /// With a text, or without one where it failed.
    Text(Option<String>),
    /// Whether it was done.
    Done(bool),
    /// With a server's answer: the status, the headers in lines, the body; or 0 and the kind of failure.
    Answer(u16, String, Vec<u8>),
}

struct Ticket {
    number: u32,
    call: u32,
    settled: Option<Settled>,
}

/// Lists, not maps: as many entries as calls are under way, which are few.
#[derive(Default)]
struct Tasks {
    waiting: Vec<Task>,
    woken: Vec<u32>,
    tickets: Vec<Ticket>,
    last: u32,
    at_work: u32,
}

thread_local! {
    static TASKS: RefCell<Tasks> = RefCell::default();
}

/// Begins a task for a call; it answers the call itself.
pub(crate) fn start(call: u32, work: impl Future<Output = ()> + 'static) {
    go_on(Task { call, work: Box::pin(work), waker: Arc::new(Alarm(call)).into() });
}

fn go_on(task: Task) {
    look_again();
    let mut next = Some(task);
    while let Some(mut task) = next {
        TASKS.with_borrow_mut(|tasks| tasks.at_work = task.call);
        let state = task.work.as_mut().poll(&mut Context::from_waker(&task.waker));
        // A task that has ended is dropped here, outside the borrow: its tickets go with it.
        if state.is_pending() {
            TASKS.with_borrow_mut(|tasks| tasks.waiting.push(task));
        }
        next = woken();
    }
}

/// A task that was woken, by another or by itself. One that has ended since is passed over.
fn woken() -> Option<Task> {
    loop {
        let call = TASKS.with_borrow_mut(|tasks| tasks.woken.pop())?;
        if let Some(task) = taken(call) {
            return Some(task);
        }
    }
}

fn taken(call: u32) -> Option<Task> {
    TASKS.with_borrow_mut(|tasks| {
        let at = tasks.waiting.iter().position(|task| task.call == call)?;
        Some(tasks.waiting.swap_remove(at))
    })
}

/// Lets go of a task whose caller hung up.
pub(crate) fn forget(call: u32) {
    drop(taken(call));
}

/// Tells the task that holds this ticket how its thing ended. A ticket that nobody holds any more is passed over.
pub(crate) fn settle(number: u32, outcome: Settled) {
    let call = TASKS.with_borrow_mut(|tasks| {
        let ticket = tasks.tickets.iter_mut().find(|ticket| ticket.number == number)?;
        ticket.settled = Some(outcome);
        Some(ticket.call)
    });
    if let Some(task) = call.and_then(taken) {
        go_on(task);
    }
}

/// Waits for what is begun under a ticket.
struct Wait(u32);

impl Future for Wait {
    type Output = Settled;

    fn poll(self: Pin<&mut Self>, _context: &mut Context<'_>) -> Poll<Settled> {
        let settled = TASKS.with_borrow_mut(|tasks| {
            tasks.tickets.iter_mut().find(|ticket| ticket.number == self.0)?.settled.take()
        });
        settled.map_or(Poll::Pending, Poll::Ready)
    }
}

impl Drop for Wait {
    fn drop(&mut self) {
        TASKS.with_borrow_mut(|tasks| tasks.tickets.retain(|ticket| ticket.number != self.0));
    }
}

fn ticket() -> Wait {
    TASKS.with_borrow_mut(|tasks| {
        tasks.last = tasks.last.wrapping_add(1);
        tasks.tickets.push(Ticket { number: tasks.last, call: tasks.at_work, settled: None });
        Wait(tasks.last)
    })
}

/// Begins something and waits until it has ended.
pub(super) async fn ended(begin: impl FnOnce(u32)) -> Settled {
    let wait = ticket();
    begin(wait.0);
    wait.await
}

/// Begins something that ends with a text.
pub(super) async fn text(begin: impl FnOnce(u32)) -> Option<String> {
    match ended(begin).await {
        Settled::Text(text) => text,
        _ => None,
    }
}

/// Begins something that is done or not.
pub(super) async fn done(begin: impl FnOnce(u32)) -> bool {
    matches!(ended(begin).await, Settled::Done(true))
}

/// Answers a call with a text.
pub(crate) fn answer_text(call: u32, text: &str) {
    glue::tell(call, text);
}
