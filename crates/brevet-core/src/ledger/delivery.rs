//! How far each endpoint has been told: a place in the journal, and what could not be delivered at once.
//!
//! Of what is delivered nothing is written but the place behind it. The place moves, and a failure is noted,
//! in the turn in which the outcome is known; so a crash before that sends an event once more under the same
//! id, and none is passed over.

use crate::announce::EventId;
use crate::cloudflare::TokenOwner;
use crate::json::{List, Object, ToJson, words};
use crate::ledger::book::Book;
use crate::ledger::journal::Kept;
use crate::ledger::sql::{Row, Sql, SqlError, SqlValue};
use crate::time::Timestamp;
use Bound::{At, Nothing, Number, Text};

/// The most deliveries in one answer.
pub const MOST_DELIVERIES: u32 = 100;

/// The most events of an endpoint that wait for another attempt. Beyond that the journal is gone through
/// no further until some are delivered or given up: what is there, is not lost.
pub const MOST_WAITING: u64 = 500;

/// The most dead letters of an endpoint that are listed, and the most deliveries that came through after a
/// failure; the oldest go. A dead letter is in the journal, too, and can be replayed from there.
pub const MOST_SETTLED: u64 = 500;

/// What became of an event that was not delivered at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DeliveryState {
    /// It is tried again.
    Waiting,
    /// It was tried for a day and given up; an operator can replay it.
    Dead,
    /// It came through.
    Delivered,
}

words!(DeliveryState { Waiting = "waiting", Dead = "dead", Delivered = "delivered" });

/// Which deliveries a list shall hold, and how many at most.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DeliveryFilter {
    /// Only to this endpoint.
    pub endpoint: Option<String>,
    /// Only those in this state.
    pub state: Option<DeliveryState>,
    /// Only of entries with this word.
    pub event: Option<String>,
    /// Only what comes after this entry in the list: newer entries first, endpoints by name.
    pub before: Option<u64>,
    /// The endpoint at that place.
    pub after: Option<String>,
}

/// An event that is to be sent: the entry, and since when it is tried and how often it was, where it failed
/// before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Due {
    /// The entry's number.
    pub seq: u64,
    /// When it was first tried.
    pub begun: Timestamp,
    /// How often it was.
    pub tries: u32,
}

/// A value that is bound to a statement. Those that are borrowed cost the Worker less code at each place.
#[derive(Clone, Copy)]
enum Bound<'a> {
    Nothing,
    Number(u64),
    At(Timestamp),
    Text(&'a str),
}

impl<S: Sql> Book<S> {
    #[inline(never)]
    fn ask(&self, statement: &str, bound: &[Bound<'_>]) -> Result<Vec<Row>, SqlError> {
        let mut values = Vec::with_capacity(bound.len());
        for bound in bound {
            values.push(match bound {
                Nothing => SqlValue::Null,
                Number(number) => SqlValue::integer(i64::try_from(*number).ok()),
                At(at) => SqlValue::Integer(at.unix()),
                Text(text) => SqlValue::Text((*text).to_owned()),
            });
        }
        self.sql().run(statement, &values)
    }

    /// Has these endpoints (a JSON list of names) and no others. A new one is told what comes from now on;
    /// what waits for one that is gone goes with it.
    ///
    /// # Errors
    /// The database's.
    pub fn keep_endpoints(&self, names: &str, seq: u64, now: Timestamp) -> Result<(), SqlError> {
        for statement in [
            "DELETE FROM endpoint WHERE name NOT IN (SELECT value FROM json_each(?))",
            "DELETE FROM delivery WHERE endpoint NOT IN (SELECT value FROM json_each(?))",
        ] {
            self.ask(statement, &[Text(names)])?;
        }
        self.ask(
            "INSERT OR IGNORE INTO endpoint (name, seq, at, tries) SELECT value, ?, ?, 0 FROM json_each(?)",
            &[Number(seq), At(now), Text(names)],
        )
        .map(drop)
    }

    /// The endpoints that may be sent something now, with the last entry that each was told: those that take
    /// what they are sent come first.
    ///
    /// # Errors
    /// The database's.
    pub fn listening(&self, now: Timestamp) -> Result<Vec<(String, u64)>, SqlError> {
        let rows = self.ask(
            "SELECT name, seq FROM endpoint WHERE paused IS NULL AND at <= ? ORDER BY tries, name",
            &[At(now)],
        )?;
        let mut listening = Vec::new();
        for row in rows {
            if let [SqlValue::Text(name), seq] = row.as_slice() {
                listening.push((name.clone(), whole(Some(seq)).ok_or(SqlError::Row("endpoint"))?));
            }
        }
        Ok(listening)
    }

    /// Notes that an endpoint has been told everything up to this entry, or wants none of it.
    ///
    /// # Errors
    /// The database's.
    pub fn told(&self, endpoint: &str, seq: u64) -> Result<(), SqlError> {
        self.ask("UPDATE endpoint SET seq = max(seq, ?) WHERE name = ?", &[Number(seq), Text(endpoint)])
            .map(drop)
    }

    /// Notes that an endpoint took something.
    ///
    /// # Errors
    /// The database's.
    pub fn took(&self, endpoint: &str, now: Timestamp) -> Result<(), SqlError> {
        self.ask(
            "UPDATE endpoint SET tries = 0, since = NULL, failure = NULL, delivered = ? WHERE name = ?",
            &[At(now), Text(endpoint)],
        )
        .map(drop)
    }

    /// Notes that an endpoint failed. Tells since when it does nothing else, and how often it did in a row; none
    /// where there is no such endpoint any more.
    ///
    /// # Errors
    /// The database's.
    pub fn failed(
        &self,
        endpoint: &str,
        now: Timestamp,
        why: &str,
    ) -> Result<Option<(Timestamp, u32)>, SqlError> {
        let rows = self.ask(
            "UPDATE endpoint SET tries = tries + 1, since = coalesce(since, ?), failure = ? WHERE name = ?
             RETURNING since, tries",
            &[At(now), Text(why), Text(endpoint)],
        )?;
        Ok(rows.first().and_then(|row| Some((moment(row.first())?, small(row.get(1))?))))
    }

    /// Sends an endpoint nothing before this moment; without one, nothing until it is resumed.
    ///
    /// # Errors
    /// The database's.
    pub fn hold_back(
        &self,
        endpoint: &str,
        until: Option<Timestamp>,
        now: Timestamp,
    ) -> Result<(), SqlError> {
        let at = until.unwrap_or(now);
        self.ask(
            "UPDATE endpoint SET at = max(at, ?), paused = iif(?, ?, NULL) WHERE name = ?",
            &[At(at), Number(u64::from(until.is_none())), At(now), Text(endpoint)],
        )
        .map(drop)
    }

    /// Sends to an endpoint again from this moment on, and gives what waits for it another day. Tells whether
    /// there is such an endpoint.
    ///
    /// # Errors
    /// The database's.
    pub fn resume(&self, endpoint: &str, now: Timestamp) -> Result<bool, SqlError> {
        let bound = [At(now), Text(endpoint)];
        let rows = self.ask(
            "UPDATE endpoint SET at = ?, tries = 0, since = NULL, paused = NULL WHERE name = ? RETURNING name",
            &bound,
        )?;
        self.ask(
            "UPDATE delivery SET at = ?1, begun = ?1 WHERE endpoint = ?2 AND state = 'waiting'",
            &bound,
        )?;
        Ok(!rows.is_empty())
    }

    /// When something is next to be sent to anybody.
    ///
    /// # Errors
    /// The database's.
    pub fn next_delivery(&self) -> Result<Option<Timestamp>, SqlError> {
        let rows = self.ask(
            "SELECT min(iif(seq < (SELECT max(seq) FROM journal), at, max(at,
                 (SELECT min(at) FROM delivery WHERE endpoint = name AND state = 'waiting'))))
             FROM endpoint WHERE paused IS NULL",
            &[],
        )?;
        Ok(rows.first().and_then(|row| moment(row.first())))
    }

    /// The event of this endpoint that has waited longest for another attempt and is due.
    ///
    /// # Errors
    /// The database's.
    pub fn due_delivery(&self, endpoint: &str, now: Timestamp) -> Result<Option<Due>, SqlError> {
        let rows = self.ask(
            "SELECT seq, begun, tries FROM delivery WHERE endpoint = ? AND state = 'waiting' AND at <= ?
             ORDER BY at, seq LIMIT 1",
            &[Text(endpoint), At(now)],
        )?;
        let Some(row) = rows.first() else { return Ok(None) };
        let read =
            || Some(Due { seq: whole(row.first())?, begun: moment(row.get(1))?, tries: small(row.get(2))? });
        read().map(Some).ok_or(SqlError::Row("delivery"))
    }

    /// Writes what came of an attempt at an entry. Where too many wait, tells when the first is due.
    ///
    /// # Errors
    /// The database's.
    pub fn note_delivery(
        &self,
        endpoint: &str,
        due: &Due,
        state: DeliveryState,
        at: Timestamp,
        failure: Option<&str>,
    ) -> Result<Option<Timestamp>, SqlError> {
        self.ask(
            "INSERT INTO delivery (endpoint, seq, state, at, tries, begun, failure) VALUES (?, ?, ?, ?, 1, ?, ?)
             ON CONFLICT (endpoint, seq) DO UPDATE SET
                 state = excluded.state, at = excluded.at, tries = tries + 1, failure = excluded.failure",
            &[
                Text(endpoint),
                Number(due.seq),
                Text(state.as_str()),
                At(at),
                At(due.begun),
                failure.map_or(Nothing, Text),
            ],
        )?;
        if state == DeliveryState::Waiting {
            let rows = self.ask(
                "SELECT min(at) FROM delivery WHERE endpoint = ? AND state = 'waiting' HAVING count(*) >= ?",
                &[Text(endpoint), Number(MOST_WAITING)],
            )?;
            return Ok(rows.first().and_then(|row| moment(row.first())));
        }
        self.ask(
            "DELETE FROM delivery WHERE endpoint = ?1 AND state = ?2 AND seq <=
                 (SELECT seq FROM delivery WHERE endpoint = ?1 AND state = ?2 ORDER BY seq DESC LIMIT 1 OFFSET ?3)",
            &[Text(endpoint), Text(state.as_str()), Number(MOST_SETTLED)],
        )?;
        Ok(None)
    }

    /// Has an entry sent to an endpoint at once, whatever became of it before; tried for a day from now.
    /// Tells whether there is such an endpoint.
    ///
    /// # Errors
    /// The database's.
    pub fn replay(&self, endpoint: &str, seq: u64, now: Timestamp) -> Result<bool, SqlError> {
        let rows =
            self.ask("UPDATE endpoint SET at = ? WHERE name = ? RETURNING name", &[At(now), Text(endpoint)])?;
        if rows.is_empty() {
            return Ok(false);
        }
        self.ask(
            "INSERT INTO delivery (endpoint, seq, state, at, tries, begun) VALUES (?1, ?2, 'waiting', ?3, 0, ?3)
             ON CONFLICT (endpoint, seq) DO UPDATE SET state = 'waiting', at = ?3, begun = ?3",
            &[Text(endpoint), Number(seq), At(now)],
        )?;
        Ok(true)
    }

    /// Lets what waits go whose entry is older than this number, and moves endpoints that are behind it there.
    /// Tells for each what it will never hear of.
    ///
    /// # Errors
    /// The database's.
    pub fn drop_events_before(&self, seq: u64) -> Result<Vec<(String, u64)>, SqlError> {
        let rows = self.ask(
            "SELECT name, (SELECT count(*) FROM delivery WHERE endpoint = name AND state = 'waiting' AND delivery.seq < ?1)
                 + (SELECT count(*) FROM journal WHERE journal.seq > endpoint.seq AND journal.seq < ?1)
             FROM endpoint ORDER BY name",
            &[Number(seq)],
        )?;
        let mut dropped = Vec::new();
        for row in rows {
            if let ([SqlValue::Text(name), _], Some(count @ 1..)) = (row.as_slice(), whole(row.get(1))) {
                dropped.push((name.clone(), count));
            }
        }
        self.ask("DELETE FROM delivery WHERE seq < ?", &[Number(seq)])?;
        self.ask("UPDATE endpoint SET seq = ?1 WHERE seq < ?1", &[Number(seq.saturating_sub(1))])?;
        Ok(dropped)
    }

    /// The endpoints, and the deliveries that were not done at once (newest entry first, at most `limit` and at
    /// most [`MOST_DELIVERIES`]), as the members of the answer that an operator gets: it is worded here, so
    /// that it is written once.
    ///
    /// # Errors
    /// The database's.
    pub fn deliveries(
        &self,
        ledger: TokenOwner,
        filter: &DeliveryFilter,
        limit: u32,
    ) -> Result<String, SqlError> {
        let endpoint = filter.endpoint.as_deref().map_or(Nothing, Text);
        let endpoints = self.ask(
            "SELECT name, iif(paused IS NOT NULL, 'paused', iif(since IS NOT NULL, 'failing', 'active')), seq,
                 max(coalesce((SELECT max(seq) FROM journal), 0) - seq, 0), tries, failure, since, paused,
                 iif(since IS NULL, NULL, at), delivered
             FROM endpoint WHERE ?1 IS NULL OR name = ?1 ORDER BY name",
            &[endpoint],
        )?;
        let deliveries = self.ask(
            "SELECT endpoint, delivery.seq, mac, event, state, tries, failure,
                 iif(state = 'waiting', delivery.at, NULL), iif(state = 'waiting', NULL, delivery.at)
             FROM delivery JOIN journal ON journal.seq = delivery.seq
             WHERE (?1 IS NULL OR endpoint = ?1) AND (?2 IS NULL OR state = ?2) AND (?3 IS NULL OR event = ?3)
               AND (?4 IS NULL OR delivery.seq < ?4 OR (delivery.seq = ?4 AND endpoint > ?5))
             ORDER BY delivery.seq DESC, endpoint LIMIT ?6",
            &[
                endpoint,
                filter.state.map_or(Nothing, |state| Text(state.as_str())),
                filter.event.as_deref().map_or(Nothing, Text),
                filter.before.map_or(Nothing, Number),
                filter.after.as_deref().map_or(Nothing, Text),
                Number(u64::from(limit.min(MOST_DELIVERIES))),
            ],
        )?;
        let mut next = None;
        let (mut known, mut found) = (List::new(), List::new());
        for row in &endpoints {
            let mut told = Object::new();
            tell(
                &mut told,
                row,
                &["name", "state", "seq", "behind", "failures", "failure"],
                &["failing_since", "paused_on", "not_before", "delivered_on"],
            );
            known.push(&told);
        }
        for row in &deliveries {
            let [SqlValue::Text(endpoint), seq, SqlValue::Text(mac), rest @ ..] = row.as_slice() else {
                return Err(SqlError::Row("delivery"));
            };
            let seq = whole(Some(seq)).ok_or(SqlError::Row("delivery"))?;
            let kept = Kept { seq, body: String::new(), mac: mac.clone() };
            let mut told = Object::saying("id", &EventId::of(ledger, &kept, endpoint).to_string());
            told.text("endpoint", endpoint).put("seq", &seq);
            tell(&mut told, rest, &["event", "state", "tries", "failure"], &["next_on", "settled_on"]);
            found.push(&told);
            next = Some(format!("{seq}.{endpoint}"));
        }
        let mut page = Object::new();
        page.put("endpoints", &known).put("deliveries", &found).put("next_cursor", &next);
        Ok(page.finish())
    }
}

/// Adds columns under these names; those of the second list are moments.
fn tell(told: &mut Object, row: &[SqlValue], names: &[&str], moments: &[&str]) {
    let mut columns = row.iter();
    for (at, name) in names.iter().chain(moments).enumerate() {
        let column = columns.next();
        match moment(column).filter(|_| at >= names.len()) {
            Some(moment) => told.text(name, &moment.to_string()),
            None => told.put(name, &Column(column)),
        };
    }
}

/// A column as JSON.
struct Column<'a>(Option<&'a SqlValue>);

impl ToJson for Column<'_> {
    fn write(&self, text: &mut String) {
        match self.0 {
            Some(SqlValue::Integer(number)) => number.write(text),
            Some(SqlValue::Text(column)) => column.write(text),
            _ => text.push_str("null"),
        }
    }
}

fn whole(value: Option<&SqlValue>) -> Option<u64> {
    match value {
        Some(SqlValue::Integer(number)) => u64::try_from(*number).ok(),
        _ => None,
    }
}

fn small(value: Option<&SqlValue>) -> Option<u32> {
    u32::try_from(whole(value)?).ok()
}

fn moment(value: Option<&SqlValue>) -> Option<Timestamp> {
    Timestamp::from_unix(i64::try_from(whole(value)?).ok()?).ok()
}
