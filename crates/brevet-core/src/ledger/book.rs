//! The book itself: what is written and read in the object's database. Nothing here waits, so that
//! the statements of one call stand together or not at all.

use std::cell::Cell;

use crate::id::{LeaseId, TokenId};
use crate::json::{from_text, record, to_text, variants};
use crate::ledger::lease::{End, Lease, State};
use crate::ledger::schema::STEPS;
use crate::ledger::sql::{Row, Sql, SqlError, SqlValue, migrate};
use crate::rulebook::RulesMark;
use crate::time::Timestamp;

/// The most leases in one answer: a page of JSON that stays far below the runtime's limits.
pub const MOST_LISTED: u32 = 100;

/// The most live leases in one answer: the 500 tokens that an account may have at Cloudflare.
pub const MOST_LIVE: u32 = 500;

/// Which leases a list shall hold.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Filter {
    /// Only this owner's.
    pub owner: Option<String>,
    /// Only those this grant allowed.
    pub grant: Option<String>,
    /// Only those made from this template.
    pub template: Option<String>,
    /// Only those in this state.
    pub state: Option<State>,
    /// Only those made for this run.
    pub run: Option<String>,
    /// Only those whose token ends before this moment.
    pub expiring_before: Option<Timestamp>,
}

/// A place in the list of leases, newest first: the lease last seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct After {
    /// When it was created.
    pub created: Timestamp,
    /// Its id.
    pub id: LeaseId,
}

/// Which page of one owner's tokens, as Cloudflare's own list counts them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page {
    /// Whose; all owners' where there is none.
    pub owner: Option<String>,
    /// How many to pass over.
    pub offset: u32,
    /// How many to give, at most [`MOST_LISTED`].
    pub limit: u32,
    /// Newest first.
    pub descending: bool,
    /// Whether expired ones are in it too.
    pub include_expired: bool,
}

/// How a lease is named in a request: by its own id or by its token's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LeaseKey {
    /// By the lease's id.
    Lease(LeaseId),
    /// By the token's id.
    Token(TokenId),
}

impl LeaseKey {
    /// Reads either form; they differ in length and alphabet.
    pub fn read(text: &str) -> Option<Self> {
        text.parse().map(Self::Lease).or_else(|_| text.parse().map(Self::Token)).ok()
    }
}

record!(Filter { owner, grant, template, state, run, expiring_before });
record!(After { created, id });
record!(Page { owner, offset, limit, descending, include_expired });
variants!(LeaseKey {
    "lease" => Lease { 0: lease },
    "token" => Token { 0: token },
});

/// The book of one ledger.
#[derive(Debug)]
pub struct Book<S> {
    sql: S,
    /// No live lease ends before this moment, in seconds since 1970: all writing of leases goes through here.
    /// 0 where that is not known.
    ends: Cell<i64>,
    /// Whether it is known that the book has no freeze, not even one that is over: all writing of freezes goes
    /// through here.
    no_freeze: Cell<bool>,
}

impl<S: Sql> Book<S> {
    /// Opens the book and brings its schema up.
    ///
    /// # Errors
    /// The database's.
    pub fn open(sql: S) -> Result<Self, SqlError> {
        migrate(&sql, STEPS)?;
        Ok(Self { sql, ends: Cell::new(0), no_freeze: Cell::new(false) })
    }

    pub(super) fn sql(&self) -> &S {
        &self.sql
    }

    pub(super) fn has_no_freeze(&self) -> bool {
        self.no_freeze.get()
    }

    pub(super) fn note_freezes(&self, any: bool) {
        self.no_freeze.set(!any);
    }

    /// Whether a lease of this id is in the book.
    ///
    /// # Errors
    /// The database's.
    pub fn holds(&self, id: LeaseId) -> Result<bool, SqlError> {
        Ok(!self.sql.run("SELECT 1 FROM lease WHERE id = ?", &[id.as_str().into()])?.is_empty())
    }

    /// Writes a lease, unless one of its id is there already; tells whether it was written.
    ///
    /// # Errors
    /// The database's.
    pub fn insert(&self, lease: &Lease) -> Result<bool, SqlError> {
        self.note_end(lease);
        let mut bound = Columns::of(lease).0.to_vec();
        bound.extend([SqlValue::Text(to_text(lease)), lease.id.as_str().into()]);
        let written = self.sql.run(
            "INSERT INTO lease (token_id, owner, grant_name, template, run, state, live, created, issued_on, expires_on, revision, body, id)
             VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (id) DO NOTHING RETURNING 1",
            &bound,
        )?;
        Ok(!written.is_empty())
    }

    /// Writes a lease over itself, with a later revision. `before` is what stood in the row: each index entry
    /// that is written is paid for, so only columns that changed are set. Where the lease must be `unmoved`,
    /// one of another revision stays as it is. Tells whether it was written.
    ///
    /// # Errors
    /// The database's, among them its refusal of a step back: see [`STEPS`].
    pub fn replace(&self, before: &Columns, lease: &Lease, unmoved: bool) -> Result<bool, SqlError> {
        self.note_end(lease);
        let mut statement = String::from("UPDATE lease SET body = ?");
        let mut bound = vec![SqlValue::Text(to_text(lease))];
        let after = Columns::of(lease).0;
        for ((name, before), after) in COLUMNS.iter().zip(&before.0).zip(after) {
            if *before != after {
                statement.push_str(", ");
                statement.push_str(name);
                statement.push_str(" = ?");
                bound.push(after);
            }
        }
        statement.push_str(" WHERE id = ?");
        bound.push(lease.id.as_str().into());
        if unmoved {
            statement.push_str(" AND revision = ?");
            bound.extend(before.0.last().cloned());
        }
        statement.push_str(" RETURNING 1");
        Ok(!self.sql.run(&statement, &bound)?.is_empty())
    }

    fn note_end(&self, lease: &Lease) {
        if lease.state != State::Ended {
            self.ends.set(self.ends.get().min(lease.expires_on.unix()));
        }
    }

    /// The lease of this id or of the token with this id.
    ///
    /// # Errors
    /// The database's.
    pub fn find(&self, key: LeaseKey) -> Result<Option<Box<Lease>>, SqlError> {
        let rows = match key {
            LeaseKey::Lease(id) => {
                self.sql.run("SELECT body FROM lease WHERE id = ?", &[id.as_str().into()])?
            }
            LeaseKey::Token(id) => {
                self.sql.run("SELECT body FROM lease WHERE token_id = ?", &[id.as_str().into()])?
            }
        };
        match rows.first() {
            Some(row) => Ok(Some(Box::new(lease_of(row)?))),
            None => Ok(None),
        }
    }

    /// Marks the leases whose time is up as ended, and gives them. A row that cannot
    /// be read (a later build wrote it) stays as it is: it must not keep the others from being ended.
    ///
    /// # Errors
    /// The database's.
    pub fn settle_expired(&self, now: Timestamp) -> Result<Vec<Lease>, SqlError> {
        if now.unix() < self.ends.get() {
            return Ok(Vec::new());
        }
        self.ends.set(0);
        let rows = self
            .sql
            .run("SELECT body FROM lease WHERE live IS NOT NULL AND expires_on <= ?", &[now.unix().into()])?;
        let mut settled = Vec::new();
        for mut lease in rows.iter().filter_map(|row| lease_of(row).ok()) {
            let before = Columns::of(&lease);
            let end = if lease.token_id.is_none() { End::NeverCreated } else { End::Expired };
            lease.finish(end, lease.expires_on);
            lease.revision = lease.revision.saturating_add(1);
            self.replace(&before, &lease, false)?;
            settled.push(lease);
        }
        let first = self.sql.run("SELECT min(expires_on) FROM lease WHERE live IS NOT NULL", &[])?;
        self.ends.set(match first.first().and_then(|row| row.first()) {
            Some(SqlValue::Integer(end)) => *end,
            _ => i64::MAX,
        });
        Ok(settled)
    }

    /// Leases, newest first, at most `limit` and at most [`MOST_LISTED`].
    ///
    /// # Errors
    /// The database's.
    pub fn list(&self, filter: &Filter, after: Option<After>, limit: u32) -> Result<Vec<Lease>, SqlError> {
        // What orders them is in an index; their bodies are read of one page only.
        let mut statement = String::from("SELECT body FROM lease WHERE id IN (SELECT id FROM lease WHERE 1");
        let mut bound = Vec::new();
        let mut add = |condition: &str, values: Vec<SqlValue>| {
            statement.push_str(" AND ");
            statement.push_str(condition);
            bound.extend(values);
        };
        // Those that live are few, whoever's they are.
        let lives = filter.state.is_some_and(|state| state != State::Ended);
        if lives {
            add("live IS NOT NULL", Vec::new());
        }
        if let Some(owner) = &filter.owner {
            add(if lives { "+owner = ?" } else { "owner = ?" }, vec![owner.as_str().into()]);
        }
        if let Some(grant) = &filter.grant {
            add("grant_name = ?", vec![grant.as_str().into()]);
        }
        if let Some(template) = &filter.template {
            add("template = ?", vec![template.as_str().into()]);
        }
        if let Some(state) = filter.state {
            add("state = ?", vec![state.as_str().into()]);
        }
        if let Some(run) = &filter.run {
            add("run = ?", vec![run.as_str().into()]);
        }
        if let Some(moment) = filter.expiring_before {
            add("expires_on < ?", vec![moment.unix().into()]);
        }
        if let Some(After { created, id }) = after {
            add("(created, id) < (?, ?)", vec![created.unix().into(), id.as_str().into()]);
        }
        statement.push_str(" ORDER BY created DESC, id DESC LIMIT ?) ORDER BY created DESC, id DESC");
        bound.push(limit.min(MOST_LISTED).into());
        self.sql.run(&statement, &bound)?.iter().map(lease_of).collect()
    }

    /// A page of tokens as Cloudflare's own list would give it, and how many there are in all.
    /// Tokens that were never created or are deleted are not in it.
    ///
    /// # Errors
    /// The database's.
    pub fn page(&self, page: &Page) -> Result<(Vec<Lease>, u32), SqlError> {
        // An expired token stays in Cloudflare's list for a while; a deleted one does not.
        // The `+` keeps SQLite from going through all tokens, or all of an owner's, that ever were.
        let mut condition = String::from(" FROM lease WHERE +token_id IS NOT NULL AND ");
        condition.push_str(if page.include_expired {
            "(live IS NOT NULL OR json_extract(body, '$.end') = 'expired')"
        } else {
            "live IS NOT NULL"
        });
        let mut bound = Vec::new();
        if let Some(owner) = &page.owner {
            condition.push_str(if page.include_expired { " AND owner = ?" } else { " AND +owner = ?" });
            bound.push(owner.as_str().into());
        }
        let counted = self.sql.run(&format!("SELECT count(*){condition}"), &bound)?;
        let total = match counted.first().and_then(|row| row.first()) {
            Some(SqlValue::Integer(count)) => u32::try_from(*count).unwrap_or(u32::MAX),
            _ => return Err(SqlError::Row("lease")),
        };
        let order = if page.descending { "DESC" } else { "ASC" };
        bound.push(page.limit.min(MOST_LISTED).into());
        bound.push(page.offset.into());
        let rows = self.sql.run(
            &format!("SELECT body{condition} ORDER BY issued_on {order}, id {order} LIMIT ? OFFSET ?"),
            &bound,
        )?;
        Ok((rows.iter().map(lease_of).collect::<Result<_, _>>()?, total))
    }

    /// The live leases of some grants or owners, at most `limit` and at most [`MOST_LIVE`]; with both
    /// lists empty, of all.
    ///
    /// # Errors
    /// The database's.
    pub fn live_of(&self, grants: &[String], owners: &[String], limit: u32) -> Result<Vec<Lease>, SqlError> {
        // A statement takes at most a hundred bound values, and there may be more names than that.
        let mut statement = String::from("SELECT body FROM lease WHERE live IS NOT NULL");
        let mut bound = Vec::new();
        if !(grants.is_empty() && owners.is_empty()) {
            statement.push_str(
                " AND (grant_name IN (SELECT value FROM json_each(?)) OR owner IN (SELECT value FROM json_each(?)))",
            );
            for names in [grants, owners] {
                bound.push(SqlValue::Text(to_text(names)));
            }
        }
        statement.push_str(" ORDER BY created, id LIMIT ?");
        bound.push(limit.min(MOST_LIVE).into());
        self.sql.run(&statement, &bound)?.iter().map(lease_of).collect()
    }

    /// The rules this ledger was last given.
    ///
    /// # Errors
    /// The database's.
    pub fn rules(&self) -> Result<Option<(RulesMark, String)>, SqlError> {
        let rows = self.sql.run("SELECT mark, json FROM rules", &[])?;
        match rows.into_iter().next().map(<[SqlValue; 2]>::try_from) {
            None => Ok(None),
            Some(Ok([mark, SqlValue::Text(json)])) => Ok(Some((mark_of(&mark)?, json))),
            Some(_) => Err(SqlError::Row("rules")),
        }
    }

    /// Which rules this ledger was last given, without their text.
    ///
    /// # Errors
    /// The database's.
    pub fn rules_mark(&self) -> Result<Option<RulesMark>, SqlError> {
        let rows = self.sql.run("SELECT mark FROM rules", &[])?;
        rows.first().map(|row| row.first().ok_or(SqlError::Row("rules")).and_then(mark_of)).transpose()
    }

    /// Keeps the rules it is given, if they are later than those it has. One statement, so that mark
    /// and text never part.
    ///
    /// # Errors
    /// The database's.
    pub fn take_rules(&self, mark: &RulesMark, json: &str) -> Result<(), SqlError> {
        let version = i64::try_from(mark.version).map_err(|_| SqlError::Row("rules"))?;
        let text = to_text(mark);
        self.sql
            .run(
                "INSERT INTO rules (only, version, mark, json) VALUES (1, ?, ?, ?)
                 ON CONFLICT (only) DO UPDATE SET version = excluded.version, mark = excluded.mark, json = excluded.json
                 WHERE excluded.version > rules.version",
                &[version.into(), SqlValue::Text(text), json.into()],
            )
            .map(drop)
    }

    /// A text kept under a name.
    ///
    /// # Errors
    /// The database's.
    pub fn note(&self, name: &str) -> Result<Option<String>, SqlError> {
        let rows = self.sql.run("SELECT value FROM meta WHERE name = ?", &[name.into()])?;
        match rows.into_iter().next().map(|row| row.into_iter().next()) {
            None => Ok(None),
            Some(Some(SqlValue::Text(text))) => Ok(Some(text)),
            Some(_) => Err(SqlError::Row("meta")),
        }
    }

    /// Lets go of what is kept under a name.
    ///
    /// # Errors
    /// The database's.
    pub fn drop_note(&self, name: &str) -> Result<(), SqlError> {
        self.sql.run("DELETE FROM meta WHERE name = ?", &[name.into()]).map(drop)
    }

    /// Keeps a text under a name.
    ///
    /// # Errors
    /// The database's.
    pub fn keep_note(&self, name: &str, value: &str) -> Result<(), SqlError> {
        self.sql
            .run(
                "INSERT INTO meta (name, value) VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET value = excluded.value",
                &[name.into(), value.into()],
            )
            .map(drop)
    }
}

/// The columns of [`Columns`], as the table names them.
const COLUMNS: [&str; 11] = [
    "token_id",
    "owner",
    "grant_name",
    "template",
    "run",
    "state",
    "live",
    "created",
    "issued_on",
    "expires_on",
    "revision",
];

/// What of a lease is searched for.
#[derive(Clone, Debug, PartialEq)]
pub struct Columns([SqlValue; 11]);

impl Columns {
    /// Those of this lease.
    pub fn of(lease: &Lease) -> Self {
        Self([
            SqlValue::text(lease.token_id.as_ref().map(TokenId::as_str)),
            lease.owner.as_str().into(),
            SqlValue::text(lease.grant.as_deref()),
            SqlValue::text(lease.template.as_deref()),
            SqlValue::text(lease.run.as_deref()),
            lease.state.as_str().into(),
            SqlValue::integer((lease.state != State::Ended).then_some(1)),
            lease.created.unix().into(),
            SqlValue::integer(lease.issued_on.map(Timestamp::unix)),
            lease.expires_on.unix().into(),
            lease.revision.into(),
        ])
    }
}

fn lease_of(row: &Row) -> Result<Lease, SqlError> {
    match row.first() {
        Some(SqlValue::Text(body)) => from_text(body).ok_or(SqlError::Row("lease")),
        _ => Err(SqlError::Row("lease")),
    }
}

fn mark_of(value: &SqlValue) -> Result<RulesMark, SqlError> {
    match value {
        SqlValue::Text(text) => from_text(text).ok_or(SqlError::Row("rules")),
        _ => Err(SqlError::Row("rules")),
    }
}
