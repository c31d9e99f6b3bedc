// Does each operation several times on the counting Worker and prints what one of them took, as JSON.
//
//   node bench/operations.js INPUTS WORKER-PORT STAND-IN-PORT
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as wait } from "node:timers/promises";

const [folder, port, outside] = process.argv.slice(2);
const { client, root, value, zone_id, account_id, good, hook } = JSON.parse(readFileSync(join(folder, "compare.json"), "utf8"));
const jobs = readFileSync(join(folder, "mint-oidc.tsv"), "utf8").trim().split("\n").filter((_, at) => at % 16 === 0)
  .map((line) => line.split("\t")[2].replace("authorization: Bearer ", ""));
const LIMIT_MS = 60_000;
const TIMES = 10;

async function ask(method, path, bearer, body, headers = {}) {
  const answer = await fetch(`http://127.0.0.1:${port}${path}`, {
    method, body: typeof body === "string" ? body : body && JSON.stringify(body), headers: { ...(bearer ? { authorization: `Bearer ${bearer}` } : {}), ...headers }, signal: AbortSignal.timeout(LIMIT_MS),
  });
  const text = await answer.text();
  return { status: answer.status, json: JSON.parse(text) };
}
const counts = async () => {
  const of = async (at) => (await fetch(`http://127.0.0.1:${at}/__counts`)).json();
  return { ...(await of(port)), ...(await of(outside)) };
};

const WISH = { template: "zone-read" };
const mint = async () => (await ask("POST", "/v1/tokens", client, WISH)).json.lease.id;
const several = (times, make) => Promise.all(Array.from({ length: times }, make));
let key = 0;

// Name, the status of every answer, what is done before it is counted, and what is counted.
const operations = [
  ["health", 200, null, () => ask("GET", "/healthz")],
  ["verify, remembered", 200, () => ask("POST", "/v1/tokens/verify", "", { token: value, account: "a00" }), () => ask("POST", "/v1/tokens/verify", "", { token: value, account: "a00" })],
  ["verify, asked upstream", 200, null, () => ask("POST", "/v1/tokens/verify", "", { token: value, account: "a00", fresh: true })],
  ["JWT check", 200, null, () => ask("GET", "/v1/whoami", good.RS256)],
  ["a credential that is none", 401, null, () => ask("GET", "/v1/whoami", `brvc_${"x".repeat(43)}`)],
  ["plan", 200, null, () => ask("POST", "/v1/plan", client, WISH)],
  ["mint by client secret", 201, null, () => ask("POST", "/v1/tokens", client, WISH)],
  ["mint by OIDC", 201, null, (_, at) => ask("POST", "/v1/tokens", jobs[at + 1], WISH)],
  ["mint with an idempotency key", 201, null, (_, at) => ask("POST", "/v1/tokens", client, WISH, { "idempotency-key": `once-${at}` })],
  ["the same key again", 201, () => ask("POST", "/v1/tokens", client, WISH, { "idempotency-key": `again-${(key += 1)}` }), () => ask("POST", "/v1/tokens", client, WISH, { "idempotency-key": `again-${key}` })],
  ["mint that the rules refuse", 403, null, () => ask("POST", "/v1/tokens", client, { ...WISH, ttl: "2h" })],
  ["mint, drop-in", 200, null, (_, at) => ask("POST", `/client/v4/accounts/${account_id}/tokens`, root, {
    name: `n${at}`, expires_on: `${new Date(Date.now() + 600_000).toISOString().slice(0, 19)}Z`,
    policies: [{ effect: "allow", permission_groups: [{ id: "c8fed203ed3043cba015a93ad1616f1f" }], resources: { [`com.cloudflare.api.account.zone.${zone_id}`]: "*" } }],
  })],
  ["read a lease", 200, mint, (id) => ask("GET", `/v1/leases/${id}`, client)],
  ["list 50 leases of one account", 200, () => several(4, mint), () => ask("GET", "/v1/leases?account=a00&limit=50", client)],
  ["renew", 200, mint, (id) => ask("POST", `/v1/leases/${id}/renew`, client, { ttl: "20m" })],
  ["roll", 200, mint, (id) => ask("POST", `/v1/leases/${id}/roll`, client, {})],
  ["revoke", 200, mint, (id) => ask("DELETE", `/v1/leases/${id}`, client)],
  ["a page of 100 of the journal", 200, null, () => ask("GET", "/v1/audit?account=a00&limit=100", root)],
  ["a signed hook that is not concerned", 200, null, () => ask("POST", "/hooks/leak", "", hook.body, hook.good)],
  ["the cron, for 16 accounts", 200, null, () => ask("POST", "/__cron")],
];

const told = [];
for (const [name, status, before, run] of operations) {
  const sum = {};
  // Once before: the first of a kind opens books and fetches keys.
  await run(before && (await before()), TIMES);
  for (let at = 0; at < TIMES; at += 1) {
    const made = before && (await before());
    await counts();
    const answer = await run(made, at);
    if (answer.status !== status) throw new Error(`${name}: ${answer.status} ${JSON.stringify(answer.json)}`);
    for (const [what, count] of Object.entries(await counts())) sum[what] = (sum[what] ?? 0) + count;
  }
  told.push({ name, requests: 1, ...Object.fromEntries(Object.entries(sum).map(([what, count]) => [what, count / TIMES])) });
}

// A lease that ends by itself: nobody asks, the alarm does it.
await several(TIMES, () => ask("POST", "/v1/tokens", client, { ...WISH, ttl: 60 }));
await counts();
const end = Date.now() + 90_000;
const sum = {};
while (Date.now() < end && (sum.subrequests ?? 0) < TIMES) {
  await wait(1_000);
  for (const [what, count] of Object.entries(await counts())) sum[what] = (sum[what] ?? 0) + count;
}
told.push({ name: "the end of a lease by itself, of ten at once", requests: 0, ...Object.fromEntries(Object.entries(sum).map(([what, count]) => [what, count / TIMES])) });
console.log(JSON.stringify(told));
