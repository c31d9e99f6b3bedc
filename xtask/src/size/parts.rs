//! What of the upload costs what.

use std::fmt::Write as _;
use std::ops::Range;
use std::path::Path;

use rustc_demangle::demangle;
use wasmparser::{KnownCustom, Name, Parser, Payload};

use super::{count, gzipped};
use crate::failure::{Failure, file};

/// The parts of the program, by the modules that their functions are named after.
const PARTS: [(&str, &[&str]); 13] = [
    ("the ledgers", &["brevet_core::ledger", "brevet::objects::ledger"]),
    (
        "the rules file and its versions",
        &["brevet_core::rules", "brevet_core::rulebook", "brevet::objects::rules"],
    ),
    ("decisions", &["brevet_core::policy", "brevet_core::access", "brevet_core::condition"]),
    (
        "templates, permission groups and guardrails",
        &["brevet_core::template", "brevet_core::catalogue", "brevet_core::guardrail"],
    ),
    ("identity tokens and their keys", &["brevet_core::oidc", "brevet_core::base64url"]),
    ("hooks and events", &["brevet_core::hook", "brevet_core::announce"]),
    ("what each request has done", &["brevet_core::broker"]),
    ("routes and the forms of answers", &["brevet::routes"]),
    ("talking to Cloudflare", &["brevet::upstream", "cloudflare_tokens", "brevet_core::cloudflare"]),
    (
        "the bridge to the runtime",
        &["brevet::adapters", "brevet::events", "wasm_bindgen", "__wbindgen", "__wbg"],
    ),
    ("JSON", &["brevet_core::json", "serde_json", "serde_core", "serde::", "itoa", "ryu", "zmij"]),
    (
        "SHA-256, HMAC, base64",
        &["sha2", "hmac", "digest", "subtle", "base64ct", "block_buffer", "crypto_common"],
    ),
    ("the rest of the core", &["brevet_core", "brevet::"]),
];

/// Functions that are named after no part: of the standard library, for our types and for all, and of small crates.
const LIBRARY: &str = "Rust's library, and its generic code for all parts";

/// The part that a function is of: that whose module comes first in its name.
fn part_of(name: &str) -> &'static str {
    let found = PARTS.iter().filter_map(|(title, modules)| {
        let first = modules.iter().filter_map(|module| name.find(module)).min()?;
        Some((first, *title))
    });
    // Of two that begin at the same place the first, which is the closer one.
    found.min_by_key(|(first, _)| *first).map_or(LIBRARY, |(_, title)| title)
}

/// What is no function.
const TEXTS: &str = "texts and tables of values";
const FRAME: &str = "types, imports, exports, tables";
/// The id of the section of functions, whose entries are told apart.
const CODE: u8 = 10;

fn part<'a>(wasm: &'a [u8], range: &Range<u64>) -> Option<&'a [u8]> {
    let at = |place| usize::try_from(place).ok();
    wasm.get(at(range.start)?..at(range.end)?)
}

/// The bytes of each part of a program that still has its names.
fn pieces(wasm: &[u8]) -> wasmparser::Result<Vec<(&'static str, Vec<u8>)>> {
    let mut pieces: Vec<(&str, Vec<u8>)> = PARTS
        .iter()
        .map(|(title, _)| *title)
        .chain([LIBRARY, TEXTS, FRAME])
        .map(|title| (title, Vec::new()))
        .collect();
    let mut add = |title: &str, bytes: &[u8]| {
        let piece = pieces.iter_mut().find(|(known, _)| *known == title);
        piece.into_iter().for_each(|(_, piece)| piece.extend(bytes));
    };
    let (mut functions, mut names, mut imported) = (Vec::new(), Vec::new(), 0);
    for payload in Parser::new(0).parse_all(wasm) {
        let payload = payload?;
        let section = payload.as_section().and_then(|(id, range)| Some((id, part(wasm, &range)?)));
        match (&payload, section) {
            (Payload::CodeSectionEntry(body), _) => functions.push(body.as_bytes()),
            (Payload::CustomSection(custom), _) => {
                let KnownCustom::Name(all) = custom.as_known() else { continue };
                for subsection in all {
                    if let Name::Function(map) = subsection? {
                        names = map.into_iter().collect::<wasmparser::Result<Vec<_>>>()?;
                    }
                }
            }
            (Payload::DataSection(_), Some((_, bytes))) => add(TEXTS, bytes),
            (_, Some((CODE, _)) | None) => {}
            (_, Some((_, bytes))) => add(FRAME, bytes),
        }
        // All that Brevet imports are functions, and they have the first numbers.
        if let Payload::ImportSection(imports) = &payload {
            imported = imports.count();
        }
    }
    for (at, body) in (imported..).zip(functions) {
        let name = names
            .iter()
            .find(|naming| naming.index == at)
            .map(|naming| format!("{:#}", demangle(naming.name)));
        add(part_of(name.as_deref().unwrap_or_default()), body);
    }
    Ok(pieces)
}

/// The parts of the program at this path, which has its names, as a table, the dearest first. A part costs what all would be smaller
/// without it; what several parts say alike costs none of them anything.
///
/// # Errors
/// When it cannot be read.
pub(super) fn table(path: &Path, uploaded: u64) -> Result<String, Failure> {
    let wasm = std::fs::read(path).map_err(file("reading", path))?;
    let form = |error: wasmparser::BinaryReaderError| Failure::Form {
        what: path.display().to_string(),
        wrong: error.to_string(),
    };
    let pieces = pieces(&wasm).map_err(form)?;
    let size = |without: &str| {
        let bytes: Vec<u8> = pieces
            .iter()
            .filter(|(title, _)| *title != without)
            .flat_map(|(_, piece)| piece)
            .copied()
            .collect();
        gzipped(&bytes).map_err(file("gzipping", path))
    };
    let whole = size("")?;
    let mut rows = Vec::new();
    for (title, piece) in &pieces {
        rows.push((*title, count(piece), whole.saturating_sub(size(title)?)));
    }
    rows.sort_by_key(|(_, _, gzipped)| std::cmp::Reverse(*gzipped));
    let told: u64 = rows.iter().map(|(_, _, gzipped)| gzipped).sum();
    let mut text = "| what costs what | kB | kB gzipped, of it alone |\n|---|--:|--:|\n".to_owned();
    for (title, raw, gzipped) in rows {
        let _ = writeln!(text, "| {title} | {} | {} |", tenths(raw), tenths(gzipped));
    }
    let _ = writeln!(text, "| what parts have in common | | {} |", tenths(whole.saturating_sub(told)));
    let _ = writeln!(
        text,
        "| JavaScript, and the program's own frame | | {} |",
        tenths(uploaded.saturating_sub(whole))
    );
    let _ = writeln!(text, "| **everything uploaded** | | **{}** |", tenths(uploaded));
    Ok(text)
}

/// Bytes as kilobytes.
fn tenths(bytes: u64) -> String {
    let tenths = (bytes + 50) / 100;
    format!("{}.{}", tenths / 10, tenths % 10)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_function_is_of_the_part_whose_module_comes_first_in_its_name() {
        for (name, part) in [
            ("brevet_core::ledger::office::Office<S,C,K>::append", "the ledgers"),
            ("core::ptr::drop_in_place<brevet_core::policy::denial::Denial>", "decisions"),
            ("<alloc::boxed::Box<T> as brevet_core::json::write::ToJson>::write", "JSON"),
            (
                "<brevet::upstream::Upstream<T,S> as brevet_core::cloudflare::Cloudflare>::create",
                "talking to Cloudflare",
            ),
            ("brevet_core::time::Timestamp::plus", "the rest of the core"),
            ("<core::iter::adapters::map::Map<I,F> as Iterator>::next", LIBRARY),
            ("", LIBRARY),
        ] {
            assert_eq!(part_of(name), part, "{name}");
        }
    }

    #[test]
    fn every_function_and_section_is_in_one_part() {
        // (module (func $brevet_core::ledger::x (result i32) i32.const 42))
        let mut wasm = b"\0asm\x01\0\0\0".to_vec();
        wasm.extend(b"\x01\x05\x01\x60\0\x01\x7f");
        wasm.extend(b"\x03\x02\x01\0");
        wasm.extend(b"\x0a\x06\x01\x04\0\x41\x2a\x0b");
        let name = b"brevet_core::ledger::x";
        let length = u8::try_from(name.len()).unwrap();
        wasm.extend([0, length + 10, 4]);
        wasm.extend(b"name");
        wasm.extend([1, length + 3, 1, 0, length]);
        wasm.extend(name);
        let pieces = pieces(&wasm).unwrap();
        let of = |title: &str| pieces.iter().find(|(known, _)| *known == title).unwrap().1.len();
        assert_eq!((of("the ledgers"), of(FRAME), of(LIBRARY), of(TEXTS)), (4, 7, 0, 0));
    }

    #[test]
    fn kilobytes_have_one_digit_after_the_point() {
        assert_eq!([0, 49, 50, 1_000, 402_345].map(tenths), ["0.0", "0.0", "0.1", "1.0", "402.3"]);
    }
}
