//! The register of rules in the `RULES` object.

use crate::json::{from_text, record, to_text, variants};
use crate::ledger::sql::{Sql, SqlError, SqlValue, migrate};
use crate::rulebook::version::RulesMark;
use crate::time::Timestamp;

/// How many versions are kept with their text; of older ones nothing is kept. A hundred pushes of
/// 256 kB are 25 MB, far below what an object holds.
pub const MOST_VERSIONS: u64 = 100;

const STEPS: &[&[&str]] = &[&[
    "CREATE TABLE IF NOT EXISTS version (
        version INTEGER PRIMARY KEY,
        mark TEXT NOT NULL,
        json TEXT NOT NULL,
        source_map TEXT,
        pushed_at INTEGER NOT NULL,
        pushed_by TEXT NOT NULL
    )",
    "CREATE TABLE IF NOT EXISTS undelivered (ledger TEXT PRIMARY KEY) WITHOUT ROWID",
]];

/// A question to the `RULES` object.
#[derive(Clone, Debug)]
pub enum RulebookRequest {
    /// Which version is in force?
    Head,
    /// Give a version with its text; without a number the one in force.
    Get {
        /// Which.
        version: Option<u64>,
    },
    /// List the versions kept, newest first.
    History,
    /// Put new rules in force.
    Push {
        /// The version that the pusher has seen in force.
        expected: u64,
        /// The rules' JSON.
        json: String,
        /// Where each part stands in the operator's file.
        source_map: Option<String>,
        /// The names of the ledgers of the old and the new rules.
        ledgers: Vec<String>,
        /// Who pushes.
        by: String,
    },
}

/// What the `RULES` object answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RulebookAnswer {
    /// The version in force; none was pushed yet where there is none.
    Head(Option<RulesMark>),
    /// A version.
    Version(Option<Kept>),
    /// Versions, newest first, without their texts.
    History(Vec<Kept>),
    /// The push is in force. The ledgers named did not take it yet and get it as soon as they can.
    Pushed {
        /// The new version.
        mark: RulesMark,
        /// The ledgers that do not have it yet.
        missing: Vec<String>,
    },
    /// The push is refused.
    Refused(PushRefusal),
}

/// Why a push is refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PushRefusal {
    /// Another version is in force than the pusher has seen.
    Moved {
        /// The version in force.
        present: u64,
    },
    /// The database failed.
    Database,
}

/// A version as it is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Kept {
    /// Its number and digest.
    pub mark: RulesMark,
    /// Its JSON; left out in a history.
    pub json: Option<String>,
    /// Where each part stands in the operator's file.
    pub source_map: Option<String>,
    /// When it was pushed.
    pub pushed_at: Timestamp,
    /// Who pushed it.
    pub pushed_by: String,
}

record!(Kept { mark, json, source_map, pushed_at, pushed_by });
variants!(RulebookRequest {
    "head" => Head {},
    "get" => Get { version: version },
    "history" => History {},
    "push" => Push { expected: expected, json: json, source_map: source_map, ledgers: ledgers, by: by },
});
variants!(PushRefusal {
    "database" => Database {},
    "moved" => Moved { present: present },
});
variants!(RulebookAnswer {
    "head" => Head { 0: mark },
    "version" => Version { 0: kept },
    "history" => History { 0: versions },
    "pushed" => Pushed { mark: mark, missing: missing },
    "refused" => Refused { 0: why },
});

/// The register of rules.
#[derive(Debug)]
pub struct Register<S> {
    sql: S,
}

impl<S: Sql> Register<S> {
    /// Opens the register and brings its schema up.
    ///
    /// # Errors
    /// The database's.
    pub fn open(sql: S) -> Result<Self, SqlError> {
        migrate(&sql, STEPS)?;
        Ok(Self { sql })
    }

    /// The version in force.
    ///
    /// # Errors
    /// The database's.
    pub fn head(&self) -> Result<Option<RulesMark>, SqlError> {
        let rows = self.sql.run("SELECT mark FROM version ORDER BY version DESC LIMIT 1", &[])?;
        rows.first().map(|row| mark_of(row.first())).transpose()
    }

    /// A version with its text.
    ///
    /// # Errors
    /// The database's.
    pub fn version(&self, version: Option<u64>) -> Result<Option<Kept>, SqlError> {
        let all = "SELECT mark, json, source_map, pushed_at, pushed_by FROM version";
        let rows = match version.map(i64::try_from) {
            None => self.sql.run(&format!("{all} ORDER BY version DESC LIMIT 1"), &[])?,
            Some(Ok(number)) => self.sql.run(&format!("{all} WHERE version = ?"), &[number.into()])?,
            // There is none of a number that the database cannot hold.
            Some(Err(_)) => return Ok(None),
        };
        rows.first().map(|row| kept_of(row)).transpose()
    }

    /// The versions kept, newest first, without their texts.
    ///
    /// # Errors
    /// The database's.
    pub fn history(&self) -> Result<Vec<Kept>, SqlError> {
        let rows = self
            .sql
            .run("SELECT mark, NULL, NULL, pushed_at, pushed_by FROM version ORDER BY version DESC", &[])?;
        rows.iter().map(|row| kept_of(row)).collect()
    }

    /// Puts rules in force, if the version expected is the one in force, and notes which ledgers must
    /// hear of it.
    ///
    /// # Errors
    /// The database's. The inner result tells whether the push was accepted.
    pub fn push(
        &self,
        expected: u64,
        json: &str,
        source_map: Option<&str>,
        ledgers: &[String],
        by: &str,
        now: Timestamp,
    ) -> Result<Result<RulesMark, PushRefusal>, SqlError> {
        let present = self.head()?.map_or(0, |mark| mark.version);
        if present != expected {
            return Ok(Err(PushRefusal::Moved { present }));
        }
        let mark = RulesMark::of(present.saturating_add(1), json);
        let number = i64::try_from(mark.version).unwrap_or(i64::MAX);
        let text = to_text(&mark);
        // The version itself comes last: where a statement fails, the old rules stay in force, and at
        // most a ledger is given them once more.
        for ledger in ledgers {
            self.sql
                .run("INSERT OR IGNORE INTO undelivered (ledger) VALUES (?)", &[ledger.as_str().into()])?;
        }
        let kept = i64::try_from(MOST_VERSIONS).unwrap_or(i64::MAX);
        self.sql.run("DELETE FROM version WHERE version <= ?", &[number.saturating_sub(kept).into()])?;
        self.sql.run(
            "INSERT INTO version (version, mark, json, source_map, pushed_at, pushed_by) VALUES (?, ?, ?, ?, ?, ?)",
            &[number.into(), SqlValue::Text(text), json.into(), SqlValue::text(source_map), now.unix().into(), by.into()],
        )?;
        Ok(Ok(mark))
    }

    /// The ledgers that do not have the version in force yet.
    ///
    /// # Errors
    /// The database's.
    pub fn undelivered(&self) -> Result<Vec<String>, SqlError> {
        let rows = self.sql.run("SELECT ledger FROM undelivered ORDER BY ledger", &[])?;
        rows.into_iter()
            .map(|row| match row.into_iter().next() {
                Some(SqlValue::Text(name)) => Ok(name),
                _ => Err(SqlError::Row("undelivered")),
            })
            .collect()
    }

    /// Notes that a ledger has taken this version. One that took an older version meanwhile still
    /// lacks the one in force.
    ///
    /// # Errors
    /// The database's.
    pub fn delivered(&self, ledger: &str, mark: &RulesMark) -> Result<(), SqlError> {
        if self.head()?.as_ref() == Some(mark) {
            self.sql.run("DELETE FROM undelivered WHERE ledger = ?", &[ledger.into()])?;
        }
        Ok(())
    }
}

fn mark_of(value: Option<&SqlValue>) -> Result<RulesMark, SqlError> {
    match value {
        Some(SqlValue::Text(text)) => from_text(text).ok_or(SqlError::Row("version")),
        _ => Err(SqlError::Row("version")),
    }
}

fn kept_of(row: &[SqlValue]) -> Result<Kept, SqlError> {
    let optional = |value: &SqlValue| match value {
        SqlValue::Text(text) => Ok(Some(text.clone())),
        SqlValue::Null => Ok(None),
        SqlValue::Integer(_) => Err(SqlError::Row("version")),
    };
    let [mark, json, source_map, SqlValue::Integer(pushed_at), SqlValue::Text(pushed_by)] = row else {
        return Err(SqlError::Row("version"));
    };
    Ok(Kept {
        mark: mark_of(Some(mark))?,
        json: optional(json)?,
        source_map: optional(source_map)?,
        pushed_at: Timestamp::from_unix(*pushed_at).map_err(|_| SqlError::Row("version"))?,
        pushed_by: pushed_by.clone(),
    })
}
