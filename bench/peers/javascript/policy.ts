// The rules file of the benchmark, as a hand-written broker would use it: compiled once into maps, and looked up.
import { createHash } from "node:crypto";

import { Refused } from "./answers";

type Rows = Record<string, any>;

export interface Account { name: string; id: string; family: string; parent: string; hosts_brevet: boolean }
export interface Line { template: string; account: string[]; zone: string[]; raw: boolean }
export interface Grant {
  name: string; allow: Line[]; when: Record<string, string>[]; operations: string[]; ttl?: number; max_ttl?: number; mode: string; enabled: boolean;
}
export interface Issuer { name: string; url: string; audience: string[]; algorithms: string[]; pin: Record<string, string>; jwks_uri?: string; max_lifetime: number }
export interface Caller { kind: "client" | "workload"; name: string; label: string; owner: string; grants: Grant[]; issuer?: string; run?: string; once?: { key: string; until: number }; claims: Record<string, string> | null; near?: boolean }
interface Template { name: string; groups: { id: string; scope: string }[]; ttl: number; max_ttl: number }

export interface Policy {
  install: string;
  clients: Map<string, string>;
  byClient: Map<string, Grant[]>;
  byIssuer: Map<string, Grant[]>;
  issuers: Map<string, Issuer>;
  templates: Map<string, Template>;
  accounts: Map<string, Account>;
  zones: Map<string, { id: string; account: string }>;
  hooks: Map<string, { secrets: string[]; when: Record<string, string>[] }>;
}

const GROUPS: Record<string, string> = {
  "Zone Read": "c8fed203ed3043cba015a93ad1616f1f",
  "DNS Write": "4755a26eedb94da69e1066d98aa820be",
  "Cache Purge": "e17beae8b8cb423a99b1730f21238bed",
};
const BUILT_IN: Rows = {
  "zone-read": { permissions: [{ name: "Zone Read", scope: "zone" }], ttl: "15m", max_ttl: "24h" },
  "cache-purge": { permissions: [{ name: "Cache Purge", scope: "zone" }], ttl: "15m", max_ttl: "24h" },
};

// What could rewrite the broker itself, in the account that runs it.
const REFUSED_AT_HOME = new Set(["e086da7e2179491d91ee5f35b3ca210a", "f7f0eda5697f475c90846e879bab8666"]);
const ALLOWED = new Set(Object.values(GROUPS));

export const HOUR = 3_600;
const LIST = (value: unknown): string[] => (value === undefined ? [] : Array.isArray(value) ? value : [String(value)]);

export function seconds(text: string | number | undefined): number | undefined {
  if (text === undefined || typeof text === "number") return text as number | undefined;
  const found = /^(\d+)([smhd])$/.exec(text);
  if (!found) throw new Refused("invalid-request", 400, "A duration is like \"15m\".");
  return Number(found[1]) * { s: 1, m: 60, h: HOUR, d: 86_400 }[found[2] as "s"]!;
}

export function compile(rules: Rows): Policy {
  const policy: Policy = {
    install: rules.brevet.install, clients: new Map(), byClient: new Map(), byIssuer: new Map(), issuers: new Map(), templates: new Map(), accounts: new Map(),
    zones: new Map(Object.entries(rules.zone)), hooks: new Map(Object.entries(rules.hook)),
  };
  for (const [name, { secret_sha256 }] of Object.entries<Rows>(rules.client)) for (const digest of secret_sha256) policy.clients.set(digest, name);
  for (const [name, account] of Object.entries<Rows>(rules.account)) policy.accounts.set(name, { name, hosts_brevet: true, ...account } as Account);
  for (const [name, issuer] of Object.entries<Rows>(rules.issuer)) {
    policy.issuers.set(issuer.url, {
      name, url: issuer.url, audience: LIST(issuer.audience), algorithms: issuer.algorithms, pin: issuer.pin ?? {}, jwks_uri: issuer.jwks_uri, max_lifetime: HOUR,
    });
  }
  for (const [name, template] of Object.entries<Rows>({ ...BUILT_IN, ...rules.template })) {
    const groups = template.permissions.map((row: Rows) => ({ id: GROUPS[row.name], scope: row.scope }));
    policy.templates.set(name, { name, groups, ttl: seconds(template.ttl)!, max_ttl: seconds(template.max_ttl)! });
  }
  for (const name of Object.keys(rules.grant).sort()) {
    const grant = rules.grant[name];
    const compiled: Grant = {
      name, when: grant.when ?? [], operations: grant.operations ?? ["create", "revoke"], ttl: seconds(grant.ttl), max_ttl: seconds(grant.max_ttl), mode: "enforce", enabled: true,
      allow: grant.allow.map((line: Rows) => ({ template: line.template, account: LIST(line.account), zone: LIST(line.zone), raw: line.raw === true })),
    };
    const [map, key] = grant.from.client ? [policy.byClient, grant.from.client] : [policy.byIssuer, grant.from.issuer];
    map.set(key, [...(map.get(key) ?? []), compiled]);
  }
  return policy;
}

export const sha256 = (text: string) => createHash("sha256").update(text).digest("hex");

export function client(policy: Policy, secret: string): Caller {
  const name = policy.clients.get(sha256(secret));
  if (!name) throw new Refused("invalid-credential", 401, "Brevet does not accept this credential.");
  return { kind: "client", name, label: name, owner: `client:${name}`, grants: policy.byClient.get(name) ?? [], claims: null };
}

// What tells one job from another.
const WHO = [
  "repository_id", "ref", "ref_type", "environment", "event_name", "workflow_ref", "job_workflow_ref", "run_id", "run_attempt", "project_id", "namespace_id",
  "pipeline_id", "pipeline_source", "ref_protected", "job_id", "common_name",
];
const PRIVILEGED = new Set(["pull_request_target", "workflow_run", "issue_comment"]);

// Claims compare as text; a pattern is equality, or one trailing `*` that does not cross `/` or `:`.
function fits(claim: unknown, pattern: string): boolean {
  if (typeof claim !== "string" && typeof claim !== "number" && typeof claim !== "boolean") return false;
  const text = String(claim);
  if (!pattern.endsWith("*")) return text === pattern;
  const start = pattern.slice(0, -1);
  return text.startsWith(start) && !/[/:]/.test(text.slice(start.length));
}
const takes = (set: Record<string, string>, claims: Rows) => {
  for (const name in set) if (!fits(claims[name], set[name])) return false;
  return true;
};

// Why a signed message is not the hook's concern: the first condition of a set that does not fit; undefined where it is.
export function misfit(when: Record<string, string>[], event: string, body: Rows): string | undefined {
  let first: string | undefined;
  for (const set of when) {
    const wrong = Object.keys(set).find((name) => !fits(name === "event" ? event : name.slice(1).split("/").reduce((of: any, part) => of?.[part], body), set[name]));
    if (wrong === undefined) return undefined;
    first ??= wrong;
  }
  return first;
}

const denied = () => new Refused("invalid-identity", 401, "The identity token is not taken.");

// The caller that a verified token's claims make. Signature, `iss`, `aud`, `exp`, `nbf` and the algorithm are checked before.
export function workload(policy: Policy, issuer: Issuer, claims: Rows, now: number): Caller {
  if (typeof claims.iat !== "number" || typeof claims.exp !== "number" || claims.iat - now > 60) throw denied();
  const lifetime = claims.exp - claims.iat;
  if (lifetime <= 0 || lifetime > issuer.max_lifetime || typeof claims.sub !== "string") throw denied();
  if (Array.isArray(claims.aud) && claims.aud.length !== 1) throw denied();
  if (!takes(issuer.pin, claims)) throw denied();
  let text = `${claims.sub.length}:${claims.sub}`;
  for (const name of WHO) text += claims[name] === undefined ? `${name}-` : `${name}+${String(claims[name]).length}:${claims[name]}`;
  const owner = `oidc:${issuer.name}:${claims.repository_id ?? claims.project_id ?? "-"}:${sha256(text).slice(0, 32)}`;
  const grants: Grant[] = [];
  let near = false;
  for (const grant of policy.byIssuer.get(issuer.name) ?? []) {
    for (const set of grant.when) {
      near ||= set.repository_id !== undefined && fits(claims.repository_id, set.repository_id);
      if (takes(set, claims) && !(PRIVILEGED.has(claims.event_name) && set.event_name === undefined)) {
        grants.push(grant);
        break;
      }
    }
  }
  return {
    kind: "workload", name: claims.sub, label: claims.sub, owner, grants, issuer: issuer.name, run: claims.run_id === undefined ? undefined : String(claims.run_id),
    once: { key: sha256(`${issuer.name}\0jti:${claims.jti}`), until: claims.exp + 60 }, near,
    // What a hook may end leases by.
    claims: Object.fromEntries(["repository_id", "project_id"].filter((name) => claims[name] !== undefined).map((name) => [name, String(claims[name])])),
  };
}

export function whoami(caller: Caller): Rows {
  const grants = caller.grants.map(({ name, enabled, mode, allow, operations, ttl, max_ttl }) => ({
    name, enabled, mode, allow, operations, ttl, max_ttl, default_ttl: false, condition: null,
  }));
  return caller.kind === "client" ? { kind: "client", name: caller.name, owner: caller.owner, grants }
    : { kind: "workload", issuer: caller.issuer, name: caller.name, owner: caller.owner, grants };
}

export interface Decided { account: Account; grant: string; template: string; rule: string; policies: unknown[]; expires_on: number }

const MEMBERS = new Set(["template", "params", "grant", "ttl", "name"]);
const PARAMETERS = new Set(["account", "zone"]);

// Exactly one line of one of the caller's grants must allow it.
export function decide(policy: Policy, caller: Caller, ask: Rows, now: number): Decided {
  for (const name in ask) if (!MEMBERS.has(name)) throw new Refused("invalid-request", 400, `There is no member ${name}.`);
  if (typeof ask.template !== "string") throw new Refused("invalid-request", 400, "The body needs a template.");
  const params = ask.params ?? {};
  for (const name in params) if (!PARAMETERS.has(name)) throw new Refused("invalid-request", 400, `There is no parameter ${name}.`);
  const grants = ask.grant === undefined ? caller.grants : caller.grants.filter(({ name }) => name === ask.grant);
  if (grants.length === 0) throw new Refused(caller.near ? "claims-do-not-fit" : "no-grant", 403, "No grant of the rules is for this caller.");
  const template = policy.templates.get(ask.template);
  if (!template) throw new Refused("unknown-template", 422, "There is no such template.");
  const ttl = seconds(ask.ttl);
  const found: Decided[] = [];
  for (const grant of grants) {
    if (!grant.operations.includes("create")) continue;
    const at = grant.allow.findIndex((line) => line.template === template.name && covers(policy, line, params));
    if (at < 0) continue;
    const line = grant.allow[at];
    const zones = LIST(params.zone).length ? LIST(params.zone) : line.zone;
    const { account: owner } = policy.zones.get(zones[0])!;
    const account = policy.accounts.get(owner)!;
    const most = Math.min(template.max_ttl, grant.max_ttl ?? Infinity, 24 * HOUR);
    const span = ttl ?? grant.ttl ?? template.ttl;
    if (span <= 0 || span > most) throw new Refused("end-too-late", 403, `At most ${most} s.`);
    found.push({ account, grant: grant.name, template: template.name, rule: `/grant/${grant.name}/allow/${at}`, policies: render(policy, template, account, zones), expires_on: now + span });
  }
  if (found.length === 0) throw new Refused("parameter-refused", 403, "No grant of this caller allows it.");
  if (found.length > 1) throw new Refused("several-grants", 409, "Several grants allow it; name one.");
  guard(found[0]);
  return found[0];
}

function covers(policy: Policy, line: Line, params: Rows): boolean {
  const zones = LIST(params.zone);
  if (zones.length === 0 && line.zone.length !== 1) return false;
  for (const name of zones) {
    if (!line.zone.includes(name)) return false;
    const zone = policy.zones.get(name);
    if (!zone || (line.account.length && !line.account.includes(zone.account))) return false;
    if (params.account !== undefined && params.account !== zone.account) return false;
  }
  return true;
}

function render(policy: Policy, template: Template, account: Account, zones: string[]): unknown[] {
  const within: Rows = {};
  for (const name of zones) within[`com.cloudflare.api.account.zone.${policy.zones.get(name)!.id}`] = "*";
  return [{ effect: "allow", permission_groups: template.groups.map(({ id }) => ({ id })), resources: { [`com.cloudflare.api.account.${account.id}`]: within } }];
}

// On what was rendered, whatever the rules say.
function guard({ account, policies }: Decided) {
  for (const { permission_groups } of policies as Rows[]) {
    for (const { id } of permission_groups) {
      if (!ALLOWED.has(id) || (account.hosts_brevet && REFUSED_AT_HOME.has(id))) throw new Refused("guardrail", 403, "This permission is not given out.");
    }
  }
}
