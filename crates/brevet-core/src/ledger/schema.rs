//! The tables of a ledger. Steps are only ever added: an older object may meet a newer database and
//! must notice, and a newer object must bring an older database up.

/// The steps from an empty database to the present schema.
///
/// A lease is one row: the columns that are searched, and the whole lease as JSON beside them, so
/// that a new member of a lease needs no migration.
pub const STEPS: &[&[&str]] = &[&[
    "CREATE TABLE lease (
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
    "CREATE INDEX lease_by_creation ON lease (created, id)",
    "CREATE INDEX lease_by_owner ON lease (owner, issued_on, id)",
    "CREATE INDEX lease_live ON lease (expires_on) WHERE state <> 'ended'",
]];
