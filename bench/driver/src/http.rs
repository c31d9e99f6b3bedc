//! As much of HTTP/1.1 as a client and a server of our own need: messages with a length or in chunks, connections that
//! stay open.

use std::io::{self, Read as _};
use std::net::TcpStream;

/// More than any message of the benchmark has; what is longer is no message of ours.
const LONGEST: usize = 4 << 20;

/// The size of one read.
const READ_BYTES: usize = 16 << 10;

/// A connection, and what has been read of it and not yet taken.
#[derive(Debug)]
pub(crate) struct Connection {
    pub(crate) stream: TcpStream,
    buffer: Vec<u8>,
}

/// A message: its head without the empty line, and its body.
#[derive(Debug)]
pub(crate) struct Message {
    pub(crate) head: Vec<u8>,
    pub(crate) body: Vec<u8>,
}

impl Message {
    /// The first line's word at this place.
    pub(crate) fn word(&self, at: usize) -> &str {
        let line = self.head.split(|byte| *byte == b'\r').next().unwrap_or_default();
        std::str::from_utf8(line).unwrap_or_default().split(' ').nth(at).unwrap_or_default()
    }

    /// A header's value.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        header(&self.head, name)
    }
}

fn header<'a>(head: &'a [u8], name: &str) -> Option<&'a str> {
    head.split(|byte| *byte == b'\n').skip(1).find_map(|line| {
        let at = line.iter().position(|byte| *byte == b':')?;
        let (key, value) = line.split_at(at);
        let value = value.get(1..)?;
        key.eq_ignore_ascii_case(name.as_bytes())
            .then(|| std::str::from_utf8(value).unwrap_or_default().trim())
    })
}

/// Where one text begins in another.
fn find(text: &[u8], wanted: &[u8]) -> Option<usize> {
    text.windows(wanted.len()).position(|window| window == wanted)
}

impl Connection {
    /// A connection whose writes leave at once.
    pub(crate) fn new(stream: TcpStream) -> io::Result<Self> {
        stream.set_nodelay(true)?;
        Ok(Self { stream, buffer: Vec::with_capacity(READ_BYTES) })
    }

    /// The next message; none where the other side has closed between two.
    ///
    /// # Errors
    /// The connection's, and that of a message which is too long or breaks off.
    pub(crate) fn message(&mut self) -> io::Result<Option<Message>> {
        let end = loop {
            if let Some(at) = find(&self.buffer, b"\r\n\r\n") {
                break at;
            }
            if !self.more()? {
                if self.buffer.is_empty() {
                    return Ok(None);
                }
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        };
        let head: Vec<u8> = self.take(end);
        self.take(4);
        let chunked = header(&head, "transfer-encoding").is_some_and(|value| value.contains("chunked"));
        let body = if chunked {
            self.chunks()?
        } else {
            let length = header(&head, "content-length").and_then(|value| value.parse().ok()).unwrap_or(0);
            self.exactly(length)?
        };
        Ok(Some(Message { head, body }))
    }

    fn chunks(&mut self) -> io::Result<Vec<u8>> {
        let mut body = Vec::new();
        loop {
            let at = loop {
                if let Some(at) = find(&self.buffer, b"\r\n") {
                    break at;
                }
                self.must_more()?;
            };
            let line = self.take(at);
            self.take(2);
            let text = String::from_utf8_lossy(&line);
            let length = usize::from_str_radix(text.split(';').next().unwrap_or_default().trim(), 16)
                .map_err(|_| io::Error::from(io::ErrorKind::InvalidData))?;
            body.append(&mut self.exactly(length)?);
            self.exactly(2)?;
            if length == 0 {
                return Ok(body);
            }
        }
    }

    fn exactly(&mut self, length: usize) -> io::Result<Vec<u8>> {
        if length > LONGEST {
            return Err(io::ErrorKind::InvalidData.into());
        }
        while self.buffer.len() < length {
            self.must_more()?;
        }
        Ok(self.take(length))
    }

    fn take(&mut self, length: usize) -> Vec<u8> {
        self.buffer.drain(..length.min(self.buffer.len())).collect()
    }

    fn must_more(&mut self) -> io::Result<()> {
        if self.more()? { Ok(()) } else { Err(io::ErrorKind::UnexpectedEof.into()) }
    }

    fn more(&mut self) -> io::Result<bool> {
        if self.buffer.len() > LONGEST {
            return Err(io::ErrorKind::InvalidData.into());
        }
        let mut piece = [0_u8; READ_BYTES];
        let count = self.stream.read(&mut piece)?;
        self.buffer.extend_from_slice(piece.get(..count).unwrap_or_default());
        Ok(count > 0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write as _;
    use std::net::TcpListener;

    fn read(text: &'static [u8]) -> Connection {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        std::thread::spawn(move || listener.accept().unwrap().0.write_all(text).unwrap());
        Connection::new(TcpStream::connect(address).unwrap()).unwrap()
    }

    #[test]
    fn reads_messages_with_a_length_and_in_chunks_one_after_the_other() {
        let mut connection = read(
            b"HTTP/1.1 201 Created\r\nContent-Length: 3\r\n\r\nabcHTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2;x\r\nde\r\n1\r\nf\r\n0\r\n\r\n",
        );
        let first = connection.message().unwrap().unwrap();
        assert_eq!((first.word(1), first.body.as_slice()), ("201", &b"abc"[..]));
        assert_eq!(header(&first.head, "content-length"), Some("3"));
        assert_eq!(connection.message().unwrap().unwrap().body, b"def");
        assert!(connection.message().unwrap().is_none());
    }

    #[test]
    fn a_message_that_breaks_off_or_is_endless_is_none() {
        assert!(read(b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nabc").message().is_err());
        assert!(read(b"HTTP/1.1 200 OK\r\n").message().is_err());
        assert!(read(b"HTTP/1.1 200 OK\r\ncontent-length: 99999999999\r\n\r\n").message().is_err());
    }
}
