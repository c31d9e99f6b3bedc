//! `brevet client …` and `brevet operator …`: makes the secrets of those who call Brevet.

use std::fmt;

use brevet_core::bearer::{CLIENT_PREFIX, OPERATOR_PREFIX};
use brevet_core::rules;
use brevet_core::rules::document::{MAX_DIGESTS, MAX_RULES_BYTES};
use serde_json::{Map, Value, json};

use crate::arguments::{HolderCommand, HolderOptions};
use crate::credential;
use crate::failure::{Exit, Failure};
use crate::file;
use crate::rules_edit;
use crate::say;

/// Who holds a secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A program that asks for tokens.
    Client,
    /// A person who runs Brevet.
    Operator,
}

impl Kind {
    /// The section of the rules, and the word of the command line.
    pub(crate) fn section(self) -> &'static str {
        match self {
            Self::Client => "client",
            Self::Operator => "operator",
        }
    }

    fn prefix(self) -> &'static str {
        match self {
            Self::Client => CLIENT_PREFIX,
            Self::Operator => OPERATOR_PREFIX,
        }
    }

    /// The table to put into the rules.
    pub(crate) fn table(self, name: &str, digest: &str) -> String {
        let more = match self {
            Self::Client => "",
            Self::Operator => "\nmay = [\"read\"]   # any of read, revoke, mint, config",
        };
        format!("[{self}.{name}]\nsecret_sha256 = [\"{digest}\"]{more}")
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.section())
    }
}

/// Runs one of the commands.
///
/// # Errors
/// [`Failure`].
pub(crate) fn run(kind: Kind, command: &HolderCommand) -> Result<Exit, Failure> {
    match command {
        HolderCommand::New(options) => new(kind, options),
        HolderCommand::Rotate(options) => rotate(kind, options),
    }
}

/// Checks a name as the rules do: a rules file with nothing but this entry is read.
fn check_name(kind: Kind, name: &str) -> Result<(), Failure> {
    let mut entry = Map::new();
    entry.insert("secret_sha256".to_owned(), json!(["0".repeat(64)]));
    if kind == Kind::Operator {
        entry.insert("may".to_owned(), json!(["read"]));
    }
    let section: Value = [(name.to_owned(), Value::Object(entry))].into_iter().collect();
    let rules: Value = [
        ("version".to_owned(), json!(rules::document::VERSION)),
        ("brevet".to_owned(), json!({ "install": "x" })),
        (kind.section().to_owned(), section),
    ]
    .into_iter()
    .collect();
    let findings = rules::read(&rules).err().unwrap_or_default();
    match findings.first() {
        None => Ok(()),
        Some(finding) => {
            Err(Failure::Name { name: name.to_owned(), message: finding.message(), help: finding.help() })
        }
    }
}

/// Reads the file, changes it, writes it back.
fn edit(
    options: &HolderOptions,
    change: impl FnOnce(&str) -> Result<String, rules_edit::EditError>,
) -> Result<bool, Failure> {
    let Some(path) = options.file.as_deref() else { return Ok(false) };
    let text = file::read(path, MAX_RULES_BYTES)?;
    let changed = change(&text).map_err(|why| Failure::Edit { path: path.to_owned(), why })?;
    if options.write {
        file::replace(path, &changed)?;
    }
    Ok(options.write)
}

fn show(options: &HolderOptions, secret: &brevet_core::secret::Secret, digest: &str) -> Result<(), Failure> {
    if options.json {
        let value = json!({ "name": options.name, "secret": secret.expose(), "secret_sha256": digest });
        say::line(&value.to_string())?;
    } else {
        say::line(secret.expose())?;
    }
    Ok(())
}

fn new(kind: Kind, options: &HolderOptions) -> Result<Exit, Failure> {
    check_name(kind, &options.name)?;
    let secret = credential::new(kind.prefix())?;
    let digest = credential::digest(&secret);
    let written = edit(options, |text| rules_edit::with_holder(text, kind, &options.name, &digest))?;
    show(options, &secret, &digest)?;
    say::note(&format!(
        "The line on standard output is the secret of {kind} \"{}\". It is shown this once and kept nowhere: store it where the {kind} reads it.",
        options.name
    ));
    match (&options.file, written) {
        (Some(path), true) => {
            say::note(&format!(
                "{} has the new [{kind}.{}]. Put it in force: brevet config push {}",
                path.display(),
                options.name,
                path.display()
            ));
        }
        _ => say::note(&format!(
            "Put this into brevet.toml, then run `brevet config push`:\n\n{}\n",
            kind.table(&options.name, &digest)
        )),
    }
    if kind == Kind::Client {
        say::note("It can do nothing until a grant is `from = { client = \"…\" }` of this name.");
    }
    Ok(Exit::Done)
}

fn rotate(kind: Kind, options: &HolderOptions) -> Result<Exit, Failure> {
    check_name(kind, &options.name)?;
    let name = &options.name;
    let secret = credential::new(kind.prefix())?;
    let digest = credential::digest(&secret);
    let written = edit(options, |text| rules_edit::with_digest(text, kind, name, &digest))?;
    show(options, &secret, &digest)?;
    say::note(&format!(
        "The line on standard output is the new secret of {kind} \"{name}\". It is shown this once and kept nowhere."
    ));
    let first = match (&options.file, written) {
        (Some(path), true) => {
            let text = file::read(path, MAX_RULES_BYTES)?;
            let count = rules_edit::count(&text, kind, name)
                .map_err(|why| Failure::Edit { path: path.clone(), why })?;
            format!("{} now has {count} of at most {MAX_DIGESTS} digests there", path.display())
        }
        _ => format!(
            "In brevet.toml, put this beside the old digests of [{kind}.{name}] (at most {MAX_DIGESTS}):\n       \"{digest}\""
        ),
    };
    say::note(&format!(
        "Both secrets work while both digests are in force:\n\
         \x20 1. {first}.\n\
         \x20 2. brevet config push\n\
         \x20 3. Give the {kind} the new secret.\n\
         \x20 4. Take the old digest out of secret_sha256 and push again: only then the old secret is dead."
    ));
    Ok(Exit::Done)
}
