// The rules in force: pushed on the version that was read, kept, and binding from the next request on.
import assert from "node:assert/strict";
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";

import { clientSecret, digest, operatorSecret } from "../harness/rules.js";
import { open } from "../harness/stage.js";
import { MAIN } from "../harness/stand_in.js";
import { policies } from "./main_job.js";

const soon = () => new Date(Date.now() + 600_000).toISOString();

// A stage of its own: it changes the rules.
export default () => describe("the rules in force", () => {
  let stage;
  before(async () => { stage = await open(); });
  after(() => stage?.close());

  const config = async (as = "root") => stage.ask("GET", "/v1/config", { as });
  const put = (rules, { as = "root", match, query = "", places } = {}) => stage.ask("PUT", `/v1/config${query}`, {
    as, headers: match === undefined ? {} : { "if-match": match }, body: { rules, ...(places ? { source_map: places } : {}) },
  });
  // A changed copy of the rules of this stage.
  const changed = (change) => {
    const rules = structuredClone(stage.rules);
    change(rules);
    return rules;
  };
  const purge = { template: "cache-purge", params: { zone: "example.com" } };
  const mint = async (as, body = purge) => {
    const made = await stage.ask("POST", "/v1/tokens", { as, body });
    assert.equal(made.status, 201, made.text);
    return made.json.lease;
  };
  const refusePush = (rules, { as = "root", match, query = "", places }, wanted) => stage.refuse("PUT", `/v1/config${query}`, {
    as, headers: match === undefined ? {} : { "if-match": match }, body: { rules, ...(places ? { source_map: places } : {}) },
  }, wanted);

  it("are refused without If-Match, and with one that is none", async () => {
    await refusePush(stage.rules, {}, { status: 428, kind: "if-match-needed", why: /on which version/, next: /If-Match.*"0" for the first/ });
    for (const match of ["1", '"x"', "*", 'W/"1"', '""', '"-1"', '"1", "2"']) {
      await refusePush(stage.rules, { match }, { status: 400, kind: "invalid-query", why: /If-Match/, next: /double quotes/ });
    }
  });

  it("are refused on another version than the one in force, which is named", async () => {
    const { headers, json } = await config();
    for (const match of ['"0"', '"99"']) {
      const answer = await refusePush(stage.rules, { match }, { status: 412, kind: "rules-moved", why: new RegExp(`Version ${json.version} is in force`), next: new RegExp(`If-Match: "${json.version}"`) });
      assert.equal(answer.json.present, json.version);
    }
    assert.equal((await config()).headers.etag, headers.etag);
  });

  it("take one of two pushes on the same version", async () => {
    const { headers, json } = await config();
    const both = await Promise.all([1, 2].map((number) => put(changed((rules) => { rules.grant["ci-purge"].ttl = `${number}m`; }), { match: headers.etag })));
    assert.deepEqual(both.map(({ status }) => status).sort(), [200, 412]);
    assert.equal((await config()).json.version, json.version + 1);
  });

  it("are listed with who pushed them and when, and each version can be read", async () => {
    const { versions } = (await stage.ask("GET", "/v1/config/history", { as: "root" })).json;
    assert.deepEqual(versions.map(({ version }) => version), versions.map((_, at) => versions.length - at), "newest first");
    assert.ok(versions.every(({ pushed_by, pushed_at, digest }) => pushed_by === "operator:root" && Date.parse(pushed_at) && /^[0-9a-f]{64}$/.test(digest)));
    const first = await stage.ask("GET", "/v1/config/versions/1", { as: "root" });
    assert.deepEqual([first.status, first.json.version, first.headers.etag], [200, 1, '"1"']);
    assert.deepEqual(first.json.rules, stage.rules);
    assert.deepEqual((await config()).json.rules.grant["ci-purge"].ttl.replace(/^[12]/, "N"), "Nm");
    for (const number of ["0", "99", "-1", "x", "9223372036854775808"]) {
      await stage.refuse("GET", `/v1/config/versions/${number}`, { as: "root" }, { status: 404, kind: "malformed-id", why: /\S/, next: /number of a version/ });
    }
  });

  it("are shown to nobody without the power, and changed by nobody", async () => {
    const present = (await config()).headers.etag;
    for (const [as, wanted] of [["ci", { status: 403, kind: "power-missing" }], ["reader", { status: 403, kind: "power-missing" }], ["minter", { status: 403, kind: "power-missing" }]]) {
      for (const path of ["/v1/config", "/v1/config/history", "/v1/config/versions/1"]) {
        await stage.refuse("GET", path, { as }, { ...wanted, why: /"config"/, next: /`may`/ });
      }
      await refusePush(stage.rules, { as, match: present }, { ...wanted, why: /"config"/, next: /`may`/ });
      await stage.refuse("POST", "/v1/config/lint", { as, body: { rules: stage.rules } }, { ...wanted, why: /"config"/, next: /`may`/ });
    }
    assert.equal((await config()).headers.etag, present);
  });

  it("are linted with the line, the column and the field of each error", async () => {
    const rules = changed((rules) => {
      rules.grant["ci-zone"].max_ttl = "soon";
      rules.grant["ci-purge"].allow[0].template = "cache-prge";
      rules.nonsense = 1;
    });
    const places = { "/grant/ci-zone/max_ttl": [12, 5], "/grant/ci-purge/allow/0/template": [31, 18], "/nonsense": [3, 1] };
    const wanted = [["/grant/ci-purge/allow/0/template", 31, 18], ["/grant/ci-zone/max_ttl", 12, 5], ["/nonsense", 3, 1]];
    const where = (findings) => findings.filter(({ severity }) => severity === "error").map(({ pointer, line, column }) => [pointer, line, column]).sort();
    const { status, json } = await stage.ask("POST", "/v1/config/lint", { as: "alice", body: { rules, source_map: places } });
    assert.deepEqual([status, json.ok], [200, false]);
    assert.deepEqual(where(json.findings), wanted);
    assert.ok(json.findings.every(({ message, help }) => message && help));
    const answer = await refusePush(rules, { match: (await config()).headers.etag, places }, { status: 422, kind: "invalid-rules", why: /errors; nothing was changed/, next: /brevet config lint/ });
    assert.deepEqual(where(answer.json.findings), wanted);
    assert.match(answer.json.findings.find(({ pointer }) => pointer.endsWith("/template")).help, /cache-purge/);
    const good = await stage.ask("POST", "/v1/config/lint", { as: "alice", body: { rules: stage.rules } });
    assert.equal(good.json.ok, true);
  });

  it("are refused where they are no rules at all, and where they are too long", async () => {
    const match = (await config()).headers.etag;
    for (const rules of [[], "x", 5, { version: 2 }, {}]) {
      await refusePush(rules, { match }, { status: 422, kind: "invalid-rules", why: /errors/, next: /findings/ });
    }
    await stage.refuse("PUT", "/v1/config", { as: "root", headers: { "if-match": match }, body: {} }, { status: 400, kind: "invalid-request", why: /\/rules/, next: /object/, pointer: "/rules" });
    await stage.refuse("PUT", "/v1/config", { as: "root", headers: { "if-match": match }, body: `{"rules":{"x":"${"y".repeat(2 * 1024 * 1024)}"}}` }, { status: 413, kind: "body-too-long", why: /more than 2097152 bytes/, next: /shorter/ });
    assert.equal((await config()).headers.etag, match);
  });

  it("need the root operator where they widen who may do what", async () => {
    const match = (await config()).headers.etag;
    for (const [change, what] of [
      [(rules) => { rules.operator.mallory = { secret_sha256: [digest(operatorSecret())], may: ["mint"] }; }, /operator mallory is new/],
      [(rules) => { rules.operator.reader.may = ["read", "config"]; }, /operator reader may do more/],
      [(rules) => { rules.account.apps.parent = "CLOUDFLARE_OTHER"; }, /account apps is new or changed/],
      [(rules) => { rules.grant["raw-apps"].accept_takeover = "because"; }, /grant raw-apps accepts a takeover/],
    ]) {
      const answer = await refusePush(changed(change), { as: "alice", match }, { status: 403, kind: "root-needed", why: /adds or widens/, next: /root operator's secret/ });
      assert.match(answer.json.widened.join("; "), what);
    }
    assert.equal((await config()).headers.etag, match);
  });

  it("bind with the next request: a tightened grant refuses what it allowed before", async () => {
    const lease = await mint("ci", { ...purge, ttl: "40m" });
    assert.equal((await stage.push(changed((rules) => { rules.grant["ci-purge"].max_ttl = "15m"; }))).status, 200);
    const wanted = { status: 403, kind: "end-too-late", why: /grant "ci-purge" allows 15m/, next: /or earlier/, pointer: "/expires_on" };
    await stage.refuse("POST", "/v1/tokens", { as: "ci", body: { ...purge, ttl: "40m" } }, wanted);
    await stage.refuse("POST", `/v1/leases/${lease.id}/renew`, { as: "ci", body: { ttl: "40m" } }, wanted);
    assert.equal((await stage.push(changed((rules) => { rules.grant["ci-purge"].operations = ["create"]; }))).status, 200);
    for (const step of ["renew", "roll"]) {
      await stage.refuse("POST", `/v1/leases/${lease.id}/${step}`, { as: "ci" }, { status: 403, kind: "operation-not-listed", why: new RegExp(`does not list the operation "${step}"`), next: /Ask an operator/ });
    }
    assert.equal((await stage.ask("DELETE", `/v1/leases/${lease.id}`, { as: "ci" })).status, 200, "revoking needs ownership only");
    assert.equal((await stage.push(stage.rules)).status, 200);
  });

  it("are not pushed over live leases without saying what becomes of them", async () => {
    const lease = await mint("ci");
    const without = changed((rules) => { delete rules.grant["ci-purge"]; });
    const match = (await config()).headers.etag;
    const answer = await refusePush(without, { match }, { status: 409, kind: "leases-remain", why: /removes grant ci-purge/, next: /revoke=true.*keep=true/ });
    assert.ok(answer.json.leases.includes(lease.id));
    await refusePush(without, { match, query: "?revoke=true&keep=true" }, { status: 400, kind: "invalid-query", why: /revoke/, next: /left out/ });
    const { result: pushed, calls } = await stage.upstream(() => put(without, { match, query: "?revoke=true" }));
    assert.equal(pushed.status, 200, pushed.text);
    assert.ok(pushed.json.revoked.includes(lease.id));
    assert.ok(calls.some(({ method, path }) => method === "DELETE" && path.endsWith(lease.token_id)));
    assert.equal((await stage.ask("GET", `/v1/leases/${lease.id}`, { as: "ci" })).json.state, "ended");
    assert.equal((await stage.push(stage.rules)).status, 200);
  });

  it("keep an account as long as it has live leases", async () => {
    const made = await stage.ask("POST", "/v1/tokens", { as: "alice", body: { template: "workers-deploy", params: { account: "apps" }, ttl: "5m" } });
    assert.equal(made.status, 201);
    const without = changed((rules) => {
      delete rules.account.apps;
      for (const [name, grant] of Object.entries(rules.grant)) if (JSON.stringify(grant.allow).includes('"apps"')) delete rules.grant[name];
    });
    for (const query of ["", "?keep=true", "?revoke=true"]) {
      await refusePush(without, { match: (await config()).headers.etag, query }, { status: 409, kind: "account-has-leases", why: /apps/, next: /Revoke these leases/ });
    }
  });

  it("refuse a client that a push has removed, in the next request and on every route", async () => {
    const lease = await mint("ci");
    const leaver = structuredClone(stage.rules);
    delete leaver.client.ci;
    for (const [name, grant] of Object.entries(leaver.grant)) if (grant.from.client === "ci") delete leaver.grant[name];
    assert.equal((await stage.push(leaver, "?keep=true")).status, 200);
    const gone = { status: 401, why: /does not accept this credential/, next: /rotated/ };
    for (const [method, path, body] of [["POST", "/v1/tokens", purge], ["POST", "/v1/plan", purge], ["GET", "/v1/leases"], ["GET", `/v1/leases/${lease.id}`], ["POST", `/v1/leases/${lease.id}/roll`], ["DELETE", `/v1/leases/${lease.id}`], ["GET", "/v1/whoami"]]) {
      await stage.refuse(method, path, { as: "ci", body }, { ...gone, kind: "invalid-credential" });
    }
    for (const [method, path, body] of [["GET", "/client/v4/user/tokens/verify"], ["GET", "/client/v4/user/tokens"], ["POST", `/client/v4/accounts/${MAIN}/tokens`, { name: "x", policies, expires_on: soon() }]]) {
      await stage.refuse(method, path, { as: "ci", body }, { ...gone, code: 1000 });
    }
    // The lease lives on as it was told to, and operators see it.
    assert.equal((await stage.ask("GET", `/v1/leases/${lease.id}`, { as: "alice" })).json.state, "active");
    assert.equal((await stage.push(stage.rules)).status, 200);
    assert.equal((await stage.ask("GET", `/v1/leases/${lease.id}`, { as: "ci" })).status, 200);
  });

  it("refuse an old secret as soon as a push has rotated it away", async () => {
    const fresh = clientSecret();
    const rotate = (...secrets) => stage.push(changed((rules) => { rules.client.ci.secret_sha256 = secrets.map(digest); }));
    assert.equal((await rotate(stage.as.ci, fresh)).status, 200);
    for (const token of [stage.as.ci, fresh]) assert.equal((await stage.ask("GET", "/v1/whoami", { token })).status, 200);
    assert.equal((await rotate(fresh)).status, 200);
    await stage.refuse("GET", "/v1/whoami", { as: "ci" }, { status: 401, kind: "invalid-credential", why: /does not accept/, next: /rotated/ });
    assert.equal((await stage.ask("GET", "/v1/whoami", { token: fresh })).status, 200);
    assert.equal((await stage.push(stage.rules)).status, 200);
  });

  it("outlive a restart, and the leases with them", async () => {
    const lease = await mint("ci");
    const { headers, json } = await config();
    const { versions } = (await stage.ask("GET", "/v1/config/history", { as: "root" })).json;
    await stage.restart();
    const again = await config();
    assert.deepEqual([again.headers.etag, again.json], [headers.etag, json]);
    assert.deepEqual((await stage.ask("GET", "/v1/config/history", { as: "root" })).json.versions, versions);
    assert.deepEqual((await stage.ask("GET", `/v1/leases/${lease.id}`, { as: "ci" })).json.state, "active");
    assert.equal((await stage.ask("POST", `/v1/leases/${lease.id}/renew`, { as: "ci", body: { ttl: "30m" } })).status, 200);
    assert.equal((await stage.ask("DELETE", `/v1/leases/${lease.id}`, { as: "ci" })).json.state, "ended");
  });

  it("are not taken from a copy in KV that somebody has altered", async () => {
    const mallory = clientSecret();
    let altered = 0;
    await stage.restart((state) => {
      const folder = join(state, "v3/kv/STATE/blobs");
      for (const name of readdirSync(folder)) {
        const text = readFileSync(join(folder, name), "utf8");
        // The same length, so that nothing but the text itself tells.
        const forged = text.replaceAll(digest(stage.as.ci), digest(mallory));
        if (forged !== text) altered += 1;
        writeFileSync(join(folder, name), forged);
      }
    });
    assert.ok(altered > 0, "the copy in KV was found and altered");
    await stage.refuse("GET", "/v1/whoami", { token: mallory }, { status: 401, kind: "invalid-credential", why: /does not accept/, next: /complete/ });
    await stage.refuse("POST", "/v1/tokens", { token: mallory, body: purge }, { status: 401, kind: "invalid-credential", why: /does not accept/, next: /complete/ });
    assert.equal((await stage.ask("GET", "/v1/whoami", { as: "ci" })).status, 200);
    const alarm = stage.worker.logs().split("\n").find((line) => line.includes("rules_copy_altered"));
    assert.equal(JSON.parse(alarm).alarm, true, "and the log raises the alarm");
  });
});
