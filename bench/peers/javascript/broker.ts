// What is done for a caller. Both JavaScript peers share it; they differ in how a request comes to it and in who checks
// the signature of an identity token.
import { createHmac, createHash, randomBytes } from "node:crypto";

import { json, moment, now, Refused } from "./answers";
import type { Lease, Ledger, Told } from "./ledger";
import { client, decide, misfit, whoami, type Account, type Caller, type Policy } from "./policy";

export interface Env { LEDGER: DurableObjectNamespace<Ledger>; STATE: KVNamespace; BREVET_PEPPER: string; [name: string]: any }

const API = "https://api.cloudflare.com/client/v4";
const CROCKFORD = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";

function letters(bytes: Uint8Array, count: number): string {
  let text = "", bits = 0, held = 0;
  for (const byte of bytes) {
    held = (held << 8) | byte;
    bits += 8;
    while (bits >= 5 && text.length < count) {
      bits -= 5;
      text += CROCKFORD[(held >> bits) & 31];
    }
    held &= 0xff;
  }
  if (text.length < count) text += CROCKFORD[(held << (5 - bits)) & 31];
  return text;
}

export const bearerOf = (authorization: string | null | undefined): string => {
  const found = /^Bearer ([\x21-\x7e]{1,8192})$/i.exec(authorization ?? "");
  if (!found) throw new Refused("missing-credential", 401, "The request needs a credential.");
  return found[1];
};
export const CLIENT = /^brvc_[A-Za-z0-9_-]{43}$/;
const TOKEN = /^cf[ua]t_[A-Za-z0-9_-]{40,75}$/;

export function clientCaller(policy: Policy, secret: string): Caller {
  if (!CLIENT.test(secret)) throw new Refused("malformed-credential", 401, "This is no credential of Brevet's.");
  return client(policy, secret);
}

export function object(text: string): Record<string, any> {
  if (text.length > 65_536) throw new Refused("body-too-long", 413, "The body is too long.");
  let body;
  try { body = JSON.parse(text); } catch { throw new Refused("invalid-json", 400, "The body is no JSON."); }
  if (typeof body !== "object" || body === null || Array.isArray(body)) throw new Refused("invalid-json", 400, "The body is no JSON object.");
  return body;
}

function shown(lease: Lease, account: Account) {
  return {
    id: lease.id, token_id: lease.token_id, account: { name: account.name, id: account.id, family: account.family }, state: lease.state, end: lease.end, disabled: false,
    owner: lease.owner, grant: lease.grant, template: lease.template, rule: lease.rule, rules_version: lease.rules_version, name: lease.asked, cloudflare_name: lease.name,
    created_on: moment(lease.created), issued_on: lease.issued_on, modified_on: lease.modified_on, not_before: null, expires_on: moment(lease.expires_on),
    ended_on: moment(lease.ended_on), policies: lease.policies, condition: null, escapes_books: false, takeover: null, run: lease.run, claims: lease.claims, revision: lease.revision,
  };
}

const stub = (env: Env, account: Account) => env.LEDGER.get(env.LEDGER.idFromName(`account:${account.id}`));

function must(told: Told) {
  if ("refused" in told) throw new Refused(told.refused, told.status, told.refused);
  return told;
}

export async function mint(policy: Policy, env: Env, caller: Caller, body: Record<string, any>, keep?: "kv"): Promise<Response> {
  const at = now();
  const { account, grant, template, rule, policies, expires_on } = decide(policy, caller, body, at);
  const id = letters(randomBytes(16), 26);
  const tag = letters(createHmac("sha256", env.BREVET_PEPPER).update(`name\0${policy.install}\0${id}`).digest(), 8);
  const lease: Lease = {
    id, token_id: null, name: `brevet:${policy.install}:${id}.${tag}:${grant}:${caller.owner}`.slice(0, 120), owner: caller.owner, caller: caller.label, grant, template, rule,
    rules_version: 1, state: "pending", end: null, created: at, issued_on: null, modified_on: null, expires_on, ended_on: null, policies, run: caller.run ?? null, revision: 0,
    asked: body.name ?? null, claims: caller.claims,
  };
  if (keep) return mintIntoKv(env, account, lease);
  const told = must(await stub(env, account).create({ lease, account: account.id, parent: account.parent, by: caller.owner, once: caller.once }));
  const answer = { value: told.value, lease: shown(told.lease, account), notes: [] };
  return json(201, answer, { location: `/v1/leases/${id}` }, told.allowance);
}

// The cheap way, which many take: no intent, no single use, no limit, no end of its own; one KV put of a record.
async function mintIntoKv(env: Env, account: Account, lease: Lease): Promise<Response> {
  const answer = await fetch(`${API}/accounts/${account.id}/tokens`, {
    method: "POST", redirect: "manual", signal: AbortSignal.timeout(10_000),
    headers: { authorization: `Bearer ${env[account.parent]}`, "content-type": "application/json" },
    body: JSON.stringify({ name: lease.name, policies: lease.policies, expires_on: moment(lease.expires_on) }),
  });
  if (answer.status !== 200) throw new Refused("upstream", 502, "Cloudflare failed.");
  const { result } = await answer.json<any>();
  const { id, issued_on, modified_on, policies, value } = result;
  const kept = { ...lease, token_id: id, issued_on, modified_on, policies, state: "active", revision: 1 };
  await env.STATE.put(`lease/${lease.id}`, JSON.stringify(kept), { expirationTtl: Math.max(60, lease.expires_on - now()) });
  return json(201, { value, lease: shown(kept, account), notes: [] }, { location: `/v1/leases/${lease.id}` });
}

export async function revoke(policy: Policy, env: Env, caller: Caller, id: string): Promise<Response> {
  if (!/^[0-9A-HJKMNP-TV-Z]{26}$/.test(id)) throw new Refused("invalid-request", 400, "This is no id.");
  for (const account of policy.accounts.values()) {
    const told = await stub(env, account).revoke(id, caller.owner, account.id, account.parent, caller.owner);
    if ("refused" in told && told.refused === "no-such-lease") continue;
    const { lease, allowance } = must(told) as { lease: Lease; allowance?: any };
    return json(200, shown(lease, account), {}, allowance);
  }
  throw new Refused("no-such-lease", 404, "There is no such lease.");
}

export const me = (caller: Caller) => json(200, whoami(caller));

const answers = new Map<string, { until: number; told: Record<string, any> }>();
const visits = new Map<string, { from: number; count: number }>();
// Drawn with the first request: there is no chance before.
let salt: Uint8Array | undefined;

function visit(address: string | null | undefined, at: number) {
  if (!address) return;
  const known = visits.get(address);
  if (!known || at - known.from >= 60) {
    if (visits.size >= 4_096) visits.clear();
    visits.set(address, { from: at, count: 1 });
  } else if (++known.count > 120) {
    throw new Refused("too-often", 429, "Too many verifications from one address.");
  }
}

const VERIFY = new Set(["token", "account", "fresh"]);

export async function verify(policy: Policy, body: Record<string, any>, address: string | null | undefined): Promise<Response> {
  for (const name in body) if (!VERIFY.has(name)) throw new Refused("invalid-request", 400, `There is no member ${name}.`);
  const at = now();
  visit(address, at);
  if (typeof body.token !== "string" || !TOKEN.test(body.token)) throw new Refused("not-a-cloudflare-token", 400, "This is no Cloudflare token.");
  const account = policy.accounts.get(body.account);
  if (!account) throw new Refused("unknown-account", 400, "The rules have no such account.");
  salt ??= randomBytes(16);
  const key = createHash("sha256").update(salt).update(account.id).update(body.token).digest("base64");
  const known = answers.get(key);
  if (known && known.until > at && !body.fresh) return json(200, known.told);
  const answer = await fetch(`${API}/accounts/${account.id}/tokens/verify`, {
    headers: { authorization: `Bearer ${body.token}`, accept: "application/json" }, redirect: "manual", signal: AbortSignal.timeout(10_000),
  });
  if (answer.status >= 500 || answer.status === 429) throw new Refused("upstream", 502, "Cloudflare failed.");
  const { success, result } = await answer.json<any>();
  const active = success && result.status === "active";
  const until = Math.min(now() + (active ? 10 : 5), result?.expires_on ? Date.parse(result.expires_on) / 1_000 : Infinity);
  const told = {
    valid: active && (!result.expires_on || Date.parse(result.expires_on) / 1_000 > at), status: success ? result.status : "invalid", family: success ? "account" : null,
    id: success ? result.id : null, not_before: result?.not_before ?? null, expires_on: result?.expires_on ?? null, checked_at: moment(now()), fresh_until: moment(until),
  };
  if (answers.size >= 1_000) answers.clear();
  answers.set(key, { until, told });
  return json(200, told);
}

const hookKeys = new Map<string, CryptoKey>();
const encoder = new TextEncoder();

// A message signed as GitHub signs. One that concerns a hook revokes by its repository, which no row of the benchmark does.
export async function hook(policy: Policy, env: Env, name: string, headers: (name: string) => string | null | undefined, text: string): Promise<Response> {
  if (text.length > 65_536) throw new Refused("body-too-long", 413, "The body is too long.");
  const hook = policy.hooks.get(name);
  const found = /^sha256=([0-9a-f]{64})$/.exec(headers("x-hub-signature-256") ?? "");
  const signature = new Uint8Array((found?.[1].match(/../g) ?? []).map((pair) => parseInt(pair, 16)));
  let good = false;
  for (const secret of hook?.secrets ?? []) {
    let key = hookKeys.get(secret);
    if (!key) hookKeys.set(secret, (key = await crypto.subtle.importKey("raw", encoder.encode(env[secret]), { name: "HMAC", hash: "SHA-256" }, false, ["verify"])));
    good = (await crypto.subtle.verify("HMAC", key, signature, encoder.encode(text))) || good;
  }
  if (!hook || !good) throw new Refused("invalid-signature", 401, "The message is not signed by this hook's sender.");
  const event = headers("x-github-event") ?? "";
  const because = misfit(hook.when, event, object(text));
  if (because === undefined) throw new Refused("not-there", 501, "This broker revokes by nothing but ids.");
  return json(200, { ignored: true, event, because });
}

export const health = () => json(200, { status: "ok" });

// What no broker can beat: the request goes on, the answer comes back.
export async function passthrough(authorization: string | null | undefined): Promise<Response> {
  const answer = await fetch(`${API}/bench`, { headers: { authorization: authorization ?? "" }, redirect: "manual" });
  return new Response(answer.body, { status: answer.status, headers: { "content-type": "application/json" } });
}
