//! What an operation takes where Cloudflare counts, what a million of them costs, and how many a day the free plan carries.

use std::fmt::Write as _;
use std::process::{Command, Stdio};

use serde_json::Value;

use super::rounds::Ground;
use super::sides::Prepared;
use crate::failure::Failure;

/// Dollars for a million, beyond what a paid plan includes.
const REQUEST: f64 = 0.30;
const CPU_MS: f64 = 0.02;
const KV_READ: f64 = 0.50;
const KV_WRITE: f64 = 5.00;
const OBJECT_REQUEST: f64 = 0.15;
const ROW_WRITTEN: f64 = 1.00;
const ROW_READ: f64 = 0.001;
/// A second of an object, billed as 128 MB for a second at $12.50 for a million gigabyte-seconds.
const OBJECT_SECOND: f64 = 12.50 * 0.128;

/// What a call to Cloudflare's API is taken to last: an object is billed while it waits for one.
const CALL_SECONDS: f64 = 0.25;
/// What a call of an object is taken to last besides.
const OBJECT_CALL_SECONDS: f64 = 0.002;
/// Processor time of any request, above all that was measured.
const CPU_OF_REQUEST_MS: f64 = 2.0;

/// The free plan's limits of a day.
const FREE: [(&str, f64); 6] = [
    ("requests", 100_000.0),
    ("object requests", 100_000.0),
    ("rows written", 100_000.0),
    ("rows read", 5_000_000.0),
    ("KV reads", 100_000.0),
    ("KV writes", 1_000.0),
];

/// What an operation may take at most: its name, calls of objects, calls of Cloudflare, KV writes, rows written. Whoever makes one
/// dearer sees it here.
const MOST: [(&str, f64, f64, f64, f64); 6] = [
    ("verify, remembered", 0.0, 0.0, 0.0, 0.0),
    ("verify, asked upstream", 0.0, 1.0, 0.0, 0.0),
    ("JWT check", 0.0, 0.0, 0.0, 0.0),
    ("mint by client secret", 1.0, 1.0, 0.0, 9.0),
    ("mint by OIDC", 1.0, 1.0, 0.0, 10.0),
    ("revoke", 1.0, 1.0, 0.0, 7.0),
];

/// What one operation takes.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Operation {
    name: String,
    requests: f64,
    objects: f64,
    subrequests: f64,
    kv_reads: f64,
    kv_writes: f64,
    rows_read: f64,
    rows_written: f64,
    statements: f64,
}

impl Operation {
    fn of(told: &Value) -> Self {
        let count = |name: &str| told.get(name).and_then(Value::as_f64).unwrap_or_default();
        Self {
            name: told.get("name").and_then(Value::as_str).unwrap_or_default().to_owned(),
            requests: count("requests"),
            objects: count("ledger") + count("register") + count("alarms"),
            subrequests: count("subrequests"),
            kv_reads: count("kv_reads"),
            // A list is billed as a write.
            kv_writes: count("kv_writes") + count("kv_lists"),
            rows_read: count("rows_read"),
            // So is an alarm that is set, as a row.
            rows_written: count("rows_written") + count("alarms_set"),
            statements: count("statements"),
        }
    }

    fn dollars(&self) -> f64 {
        let waits = if self.objects > 0.0 { self.subrequests * CALL_SECONDS } else { 0.0 };
        let seconds = self.objects * OBJECT_CALL_SECONDS + waits;
        self.requests * REQUEST
            + CPU_OF_REQUEST_MS * CPU_MS
            + self.kv_reads * KV_READ
            + self.kv_writes * KV_WRITE
            + self.objects * OBJECT_REQUEST
            + self.rows_written * ROW_WRITTEN
            + self.rows_read * ROW_READ
            + seconds * OBJECT_SECOND
    }

    /// How many a day the free plan carries, and what ends them.
    fn free(&self) -> Option<(f64, &'static str)> {
        let used =
            [self.requests, self.objects, self.rows_written, self.rows_read, self.kv_reads, self.kv_writes];
        let days = FREE
            .iter()
            .zip(used)
            .filter(|(_, used)| *used > 0.0)
            .map(|((what, most), used)| (most / used, *what));
        days.min_by(|(one, _), (other, _)| one.total_cmp(other))
    }
}

/// Counts what every operation takes.
pub(super) fn count(ground: &Ground<'_>, counting: &Prepared) -> Result<Vec<Operation>, Failure> {
    let outside = ground.stand_in()?;
    let running = ground.start(counting, &outside)?;
    let mut node: Command = ground.workshop.command("node");
    node.arg("bench/operations.js")
        .arg(&ground.inputs)
        .arg(running.server.port.to_string())
        .arg(outside.ports.0.to_string());
    let failed = |seen: &str| Failure::Step { step: "the operations".to_owned(), seen: seen.to_owned() };
    // What it complains of is shown.
    let ended = node.stdin(Stdio::null()).stderr(Stdio::inherit()).output();
    let ended = ended.ok().filter(|ended| ended.status.success());
    let text = ended.ok_or_else(|| failed("they could not be counted"))?.stdout;
    let told: Vec<Value> = serde_json::from_slice(&text).map_err(|error| failed(&error.to_string()))?;
    Ok(told.iter().map(Operation::of).collect())
}

/// Refuses operations that have become dearer.
pub(super) fn check(operations: &[Operation]) -> Result<(), Failure> {
    for (name, objects, subrequests, kv_writes, rows) in MOST {
        let Some(seen) = operations.iter().find(|operation| operation.name == name) else {
            return Err(Failure::Step { step: name.to_owned(), seen: "it was not counted".to_owned() });
        };
        for (what, seen, most) in [
            ("calls of objects", seen.objects, objects),
            ("calls of Cloudflare", seen.subrequests, subrequests),
            ("KV writes", seen.kv_writes, kv_writes),
            ("rows written", seen.rows_written, rows),
        ] {
            if seen > most {
                return Err(Failure::Step {
                    step: name.to_owned(),
                    seen: format!(
                        "it takes {seen} {what}, and {most} at most were agreed on (xtask/src/bench/cost.rs)"
                    ),
                });
            }
        }
    }
    Ok(())
}

/// The table.
pub(super) fn table(operations: &[Operation]) -> String {
    let mut text = String::from(
        "| operation | objects asked | calls of Cloudflare | KV reads | KV writes | SQL statements | rows read | rows written | $ a million | free plan, a day |\n|---|--:|--:|--:|--:|--:|--:|--:|--:|--:|\n",
    );
    for operation in operations {
        let _ = write!(text, "| {}", operation.name);
        for count in [
            operation.objects,
            operation.subrequests,
            operation.kv_reads,
            operation.kv_writes,
            operation.statements,
            operation.rows_read,
            operation.rows_written,
        ] {
            let _ = if count.fract() == 0.0 {
                write!(text, " | {count:.0}")
            } else {
                write!(text, " | {count:.1}")
            };
        }
        let free =
            operation.free().map_or_else(|| "–".to_owned(), |(days, what)| format!("{days:.0} ({what})"));
        let _ = writeln!(text, " | {:.2} | {free} |", operation.dollars());
    }
    let _ = writeln!(
        text,
        "\nPrices beyond what the paid plan includes, for a million: requests ${REQUEST}, CPU ${CPU_MS} a ms ({CPU_OF_REQUEST_MS} ms taken, more than was measured), KV reads ${KV_READ}, KV writes and lists ${KV_WRITE}, \
         requests of Durable Objects ${OBJECT_REQUEST}, rows written (and alarms set) ${ROW_WRITTEN}, rows read ${ROW_READ}, an object's second ${OBJECT_SECOND:.2}. A call of Cloudflare from an object is taken to last {CALL_SECONDS} s. \
         Rows are counted by workerd, each index entry as one."
    );
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_mint_with_one_object_and_no_kv_costs_what_its_rows_cost() {
        let told = json!({ "name": "x", "requests": 1, "ledger": 1, "subrequests": 1, "rows_written": 10, "rows_read": 5, "alarms_set": 1, "kv_reads": 0 });
        let operation = Operation::of(&told);
        assert_eq!((operation.objects, operation.rows_written), (1.0, 11.0));
        let dollars = operation.dollars();
        assert!((dollars - (0.30 + 0.04 + 0.15 + 11.0 + 0.005 + 0.252 * 1.6)).abs() < 1e-9, "{dollars}");
        assert_eq!(operation.free(), Some((100_000.0 / 11.0, "rows written")));
    }

    #[test]
    fn an_operation_that_became_dearer_or_was_not_counted_is_refused() {
        let all = |rows: f64| -> Vec<Operation> {
            MOST.iter()
                .map(|(name, objects, subrequests, kv_writes, most)| Operation {
                    name: (*name).to_owned(),
                    objects: *objects,
                    subrequests: *subrequests,
                    kv_writes: *kv_writes,
                    rows_written: most + rows,
                    ..Operation::default()
                })
                .collect()
        };
        check(&all(0.0)).unwrap();
        assert!(check(&all(1.0)).unwrap_err().to_string().contains("rows written"));
        assert!(check(&[]).is_err());
    }
}
