//! What a start costs: from the spawning of workerd to the first byte of an answer, and the memory it then has for itself.

use std::collections::BTreeMap;

use super::figures::{median, quantile};
use super::rounds::Ground;
use super::servers;
use super::sides::{Prepared, Side};
use crate::failure::Failure;
use crate::say;

/// What one side costs before anybody has asked it for anything.
#[derive(Clone, Debug, Default)]
pub(super) struct Start {
    /// Milliseconds over the empty Worker, the middle of all starts.
    pub(super) over_empty: f64,
    /// The quartiles of those.
    pub(super) quartiles: (f64, f64),
    /// Milliseconds in all.
    pub(super) whole: f64,
    /// Megabytes of private memory after the first answer.
    pub(super) memory: f64,
    /// Bytes of all modules, and gzipped.
    pub(super) size: (u64, u64),
}

/// Starts every side so often, one after the other.
pub(super) fn measure(
    ground: &Ground<'_>,
    prepared: &[Prepared],
    times: u32,
) -> Result<BTreeMap<Side, Start>, Failure> {
    let mut took: BTreeMap<Side, Vec<f64>> = BTreeMap::new();
    let mut memory: BTreeMap<Side, Vec<f64>> = BTreeMap::new();
    let outside = ground.stand_in()?;
    say::progress(&format!("{times} starts of each side"));
    for _ in 0..times {
        for side in prepared {
            let server = servers::start(side, outside.ports)?;
            took.entry(side.side).or_default().push(server.started.as_secs_f64() * 1_000.0);
            let kilobytes = u32::try_from(server.private_memory()).unwrap_or(u32::MAX);
            memory.entry(side.side).or_default().push(f64::from(kilobytes) / 1_000.0);
        }
    }
    let empty = took.get(&Side::Empty).cloned().unwrap_or_default();
    let mut starts = BTreeMap::new();
    for side in prepared {
        let took = took.get(&side.side).map(Vec::as_slice).unwrap_or_default();
        let over: Vec<f64> = took.iter().zip(&empty).map(|(took, empty)| took - empty).collect();
        starts.insert(
            side.side,
            Start {
                over_empty: median(&over),
                quartiles: (quantile(&over, 0.25), quantile(&over, 0.75)),
                whole: median(took),
                memory: median(memory.get(&side.side).map(Vec::as_slice).unwrap_or_default()),
                size: side.size()?,
            },
        );
    }
    Ok(starts)
}
