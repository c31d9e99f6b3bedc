// How leases end when nobody asks for it: in time, after a failure, and after a crash.
import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";

import { until } from "../harness/processes.js";
import { open } from "../harness/stage.js";

// The shortest life a token may have, and what an alarm may be late by on a busy machine.
const LIFE_MS = 60_000;
const LATE_MS = 20_000;

const purge = { template: "cache-purge", params: { zone: "example.com" } };

// The most tokens that an account may have, and what deleting them all may take on a busy machine.
const MOST = 500;
const ALL_MS = 120_000;

// A stage of its own: it is killed. All that has to wait for a minute waits for the same one.
export default () => describe("endings", () => {
  let stage;
  before(async () => { stage = await open(); });
  after(() => stage?.close());

  const mint = (body = purge) => stage.ask("POST", "/v1/tokens", { as: "ci", body });
  const lease = async (id) => (await stage.ask("GET", `/v1/leases/${id}`, { as: "ci" })).json;
  const isThere = async (token) => (await stage.standIn.admin("GET", "/tokens")).some(({ id }) => id === token);
  const gone = (what, token) => until(what, { output: stage.worker.logs() }, LIFE_MS + LATE_MS, async () => !(await isThere(token)));

  it("a token ends at its time, a failed revocation is finished, and a create that met a crash leaves nothing", async () => {
    const brief = await mint({ ...purge, ttl: 60 });
    assert.equal(brief.status, 201, brief.text);
    const longer = (await mint()).json.lease;

    const revoked = (await mint()).json.lease;
    await stage.standIn.fault({ match: { method: "DELETE" }, effect: { kind: "status", status: 503, code: 10001, message: "Internal error" } });
    assert.equal((await stage.ask("DELETE", `/v1/leases/${revoked.id}`, { as: "ci" })).status, 502);
    assert.equal((await lease(revoked.id)).state, "revoking");
    await stage.standIn.mend();
    assert.ok(await isThere(revoked.token_id));

    const known = new Set((await stage.standIn.admin("GET", "/tokens")).map(({ id }) => id));
    const barrier = await stage.standIn.barrier({ match: { method: "POST" }, when: "after", count: 1 });
    const asked = mint().catch((error) => ({ error }));
    await barrier.held();
    await stage.restart(() => barrier.release(), "kill");
    assert.ok((await asked).error, "nobody was answered");
    const orphans = (await stage.standIn.admin("GET", "/tokens")).filter(({ id }) => !known.has(id));
    assert.equal(orphans.length, 1, "Cloudflare made it");
    const { leases } = (await stage.ask("GET", "/v1/leases?state=pending", { as: "ci" })).json;
    assert.equal(leases.length, 1, "and the books know of it");

    await gone("the end of the revocation", revoked.token_id);
    await gone("the end of the token", brief.json.lease.token_id);
    await gone("the end of the orphan", orphans[0].id);
    const ends = await Promise.all([brief.json.lease.id, revoked.id, leases[0].id].map(async (id) => {
      const { state, end } = await lease(id);
      return [state, end];
    }));
    assert.deepEqual(ends, [["ended", "expired"], ["ended", "revoked"], ["ended", "never_created"]]);
    assert.equal((await lease(longer.id)).state, "active");
    assert.ok(await isThere(longer.token_id), "what lives is left alone");
    const { calls } = await stage.upstream(async () => {});
    assert.deepEqual(calls, []);

    // The journal says so, through the crash, and each entry stands on the one before.
    const audit = await stage.ask("GET", "/v1/audit?account=main&limit=100", { as: "root" });
    assert.equal(audit.status, 200, audit.text);
    const events = (id) => audit.json.entries.filter(({ entry }) => entry.lease === id).map(({ entry }) => entry.event).reverse();
    assert.deepEqual(events(brief.json.lease.id), ["created", "expired"]);
    assert.deepEqual(events(revoked.id), ["created", "revoking", "revoked"]);
    assert.equal(events(leases[0].id).at(-1), "never_created");
    const seqs = audit.json.entries.map(({ seq }) => seq);
    assert.deepEqual(seqs, seqs.map((_, at) => seqs.length - at));
    assert.equal(new Set(audit.json.entries.map(({ mac }) => mac)).size, seqs.length);
    const own = await stage.ask("GET", `/v1/audit?account=main&lease=${revoked.id}`, { as: "ci" });
    assert.deepEqual(own.json.entries.map(({ entry }) => entry.by), ["brevet", "client:ci", "client:ci"]);
    assert.deepEqual((await stage.ask("GET", "/v1/audit?account=main", { as: "edge-purger" })).json.entries, []);
  });

  it("fifty requests at once with one key make one token", async () => {
    const before = (await stage.standIn.calls()).at(-1)?.number ?? 0;
    const headers = { "idempotency-key": crypto.randomUUID() };
    const send = () => stage.ask("POST", "/v1/tokens", { as: "ci", headers, body: purge });
    const answers = await Promise.all(Array.from({ length: 50 }, send));
    const [made, others] = [answers.filter(({ status }) => status === 201), answers.filter(({ status }) => status !== 201)];
    assert.ok(made.length >= 1, answers[0].text);
    assert.equal(new Set(made.map(({ json }) => json.lease.id)).size, 1, "one lease");
    assert.equal(new Set(made.map(({ json }) => json.value)).size, made.length, "each value once");
    for (const answer of others) {
      // Under way, or too late for one of the three values that are given again.
      if (answer.status === 409) assert.equal(answer.json.type, "urn:brevet:problem:in-flight");
      else assert.deepEqual([answer.status, answer.json.value_available], [200, false], answer.text);
    }
    const creates = async () => (await stage.standIn.calls(`?after=${before}`)).filter(({ method }) => method === "POST").length;
    assert.equal(await creates(), 1);
    const again = await send();
    assert.ok(again.status === 201 || again.json.value_available === false, again.text);
    assert.equal(again.json.lease.id, made[0].json.lease.id);
    assert.equal(again.headers["idempotent-replayed"], "true");
    assert.equal(await creates(), 1);
    await stage.refuse("POST", "/v1/tokens", { as: "ci", headers, body: { ...purge, ttl: 61 } }, {
      status: 422, kind: "idempotency-key-reused", why: /another body/, next: /new key/,
    });
  });

  it("all of an account's tokens are revoked at once, and a mint in the same second is refused", async (test) => {
    await stage.standIn.settings({ quota_account: MOST + 10 });
    // No grant gets all of an account's tokens, no caller all of its calls, and a tenth is left to operators.
    const rules = structuredClone(stage.rules);
    for (const client of ["leaver", "passer-by"]) {
      rules.grant[`drill-${client}`] = { from: { client }, allow: [{ template: "cache-purge", zone: ["example.com"] }], ttl: "10m", max_ttl: "1h" };
    }
    assert.equal((await stage.push(rules)).status, 200);
    let made = 0;
    for (const who of ["leaver", "passer-by", "root"]) {
      for (let full = false, own = 0; !full && own < 220; own += 20) {
        const some = await Promise.all(Array.from({ length: 20 }, () => stage.ask("POST", "/v1/tokens", { as: who, body: purge })));
        made += some.filter(({ status }) => status === 201).length;
        const refused = some.filter(({ status }) => status !== 201);
        full = refused.length > 0;
        for (const answer of refused) assert.equal(answer.json.type, "urn:brevet:problem:quota", answer.text);
      }
    }
    const left = async () => (await stage.standIn.admin("GET", "/tokens")).filter(({ name }) => name.startsWith("brevet:")).length;
    assert.equal(await left(), MOST, "the account is full");
    const before = (await stage.standIn.calls()).at(-1).number;
    const begun = Date.now();
    const stopped = await stage.ask("POST", "/v1/leases/revoke", { as: "root", body: { all: true, reason: "A drill." } });
    const answered = Date.now() - begun;
    assert.equal(stopped.status, 202, stopped.text);
    assert.equal(stopped.json.queued, MOST);
    const late = await mint();
    assert.equal(late.status, 403, late.text);
    assert.equal(late.json.type, "urn:brevet:problem:frozen");
    assert.match(late.json.detail, /A drill\./);
    await until("the end of the job", { output: stage.worker.logs() }, ALL_MS, async () => (await left()) === 0);
    const took = Date.now() - begun;
    const calls = await stage.standIn.calls(`?after=${before}`);
    assert.ok(calls.every(({ method }) => method === "DELETE"), "nothing but deletes");
    test.diagnostic(`${MOST} leases (${made} made here): answered after ${answered} ms, none left after ${took} ms, ${calls.length} calls`);
    const job = (await stage.ask("GET", `/v1/jobs/${stopped.json.id}`, { as: "root" })).json;
    assert.deepEqual([job.revoked, job.queued, job.stuck], [stopped.json.queued, 0, 0]);
    const lifted = await stage.ask("DELETE", `/v1/freezes/${stopped.json.freeze.id}`, { as: "root" });
    assert.equal(lifted.status, 200, lifted.text);
    // Of this account's calls the last are kept for deletions; another account has its own.
    const elsewhere = await mint({ template: "zone-read", params: { account: "me", zone: ["example.com"] } });
    assert.equal(elsewhere.status, 201, elsewhere.text);
    const spent = await mint();
    assert.deepEqual([spent.status, spent.json.type], [429, "urn:brevet:problem:upstream-rate-limited"], spent.text);
  });
});
