//! The tables of a ledger. Steps are only ever added: an older object may meet a newer database and
//! must notice, and a newer object must bring an older database up.

/// The steps from an empty database to the present schema. Every statement can be run again: a step
/// that broke off in the middle is taken up by the next opening.
///
/// A lease is one row: the columns that are searched, and the whole lease as JSON beside them, so
/// that a new member of a lease needs no migration.
///
/// The trigger holds what no interleaving may break, whatever the code above it believes: an ended
/// lease never lives again, every change counts the revision up, so that a write on a stale copy is
/// refused, and a lease keeps its owner and its token.
pub const STEPS: &[&[&str]] = &[LEASES, DUE, SWITCH, CLAIMS, JOURNAL, USED, RECEIPTS, ENDPOINTS, LEAN];

const LEASE_GOES_FORWARD: &str = "CREATE TRIGGER IF NOT EXISTS lease_goes_forward BEFORE UPDATE ON lease
     WHEN NEW.revision <= OLD.revision
        OR (OLD.state = 'ended' AND NEW.state <> 'ended')
        OR NEW.owner <> OLD.owner
        OR (OLD.token_id IS NOT NULL AND NEW.token_id IS NOT OLD.token_id)
     BEGIN SELECT RAISE(ABORT, 'a lease only goes forward'); END";

const LEASES: &[&str] = &[
    "CREATE TABLE IF NOT EXISTS lease (
        id TEXT PRIMARY KEY,
        token_id TEXT UNIQUE,
        owner TEXT NOT NULL,
        grant_name TEXT,
        template TEXT,
        run TEXT,
        state TEXT NOT NULL,
        created INTEGER NOT NULL,
        issued_on INTEGER,
        expires_on INTEGER NOT NULL,
        revision INTEGER NOT NULL,
        body TEXT NOT NULL
    ) WITHOUT ROWID",
    "CREATE INDEX IF NOT EXISTS lease_by_creation ON lease (created, id)",
    "CREATE INDEX IF NOT EXISTS lease_by_owner ON lease (owner, issued_on, id)",
    "CREATE INDEX IF NOT EXISTS lease_live ON lease (expires_on) WHERE state <> 'ended'",
    LEASE_GOES_FORWARD,
    "CREATE TABLE IF NOT EXISTS rules (
        only INTEGER PRIMARY KEY CHECK (only = 1),
        version INTEGER NOT NULL,
        mark TEXT NOT NULL,
        json TEXT NOT NULL
    )",
];

/// What is to be done for the leases of an older schema is looked at with the first alarm.
const DUE: &[&str] = &[
    "CREATE TABLE IF NOT EXISTS due (
        key TEXT PRIMARY KEY,
        kind TEXT NOT NULL,
        at INTEGER NOT NULL,
        tries INTEGER NOT NULL
    ) WITHOUT ROWID",
    "CREATE INDEX IF NOT EXISTS due_by_time ON due (at)",
    "INSERT OR IGNORE INTO due (key, kind, at, tries)
     SELECT id, iif(token_id IS NULL, 'reconcile', 'delete'), iif(state = 'active', expires_on, created), 0
     FROM lease WHERE state <> 'ended'",
];

const SWITCH: &[&str] = &[
    "CREATE TABLE IF NOT EXISTS freeze (
        id TEXT PRIMARY KEY,
        kind TEXT NOT NULL,
        value TEXT NOT NULL,
        until INTEGER,
        body TEXT NOT NULL
    ) WITHOUT ROWID",
    "CREATE TABLE IF NOT EXISTS job (
        job TEXT NOT NULL,
        lease TEXT NOT NULL,
        at INTEGER NOT NULL,
        PRIMARY KEY (job, lease)
    ) WITHOUT ROWID",
];

const CLAIMS: &[&str] = &[
    "CREATE TABLE IF NOT EXISTS claim (
        key TEXT PRIMARY KEY,
        body TEXT NOT NULL,
        lease TEXT NOT NULL,
        replays INTEGER NOT NULL,
        at INTEGER NOT NULL
    ) WITHOUT ROWID",
    "CREATE INDEX IF NOT EXISTS claim_by_time ON claim (at)",
];

const USED: &[&str] = &[
    "CREATE TABLE IF NOT EXISTS used (key TEXT PRIMARY KEY, until INTEGER NOT NULL, claim TEXT) WITHOUT ROWID",
    "CREATE INDEX IF NOT EXISTS used_by_time ON used (until)",
];

/// The key is what a message is known by when it comes again.
const RECEIPTS: &[&str] = &[
    "CREATE TABLE IF NOT EXISTS receipt (
        seq INTEGER PRIMARY KEY,
        id TEXT NOT NULL UNIQUE,
        key TEXT NOT NULL UNIQUE,
        hook TEXT NOT NULL,
        until INTEGER NOT NULL,
        body TEXT NOT NULL
    )",
    "CREATE INDEX IF NOT EXISTS receipt_by_end ON receipt (until)",
    "CREATE INDEX IF NOT EXISTS receipt_by_hook ON receipt (hook, seq)",
];

/// An endpoint has one row, an event that was not delivered at once another.
const ENDPOINTS: &[&str] = &[
    "CREATE TABLE IF NOT EXISTS endpoint (
        name TEXT PRIMARY KEY,
        seq INTEGER NOT NULL,
        at INTEGER NOT NULL,
        tries INTEGER NOT NULL,
        since INTEGER,
        paused INTEGER,
        failure TEXT,
        delivered INTEGER
    ) WITHOUT ROWID",
    "CREATE TABLE IF NOT EXISTS delivery (
        endpoint TEXT NOT NULL,
        seq INTEGER NOT NULL,
        state TEXT NOT NULL,
        at INTEGER NOT NULL,
        tries INTEGER NOT NULL,
        begun INTEGER NOT NULL,
        failure TEXT,
        PRIMARY KEY (endpoint, seq)
    ) WITHOUT ROWID",
    "CREATE INDEX IF NOT EXISTS delivery_by_time ON delivery (endpoint, state, at)",
];

/// An index entry costs as much as a row each time it is written, and a row that is read a thousandth of
/// that. So an index stays where a call that comes often, or a caller at will, would else read what grows
/// with the years:
/// - `lease_live` has what expires next, what counts against the quota and what the kill switch finds, 500
///   at most. It goes by a column of its own, for SQLite writes an entry again whenever a column of its
///   condition is set: a lease that goes from state to state alive leaves this one alone.
/// - `lease_by_token` has no entry of a lease that has no token yet.
/// - `lease_by_owner` gives a caller its own list in order. An operator's list of all goes through this
///   index, which is small, as through a table.
///
/// Errands are as many as there are live leases, and only an alarm looks for them by time; used credentials
/// and claims are let go by the cron; and no statement reads the journal, or receipts, but by number.
const LEAN: &[&str] = &[
    "DROP INDEX IF EXISTS due_by_time",
    "DROP INDEX IF EXISTS used_by_time",
    "DROP INDEX IF EXISTS claim_by_time",
    "DROP INDEX IF EXISTS journal_by_owner",
    "DROP INDEX IF EXISTS journal_by_lease",
    "DROP INDEX IF EXISTS receipt_by_hook",
    // The old constraint on the token goes only with its table. Wherever this breaks off, what is copied
    // stays and what is not is copied: a table that is gone already is there again, empty.
    "CREATE TABLE IF NOT EXISTS lease (
        id TEXT PRIMARY KEY, token_id TEXT, owner TEXT NOT NULL, grant_name TEXT, template TEXT, run TEXT,
        state TEXT NOT NULL, created INTEGER NOT NULL, issued_on INTEGER, expires_on INTEGER NOT NULL,
        revision INTEGER NOT NULL, body TEXT NOT NULL
    ) WITHOUT ROWID",
    "CREATE TABLE IF NOT EXISTS lease_next (
        id TEXT PRIMARY KEY,
        token_id TEXT,
        owner TEXT NOT NULL,
        grant_name TEXT,
        template TEXT,
        run TEXT,
        state TEXT NOT NULL,
        live INTEGER,
        created INTEGER NOT NULL,
        issued_on INTEGER,
        expires_on INTEGER NOT NULL,
        revision INTEGER NOT NULL,
        body TEXT NOT NULL,
        CHECK ((live IS NULL) = (state = 'ended'))
    ) WITHOUT ROWID",
    "INSERT INTO lease_next
     SELECT id, token_id, owner, grant_name, template, run, state, iif(state = 'ended', NULL, 1), created,
         issued_on, expires_on, revision, body
     FROM lease WHERE id NOT IN (SELECT id FROM lease_next)",
    "DROP TABLE lease",
    "ALTER TABLE lease_next RENAME TO lease",
    "CREATE UNIQUE INDEX IF NOT EXISTS lease_by_token ON lease (token_id) WHERE token_id IS NOT NULL",
    "CREATE INDEX IF NOT EXISTS lease_by_owner ON lease (owner, created, id)",
    "CREATE INDEX IF NOT EXISTS lease_live ON lease (expires_on) WHERE live IS NOT NULL",
    LEASE_GOES_FORWARD,
];

/// Entries are never changed: the triggers hold that against a defect of ours. Whoever can alter the
/// database meets the chain.
const JOURNAL: &[&str] = &[
    "CREATE TABLE IF NOT EXISTS journal (
        seq INTEGER PRIMARY KEY,
        at INTEGER NOT NULL,
        event TEXT NOT NULL,
        owner TEXT,
        lease TEXT,
        body TEXT NOT NULL,
        mac TEXT NOT NULL
    )",
    "CREATE INDEX IF NOT EXISTS journal_by_owner ON journal (owner, seq) WHERE owner IS NOT NULL",
    "CREATE INDEX IF NOT EXISTS journal_by_lease ON journal (lease, seq) WHERE lease IS NOT NULL",
    "CREATE TRIGGER IF NOT EXISTS journal_stands BEFORE UPDATE ON journal
     BEGIN SELECT RAISE(ABORT, 'the journal is not changed'); END",
];
