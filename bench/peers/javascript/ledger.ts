// The book of one account's tokens, one Durable Object each: an intent before every create, an alarm for every end, a
// journal chained under the pepper, one use of every credential, and limits. What Brevet keeps, kept in the same tables.
import { DurableObject } from "cloudflare:workers";
import { createHmac } from "node:crypto";

import { now, type Allowance } from "./answers";

const API = "https://api.cloudflare.com/client/v4";
const CALL_MS = 10_000;
const MOST_LIVE = 400;
const MOST_CALLS = 1_000;
const MOST_OPERATIONS = 400;
const WINDOW = 300;
const RECONCILE = 60;

export interface Lease {
  id: string; token_id: string | null; name: string; owner: string; caller: string; grant: string; template: string; rule: string; rules_version: number; state: string;
  end: string | null; created: number; issued_on: string | null; modified_on: string | null; expires_on: number; ended_on: number | null; policies: unknown[]; run: string | null;
  revision: number; asked: string | null; claims: Record<string, string> | null;
}
export interface Order { lease: Lease; account: string; parent: string; by: string; once?: { key: string; until: number } }
export type Told = ({ lease: Lease; value?: string } | { refused: string; status: number }) & { allowance?: Allowance };

const TABLES = [
  `CREATE TABLE IF NOT EXISTS lease (id TEXT PRIMARY KEY, token_id TEXT UNIQUE, owner TEXT NOT NULL, grant_name TEXT, template TEXT, run TEXT, state TEXT NOT NULL,
    created INTEGER NOT NULL, issued_on TEXT, expires_on INTEGER NOT NULL, revision INTEGER NOT NULL, body TEXT NOT NULL) WITHOUT ROWID`,
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

export class Ledger extends DurableObject<Record<string, any>> {
  private sql: SqlStorage;
  private head = { seq: 0, mac: "" };
  private armed = Infinity;
  private room = 0;
  private calls: number[] = [];
  private callers = new Map<string, { window: number; count: number }>();

  constructor(state: DurableObjectState, env: Record<string, any>) {
    super(state, env);
    this.sql = state.storage.sql;
    for (const statement of TABLES) this.sql.exec(statement);
    const [last] = this.sql.exec("SELECT seq, mac FROM journal ORDER BY seq DESC LIMIT 1").toArray();
    if (last) this.head = last as typeof this.head;
  }

  async create({ lease, account, parent, by, once }: Order): Promise<Told> {
    const at = now();
    const frozen = this.sql.exec("SELECT 1 FROM freeze WHERE (until IS NULL OR until > ?) AND (kind = 'all' OR value IN (?, ?, ?))", at, lease.owner, lease.grant, lease.template).toArray();
    if (frozen.length) return { refused: "frozen", status: 403 };
    if (!this.mayCall(by, at)) return { refused: "rate-limited", status: 429 };
    if (!this.hasRoom(at)) return { refused: "quota", status: 429 };
    if (once) {
      if (this.sql.exec("SELECT 1 FROM used WHERE key = ?", once.key).toArray().length) return { refused: "credential-used", status: 409, allowance: this.allowance(at) };
      this.sql.exec("INSERT INTO used (key, until) VALUES (?, ?)", once.key, once.until);
    }
    this.sql.exec(
      "INSERT INTO lease (token_id, owner, grant_name, template, run, state, created, issued_on, expires_on, revision, body, id) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
      ...this.columns(lease),
    );
    this.expect(lease.id, "reconcile", at + RECONCILE);
    const made = await this.call("POST", `/accounts/${account}/tokens`, parent, { name: lease.name, policies: lease.policies, expires_on: `${new Date(lease.expires_on * 1_000).toISOString().slice(0, 19)}Z` });
    // The row stays for the alarm, which finds out what became of it.
    if (!made) return { refused: "upstream", status: 502 };
    lease.token_id = made.id;
    lease.issued_on = made.issued_on;
    lease.modified_on = made.modified_on;
    lease.policies = made.policies;
    lease.state = "active";
    this.replace(lease);
    this.expect(lease.id, "delete", lease.expires_on);
    this.record("created", lease, by);
    return { lease, value: made.value, allowance: this.allowance(now()) };
  }

  async revoke(id: string, owner: string, account: string, parent: string, by: string): Promise<Told> {
    const [row] = this.sql.exec("SELECT body FROM lease WHERE id = ?", id).toArray();
    const lease: Lease | undefined = row && JSON.parse(row.body as string);
    if (!lease || lease.owner !== owner) return { refused: "no-such-lease", status: 404, allowance: this.allowance(now()) };
    if (lease.state === "ended") return { refused: "lease-ended", status: 404, allowance: this.allowance(now()) };
    lease.state = "revoking";
    this.replace(lease);
    this.record("revoking", lease, by);
    this.expect(id, "delete", now() + 10);
    const deleted = await this.call("DELETE", `/accounts/${account}/tokens/${lease.token_id}`, parent);
    if (!deleted) return { refused: "upstream", status: 502 };
    lease.state = "ended";
    lease.end = "revoked";
    lease.ended_on = now();
    this.replace(lease);
    this.record("revoked", lease, by);
    this.sql.exec("DELETE FROM due WHERE key = ?", id);
    this.room += 1;
    return { lease, allowance: this.allowance(now()) };
  }

  async alarm() {
    const at = now();
    for (const { key, kind } of this.sql.exec("SELECT key, kind FROM due WHERE at <= ? LIMIT 20", at).toArray() as { key: string; kind: string }[]) {
      const [row] = this.sql.exec("SELECT body FROM lease WHERE id = ?", key).toArray();
      const lease: Lease = JSON.parse(row.body as string);
      // Cloudflare ends it itself; the row goes so that it is not looked at again.
      lease.state = "ended";
      lease.end = kind === "delete" ? "expired" : "never_created";
      lease.ended_on = at;
      this.replace(lease);
      this.record(lease.end, lease, "brevet");
      this.sql.exec("DELETE FROM due WHERE key = ?", key);
    }
    this.armed = Infinity;
    const [next] = this.sql.exec("SELECT min(at) AS at FROM due").toArray();
    if (next?.at) this.arm(Math.max(next.at as number, at + 1));
  }

  private columns(lease: Lease) {
    return [lease.token_id, lease.owner, lease.grant, lease.template, lease.run, lease.state, lease.created, lease.issued_on, lease.expires_on, lease.revision, JSON.stringify(lease), lease.id];
  }

  private replace(lease: Lease) {
    lease.revision += 1;
    this.sql.exec(
      "UPDATE lease SET token_id = ?, owner = ?, grant_name = ?, template = ?, run = ?, state = ?, created = ?, issued_on = ?, expires_on = ?, revision = ?, body = ? WHERE id = ?",
      ...this.columns(lease),
    );
  }

  private record(event: string, lease: Lease, by: string) {
    const at = now();
    const body = JSON.stringify({
      at, event, by, lease: lease.id, token_id: lease.token_id, owner: lease.owner, caller: lease.caller, grant: lease.grant, template: lease.template, rule: lease.rule,
      rules_version: lease.rules_version, expires_on: lease.expires_on,
    });
    const seq = this.head.seq + 1;
    const mac = createHmac("sha256", this.env.BREVET_PEPPER).update(`${this.head.mac}\0${seq}\0${body}`).digest("hex");
    this.sql.exec("INSERT INTO journal (seq, at, event, owner, lease, body, mac) VALUES (?, ?, ?, ?, ?, ?, ?)", seq, at, event, lease.owner, lease.id, body, mac);
    this.head = { seq, mac };
    console.log(JSON.stringify({ event: "journal", seq, entry: body, mac }));
  }

  private expect(key: string, kind: string, at: number) {
    this.sql.exec("INSERT INTO due (key, kind, at, tries) VALUES (?, ?, ?, 0) ON CONFLICT (key) DO UPDATE SET kind = excluded.kind, at = excluded.at, tries = 0", key, kind, at);
    this.arm(at);
  }

  private arm(at: number) {
    if (at >= this.armed) return;
    this.armed = at;
    void this.ctx.storage.setAlarm(at * 1_000);
  }

  private hasRoom(at: number): boolean {
    if (this.room > 0) {
      this.room -= 1;
      return true;
    }
    const [{ live }] = this.sql.exec("SELECT count(*) AS live FROM lease WHERE state <> 'ended' AND expires_on > ?", at).toArray();
    this.room = MOST_LIVE - (live as number) - 1;
    return this.room >= 0;
  }

  private mayCall(by: string, at: number): boolean {
    const whom = by.startsWith("oidc:") ? by.slice(0, by.lastIndexOf(":")) : by;
    const window = Math.floor(at / WINDOW);
    const known = this.callers.get(whom);
    if (!known || known.window !== window) {
      if (this.callers.size >= 256) this.callers.clear();
      this.callers.set(whom, { window, count: 1 });
      return true;
    }
    known.count += 1;
    return known.count <= MOST_OPERATIONS && this.allowance(at).left > 0;
  }

  private allowance(at: number): Allowance {
    let calls = 0;
    const slot = Math.floor(at / 30);
    for (let age = 0; age < 11; age += 1) calls += this.calls[slot - age] ?? 0;
    return { left: Math.max(0, MOST_CALLS - calls), resets: 330 - (at % 30) };
  }

  private async call(method: string, path: string, parent: string, body?: unknown): Promise<any> {
    const slot = Math.floor(now() / 30);
    this.calls[slot] = (this.calls[slot] ?? 0) + 1;
    try {
      const answer = await fetch(`${API}${path}`, {
        method, body: body && JSON.stringify(body), redirect: "manual", signal: AbortSignal.timeout(CALL_MS),
        headers: { authorization: `Bearer ${this.env[parent]}`, "content-type": "application/json", accept: "application/json" },
      });
      if (answer.status !== 200 || Number(answer.headers.get("content-length") ?? 0) > 1 << 20) return null;
      const told = await answer.json<any>();
      return told.success === true ? told.result : null;
    } catch {
      return null;
    }
  }
}
