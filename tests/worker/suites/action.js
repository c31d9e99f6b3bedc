// The Action as a program: what it prints, exports and sends, when all is well and when something is not.
import assert from "node:assert/strict";
import { before, describe, it } from "node:test";

import { ask, persist } from "../../../action/request.js";
import { listen } from "../harness/listen.js";
import { freePort } from "../harness/processes.js";
import { CLAIMS, told } from "../harness/runner.js";
import { APPS, MAIN, USER, ZONE } from "../harness/stand_in.js";

const PROBLEM = { "content-type": "application/problem+json" };
const problem = (status, words, headers = {}) => ({ status, headers: { ...PROBLEM, ...headers }, body: JSON.stringify({ type: "urn:brevet:problem:made-up", status, ...words }) });

export default ({ stage, issuer, gate, runner }) => describe("the Action", () => {
  const wish = (more = {}) => ({ url: gate.url, template: "cache-purge", ...more });
  const verify = (value) => stage.standIn.with(value, "GET", `/accounts/${MAIN}/tokens/verify`);
  const creates = (calls) => calls.filter(({ method, path }) => method === "POST" && path.endsWith("/tokens"));

  // Runs a step with these faults on its way; gives what reached the gate and Cloudflare, too.
  async function stepWith(faults, inputs = {}, variables = {}) {
    gate.faults = [...faults];
    gate.seen = [];
    const given = runner.given.length;
    const { result: step, calls } = await stage.upstream(() => runner.step(wish(inputs), variables));
    assert.deepEqual(gate.faults, [], "every fault was met");
    assert.equal(step.stderr, "");
    return { ...step, seen: gate.seen, jwts: runner.given.slice(given), calls };
  }

  // Whatever is printed, a secret is in the line that masks it and in no other, and that comes first.
  function wellMasked(step, jwts) {
    const secrets = [...jwts, step.state.token].filter(Boolean);
    for (const secret of secrets) {
      const lines = step.stdout.split("\n").filter((line) => line.includes(secret));
      assert.deepEqual(lines, [`::add-mask::${secret}`]);
    }
    return secrets;
  }

  // It failed, said why on one line, and left nothing behind that a later step could use.
  function failed(step, ...patterns) {
    assert.equal(step.code, 1, step.stdout);
    assert.deepEqual([step.exported, step.outputs], [{}, {}], step.stdout);
    const said = told(step, "error");
    assert.equal(said.length, 1, step.stdout);
    for (const pattern of patterns) assert.match(said[0], pattern);
    wellMasked(step, step.jwts ?? []);
  }

  before(async () => {
    const rules = structuredClone(stage.rules);
    rules.brevet.url = gate.url;
    rules.issuer = { github: { url: issuer.url, pin: { repository_owner_id: CLAIMS.repository_owner_id } } };
    const when = [{ repository_id: CLAIMS.repository_id, ref: CLAIMS.ref, environment: CLAIMS.environment, event_name: CLAIMS.event_name }];
    const grant = (allow) => ({ from: { issuer: "github" }, when, allow, ttl: "10m", max_ttl: "1h" });
    rules.grant["app-deploy"] = grant([{ template: "workers-deploy", account: "apps" }]);
    rules.grant["app-purge"] = grant([{ template: "cache-purge", zone: ["example.com"] }]);
    rules.grant["app-read"] = grant([{ template: "zone-read", account: ["main", "me"], zone: ["example.com"] }]);
    const pushed = await stage.push(rules, "?keep=true");
    assert.equal(pushed.status, 200, pushed.text);
  });

  it("masks the identity and the value before it says anything else, and exports them nowhere but in files", async () => {
    const step = await stepWith([]);
    assert.equal(step.code, 0, step.stdout);
    const { CLOUDFLARE_API_TOKEN: value, CLOUDFLARE_ACCOUNT_ID: account } = step.exported;
    const { "lease-id": lease, "expires-at": end } = step.outputs;
    assert.deepEqual(step.stdout.split("\n"), [
      `::add-mask::${step.jwts[0]}`, `::add-mask::${value}`, `Brevet: Lease ${lease} of grant app-purge, until ${end}.`, "",
    ]);
    assert.deepEqual(Object.keys(step.exported), ["CLOUDFLARE_API_TOKEN", "CLOUDFLARE_ACCOUNT_ID"]);
    assert.deepEqual([account, step.outputs["account-id"], Object.keys(step.outputs)], [MAIN, MAIN, ["lease-id", "expires-at", "account-id"]]);
    assert.deepEqual(step.state, { url: gate.url, token: value, owner: MAIN });
    assert.equal((await verify(value)).json.result.status, "active");
    const minutes = (Date.parse(end) - Date.now()) / 60_000;
    assert.ok(minutes > 9 && minutes <= 10, end);
    assert.equal(runner.audiences.at(-1), gate.url);
    const [{ method, path, headers, body }] = step.seen;
    assert.deepEqual([step.seen.length, method, path, headers.authorization, body], [1, "POST", "/v1/tokens", `Bearer ${step.jwts[0]}`, '{"template":"cache-purge"}']);
    assert.match(headers["idempotency-key"], /^1234\.1\.deploy\.brevet\.[0-9a-f-]{36}$/);
    assert.ok(step.took < 10_000, "nothing keeps the process");
  });

  it("ends the token after the job, and says nothing of it where there is none", async () => {
    const step = await stepWith([]);
    const post = await step.post();
    assert.deepEqual(post.stdout.split("\n"), [`::add-mask::${step.state.token}`, "Brevet: The token is revoked.", ""]);
    assert.deepEqual([post.code, post.stderr, (await verify(step.state.token)).status], [0, "", 401]);
    const { json } = await stage.ask("GET", `/v1/leases/${step.outputs["lease-id"]}`, { as: "root" });
    assert.deepEqual([json.state, json.end], ["ended", "revoked"]);
    const nothing = await step.post({ STATE_token: "" });
    assert.deepEqual([nothing.code, nothing.stdout], [0, ""]);
    // What is over already is no trouble.
    const again = await step.post();
    assert.deepEqual([again.code, told(again, "warning")], [0, []], again.stdout);
  });

  it("exports nothing with `export: false`, and gives the token as an output", async () => {
    const step = await stepWith([], { export: "false" }, { GITHUB_ENV: "" });
    assert.deepEqual([step.code, step.exported], [0, {}], step.stdout);
    assert.equal((await verify(step.outputs.token)).json.result.status, "active");
    assert.equal(step.state.token, step.outputs.token, "it is ended after the job all the same");
    wellMasked(step, step.jwts);
  });

  it("passes grant, params and ttl on as they are", async () => {
    const step = await stepWith([], { template: "zone-read", grant: "app-read", params: '{"account": "main", "zone": ["example.com"]}', ttl: "1200" });
    assert.equal(step.code, 0, step.stdout);
    assert.deepEqual(JSON.parse(step.seen[0].body), { template: "zone-read", grant: "app-read", params: { account: "main", zone: ["example.com"] }, ttl: 1200 });
    const zones = await stage.standIn.with(step.exported.CLOUDFLARE_API_TOKEN, "GET", "/zones");
    assert.deepEqual(zones.json.result.map(({ id }) => id), [ZONE]);
    const other = await stepWith([], { template: "zone-read", params: '{"account": "main"}', ttl: "20m" });
    assert.ok(Date.parse(other.outputs["expires-at"]) - Date.now() > 19 * 60_000);
  });

  it("exports no account for a user's token: the id is not an account's", async () => {
    const step = await stepWith([], { template: "zone-read", params: '{"account": "me"}' });
    assert.deepEqual([step.code, Object.keys(step.exported), step.outputs["account-id"]], [0, ["CLOUDFLARE_API_TOKEN"], ""], step.stdout);
    assert.ok(!step.stdout.includes(USER));
  });

  for (const [what, inputs, why] of [
    ["no url", { url: " " }, /`url` is missing/],
    ["no template", { template: "" }, /`template` is missing/],
    ["plain http to another machine", { url: "http://brevet.example.com" }, /`url` is no https URL/],
    ["a host that begins like this machine's", { url: "http://127.0.0.1.example.com" }, /no https URL/],
    ["no URL", { url: "brevet.example.com" }, /no https URL/],
    ["another scheme", { url: "ftp://brevet.example.com" }, /no https URL/],
    ["a password in the URL", { url: "https://a:b@brevet.example.com" }, /user name or password/],
    ["a path in the URL", { url: "https://brevet.example.com/v1" }, /Give it as https:\/\/brevet\.example\.com,/],
    ["a query in the URL", { url: "https://brevet.example.com?x" }, /more than scheme, host and port/],
    ["parameters that are no JSON", { params: "zone=example.com" }, /`params` is no JSON object.*\{"zone"/],
    ["parameters that are a list", { params: '["example.com"]' }, /no JSON object/],
    ["parameters that are null", { params: "null" }, /no JSON object/],
    ["a word for export", { export: "yes" }, /neither true nor false/],
  ]) {
    it(`refuses ${what}, and asks nobody for anything`, async () => {
      const step = await stepWith([], inputs);
      failed(step, why);
      assert.deepEqual([step.seen, step.jwts, step.calls], [[], [], []]);
    });
  }

  it("tells a job without the permission for an identity to ask for it", async () => {
    for (const variables of [{ ACTIONS_ID_TOKEN_REQUEST_URL: "" }, { ACTIONS_ID_TOKEN_REQUEST_TOKEN: "" }]) {
      const step = await stepWith([], {}, variables);
      failed(step, /no identity.*`permissions: id-token: write`.*forks/);
      assert.deepEqual(step.seen, []);
    }
    failed(await stepWith([], {}, { ACTIONS_ID_TOKEN_REQUEST_URL: "http://example.com/token" }), /ACTIONS_ID_TOKEN_REQUEST_URL is no https URL/);
  });

  it("says where the runner is none, before a token is made that nobody could be given", async () => {
    for (const name of ["GITHUB_ENV", "GITHUB_OUTPUT", "GITHUB_STATE"]) {
      const step = await runner.step(wish(), { [name]: "" });
      assert.equal(step.code, 1);
      assert.match(told(step, "error")[0], new RegExp(`gives no ${name}`));
      assert.deepEqual(told(step, "add-mask"), []);
    }
  });

  it("asks GitHub again where it is down, and gives up on an answer that is no identity", async () => {
    runner.faults = [{ status: 503, headers: { "retry-after": "0" } }, { status: 500 }];
    const step = await stepWith([]);
    assert.deepEqual([step.code, step.jwts.length], [0, 1], step.stdout);
    for (const [fault, why] of [
      [{ status: 403, body: "{}" }, /no identity token \(status 403\)/],
      [{ status: 200, body: "<html>" }, /no identity token/],
      [{ status: 200, body: '{"value": 7}' }, /no identity token/],
      [{ status: 200, body: '{"value": "a b.c\\n::stop-commands::x"}' }, /no identity token/],
      [{ status: 302, headers: { location: `${gate.url}/elsewhere` } }, /leads elsewhere \(status 302\)/],
      [{ status: 200, body: "x".repeat(70_000) }, /too long/],
    ]) {
      runner.faults = [fault];
      const refused = await stepWith([]);
      failed(refused, why);
      assert.deepEqual([refused.seen, runner.faults], [[], []]);
    }
  });

  it("tries again at 429, 5xx and an answer that is lost, under one key, and makes one token", async () => {
    for (const faults of [
      [problem(429, { detail: "Slowly." }, { "retry-after": "2" })],
      [{ status: 502, headers: { "content-type": "text/html" }, body: "<html>" }, { status: 520 }, { status: 503, headers: { "retry-after": "0" } }],
      [() => null],
      [() => null, () => null, () => ({ status: 500 })],
      [() => problem(409, { detail: "It is under way." }, { "x-should-retry": "true" })],
    ]) {
      const step = await stepWith(faults);
      assert.equal(step.code, 0, step.stdout);
      assert.equal(step.seen.length, faults.length + 1);
      assert.equal(new Set(step.seen.map(({ headers }) => headers["idempotency-key"])).size, 1);
      assert.equal(new Set(step.seen.map(({ body }) => body)).size, 1);
      assert.deepEqual([step.jwts.length, creates(step.calls).length], [1, 1]);
      assert.equal((await verify(step.exported.CLOUDFLARE_API_TOKEN)).json.result.status, "active");
      if (faults[0].headers?.["retry-after"]) assert.ok(step.took >= 2_000, `${step.took} ms`);
      wellMasked(step, step.jwts);
    }
  });

  it("goes on with a fresh identity where the first one's time is up meanwhile, and makes one token", async () => {
    runner.seconds = 25;
    const step = await stepWith([() => null, { status: 503 }]);
    runner.seconds = 300;
    assert.equal(step.code, 0, step.stdout);
    const bearers = step.seen.map(({ headers }) => headers.authorization);
    assert.deepEqual(bearers, step.jwts.map((jwt) => `Bearer ${jwt}`));
    assert.deepEqual([new Set(step.jwts).size, new Set(step.seen.map(({ headers }) => headers["idempotency-key"])).size], [3, 1]);
    assert.equal(creates(step.calls).length, 1);
    assert.equal((await verify(step.exported.CLOUDFLARE_API_TOKEN)).json.result.status, "active");
    wellMasked(step, step.jwts);
  });

  it("fails with the broker's reason where it should wait too long, where it is no use, and after four tries", async () => {
    for (const [faults, most] of [
      [[problem(429, { detail: "Cloudflare limits the calls.", hint: "Wait." }, { "retry-after": "61" })], 5_000],
      [[problem(502, { detail: "The parent token is dead.", hint: "Put a live one." }, { "x-should-retry": "false" })], 5_000],
      [Array.from({ length: 4 }, () => problem(503, { detail: "Nobody is there.", hint: "Wait." }, { "retry-after": "0" })), 20_000],
    ]) {
      const step = await stepWith(faults);
      const { detail, hint } = JSON.parse(faults[0].body);
      failed(step, new RegExp(`^${detail} ${hint} \\(made-up, status ${faults[0].status}\\)$`));
      assert.deepEqual([step.seen.length, step.calls], [faults.length, []]);
      assert.ok(step.took < most, `${step.took} ms`);
    }
  });

  it("two legs of a matrix, or two uses of a composite action, get a token each, and neither takes the other's", async () => {
    const [one, two] = await Promise.all([runner.step(wish()), runner.step(wish())]);
    assert.deepEqual([one.code, two.code], [0, 0], one.stdout + two.stdout);
    assert.notEqual(one.outputs["lease-id"], two.outputs["lease-id"]);
    for (const step of [one, two]) assert.equal((await verify(step.exported.CLOUDFLARE_API_TOKEN)).json.result.status, "active");
    await one.post();
    assert.deepEqual([(await verify(one.state.token)).status, (await verify(two.state.token)).status], [401, 200]);
  });

  it("prints the broker's reason and hint for a denial, and who the job is; nothing is made or tried again", async () => {
    for (const [inputs, reason, kind] of [
      [{ template: "billing-read" }, /no grant/i, "template-not-allowed, status 403"],
      [{ grant: "edge-purge" }, /edge-purge/, "unknown-grant, status 403"],
      [{ ttl: "2h" }, /allows 1h/, "end-too-late, status 403"],
      [{ params: '{"zone": "example.net"}' }, /example\.net/, "unknown-zone, status 422"],
      [{ ttl: "soon" }, /./, "invalid-request, status 400"],
    ]) {
      const step = await stepWith([], inputs);
      const { detail, hint } = JSON.parse(stage.heard.at(-1).text);
      assert.match(detail, reason);
      failed(step, new RegExp(RegExp.escape(`${detail} ${hint} (${kind})`)));
      if (!kind.endsWith("422")) assert.match(told(step, "error")[0], /The identity was for http:.*; this job is sub=repo:octo-org@.*, repository_id=200000078,/);
      assert.deepEqual([step.seen.length, step.calls, step.state], [1, [], {}]);
    }
  });

  for (const [field, spoil] of Object.entries({
    "value": (made) => { made.value = "not a token"; },
    "value, with a line that sets another variable": (made) => { made.value += "\nNODE_OPTIONS=--require=/tmp/x.js"; },
    "value, too long": (made) => { made.value += "a".repeat(40); },
    "value, not there": (made) => { delete made.value; },
    "lease.id": (made) => { made.lease.id = "../../etc"; },
    "lease.state": (made) => { made.lease.state = "revoking"; },
    "lease.template": (made) => { made.lease.template = "read-all-resources"; },
    "lease.grant": (made) => { made.lease.grant = "x\ny"; },
    "lease.account.id": (made) => { made.lease.account.id = `${APPS}\nX=1`; },
    "lease.account.family": (made) => { made.lease.account.family = "team"; },
    "lease.account, not there": (made) => { delete made.lease.account; },
    "lease.expires_on": (made) => { made.lease.expires_on = "2026-13-45T99:00:00Z"; },
    "lease, not there": (made) => { delete made.lease; },
  })) {
    it(`exports nothing where the answer has a wrong ${field}`, async () => {
      let value;
      const step = await stepWith([(answer) => {
        const made = JSON.parse(answer.body);
        value = made.value;
        spoil(made);
        return { ...answer, body: JSON.stringify(made) };
      }]);
      failed(step, new RegExp(`not what it should be: .*${field.split(",")[0]}.*Nothing was exported`));
      if (field.startsWith("value")) return assert.deepEqual(step.state, {});
      // The token is there, and goes.
      assert.equal(step.state.token, value);
      assert.equal((await step.post()).code, 0);
      return assert.equal((await verify(value)).status, 401);
    });
  }

  it("exports nothing where another grant or nothing readable comes back", async () => {
    const spoilt = (answer) => ({ ...answer, body: answer.body.replace('"grant":"app-purge"', '"grant":"app-read"') });
    failed(await stepWith([spoilt], { grant: "app-purge" }), /lease\.grant/);
    for (const body of ["", "<html>", "[]", "null", "7", '{"value":']) failed(await stepWith([(answer) => ({ ...answer, body })]), /not what it should be/);
    failed(await stepWith([(answer) => ({ ...answer, body: `{"value":"${"a".repeat(70_000)}"}` })]), /too long/);
    failed(await stepWith([(answer) => ({ ...answer, status: 200, body: '{"value_available":false,"lease":{}}' })]), /lost on the way.*Run the job again/);
  });

  it("follows no redirect: the identity and the token go to one host", async () => {
    let met = 0;
    const elsewhere = await listen((_, response) => { met += 1; response.end("{}"); });
    for (const status of [301, 302, 303, 307, 308]) {
      const step = await stepWith([{ status, headers: { location: `${elsewhere.url}/v1/tokens` } }]);
      failed(step, new RegExp(`leads elsewhere \\(status ${status}\\)`));
      assert.equal(step.seen.length, 1);
    }
    const step = await stepWith([]);
    gate.faults = [{ status: 307, headers: { location: `${elsewhere.url}/oauth/revoke` } }];
    const post = await step.post();
    assert.equal(post.code, 0);
    assert.match(told(post, "warning")[0], /leads elsewhere/);
    assert.equal(met, 0);
  });

  it("prints nothing that is a command to the runner, whatever the broker says", async () => {
    const evil = "no.\n::add-path::/tmp/evil\r\n::set-env name=NODE_OPTIONS::x\u2028\u001b[31m##[add-path]/tmp %0A::error::";
    const step = await stepWith([problem(403, { detail: evil, hint: evil, type: `${evil}x` })]);
    failed(step, /no\. ::add-path::/);
    assert.deepEqual(step.said.map(({ name }) => name), ["add-mask", "error"]);
    assert.doesNotMatch(told(step, "error")[0], /[\n\r\u001b\u2028]/);
    failed(await stepWith([problem(403, { detail: "x".repeat(10_000) })]), /^x{1000} /);
    failed(await stepWith([problem(403, { detail: { a: 1 } })]), /answered with status 403 and no reason/);
    failed(await stepWith([{ status: 404, body: "<html>" }]), /answered with status 404 and no reason.*`url`/);
  });

  it("fails where nothing listens, after four tries", async () => {
    const step = await runner.step(wish({ url: `http://127.0.0.1:${await freePort()}` }));
    failed(step, /http:\/\/127\.0\.0\.1:\d+ did not answer \(ECONNREFUSED\).*`url`/);
    assert.equal(told(step, "log").length, 3);
  });

  it("tries the revoke three times, and a broker that is dead fails no job", async () => {
    const step = await stepWith([]);
    gate.faults = [{ status: 503 }, () => null];
    gate.seen = [];
    const post = await step.post();
    assert.deepEqual([post.code, told(post, "warning"), gate.seen.length], [0, [], 3], post.stdout);
    assert.equal((await verify(step.state.token)).status, 401);
    assert.deepEqual(gate.seen.map(({ path, body }) => [path, body]), Array(3).fill(["/oauth/revoke", `token=${step.state.token}&account=${MAIN}`]));

    const other = await stepWith([]);
    gate.faults = Array(3).fill({ status: 500 });
    gate.seen = [];
    const refused = await other.post();
    assert.deepEqual([refused.code, gate.seen.length], [0, 3]);
    assert.match(told(refused, "warning")[0], /not revoked, and lives until its end.*status 500/);
    const dead = await other.post({ STATE_url: `http://127.0.0.1:${await freePort()}` });
    assert.deepEqual([dead.code, told(dead, "error"), told(dead, "log").length], [0, [], 2]);
    assert.match(told(dead, "warning")[0], /did not answer/);
    const strange = await other.post({ STATE_url: "http://brevet.example.com" });
    assert.deepEqual([strange.code, told(strange, "warning").length], [0, 1]);
    for (const each of [refused, dead, strange]) wellMasked({ stdout: each.stdout, state: other.state }, []);
  });

  it("bounds each request in time, while the answer comes, too", async () => {
    const silent = await listen(() => {});
    const slow = await listen((_, response) => {
      response.writeHead(200);
      const dripping = setInterval(() => response.write("x"), 100);
      response.on("close", () => clearInterval(dripping));
    });
    for (const { url } of [silent, slow]) {
      const from = Date.now();
      const answer = await ask(url, { seconds: 1 });
      assert.deepEqual([answer.status, answer.why], [0, "no answer in 1 s"]);
      assert.ok(Date.now() - from < 3_000);
    }
    const from = Date.now();
    const dated = { status: 503, headers: new Headers({ "retry-after": new Date(from + 3_600_000).toUTCString() }) };
    assert.equal(await persist("x", { times: 9, longest: 60 }, async () => dated), dated);
    assert.ok(Date.now() - from < 1_000, "a date that is too far off is not waited for");
  });
});
