// Signed webhooks from real senders, on workerd: GitHub's own library and that of Standard Webhooks sign.
import assert from "node:assert/strict";
import { createHmac, generateKeyPairSync, sign as signBytes } from "node:crypto";
import { readFileSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";

import { sign } from "@octokit/webhooks-methods";
import { Webhook } from "standardwebhooks";

import { folder, program, root } from "../harness/places.js";
import { run, until } from "../harness/processes.js";
import { signingKey, startReceiver } from "../harness/receiver.js";
import { open } from "../harness/stage.js";
import { chance } from "../harness/stand_in.js";

const AUDIENCE = "https://brevet.example.com";
const KEY = generateKeyPairSync("ed25519");
const encode = (value) => Buffer.from(JSON.stringify(value)).toString("base64url");
const readme = readFileSync(join(root, "README.md"), "utf8");

// How long an order and the deletions that it brings may take on a busy machine.
const DONE_MS = 60_000;

const GITHUB = chance(40);
const SIEM = signingKey();
const EDGE = `whsec_${Buffer.from(crypto.getRandomValues(new Uint8Array(32))).toString("base64")}`;

// The blocks of one language under a heading of README.md.
function blocks(heading, language) {
  const part = readme.split(/^## /m).find((part) => part.startsWith(heading));
  assert.ok(part, `README.md has no part "${heading}"`);
  return [...part.matchAll(new RegExp(`^\`\`\`${language}\\n(.*?)^\`\`\``, "gms"))].map(([, text]) => text);
}

// As GitHub sends it: the id of a repository is a number here, and a string in its tokens.
const alert = (repository, number = 1) => ({
  action: "created",
  alert: {
    number, state: "open", secret_type: "cloudflare_api_token", secret_type_display_name: "Cloudflare API Token",
    html_url: `https://github.example/octo-org/app/security/secret-scanning/${number}`, resolution: null, publicly_leaked: true,
  },
  repository: { id: repository, full_name: "octo-org/app", private: false, owner: { login: "octo-org", id: 100000001 } },
  organization: { id: 100000001, login: "octo-org" },
  sender: { id: 9919, login: "github", type: "Organization" },
});

export default () => describe("hooks", () => {
  let stage;
  let issuer;
  let siem;

  before(async () => {
    const keys = [{ kid: "one", use: "sig", ...KEY.publicKey.export({ format: "jwk" }) }];
    const server = createServer((request, response) => {
      const documents = { "/.well-known/openid-configuration": { issuer, jwks_uri: `${issuer}/keys` }, "/keys": { keys } };
      response.writeHead(request.url in documents ? 200 : 404, { "content-type": "application/json" });
      response.end(JSON.stringify(documents[request.url] ?? {}));
    });
    await new Promise((done) => { server.listen(0, "127.0.0.1", done); });
    server.unref();
    issuer = `http://127.0.0.1:${server.address().port}`;
    siem = await startReceiver();
    stage = await open({ hooks: { HOOK_GITHUB: GITHUB, HOOK_EDGE: EDGE, HOOK_SIEM: SIEM } });
    // The hooks of README.md, as they stand there, pushed by the operator's program.
    const file = join(folder("rules"), "brevet.toml");
    const lab = `
[issuer.lab]
url = "${issuer}"
audience = "${AUDIENCE}"
algorithms = ["Ed25519"]
[grant.lab-main]
from = { issuer = "lab" }
when = [{ repository_owner_id = "100000001" }]
allow = [{ template = "zone-read", account = "main", zone = ["example.com"] }]
[grant.lab-me]
from = { issuer = "lab" }
when = [{ repository_owner_id = "100000001" }]
allow = [{ template = "zone-read", account = "me", zone = ["example.com"] }]
[hook.alarm]
scheme = "standard-webhooks"
secrets = ["HOOK_EDGE"]
when = [{ event = "alert.firing" }]
freeze = { all = true, for = "1h" }
[hook.calm]
scheme = "standard-webhooks"
secrets = ["HOOK_EDGE"]
unfreeze = { all = true }
[hook.look]
scheme = "standard-webhooks"
secrets = ["HOOK_EDGE"]
reply = true
verify = { token = "/token", account = "main" }
[endpoint.siem]
url = "${siem.url}/in"
secrets = ["HOOK_SIEM"]
events = ["leak.reflex", "freeze.set"]
`;
    const own = [...blocks("Revoke on leak", "toml"), ...blocks("A token for an edge service that signs", "toml")].join("\n").replaceAll("example.org", "example.com");
    writeFileSync(file, `${readFileSync(join(root, "brevet.toml"), "utf8")}\n${own}\n${lab}`);
    const pushed = await run(program(), ["config", "push", file, "--keep"], {
      env: { PATH: process.env.PATH, BREVET_URL: stage.worker.url, BREVET_OPERATOR_SECRET: stage.as.root },
    });
    assert.equal(pushed.code, 0, pushed.stdout + pushed.stderr);
  });
  after(async () => {
    await stage?.close();
    siem?.close();
  });

  const job = async (repository, grant) => {
    const now = Math.floor(Date.now() / 1_000);
    const claims = {
      iss: issuer, aud: AUDIENCE, sub: "job", jti: crypto.randomUUID(), iat: now, exp: now + 300,
      repository_id: `${repository}`, repository_owner_id: "100000001", run_id: "1",
    };
    const text = `${encode({ alg: "EdDSA", kid: "one" })}.${encode(claims)}`;
    const token = `${text}.${signBytes(null, Buffer.from(text), KEY.privateKey).toString("base64url")}`;
    const made = await stage.ask("POST", "/v1/tokens", { token, body: { template: "zone-read", grant } });
    assert.equal(made.status, 201, made.text);
    return made.json.lease;
  };
  const github = async (body, { event = "secret_scanning_alert", text = JSON.stringify(body), ...change } = {}) =>
    stage.ask("POST", "/hooks/leak", {
      body: text,
      headers: {
        "x-github-event": event, "x-github-delivery": crypto.randomUUID(), "x-hub-signature-256": await sign(GITHUB, text), ...change,
      },
    });
  const standard = (hook, body, { id = `msg_${crypto.randomUUID()}`, at = new Date(), secret = EDGE, ...change } = {}) => {
    const text = JSON.stringify(body);
    return stage.ask("POST", `/hooks/${hook}`, {
      body: text,
      headers: {
        "webhook-id": id, "webhook-timestamp": `${Math.floor(at.getTime() / 1_000)}`,
        "webhook-signature": new Webhook(secret).sign(id, at, text), ...change,
      },
    });
  };
  const tokens = () => stage.standIn.admin("GET", "/tokens");
  const receipt = async (id) => (await stage.ask("GET", `/v1/hooks/receipts/${id}`, { as: "root" })).json;
  const done = (id) => until("the order", { output: stage.worker.logs() }, DONE_MS, async () => (await receipt(id)).state === "done");
  const journal = async (account, event) => {
    const { json } = await stage.ask("GET", `/v1/audit?account=${account}&limit=100&event=${event}`, { as: "root" });
    return json.entries.map(({ entry }) => entry);
  };
  const thaw = async () => {
    const { json } = await stage.ask("GET", "/v1/freezes", { as: "root" });
    for (const { id } of json.freezes) assert.equal((await stage.ask("DELETE", `/v1/freezes/${id}`, { as: "root" })).status, 200);
  };

  it("an alert that GitHub's library signed ends every lease of the repository and freezes its grant", async (t) => {
    const doomed = [];
    for (let number = 0; number < 10; number += 1) doomed.push(await job(200000003, "lab-main"), await job(200000003, "lab-me"));
    const spared = await job(200000004, "lab-main");
    const begun = Date.now();
    const heard = await github(alert(200000003));
    const answered = Date.now() - begun;
    assert.equal(heard.status, 202, heard.text);
    assert.equal(heard.headers.location, `/v1/hooks/receipts/${heard.json.receipt}`);
    const left = new Set(doomed.map(({ token_id: id }) => id));
    await until("the end of the leases", { output: stage.worker.logs() }, DONE_MS, async () => (await tokens()).every(({ id }) => !left.has(id)));
    const ended = Date.now() - begun;
    t.diagnostic(`answered in ${answered} ms; ${doomed.length} tokens in two ledgers gone after ${ended} ms`);
    assert.ok((await tokens()).some(({ id }) => id === spared.token_id), "another repository's lease lives");
    await done(heard.json.receipt);
    const { hook, leases, left: open, freezes } = await receipt(heard.json.receipt);
    assert.deepEqual([hook, leases, open.length, freezes.length], ["leak", doomed.length, 0, 1]);
    const frozen = (await stage.ask("GET", "/v1/freezes", { as: "root" })).json.freezes;
    assert.deepEqual(frozen.map(({ grant, by }) => [grant, by]), [["app-deploy", "hook:leak"]]);
    // Both are announced, by every ledger, to whoever listens.
    const told = async (type) => siem.until(({ json }) => json.type === type && json.data.entry.by === "hook:leak", 3);
    for (const event of [...await told("leak.reflex"), ...await told("freeze.set")]) {
      assert.deepEqual(new Webhook(SIEM).verify(event.body.toString(), event.headers), event.json);
    }
    t.diagnostic(`announced to a receiver ${Date.now() - begun} ms after the alert`);
    // The journal of each account says the same.
    for (const account of ["main", "apps", "me"]) {
      for (const event of ["frozen", "revoked_many"]) {
        assert.deepEqual((await journal(account, event)).map(({ by }) => by), ["hook:leak"], `${event} in ${account}`);
      }
    }
    assert.equal((await journal("main", "revoked")).filter(({ claims }) => claims?.repository_id === "200000003").length, 10);
    await thaw();
  });

  it("a thousand deliveries of one event act once", async (t) => {
    const body = alert(200000005, 2);
    const first = await github(body);
    await done(first.json.receipt);
    const lease = await job(200000005, "lab-main");
    const before = (await journal("main", "revoked_many")).length;
    const begun = Date.now();
    for (let round = 0; round < 50; round += 1) {
      // A redelivery has an id of its own, which is not signed.
      const answers = await Promise.all(Array.from({ length: 20 }, () => github(body)));
      for (const { status, json, headers, text } of answers) {
        assert.deepEqual([status, json.receipt, headers["idempotent-replayed"]], [202, first.json.receipt, "true"], text);
      }
    }
    t.diagnostic(`1,000 redeliveries answered in ${Date.now() - begun} ms`);
    assert.equal((await journal("main", "revoked_many")).length, before);
    assert.equal((await stage.ask("GET", `/v1/leases/${lease.id}`, { as: "root" })).json.state, "active");
    await thaw();
  });

  it("kill -9 between the receipt and the deed: it happens once, after the restart", async () => {
    // The first account's ledger has the receipts. Its alarm is kept at another work, so that the order waits behind it.
    const lease = await job(200000006, "lab-main");
    const other = await stage.ask("POST", "/v1/tokens", { as: "root", body: { template: "workers-deploy", params: { account: "apps" }, ttl: "10m" } });
    assert.equal(other.status, 201, other.text);
    const barrier = await stage.standIn.barrier({ match: { method: "DELETE" }, when: "before", count: 1 });
    assert.equal((await stage.ask("POST", "/v1/leases/revoke", { as: "root", body: { owner: "operator:root", freeze: false } })).status, 202);
    await barrier.held();
    const heard = await github(alert(200000006, 3));
    assert.equal(heard.status, 202, heard.text);
    assert.equal((await receipt(heard.json.receipt)).state, "waiting");
    assert.equal((await stage.ask("GET", `/v1/leases/${lease.id}`, { as: "root" })).json.state, "active");
    await stage.restart(() => barrier.release(), "kill");
    const gone = async () => (await tokens()).every(({ id }) => id !== lease.token_id);
    // The cron rearms a lost alarm; here the first request opens the object, and that does.
    await done(heard.json.receipt);
    await until("the end of the lease", { output: stage.worker.logs() }, DONE_MS, gone);
    for (const account of ["main", "apps", "me"]) {
      const told = (await journal(account, "revoked_many")).filter(({ detail }) => detail.includes(heard.json.receipt));
      assert.equal(told.length, 1, account);
    }
    const events = (await journal("main", "revoked")).filter(({ lease: id }) => id === lease.id);
    assert.equal(events.length, 1);
    const again = await github(alert(200000006, 3));
    assert.deepEqual([again.json.receipt, again.json.state], [heard.json.receipt, "done"]);
    await thaw();
  });

  it("each one-byte change of what GitHub's library signed is refused, and so is an unknown hook", async () => {
    const body = alert(200000008, 4);
    const text = JSON.stringify(body);
    const signature = await sign(GITHUB, text);
    const refusals = [];
    for (let at = 0; at < text.length; at += 7) {
      const changed = text.slice(0, at) + String.fromCharCode(text.charCodeAt(at) ^ 1) + text.slice(at + 1);
      refusals.push(await github(null, { text: changed, "x-hub-signature-256": signature }));
    }
    for (let at = 0; at < signature.length; at += 3) {
      const digit = signature[at] === "0" ? "1" : "0";
      refusals.push(await github(body, { "x-hub-signature-256": signature.slice(0, at) + digit + signature.slice(at + 1) }));
    }
    refusals.push(await stage.ask("POST", "/hooks/nobody", { body: text, headers: { "x-hub-signature-256": signature } }));
    refusals.push(await stage.ask("POST", "/hooks/leak", { body: text }));
    const [{ text: same }] = refusals;
    for (const refusal of refusals) assert.deepEqual([refusal.status, refusal.text], [401, same]);
    assert.equal((await github(body)).status, 202, "and unchanged it is taken");
    await thaw();
  });

  it("what the library of Standard Webhooks signs is taken in its time, and with nothing changed", async () => {
    const id = `msg_${crypto.randomUUID()}`;
    const body = { type: "alert.firing" };
    for (const [change, status] of [
      [{ id, "webhook-id": `${id}x` }, 401],
      [{ id, "webhook-timestamp": `${Math.floor(Date.now() / 1_000) + 1}` }, 401],
      [{ id, secret: `whsec_${Buffer.alloc(32, 7).toString("base64")}` }, 401],
      [{ id: "msg.1" }, 401],
      [{ id, at: new Date(Date.now() - 330_000) }, 400],
      [{ id, at: new Date(Date.now() + 330_000) }, 400],
      [{ id }, 202],
      [{ id, at: new Date(Date.now() - 10_000) }, 202],
    ]) {
      const answer = await standard("alarm", body, change);
      assert.equal(answer.status, status, `${JSON.stringify(change)}: ${answer.text}`);
    }
    const { json } = await stage.ask("GET", "/v1/hooks?hook=alarm", { as: "root" });
    assert.ok(json.hooks.every(({ ready }) => ready), JSON.stringify(json.hooks));
    assert.equal(json.receipts.length, 1);
    await done(json.receipts[0].id);
    await stage.refuse("POST", "/v1/tokens", { as: "edge-purger", body: { template: "cache-purge" } }, { status: 403, kind: "frozen", why: /everything/ });
    const lifted = await standard("calm", {});
    await done(lifted.json.receipt);
    assert.equal((await stage.ask("POST", "/v1/tokens", { as: "edge-purger", body: { template: "cache-purge" } })).status, 201);
  });

  it("an edge service that signs gets its token once", async () => {
    const id = `msg_${crypto.randomUUID()}`;
    const wish = { type: "token.wanted", data: { zone: "example.com", ttl: 300 } };
    const before = (await stage.standIn.calls()).at(-1)?.number ?? 0;
    const answers = await Promise.all(Array.from({ length: 20 }, () => standard("edge-wish", wish, { id })));
    assert.equal(answers.filter(({ status }) => status === 201).length, 1, answers.map(({ text }) => text).join("\n"));
    for (const { status, json, text } of answers.filter((answer) => answer.status !== 201)) {
      assert.deepEqual([status, json.type], [409, "urn:brevet:problem:message-repeated"], text);
    }
    assert.equal((await stage.standIn.calls(`?after=${before}`)).filter(({ method }) => method === "POST").length, 1);
    const made = answers.find(({ status }) => status === 201).json;
    assert.deepEqual([made.lease.owner, made.lease.grant, made.lease.template], ["hook:edge-wish", "edge-wish", "cache-purge"]);
    const worth = await standard("look", { token: made.value });
    assert.deepEqual([worth.status, worth.json.valid], [200, true], worth.text);
    await stage.refuse("POST", "/hooks/edge-wish", {
      body: JSON.stringify(wish),
      headers: { "webhook-id": id, "webhook-timestamp": "1", "webhook-signature": `v1,${createHmac("sha256", "x").update("x").digest("base64")}` },
    }, { status: 401, kind: "invalid-signature", why: /no hook/ });
  });

  it("the lines of README.md do what they say", async () => {
    const shell = blocks("Revoke on leak", "sh").at(-1);
    const sent = await run("/bin/sh", ["-euc", shell], {
      env: { PATH: process.env.PATH, BREVET_URL: stage.worker.url, HOOK_GITHUB: GITHUB },
    });
    assert.equal(sent.code, 0, sent.stderr);
    const heard = JSON.parse(sent.stdout);
    await done(heard.receipt);
    assert.equal((await receipt(heard.receipt)).hook, "leak");
    const [source] = blocks("A token for an edge service that signs", "js");
    const signer = await run(process.execPath, ["--input-type=module", "--eval", `${source}
      console.log(JSON.stringify(await wish(process.env, "example.com")));`], {
      env: { PATH: process.env.PATH, BREVET_URL: stage.worker.url, HOOK_EDGE: EDGE },
    });
    assert.equal(signer.code, 0, signer.stderr);
    const { value, lease } = JSON.parse(signer.stdout);
    stage.heard.push({ asked: "the wish of README.md", headers: "", text: signer.stdout });
    assert.equal(lease.owner, "hook:edge-wish");
    assert.match(value, /^cfat_/);
    await thaw();
  });
});
