//! A server on loopback that gives each request to a function: enough of HTTP/1.1 for one client.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};

use http::{Request, Response};

/// A server; it ends with the test.
pub(crate) struct Server {
    address: SocketAddr,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Server {
    /// Serves every request, one after the other. Without an answer the connection is closed.
    pub(crate) fn start(
        answer: impl Fn(Request<Vec<u8>>) -> Option<Response<Vec<u8>>> + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = listener.local_addr().expect("an address");
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let thread = thread::spawn(move || {
            for stream in listener.incoming() {
                if stopped.load(Ordering::SeqCst) {
                    return;
                }
                // A client that breaks off sees that itself.
                let _ = stream.and_then(|stream| exchange(stream, &answer));
            }
        });
        Self { address, stop, thread: Some(thread) }
    }

    /// Scheme, host and port.
    pub(crate) fn origin(&self) -> String {
        format!("http://{}", self.address)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::SeqCst);
        // Wakes the thread that waits for a connection.
        let _ = TcpStream::connect(self.address);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn exchange(
    stream: TcpStream,
    answer: &impl Fn(Request<Vec<u8>>) -> Option<Response<Vec<u8>>>,
) -> std::io::Result<()> {
    let mut reader = BufReader::new(stream.try_clone()?);
    let mut line = String::new();
    reader.read_line(&mut line)?;
    let mut words = line.split_whitespace();
    let (Some(method), Some(target)) = (words.next(), words.next()) else { return Ok(()) };
    let mut request = Request::builder().method(method).uri(target);
    let mut length = 0;
    loop {
        let mut line = String::new();
        reader.read_line(&mut line)?;
        let Some((name, value)) = line.trim_end().split_once(':') else { break };
        if name.eq_ignore_ascii_case("content-length") {
            length = value.trim().parse().expect("a length");
        }
        request = request.header(name, value.trim());
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body)?;
    let Some(answer) = answer(request.body(body).expect("a request")) else { return Ok(()) };
    let mut stream = stream;
    write!(stream, "HTTP/1.1 {}\r\nconnection: close\r\n", answer.status())?;
    for (name, value) in answer.headers() {
        if name != "content-length" && name != "connection" {
            write!(stream, "{name}: {}\r\n", value.to_str().expect("a header of text"))?;
        }
    }
    write!(stream, "content-length: {}\r\n\r\n", answer.body().len())?;
    stream.write_all(answer.body())
}
