// The receivers of examples/receivers, each behind a recorder, with Brevet's own deliveries; and the Standard
// Webhooks library for Python on what was recorded.
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { createHmac } from "node:crypto";
import { cpSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";

import { call } from "../harness/call.js";
import * as places from "../harness/places.js";
import { freePort, run, start, until, wait } from "../harness/processes.js";
import { signingKey, startReceiver } from "../harness/receiver.js";
import { telling } from "./events.js";

const EXAMPLES = join(places.root, "examples/receivers");
const READY_MS = 120_000;

// What a receiver did is a line of JSON in what it writes.
const acted = (output, id) => output.split("\n").filter((line) => line.includes(id)).length;

async function python(key) {
  const program = start("python3", [join(EXAMPLES, "receiver.py"), "--port", "0", "--seen", join(places.folder("seen"), "seen.sqlite")], {
    env: { PATH: process.env.PATH, BREVET_EVENTS_KEY: key },
  });
  const url = await until("the receiver in Python", program, 20_000, () => program.output.match(/^ready (http:\S+)/m)?.[1]);
  return { url, output: () => program.output, stop: program.stop };
}

// The smallest web server that runs a CGI program.
async function shell(key) {
  const seen = places.folder("seen");
  let output = "";
  const server = createServer((request, response) => {
    const of = (name) => request.headers[name] ?? "";
    const child = spawn("sh", [join(EXAMPLES, "receiver.sh")], {
      env: {
        PATH: process.env.PATH, REQUEST_METHOD: request.method, BREVET_EVENTS_KEY: key, BREVET_EVENTS_SEEN: seen,
        HTTP_WEBHOOK_ID: of("webhook-id"), HTTP_WEBHOOK_TIMESTAMP: of("webhook-timestamp"), HTTP_WEBHOOK_SIGNATURE: of("webhook-signature"),
      },
    });
    let said = "";
    child.stdout.on("data", (text) => { said += text; });
    child.stderr.on("data", (text) => { output += text; });
    child.stdin.on("error", () => {}); // it refuses before it reads
    child.on("close", () => {
      output += "\n";
      response.writeHead(Number(said.match(/^Status: (\d{3}) /)?.[1] ?? 500));
      response.end();
    });
    request.pipe(child.stdin);
  });
  await new Promise((done) => { server.listen(0, "127.0.0.1", done); });
  return { url: `http://127.0.0.1:${server.address().port}`, output: () => output, stop: () => { server.closeAllConnections(); server.close(); } };
}

async function worker(key) {
  const folder = places.folder("receiver");
  cpSync(join(EXAMPLES, "worker"), folder, { recursive: true });
  const [port, inspector] = [await freePort(), await freePort()];
  const args = [
    places.wrangler(), "dev", "--config", join(folder, "wrangler.toml"), "--ip", "127.0.0.1", "--port", `${port}`, "--inspector-port", `${inspector}`,
    "--env-file", places.secretsFile({ BREVET_EVENTS_KEY: key }), "--persist-to", places.stateFolder(), "--show-interactive-dev-session=false",
  ];
  const program = start(process.execPath, args, {
    cwd: folder,
    env: { ...process.env, CI: "true", WRANGLER_SEND_METRICS: "false", WRANGLER_LOG_PATH: folder, WRANGLER_REGISTRY_PATH: folder, MINIFLARE_REGISTRY_PATH: folder, NO_COLOR: "1", NODE_TEST_CONTEXT: undefined },
  });
  const url = `http://127.0.0.1:${port}`;
  await until("the receiving Worker", program, READY_MS, async () => (await call(url, "GET", "/").catch(() => null))?.status === 405);
  return { url, output: () => program.output, stop: program.stop };
}

const RECEIVERS = { worker, python, shell };

export default ({ packages, skip }) => describe("the receivers of the examples", { skip }, () => {
  const keys = {};
  const targets = {};
  const recorders = {};
  let stage;

  before(async () => {
    const endpoints = {};
    for (const [name, begin] of Object.entries(RECEIVERS)) {
      const key = signingKey();
      keys[`HOOK_${name.toUpperCase()}`] = key;
      targets[name] = { key, ...(await begin(key)) };
      recorders[name] = await startReceiver();
      recorders[name].answer = async ({ method, headers, body }) => {
        const { status } = await call(targets[name].url, method, "/", { headers: only(headers), body });
        return { status };
      };
      endpoints[name] = { url: recorders[name].url, secrets: [`HOOK_${name.toUpperCase()}`], accounts: ["main"], events: ["lease.granted"] };
    }
    stage = await telling(endpoints, keys);
    const made = await stage.ask("POST", "/v1/tokens", { as: "ci", body: { template: "cache-purge", params: { zone: "example.com" } } });
    assert.equal(made.status, 201, made.text);
    for (const recorder of Object.values(recorders)) await recorder.until(() => true);
  });
  after(async () => {
    await stage?.close();
    for (const recorder of Object.values(recorders)) recorder.close();
    for (const target of Object.values(targets)) await target.stop();
  });

  const only = (headers) => Object.fromEntries(["webhook-id", "webhook-timestamp", "webhook-signature", "content-type"].map((name) => [name, headers[name]]));
  const send = async (name, headers, body) => (await call(targets[name].url, "POST", "/", { headers: only(headers), body })).status;
  const sign = (key, id, time, body) => {
    const mac = createHmac("sha256", Buffer.from(key.slice("whsec_".length), "base64")).update(`${id}.${time}.`).update(body).digest("base64");
    return { "webhook-id": id, "webhook-timestamp": `${time}`, "webhook-signature": `v1,${mac}`, "content-type": "application/json" };
  };

  for (const name of Object.keys(RECEIVERS)) {
    describe(name, () => {
      const recorded = () => recorders[name].got[0];
      const marked = (mark) => ({ ...recorded().json, data: { ...recorded().json.data, entry: { ...recorded().json.data.entry, lease: mark } } });
      const settled = async (mark, count) => {
        for (let times = 0; times < 50 && acted(targets[name].output(), mark) < count; times += 1) await wait(100);
        await wait(300);
        return acted(targets[name].output(), mark);
      };

      it("takes Brevet's own delivery and acts on it once, however often it comes", async () => {
        const lease = recorded().json.data.entry.lease;
        assert.equal(await settled(lease, 1), 1);
        await wait(500);
        const told = await stage.ask("GET", `/v1/deliveries?account=main&endpoint=${name}`, { as: "reader" });
        assert.equal(told.json.endpoints[0].state, "active", told.text);
        for (let times = 0; times < 3; times += 1) assert.equal(await send(name, recorded().headers, recorded().body), 204);
        assert.equal(await settled(lease, 1), 1);
      });

      it("refuses one changed byte of the body, the id, the time or the signature, and does nothing", async () => {
        const { headers, body } = recorded();
        const before = targets[name].output();
        for (const at of [0, 30, body.length - 1]) {
          const changed = Buffer.from(body);
          changed[at] ^= 1;
          assert.equal(await send(name, headers, changed), 401, `byte ${at}`);
        }
        assert.equal(await send(name, headers, Buffer.concat([body, Buffer.from("\n")])), 401, "one more byte");
        const id = headers["webhook-id"];
        const signature = headers["webhook-signature"];
        const turned = signature.slice(0, 8) + (signature[8] === "A" ? "B" : "A") + signature.slice(9);
        for (const change of [
          { "webhook-id": `${id}x` }, { "webhook-id": "" }, { "webhook-timestamp": `${Number(headers["webhook-timestamp"]) - 1}` },
          { "webhook-timestamp": "now" }, { "webhook-signature": turned }, { "webhook-signature": signature.slice(3) }, { "webhook-signature": "v1," }, { "webhook-signature": "" },
        ]) {
          assert.equal(await send(name, { ...headers, ...change }, body), 401, JSON.stringify(change));
        }
        assert.equal(await send(name, sign(signingKey(), "evt_other", Math.floor(Date.now() / 1000), body), body), 401, "another key");
        await wait(300);
        assert.equal(acted(targets[name].output(), "evt_other"), acted(before, "evt_other"));
        assert.equal(acted(targets[name].output(), recorded().json.data.entry.lease), acted(before, recorded().json.data.entry.lease));
      });

      it("refuses a good signature of an old time and of one to come, and takes it where one of several is good", async () => {
        const { key } = targets[name];
        const now = Math.floor(Date.now() / 1000);
        const old = Buffer.from(JSON.stringify(marked("MARKOLD")));
        for (const [number, time] of [now - 310, now + 310].entries()) {
          assert.equal(await send(name, sign(key, `evt_old_${number}`, time, old), old), 401);
        }
        assert.equal(await settled("MARKOLD", 0), 0);
        const fresh = Buffer.from(JSON.stringify(marked("MARKFRESH")));
        const headers = sign(key, "evt_fresh", now, fresh);
        const other = sign(signingKey(), "evt_fresh", now, fresh)["webhook-signature"];
        headers["webhook-signature"] = `${other} ${headers["webhook-signature"]}`;
        assert.equal(await send(name, headers, fresh), 204);
        assert.equal(await settled("MARKFRESH", 1), 1);
      });
    });
  }

  it("are no more exact than the Standard Webhooks library for Python, which takes and refuses the same", async () => {
    const lines = [];
    for (const [name, recorder] of Object.entries(recorders)) {
      const { headers, body } = recorder.got[0];
      const line = (change = {}, bytes = body, key = targets[name].key) => lines.push({ key, headers: { ...only(headers), ...change }, body: bytes.toString("base64") });
      line();
      line({}, Buffer.concat([body, Buffer.from(" ")]));
      line({ "webhook-id": "evt_x" });
      line({ "webhook-timestamp": `${Number(headers["webhook-timestamp"]) + 1}` });
      line({}, body, signingKey());
    }
    const file = join(places.folder("events"), "events");
    writeFileSync(file, lines.map((line) => `${JSON.stringify(line)}\n`).join(""), { mode: 0o600 });
    const done = await run("python3", [join(places.root, "tests/worker/python/verify_events.py"), file], { env: { PATH: process.env.PATH, PYTHONPATH: packages } });
    assert.equal(done.code, 0, done.stderr);
    const refusal = { error: "WebhookVerificationError" };
    const each = [{ type: "lease.granted" }, refusal, refusal, refusal, refusal];
    assert.deepEqual(done.stdout.trimEnd().split("\n").map((line) => JSON.parse(line)), [...each, ...each, ...each]);
  });
});
