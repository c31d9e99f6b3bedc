// The exchange at /oauth/token on real workerd: by a standard client with nothing changed, by many at once, and with issuers
// that misbehave. The stand-in is the issuer.
import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";

import * as oauth from "openid-client";

import { wait } from "../harness/processes.js";
import { APPS, ZONE } from "../harness/stand_in.js";
import { open } from "../harness/stage.js";

const EXCHANGE = "urn:ietf:params:oauth:grant-type:token-exchange";
const JWT = "urn:ietf:params:oauth:token-type:jwt";

// What an issuer's documents do, and what is wrong with them.
const FAULTS = {
  html: ["keys", { kind: "html" }],
  huge: ["keys", { kind: "huge" }],
  // Its length is within the bound, and what comes out of it is not.
  packed: ["keys", { kind: "packed" }],
  slow: ["keys", { kind: "slow", ms: 8_000 }],
  down: ["keys", { kind: "status", status: 500 }],
  empty: ["keys", { kind: "text", text: '{"keys":[]}' }],
  lost: ["discovery", { kind: "html" }],
};

export default () => describe("the exchange", () => {
  let stage;
  const issuer = (name) => `${stage.standIn.url}/issuer/${name}`;
  const job = async (change = {}, name = "github", more = {}) => (await stage.standIn.admin("POST", `/issuer/${name}/tokens`, {
    claims: { aud: stage.worker.url, environment: "prod", ...change }, ...more,
  })).token;
  const form = (token, change = {}) => new URLSearchParams({
    grant_type: EXCHANGE, subject_token: token, subject_token_type: JWT, scope: "cache-purge", ...change,
  }).toString();
  const exchange = (token, change, headers = {}) => stage.ask("POST", "/oauth/token", {
    body: form(token, change), headers: { "content-type": "application/x-www-form-urlencoded", ...headers },
  });
  const minted = (calls) => calls.filter(({ method, path }) => method === "POST" && path.endsWith("/tokens"));
  // Refused in OAuth's form, and nothing reaches Cloudflare.
  const refuses = async (token, change, { status, error, why }) => {
    const { result, calls } = await stage.upstream(() => exchange(token, change));
    assert.deepEqual([result.status, result.json.error], [status, error], result.text);
    assert.match(result.json.error_description, why);
    assert.match(result.headers["cache-control"], /no-store/);
    assert.deepEqual(calls, []);
    return result;
  };

  // How many identities the journal says were refused, by the reason.
  const counted = async () => {
    const { status, json, text } = await stage.ask("GET", "/v1/audit?account=apps&event=refused_unknown&limit=100", { as: "root" });
    assert.equal(status, 200, text);
    const sums = {};
    for (const { entry } of json.entries) {
      const [, reason, count] = /^(.*): (\d+)$/.exec(entry.detail);
      sums[reason] = (sums[reason] ?? 0) + Number(count);
    }
    return sums;
  };

  before(async () => {
    stage = await open();
    const rules = structuredClone(stage.rules);
    rules.brevet.url = stage.worker.url;
    const pin = { repository_owner_id: "100000001" };
    const names = ["github", ...[...Object.keys(FAULTS), "elsewhere", "turning"].map((name) => `github-${name}`)];
    for (const name of names) {
      // Without an audience it is the installation's own URL.
      rules.issuer[name] = { url: issuer(name), algorithms: ["ES256", "Ed25519"], pin };
      rules.grant[`of-${name}`] = {
        from: { issuer: name }, when: [{ repository_id: "200000003", ref: "refs/heads/main", environment: "prod" }],
        allow: [{ template: "cache-purge", zone: ["example.com"] }], ttl: "10m", max_ttl: "1h",
      };
    }
    rules.issuer.gitlab = { url: issuer("gitlab"), algorithms: ["ES256"], pin: { namespace_id: "72" } };
    rules.grant["of-gitlab"] = {
      from: { issuer: "gitlab" }, when: [{ project_id: "20", ref_path: "refs/heads/main", ref_protected: true }],
      allow: [{ template: "cache-purge", zone: ["example.com"] }], ttl: "10m",
    };
    const pushed = await stage.push(rules);
    assert.equal(pushed.status, 200, pushed.text);
  });
  after(() => stage?.close());

  describe("with openid-client, unmodified", () => {
    let client;
    before(async () => {
      client = await oauth.discovery(new URL(stage.worker.url), "ci", undefined, oauth.None(), {
        algorithm: "oauth2", execute: [oauth.allowInsecureRequests],
      });
    });

    it("discovers the metadata", () => {
      const server = client.serverMetadata();
      assert.equal(server.issuer, stage.worker.url);
      assert.equal(server.token_endpoint, `${stage.worker.url}/oauth/token`);
      assert.deepEqual(server.grant_types_supported, [EXCHANGE]);
    });

    it("exchanges a job's token for one that works at Cloudflare, and revokes it", async () => {
      const wish = new URLSearchParams({
        subject_token: await job(), subject_token_type: JWT, scope: "cache-purge", ttl: "5m", audience: "https://api.cloudflare.com",
      });
      wish.append("resource", `https://api.cloudflare.com/client/v4/zones/${ZONE}`);
      const { result, calls } = await stage.upstream(() => oauth.genericGrantRequest(client, EXCHANGE, wish));
      assert.equal(minted(calls).length, 1);
      assert.equal(result.token_type, "bearer");
      assert.equal(result.issued_token_type, "urn:ietf:params:oauth:token-type:access_token");
      assert.deepEqual([result.scope, result.template, result.grant], ["cache-purge", "cache-purge", "of-github"]);
      assert.ok(result.expires_in > 290 && result.expires_in <= 300);
      const purge = () => stage.standIn.with(result.access_token, "POST", `/zones/${ZONE}/purge_cache`, { purge_everything: true });
      assert.equal((await purge()).status, 200);
      await oauth.tokenRevocation(client, result.access_token);
      assert.notEqual((await purge()).status, 200);
      const lease = await stage.ask("GET", `/v1/leases/${result.lease_id}`, { as: "root" });
      assert.deepEqual([lease.json.state, lease.json.end], ["ended", "revoked"]);
      // Once more is no error.
      await oauth.tokenRevocation(client, result.access_token);
    });

    it("hears of a refusal as an OAuth error", async () => {
      const refused = async (change, error, why) => {
        const wish = { subject_token: await job(change.claims), subject_token_type: JWT, scope: "cache-purge", ...change.form };
        const { calls } = await stage.upstream(() => assert.rejects(oauth.genericGrantRequest(client, EXCHANGE, wish), (failure) => {
          assert.ok(failure instanceof oauth.ResponseBodyError, `${failure}`);
          assert.deepEqual([failure.status, failure.error], [400, error]);
          assert.match(failure.error_description, why);
          return true;
        }));
        assert.deepEqual(calls, []);
      };
      await refused({ claims: { ref: "refs/heads/feature" } }, "invalid_request", /wants another ref than 'refs\/heads\/feature'/);
      await refused({ claims: { aud: "https://github.com/octo-org" } }, "invalid_request", /aud is not exactly the audience/);
      await refused({ form: { scope: "zone-read" } }, "invalid_scope", /zone-read/);
      await refused({ form: { resource: `https://api.cloudflare.com/client/v4/accounts/${APPS}` } }, "invalid_target", /apps/);
      await refused({ form: { audience: "https://example.com" } }, "invalid_target", /audience/);
    });
  });

  it("takes a GitLab job's token, and either form of GitHub's subject", async () => {
    for (const token of [await job({ environment: null }, "gitlab"), await job({}, "github", { ids_in_sub: true, algorithm: "EdDSA" })]) {
      const { status, text } = await exchange(token);
      assert.equal(status, 200, text);
    }
    await refuses(await job({ environment: null, ref_protected: "false" }, "gitlab"), {}, { status: 400, error: "invalid_request", why: /another ref_protected than 'false'/ });
  });

  it("fifty presentations of one token at once make one token", async () => {
    const token = await job();
    const { result: answers, calls } = await stage.upstream(() => Promise.all(Array.from({ length: 50 }, () => exchange(token))));
    assert.equal(minted(calls).length, 1);
    assert.equal(answers.filter(({ status }) => status === 200).length, 1);
    for (const { status, json, text } of answers.filter((answer) => answer.status !== 200)) {
      assert.deepEqual([status, json.error, json.type], [400, "invalid_request", "urn:brevet:problem:credential-used"], text);
    }
    // The journal has thirty a minute of one caller.
    const { json } = await stage.ask("GET", "/v1/audit?account=main&event=refused&limit=100", { as: "root" });
    const used = json.entries.filter(({ entry }) => entry.detail.startsWith("credential-used: "));
    assert.ok(used.length >= 30 && used.length <= 49, String(used.length));
  });

  it("a weaker job can neither read nor roll nor end a stronger one's lease", async () => {
    const { json } = await exchange(await job());
    const weaker = [{ environment: null }, { environment: "staging" }, { ref: "refs/heads/feature" }, { event_name: "pull_request" }, { run_id: "9" }];
    for (const change of weaker) {
      for (const [method, end] of [["GET", ""], ["POST", "/roll"], ["DELETE", ""]]) {
        await stage.refuse(method, `/v1/leases/${json.lease_id}${end}`, { token: await job(change) }, {
          status: 404, kind: "no-such-lease", why: /not yours/, next: /List/,
        });
      }
    }
    assert.equal((await stage.ask("DELETE", `/v1/leases/${json.lease_id}`, { token: await job() })).status, 200);
  });

  it("a request goes on under its key with a fresh token of the same job, and with no other's", async () => {
    const headers = { "idempotency-key": "1234-1-deploy-2" };
    const first = await exchange(await job(), {}, headers);
    const again = await exchange(await job(), {}, headers);
    assert.deepEqual([again.status, again.json.lease_id, again.headers["idempotent-replayed"]], [200, first.json.lease_id, "true"], again.text);
    const other = await exchange(await job({ run_id: "77" }), {}, headers);
    assert.equal(other.status, 200, other.text);
    assert.notEqual(other.json.lease_id, first.json.lease_id);
  });

  for (const [name, [at, fault]] of Object.entries(FAULTS)) {
    it(`an issuer whose ${at} are ${name} is waited for no longer than its bound, and nobody of it gets in`, async () => {
      await stage.standIn.admin("POST", `/issuer/github-${name}/faults`, { at, fault });
      const begun = Date.now();
      const answer = await refuses(await job({}, `github-${name}`), {}, { status: 503, error: "temporarily_unavailable", why: /does not give its keys/ });
      assert.ok(Date.now() - begun < 6_000, `${Date.now() - begun} ms`);
      assert.equal(answer.headers["retry-after"], "60");
      // Well again: it is not asked more than once a minute all the same.
      await stage.standIn.admin("POST", `/issuer/github-${name}/faults`, { at });
      const asked = await stage.standIn.admin("GET", `/issuer/github-${name}/asked`);
      await refuses(await job({}, `github-${name}`), {}, { status: 503, error: "temporarily_unavailable", why: /keys/ });
      assert.deepEqual(await stage.standIn.admin("GET", `/issuer/github-${name}/asked`), asked);
    });
  }

  it("does not follow keys that are said to be elsewhere", async () => {
    // The good keys are there; only the way to them is a redirect.
    await stage.standIn.admin("POST", "/issuer/github-elsewhere/faults", { at: "keys", fault: { kind: "redirect", to: `${issuer("github-target")}/keys` } });
    await refuses(await job({}, "github-elsewhere"), {}, { status: 503, error: "temporarily_unavailable", why: /keys/ });
    assert.deepEqual(await stage.standIn.admin("GET", "/issuer/github-target/asked"), []);
  });

  it("takes the keys of before and after a rotation, and asks once for a thousand that are not there", async () => {
    const before = await job({}, "github-turning");
    await stage.standIn.admin("POST", "/issuer/github-turning/rotate");
    for (const token of [before, await job({}, "github-turning")]) {
      const { status, text } = await exchange(token);
      assert.equal(status, 200, text);
    }
    await stage.standIn.admin("POST", "/issuer/github-turning/rotate");
    const unknown = await job({}, "github-turning");
    for (let round = 0; round < 20; round += 1) {
      const answers = await Promise.all(Array.from({ length: 50 }, () => exchange(unknown)));
      for (const { status, json, text } of answers) assert.deepEqual([status, json.error, /no key of that id/.test(text)], [400, "invalid_request", true], text);
    }
    assert.deepEqual(await stage.standIn.admin("GET", "/issuer/github-turning/asked"), ["discovery", "keys"]);
    const forged = await job({}, "github", { forged: true });
    await refuses(forged, {}, { status: 400, error: "invalid_request", why: /signature is not its issuer's/ });
  });

  it("the journal counts who was refused, by the reason", async () => {
    // An instance tells of strangers once a minute, with the next of them.
    const reasons = [/issuer's keys cannot be had/, /no key of that id/, /signature is not its issuer's/];
    const until = Date.now() + 90_000;
    for (;;) {
      await exchange(await job({}, "github", { forged: true }));
      const sums = await counted();
      const of = (reason) => Object.entries(sums).filter(([name]) => reason.test(name)).reduce((sum, [, count]) => sum + count, 0);
      if (reasons.every((reason) => of(reason) > 0) && of(/no key of that id/) >= 1_000) {
        // One for each try of each fault at least, and for the redirect.
        assert.ok(of(reasons[0]) > 2 * Object.keys(FAULTS).length, JSON.stringify(sums));
        return;
      }
      assert.ok(Date.now() < until, JSON.stringify(sums));
      await wait(1_000);
    }
  });
});
