// What Brevet is for: a narrow, short-lived token is made, used, renewed, rolled and revoked.
import assert from "node:assert/strict";
import { describe, it } from "node:test";

import { refused } from "../harness/stage.js";
import { APPS, MAIN, USER, ZONE } from "../harness/stand_in.js";

const ZONE_READ = "c8fed203ed3043cba015a93ad1616f1f";
const nested = { [`com.cloudflare.api.account.${MAIN}`]: { [`com.cloudflare.api.account.zone.${ZONE}`]: "*" } };
const seconds = (from, to) => (Date.parse(to) - Date.parse(from)) / 1000;

export const policies = [{ effect: "allow", permission_groups: [{ id: ZONE_READ }], resources: nested }];

export default (stage) => describe("the main job", () => {
  let lease;
  let value;
  const zones = (token) => stage.standIn.with(token, "GET", "/zones");
  const verify = (token, options) => stage.ask("POST", "/v1/tokens/verify", { body: { token, fresh: true }, ...options });

  it("creates a token from a template, bounded in time and scope", async () => {
    const { result, calls } = await stage.upstream(() => stage.ask("POST", "/v1/tokens", {
      as: "ci", body: { template: "zone-read", grant: "ci-zone", params: { zone: "example.com" }, name: "nightly" },
    }));
    assert.equal(result.status, 201, result.text);
    ({ lease, value } = result.json);
    assert.match(value, /^cfat_/);
    assert.equal(result.headers.location, `/v1/leases/${lease.id}`);
    assert.match(result.headers["cache-control"], /no-store/);
    assert.equal(lease.state, "active");
    assert.equal(lease.name, "nightly");
    assert.equal(lease.owner, "client:ci");
    assert.equal(lease.grant, "ci-zone");
    assert.equal(seconds(lease.created_on, lease.expires_on), 600);
    assert.deepEqual(calls.map(({ method, path, status }) => [method, path, status]), [["POST", `/client/v4/accounts/${MAIN}/tokens`, 200]]);
    assert.deepEqual(calls[0].body.policies, policies);
    assert.equal(calls[0].body.expires_on, lease.expires_on);
    assert.match(calls[0].body.name, new RegExp(`^brevet:local:${lease.id}\\.`));
  });

  it("verifies the token and tells its owner what it may do", async () => {
    const { json } = await verify(value, { as: "ci" });
    assert.deepEqual(
      [json.valid, json.status, json.family, json.id, json.template, json.lease.id],
      [true, "active", "account", lease.token_id, "zone-read", lease.id],
    );
    assert.deepEqual(json.may, [{ permission_groups: [{ id: ZONE_READ, name: "Zone Read" }], resources: nested }]);
  });

  it("tells a stranger that the token is good and nothing of its lease", async () => {
    for (const options of [{}, { as: "edge-purger" }]) {
      const { json } = await verify(value, options);
      assert.equal(json.valid, true);
      assert.equal(json.lease, undefined);
      assert.equal(json.may, undefined);
    }
  });

  it("answers a repeated verify without asking Cloudflare, and asks again when told to", async () => {
    await verify(value);
    const cached = await stage.upstream(() => verify(value, { body: { token: value } }));
    assert.equal(cached.result.json.valid, true);
    assert.deepEqual(cached.calls, []);
    // The prefix tells the family; both accounts may know it, and they are asked one after the other.
    assert.equal((await stage.upstream(() => verify(value))).calls.length, 2);
  });

  it("makes a token that lists its zone at Cloudflare and no other", async () => {
    const { status, json } = await zones(value);
    assert.equal(status, 200);
    assert.deepEqual(json.result.map((zone) => zone.name), ["example.com"]);
  });

  it("shows the value in no later answer", async () => {
    for (const path of [`/v1/leases/${lease.id}`, `/v1/leases/${lease.token_id}`, "/v1/leases"]) {
      const answer = await stage.ask("GET", path, { as: "ci" });
      assert.equal(answer.status, 200);
      assert.ok(answer.text.includes(lease.id) && !answer.text.includes(value));
    }
  });

  it("renews the lease, and the token at Cloudflare with it", async () => {
    const { result, calls } = await stage.upstream(() => stage.ask("POST", `/v1/leases/${lease.id}/renew`, { as: "ci", body: { ttl: "40m" } }));
    assert.equal(result.status, 200, result.text);
    assert.ok(Date.parse(result.json.expires_on) > Date.parse(lease.expires_on));
    const put = calls.find(({ method }) => method === "PUT");
    assert.equal(put.path, `/client/v4/accounts/${MAIN}/tokens/${lease.token_id}`);
    assert.equal(put.body.expires_on, result.json.expires_on);
    const { json } = await stage.standIn.with(stage.standIn.parents.CLOUDFLARE_API_TOKEN, "GET", `/accounts/${MAIN}/tokens/${lease.token_id}`);
    assert.equal(json.result.expires_on, result.json.expires_on);
    assert.equal((await zones(value)).status, 200, "renewing keeps the value");
  });

  it("refuses to renew beyond what the grant allows, and names the cap", async () => {
    await stage.refuse("POST", `/v1/leases/${lease.id}/renew`, { as: "ci", body: { ttl: "2h" } }, {
      status: 403, kind: "end-too-late", why: /grant "ci-zone"/, pointer: "/expires_on",
    });
  });

  it("rolls the lease: a new value works and the old one is dead", async () => {
    const { result, calls } = await stage.upstream(() => stage.ask("POST", `/v1/leases/${lease.id}/roll`, { as: "ci" }));
    assert.equal(result.status, 200, result.text);
    const old = value;
    value = result.json.value;
    assert.notEqual(value, old);
    assert.equal(result.json.lease.id, lease.id);
    const roll = calls.find(({ path }) => path.endsWith("/value"));
    assert.deepEqual([roll.method, roll.body, roll.status], ["PUT", {}, 200]);
    assert.equal((await zones(value)).status, 200);
    assert.equal((await zones(old)).status, 403);
    assert.deepEqual([(await verify(old)).json.valid, (await verify(value)).json.valid], [false, true]);
  });

  it("shows a lease to nobody but its owner and operators", async () => {
    for (const method of ["GET", "DELETE"]) {
      await stage.refuse(method, `/v1/leases/${lease.id}`, { as: "raw" }, { status: 404, kind: "no-such-lease", why: /not yours/ });
    }
    for (const step of ["renew", "roll"]) {
      await stage.refuse("POST", `/v1/leases/${lease.id}/${step}`, { as: "raw" }, { status: 404, kind: "no-such-lease", why: /not yours/ });
    }
    assert.equal((await stage.ask("GET", `/v1/leases/${lease.id}`, { as: "alice" })).status, 200);
  });

  it("revokes the lease, and Cloudflare refuses the token afterwards", async () => {
    const { result, calls } = await stage.upstream(() => stage.ask("DELETE", `/v1/leases/${lease.id}`, { as: "ci" }));
    assert.equal(result.status, 200, result.text);
    assert.deepEqual([result.json.state, result.json.end], ["ended", "revoked"]);
    assert.ok(calls.some(({ method, path }) => method === "DELETE" && path.endsWith(lease.token_id)));
    assert.equal((await zones(value)).status, 403);
    assert.equal((await verify(value)).json.valid, false);
    for (const [method, path] of [["POST", "/renew"], ["POST", "/roll"]]) {
      await stage.refuse(method, `/v1/leases/${lease.id}${path}`, { as: "ci" }, { status: 404, kind: "lease-ended", why: /ended/ });
    }
  });

  it("plans the exact request that the create then sends", async () => {
    const body = { template: "cache-purge", params: { zone: "example.com" }, ttl: "20m", condition: { request_ip: { in: ["203.0.113.0/24"] } } };
    const planned = await stage.upstream(() => stage.ask("POST", "/v1/plan", { as: "ci", body }));
    assert.equal(planned.result.status, 200, planned.result.text);
    assert.deepEqual(planned.calls, [], "a plan mints nothing");
    const plan = planned.result.json;
    const made = await stage.upstream(() => stage.ask("POST", "/v1/tokens", { as: "ci", body }));
    assert.equal(made.result.status, 201, made.result.text);
    const [sent] = made.calls;
    assert.deepEqual([sent.method, sent.path], [plan.request.method, `/client/v4${plan.request.path}`]);
    // The clock has gone on, and the name holds the lease's id; all else is the same.
    const fixed = ({ body }) => ({ ...body, expires_on: null, name: body.name.replace(/:[0-9A-Z]{26}\.[0-9A-Z]{8}:/, ":ID:") });
    assert.deepEqual(fixed(sent), fixed(plan.request));
    assert.ok(Math.abs(seconds(plan.request.body.expires_on, sent.body.expires_on)) < 30);
    assert.deepEqual(sent.body.condition, { request_ip: { in: ["203.0.113.0/24"] } });
    assert.deepEqual(plan.may[0].permission_groups.map(({ name }) => name), ["Cache Purge"]);
    assert.equal(plan.template, "cache-purge");
    assert.ok(Date.parse(plan.latest_allowed) > Date.parse(plan.expires_on));
  });

  it("plans a refusal with the rule that refuses", async () => {
    await stage.refuse("POST", "/v1/plan", { as: "passer-by", body: { template: "zone-read", params: { zone: "example.com" } } }, {
      status: 403, kind: "no-grant", why: /grant/,
    });
  });

  it("creates from raw policies where a grant takes them", async () => {
    const { result, calls } = await stage.upstream(() => stage.ask("POST", "/v1/tokens", { as: "raw", body: { policies, account: "main", ttl: 900 } }));
    assert.equal(result.status, 201, result.text);
    assert.deepEqual(calls[0].body.policies, policies);
    assert.equal(result.json.lease.grant, "raw-zone");
    assert.deepEqual((await zones(result.json.value)).json.result.map(({ name }) => name), ["example.com"]);
  });

  it("creates a user token, with the parent of the user", async () => {
    const { result, calls } = await stage.upstream(() => stage.ask("POST", "/v1/tokens", {
      as: "ci", body: { template: "zone-read", grant: "ci-user", params: { account: "me", zone: "example.com" } },
    }));
    assert.equal(result.status, 201, result.text);
    assert.equal(calls[0].path, "/client/v4/user/tokens");
    assert.match(result.json.value, /^cfut_/);
    assert.deepEqual(result.json.lease.account, { name: "me", id: USER, family: "user" });
    assert.deepEqual((await zones(result.json.value)).json.result.map(({ name }) => name), ["example.com"]);
    const { json } = await verify(result.json.value, { as: "ci" });
    assert.deepEqual([json.valid, json.family, json.id], [true, "user", result.json.lease.token_id]);
  });

  it("creates an account-wide token for all zones", async () => {
    const made = await stage.ask("POST", "/v1/tokens", { as: "ci", body: { template: "zone-read", params: { account: "main", zone: "*" } } });
    assert.equal(made.status, 201, made.text);
    assert.equal((await zones(made.json.value)).json.result_info.total_count, 27, "the internal zone is listed only when it is asked for");
  });

  it("lets an operator mint what no grant names", async () => {
    const made = await stage.ask("POST", "/v1/tokens", { as: "alice", body: { template: "workers-deploy", params: { account: "apps" }, ttl: "5m" } });
    assert.equal(made.status, 201, made.text);
    assert.equal(made.json.lease.account.id, APPS);
    const refusedThere = await stage.ask("POST", "/v1/tokens", { as: "reader", body: { template: "zone-read", params: { account: "main", zone: "*" } } });
    refused(refusedThere, { status: 403, kind: "power-missing", why: /mint/ });
  });
});
