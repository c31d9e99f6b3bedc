// Cloudflare's own client for Node with nothing changed but the base URL and the credential.
import assert from "node:assert/strict";
import { before, describe, it } from "node:test";

import Cloudflare from "cloudflare";

import { MAIN, USER, ZONE } from "../harness/stand_in.js";
import { policies } from "./main_job.js";

const PURGE = "e17beae8b8cb423a99b1730f21238bed";
const FAR_TOO_LATE = new Date(Date.now() + 30 * 86_400_000);
const inTenMinutes = () => new Date(Date.now() + 600_000).toISOString().replace(/\.\d+Z$/, "Z");

// The two families as the client sees them: one has its account in every call.
const families = [
  {
    family: "account", account: { account_id: MAIN }, path: `/client/v4/accounts/${MAIN}/tokens`, prefix: /^cfat_/,
    tokens: (client) => client.accounts.tokens,
    value: (client, id) => client.accounts.tokens.value.update(id, { account_id: MAIN }),
  },
  {
    family: "user", account: {}, path: "/client/v4/user/tokens", prefix: /^cfut_/,
    tokens: (client) => client.user.tokens,
    value: (client, id) => client.user.tokens.value.update(id),
  },
];

async function all(pages) {
  const found = [];
  for await (const entry of pages) found.push(entry);
  return found;
}

export default (stage) => {
  // Each answer counts as heard, whoever asked for it.
  const listening = async (url, options) => {
    const answer = await fetch(url, options);
    const text = await answer.clone().text();
    stage.heard.push({ asked: `${options?.method ?? "GET"} ${new URL(url).pathname}`, headers: JSON.stringify([...answer.headers]), text });
    return answer;
  };
  const client = (secret) => new Cloudflare({ apiToken: secret, baseURL: `${stage.worker.url}/client/v4`, fetch: listening });

  // A refusal must be the client's own error, and final: it is not tried again, and nothing is sent on.
  const refuses = async (work, { status, code, why, next }) => {
    const heard = stage.heard.length;
    const { calls } = await stage.upstream(() => assert.rejects(work, (error) => {
      assert.ok(error instanceof Cloudflare.APIError, `${error}`);
      assert.equal(error.status, status, error.message);
      assert.equal(error.errors[0].code, code);
      assert.match(error.errors[0].message, why);
      assert.match(error.errors[0].message, next);
      assert.equal(error.headers.get("x-should-retry"), "false");
      return true;
    }));
    assert.deepEqual(calls, []);
    assert.equal(stage.heard.length, heard + 1, "the client asks once");
  };

  for (const { family, account, path, prefix, tokens, value } of families) {
    describe(`the official client for Node, with tokens of the ${family}`, () => {
      let api;
      let stranger;
      let made;
      const body = (name, change = {}) => ({ ...account, name, policies, expires_on: inTenMinutes(), ...change });
      const atCloudflare = (token) => stage.standIn.with(token, "GET", "/zones");
      const verifies = (token) => tokens(client(token)).verify(...(account.account_id ? [account] : []));

      before(() => {
        api = tokens(client(stage.as["sdk-node"]));
        stranger = tokens(client(stage.as["raw"]));
      });

      it("verifies Brevet's own credential as it would verify a parent token", async () => {
        const { result, calls } = await stage.upstream(() => verifies(stage.as["sdk-node"]));
        assert.equal(result.status, "active");
        assert.match(result.id, /^[0-9a-f]{32}$/);
        assert.deepEqual(calls, [], "which Cloudflare knows nothing of");
      });

      it("creates a token and shows its value", async () => {
        const asked = body("from the official client");
        const { result, calls } = await stage.upstream(() => api.create(asked));
        made = result;
        assert.match(made.value, prefix);
        assert.deepEqual([made.name, made.status, made.expires_on], [asked.name, "active", asked.expires_on]);
        assert.deepEqual(calls.map((call) => [call.method, call.path, call.status]), [["POST", path, 200]]);
        assert.deepEqual(calls[0].body.policies, policies);
        assert.match(calls[0].body.name, /^brevet:local:/);
        assert.deepEqual((await atCloudflare(made.value)).json.result.map(({ id }) => id), [ZONE]);
      });

      it("verifies the token that was made", async () => {
        const verified = await verifies(made.value);
        assert.deepEqual([verified.id, verified.status], [made.id, "active"]);
      });

      it("refuses a token without an end, and names the latest one", async () => {
        await refuses(() => api.create(body("endless", { expires_on: undefined })), {
          status: 422, code: 9109, why: /does not say when the token ends/, next: /expires_on of \d{4}-\d\d-\d\dT[\d:]+Z or earlier/,
        });
      });

      it("refuses an end that the grant does not allow", async () => {
        await refuses(() => api.create(body("too long", { expires_on: FAR_TOO_LATE.toISOString() })), {
          status: 403, code: 9109, why: /is too late: (grant|template) "[a-z-]+" allows 1h/, next: /or earlier/,
        });
      });

      it("refuses policies out of the grant's reach", async () => {
        const [policy] = policies;
        await refuses(() => api.create(body("purge", { policies: [{ ...policy, permission_groups: [{ id: PURGE }] }] })), {
          status: 403, code: 9109, why: /reaches "Cache Purge"/, next: /ask an operator/,
        });
      });

      it("gets the token as it was written", async () => {
        const { result, calls } = await stage.upstream(() => api.get(made.id, account));
        assert.deepEqual([result.id, result.name, result.expires_on, result.value], [made.id, made.name, made.expires_on, undefined]);
        assert.deepEqual(calls.map((call) => [call.method, call.path]), [["GET", `${path}/${made.id}`]]);
      });

      it("updates the token: switched off, it no longer works, and on again it does", async () => {
        const off = await api.update(made.id, body("renamed", { status: "disabled", expires_on: made.expires_on }));
        assert.deepEqual([off.status, off.name, off.expires_on], ["disabled", "renamed", made.expires_on]);
        assert.equal((await atCloudflare(made.value)).status, 403);
        const on = await api.update(made.id, body("renamed", { status: "active", expires_on: undefined }));
        assert.deepEqual([on.status, on.expires_on], ["active", made.expires_on]);
        assert.equal((await atCloudflare(made.value)).status, 200);
      });

      it("refuses an update that reaches further than the grant", async () => {
        const resources = { [`com.cloudflare.api.account.${MAIN}`]: { "com.cloudflare.api.account.zone.*": "*" } };
        await refuses(() => api.update(made.id, body("wider", { policies: [{ ...policies[0], resources }] })), {
          status: 403, code: 9109, why: /reaches "Zone Read"/, next: /\S/,
        });
        assert.equal((await atCloudflare(made.value)).json.result_info.total_count, 1);
      });

      it("rolls the token: the new value works, the old one is dead", async () => {
        const rolled = await value(client(stage.as["sdk-node"]), made.id);
        assert.match(rolled, prefix);
        assert.notEqual(rolled, made.value);
        assert.equal((await atCloudflare(rolled)).status, 200);
        assert.equal((await atCloudflare(made.value)).status, 403);
        await assert.rejects(verifies(made.value), (error) => error.status === 401 && error.errors[0].code === 1000);
        made.value = rolled;
      });

      it("lists page after page, in the order of issue, each token once", async () => {
        const names = Array.from({ length: 22 }, (_, at) => `listed ${at}`);
        for (const name of names) await api.create(body(name));
        for (const query of [{}, { per_page: 5 }, { per_page: 5, direction: "desc" }]) {
          const found = await all(api.list({ ...account, ...query }));
          const ids = found.map(({ id }) => id);
          assert.equal(new Set(ids).size, 23, "23 tokens are two pages of 20 and five of 5");
          const issued = found.map(({ issued_on }) => issued_on);
          const sorted = [...issued].sort();
          assert.deepEqual(issued, query.direction === "desc" ? sorted.reverse() : sorted);
          assert.deepEqual([...new Set(found.map(({ name }) => name))].sort(), ["renamed", ...names].sort());
          assert.ok(found.every((token) => token.value === undefined && token.status === "active"));
        }
      });

      it("lists without asking Cloudflare, and tells the true numbers", async () => {
        const { result, calls } = await stage.upstream(() => api.list({ ...account, page: 2, per_page: 10 }));
        assert.deepEqual(calls, []);
        assert.deepEqual(result.result_info, { page: 2, per_page: 10, count: 10, total_count: 23, total_pages: 3 });
      });

      it("neither lists, shows, changes nor deletes a token for another caller, nor the parent", async () => {
        const listed = await all(stranger.list(account));
        assert.ok(listed.every(({ id }) => id !== made.id));
        const gone = { status: 404, code: 1003, why: /not yours/, next: /List your leases/ };
        await refuses(() => stranger.get(made.id, account), gone);
        await refuses(() => stranger.update(made.id, body("stolen")), gone);
        await refuses(() => stranger.delete(made.id, account), gone);
        const parents = (await stage.standIn.admin("GET", "/tokens")).filter(({ name }) => /CLOUDFLARE_/.test(name));
        assert.equal(parents.length, 3);
        for (const parent of parents) {
          await refuses(() => tokens(client(stage.as.root)).get(parent.id, account), gone);
          await refuses(() => tokens(client(stage.as.root)).delete(parent.id, account), gone);
        }
        assert.equal((await atCloudflare(made.value)).status, 200);
      });

      it("lists the permission groups, with their filters", async () => {
        const groups = api.permissionGroups;
        const every = await all(groups.list(account));
        assert.ok(every.length > 250, `${every.length}`);
        assert.ok(every.every((group) => /^[0-9a-f]{32}$/.test(group.id) && group.name && group.scopes.length > 0));
        assert.deepEqual((await all(groups.list({ ...account, name: "Zone Read" }))).map(({ name }) => name), ["Zone Read"]);
        const zone = await all(groups.list({ ...account, scope: "com.cloudflare.api.account.zone" }));
        assert.ok(zone.length > 20 && zone.length < every.length);
        assert.ok(zone.every(({ scopes }) => scopes.includes("com.cloudflare.api.account.zone")));
      });

      it("deletes the token, which is gone then for everybody", async () => {
        assert.deepEqual(await api.delete(made.id, account), { id: made.id });
        assert.equal((await atCloudflare(made.value)).status, 403);
        await assert.rejects(verifies(made.value), (error) => error.status === 401 && /Invalid API Token/.test(error.message));
        await refuses(() => value(client(stage.as["sdk-node"]), made.id), { status: 404, code: 1003, why: /ended/, next: /new token/ });
        await assert.rejects(api.get(made.id, account), (error) => error.status === 404 && error.errors[0].code === 1003);
        assert.ok((await all(api.list(account))).every(({ id }) => id !== made.id));
      });
    });
  }

  describe("the official client for Node, in the wrong place", () => {
    const sdk = () => client(stage.as["sdk-node"]);

    it("is told that an account outside the rules is none of Brevet's", async () => {
      for (const account_id of [USER, "f".repeat(32)]) {
        await refuses(() => sdk().accounts.tokens.list({ account_id }).then(() => {}), {
          status: 404, code: 7003, why: /do not name this account/, next: /that the rules name/,
        });
      }
    });

    it("is told that all but the token endpoints belongs to the real API", async () => {
      await refuses(() => sdk().zones.list().then(() => {}), {
        status: 404, code: 7003, why: /serves the token endpoints only/, next: /api\.cloudflare\.com\/client\/v4 with the minted token/,
      });
    });

    it("is told that its credential is not good, and which header to send where it sends none", async () => {
      const wrong = client(`brvc_${"A".repeat(43)}`);
      await refuses(() => wrong.user.tokens.list().then(() => {}), { status: 401, code: 1000, why: /does not accept this credential/, next: /rotated/ });
      const other = new Cloudflare({ apiKey: "0".repeat(37), apiEmail: "someone@example.com", baseURL: `${stage.worker.url}/client/v4`, fetch: listening });
      await refuses(() => other.user.tokens.list().then(() => {}), { status: 401, code: 9106, why: /no Authorization header/, next: /Bearer/ });
    });
  });
};
