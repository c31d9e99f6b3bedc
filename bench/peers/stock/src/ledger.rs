//! The book of one account's tokens, one Durable Object each.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;

use hmac::{Hmac, KeyInit, Mac};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use sha2::Sha256;
use worker::{
    AbortSignal, DurableObject, Env, Fetch, Headers, Method, Request, RequestInit, RequestRedirect, Response,
    Result, SqlStorage, SqlStorageValue, State, console_log, durable_object,
};

use crate::answers::{Allowance, moment, now};
use crate::jwt::web_timeout;

pub(crate) const API: &str = "https://api.cloudflare.com/client/v4";
const MOST_LIVE: i64 = 400;
const MOST_CALLS: u32 = 1_000;
const MOST_OPERATIONS: u32 = 400;
const WINDOW: i64 = 300;

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Lease {
    pub(crate) id: String,
    pub(crate) token_id: Option<String>,
    pub(crate) name: String,
    pub(crate) owner: String,
    pub(crate) caller: String,
    pub(crate) grant: String,
    pub(crate) template: String,
    pub(crate) rule: String,
    pub(crate) rules_version: u32,
    pub(crate) state: String,
    pub(crate) end: Option<String>,
    pub(crate) created: i64,
    pub(crate) issued_on: Option<String>,
    pub(crate) modified_on: Option<String>,
    pub(crate) expires_on: i64,
    pub(crate) ended_on: Option<i64>,
    pub(crate) policies: Value,
    pub(crate) run: Option<String>,
    pub(crate) revision: u32,
    pub(crate) asked: Option<String>,
    pub(crate) claims: Option<serde_json::Map<String, Value>>,
}

#[derive(Serialize, Deserialize)]
#[serde(tag = "kind")]
pub(crate) enum Order {
    Create { lease: Lease, account: String, parent: String, by: String, once: Option<(String, i64)> },
    Revoke { id: String, owner: String, account: String, parent: String, by: String },
}

#[derive(Serialize, Deserialize)]
pub(crate) enum Told {
    Lease { lease: Lease, value: Option<String>, allowance: Allowance },
    Refused { kind: String, status: u16 },
}

fn refused(kind: &str, status: u16) -> Result<Told> {
    Ok(Told::Refused { kind: kind.to_owned(), status })
}

const TABLES: [&str; 12] = [
    "CREATE TABLE IF NOT EXISTS lease (id TEXT PRIMARY KEY, token_id TEXT UNIQUE, owner TEXT NOT NULL, grant_name TEXT, template TEXT, run TEXT, state TEXT NOT NULL, created INTEGER NOT NULL, issued_on TEXT, expires_on INTEGER NOT NULL, revision INTEGER NOT NULL, body TEXT NOT NULL) WITHOUT ROWID",
    "CREATE INDEX IF NOT EXISTS lease_by_creation ON lease (created, id)",
    "CREATE INDEX IF NOT EXISTS lease_by_owner ON lease (owner, issued_on, id)",
    "CREATE INDEX IF NOT EXISTS lease_live ON lease (expires_on) WHERE state <> 'ended'",
    "CREATE TABLE IF NOT EXISTS due (key TEXT PRIMARY KEY, kind TEXT NOT NULL, at INTEGER NOT NULL, tries INTEGER NOT NULL) WITHOUT ROWID",
    "CREATE INDEX IF NOT EXISTS due_by_time ON due (at)",
    "CREATE TABLE IF NOT EXISTS freeze (id TEXT PRIMARY KEY, kind TEXT NOT NULL, value TEXT NOT NULL, until INTEGER) WITHOUT ROWID",
    "CREATE TABLE IF NOT EXISTS used (key TEXT PRIMARY KEY, until INTEGER NOT NULL) WITHOUT ROWID",
    "CREATE INDEX IF NOT EXISTS used_by_time ON used (until)",
    "CREATE TABLE IF NOT EXISTS journal (seq INTEGER PRIMARY KEY, at INTEGER NOT NULL, event TEXT NOT NULL, owner TEXT, lease TEXT, body TEXT NOT NULL, mac TEXT NOT NULL)",
    "CREATE INDEX IF NOT EXISTS journal_by_owner ON journal (owner, seq) WHERE owner IS NOT NULL",
    "CREATE INDEX IF NOT EXISTS journal_by_lease ON journal (lease, seq) WHERE lease IS NOT NULL",
];

#[durable_object]
pub struct Ledger {
    state: State,
    env: Env,
    sql: SqlStorage,
    head: RefCell<(i64, String)>,
    armed: Cell<i64>,
    room: Cell<i64>,
    calls: RefCell<HashMap<i64, u32>>,
    callers: RefCell<HashMap<String, (i64, u32)>>,
}

#[derive(Deserialize)]
struct Body {
    body: String,
}

#[derive(Deserialize)]
struct Last {
    seq: i64,
    mac: String,
}

#[derive(Deserialize)]
struct Count {
    live: i64,
}

#[derive(Deserialize)]
struct DueRow {
    key: String,
    kind: String,
}

#[derive(Deserialize)]
struct Next {
    at: Option<i64>,
}

impl DurableObject for Ledger {
    fn new(state: State, env: Env) -> Self {
        let sql = state.storage().sql();
        for statement in TABLES {
            if let Err(error) = sql.exec(statement, None) {
                worker::console_error!("{error}");
            }
        }
        let last = sql
            .exec("SELECT seq, mac FROM journal ORDER BY seq DESC LIMIT 1", None)
            .and_then(|rows| rows.to_array::<Last>());
        let head =
            last.ok().and_then(|mut rows| rows.pop()).map(|last| (last.seq, last.mac)).unwrap_or_default();
        Self {
            state,
            env,
            sql,
            head: RefCell::new(head),
            armed: Cell::new(i64::MAX),
            room: Cell::new(0),
            calls: RefCell::default(),
            callers: RefCell::default(),
        }
    }

    async fn fetch(&self, mut request: Request) -> Result<Response> {
        let told = match request.json::<Order>().await? {
            Order::Create { lease, account, parent, by, once } => {
                self.create(lease, &account, &parent, &by, once).await?
            }
            Order::Revoke { id, owner, account, parent, by } => {
                self.revoke(&id, &owner, &account, &parent, &by).await?
            }
        };
        Response::from_json(&told)
    }

    async fn alarm(&self) -> Result<Response> {
        let at = now();
        for DueRow { key, kind } in self
            .sql
            .exec("SELECT key, kind FROM due WHERE at <= ? LIMIT 20", vec![at.into()])?
            .to_array::<DueRow>()?
        {
            if let Some(mut lease) = self.find(&key)? {
                let end = if kind == "delete" { "expired" } else { "never_created" };
                lease.state = "ended".to_owned();
                lease.end = Some(end.to_owned());
                lease.ended_on = Some(at);
                self.replace(&mut lease)?;
                self.record(end, &lease, "brevet")?;
            }
            self.sql.exec("DELETE FROM due WHERE key = ?", vec![key.into()])?;
        }
        self.armed.set(i64::MAX);
        let next = self.sql.exec("SELECT min(at) AS at FROM due", None)?.one::<Next>()?;
        if let Some(next) = next.at {
            self.arm(next.max(at + 1)).await?;
        }
        Response::empty()
    }
}

impl Ledger {
    async fn create(
        &self,
        mut lease: Lease,
        account: &str,
        parent: &str,
        by: &str,
        once: Option<(String, i64)>,
    ) -> Result<Told> {
        let at = now();
        let frozen = self.sql.exec(
            "SELECT id AS key, kind FROM freeze WHERE (until IS NULL OR until > ?) AND (kind = 'all' OR value IN (?, ?, ?))",
            vec![at.into(), lease.owner.as_str().into(), lease.grant.as_str().into(), lease.template.as_str().into()],
        )?;
        if !frozen.to_array::<DueRow>()?.is_empty() {
            return refused("frozen", 403);
        }
        if !self.may_call(by, at) {
            return refused("rate-limited", 429);
        }
        if !self.has_room(at)? {
            return refused("quota", 429);
        }
        if let Some((key, until)) = once {
            let used = self
                .sql
                .exec("SELECT count(*) AS live FROM used WHERE key = ?", vec![key.as_str().into()])?
                .one::<Count>()?;
            if used.live > 0 {
                return refused("credential-used", 409);
            }
            self.sql.exec("INSERT INTO used (key, until) VALUES (?, ?)", vec![key.into(), until.into()])?;
        }
        self.sql.exec(
            "INSERT INTO lease (token_id, owner, grant_name, template, run, state, created, issued_on, expires_on, revision, body, id) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            columns(&lease)?,
        )?;
        self.expect(&lease.id, "reconcile", at + 60).await?;
        let body =
            json!({ "name": lease.name, "policies": lease.policies, "expires_on": moment(lease.expires_on) });
        let Some(made) =
            self.call(Method::Post, &format!("/accounts/{account}/tokens"), parent, Some(body)).await?
        else {
            return refused("upstream", 502);
        };
        let text = |name: &str| made.get(name).and_then(Value::as_str).map(str::to_owned);
        lease.token_id = text("id");
        lease.issued_on = text("issued_on");
        lease.modified_on = text("modified_on");
        lease.policies = made.get("policies").cloned().unwrap_or_default();
        lease.state = "active".to_owned();
        self.replace(&mut lease)?;
        self.expect(&lease.id, "delete", lease.expires_on).await?;
        self.record("created", &lease, by)?;
        Ok(Told::Lease { value: text("value"), lease, allowance: self.allowance(now()) })
    }

    async fn revoke(&self, id: &str, owner: &str, account: &str, parent: &str, by: &str) -> Result<Told> {
        let Some(mut lease) = self.find(id)?.filter(|lease| lease.owner == owner) else {
            return refused("no-such-lease", 404);
        };
        if lease.state == "ended" {
            return refused("lease-ended", 404);
        }
        lease.state = "revoking".to_owned();
        self.replace(&mut lease)?;
        self.record("revoking", &lease, by)?;
        self.expect(id, "delete", now() + 10).await?;
        let path = format!("/accounts/{account}/tokens/{}", lease.token_id.as_deref().unwrap_or_default());
        if self.call(Method::Delete, &path, parent, None).await?.is_none() {
            return refused("upstream", 502);
        }
        lease.state = "ended".to_owned();
        lease.end = Some("revoked".to_owned());
        lease.ended_on = Some(now());
        self.replace(&mut lease)?;
        self.record("revoked", &lease, by)?;
        self.sql.exec("DELETE FROM due WHERE key = ?", vec![id.into()])?;
        self.room.set(self.room.get() + 1);
        Ok(Told::Lease { lease, value: None, allowance: self.allowance(now()) })
    }

    fn find(&self, id: &str) -> Result<Option<Lease>> {
        let rows =
            self.sql.exec("SELECT body FROM lease WHERE id = ?", vec![id.into()])?.to_array::<Body>()?;
        rows.first().map(|row| serde_json::from_str(&row.body).map_err(worker::Error::from)).transpose()
    }

    fn replace(&self, lease: &mut Lease) -> Result<()> {
        lease.revision += 1;
        self.sql.exec(
            "UPDATE lease SET token_id = ?, owner = ?, grant_name = ?, template = ?, run = ?, state = ?, created = ?, issued_on = ?, expires_on = ?, revision = ?, body = ? WHERE id = ?",
            columns(lease)?,
        )?;
        Ok(())
    }

    fn record(&self, event: &str, lease: &Lease, by: &str) -> Result<()> {
        let at = now();
        let body = json!({
            "at": at, "event": event, "by": by, "lease": lease.id, "token_id": lease.token_id, "owner": lease.owner, "caller": lease.caller, "grant": lease.grant,
            "template": lease.template, "rule": lease.rule, "rules_version": lease.rules_version, "expires_on": lease.expires_on,
        })
        .to_string();
        let (last, mac) = self.head.take();
        let seq = last + 1;
        let pepper = self.env.var("BREVET_PEPPER")?.to_string();
        let mac = hmac(&pepper, &format!("{mac}\0{seq}\0{body}"));
        self.sql.exec(
            "INSERT INTO journal (seq, at, event, owner, lease, body, mac) VALUES (?, ?, ?, ?, ?, ?, ?)",
            vec![
                seq.into(),
                at.into(),
                event.into(),
                lease.owner.as_str().into(),
                lease.id.as_str().into(),
                body.as_str().into(),
                mac.as_str().into(),
            ],
        )?;
        console_log!("{}", json!({ "event": "journal", "seq": seq, "entry": body, "mac": mac }));
        self.head.replace((seq, mac));
        Ok(())
    }

    async fn expect(&self, key: &str, kind: &str, at: i64) -> Result<()> {
        self.sql.exec(
            "INSERT INTO due (key, kind, at, tries) VALUES (?, ?, ?, 0) ON CONFLICT (key) DO UPDATE SET kind = excluded.kind, at = excluded.at, tries = 0",
            vec![key.into(), kind.into(), at.into()],
        )?;
        self.arm(at).await
    }

    async fn arm(&self, at: i64) -> Result<()> {
        if at < self.armed.get() {
            self.armed.set(at);
            self.state.storage().set_alarm(at * 1_000 - worker::Date::now().as_millis() as i64).await?;
        }
        Ok(())
    }

    fn has_room(&self, at: i64) -> Result<bool> {
        if self.room.get() <= 0 {
            let count = self
                .sql
                .exec(
                    "SELECT count(*) AS live FROM lease WHERE state <> 'ended' AND expires_on > ?",
                    vec![at.into()],
                )?
                .one::<Count>()?;
            self.room.set(MOST_LIVE - count.live);
        }
        self.room.set(self.room.get() - 1);
        Ok(self.room.get() >= 0)
    }

    fn may_call(&self, by: &str, at: i64) -> bool {
        let whom =
            if by.starts_with("oidc:") { by.rsplit_once(':').map_or(by, |(whom, _)| whom) } else { by };
        let window = at / WINDOW;
        let mut callers = self.callers.borrow_mut();
        if callers.len() >= 256 {
            callers.clear();
        }
        let known = callers.entry(whom.to_owned()).or_insert((window, 0));
        if known.0 != window {
            *known = (window, 0);
        }
        known.1 += 1;
        known.1 <= MOST_OPERATIONS && self.allowance(at).left > 0
    }

    fn allowance(&self, at: i64) -> Allowance {
        let (slot, calls) = (at / 30, self.calls.borrow());
        let spent: u32 = (0..11).filter_map(|age| calls.get(&(slot - age))).sum();
        Allowance { left: MOST_CALLS.saturating_sub(spent), resets: (330 - at % 30) as u32 }
    }

    async fn call(
        &self,
        method: Method,
        path: &str,
        parent: &str,
        body: Option<Value>,
    ) -> Result<Option<Value>> {
        *self.calls.borrow_mut().entry(now() / 30).or_default() += 1;
        let headers = Headers::new();
        headers.set("authorization", &format!("Bearer {}", self.env.secret(parent)?))?;
        headers.set("content-type", "application/json")?;
        headers.set("accept", "application/json")?;
        let mut init = RequestInit::new();
        init.with_method(method)
            .with_headers(headers)
            .with_redirect(RequestRedirect::Manual)
            .with_body(body.map(|body| body.to_string().into()));
        let request = Request::new_with_init(&format!("{API}{path}"), &init)?;
        let Ok(timeout) = web_timeout(10_000) else { return Ok(None) };
        let Ok(mut answer) = Fetch::Request(request).send_with_signal(&AbortSignal::from(timeout)).await
        else {
            return Ok(None);
        };
        if answer.status_code() != 200 {
            return Ok(None);
        }
        let told: Value = answer.json().await?;
        Ok((told.get("success") == Some(&Value::Bool(true)))
            .then(|| told.get("result").cloned().unwrap_or_default()))
    }
}

fn columns(lease: &Lease) -> Result<Vec<SqlStorageValue>> {
    Ok(vec![
        lease.token_id.clone().into(),
        lease.owner.as_str().into(),
        lease.grant.as_str().into(),
        lease.template.as_str().into(),
        lease.run.clone().into(),
        lease.state.as_str().into(),
        lease.created.into(),
        lease.issued_on.clone().into(),
        lease.expires_on.into(),
        i64::from(lease.revision).into(),
        serde_json::to_string(lease)?.into(),
        lease.id.as_str().into(),
    ])
}

pub(crate) fn hmac(key: &str, text: &str) -> String {
    hex::encode(hmac_bytes(key, text))
}

pub(crate) fn hmac_bytes(key: &str, text: &str) -> Vec<u8> {
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(key.as_bytes()) else { return Vec::new() };
    mac.update(text.as_bytes());
    mac.finalize().into_bytes().to_vec()
}

/// Whether this is the authenticator of a text, compared in constant time.
pub(crate) fn is_hmac(key: &str, text: &str, signature: &[u8]) -> bool {
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(key.as_bytes()) else { return false };
    mac.update(text.as_bytes());
    mac.verify_slice(signature).is_ok()
}
