// A token, a credential or a parent that is not what it should be: each answer names the cause and what
// to do next, on both surfaces.
import assert from "node:assert/strict";
import { after, before, beforeEach, describe, it } from "node:test";

import { open, refused } from "../harness/stage.js";
import { APPS, FOREIGN, MAIN, USER } from "../harness/stand_in.js";
import { policies } from "./main_job.js";

const ZONE_READ = "c8fed203ed3043cba015a93ad1616f1f";
const account = (id) => `com.cloudflare.api.account.${id}`;
const soon = () => new Date(Date.now() + 600_000).toISOString();

// The same create on each surface.
const creates = (of, list = policies) => [
  { native: true, method: "POST", path: "/v1/tokens", body: { policies: list, account: of, ttl: 600 } },
  {
    native: false, method: "POST", path: of === "me" ? "/client/v4/user/tokens" : `/client/v4/accounts/${{ main: MAIN, apps: APPS, far: FOREIGN }[of]}/tokens`,
    body: { name: "x", policies: list, expires_on: soon() },
  },
];

// A stage of its own: what it does to the parents is remembered for minutes.
export default () => describe("the states of tokens", () => {
  let stage;
  before(async () => { stage = await open(); });
  after(() => stage?.close());

  const minted = async (of = "main") => {
    const made = await stage.ask("POST", "/v1/tokens", { as: "raw", body: { policies, account: of, ttl: 600 } });
    assert.equal(made.status, 201, made.text);
    return made.json;
  };
  const atCloudflare = (id, change) => stage.standIn.admin("PATCH", `/tokens/${id}`, change);

  describe("under test", () => {
    const paths = { main: `/client/v4/accounts/${MAIN}/tokens/verify`, apps: `/client/v4/accounts/${APPS}/tokens/verify`, me: "/client/v4/user/tokens/verify" };

    // Both surfaces say that a value is worth nothing, and each asks Cloudflare and nobody else.
    const worthless = async (token, at) => {
      const { calls } = await stage.upstream(async () => {
        const { status, json } = await stage.ask("POST", "/v1/tokens/verify", { body: { token, fresh: true } });
        assert.equal(status, 200);
        assert.deepEqual([json.valid, json.status, json.family, json.id], [false, "invalid", null, null]);
        assert.match(json.detail, /knows no such live token/);
        assert.match(json.hint, /revoked, rolled, expired or mistyped.*other account/);
        refused(await stage.ask("GET", paths[at], { token }), {
          status: 401, code: 1000, why: /^Invalid API Token/, next: /revoked, rolled or mistyped, or belong to the other family.*\/user\/tokens\/verify/,
        });
      });
      assert.ok(calls.length > 0 && calls.every(({ method, path }) => method === "GET" && path.endsWith("/tokens/verify")));
    };

    it("a wrong token is invalid", async () => {
      for (const token of [`cfat_${"x".repeat(45)}`, `cfut_${"x".repeat(45)}`, "x".repeat(40)]) {
        for (const at of ["main", "me"]) await worthless(token, at);
      }
    });

    it("a revoked token is invalid, whoever revoked it", async () => {
      const here = await minted();
      assert.equal((await stage.ask("DELETE", `/v1/leases/${here.lease.id}`, { as: "raw" })).status, 200);
      await worthless(here.value, "main");
      for (const revoke of [(id) => stage.standIn.admin("DELETE", `/tokens/${id}`), (id) => stage.standIn.admin("POST", `/tokens/${id}/expose`)]) {
        const there = await minted("me");
        await revoke(there.lease.token_id);
        await worthless(there.value, "me");
      }
    });

    it("a rolled token is invalid", async () => {
      const { lease, value } = await minted();
      assert.equal((await stage.ask("POST", `/v1/leases/${lease.id}/roll`, { as: "raw" })).status, 200);
      await worthless(value, "main");
    });

    it("a token of the other family or account is invalid there, and found by the surface that looks for it", async () => {
      for (const [of, wrong] of [["main", ["me", "apps"]], ["me", ["main"]]]) {
        const { value, lease } = await minted(of);
        for (const at of wrong) {
          refused(await stage.ask("GET", paths[at], { token: value }), { status: 401, code: 1000, why: /^Invalid API Token/, next: /other family/ });
          const { json } = await stage.ask("POST", "/v1/tokens/verify", { body: { token: value, account: at, fresh: true } });
          assert.deepEqual([json.valid, json.status], [false, "invalid"]);
        }
        const { json } = await stage.ask("POST", "/v1/tokens/verify", { body: { token: value, fresh: true } });
        assert.deepEqual([json.valid, json.id], [true, lease.token_id]);
      }
    });

    it("a token that is switched off is known and not valid", async () => {
      const { value, lease } = await minted();
      await atCloudflare(lease.token_id, { status: "disabled" });
      const { json } = await stage.ask("POST", "/v1/tokens/verify", { body: { token: value, fresh: true } });
      assert.deepEqual([json.valid, json.status, json.id], [false, "disabled", lease.token_id]);
      assert.match(json.detail, /is disabled/);
      assert.match(json.hint, /\S/);
      const envelope = (await stage.ask("GET", paths.main, { token: value })).json;
      assert.deepEqual([envelope.success, envelope.result.status, envelope.messages[0].message], [true, "disabled", "This API Token is valid but not active"]);
    });

    it("a value that is no Cloudflare token is refused and sent nowhere", async () => {
      for (const token of ["", "short", `brvc_${"x".repeat(43)}`, `cfat_${"x".repeat(38)}/..`, `cfat_${"x".repeat(38)}\r\nx: y`, `cfk_${"x".repeat(36)}`]) {
        await stage.refuse("POST", "/v1/tokens/verify", { body: { token } }, {
          status: 400, kind: "not-a-cloudflare-token", why: /not the form of a Cloudflare API token/, next: /40 characters/,
        });
      }
      for (const [body, pointer] of [[{}, "/token"], [{ token: 5 }, "/token"], [{ token: "x".repeat(40), fresh: "yes" }, "/fresh"], [{ token: "x".repeat(40), account: 5 }, "/account"]]) {
        await stage.refuse("POST", "/v1/tokens/verify", { body }, { status: 400, kind: "invalid-request", why: new RegExp(pointer), next: /It must be/, pointer });
      }
      await stage.refuse("POST", "/v1/tokens/verify", { body: { token: "x".repeat(40), account: "nowhere" } }, {
        status: 404, kind: "unknown-account", why: /do not name this account/, next: /that the rules name/,
      });
    });

    it("a Brevet credential that is dead or unknown does not verify, and is not sent on", async () => {
      const gone = `brvc_${"A".repeat(43)}`;
      for (const path of Object.values(paths)) {
        await stage.refuse("GET", path, { token: gone }, { status: 401, code: 1000, why: /does not accept this credential/, next: /rotated or expired/ });
      }
      await stage.refuse("POST", "/v1/tokens/verify", { token: gone, body: { token: "x".repeat(40) } }, {
        status: 401, kind: "invalid-credential", why: /does not accept this credential/, next: /rotated or expired/,
      });
    });

    it("Cloudflare blocking the presented token is an outage of that token alone, and is not remembered as an answer", async () => {
      const { value } = await minted();
      await stage.standIn.fault({ match: { suffix: "/tokens/verify" }, count: 1, effect: { kind: "rate_limited", retry_after: 120 } });
      refused(await stage.ask("GET", paths.main, { token: value }), { status: 429, code: 971, why: /calls with the presented token for another 120 s/, next: /after 120 s/, retry: true });
      await stage.standIn.mend();
      // The circuit of that value is open; others and the parents go on.
      const other = await minted();
      assert.equal((await stage.ask("GET", paths.main, { token: other.value })).status, 200);
    });
  });

  describe("of a lease whose token is gone at Cloudflare", () => {
    it("found dead: get, renew and roll say so, and the books are put right", async () => {
      for (const [method, path, body] of [
        ["GET", ({ token_id }) => `/client/v4/accounts/${MAIN}/tokens/${token_id}`],
        ["PUT", ({ token_id }) => `/client/v4/accounts/${MAIN}/tokens/${token_id}/value`, {}],
        ["POST", ({ id }) => `/v1/leases/${id}/roll`], ["POST", ({ id }) => `/v1/leases/${id}/renew`, { ttl: "20m" }],
      ]) {
        const { lease } = await minted();
        await stage.standIn.admin("DELETE", `/tokens/${lease.token_id}`);
        const answer = await stage.ask(method, path(lease), { as: "raw", body });
        const wanted = { status: 404, why: /has ended/, next: /new token/ };
        refused(answer, path(lease).startsWith("/v1") ? { ...wanted, kind: "lease-ended" } : { ...wanted, code: 1003 });
        const { json } = await stage.ask("GET", `/v1/leases/${lease.id}`, { as: "raw" });
        assert.equal(json.state, "ended");
        assert.match(json.end, /^found.dead$/);
      }
    });

    it("revoking it is done already", async () => {
      const { lease } = await minted();
      await stage.standIn.admin("DELETE", `/tokens/${lease.token_id}`);
      const { status, json } = await stage.ask("DELETE", `/v1/leases/${lease.id}`, { as: "raw" });
      assert.deepEqual([status, json.state], [200, "ended"]);
    });
  });

  describe("of the parent", () => {
    let parents;
    before(async () => {
      const tokens = await stage.standIn.admin("GET", "/tokens");
      parents = Object.fromEntries(tokens.filter(({ name }) => name.startsWith("parent ")).map((token) => [token.name.slice(7), token]));
      assert.equal(Object.keys(parents).length, 3);
    });

    const families = [
      { of: "main", secret: "CLOUDFLARE_API_TOKEN", group: "Account API Tokens Write" },
      { of: "me", secret: "CLOUDFLARE_USER_TOKEN", group: "API Tokens Write" },
    ];
    // Fails on both surfaces with the same cause and next step, and makes no token.
    const fails = async (of, { status = 502, kind, code = 1502, list, ...wanted }) => {
      const before = (await stage.standIn.admin("GET", "/tokens")).length;
      for (const { native, method, path, body } of creates(of, list)) {
        const answer = await stage.ask(method, path, { as: "alice", body });
        refused(answer, native ? { status, kind, ...wanted } : { status, code, ...wanted });
      }
      assert.equal((await stage.standIn.admin("GET", "/tokens")).length, before, "no token was made");
    };
    const works = async (of) => {
      for (const { method, path, body } of creates(of)) {
        const { status, text } = await stage.ask(method, path, { as: "alice", body });
        assert.ok(status === 200 || status === 201, text);
      }
    };

    beforeEach(() => stage.standIn.mend());

    for (const { of, secret, group } of families) {
      it(`dead: the secret ${secret} is named, and its successor is what helps`, async () => {
        await atCloudflare(parents[secret].id, { status: "disabled" });
        await fails(of, { kind: "parent-dead", why: new RegExp(`does not accept the parent token in ${secret}: it is wrong, revoked, rolled, expired or disabled`), next: new RegExp(`wrangler secret put ${secret}`) });
        await atCloudflare(parents[secret].id, { status: "active" });
        await works(of);
      });

      it(`without permission: ${group} is named`, async () => {
        await atCloudflare(parents[secret].id, { policies: [{ effect: "allow", permission_groups: [{ id: ZONE_READ }], resources: { [account(MAIN)]: { "com.cloudflare.api.account.zone.*": "*" } } }] });
        await fails(of, { kind: "parent-lacks-permission", why: new RegExp(`parent token in ${secret} lacks the permission group ${group} on`), next: new RegExp(`Give it ${group} on`) });
        await atCloudflare(parents[secret].id, { policies: parents[secret].policies });
        await works(of);
      });

      it("with an IP condition: it is named", async () => {
        await atCloudflare(parents[secret].id, { condition: { request_ip: { in: ["203.0.113.0/24"] } } });
        await fails(of, { kind: "parent-ip-condition", why: new RegExp(`IP condition of the parent token in ${secret} refuses the address`), next: /Take the IP condition off/ });
        await atCloudflare(parents[secret].id, { condition: {} });
        await works(of);
      });
    }

    it("at Cloudflare's quota: the numbers are named, and no client tries again by itself", async () => {
      await stage.standIn.settings({ quota_account: 1, quota_user: 1 });
      await fails("main", { status: 429, kind: "quota", code: 1005, why: /account has as many API tokens as Cloudflare allows.*500/, next: /Revoke tokens/ });
      await fails("me", { status: 429, kind: "quota", code: 1005, why: /user has as many API tokens as Cloudflare allows.*50/, next: /Revoke tokens/ });
      await stage.standIn.settings({ quota_account: 500, quota_user: 50 });
    });

    it("refused a group that it may not grant: the group is named", async () => {
      await stage.standIn.fault({ match: { method: "POST" }, effect: { kind: "status", status: 400, code: 1001, message: "Permission group Zone Read is not allowed" } });
      const before = (await stage.standIn.admin("GET", "/tokens")).length;
      for (const { native, method, path, body } of creates("main")) {
        const answer = await stage.ask(method, path, { as: "alice", body });
        assert.ok(answer.status === 422, answer.text);
        refused(answer, native
          ? { status: 422, kind: answer.json.type.split(":").at(-1), why: /Zone Read/, next: /\S/ }
          : { status: 422, code: 1001, why: /Zone Read/, next: /\S/ });
      }
      assert.equal((await stage.standIn.admin("GET", "/tokens")).length, before);
    });

    it("at an API that knows no such path: the API base and the account are what to check", async () => {
      await stage.standIn.fault({ match: { method: "POST" }, effect: { kind: "status", status: 404, code: 7003, message: "Could not route to /accounts/x/tokens, perhaps your object identifier is invalid?" } });
      await fails("main", { kind: "wrong-endpoint", why: /no such endpoint \(status 404\)/, next: /account id in the rules and the API base/ });
    });

    it("of the wrong family, of another account, and missing: the rules name the wrong secret", async () => {
      const rules = structuredClone(stage.rules);
      rules.account.me.parent = "CLOUDFLARE_API_TOKEN";
      rules.account.apps.parent = "CLOUDFLARE_NOWHERE";
      rules.account.far = { id: FOREIGN, family: "account", parent: "CLOUDFLARE_APPS_TOKEN" };
      assert.equal((await stage.push(rules)).status, 200);
      await fails("me", { kind: "parent-wrong-family", why: /An account owns the parent token in CLOUDFLARE_API_TOKEN, but user-owned tokens are asked for/, next: /user-owned token \(cfut_…\)/ });
      const wide = (id) => [{ effect: "allow", permission_groups: [{ id: ZONE_READ }], resources: { [account(id)]: { "com.cloudflare.api.account.zone.*": "*" } } }];
      await fails("far", { kind: "parent-lacks-permission", list: wide(FOREIGN), why: new RegExp(`CLOUDFLARE_APPS_TOKEN lacks the permission group Account API Tokens Write on account ${FOREIGN}`), next: /Give it/ });
      const { calls } = await stage.upstream(() => fails("apps", { status: 503, kind: "not-set-up", code: 1500, list: wide(APPS), why: /no secret CLOUDFLARE_NOWHERE/, next: /wrangler secret put CLOUDFLARE_NOWHERE/ }));
      assert.deepEqual(calls, []);

      // The cron finds the same, and tells strangers how many and operators which.
      const cron = await stage.ask("GET", "/cdn-cgi/local/scheduled");
      assert.equal(cron.status, 200);
      const known = await stage.ask("GET", "/readyz", { as: "root" });
      assert.deepEqual([known.status, known.json.status], [503, "not_ready"]);
      const failing = known.json.parents.filter(({ state }) => state === "failing").map((parent) => [parent.account, parent.failure]);
      assert.deepEqual(failing.map(([name]) => name).sort(), ["apps", "far", "me"]);
      for (const [, failure] of failing) assert.match(failure, /CLOUDFLARE_\w+/);
      const stranger = await stage.ask("GET", "/readyz");
      assert.equal(stranger.status, 503);
      assert.doesNotMatch(stranger.text, /CLOUDFLARE|"main"|"me"|"far"|[0-9a-f]{32}/);
      assert.equal((await stage.push(stage.rules)).status, 200);
      await works("me");
    });

    it("blocked for a moment: the create waits, and the caller notices nothing", async () => {
      await stage.standIn.fault({ match: { method: "POST" }, count: 1, effect: { kind: "rate_limited", retry_after: 1 } });
      const [{ method, path, body }] = creates("main");
      const { result, calls } = await stage.upstream(() => stage.ask(method, path, { as: "alice", body }));
      assert.equal(result.status, 201, result.text);
      assert.deepEqual(calls.map(({ status }) => status), [429, 200]);
    });

    it("blocked for minutes: everybody of that account hears at once until when, and nothing more is sent", async () => {
      await stage.standIn.fault({ match: { method: "POST", path: `/client/v4/accounts/${APPS}` }, count: 1, effect: { kind: "rate_limited", retry_after: 120 } });
      const list = [{ effect: "allow", permission_groups: [{ id: ZONE_READ }], resources: { [account(APPS)]: { "com.cloudflare.api.account.zone.*": "*" } } }];
      const limited = { status: 429, kind: "upstream-rate-limited", code: 971, list, why: /limits the calls with this account's parent token for another 1(20|1\d) s/, next: /after 1(20|1\d) s/, retry: true };
      const { calls } = await stage.upstream(() => fails("apps", limited));
      assert.deepEqual(calls.map(({ status }) => status), [429], "the second of the two was not sent");
      const { calls: later } = await stage.upstream(() => fails("apps", { ...limited, why: /so this one was not sent/ }));
      assert.deepEqual(later, []);
      const [{ method, path, body }] = creates("apps", list);
      const { headers, json } = await stage.ask(method, path, { as: "alice", body });
      assert.ok(Number(headers["retry-after"]) > 100 && json.retry_after === Number(headers["retry-after"]));
      await works("main");
      await works("me");
    });
  });

  describe("of a caller's credential", () => {
    const kinds = [
      ["missing", {}, { status: 401, kind: "missing-credential", code: 9106, why: /no Authorization header/, next: /Authorization: Bearer/ }],
      ["of another scheme", { headers: { authorization: "Basic YTpi" } }, { status: 400, kind: "malformed-credential", code: 6003, why: /another scheme than Bearer/, next: /Authorization: Bearer/ }],
      ["far too long", { token: "x".repeat(9_000) }, { status: 400, kind: "malformed-credential", code: 6003, why: /9000 bytes, and 8192 is the most/, next: /Authorization: Bearer/ }],
      ["two words", { token: "a b" }, { status: 400, kind: "malformed-credential", code: 6003, why: /none of the known shapes/, next: /Authorization: Bearer/ }],
      ["a JWT that is none", { token: "eyJhbGciOiJub25lIn0.e30." }, { status: 401, kind: "invalid-identity", code: 1000, why: /three parts of base64url/, next: /fresh one/ }],
      ["a JWT without a signature", { token: "eyJhbGciOiJub25lIn0.e30.AAAA" }, { status: 401, kind: "invalid-identity", code: 1000, why: /algorithm that is not taken/, next: /fresh one/ }],
      ...[["an unknown client's", `brvc_${"A".repeat(43)}`], ["an unknown operator's", `brvo_${"A".repeat(43)}`],
        ["a Cloudflare token", `cfat_${"x".repeat(45)}`], ["a global key", `cfk_${"x".repeat(36)}`]].map(([what, token]) => [
        what, { token }, { status: 401, kind: "invalid-credential", code: 1000, why: /does not accept this credential/, next: /complete, belongs to this installation, has not been rotated or expired/ },
      ]),
    ];
    for (const [what, options, { kind, code, ...wanted }] of kinds) {
      it(`${what}: refused on every route, and sent nowhere`, async () => {
        for (const [method, path] of [["POST", "/v1/tokens"], ["POST", "/v1/plan"], ["GET", "/v1/leases"], ["GET", "/v1/whoami"], ["GET", "/v1/templates"], ["GET", "/v1/config"], ["PUT", "/v1/config"], ["POST", "/v1/config/lint"]]) {
          const answer = await stage.refuse(method, path, options, { ...wanted, kind });
          if (wanted.status === 401) assert.equal(answer.headers["www-authenticate"], "Bearer");
        }
        for (const [method, path] of [["GET", "/client/v4/user/tokens"], ["POST", `/client/v4/accounts/${MAIN}/tokens`], ["DELETE", `/client/v4/user/tokens/${USER}`], ["GET", "/client/v4/user/tokens/permission_groups"]]) {
          await stage.refuse(method, path, options, { ...wanted, code });
        }
      });
    }

    it("of an operator without the power: the power is named", async () => {
      for (const [as, method, path, power] of [["reader", "POST", "/v1/plan", "mint"], ["minter", "GET", "/v1/config", "config"], ["reader", "PUT", "/v1/config", "config"]]) {
        const body = method === "GET" ? undefined : path === "/v1/plan" ? { template: "zone-read", params: { account: "main", zone: "*" } } : { rules: stage.rules };
        await stage.refuse(method, path, { as, body, headers: { "if-match": '"1"' } }, { status: 403, kind: "power-missing", why: new RegExp(`"${power}"`), next: /`may`/ });
      }
      await stage.refuse("POST", "/client/v4/user/tokens", { as: "reader", body: { name: "x", policies, expires_on: soon() } }, { status: 403, code: 9109, why: /"mint"/, next: /`may`/ });
      const { lease } = await minted();
      await stage.refuse("DELETE", `/v1/leases/${lease.id}`, { as: "reader" }, { status: 403, kind: "power-missing", why: /"revoke"/, next: /`may`/ });
    });

    it("of an address that asks for too many verifications: it hears when to come again", async () => {
      const headers = { "cf-connecting-ip": "203.0.113.77" };
      const answers = [];
      for (let at = 0; at < 130 && answers.at(-1)?.status !== 429; at += 1) {
        answers.push(await stage.ask("POST", "/v1/tokens/verify", { headers, body: { token: `cfat_${"y".repeat(45)}` } }));
      }
      refused(answers.at(-1), { status: 429, kind: "too-many-requests", why: /asked too often/, next: /Wait \d+ seconds/, retry: true });
      await stage.refuse("GET", "/client/v4/user/tokens/verify", { headers, token: `cfut_${"y".repeat(45)}` }, { status: 429, code: 971, why: /asked too often/, next: /Wait \d+ seconds/, retry: true });
      assert.equal((await stage.ask("POST", "/v1/tokens/verify", { headers: { "cf-connecting-ip": "203.0.113.78" }, body: { token: `cfat_${"y".repeat(45)}` } })).status, 200);
    });
  });
});
