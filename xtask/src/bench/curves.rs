//! How a figure grows with what it depends on.

use std::fmt::Write as _;

use super::figures::{Sample, median};
use super::inputs;
use super::rounds::{Ground, Running};
use super::sides::{self, Prepared, Side};
use crate::failure::Failure;
use crate::say;

/// Requests of one point; few enough that one caller may make them in each of the inputs' accounts.
const REQUESTS: u32 = 800;
/// Requests before them.
const WARM: u32 = 300;

/// One curve of one side.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Line {
    pub(super) side: Side,
    /// A number for each of the curve's points.
    pub(super) values: Vec<f64>,
}

/// One question, and how it is answered at each point.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Curve {
    pub(super) title: &'static str,
    /// What the points are counts of.
    pub(super) of: &'static str,
    /// What the values are.
    pub(super) unit: &'static str,
    pub(super) points: Vec<u32>,
    pub(super) lines: Vec<Line>,
}

const PAIR: [Side; 2] = [Side::Brevet, Side::Hono];
const CPU: &str = "µs of CPU a request";
const CPU_OF: fn(&Sample) -> f64 = |sample| sample.cpu;

/// All curves; and the CPU of a mint under 1,000 grants as a multiple of that under 10.
pub(super) fn measure(ground: &Ground<'_>, rounds: u32) -> Result<(Vec<Curve>, Option<f64>), Failure> {
    let mut curves = Vec::new();
    let mut growth = None;
    for (title, option, lines, status) in [
        ("mint by OIDC, by grants in the rules", "grants", "mint-oidc", 201),
        ("JWT check RS256, by grants in the rules", "grants", "jwt-rs256", 200),
        ("mint by OIDC, by templates in the rules", "templates", "mint-oidc", 201),
    ] {
        say::progress(title);
        let points = [10, 100, 1_000];
        let curve = by_rules(ground, rounds, title, option, &points, (lines, status))?;
        let ours = curve.lines.first().map(|line| line.values.as_slice());
        if let (None, Some([few, .., many])) = (growth, ours) {
            growth = (*few > 0.0).then(|| many / few);
        }
        curves.push(curve);
    }
    say::progress("connections, leases and the journal");
    let prepared = sides::prepare(ground.workshop, &PAIR, &ground.inputs.join("rules.json"))?;
    curves.extend(by_connections(ground, rounds, &prepared)?);
    curves.push(by_leases(ground, rounds, &prepared)?);
    curves.push(by_journal(ground, rounds, &prepared)?);
    Ok((curves, growth))
}

/// Starts fresh servers for each round and measures one of them after the other.
fn points(
    ground: &Ground<'_>,
    rounds: u32,
    prepared: &[Prepared],
    measure: &mut dyn FnMut(&Running) -> Result<f64, Failure>,
) -> Result<Vec<f64>, Failure> {
    let mut values = vec![Vec::new(); prepared.len()];
    for _ in 0..rounds {
        let outside = ground.stand_in()?;
        for (prepared, values) in prepared.iter().zip(&mut values) {
            values.push(measure(&ground.start(prepared, &outside)?)?);
        }
    }
    Ok(values.iter().map(|values| median(values)).collect())
}

fn curve(
    title: &'static str,
    of: &'static str,
    unit: &'static str,
    points: &[u32],
    sides: &[Prepared],
    found: &[Vec<f64>],
) -> Curve {
    let line = |(at, prepared): (usize, &Prepared)| Line {
        side: prepared.side,
        values: found.iter().filter_map(|values| values.get(at).copied()).collect(),
    };
    Curve { title, of, unit, points: points.to_vec(), lines: sides.iter().enumerate().map(line).collect() }
}

fn by_rules(
    ground: &Ground<'_>,
    rounds: u32,
    title: &'static str,
    option: &'static str,
    at: &[u32],
    (lines, status): (&str, u16),
) -> Result<Curve, Failure> {
    let mut found = Vec::new();
    let mut compared = Vec::new();
    for point in at {
        let folder = sides::workplace().join(format!("inputs-{option}"));
        inputs::write(
            ground.workshop,
            &folder,
            &[("jobs", REQUESTS + WARM), ("accounts", 4), (option, *point)],
        )?;
        let ground =
            Ground { workshop: ground.workshop, driver: ground.driver.clone(), inputs: folder.clone() };
        compared = sides::prepare(ground.workshop, &PAIR, &folder.join("rules.json"))?;
        let path = folder.join(format!("{lines}.tsv"));
        found.push(points(&ground, rounds, &compared, &mut |running| {
            ground.send(&running.server, &path, 0, WARM, 16, status, None)?;
            Ok(ground.send(&running.server, &path, WARM, REQUESTS, 16, status, None)?.cpu)
        })?);
    }
    Ok(curve(title, option, CPU, at, &compared, &found))
}

fn by_connections(ground: &Ground<'_>, rounds: u32, prepared: &[Prepared]) -> Result<Vec<Curve>, Failure> {
    let at = [1, 4, 16, 64];
    let mut curves = Vec::new();
    for (title, unit, lines, of) in [
        ("JWT check RS256, by connections", CPU, "jwt-rs256", CPU_OF),
        ("JWT check RS256, by connections: answers", "requests a second", "jwt-rs256", |sample| sample.rate),
        ("mint by client, by connections", CPU, "mint-client", CPU_OF),
    ] {
        let status = if lines == "mint-client" { 201 } else { 200 };
        let path = ground.inputs.join(format!("{lines}.tsv"));
        let mut found = Vec::new();
        for connections in at {
            found.push(points(ground, rounds, prepared, &mut |running| {
                ground.send(&running.server, &path, 0, WARM, connections, status, None)?;
                Ok(of(&ground.send(&running.server, &path, WARM, REQUESTS, connections, status, None)?))
            })?);
        }
        curves.push(curve(title, "connections", unit, &at, prepared, &found));
    }
    Ok(curves)
}

/// The mints of an operator beside so many live leases of one account.
fn by_leases(ground: &Ground<'_>, rounds: u32, prepared: &[Prepared]) -> Result<Curve, Failure> {
    let at = [0, 50, 390];
    let ours: Vec<Prepared> = prepared.iter().filter(|prepared| prepared.side.is_ours()).cloned().collect();
    let (fill, mint) = (ground.inputs.join("mint-client-one.tsv"), ground.inputs.join("mint-root.tsv"));
    let mut found = Vec::new();
    for live in at {
        found.push(points(ground, rounds, &ours, &mut |running| {
            // Warm in another account: this one shall have no more leases than it should.
            ground.send(&running.server, &ground.inputs.join("mint-other.tsv"), 0, WARM, 8, 201, None)?;
            if live > 0 {
                ground.send(&running.server, &fill, 0, live, 8, 201, None)?;
            }
            Ok(ground.send(&running.server, &mint, 0, 60, 4, 201, None)?.cpu)
        })?);
    }
    Ok(curve("mint beside live leases of the account", "live leases", CPU, &at, &ours, &found))
}

/// A page of a hundred entries of a journal that has so many.
fn by_journal(ground: &Ground<'_>, rounds: u32, prepared: &[Prepared]) -> Result<Curve, Failure> {
    let at = [100, 1_000];
    let ours: Vec<Prepared> = prepared.iter().filter(|prepared| prepared.side.is_ours()).cloned().collect();
    let audit = ground.inputs.join("audit.tsv");
    let mut found = Vec::new();
    for entries in at {
        found.push(points(ground, rounds, &ours, &mut |running| {
            // A token that is made and ended has three entries.
            let revoke = ground.leases(running, entries / 3 + 1)?;
            ground.send(&running.server, &revoke, 0, entries / 3 + 1, 8, 200, None)?;
            ground.send(&running.server, &audit, 0, 50, 4, 200, None)?;
            Ok(ground.send(&running.server, &audit, 0, 200, 4, 200, None)?.cpu)
        })?);
    }
    Ok(curve("a page of 100 of the journal", "entries", CPU, &at, &ours, &found))
}

/// The curves as tables.
pub(super) fn tables(curves: &[Curve]) -> String {
    let mut text = String::new();
    for curve in curves {
        let points: Vec<String> = curve.points.iter().map(|point| format!("{point} {}", curve.of)).collect();
        let rule = "--:|".repeat(points.len());
        let _ = writeln!(text, "| {}: {} | {} |\n|---|{rule}", curve.title, curve.unit, points.join(" | "));
        for line in &curve.lines {
            let values: Vec<String> = line.values.iter().map(|value| format!("{value:.0}")).collect();
            let _ = writeln!(text, "| {} | {} |", line.side.title(), values.join(" | "));
        }
        text.push('\n');
    }
    text
}
