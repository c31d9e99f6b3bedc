//! `brevet config …`: the rules, looked over, put in force and compared.

mod difference;

use std::path::Path;

use serde_json::{Value, json};

use crate::arguments::{ConfigCommand, FileOptions, PushOptions};
use crate::credential;
use crate::failure::{Exit, Failure};
use crate::origin::Origin;
use crate::rules_file::{self, Looked, RulesFile};
use crate::say;
use crate::worker::{Pushed, Worker, WorkerError};

/// Runs one of the commands.
///
/// # Errors
/// [`Failure`].
pub(crate) fn run(url: Option<&str>, command: &ConfigCommand) -> Result<Exit, Failure> {
    match command {
        ConfigCommand::Lint(options) => lint(options),
        ConfigCommand::Push(options) => push(url, options),
        ConfigCommand::Diff(options) => diff(url, options),
        ConfigCommand::History { json } => history(url, *json),
    }
}

/// The Worker that the command line and the environment name.
pub(crate) fn worker(url: Option<&str>) -> Result<Worker, Failure> {
    let origin: Origin = url.ok_or(Failure::NoUrl)?.parse().map_err(Failure::Url)?;
    let secret = credential::operator(origin.is_plain())?;
    Ok(Worker::new(origin, secret))
}

fn lint(options: &FileOptions) -> Result<Exit, Failure> {
    let looked = rules_file::look(&options.file)?;
    let good = !looked.has_errors();
    if options.json {
        let findings = looked.findings();
        say::line(
            &json!({ "ok": good, "file": options.file.display().to_string(), "findings": findings })
                .to_string(),
        )?;
    } else {
        for finding in looked.findings() {
            say::line(&rules_file::line_of(&options.file, &finding))?;
        }
        say::note(&verdict(&options.file, &looked));
    }
    Ok(if good { Exit::Done } else { Exit::No })
}

fn verdict(path: &Path, looked: &Looked) -> String {
    let findings = looked.findings();
    let errors = findings.iter().filter(|finding| finding["severity"] == "error").count();
    let warnings = findings.len().saturating_sub(errors);
    let path = path.display();
    match (errors, warnings) {
        (0, 0) => format!("{path}: good"),
        (0, _) => format!("{path}: good, with {}", counted(warnings, "warning")),
        (_, 0) => format!("{path}: {}", counted(errors, "error")),
        _ => format!("{path}: {} and {}", counted(errors, "error"), counted(warnings, "warning")),
    }
}

fn counted(count: usize, word: &str) -> String {
    if count == 1 { format!("1 {word}") } else { format!("{count} {word}s") }
}

/// The file, if its rules can be put in force; else its findings are told.
fn good(path: &Path) -> Result<Option<RulesFile>, Failure> {
    let looked = rules_file::look(path)?;
    looked.tell(path);
    if looked.has_errors() {
        say::note(&format!("{}; nothing was sent.", verdict(path, &looked)));
        return Ok(None);
    }
    Ok(match looked {
        Looked::Read(file, _) => Some(file),
        Looked::NotToml { .. } => None,
    })
}

fn push(url: Option<&str>, options: &PushOptions) -> Result<Exit, Failure> {
    let Some(file) = good(&options.file.file)? else { return Ok(Exit::No) };
    let worker = worker(url)?;
    let present = worker.in_force()?;
    if let Some(expected) = options.expect.filter(|expected| *expected != present.version) {
        say::note(&format!(
            "Version {} is in force, not {expected}. See what differs with `brevet config diff`; nothing was pushed.",
            present.version
        ));
        return Ok(Exit::No);
    }
    if present.rules.as_ref() == Some(&file.value) {
        let body = json!({ "version": present.version, "changed": false });
        let words = format!("Version {} is in force and says the same; nothing was pushed.", present.version);
        say::line(&if options.file.json { body.to_string() } else { words })?;
        return Ok(Exit::Done);
    }
    let pushed = match worker.push(&file, present.version, options.removal) {
        Ok(pushed) => pushed,
        Err(error) => {
            tell_findings(&error, &file.path);
            return Err(error.into());
        }
    };
    if options.file.json {
        say::line(&pushed.answer.to_string())?;
    } else {
        for line in told(&pushed) {
            say::line(&line)?;
        }
    }
    Ok(Exit::Done)
}

/// The findings of rules that this program took and Brevet did not: it may be of another version.
pub(crate) fn tell_findings(error: &WorkerError, path: &Path) {
    if let WorkerError::Refused(problem) = error {
        for line in problem.findings(path) {
            say::note(&line);
        }
    }
}

/// What a push led to, in words.
pub(crate) fn told(pushed: &Pushed) -> Vec<String> {
    let mut lines = vec![format!("Version {} is in force.", pushed.version)];
    if !pushed.revoked.is_empty() {
        lines.push(format!(
            "{} ended: {}",
            counted(pushed.revoked.len(), "lease"),
            pushed.revoked.join(", ")
        ));
    }
    if !pushed.missing.is_empty() {
        lines.push(format!(
            "These ledgers do not have it yet and get it by themselves as soon as they can be reached: {}.",
            pushed.missing.join(", ")
        ));
    }
    lines
}

fn diff(url: Option<&str>, options: &FileOptions) -> Result<Exit, Failure> {
    let Some(file) = good(&options.file)? else { return Ok(Exit::No) };
    let present = worker(url)?.in_force()?;
    let same = present.rules.as_ref() == Some(&file.value);
    let old = present.rules.unwrap_or_else(|| json!({}));
    let lines = difference::of(
        &format!("version {}", present.version),
        &old,
        &file.path.display().to_string(),
        &file.value,
    );
    if options.json {
        let lines: Vec<&str> = lines.lines().collect();
        say::line(&json!({ "version": present.version, "same": same, "diff": lines }).to_string())?;
    } else if same {
        say::note(&format!("{} says what version {} does.", file.path.display(), present.version));
    } else {
        say::line(lines.trim_end_matches('\n'))?;
        match &present.pushed {
            Some((at, by)) => say::note(&format!("Version {} was pushed at {at} by {by}.", present.version)),
            None => say::note("No rules were pushed yet."),
        }
    }
    Ok(if same { Exit::Done } else { Exit::No })
}

fn history(url: Option<&str>, as_json: bool) -> Result<Exit, Failure> {
    let history = worker(url)?.history()?;
    if as_json {
        say::line(&history.to_string())?;
        return Ok(Exit::Done);
    }
    let versions = history.get("versions").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    if versions.is_empty() {
        say::note("No rules were pushed yet.");
    }
    for version in versions {
        let text = |name: &str| version.get(name).and_then(Value::as_str).unwrap_or("?");
        let number = version
            .get("version")
            .and_then(Value::as_u64)
            .map_or("?".to_owned(), |number| number.to_string());
        let digest: String = text("digest").chars().take(12).collect();
        say::line(&format!("{number:>6}  {}  {digest}  {}", text("pushed_at"), text("pushed_by")))?;
    }
    Ok(Exit::Done)
}
