// Worker and objects are rolled out minutes apart: this build's with those of the build before, on real workerd.
// `cargo xtask test` builds that one; by hand BREVET_PREVIOUS_BUILD names its folder.
import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";

import { startIssuer } from "./harness/issuer.js";
import { build } from "./harness/places.js";
import { open } from "./harness/stage.js";
import { MAIN } from "./harness/stand_in.js";
import { startMixed } from "./harness/worker.js";

const previous = process.env.BREVET_PREVIOUS_BUILD;
const skip = previous ? false : "NOT RUN: run `cargo xtask test --only rollout`, or set BREVET_PREVIOUS_BUILD";
const purge = { template: "cache-purge", params: { zone: "example.com" } };

const mint = (stage, options = {}) => stage.ask("POST", "/v1/tokens", { as: "ci", body: purge, ...options });
const isThere = async (stage, token) => (await stage.standIn.admin("GET", "/tokens")).some(({ id }) => id === token);

// What every caller relies on.
async function everything(stage) {
  const made = await mint(stage);
  assert.equal(made.status, 201, made.text);
  const { id, token_id: token } = made.json.lease;
  const at = `/v1/leases/${id}`;
  assert.equal((await stage.standIn.with(made.json.value, "GET", `/accounts/${MAIN}/tokens/verify`)).status, 200);
  assert.ok((await stage.ask("GET", "/v1/leases", { as: "ci" })).json.leases.some((lease) => lease.id === id));
  assert.equal((await stage.ask("POST", `${at}/renew`, { as: "ci", body: { ttl: "30m" } })).status, 200);
  const rolled = await stage.ask("POST", `${at}/roll`, { as: "ci" });
  assert.equal(rolled.status, 200, rolled.text);
  assert.equal((await stage.standIn.with(made.json.value, "GET", `/accounts/${MAIN}/tokens/verify`)).status, 401);
  const verified = await stage.ask("POST", "/v1/tokens/verify", { body: { token: rolled.json.value } });
  assert.equal(verified.json.valid, true, verified.text);
  const dropIn = await stage.ask("GET", `/client/v4/accounts/${MAIN}/tokens/${token}`, { as: "ci" });
  assert.equal(dropIn.json.result?.id, token, dropIn.text);

  const headers = { "idempotency-key": crypto.randomUUID() };
  const [first, again] = [await mint(stage, { headers }), await mint(stage, { headers })];
  assert.equal(again.json.lease.id, first.json.lease.id);

  const frozen = await stage.ask("POST", "/v1/freezes", { as: "root", body: { client: "ci", reason: "A drill." } });
  assert.equal(frozen.status, 201, frozen.text);
  const held = await mint(stage);
  assert.deepEqual([held.status, held.json.type], [403, "urn:brevet:problem:frozen"]);
  assert.equal((await stage.ask("DELETE", `/v1/freezes/${frozen.json.id}`, { as: "root" })).status, 200);

  const denied = await stage.ask("POST", "/v1/tokens", { as: "ci", body: { template: "workers-deploy", params: { account: "apps" } } });
  assert.equal(denied.status, 403, denied.text);
  assert.equal((await stage.push(stage.rules)).status, 200);
  assert.equal((await mint(stage)).status, 201);

  const gone = await stage.ask("DELETE", at, { as: "ci" });
  assert.deepEqual([gone.status, gone.json.state], [200, "ended"], gone.text);
  assert.equal(await isThere(stage, token), false);
  const audit = await stage.ask("GET", `/v1/audit?account=main&lease=${id}`, { as: "ci" });
  assert.deepEqual(audit.json.entries.map(({ entry }) => entry.event), ["revoked", "revoking", "rolled", "renewed", "created"]);
  assert.equal((await stage.ask("GET", "/cdn-cgi/local/scheduled")).status, 200);
  const ready = await stage.ask("GET", "/readyz");
  assert.equal(ready.status, 200, ready.text);
}

describe("while a build is rolled out", { skip }, () => {
  describe("a new Worker on old objects", () => {
    let stage;
    before(async () => { stage = await open({ start: startMixed(build(), previous) }); });
    after(() => stage?.close());
    it("does everything that both can", () => everything(stage));
    it("says of what only the new one can that it is being rolled out", async () => {
      const answer = await stage.ask("POST", "/v1/ledgers/main/rebuild", { as: "root" });
      assert.deepEqual([answer.status, answer.json.type], [503, "urn:brevet:problem:rolling-out"], answer.text);
      for (const path of ["/v1/hooks", "/v1/deliveries?account=main"]) {
        const listed = await stage.ask("GET", path, { as: "root" });
        assert.deepEqual([listed.status, listed.json.type], [503, "urn:brevet:problem:rolling-out"], `${path} ${listed.text}`);
      }
    });
    it("makes no token for a workload, whose identity the old book could not use up", async () => {
      const issuer = await startIssuer();
      const rules = structuredClone(stage.rules);
      rules.issuer.lab = { url: issuer.url };
      rules.grant["lab-purge"] = {
        from: { issuer: "lab" }, when: [{ repository_id: "7" }], allow: [{ template: "cache-purge", zone: ["example.com"] }],
      };
      const pushed = await stage.push(rules);
      assert.equal(pushed.status, 200, pushed.text);
      const token = issuer.token({ sub: "job", aud: stage.rules.brevet.url, repository_id: "7" });
      const { result, calls } = await stage.upstream(() => stage.ask("POST", "/v1/tokens", { token, body: { template: "cache-purge" } }));
      assert.deepEqual([result.status, result.json.type], [503, "urn:brevet:problem:rolling-out"], result.text);
      assert.deepEqual(calls.filter(({ method }) => method === "POST"), []);
    });
  });

  describe("an old Worker on new objects", () => {
    let stage;
    before(async () => { stage = await open({ start: startMixed(previous, build()) }); });
    after(() => stage?.close());
    it("does everything that both can", () => everything(stage));
  });

  it("new objects take over the books of old ones, and old ones keep their hands off those of new ones", async () => {
    const [old, present] = [startMixed(previous, previous), startMixed(build(), build())];
    const stage = await open({ start: old });
    try {
      const { lease } = (await mint(stage)).json;
      await stage.restart(undefined, "stop", present);
      assert.equal((await stage.ask("GET", `/v1/leases/${lease.id}`, { as: "ci" })).json.state, "active");
      assert.equal((await stage.ask("POST", `/v1/leases/${lease.id}/renew`, { as: "ci", body: { ttl: "20m" } })).status, 200);
      await everything(stage);
      const entries = (await stage.ask("GET", "/v1/audit?account=main&limit=100", { as: "root" })).json.entries;
      assert.deepEqual(entries.map(({ seq }) => seq), entries.map((_, at) => entries.length - at), "one chain");
      const before = (await stage.standIn.admin("GET", "/tokens")).length;
      await stage.restart(undefined, "stop", old);
      const refused = await mint(stage);
      assert.equal(refused.status, 503, refused.text);
      assert.equal((await stage.standIn.admin("GET", "/tokens")).length, before);
    } finally {
      await stage.close();
    }
  });
});
