//! What a Worker talks to: Cloudflare's token API, an issuer of identities, and KV as workerd speaks to it.
//!
//! It answers at once and checks nothing: it is there to cost every side the same. The stand-in that behaves like
//! Cloudflare is another program, and the tests use that.

use std::collections::HashMap;
use std::io::{self, Write as _};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use crate::http::{Connection, Message};
use crate::options::Options;

/// Calls, by what they were.
#[derive(Debug, Default)]
struct Counts {
    subrequests: AtomicU64,
    kv_reads: AtomicU64,
    kv_writes: AtomicU64,
    kv_lists: AtomicU64,
}

#[derive(Debug)]
struct World {
    kv: Mutex<HashMap<String, Vec<u8>>>,
    made: AtomicU64,
    counts: Counts,
    jwks: Vec<u8>,
    issuer: String,
}

/// An answer: its status and its body.
type Answer = (u16, Vec<u8>);

/// The task.
///
/// # Errors
/// Where it cannot listen.
pub(crate) fn run(options: &Options) -> Result<(), String> {
    let said = |error: io::Error| error.to_string();
    let jwks = options.path("jwks").map(std::fs::read).transpose().map_err(said)?.unwrap_or_default();
    let world = Arc::new(World {
        kv: Mutex::default(),
        made: AtomicU64::new(1),
        counts: Counts::default(),
        jwks,
        issuer: options.text("issuer").unwrap_or_default().to_owned(),
    });
    let [api, kv] =
        [TcpListener::bind((Ipv4Addr::LOCALHOST, 0)), TcpListener::bind((Ipv4Addr::LOCALHOST, 0))];
    let (api, kv) = (api.map_err(said)?, kv.map_err(said)?);
    let port = |listener: &TcpListener| listener.local_addr().map(|address| address.port()).map_err(said);
    crate::say(&format!("ready {} {}", port(&api)?, port(&kv)?));
    let stores = Arc::clone(&world);
    std::thread::spawn(move || accept(&kv, &stores, store));
    accept(&api, &world, call);
    Ok(())
}

fn accept(listener: &TcpListener, world: &Arc<World>, answer: fn(&World, &Message) -> Answer) {
    for stream in listener.incoming().flatten() {
        let world = Arc::clone(world);
        // A connection that breaks concerns nobody else.
        std::thread::spawn(move || drop(serve(stream, &world, answer)));
    }
}

fn serve(stream: TcpStream, world: &World, answer: fn(&World, &Message) -> Answer) -> io::Result<()> {
    let mut connection = Connection::new(stream)?;
    while let Some(message) = connection.message()? {
        let (status, body) = answer(world, &message);
        let mut whole = format!(
            "HTTP/1.1 {status} x\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n",
            body.len()
        )
        .into_bytes();
        whole.extend_from_slice(&body);
        connection.stream.write_all(&whole)?;
    }
    Ok(())
}

/// The path without its query.
fn path(message: &Message) -> &str {
    message.word(1).split('?').next().unwrap_or_default()
}

/// A call of the API, or of the issuer.
fn call(world: &World, message: &Message) -> Answer {
    if path(message) == "/__counts" {
        return (200, counted(&world.counts));
    }
    world.counts.subrequests.fetch_add(1, Ordering::Relaxed);
    let (method, path) = (message.word(0), path(message));
    match (method, path) {
        ("GET", "/.well-known/openid-configuration") => {
            let issuer = &world.issuer;
            (200, format!(r#"{{"issuer":"{issuer}","jwks_uri":"{issuer}/jwks"}}"#).into_bytes())
        }
        ("GET", "/jwks") => (200, world.jwks.clone()),
        ("GET", "/client/v4/bench") => success(r#"{"hello":"world"}"#),
        ("GET", _) if path.ends_with("/tokens/verify") => success(
            r#"{"id":"0f1e2d3c4b5a69788796a5b4c3d2e1f0","status":"active","expires_on":"2030-01-01T00:00:00Z"}"#,
        ),
        ("GET", _) if path.ends_with("/tokens") => (
            200,
            br#"{"success":true,"errors":[],"messages":[],"result":[],"result_info":{"page":1,"per_page":50,"count":0,"total_count":0,"total_pages":0}}"#
                .to_vec(),
        ),
        ("POST", _) if path.ends_with("/tokens") => create(world, &message.body),
        ("PUT", _) if path.ends_with("/value") => success(&format!("\"{}\"", value(world))),
        ("PUT", _) => token(path.rsplit('/').next().unwrap_or_default(), "", &message.body),
        ("DELETE", _) => success(&format!(r#"{{"id":"{}"}}"#, path.rsplit('/').next().unwrap_or_default())),
        _ => (
            404,
            br#"{"success":false,"errors":[{"code":7003,"message":"No route"}],"messages":[],"result":null}"#
                .to_vec(),
        ),
    }
}

fn success(result: &str) -> Answer {
    (200, format!(r#"{{"success":true,"errors":[],"messages":[],"result":{result}}}"#).into_bytes())
}

/// A value that none was before.
fn value(world: &World) -> String {
    format!("cfat_bench{:042}", world.made.fetch_add(1, Ordering::Relaxed))
}

/// A token with what was asked for, a new id and a new value.
fn create(world: &World, body: &[u8]) -> Answer {
    let value = value(world);
    token(value.get(20..).unwrap_or_default(), &format!(r#""value":"{value}","#), body)
}

/// A token of this id, with what was asked for.
fn token(id: &str, more: &str, body: &[u8]) -> Answer {
    let asked = String::from_utf8_lossy(body);
    let rest = asked.trim().strip_prefix('{').unwrap_or("}");
    success(&format!(
        r#"{{"id":"{id}","status":"active","issued_on":"2026-01-01T00:00:00Z","modified_on":"2026-01-01T00:00:00Z",{more}{rest}"#
    ))
}

/// The counts since they were last taken.
fn counted(counts: &Counts) -> Vec<u8> {
    let Counts { subrequests, kv_reads, kv_writes, kv_lists } = counts;
    let [subrequests, reads, writes, lists] =
        [subrequests, kv_reads, kv_writes, kv_lists].map(|count| count.swap(0, Ordering::Relaxed));
    format!(r#"{{"subrequests":{subrequests},"kv_reads":{reads},"kv_writes":{writes},"kv_lists":{lists}}}"#)
        .into_bytes()
}

/// A call of KV, as workerd makes it: the key is the path.
fn store(world: &World, message: &Message) -> Answer {
    let key = path(message);
    let mut kv = world.kv.lock().unwrap_or_else(PoisonError::into_inner);
    match message.word(0) {
        "GET" if key == "/" => {
            world.counts.kv_lists.fetch_add(1, Ordering::Relaxed);
            (200, br#"{"keys":[],"list_complete":true}"#.to_vec())
        }
        "GET" => {
            world.counts.kv_reads.fetch_add(1, Ordering::Relaxed);
            kv.get(key).map_or_else(|| (404, Vec::new()), |value| (200, value.clone()))
        }
        "PUT" => {
            world.counts.kv_writes.fetch_add(1, Ordering::Relaxed);
            kv.insert(key.to_owned(), message.body.clone());
            (200, Vec::new())
        }
        "DELETE" => {
            world.counts.kv_writes.fetch_add(1, Ordering::Relaxed);
            kv.remove(key);
            (200, Vec::new())
        }
        _ => (405, Vec::new()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn world() -> World {
        World {
            kv: Mutex::default(),
            made: AtomicU64::new(1),
            counts: Counts::default(),
            jwks: b"{}".to_vec(),
            issuer: "https://issuer.example".to_owned(),
        }
    }

    fn message(line: &str, body: &str) -> Message {
        Message { head: line.as_bytes().to_vec(), body: body.as_bytes().to_vec() }
    }

    #[test]
    fn a_token_has_what_was_asked_for_and_each_another_id_and_value() {
        let world = world();
        let make = || {
            let made =
                call(&world, &message("POST /client/v4/accounts/a/tokens HTTP/1.1", r#"{"name":"n"}"#));
            String::from_utf8(made.1).unwrap()
        };
        let (first, second) = (make(), make());
        assert!(first.contains(r#""name":"n"}}"#), "{first}");
        assert_ne!(first, second);
        assert_eq!(first.len(), second.len());
    }

    #[test]
    fn kv_keeps_what_was_put_and_counts() {
        let world = world();
        assert_eq!(store(&world, &message("GET /a?urlencoded=true HTTP/1.1", "")).0, 404);
        store(&world, &message("PUT /a?expiration_ttl=60 HTTP/1.1", "x"));
        assert_eq!(store(&world, &message("GET /a HTTP/1.1", "")), (200, b"x".to_vec()));
        let counts =
            |world| String::from_utf8(call(world, &message("GET /__counts HTTP/1.1", "")).1).unwrap();
        assert_eq!(counts(&world), r#"{"subrequests":0,"kv_reads":2,"kv_writes":1,"kv_lists":0}"#);
        assert!(counts(&world).contains(r#""kv_reads":0"#));
    }
}
