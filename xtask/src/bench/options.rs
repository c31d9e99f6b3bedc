//! The flags of `xtask bench`.

use crate::failure::Failure;
use crate::flags::Flags;

/// Rounds of a full run: an odd number, so that the median is one of them.
const ROUNDS: u32 = 9;
/// Fewer say nothing of their spread.
const LEAST_ROUNDS: u32 = 3;
/// Rounds of a quick run.
const QUICK_ROUNDS: u32 = 3;
/// More take hours.
const MOST_ROUNDS: u32 = 51;

/// What is to be measured.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Options {
    /// Few rounds of few requests: rough figures in under three minutes, which the repository does not keep.
    pub(super) quick: bool,
    /// Only the operations and what they cost.
    pub(super) cost: bool,
    /// Only how figures grow.
    pub(super) curves: bool,
    /// How often everything is measured.
    pub(super) rounds: u32,
    /// Only the rows whose name has this in it, and no curves.
    pub(super) only: Option<String>,
    /// What is in `build/` is measured as it stands.
    pub(super) built: bool,
}

impl Options {
    /// Reads them.
    pub(super) fn read(mut flags: Flags) -> Result<Self, Failure> {
        let mut options =
            Self { quick: false, cost: false, curves: false, rounds: 0, only: None, built: false };
        while let Some(flag) = flags.next()? {
            match flag.as_str() {
                "--quick" => options.quick = true,
                "--cost" => options.cost = true,
                "--curves" => options.curves = true,
                "--built" => options.built = true,
                "--only" => options.only = Some(flags.value("--only")?),
                "--rounds" => {
                    let value = flags.value("--rounds")?;
                    options.rounds = value
                        .parse()
                        .ok()
                        .filter(|rounds| (LEAST_ROUNDS..=MOST_ROUNDS).contains(rounds))
                        .ok_or_else(|| {
                            Failure::Usage(format!(
                                "bench: --rounds takes {LEAST_ROUNDS} to {MOST_ROUNDS}, not `{value}`"
                            ))
                        })?;
                }
                other => return Err(flags.unknown(other)),
            }
        }
        if options.rounds == 0 {
            options.rounds = if options.quick { QUICK_ROUNDS } else { ROUNDS };
        }
        Ok(options)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::ffi::OsString;

    fn read(arguments: &[&str]) -> Result<Options, Failure> {
        Options::read(Flags::new(
            "bench",
            arguments.iter().map(OsString::from).collect::<Vec<_>>().into_iter(),
        ))
    }

    #[test]
    fn a_quick_run_has_few_rounds_and_their_number_is_bounded() {
        assert_eq!(read(&[]).unwrap().rounds, ROUNDS);
        assert_eq!(read(&["--quick"]).unwrap().rounds, QUICK_ROUNDS);
        assert_eq!(read(&["--quick", "--rounds", "7"]).unwrap().rounds, 7);
        for wrong in ["2", "52", "x"] {
            assert!(matches!(read(&["--rounds", wrong]), Err(Failure::Usage(_))), "{wrong}");
        }
        assert!(matches!(read(&["--fast"]), Err(Failure::Usage(_))));
    }
}
