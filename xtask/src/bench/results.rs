//! What a run leaves behind: the tables as a page, the plot, and their place in README.md.

use std::fmt::Write as _;
use std::path::Path;
use std::process::Command;

use super::curves::Curve;
use super::figures::median;
use super::plot::{self, Bars};
use super::rounds::{Samples, series};
use super::rows::ROWS;
use super::sides::Side;
use crate::command;
use crate::failure::{Failure, file};
use crate::place;
use crate::setup::Workshop;

/// Between these README.md has the latest table.
const MARKS: (&str, &str) = ("<!-- bench: written by cargo xtask bench -->\n", "<!-- bench: end -->\n");

/// On which day, on what, and with which versions it was measured.
pub(super) fn heading(workshop: &Workshop, rounds: u32) -> String {
    let told = |command: &mut Command| command::answer(command).unwrap_or_default().trim().to_owned();
    let day = told(Command::new("date").args(["-u", "+%Y-%m-%d"]));
    let commit = told(Command::new("git").current_dir(place::root()).args(["rev-parse", "--short", "HEAD"]));
    let rustc = told(Command::new("rustc").arg("--version"));
    let workerd = told(workshop.command("workerd").arg("--version"));
    let cpu = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = cpu.lines().find_map(|line| line.strip_prefix("model name")).unwrap_or("unknown processor");
    let model = model.trim_start_matches([' ', '\t', ':']);
    let packages = std::fs::read_to_string(place::root().join("package.json")).unwrap_or_default();
    let version = |name: &str| {
        let packages: Option<serde_json::Value> = serde_json::from_str(&packages).ok();
        let version = packages.as_ref().and_then(|all| all.get("devDependencies")?.get(name)?.as_str());
        version.unwrap_or_default().to_owned()
    };
    format!(
        "{day}, commit {commit}; {workerd}, hono {}, jose {}, worker 0.8.7, {rustc}; {rounds} interleaved rounds on {model}, the server alone on one core.\n",
        version("hono"),
        version("jose")
    )
}

/// The bars of the plot.
fn bars(samples: &Samples) -> Vec<Bars> {
    let mut rows = Vec::new();
    for row in ROWS.iter().filter(|row| row.connections > 1) {
        let values = |side| series(samples, row.title, side, |sample| sample.cpu);
        let sides = [Side::Brevet, Side::Hono, Side::Bare, Side::Stock].into_iter();
        let values: Vec<(Side, f64)> = sides
            .map(|side| (side, values(side)))
            .filter(|(_, found)| !found.is_empty())
            .map(|(side, found)| (side, median(&found)))
            .collect();
        rows.push(Bars { title: row.title.to_owned(), values });
    }
    rows
}

/// Writes the page, the plot and README's part.
pub(super) fn write(
    heading: &str,
    tables: &[String],
    samples: &Samples,
    curves: &[Curve],
) -> Result<(), Failure> {
    let folder = place::root().join("bench");
    let mut page = format!(
        "# Figures\n\nWritten by `cargo xtask bench`; how they are measured: [README.md](README.md).\n\n{heading}\nA ratio is the median of the rounds' ratios, with its quartiles. `1 ± x` stands where it is no farther from 1 than two runs of Brevet are from each other.\n\n![Processor time and growth](results.svg)\n"
    );
    for table in tables {
        let _ = write!(page, "\n{table}");
    }
    put(&folder.join("results.md"), &page)?;
    put(&folder.join("results.svg"), &plot::whole(&plot::bars(&bars(samples)), curves))?;
    let readme = place::root().join("README.md");
    let text = std::fs::read_to_string(&readme).map_err(file("reading", &readme))?;
    let part = tables.first().cloned().unwrap_or_default();
    let picture = "![Processor time and growth](bench/results.svg)\n\nAll figures: [bench/results.md](bench/results.md).";
    match between(&text, &format!("{heading}\n{part}\n{picture}")) {
        Some(text) => put(&readme, &text),
        None => Err(Failure::Form {
            what: "README.md".to_owned(),
            wrong: "it has no place for the figures".to_owned(),
        }),
    }
}

fn put(path: &Path, text: &str) -> Result<(), Failure> {
    std::fs::write(path, text).map_err(file("writing", path))
}

/// The text with another part between the marks.
fn between(text: &str, part: &str) -> Option<String> {
    let (before, rest) = text.split_once(MARKS.0)?;
    let (_, after) = rest.split_once(MARKS.1)?;
    Some(format!("{before}{}\n{part}\n{}{after}", MARKS.0, MARKS.1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_between_the_marks_changes() {
        let text = format!("a\n{}old\n{}b\n", MARKS.0, MARKS.1);
        let once = between(&text, "new").unwrap();
        assert_eq!(once, format!("a\n{}\nnew\n{}b\n", MARKS.0, MARKS.1));
        assert_eq!(between(&once, "new").unwrap(), once);
        assert_eq!(between("no marks", "new"), None);
    }

    #[test]
    fn the_readme_of_this_checkout_has_a_place_for_the_figures() {
        let readme = std::fs::read_to_string(place::root().join("README.md")).unwrap();
        assert!(between(&readme, "x").is_some());
    }
}
