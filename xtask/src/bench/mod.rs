//! `xtask bench`: what Brevet costs, beside what its users would write instead.
//!
//! How it is measured, and what the peers do and do not do, is in bench/README.md.

mod cost;
mod curves;
mod figures;
mod inputs;
mod options;
mod plot;
mod report;
mod results;
mod rounds;
mod rows;
mod servers;
mod sides;
mod start;
mod stock;

use std::ffi::OsString;

use crate::failure::Failure;
use crate::flags::Flags;
use crate::say;
use crate::setup::Workshop;
use crate::{size, worker};
use options::Options;
use rounds::Ground;
use rows::{ROWS, Row};
use sides::Side;

/// Starts of each side in a full run.
const STARTS: u32 = 21;
/// In a quick one.
const QUICK_STARTS: u32 = 5;
/// Rounds of a curve's points.
const CURVE_ROUNDS: u32 = 3;

/// The `bench` task.
///
/// # Errors
/// When something cannot be built, started or measured, or answers otherwise than it should.
pub(crate) fn task(arguments: std::vec::IntoIter<OsString>) -> Result<(), Failure> {
    let options = Options::read(Flags::new("bench", arguments))?;
    servers::check_machine()?;
    let workshop = Workshop::open()?;
    if !options.built {
        worker::build(&workshop)?;
        size::measure(&workshop)?;
    }
    let rows: Vec<Row> = ROWS
        .into_iter()
        .map(|row| if options.quick { row.quick() } else { row })
        .filter(|row| options.only.as_ref().is_none_or(|only| row.title.contains(only)))
        .collect();
    let inputs = sides::workplace().join("inputs");
    let jobs = rows.iter().filter(|row| row.status == 201).map(|row| row.requests + row.warm).sum::<u32>();
    inputs::write(&workshop, &inputs, &[("jobs", jobs.max(200))])?;
    let ground = Ground { workshop: &workshop, driver: inputs::driver()?, inputs };
    if options.cost {
        return cost(&ground).map(drop);
    }
    if options.curves {
        let (curves, _) = curves::measure(&ground, if options.quick { 1 } else { CURVE_ROUNDS })?;
        say::line(&curves::tables(&curves));
        return Ok(());
    }
    figures(&ground, &options, &rows)
}

/// Operations and their price.
fn cost(ground: &Ground<'_>) -> Result<String, Failure> {
    let rules = ground.inputs.join("rules.json");
    let prepared = sides::prepare(ground.workshop, &[Side::Counting], &rules)?;
    let mut table = String::new();
    for counting in &prepared {
        let operations = cost::count(ground, counting)?;
        table = cost::table(&operations);
        say::line(&table);
        cost::check(&operations)?;
    }
    Ok(table)
}

fn figures(ground: &Ground<'_>, options: &Options, rows: &[Row]) -> Result<(), Failure> {
    let rules = ground.inputs.join("rules.json");
    // It is over in a minute, and what is wrong with the operations should not come out after all the rounds.
    let costs = if options.quick || options.only.is_some() { None } else { Some(cost(ground)?) };
    let heading = results::heading(ground.workshop, options.rounds);
    let prepared = sides::prepare(ground.workshop, &Side::ALL, &rules)?;
    ground.compare(&prepared)?;
    let samples = ground.rounds(&prepared, rows, options.rounds)?;
    let mut tables = vec![report::cpu(&samples), report::latency(&samples)];
    say::line(&heading);
    tables.iter().for_each(|table| say::line(table));
    if options.only.is_some() {
        return Ok(());
    }
    let sides = [Side::Empty, Side::Brevet, Side::Hono, Side::Bare, Side::Stock];
    let prepared = sides::prepare(ground.workshop, &sides, &rules)?;
    let starts = start::measure(ground, &prepared, if options.quick { QUICK_STARTS } else { STARTS })?;
    tables.push(report::starts(&starts));
    say::line(&report::starts(&starts));
    let (curves, growth) =
        if options.quick { (Vec::new(), None) } else { curves::measure(ground, CURVE_ROUNDS)? };
    let targets = report::targets(&samples, &starts, growth);
    say::line(&targets);
    if options.quick {
        return Ok(());
    }
    tables.insert(1, targets);
    tables.push(curves::tables(&curves));
    say::line(&curves::tables(&curves));
    tables.extend(costs);
    tables.push(size::parts(ground.workshop, &size::measure(ground.workshop)?)?);
    results::write(&heading, &tables, &samples, &curves)?;
    say::progress("wrote bench/results.md, bench/results.svg and the table of README.md");
    Ok(())
}
