//! `xtask soak`: random work, faults and restarts on real workerd, and a comparison at the end.

use std::ffi::OsString;
use std::time::Duration;

use crate::failure::Failure;
use crate::fake;
use crate::flags::Flags;
use crate::guard;
use crate::setup::Workshop;
use crate::worker;

/// How long it works where nothing is said, in minutes.
const MINUTES: u16 = 10;

/// The longest run: somebody who wants more starts another one, with another seed.
const MOST_MINUTES: u16 = 120;

/// What starting, settling, comparing and ending take beside the work.
const BESIDE: Duration = Duration::from_secs(10 * 60);

/// The `soak` task.
///
/// # Errors
/// When the books and Cloudflare differ at the end, or a full run met a fault too seldom.
pub(crate) fn task(arguments: std::vec::IntoIter<OsString>) -> Result<(), Failure> {
    let (minutes, seed) = options(Flags::new("soak", arguments))?;
    let workshop = Workshop::open()?;
    worker::build(&workshop)?;
    let stand_in = fake::build()?;
    let mut node = workshop.command("node");
    node.args(["tests/worker/soak/soak.js", "--minutes", &minutes.to_string()]);
    if let Some(seed) = seed {
        node.args(["--seed", &seed.to_string()]);
    }
    node.env(worker::BUILD_VARIABLE, "skip").env("BREVET_FAKE", stand_in).env("CI", "true");
    guard::run_within(
        &node,
        Duration::from_secs(u64::from(minutes).saturating_mul(60)).saturating_add(BESIDE),
    )
}

fn options(mut flags: Flags) -> Result<(u16, Option<u32>), Failure> {
    let (mut minutes, mut seed) = (MINUTES, None);
    while let Some(flag) = flags.next()? {
        match flag.as_str() {
            "--minutes" => {
                let value = flags.value("--minutes")?;
                minutes = value
                    .parse()
                    .ok()
                    .filter(|minutes| (1..=MOST_MINUTES).contains(minutes))
                    .ok_or_else(|| {
                        Failure::Usage(format!("soak: --minutes takes 1 to {MOST_MINUTES}, not `{value}`"))
                    })?;
            }
            "--seed" => {
                let value = flags.value("--seed")?;
                let parsed = value.parse::<u32>();
                seed = Some(parsed.map_err(|_| {
                    Failure::Usage(format!("soak: --seed takes the number that a run printed, not `{value}`"))
                })?);
            }
            other => return Err(flags.unknown(other)),
        }
    }
    Ok((minutes, seed))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(arguments: &[&str]) -> Result<(u16, Option<u32>), Failure> {
        options(Flags::new("soak", arguments.iter().map(OsString::from).collect::<Vec<_>>().into_iter()))
    }

    #[test]
    fn takes_bounded_minutes_and_a_seed() {
        assert_eq!(read(&[]).unwrap(), (10, None));
        assert_eq!(read(&["--minutes", "1", "--seed=7"]).unwrap(), (1, Some(7)));
        for wrong in [["--minutes", "0"], ["--minutes", "121"], ["--minutes", "x"], ["--seed", "-1"]] {
            assert!(matches!(read(&wrong), Err(Failure::Usage(_))), "{wrong:?}");
        }
        assert!(matches!(read(&["--forever"]), Err(Failure::Usage(_))));
    }
}
