//! Requests and answers on their way between the runtime and the routes.

use super::cloudflare::lines;
use super::glue;
use crate::routes::{Body, Call, Reply};

/// A request as JavaScript hands it over: the method, the URL and the headers that are read, a line each, and what a webhook is signed by.
/// None where its body broke off.
pub(crate) fn read(head: &str, body: Vec<u8>, reading: u8) -> Option<Call> {
    let mut lines = head.split('\n');
    let mut call = Call::new(lines.next()?, lines.next()?);
    let mut header = || lines.next().and_then(|line| line.strip_prefix('=')).map(str::to_owned);
    call.authorization = header();
    call.address = header();
    call.if_match = header();
    call.content_encoding = header();
    call.idempotency_key = header();
    call.signed = lines.map(|line| [line, "\n"].concat()).collect();
    call.body = match reading {
        0 => Body::Whole(body),
        1 => Body::TooLong,
        _ => return None,
    };
    Some(call)
}

/// Answers a call.
pub(crate) fn answer(call: u32, reply: &Reply) {
    let mut text = lines(reply.headers.iter().map(|(name, value)| (*name, value.as_str())));
    // Headers are printable ASCII, a byte and a character each.
    let head = u32::try_from(text.len()).unwrap_or(u32::MAX);
    text.push_str(&reply.body);
    glue::finish(call, reply.status, &text, head);
}
