//! The stand-in on a socket: real delays, real barriers, real broken connections.

use std::fmt;
use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Duration, UNIX_EPOCH};

use http::{HeaderValue, Request, Response, header};
use http_body_util::{BodyExt as _, LengthLimitError, Limited};
use hyper::body::{Body, Bytes, Frame, Incoming, SizeHint};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;
use tokio::time::{Sleep, sleep, timeout};

use crate::envelope::json_answer;
use crate::fake::{Fake, Outcome, Peer, Reply};
use crate::fault::Ticket;

/// Largest body of a request, in bytes; Cloudflare takes more, but nothing here needs it.
const BODY_MAX: usize = 16 * 1024 * 1024;
/// How long connections may finish once the server is told to stop.
const GRACE: Duration = Duration::from_secs(2);
/// How long a wait for a barrier lasts where the caller names no time.
const WAIT: Duration = Duration::from_secs(10);
/// Longest wait for a barrier.
const WAIT_MAX: Duration = Duration::from_secs(120);
/// How long a head of a request may take to arrive.
const HEAD_MAX: Duration = Duration::from_secs(30);
/// How long what was sent of a cut answer gets to reach the peer before the connection ends.
const FLUSH: Duration = Duration::from_millis(20);
/// How long to pause after a failed accept (no file descriptors left), so as not to spin.
const ACCEPT_PAUSE: Duration = Duration::from_millis(20);

/// Why the stand-in does not serve.
#[derive(Debug)]
pub enum ServeError {
    /// The address is taken or cannot be bound.
    Bind {
        /// Which.
        address: SocketAddr,
        /// Why.
        cause: io::Error,
    },
}

impl fmt::Display for ServeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Bind { address, cause } if cause.kind() == io::ErrorKind::AddrInUse => {
                write!(f, "{address} is in use; choose another --port, or 0 for any free one")
            }
            Self::Bind { address, .. } => write!(f, "cannot listen on {address}"),
        }
    }
}

impl std::error::Error for ServeError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Bind { cause, .. } => Some(cause),
        }
    }
}

/// A server that is bound and waits to run.
#[derive(Debug)]
pub struct Served {
    listener: TcpListener,
    address: SocketAddr,
    fake: Fake,
}

/// Unix seconds by the machine's clock.
#[must_use]
pub fn unix_now() -> i64 {
    #[expect(
        clippy::disallowed_methods,
        reason = "this program runs natively and its core takes time as an argument"
    )]
    let now = std::time::SystemTime::now();
    now.duration_since(UNIX_EPOCH).ok().and_then(|since| i64::try_from(since.as_secs()).ok()).unwrap_or(0)
}

/// Binds the stand-in to an address; port 0 is any free one.
///
/// # Errors
/// The address cannot be bound.
pub async fn serve(fake: Fake, address: SocketAddr) -> Result<Served, ServeError> {
    let fault = |cause| ServeError::Bind { address, cause };
    let listener = TcpListener::bind(address).await.map_err(fault)?;
    let address = listener.local_addr().map_err(fault)?;
    Ok(Served { listener, address, fake })
}

impl Served {
    /// Where it listens.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Serves until `stop` ends, then lets connections finish for two seconds.
    pub async fn run_until(self, stop: impl Future<Output = ()>) {
        let changes = Arc::new(Notify::new());
        let told = Arc::clone(&changes);
        self.fake.on_change(move || told.notify_waiters());
        let graceful = GracefulShutdown::new();
        let mut stop = std::pin::pin!(stop);
        loop {
            let accepted = tokio::select! {
                accepted = self.listener.accept() => accepted,
                () = &mut stop => break,
            };
            let Ok((stream, peer)) = accepted else {
                sleep(ACCEPT_PAUSE).await;
                continue;
            };
            connect(stream, peer, Desk { fake: self.fake.clone(), changes: Arc::clone(&changes) }, &graceful);
        }
        drop(self.listener);
        // Whoever still waits at a barrier is cut off with the rest.
        let _late = timeout(GRACE, graceful.shutdown()).await;
    }
}

/// Serves one connection in a task of its own.
fn connect(stream: TcpStream, peer: SocketAddr, desk: Desk, graceful: &GracefulShutdown) {
    // Small answers must not wait for the peer's acknowledgement; a socket that refuses is only slower.
    let _slower = stream.set_nodelay(true);
    let handle = duplicate(&stream);
    let handle = Arc::new(handle);
    let service = service_fn(move |request| {
        let (desk, handle) = (desk.clone(), Arc::clone(&handle));
        async move { desk.answer(request, peer, handle.as_ref().as_ref()).await }
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_MAX)
        .serve_connection(TokioIo::new(stream), service);
    let watched = graceful.watch(connection);
    tokio::spawn(async move {
        // A broken connection is what the faults are for; there is nobody to tell.
        let _broken = watched.await;
    });
}

/// A second handle on the socket, to set how it ends.
fn duplicate(stream: &TcpStream) -> Option<socket2::Socket> {
    socket2::SockRef::from(stream).try_clone().ok()
}

/// Ends a connection without an answer.
#[derive(Debug)]
struct Hangup;

impl fmt::Display for Hangup {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the stand-in ends the connection on purpose")
    }
}

impl std::error::Error for Hangup {}

#[derive(Clone)]
struct Desk {
    fake: Fake,
    changes: Arc<Notify>,
}

impl Desk {
    async fn answer(
        &self,
        request: Request<Incoming>,
        peer: SocketAddr,
        socket: Option<&socket2::Socket>,
    ) -> Result<Response<Paced>, Hangup> {
        if let Some(wait) = Wait::of(&request) {
            return Ok(Paced::whole(self.wait_for(wait).await));
        }
        let (head, body) = request.into_parts();
        let body = match Limited::new(body, BODY_MAX).collect().await {
            Ok(body) => body.to_bytes().to_vec(),
            Err(error) if error.is::<LengthLimitError>() => {
                let message = serde_json::json!({ "error": "the body is larger than 16 MiB" });
                return Ok(Paced::whole(json_answer(413, &message)));
            }
            Err(_) => return Err(Hangup),
        };
        let mut request = Request::from_parts(head, body);
        request.extensions_mut().insert(Peer(peer.ip()));
        let arrival = self.fake.arrive(&request);
        pause(arrival.delay_ms).await;
        self.wait_at(arrival.hold).await;
        let before = self.fake.violations().len();
        let outcome = self.fake.finish(request, arrival, unix_now());
        self.cry_out(before);
        pause(outcome.delay_ms).await;
        self.wait_at(outcome.hold).await;
        Self::send(outcome, socket)
    }

    fn send(outcome: Outcome, socket: Option<&socket2::Socket>) -> Result<Response<Paced>, Hangup> {
        match outcome.reply {
            Reply::Answer(answer) => {
                let (head, body) = answer.into_parts();
                Ok(Response::from_parts(head, Paced::late(body, outcome.body_delay_ms)))
            }
            Reply::Truncated { answer, bytes } => {
                let (head, body) = answer.into_parts();
                let mut answer = Response::from_parts(head, Paced::cut(&body, bytes));
                answer.headers_mut().insert(header::CONTENT_LENGTH, HeaderValue::from(body.len()));
                Ok(answer)
            }
            Reply::DropConnection => Err(Hangup),
            Reply::ResetConnection => {
                // Without lingering, closing sends a reset instead of a polite end.
                let _polite = socket.map(|socket| socket.set_linger(Some(Duration::ZERO)));
                Err(Hangup)
            }
        }
    }

    /// A violation is told at once and loudly.
    #[expect(clippy::print_stderr, reason = "a run that leaked a secret must say so where somebody looks")]
    fn cry_out(&self, before: usize) {
        for violation in self.fake.violations().iter().skip(before) {
            eprintln!(
                "VIOLATION: {} (in the {} of {} {})",
                violation.what, violation.place, violation.method, violation.path
            );
        }
    }

    /// Waits at a barrier; whoever goes away meanwhile gives its place up.
    async fn wait_at(&self, ticket: Option<Ticket>) {
        let Some(ticket) = ticket else { return };
        let _seat = Seat { fake: &self.fake, ticket };
        self.until(|fake| !fake.is_held(ticket)).await;
    }

    async fn until(&self, done: impl Fn(&Fake) -> bool) {
        loop {
            let mut change = std::pin::pin!(self.changes.notified());
            change.as_mut().enable();
            if done(&self.fake) {
                return;
            }
            change.await;
        }
    }

    /// Waits until so many calls are held, or the time is over.
    async fn wait_for(&self, wait: Wait) -> Response<Vec<u8>> {
        let enough = |fake: &Fake| fake.held(wait.barrier).is_none_or(|held| held >= wait.held);
        let met = timeout(wait.time, self.until(enough)).await.is_ok();
        match self.fake.held(wait.barrier) {
            None => json_answer(
                404,
                &serde_json::json!({ "error": format!("there is no barrier {}", wait.barrier) }),
            ),
            Some(held) if met => json_answer(200, &serde_json::json!({ "held": held })),
            Some(held) => json_answer(
                408,
                &serde_json::json!({ "error": "too few calls were held in time", "held": held }),
            ),
        }
    }
}

/// Gives a place at a barrier up when dropped.
struct Seat<'a> {
    fake: &'a Fake,
    ticket: Ticket,
}

impl Drop for Seat<'_> {
    fn drop(&mut self) {
        self.fake.leave(self.ticket);
    }
}

async fn pause(ms: u64) {
    if ms > 0 {
        sleep(Duration::from_millis(ms)).await;
    }
}

/// `GET /__admin/barriers/{number}?held=N&timeout_ms=M`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Wait {
    barrier: u64,
    held: usize,
    time: Duration,
}

impl Wait {
    fn of<B>(request: &Request<B>) -> Option<Self> {
        let barrier = request.uri().path().strip_prefix("/__admin/barriers/")?.parse().ok()?;
        if request.method() != http::Method::GET {
            return None;
        }
        let mut wait = Self { barrier, held: 0, time: WAIT };
        for (name, value) in form_urlencoded::parse(request.uri().query()?.as_bytes()) {
            match name.as_ref() {
                "held" => wait.held = value.parse().ok()?,
                "timeout_ms" => wait.time = Duration::from_millis(value.parse().ok()?).min(WAIT_MAX),
                _ => {}
            }
        }
        Some(wait)
    }
}

/// A body that comes whole, late, or not to its end.
struct Paced {
    rest: Option<Bytes>,
    late: Option<Pin<Box<Sleep>>>,
    missing: usize,
}

impl Paced {
    fn whole(answer: Response<Vec<u8>>) -> Response<Self> {
        answer.map(|body| Self::late(body, 0))
    }

    fn late(body: Vec<u8>, ms: u64) -> Self {
        let late = (ms > 0).then(|| Box::pin(sleep(Duration::from_millis(ms))));
        Self { rest: (!body.is_empty()).then(|| Bytes::from(body)), late, missing: 0 }
    }

    fn cut(body: &[u8], bytes: usize) -> Self {
        let sent = body.get(..bytes).unwrap_or(body);
        let missing = body.len().saturating_sub(sent.len());
        let rest = (!sent.is_empty()).then(|| Bytes::copy_from_slice(sent));
        Self { late: rest.is_none().then(flush), rest, missing }
    }
}

/// A pause in which what was written so far reaches the socket.
fn flush() -> Pin<Box<Sleep>> {
    Box::pin(sleep(FLUSH))
}

impl Body for Paced {
    type Data = Bytes;
    type Error = Hangup;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Hangup>>> {
        if let Some(late) = self.late.as_mut() {
            std::task::ready!(late.as_mut().poll(context));
            self.late = None;
        }
        match self.rest.take() {
            Some(bytes) => {
                self.late = (self.missing > 0).then(flush);
                Poll::Ready(Some(Ok(Frame::data(bytes))))
            }
            None if self.missing > 0 => Poll::Ready(Some(Err(Hangup))),
            None => Poll::Ready(None),
        }
    }

    fn size_hint(&self) -> SizeHint {
        let rest = self.rest.as_ref().map_or(0, Bytes::len).saturating_add(self.missing);
        u64::try_from(rest).map_or_else(|_| SizeHint::default(), SizeHint::with_exact)
    }
}
