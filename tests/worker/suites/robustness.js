// What must not take Brevet down or open it: a panic, development mode in the wrong place, published
// secrets, and a Cloudflare that is slow, dead or talks nonsense.
import assert from "node:assert/strict";
import { after, before, beforeEach, describe, it } from "node:test";

import { bearer, call } from "../harness/call.js";
import { ALICE, clientSecret, digest, EDGE_PURGER, example, operatorSecret } from "../harness/rules.js";
import { open, refused } from "../harness/stage.js";
import { MAIN } from "../harness/stand_in.js";
import { startWorker } from "../harness/worker.js";

const purge = { template: "cache-purge", params: { zone: "example.com" } };
// What a person who watches a spinner still takes for prompt, on a busy machine.
const PROMPT_MS = 3_000;

async function timed(work) {
  const from = Date.now();
  return { result: await work(), took: Date.now() - from };
}

// A stage of its own: it panics, and what it meets upstream is remembered.
export default () => describe("robustness", () => {
  let stage;
  before(async () => { stage = await open(); });
  after(() => stage?.close());

  const mint = (as = "ci", body = purge) => stage.ask("POST", "/v1/tokens", { as, body });

  describe("after a panic", () => {
    it("the next request is served, and the one after it, and the books are whole", async () => {
      const before = await mint();
      assert.equal(before.status, 201);
      for (let times = 0; times < 3; times += 1) {
        const { result, calls } = await stage.upstream(() => stage.ask("POST", "/dev/panic"));
        assert.equal(result.status, 500);
        assert.deepEqual(calls, []);
        assert.equal((await stage.ask("GET", "/healthz")).status, 200);
        assert.equal((await stage.ask("GET", `/v1/leases/${before.json.lease.id}`, { as: "ci" })).json.state, "active");
        const made = await mint();
        assert.equal(made.status, 201, made.text);
        assert.equal((await stage.ask("DELETE", `/v1/leases/${made.json.lease.id}`, { as: "ci" })).json.state, "ended");
      }
      assert.match(stage.worker.logs(), /asked to panic/, "and the log says what happened");
    });

    it("whoever was waiting in the same instance hears of it at once, in the words of its surface", async () => {
      await stage.standIn.fault({ effect: { kind: "latency", ms: 10_000 } });
      const { took } = await timed(async () => {
        const native = stage.ask("POST", "/v1/tokens/verify", { body: { token: "x".repeat(40) } });
        const dropIn = stage.ask("GET", `/client/v4/accounts/${MAIN}/tokens/verify`, { headers: { authorization: `Bearer ${"x".repeat(40)}` } });
        await new Promise((done) => setTimeout(done, 500));
        assert.equal((await stage.ask("POST", "/dev/panic")).status, 500);
        const [problem, envelope] = await Promise.all([native, dropIn]);
        assert.equal(problem.status, 500, problem.text);
        assert.deepEqual([problem.json.type, problem.json.status], ["urn:brevet:problem:internal", 500]);
        assert.equal(envelope.status, 500, envelope.text);
        assert.deepEqual([envelope.json.success, envelope.json.errors[0].code], [false, 1500]);
      });
      assert.ok(took < 10_000, `${took} ms`);
      await stage.standIn.mend();
      assert.equal((await mint()).status, 201);
    });
  });

  describe("development mode", () => {
    it("is closed to every host but loopback, whatever a header says", async () => {
      const closed = { status: 503, kind: "no-rules", why: /Development mode is on and the request came to another host/, next: /Remove the variable BREVET_DEV/ };
      for (const host of ["brevet.example.com", "127.0.0.1.example.com", "localhost.example.com", "localhost.", "10.0.0.1", "0.0.0.0", "[::2]", `evil.example:${stage.worker.port}`]) {
        const headers = { host };
        for (const [method, path, options] of [["GET", "/v1/whoami", { as: "ci" }], ["POST", "/v1/tokens", { as: "ci", body: purge }], ["GET", "/v1/config", { as: "root" }], ["GET", "/readyz", {}], ["POST", "/v1/tokens/verify", { body: { token: "x".repeat(40) } }]]) {
          await stage.refuse(method, path, { ...options, headers }, closed);
        }
        await stage.refuse("GET", `/client/v4/accounts/${MAIN}/tokens`, { as: "root", headers }, { ...closed, kind: undefined, code: 1500 });
        await stage.refuse("POST", "/dev/panic", { headers }, { status: 404, kind: "no-such-path", why: /no such path/, next: /\S/ });
        assert.equal((await stage.ask("GET", "/healthz", { headers })).status, 200, "which has no rules to open");
      }
      for (const headers of [{ "x-forwarded-host": "localhost" }, { forwarded: "host=localhost" }, { "x-host": "localhost" }]) {
        await stage.refuse("GET", "/v1/whoami", { as: "ci", headers: { host: "brevet.example.com", ...headers } }, closed);
      }
    });

    it("is open to loopback under its names", async () => {
      for (const host of ["localhost", "127.0.0.1", `localhost:${stage.worker.port}`, "[::1]"]) {
        assert.equal((await stage.ask("GET", "/v1/whoami", { as: "ci", headers: { host } })).status, 200, host);
      }
    });
  });

  describe("without development mode", () => {
    let worker;
    const root = operatorSecret();
    before(async () => {
      const { BREVET_DEV, ...variables } = stage.variables;
      assert.equal(BREVET_DEV, "1");
      worker = await startWorker({ ...variables, BREVET_OPERATOR_SECRET: root });
    });
    after(() => worker?.stop());

    const ask = async (method, path, { token, headers = {}, ...rest } = {}) => {
      const answer = await call(worker.url, method, path, { headers: { ...(token ? bearer(token) : {}), ...headers }, ...rest });
      stage.heard.push({ asked: `${method} ${path}`, headers: JSON.stringify(answer.headers), text: answer.text });
      return answer;
    };
    const refuse = async (method, path, options, wanted) => {
      const { result, calls } = await stage.upstream(() => ask(method, path, options));
      refused(result, wanted);
      assert.deepEqual(calls, [], "nothing reaches Cloudflare");
      return result;
    };
    const closed = { status: 503, kind: "no-rules", why: /No rules were pushed/, next: /brevet config push/ };
    // Rules of somebody's own, which hold nothing of the example.
    const ours = (callers) => {
      const rules = example();
      const id = "aaaabbbbccccdddd0000111122223333";
      rules.account = { main: { ...rules.account.main, id } };
      rules.zone = { "example.org": { id: "a".repeat(32), account: "main" } };
      rules.brevet.url = "https://brevet.example.org";
      rules.client = { ours: { secret_sha256: [digest(callers.client)] } };
      rules.operator = { bob: { secret_sha256: [digest(callers.operator)], may: ["read", "mint"] } };
      rules.grant = { ours: { from: { client: "ours" }, allow: [{ template: "cache-purge", zone: ["example.org"] }], max_ttl: "1h" } };
      delete rules.template;
      delete rules.issuer;
      return rules;
    };

    it("there is no way to make it panic", async () => {
      for (const options of [{}, { token: root }, { headers: { host: "localhost" } }]) {
        await refuse("POST", "/dev/panic", options, { status: 404, kind: "no-such-path", why: /no such path/, next: /\S/ });
      }
      assert.doesNotMatch(worker.logs(), /panicked/);
    });

    it("it is closed until rules are pushed, and says how", async () => {
      for (const token of [EDGE_PURGER, ALICE, root]) {
        await refuse("GET", "/v1/whoami", { token }, closed);
        await refuse("POST", "/v1/tokens", { token, body: purge }, closed);
        await refuse("GET", "/client/v4/user/tokens/verify", { token }, { ...closed, kind: undefined, code: 1500 });
      }
      await refuse("POST", "/v1/tokens/verify", { body: { token: "x".repeat(40) } }, closed);
      await refuse("GET", "/readyz", {}, closed);
      assert.equal((await ask("GET", "/healthz")).status, 200);
    });

    it("the published secrets open nothing, and neither does one of another form", async () => {
      const rules = ours({ client: clientSecret(), operator: operatorSecret() });
      for (const token of [EDGE_PURGER, ALICE]) {
        for (const [method, path] of [["GET", "/v1/config"], ["PUT", "/v1/config"], ["POST", "/v1/config/lint"]]) {
          await refuse(method, path, { token, headers: { "if-match": '"0"' }, body: method === "GET" ? undefined : { rules } }, {
            status: 401, kind: "invalid-credential", why: /does not accept this credential/, next: /belongs to this installation/,
          });
        }
      }
      for (const token of ["root-secret", "brvc_short", "brvo_short", `cfk_${"x".repeat(36)}`, "a.b"]) {
        await refuse("GET", "/v1/config", { token }, { status: 400, kind: "malformed-credential", why: /none of the known shapes/, next: /Bearer/ });
        await refuse("GET", "/client/v4/user/tokens/verify", { token }, { status: 400, code: 6003, why: /none of the known shapes/, next: /Bearer/ });
      }
    });

    it("the example's rules are refused, as is every id and secret of theirs", async () => {
      const mine = { client: clientSecret(), operator: operatorSecret() };
      const push = (rules) => refuse("PUT", "/v1/config", { token: root, headers: { "if-match": '"0"' }, body: { rules } }, {
        status: 422, kind: "example-rules", why: /of the example, which is public/, next: /Replace it by your own/,
      });
      await push(example());
      const one = (change) => {
        const rules = ours(mine);
        change(rules, example());
        return rules;
      };
      await push(one((rules, theirs) => { rules.account.main.id = theirs.account.main.id; }));
      await push(one((rules, theirs) => { rules.zone["example.org"].id = theirs.zone["example.com"].id; }));
      await push(one((rules, theirs) => { rules.client.ours.secret_sha256 = theirs.client["edge-purger"].secret_sha256; }));
      await push(one((rules, theirs) => { rules.operator.bob.secret_sha256 = theirs.operator.alice.secret_sha256; }));
      assert.equal((await ask("GET", "/v1/config", { token: root })).json.version, 0);
    });

    it("rules of one's own are taken, and another API than Cloudflare's is never called", async () => {
      const mine = { client: clientSecret(), operator: operatorSecret() };
      const pushed = await ask("PUT", "/v1/config", { token: root, headers: { "if-match": '"0"' }, body: { rules: ours(mine) } });
      // 202: in force, and a ledger that cannot call Cloudflare does not take it yet.
      assert.ok(pushed.status === 200 || pushed.status === 202, pushed.text);
      assert.equal((await ask("GET", "/v1/whoami", { token: mine.client })).json.name, "ours");
      for (const token of [EDGE_PURGER, ALICE]) {
        await refuse("GET", "/v1/whoami", { token }, { status: 401, kind: "invalid-credential", why: /does not accept/, next: /\S/ });
      }
      // CLOUDFLARE_API_BASE names the stand-in, which only development mode may use.
      const body = { template: "cache-purge", params: { zone: "example.org" } };
      for (const [method, path, options] of [["POST", "/v1/tokens", { token: mine.client, body }], ["POST", "/v1/tokens/verify", { body: { token: "x".repeat(40) } }]]) {
        const { result, calls } = await stage.upstream(() => ask(method, path, options));
        assert.ok(result.status >= 500 && result.status < 600, result.text);
        assert.match(result.json.type, /:(wrong-endpoint|temporarily-unavailable)$/);
        assert.ok(result.json.detail && result.json.hint);
        assert.deepEqual(calls, []);
      }
      assert.match(worker.logs(), /CLOUDFLARE_API_BASE cannot be used/);
    });
  });

  describe("for monitors", () => {
    it("healthz says that it runs, without rules and without a credential", async () => {
      for (const options of [{}, { token: "nonsense" }, { headers: { authorization: "Basic x" } }]) {
        const { status, json, headers } = await stage.ask("GET", "/healthz", options);
        assert.deepEqual([status, json, headers["cache-control"]], [200, { status: "ok" }, "no-store"]);
      }
    });

    it("readyz tells strangers that the rules are there, and operators which parents", async () => {
      const { result: stranger, calls } = await stage.upstream(() => stage.ask("GET", "/readyz"));
      assert.deepEqual([stranger.status, stranger.json.status, stranger.json.parents.length], [200, "ready", 3]);
      assert.deepEqual(calls, [], "a probe never calls Cloudflare");
      assert.doesNotMatch(stranger.text, /CLOUDFLARE|"main"|"apps"|"me"/);
      assert.deepEqual((await stage.ask("GET", "/readyz", { as: "ci" })).json.parents.map(Object.keys), stranger.json.parents.map(Object.keys), "a client sees no more");
      assert.equal((await stage.ask("GET", "/cdn-cgi/local/scheduled")).status, 200);
      const known = (await stage.ask("GET", "/readyz", { as: "reader" })).json;
      assert.deepEqual(known.parents.map(({ account, state }) => [account, state]), [["apps", "ok"], ["main", "ok"], ["me", "ok"]]);
      assert.ok(known.parents.every(({ age_seconds, secret }) => age_seconds >= 0 && age_seconds < 60 && /^CLOUDFLARE_/.test(secret)));
    });

    it("HEAD answers like GET without a body", async () => {
      for (const path of ["/healthz", "/readyz"]) {
        const [head, get] = [await stage.ask("HEAD", path), await stage.ask("GET", path)];
        assert.deepEqual([head.status, head.text, head.headers["content-type"]], [get.status, "", get.headers["content-type"]]);
      }
      const { status, headers } = await stage.ask("HEAD", "/v1/leases", { as: "ci" });
      assert.deepEqual([status, headers.allow], [405, "GET"]);
    });
  });

  describe("while Cloudflare", () => {
    const tokens = async () => (await stage.standIn.admin("GET", "/tokens")).length;
    const neverCreated = async () => {
      const { leases } = (await stage.ask("GET", "/v1/leases?state=ended&limit=100", { as: "ci" })).json;
      return leases.filter(({ end }) => /^never.created$/.test(end)).length;
    };
    const unavailable = { status: 502, kind: "upstream-unavailable", retry: true, next: /Try again/ };
    const verify = () => stage.ask("POST", "/v1/tokens/verify", { body: { token: `cfut_${"z".repeat(45)}`, fresh: true } });
    const lost = { status: 502, kind: "outcome-unknown", next: /Ask again for a new token/ };
    beforeEach(() => stage.standIn.mend());

    it("is slow, all that is due is done", async () => {
      await stage.standIn.fault({ effect: { kind: "latency", ms: 1_500 } });
      const { result: made, took } = await timed(() => mint());
      assert.equal(made.status, 201, made.text);
      assert.ok(took >= 1_500 && took < 1_500 + PROMPT_MS, `${took} ms`);
    });

    it("fails for a moment, reads are tried again and the caller notices nothing", async () => {
      const { json } = await mint();
      for (const effect of [{ kind: "drop" }, { kind: "reset" }, { kind: "truncate", bytes: 20 }, { kind: "status", status: 503, code: 10001, message: "Internal error" }, { kind: "html", status: 520 }]) {
        await stage.standIn.fault({ match: { method: "GET" }, count: 1, effect });
        const { result, calls } = await stage.upstream(() => stage.ask("GET", `/client/v4/accounts/${MAIN}/tokens/${json.lease.token_id}`, { as: "ci" }));
        assert.equal(result.status, 200, `${effect.kind}: ${result.text}`);
        assert.equal(calls.length, 2, effect.kind);
      }
    });

    it("loses the answer to a create, no token is left over and the caller is told not to wait for it", async () => {
      for (const effect of [{ kind: "drop", when: "after" }, { kind: "status", status: 502, when: "after" }, { kind: "truncate", bytes: 20 }]) {
        const [before, buried] = [await tokens(), await neverCreated()];
        await stage.standIn.fault({ match: { method: "POST" }, count: 1, effect });
        const { result, calls } = await stage.upstream(() => mint());
        refused(result, { ...lost, why: /outcome of the create is unknown/ });
        assert.doesNotMatch(result.text, /cfat_/);
        assert.deepEqual(calls.map(({ method }) => method), ["POST", "GET", "DELETE"], "it was looked for and deleted");
        assert.equal(await tokens(), before, effect.kind);
        assert.equal(await neverCreated(), buried + 1, "and the books say so");
      }
    });

    it("redirects, the token does not follow", async () => {
      await stage.standIn.fault({ effect: { kind: "redirect", location: `${stage.standIn.url}/client/v4/user/tokens/verify` } });
      const { result, calls } = await stage.upstream(verify);
      refused(result, { status: 502, kind: "upstream-protocol", why: /redirect \(status 30\d\), which is never followed/, next: /Correct the API base/ });
      assert.equal(calls.length, 1);
    });

    it("answers with nonsense, that is said and nothing is believed", async () => {
      for (const [effect, why] of [
        [{ kind: "raw", status: 200, content_type: "text/plain", body: "not an envelope" }, /Cloudflare's API gave/],
        [{ kind: "raw", status: 200, content_type: "application/json", body: '{"success":true,"result":{"status":"active"}}' }, /Cloudflare/],
        [{ kind: "huge", bytes: 5_000_000 }, /larger than any of Cloudflare's API/],
      ]) {
        await stage.standIn.fault({ effect });
        const answer = await verify();
        refused(answer, { status: 502, kind: "upstream-protocol", why, next: /\S/ });
        await stage.standIn.mend();
      }
    });

    it("is dead, each answer says so within its time, what needs no Cloudflare goes on, and it recovers by itself", async () => {
      const { json } = await mint();
      await stage.standIn.fault({ effect: { kind: "drop" } });
      const before = await tokens();
      const [create, read, local] = await Promise.all([
        timed(() => mint()), timed(verify), timed(async () => {
          const asked = [["GET", "/healthz"], ["GET", "/v1/whoami"], ["GET", "/v1/leases"], ["GET", "/v1/templates"], ["POST", "/v1/plan", purge], ["GET", `/v1/leases/${json.lease.id}`], ["GET", `/client/v4/accounts/${MAIN}/tokens`]];
          for (const [method, path, body] of asked) assert.equal((await stage.ask(method, path, { as: "ci", body })).status, 200, path);
        }),
      ]);
      refused(create.result, { ...lost, why: /connection to Cloudflare's API broke/ });
      refused(read.result, { ...unavailable, why: /connection to Cloudflare's API broke/ });
      assert.ok(create.took < 55_000 && read.took < 26_000, `${create.took} ms, ${read.took} ms`);
      assert.ok(local.took < 7 * PROMPT_MS, `${local.took} ms`);
      // A revoke that Cloudflare did not answer is in the books, and is done when it is asked for again.
      const revoked = await stage.ask("DELETE", `/v1/leases/${json.lease.id}`, { as: "ci" });
      assert.equal(revoked.status, 502, revoked.text);
      assert.equal((await stage.ask("GET", `/v1/leases/${json.lease.id}`, { as: "ci" })).json.state, "revoking");
      await stage.standIn.mend();
      assert.equal(await tokens(), before);
      assert.equal((await stage.ask("DELETE", `/v1/leases/${json.lease.id}`, { as: "ci" })).json.state, "ended");
      assert.equal((await mint()).status, 201);
    });

    it("hangs, no answer takes longer than a client waits", async () => {
      await stage.standIn.fault({ match: { method: "GET" }, effect: { kind: "latency", ms: 60_000 } });
      const { result, took } = await timed(verify);
      refused(result, { ...unavailable, why: /no answer within the 10 s that a call may take/ });
      assert.ok(took < 27_000, `${took} ms`);
    });
  });
});
