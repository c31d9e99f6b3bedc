//! Rounds: every side is started anew, and every row is measured on one side after the other, so that what changes on the
//! machine meets all of them.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::figures::Sample;
use super::rows::Row;
use super::servers::{self, Load, Server, StandIn};
use super::sides::{Prepared, Side};
use crate::failure::{Failure, file};
use crate::guard;
use crate::say;
use crate::setup::Workshop;

/// The samples of every row and side, a round each.
pub(super) type Samples = BTreeMap<(&'static str, Side), Vec<Sample>>;

/// What a run works with.
#[derive(Debug)]
pub(super) struct Ground<'a> {
    pub(super) workshop: &'a Workshop,
    /// The program that sends and stands in.
    pub(super) driver: PathBuf,
    /// The folder of requests.
    pub(super) inputs: PathBuf,
}

/// A server at work, with how many of the lines that are good for one use are used up.
#[derive(Debug)]
pub(super) struct Running {
    pub(super) side: Side,
    pub(super) server: Server,
    used: u32,
}

impl Ground<'_> {
    /// Starts a stand-in.
    pub(super) fn stand_in(&self) -> Result<StandIn, Failure> {
        servers::start_stand_in(&self.driver, &self.inputs)
    }

    /// Starts a side, with the rules in force.
    pub(super) fn start(&self, prepared: &Prepared, outside: &StandIn) -> Result<Running, Failure> {
        let running =
            Running { side: prepared.side, server: servers::start(prepared, outside.ports)?, used: 0 };
        if prepared.side.is_ours() {
            let push = self.inputs.join("push.tsv");
            // 202 on a busy machine: ledgers that lack the rules get them by themselves, and mint meanwhile.
            self.send(&running.server, &push, 0, 1, 1, 2, None)?;
        }
        Ok(running)
    }

    #[expect(clippy::too_many_arguments, reason = "they are the parts of one load")]
    pub(super) fn send(
        &self,
        server: &Server,
        lines: &Path,
        from: u32,
        requests: u32,
        connections: u32,
        status: u16,
        capture: Option<&Path>,
    ) -> Result<Sample, Failure> {
        let load = Load { lines, from, requests, connections, status, capture };
        servers::load(self.workshop, &self.driver, server, &load)
    }

    /// Measures one row on one side. None where it has no such route.
    pub(super) fn measure(&self, running: &mut Running, row: &Row) -> Result<Option<Sample>, Failure> {
        let Some(lines) = row.lines_of(running.side) else { return Ok(None) };
        let all = row.warm + row.requests;
        let lines = if row.ends_leases {
            self.leases(running, all)?
        } else {
            self.inputs.join(format!("{lines}.tsv"))
        };
        // A line is sent once where its credential is good for one use.
        let from = if row.status == 201 { running.used } else { 0 };
        let send = |from: u32, requests: u32, connections: u32| {
            self.send(&running.server, &lines, from, requests, connections, row.status, None)
        };
        if row.warm > 0 {
            send(from, row.warm, row.connections)?;
        }
        let sample = send(from + row.warm, row.requests, row.connections)?;
        if row.status == 201 {
            running.used += all;
        }
        Ok(Some(sample))
    }

    /// Makes tokens in the first account and writes the requests that end them.
    pub(super) fn leases(&self, running: &Running, count: u32) -> Result<PathBuf, Failure> {
        let folder = super::sides::workplace();
        let captured = folder.join(format!("{}.leases", running.side.name()));
        let mint = self.inputs.join("mint-client-one.tsv");
        self.send(&running.server, &mint, 0, count, 8, 201, Some(&captured))?;
        let read = |path: &Path| std::fs::read_to_string(path).map_err(file("reading", path));
        let headers = read(&mint)?.split('\t').nth(2).unwrap_or_default().to_owned();
        let text: String =
            read(&captured)?.lines().map(|id| format!("DELETE\t/v1/leases/{id}\t{headers}\t\n")).collect();
        let path = folder.join(format!("{}.revoke.tsv", running.side.name()));
        std::fs::write(&path, text).map_err(file("writing", &path))?;
        Ok(path)
    }

    /// Asks every side the same, and compares the answers.
    pub(super) fn compare(&self, prepared: &[Prepared]) -> Result<(), Failure> {
        let outside = self.stand_in()?;
        let mut node: Command = self.workshop.command("node");
        node.arg("bench/compare.js").arg(&self.inputs);
        let mut running = Vec::new();
        for prepared in prepared {
            let started = self.start(prepared, &outside)?;
            node.arg(format!("{}={}", prepared.side.name(), started.server.port));
            running.push(started);
        }
        guard::run(&node)
    }

    /// All rows on all sides, round by round.
    pub(super) fn rounds(
        &self,
        prepared: &[Prepared],
        rows: &[Row],
        rounds: u32,
    ) -> Result<Samples, Failure> {
        let mut samples = Samples::new();
        for round in 0..rounds {
            say::progress(&format!("round {} of {rounds}", round + 1));
            let outside = self.stand_in()?;
            let mut running = prepared
                .iter()
                .map(|prepared| self.start(prepared, &outside))
                .collect::<Result<Vec<_>, _>>()?;
            for row in rows {
                for running in &mut running {
                    if let Some(sample) = self.measure(running, row)? {
                        samples.entry((row.title, running.side)).or_default().push(sample);
                    }
                }
                // Who comes first is another one each time.
                running.rotate_left(1);
            }
        }
        Ok(samples)
    }
}

/// One number of the samples of a row and side.
pub(super) fn series(samples: &Samples, row: &'static str, side: Side, of: fn(&Sample) -> f64) -> Vec<f64> {
    samples.get(&(row, side)).map(|samples| samples.iter().map(of).collect()).unwrap_or_default()
}
