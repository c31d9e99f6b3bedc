// Asks every side the same and compares the answers with Brevet's: what is measured must be the same job.
//
//   node bench/compare.js INPUTS brevet=PORT NAME=PORT …
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";

const [folder, ...places] = process.argv.slice(2);
const sides = places.map((place) => place.split("="));
const { client, other, value, zone, good, bad, hook, stranger } = JSON.parse(readFileSync(join(folder, "compare.json"), "utf8"));
const LIMIT_MS = 30_000;

async function ask(port, method, path, bearer, body, more = {}) {
  const headers = { ...(bearer ? { authorization: `Bearer ${bearer}` } : {}), ...more };
  const sent = typeof body === "string" || body === undefined ? body : JSON.stringify(body);
  const answer = await fetch(`http://127.0.0.1:${port}${path}`, { method, headers, body: sent, redirect: "manual", signal: AbortSignal.timeout(LIMIT_MS) });
  const text = await answer.text();
  return { status: answer.status, headers: answer.headers, text, json: JSON.parse(text) };
}

// What differs from run to run, by its form alone.
const FORMS = [
  [/\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ/g, "<time>"], [/cfat_bench\d+/g, "<value>"], [/[0-9A-HJKMNP-TV-Z]{26}\.[0-9A-HJKMNP-TV-Z]{8}/g, "<lease.tag>"],
  [/\b[0-9A-HJKMNP-TV-Z]{26}\b/g, "<lease>"], [/"token_id":"[0-9a-f]{32}"/g, '"token_id":"<id>"'], [/(oidc:lab:\d+:)[0-9a-f]*/g, "$1<digest>"], [/(r|t)=\d+/g, "$1=<n>"],
];
const plain = (text) => FORMS.reduce((text, [form, name]) => text.replace(form, name), text);

// Of a refusal its status counts and what clients tell it by; how it is worded is Brevet's own.
function shape({ status, headers, text, json }) {
  const named = ["content-type", "cache-control", "x-content-type-options", "location", "ratelimit-policy", "ratelimit", "x-should-retry", "www-authenticate"];
  if (status >= 400) return { status, type: json.type, retry: headers.get("x-should-retry"), kind: headers.get("content-type") };
  return { status, headers: Object.fromEntries(named.map((name) => [name, plain(headers.get(name) ?? "")])), body: JSON.parse(plain(text)) };
}

const WISH = { template: "zone-read" };

// Each step gives the answer to be compared; `kept` goes from one to the next.
const steps = {
  "a static answer": (port) => ask(port, "GET", "/healthz"),
  "who am I, by a secret": (port) => ask(port, "GET", "/v1/whoami", client),
  "who am I, RS256": (port) => ask(port, "GET", "/v1/whoami", good.RS256),
  "who am I, ES256": (port) => ask(port, "GET", "/v1/whoami", good.ES256),
  "a verification": (port) => ask(port, "POST", "/v1/tokens/verify", "", { token: value, account: "a00" }),
  "a remembered one": (port) => ask(port, "POST", "/v1/tokens/verify", "", { token: value, account: "a00" }),
  "a fresh one": (port) => ask(port, "POST", "/v1/tokens/verify", "", { token: value, account: "a00", fresh: true }),
  "no token to verify": (port) => ask(port, "POST", "/v1/tokens/verify", "", { token: "cfat_short", account: "a00" }),
  "a mint by a secret": async (port, kept) => {
    const made = await ask(port, "POST", "/v1/tokens", client, { ...WISH, params: { zone }, ttl: "5m", name: "a name" });
    kept.lease = made.json.lease?.id;
    return made;
  },
  "a mint by a job": async (port, kept) => {
    const made = await ask(port, "POST", "/v1/tokens", good.mint, WISH);
    kept.job = made.json.lease?.id;
    return made;
  },
  "a job's token once more": (port) => ask(port, "POST", "/v1/tokens", good.mint, WISH),
  "the job itself, still known": (port) => ask(port, "GET", "/v1/whoami", good.mint),
  "somebody else's lease": (port, kept) => ask(port, "DELETE", `/v1/leases/${kept.lease}`, other),
  "an end by a secret": (port, kept) => ask(port, "DELETE", `/v1/leases/${kept.lease}`, client),
  "an end by a fresh token of the job": (port, kept) => ask(port, "DELETE", `/v1/leases/${kept.job}`, good.again),
  "an end once more": (port, kept) => ask(port, "DELETE", `/v1/leases/${kept.lease}`, client),
  "no such lease": (port) => ask(port, "DELETE", "/v1/leases/00000000000000000000000000", client),
  "no credential": (port) => ask(port, "POST", "/v1/tokens", "", WISH),
  "an unknown secret": (port) => ask(port, "POST", "/v1/tokens", `brvc_${"x".repeat(43)}`, WISH),
  "an unknown template": (port) => ask(port, "POST", "/v1/tokens", client, { template: "zone-rade" }),
  "too long a life": (port) => ask(port, "POST", "/v1/tokens", client, { ...WISH, ttl: "2h" }),
  "another's zone": (port) => ask(port, "POST", "/v1/tokens", client, { ...WISH, params: { zone: "a01.example.net" } }),
  "an unknown member": (port) => ask(port, "POST", "/v1/tokens", client, { ...WISH, colour: "red" }),
  "no JSON": (port) => ask(port, "POST", "/v1/tokens", client, "{"),
  "a job of another branch": (port) => ask(port, "POST", "/v1/tokens", stranger, WISH),
  "no such path": (port) => ask(port, "GET", "/v2"),
};
for (const name of ["good", "another secret", "another body", "no signature"]) {
  steps[`a hook's message, ${name}`] = (port) => ask(port, "POST", "/hooks/leak", "", hook.body, hook[name]);
}
steps["a message for no hook"] = (port) => ask(port, "POST", "/hooks/none", "", hook.body, hook.good);
for (const [name, token] of Object.entries(bad)) steps[`a job's token with ${name}`] = (port) => ask(port, "POST", "/v1/tokens", token, WISH);

let wrong = 0;
const leases = new Map(sides.map(([name]) => [name, {}]));
for (const [step, run] of Object.entries(steps)) {
  const [[, first], ...others] = sides;
  const ours = shape(await run(first, leases.get(sides[0][0])));
  for (const [name, port] of others) {
    const theirs = shape(await run(port, leases.get(name)));
    try {
      assert.deepEqual(theirs, ours);
    } catch (error) {
      wrong += 1;
      console.error(`${name}, ${step}: ${error.message}`);
    }
  }
}
if (wrong) throw new Error(`${wrong} answers are not Brevet's`);
console.error(`xtask: ${Object.keys(steps).length} answers of ${sides.length} sides are the same`);
