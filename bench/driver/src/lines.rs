//! Requests, one a line: method, path, headers (`name: value`, separated by `|`) and body, separated by tabs.

use std::path::Path;

/// Requests as they go over the wire.
#[derive(Debug)]
pub(crate) struct Lines(Vec<Vec<u8>>);

impl Lines {
    /// Reads a file of them.
    ///
    /// # Errors
    /// Where it cannot be read, is empty or has a line of another form.
    pub(crate) fn read(path: &Path) -> Result<Self, String> {
        let text = std::fs::read_to_string(path).map_err(|error| format!("{}: {error}", path.display()))?;
        let requests: Option<Vec<_>> = text.lines().map(request).collect();
        let requests = requests.ok_or_else(|| format!("{}: a line is no request", path.display()))?;
        if requests.is_empty() { Err(format!("{}: no requests", path.display())) } else { Ok(Self(requests)) }
    }

    /// The request of this number; after the last comes the first.
    pub(crate) fn get(&self, number: usize) -> &[u8] {
        let at = number.checked_rem(self.0.len()).unwrap_or_default();
        self.0.get(at).map(Vec::as_slice).unwrap_or_default()
    }
}

fn request(line: &str) -> Option<Vec<u8>> {
    let mut parts = line.split('\t');
    let (method, path, headers, body) = (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
    let mut text = format!("{method} {path} HTTP/1.1\r\nhost: brevet.bench.example\r\n");
    for header in headers.split('|').filter(|header| !header.is_empty()) {
        text.push_str(header);
        text.push_str("\r\n");
    }
    if !body.is_empty() {
        text.push_str(&format!("content-type: application/json\r\ncontent-length: {}\r\n", body.len()));
    }
    text.push_str("\r\n");
    text.push_str(body);
    parts.next().is_none().then(|| text.into_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_becomes_a_request_and_one_of_another_form_does_not() {
        let sent = request("POST\t/v1/tokens\tauthorization: Bearer x|a: b\t{}").unwrap();
        let text = String::from_utf8(sent).unwrap();
        assert!(text.starts_with("POST /v1/tokens HTTP/1.1\r\nhost: "));
        assert!(text.contains("\r\na: b\r\n") && text.ends_with("content-length: 2\r\n\r\n{}"));
        assert!(request("GET\t/").is_none() && request("GET\t/\t\t\t").is_none());
    }
}
