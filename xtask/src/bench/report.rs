//! The tables.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use super::figures::{Ratio, Sample, median, noise};
use super::rounds::{Samples, series};
use super::rows::{ROWS, Row, STATIC_ONE, VERIFY_ONE};
use super::sides::Side;
use super::start::Start;

const CPU: fn(&Sample) -> f64 = |sample| sample.cpu;
const P50: fn(&Sample) -> f64 = |sample| sample.p50;

/// What two runs of Brevet differ by in this row.
pub(super) fn noise_of(samples: &Samples, row: &'static str, of: fn(&Sample) -> f64) -> f64 {
    noise(&series(samples, row, Side::Brevet, of), &series(samples, row, Side::Again, of))
}

fn ratio(samples: &Samples, row: &'static str, of: fn(&Sample) -> f64, other: Side) -> Option<Ratio> {
    let noise = noise_of(samples, row, of);
    Ratio::of(&series(samples, row, Side::Brevet, of), &series(samples, row, other, of), noise)
}

fn words(ratio: Option<Ratio>) -> String {
    ratio.map_or_else(|| "–".to_owned(), |ratio| ratio.words())
}

fn number(numbers: &[f64], digits: usize) -> String {
    if numbers.is_empty() { "–".to_owned() } else { format!("{:.digits$}", median(numbers)) }
}

/// Processor time of every row and side, and Brevet's against each peer's.
pub(super) fn cpu(samples: &Samples) -> String {
    let mut text = String::from(
        "| CPU, µs a request | Brevet | Hono + jose | bare JS | stock Rust | Brevet / Hono | / bare JS | / stock | two Brevets |\n|---|--:|--:|--:|--:|--:|--:|--:|--:|\n",
    );
    for row in measured(samples) {
        let _ = write!(text, "| {}", row.title);
        for side in [Side::Brevet, Side::Hono, Side::Bare, Side::Stock] {
            let _ = write!(text, " | {}", number(&series(samples, row.title, side, CPU), 0));
        }
        for other in [Side::Hono, Side::Bare, Side::Stock] {
            let _ = write!(text, " | {}", words(ratio(samples, row.title, CPU, other)));
        }
        let apart = noise_of(samples, row.title, CPU) * 100.0;
        let ours = series(samples, row.title, Side::Again, CPU);
        let _ = writeln!(
            text,
            " | {} |",
            if ours.is_empty() { "–".to_owned() } else { format!("±{apart:.1} %") }
        );
    }
    text
}

fn measured(samples: &Samples) -> impl Iterator<Item = &'static Row> {
    ROWS.iter().filter(|row| samples.keys().any(|(title, _)| *title == row.title))
}

/// How long answers took.
pub(super) fn latency(samples: &Samples) -> String {
    let mut text = String::from(
        "| answers, ms: half / 99 % / the longest | Brevet | Hono + jose | bare JS | stock Rust |\n|---|--:|--:|--:|--:|\n",
    );
    for row in measured(samples) {
        let _ = write!(text, "| {} ({} at once)", row.title, row.connections);
        for side in [Side::Brevet, Side::Hono, Side::Bare, Side::Stock] {
            let of = |of: fn(&Sample) -> f64| series(samples, row.title, side, of);
            let (p50, p99, most) = (of(P50), of(|sample| sample.p99), of(|sample| sample.most));
            if p50.is_empty() {
                text.push_str(" | –");
                continue;
            }
            let most = most.iter().copied().fold(0.0, f64::max);
            let _ =
                write!(text, " | {:.2} / {:.2} / {:.0}", median(&p50) / 1e3, median(&p99) / 1e3, most / 1e3);
        }
        text.push_str(" |\n");
    }
    text
}

/// What a start costs.
pub(super) fn starts(starts: &BTreeMap<Side, Start>) -> String {
    let mut text = String::from(
        "| before the first request | start, ms over an empty Worker | start in all, ms | private memory, MB | upload, kB | gzipped, kB |\n|---|--:|--:|--:|--:|--:|\n",
    );
    for (side, start) in starts.iter().filter(|(side, _)| **side != Side::Again) {
        let (low, high) = start.quartiles;
        let _ = writeln!(
            text,
            "| {} | {:.1} ({low:.1}–{high:.1}) | {:.1} | {:.1} | {} | {} |",
            side.title(),
            start.over_empty,
            start.whole,
            start.memory,
            start.size.0 / 1_000,
            start.size.1 / 1_000
        );
    }
    text
}

/// One thing that was aimed at.
struct Target {
    what: String,
    seen: Option<f64>,
    most: f64,
}

/// What was aimed at, and whether it holds.
pub(super) fn targets(samples: &Samples, starts: &BTreeMap<Side, Start>, growth: Option<f64>) -> String {
    let to = |row, other| ratio(samples, row, CPU, other).map(|ratio| ratio.middle);
    let own = |row, of| {
        let static_row = if row == VERIFY_ONE { STATIC_ONE } else { "static answer" };
        let (ours, plain) =
            (series(samples, row, Side::Brevet, of), series(samples, static_row, Side::Brevet, of));
        Ratio::of(&ours, &plain, 0.0).map(|ratio| ratio.middle)
    };
    // What is no more than the machine's own unrest is no start-up.
    let known = |start: &&Start| start.quartiles.0 > 0.0;
    let start = |side| starts.get(&side).filter(known).map(|start| start.over_empty);
    let added = start(Side::Brevet).zip(start(Side::Hono)).map(|(ours, theirs)| ours / theirs);
    let gzipped = starts.get(&Side::Brevet).and_then(|start| u32::try_from(start.size.1 / 1_000).ok());
    let target = |what: &str, seen, most| Target { what: what.to_owned(), seen, most };
    let list = [
        target("mint by OIDC, CPU / Hono + jose", to("mint by OIDC (RS256)", Side::Hono), 1.0),
        target("JWT check RS256, CPU / Hono + jose", to("JWT check, RS256", Side::Hono), 0.95),
        target("JWT check ES256, CPU / Hono + jose", to("JWT check, ES256", Side::Hono), 0.95),
        target("mint by OIDC, CPU / stock Rust", to("mint by OIDC (RS256)", Side::Stock), 0.75),
        target(
            "remembered verify / static answer, CPU at 16 connections",
            own("verify, remembered", CPU),
            1.3,
        ),
        target("remembered verify / static answer, p50 at one", own(VERIFY_ONE, P50), 1.2),
        target("start added over an empty Worker / Hono's", added, 1.2),
        target("everything uploaded, gzipped, kB", gzipped.map(f64::from), 220.0),
        target("mint with 1,000 grants / with 10, CPU", growth, 1.1),
    ];
    let mut text = String::from("| target | at most | seen | |\n|---|--:|--:|---|\n");
    for Target { what, seen, most } in list {
        let (seen, holds) = match seen {
            None => ("–".to_owned(), "not measured"),
            Some(seen) if seen >= 100.0 => {
                (format!("{seen:.0}"), if seen <= most { "holds" } else { "**missed**" })
            }
            Some(seen) => (format!("{seen:.2}"), if seen <= most { "holds" } else { "**missed**" }),
        };
        let _ = writeln!(text, "| {what} | {most} | {seen} | {holds} |");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn samples(again: f64, hono: f64) -> Samples {
        let series = |cpu: f64| vec![Sample { cpu, p50: 1_000.0, ..Sample::default() }; 3];
        let row = "JWT check, RS256";
        Samples::from([
            ((row, Side::Brevet), series(100.0)),
            ((row, Side::Again), series(again)),
            ((row, Side::Hono), series(hono)),
        ])
    }

    #[test]
    fn a_ratio_is_shown_only_where_it_is_greater_than_the_noise() {
        assert!(
            cpu(&samples(101.0, 125.0)).contains("| 0.80 (0.80–0.80) |"),
            "{}",
            cpu(&samples(101.0, 125.0))
        );
        let noisy = cpu(&samples(130.0, 125.0));
        assert!(noisy.contains("| 1 ± 0.30 |") && !noisy.contains("0.80"), "{noisy}");
    }

    #[test]
    fn a_target_that_was_not_measured_does_not_hold() {
        let text = targets(&samples(100.0, 125.0), &BTreeMap::new(), None);
        assert!(text.contains("| JWT check RS256, CPU / Hono + jose | 0.95 | 0.80 | holds |"), "{text}");
        assert!(text.contains("| mint by OIDC, CPU / stock Rust | 0.75 | – | not measured |"), "{text}");
        let missed = targets(&samples(100.0, 100.0), &BTreeMap::new(), Some(1.5));
        assert!(missed.contains("| 1.1 | 1.50 | **missed** |"), "{missed}");
    }
}
