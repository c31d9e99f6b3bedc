//! What docs/ says is so: its rules load, its commands are there, and its tables name what the code has.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test that meets the unexpected should stop there"
)]

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn page(name: &str) -> String {
    fs::read_to_string(repository().join(name)).unwrap()
}

/// The blocks of a page in this language.
fn blocks(text: &str, language: &str) -> Vec<String> {
    let opening = format!("```{language}");
    let mut found = Vec::new();
    let mut block: Option<Vec<&str>> = None;
    for line in text.lines() {
        match &mut block {
            Some(lines) if line.trim() == "```" => {
                found.push(lines.join("\n") + "\n");
                block = None;
            }
            Some(lines) => lines.push(line),
            None if line.trim() == opening => block = Some(Vec::new()),
            None => {}
        }
    }
    found
}

/// The words in backquotes in the first column of the tables that begin with this header.
fn first_column(text: &str, header: &str) -> BTreeSet<String> {
    let mut words = BTreeSet::new();
    let mut inside = false;
    for line in text.lines() {
        inside = line.starts_with(header) || (inside && line.starts_with('|'));
        if inside && !line.starts_with(header) {
            let cell = line.trim_start_matches('|').split(" | ").next().unwrap_or_default();
            words.extend(cell.split('`').skip(1).step_by(2).map(str::to_owned));
        }
    }
    words
}

/// What stands in double quotes after `=> ` in a function of a file: the names that it gives.
fn names_given(file: &str, function: &str) -> BTreeSet<String> {
    let text = page(file);
    let body = text.split_once(&format!("fn {function}(&self)")).unwrap().1;
    let body = body.split_once("\n    }\n").unwrap().0;
    body.lines().filter_map(|line| Some(line.split_once("=> \"")?.1.split_once('"')?.0.to_owned())).collect()
}

#[test]
fn the_rules_of_the_pages_are_good() {
    // The guide's rules stand for themselves; those for GitLab are added to them.
    for pages in [&["docs/rules.md"][..], &["README.md"], &["README.md", "docs/gitlab.md"]] {
        let rules: String = pages.iter().map(|name| blocks(&page(name), "toml").concat()).collect();
        good(&rules);
    }
    let guide = blocks(&page("README.md"), "toml").concat().replace("\n   ", "\n");
    assert!(guide.contains(&blocks(&page("action/README.md"), "toml").concat()), "{guide}");
}

fn good(rules: &str) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("brevet.toml");
    fs::write(&path, rules).unwrap();
    let lint = Command::new(env!("CARGO_BIN_EXE_brevet"))
        .args(["config", "lint", "--json"])
        .arg(&path)
        .output()
        .unwrap();
    let told: serde_json::Value = serde_json::from_slice(&lint.stdout).unwrap();
    let findings = told["findings"].as_array().unwrap();
    let codes: Vec<_> = findings.iter().map(|finding| finding["code"].as_str().unwrap()).collect();
    assert_eq!((told["ok"].as_bool(), codes), (Some(true), Vec::new()), "{told:#}");
}

#[test]
fn every_finding_is_in_the_table_and_no_other() {
    let mut known = names_given("crates/brevet-core/src/rules/explain.rs", "code");
    assert!(known.len() > 30, "{known:?}");
    known.insert("toml".to_owned());
    assert_eq!(first_column(&page("docs/rules.md"), "| code |"), known);
}

#[test]
fn every_problem_is_in_a_table_and_no_other() {
    let documented = first_column(&page("docs/http.md"), "| type |");
    let mut known = names_given("crates/brevet-core/src/policy/denial/mod.rs", "code");
    known.extend(names_given("crates/brevet-core/src/guardrail/breach.rs", "code"));
    assert!(known.len() > 40, "{known:?}");
    let missing: Vec<_> = known.difference(&documented).collect();
    assert!(missing.is_empty(), "not documented: {missing:?}");
    // The rest is made in one place.
    let faults = page("crates/brevet-core/src/broker/face.rs");
    // That of an instance which stopped is made where the runtime calls.
    let entry = page("src/adapters/entry.js");
    for name in documented.difference(&known) {
        let made = faults.contains(&format!("\"{name}\""))
            || entry.contains(&format!("\"urn:brevet:problem:{name}\""));
        assert!(made, "{name} is no problem of Brevet's");
    }
    assert!(documented.contains("internal"));
    // Status and code come before the name.
    let named = |text: &str| {
        let mut parts = text.splitn(4, ',').map(str::trim);
        let (status, code, name) = (parts.next()?, parts.next()?, parts.next()?);
        let number = |text: &str| text.parse::<i64>().is_ok();
        (number(status) && number(code)).then(|| name.trim_matches('"').to_owned())
    };
    let made =
        faults.split("Face::new(").skip(1).filter_map(named).chain(faults.split('(').filter_map(named));
    let made: BTreeSet<_> = made.collect();
    assert!(made.len() > 30, "{made:?}");
    let missing: Vec<_> = made.difference(&documented).collect();
    assert!(missing.is_empty(), "not documented: {missing:?}");
}

#[test]
fn every_event_is_in_a_table_and_no_other() {
    let kinds = page("crates/brevet-core/src/announce/event.rs");
    let kinds = kinds.split_once("const KINDS").unwrap().1.split_once("];").unwrap().0;
    let (mut types, mut words) = (BTreeSet::from(["leak.reflex".to_owned()]), BTreeSet::new());
    for quoted in kinds.split('"').skip(1).step_by(2) {
        let _new = if quoted.contains('.') { &mut types } else { &mut words }.insert(quoted.to_owned());
    }
    assert!(types.len() > 20 && words.len() > 20, "{types:?} {words:?}");
    let http = page("docs/http.md");
    assert_eq!(first_column(&http, "| event's type |"), types);
    let documented = first_column(&http, "| `event` |");
    let missing: Vec<_> = words.difference(&documented).collect();
    assert!(missing.is_empty(), "not documented: {missing:?}");
}

#[test]
fn every_command_of_the_pages_is_there() {
    let mut seen = 0;
    for name in ["README.md", "docs/rules.md", "docs/http.md", "docs/operations.md"] {
        let blocks = blocks(&page(name), "sh").concat();
        for line in blocks.lines() {
            let line = line.split('#').next().unwrap_or_default();
            let Some((_, command)) = line.split_once("brevet ") else { continue };
            if line.contains("curl") || line.contains("export") {
                continue;
            }
            // `--help` at the end: everything before it is read, and nothing is run.
            let words = command.split_whitespace();
            let run = Command::new(env!("CARGO_BIN_EXE_brevet")).args(words).arg("--help").output().unwrap();
            let said = String::from_utf8_lossy(&run.stderr);
            assert!(run.status.success(), "{name}: brevet {command}: {said}");
            seen += 1;
        }
    }
    assert!(seen > 12, "{seen}");
}

#[test]
fn links_lead_somewhere() {
    for name in [
        "README.md",
        "docs/rules.md",
        "docs/http.md",
        "docs/operations.md",
        "docs/gitlab.md",
        "action/README.md",
    ] {
        let text = page(name);
        let folder = repository().join(name).parent().unwrap().to_owned();
        for target in text.split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
            if target.starts_with("http") {
                continue;
            }
            let (file, part) = target.split_once('#').unwrap_or((target, ""));
            let there = if file.is_empty() { repository().join(name) } else { folder.join(file) };
            assert!(there.is_file(), "{name}: {target}");
            if !part.is_empty() {
                let headings = fs::read_to_string(&there).unwrap();
                let slug = |line: &str| {
                    let kept = |c: &char| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_');
                    line.trim_start_matches(['#', ' '])
                        .to_lowercase()
                        .chars()
                        .filter(kept)
                        .collect::<String>()
                };
                let found = headings.lines().filter(|line| line.starts_with('#'));
                assert!(
                    found.map(|line| slug(line).replace(' ', "-")).any(|slug| slug == part),
                    "{name}: {target}"
                );
            }
        }
    }
}
