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
pub const STEPS: &[&[&str]] = &[LEASES, DUE, SWITCH, CLAIMS, JOURNAL, USED, RECEIPTS, ENDPOINTS];

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
    "CREATE TRIGGER IF NOT EXISTS lease_goes_forward BEFORE UPDATE ON lease
     WHEN NEW.revision <= OLD.revision
        OR (OLD.state = 'ended' AND NEW.state <> 'ended')
        OR NEW.owner <> OLD.owner
        OR (OLD.token_id IS NOT NULL AND NEW.token_id IS NOT OLD.token_id)
     BEGIN SELECT RAISE(ABORT, 'a lease only goes forward'); END",
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
