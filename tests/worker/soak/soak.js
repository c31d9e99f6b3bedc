// Random work on a running installation, with faults at Cloudflare, hands of others on its tokens, and a
// Worker that is killed again and again. At the end another program, which knows nothing of how a ledger
// works, compares the books with what is at Cloudflare. `cargo xtask soak` runs it.
// Webhooks, identity tokens and endpoints of events are not part of it; suites/hooks.js and suites/events.js kill the Worker themselves.
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { parseArgs } from "node:util";

import { bearer, call } from "../harness/call.js";
import * as places from "../harness/places.js";
import { run, wait } from "../harness/processes.js";
import { open } from "../harness/stage.js";
import { MAIN } from "../harness/stand_in.js";

// A run of so many minutes must have met every fault often.
const FULL_MINUTES = 10;
const OFTEN = 20;

// At most so long after the work everything open is settled, but for creates that were lost: those are given
// up a quarter of an hour after they were asked for.
const SETTLES_MS = 90_000;

const CLIENTS = ["ci", "raw", "sdk-node", "passer-by", "leaver"];
const WORKERS = 6;
const STEP_MS = 900;
const FAULT_MS = 1_500;
const RESTART_MS = 11_000;
const CRON_MS = 20_000;

const { values } = parseArgs({ options: { minutes: { type: "string", default: "10" }, seed: { type: "string" } } });
const minutes = Number(values.minutes);
if (!(minutes > 0 && minutes <= 120)) throw new Error("--minutes takes a number up to 120");
const seed = Number(values.seed ?? Math.floor(Math.random() * 2 ** 32)) >>> 0;

// Mulberry32: small, and the same everywhere.
let state = seed;
function chance() {
  state = (state + 0x6d2b79f5) >>> 0;
  let t = state;
  t = Math.imul(t ^ (t >>> 15), t | 1);
  t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
  return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
}
const pick = (list) => list[Math.floor(chance() * list.length)];
const upTo = (most) => Math.floor(chance() * most);

const done = new Map();
const count = (name) => done.set(name, (done.get(name) ?? 0) + 1);
const injected = new Map();
const wrong = [];

console.log(`seed ${seed}, ${minutes} minutes`);
const stage = await open();
const ALL = ["create", "update", "renew", "roll", "revoke"];
const rules = structuredClone(stage.rules);
for (const client of CLIENTS) {
  rules.grant[`soak-${client}`] = {
    from: { client }, ttl: "2m", max_ttl: "20m", operations: ALL,
    allow: [{ template: "cache-purge", zone: ["example.com"] }, { template: "zone-read", account: ["main", "me"], zone: ["example.com"] }],
  };
}
const pushed = await stage.push(rules);
if (pushed.status !== 200) throw new Error(pushed.text);

// Not through `stage.ask`, which keeps every answer.
let up = true;
async function ask(who, method, path, { headers = {}, body } = {}) {
  try {
    return await call(stage.worker.url, method, path, { headers: { ...bearer(stage.as[who]), ...headers }, body });
  } catch {
    return { status: 0, json: null, text: "" };
  }
}

const held = new Map();
const forget = (id) => held.delete(id);

async function create(who) {
  const body = pick([
    { template: "cache-purge", grant: `soak-${who}`, params: { zone: "example.com" } },
    { template: "zone-read", grant: `soak-${who}`, params: { zone: ["example.com"], account: "main" } },
    { template: "zone-read", grant: `soak-${who}`, params: { zone: ["example.com"], account: "me" } },
  ]);
  body.ttl = 60 + upTo(240);
  const keyed = chance() < 0.5;
  const headers = keyed ? { "idempotency-key": `soak-${Math.floor(chance() * 2 ** 48)}` } : {};
  let answer = await ask(who, "POST", "/v1/tokens", { headers, body });
  let first = answer.json?.lease?.id;
  for (let again = 0; keyed && again < 3 && (answer.status === 0 || answer.status >= 500 || answer.status === 409 || chance() < 0.2); again += 1) {
    await wait(500 + upTo(1_500));
    count("create again");
    answer = await ask(who, "POST", "/v1/tokens", { headers, body });
    const id = answer.json?.lease?.id;
    if (first && id && id !== first) wrong.push(`one key, two leases: ${first} and ${id}`);
    first ??= id;
  }
  const lease = answer.json?.lease;
  if (answer.status === 201) held.set(lease.id, { who, token: lease.token_id });
  return answer;
}

const works = {
  create,
  renew: (who, id) => ask(who, "POST", `/v1/leases/${id}/renew`, { body: { ttl: 60 + upTo(600) } }),
  roll: (who, id) => ask(who, "POST", `/v1/leases/${id}/roll`),
  read: (who, id) => ask(who, "GET", `/v1/leases/${id}`),
  "look up": (who, id) => ask(who, "GET", `/client/v4/accounts/${MAIN}/tokens/${held.get(id)?.token}`),
  list: (who) => ask(who, "GET", "/v1/leases?limit=20"),
  async revoke(who, id) {
    const answer = await ask(who, "DELETE", `/v1/leases/${id}`);
    if (answer.status === 200) forget(id);
    return answer;
  },
  async push() {
    const present = await ask("root", "GET", "/v1/config");
    if (present.status !== 200) return present;
    rules.grant["soak-ci"].max_ttl = pick(["20m", "25m", "30m"]);
    return ask("root", "PUT", "/v1/config", { headers: { "if-match": present.headers.etag }, body: { rules } });
  },
  async freeze(who) {
    const frozen = await ask("root", "POST", "/v1/freezes", { body: { grant: `soak-${who}`, reason: "A drill.", for: 60 } });
    if (frozen.status === 201) {
      await wait(upTo(2_000));
      await ask("root", "DELETE", `/v1/freezes/${frozen.json.id}`);
    }
    return frozen;
  },
  "revoke many": (who) => ask("root", "POST", "/v1/leases/revoke", { body: { owner: `client:${who}`, freeze: false } }),
};
const WEIGHTS = { create: 34, renew: 12, roll: 10, revoke: 14, read: 6, "look up": 6, list: 4, push: 3, freeze: 2, "revoke many": 1 };
const deck = Object.entries(WEIGHTS).flatMap(([name, weight]) => Array(weight).fill(name));
const NEED = ["renew", "roll", "read", "look up", "revoke"];

async function work(until) {
  while (Date.now() < until) {
    const name = pick(deck);
    let [who, id] = [pick(CLIENTS), undefined];
    if (NEED.includes(name)) {
      if (held.size === 0) continue;
      id = pick([...held.keys()]);
      ({ who } = held.get(id));
    }
    const answer = await works[name](who, id);
    count(name);
    if (answer.status === 0) count("no answer");
    else if (answer.status === 404 || answer.status === 410) forget(id);
    else if (answer.status >= 500) count("5xx");
    else if (answer.status === 429) count("429");
    if (answer.status === 500) wrong.push(`${name}: ${answer.text.slice(0, 300)}`);
    await wait(upTo(STEP_MS * 2));
  }
}

const POST = { method: "POST", suffix: "/tokens" };
const faults = {
  "create lost on its way": { match: POST, effect: { kind: "drop" } },
  "create's answer lost": { match: POST, effect: { kind: "drop", when: "after" } },
  "create's answer a 502": { match: POST, effect: { kind: "status", status: 502, code: 0, message: "Bad gateway", when: "after" } },
  "create's answer cut": { match: POST, effect: { kind: "truncate", bytes: 20 } },
  "create refused": { match: POST, effect: { kind: "status", status: 503, code: 10001, message: "Internal error" } },
  "delete's answer lost": { match: { method: "DELETE" }, effect: { kind: "drop", when: "after" } },
  "delete refused": { match: { method: "DELETE" }, effect: { kind: "status", status: 503, code: 10001, message: "Internal error" } },
  "roll's or update's answer lost": { match: { method: "PUT" }, effect: { kind: "drop", when: "after" } },
  "roll or update refused": { match: { method: "PUT" }, effect: { kind: "html", status: 520 } },
  "read reset": { match: { method: "GET" }, effect: { kind: "reset" } },
  "read not an envelope": { match: { method: "GET" }, effect: { kind: "raw", status: 200, content_type: "text/plain", body: "no" } },
  "limited for a second": { effect: { kind: "rate_limited", retry_after: 1 } },
  "slow": { effect: { kind: "latency", ms: 3_000 } },
};
const meet = (name) => injected.set(name, (injected.get(name) ?? 0) + 1);

// The one of all that was met least.
const rarest = (names) => names.map((name) => [injected.get(name) ?? 0, chance(), name]).sort(([a, x], [b, y]) => a - b || x - y)[0][2];

async function disturb(until) {
  const waiting = new Map();
  const settle = async () => {
    const there = new Map((await stage.standIn.admin("GET", "/faults")).map((fault) => [fault.id, fault]));
    for (const [id, name] of waiting) {
      const fault = there.get(id);
      if (!fault || fault.count === 0) {
        meet(name);
        waiting.delete(id);
      }
    }
  };
  while (Date.now() < until) {
    await settle();
    const idle = Object.keys(faults).filter((name) => ![...waiting.values()].includes(name));
    if (idle.length && waiting.size < 4) {
      const name = rarest(idle);
      const { id } = await stage.standIn.admin("POST", "/faults", { ...faults[name], count: 1 });
      waiting.set(id, name);
    }
    await wait(upTo(FAULT_MS));
  }
  await settle();
  await stage.standIn.mend();
}

// Somebody else at Cloudflare.
const hands = {
  "token changed by another hand": (id) => stage.standIn.admin("PATCH", `/tokens/${id}`, { status: "disabled" }),
  "token deleted by another hand": (id) => stage.standIn.admin("DELETE", `/tokens/${id}`),
  "token marked as leaked": (id) => stage.standIn.admin("POST", `/tokens/${id}/expose`),
};
async function meddle(until) {
  while (Date.now() < until) {
    await wait(2_000 + upTo(6_000));
    const ours = (await stage.standIn.admin("GET", "/tokens")).filter(({ name }) => name.startsWith("brevet:"));
    if (!ours.length) continue;
    const name = rarest(Object.keys(hands));
    // It may have gone meanwhile.
    await hands[name](pick(ours).id).then(() => meet(name), () => {});
  }
}

async function restart(until) {
  while (Date.now() < until - RESTART_MS) {
    await wait(RESTART_MS);
    const how = rarest(["kill", "stop"]);
    up = false;
    await stage.restart(undefined, how);
    up = true;
    meet(how);
  }
}

async function cron(until) {
  while (Date.now() < until) {
    await wait(CRON_MS);
    if (up) await call(stage.worker.url, "GET", "/cdn-cgi/local/scheduled").catch(() => {});
  }
}

const end = Date.now() + minutes * 60_000;
await Promise.all([...Array.from({ length: WORKERS }, () => work(end)), disturb(end), meddle(end), restart(end), cron(end)]);

// Peace: what is open is settled.
const settled = Date.now() + SETTLES_MS;
let open_ = [];
// What the last of these wishes were answered.
const why = new Map();
for (;;) {
  open_ = [];
  for (const word of ["pending", "revoking", "stuck"]) {
    const { leases } = (await ask("root", "GET", `/v1/leases?state=${word}&limit=100`)).json ?? { leases: [] };
    open_.push(...leases);
  }
  if (!open_.length || Date.now() > settled) break;
  why.clear();
  for (const { id } of open_.slice(0, 50)) {
    const { status, json } = await ask("root", "DELETE", `/v1/leases/${id}`);
    const word = `${status} ${json?.type?.split(":").at(-1) ?? json?.state ?? ""}`;
    why.set(word, (why.get(word) ?? 0) + 1);
  }
  await wait(2_000);
}
await wait(5_000);
const tokens = await stage.standIn.admin("GET", "/tokens");
const violations = await stage.standIn.violations();
await stage.worker.stop();
const folder = places.folder("soak");
writeFileSync(join(folder, "tokens.json"), JSON.stringify(tokens));
const compared = await run(process.execPath, [
  join(places.root, "tests/worker/soak/compare.js"), join(stage.worker.state, "v3/do/brevet-Ledger"), join(folder, "tokens.json"),
]);
await stage.standIn.stop();

const table = (title, map) => {
  console.log(title);
  for (const [name, number] of [...map].sort(([, a], [, b]) => b - a)) console.log(`  ${String(number).padStart(6)}  ${name}`);
};
table("operations", done);
table("faults", injected);
console.log(`open at the end: ${open_.length} ${JSON.stringify(Object.fromEntries(open_.length ? why : []))}`);
console.log(compared.stdout.trim());
if (compared.stderr) console.error(compared.stderr);

if (violations.length) wrong.push(`violations: ${JSON.stringify(violations).slice(0, 500)}`);
if (compared.code !== 0) wrong.push("the books and Cloudflare differ");
if (minutes >= FULL_MINUTES) {
  for (const name of [...Object.keys(faults), ...Object.keys(hands), "kill", "stop"]) {
    const times = injected.get(name) ?? 0;
    if (times < OFTEN) wrong.push(`"${name}" was met ${times} times; a full run meets it ${OFTEN} times`);
  }
}
for (const line of new Set(wrong)) console.log(`WRONG: ${line}`);
console.log(wrong.length ? `soak: FAILED (seed ${seed})` : `soak: passed (seed ${seed})`);
process.exit(wrong.length ? 1 : 0);
