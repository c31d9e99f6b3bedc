//! The rules file: read, checked, and its findings in words.

use std::fmt::Write;
use std::path::{Path, PathBuf};

use brevet_core::rules::document::MAX_RULES_BYTES;
use brevet_core::rules::{Finding, Place, Severity, SourceMap};
use serde_json::{Value, json};

use crate::failure::Failure;
use crate::file;
use crate::say;
use crate::toml_rules;

/// A rules file that is TOML. Whether its rules are good is another question.
#[derive(Clone, Debug)]
pub(crate) struct RulesFile {
    /// Where it is.
    pub(crate) path: PathBuf,
    /// The rules as JSON.
    pub(crate) value: Value,
    /// Where each of them stands.
    pub(crate) places: SourceMap,
}

/// What was found in a file.
#[derive(Clone, Debug)]
pub(crate) enum Looked {
    /// It is no TOML.
    NotToml {
        /// Where it stops being TOML.
        place: Option<Place>,
        /// Why.
        message: String,
    },
    /// It was read, and this is what there is to say about its rules.
    Read(RulesFile, Vec<Finding>),
}

/// Reads and checks a rules file.
///
/// # Errors
/// Where it cannot be read.
pub(crate) fn look(path: &Path) -> Result<Looked, Failure> {
    let text = file::read(path, MAX_RULES_BYTES)?;
    Ok(match toml_rules::parse(&text) {
        Err(error) => Looked::NotToml { place: error.place, message: error.message },
        Ok((value, places)) => {
            let findings = brevet_core::rules::lint(&value);
            Looked::Read(RulesFile { path: path.to_owned(), value, places }, findings)
        }
    })
}

impl Looked {
    /// Whether the rules cannot be put in force.
    pub(crate) fn has_errors(&self) -> bool {
        match self {
            Self::NotToml { .. } => true,
            Self::Read(_, findings) => has_errors(findings),
        }
    }

    /// The findings as JSON.
    pub(crate) fn findings(&self) -> Vec<Value> {
        match self {
            Self::NotToml { place, message } => {
                let mut finding = json!({
                    "severity": "error",
                    "pointer": "",
                    "code": "toml",
                    "message": message,
                    "help": "Write it as TOML; see the example brevet.toml.",
                });
                if let (Some(place), Some(members)) = (place, finding.as_object_mut()) {
                    members.insert("line".to_owned(), place.line.into());
                    members.insert("column".to_owned(), place.column.into());
                }
                vec![finding]
            }
            Self::Read(file, findings) => findings
                .iter()
                .map(|finding| brevet_core::json::to_value(&finding.to_json(Some(&file.places))))
                .collect(),
        }
    }

    /// Tells the findings on standard error.
    pub(crate) fn tell(&self, path: &Path) {
        for finding in self.findings() {
            say::note(&line_of(path, &finding));
        }
    }
}

/// Whether any of the findings keeps the rules from being put in force.
pub(crate) fn has_errors(findings: &[Finding]) -> bool {
    findings.iter().any(|finding| finding.severity == Severity::Error)
}

/// A finding as compilers write them, so that editors find the place.
pub(crate) fn line_of(path: &Path, finding: &Value) -> String {
    let text = |name: &str| finding.get(name).and_then(Value::as_str).unwrap_or_default();
    let number = |name: &str| finding.get(name).and_then(Value::as_u64).unwrap_or(1);
    let mut line = format!(
        "{}:{}:{}: {}: {}",
        path.display(),
        number("line"),
        number("column"),
        text("severity"),
        text("message")
    );
    if !text("help").is_empty() {
        // Writing to a string cannot fail.
        let _ = write!(line, "\n  help: {}", text("help"));
    }
    line
}
