//! Requests and answers, as far as this API needs HTTP.

use std::fmt;
use zeroize::Zeroizing;

/// The longest URL that is sent. A page of a filtered list is far shorter.
const MAX_URL_CHARS: usize = 4096;

/// A method that the API takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Method {
    /// Reads.
    Get,
    /// Makes.
    Post,
    /// Replaces.
    Put,
    /// Deletes.
    Delete,
}

impl Method {
    /// The method as HTTP writes it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Get => "GET",
            Self::Post => "POST",
            Self::Put => "PUT",
            Self::Delete => "DELETE",
        }
    }
}

impl fmt::Display for Method {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A request, ready to be sent. Printed with `{:?}` it shows nothing of the token.
#[derive(Clone)]
pub struct Request {
    /// The method.
    pub method: Method,
    /// The whole URL.
    pub url: String,
    authorization: Zeroizing<String>,
    /// The body, JSON.
    pub body: Option<String>,
}

impl Request {
    /// Puts a request together; `None` where the URL is not one that a server would read as it was meant. A token holds
    /// nothing that could end its header.
    pub(crate) fn new(method: Method, url: String, bearer: &str, body: Option<String>) -> Option<Self> {
        let sound = url.len() <= MAX_URL_CHARS
            && url
                .bytes()
                .all(|byte| byte.is_ascii_graphic() && !matches!(byte, b'"' | b'<' | b'>' | b'\\' | b'#'));
        let authorization = Zeroizing::new(["Bearer ", bearer].concat());
        sound.then_some(Self { method, url, authorization, body })
    }

    /// The headers: names in lower case and values. The first is `authorization`, which nobody may see.
    pub fn headers(&self) -> impl Iterator<Item = (&'static str, &str)> {
        const JSON: &str = "application/json";
        let body = self.body.as_ref().map(|_| ("content-type", JSON));
        [("authorization", self.authorization.as_str())].into_iter().chain(body).chain([("accept", JSON)])
    }
}

impl fmt::Debug for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} authorization: [redacted]", self.method, self.url)?;
        match &self.body {
            Some(body) => write!(f, " {body}"),
            None => Ok(()),
        }
    }
}

/// The headers of an answer. Only `content-type`, `location` and what tells of rates is ever read.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Headers(Vec<(String, String)>);

impl Headers {
    /// Headers without any.
    #[must_use]
    pub const fn new() -> Self {
        Self(Vec::new())
    }

    /// Adds one. A value with anything but printable ASCII is left out.
    pub fn add(&mut self, name: &str, value: &str) {
        if value.bytes().all(|byte| byte == b'\t' || (b' '..=b'~').contains(&byte)) {
            self.0.push((name.to_ascii_lowercase(), value.to_owned()));
        }
    }

    /// The first of this name (in lower case).
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }
}

/// An answer, whole.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Answer {
    /// The HTTP status.
    pub status: u16,
    /// The headers.
    pub headers: Headers,
    /// The body.
    pub body: Vec<u8>,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(url: &str) -> Option<Request> {
        Request::new(Method::Get, url.to_owned(), "cfat_secret", None)
    }

    #[test]
    fn refuses_urls_that_a_server_could_read_otherwise() {
        for url in [
            "http://x/a b",
            "http://x/\n",
            "http://x/\u{e9}",
            "http://x/\0",
            "http://x/#f",
            "http://x/<",
            "http://x/\\",
        ] {
            assert!(of(url).is_none(), "{url}");
        }
        assert!(of(&format!("http://x/{}", "a".repeat(MAX_URL_CHARS))).is_none());
        assert!(of("http://x/a?b=%20&c=d").is_some());
    }

    #[test]
    fn shows_nothing_of_the_token() {
        assert!(!format!("{:?}", of("http://x/")).contains("cfat_secret"));
    }

    #[test]
    fn finds_a_header_however_its_name_is_written_and_reads_no_odd_value() {
        let mut headers = Headers::new();
        headers.add("Retry-After", "7");
        headers.add("ratelimit", "\u{e9}");
        assert_eq!((headers.get("retry-after"), headers.get("ratelimit")), (Some("7"), None));
    }
}
