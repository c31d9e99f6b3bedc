// Events: what the journal says, sent to receivers that check it with the libraries people use.
import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";

import { sign } from "@octokit/webhooks-methods";
import { Webhook } from "standardwebhooks";

import { evidence, search } from "../harness/leaks.js";
import { wait } from "../harness/processes.js";
import { signingKey, startReceiver } from "../harness/receiver.js";
import { open } from "../harness/stage.js";

const purge = { template: "cache-purge", params: { zone: "example.com" } };
const lower = (headers) => Object.fromEntries(["webhook-id", "webhook-timestamp", "webhook-signature"].map((name) => [name, headers[name]]));
const verified = (key, { body, headers }) => new Webhook(key).verify(body.toString(), lower(headers));

// A stage whose events go to receivers of the tests' own.
export async function telling(endpoints, keys, hooks) {
  const stage = await open({ hooks: keys });
  const rules = structuredClone(stage.rules);
  rules.endpoint = endpoints;
  if (hooks) rules.hook = hooks;
  const pushed = await stage.push(rules);
  assert.equal(pushed.status, 200, pushed.text);
  stage.rules = rules;
  return stage;
}

export default () => describe("events", () => {
  const keys = { HOOK_GITHUB: signingKey(), HOOK_SIEM: signingKey(), HOOK_SIEM_NEXT: signingKey(), HOOK_CHAT: signingKey(), HOOK_TRAP: signingKey() };
  let stage;
  let siem;
  let chat;
  let trap;
  let elsewhere;

  before(async () => {
    [siem, chat, trap, elsewhere] = await Promise.all([startReceiver(), startReceiver(), startReceiver(), startReceiver()]);
    trap.answer = () => ({ status: 307, headers: { location: `${elsewhere.url}/stolen` } });
    stage = await telling({
      siem: { url: `${siem.url}/in`, secrets: ["HOOK_SIEM", "HOOK_SIEM_NEXT"], accounts: ["main"] },
      chat: { url: chat.url, secrets: ["HOOK_CHAT"], accounts: ["main"], events: ["freeze.set", "freeze.lifted", "lease.refused"] },
      trap: { url: trap.url, secrets: ["HOOK_TRAP"], accounts: ["main"], events: ["lease.granted"] },
    }, keys, {
      leak: {
        scheme: "github", secrets: ["HOOK_GITHUB"], when: [{ event: "secret_scanning_alert", "/action": "created" }],
        revoke: { owner: "client:ci" }, freeze: { grant: "ci-purge", for: "1h" },
      },
    });
  });
  after(async () => {
    await stage?.close();
    for (const receiver of [siem, chat, trap, elsewhere]) receiver?.close();
  });

  const mint = async () => {
    const made = await stage.ask("POST", "/v1/tokens", { as: "ci", body: purge });
    assert.equal(made.status, 201, made.text);
    return made.json;
  };
  const of = (type, lease) => ({ json }) => json.type === type && (!lease || json.data.entry.lease === lease);
  const deliveries = async (query = "") => {
    const told = await stage.ask("GET", `/v1/deliveries?account=main${query}`, { as: "reader" });
    assert.equal(told.status, 200, told.text);
    return told.json;
  };

  it("of a lease's life arrive within seconds, signed by both keys, and the library takes them under each", async (test) => {
    const begun = Date.now();
    const made = await mint();
    assert.equal((await stage.ask("DELETE", `/v1/leases/${made.lease.id}`, { as: "ci" })).status, 200);
    const [granted] = await siem.until(of("lease.granted", made.lease.id));
    await siem.until(of("lease.revoked", made.lease.id));
    test.diagnostic(`granted was received ${granted.at - begun} ms after the request for it began`);
    const lives = siem.got.filter(({ json }) => json.data.entry.lease === made.lease.id).map(({ json }) => json.type);
    assert.deepEqual(lives, ["lease.granted", "lease.revoking", "lease.revoked"]);
    for (const event of siem.got) {
      assert.equal(event.headers["webhook-signature"].split(" ").length, 2);
      for (const key of [keys.HOOK_SIEM, keys.HOOK_SIEM_NEXT]) assert.deepEqual(verified(key, event), event.json);
      assert.throws(() => verified(keys.HOOK_CHAT, event), /No matching signature/);
    }
  });

  it("are refused by the library with one byte of the body, the id, the time or the signature changed", async () => {
    const [event] = siem.got;
    const flip = (text, at) => text.slice(0, at) + String.fromCharCode(text.charCodeAt(at) ^ 1) + text.slice(at + 1);
    const text = event.body.toString();
    const library = new Webhook(keys.HOOK_SIEM);
    for (let at = 0; at < text.length; at += 7) assert.throws(() => library.verify(flip(text, at), lower(event.headers)), `byte ${at}`);
    for (const [name, value] of [["webhook-id", flip(event.id, 6)], ["webhook-timestamp", `${Number(event.headers["webhook-timestamp"]) - 1}`]]) {
      assert.throws(() => library.verify(text, { ...lower(event.headers), [name]: value }), name);
    }
    const [first] = event.headers["webhook-signature"].split(" ");
    assert.throws(() => library.verify(text, { ...lower(event.headers), "webhook-signature": flip(first, 10) }));
    assert.throws(() => library.verify(text, { ...lower(event.headers), "webhook-timestamp": `${Math.floor(Date.now() / 1000) - 301}` }), /too old/);
  });

  it("say where they stand in the journal, and the journal says the same", async () => {
    const audit = await stage.ask("GET", "/v1/audit?account=main&limit=100", { as: "root" });
    const entries = new Map(audit.json.entries.map((kept) => [kept.seq, kept]));
    assert.ok(siem.got.length >= 4);
    for (const { json, id } of siem.got) {
      const { seq, mac } = json.data.journal;
      assert.equal(entries.get(seq).mac, mac);
      assert.deepEqual(entries.get(seq).entry, json.data.entry);
      assert.match(id, new RegExp(`^evt_account_[0-9a-f]{32}_${seq}_${mac.slice(0, 16)}_siem$`));
    }
  });

  it("go to whom the filters let them", async () => {
    const frozen = await stage.ask("POST", "/v1/freezes", { as: "root", body: { grant: "ci-purge", reason: "A drill." } });
    assert.equal(frozen.status, 201, frozen.text);
    assert.equal((await stage.ask("POST", "/v1/tokens", { as: "ci", body: purge })).status, 403);
    assert.equal((await stage.ask("DELETE", `/v1/freezes/${frozen.json.id}`, { as: "root" })).status, 200);
    await chat.until(of("freeze.lifted"));
    assert.deepEqual(chat.got.map(({ json }) => json.type), ["freeze.set", "lease.refused", "freeze.lifted"]);
    for (const event of chat.got) verified(keys.HOOK_CHAT, event);
  });

  it("follow no redirect, and the failure is shown", async () => {
    await trap.until(() => true);
    assert.deepEqual(elsewhere.got, []);
    const { endpoints, deliveries: [failed] } = await deliveries("&endpoint=trap");
    assert.deepEqual([endpoints[0].state, endpoints[0].failure], ["failing", "it answered 307, and redirects are not followed"]);
    assert.equal(failed.state, "waiting");
  });

  it("come again under their id when they failed, and once more when an operator replays them", async () => {
    const seen = new Set();
    siem.answer = ({ id }) => ({ status: seen.has(id) ? 200 : (seen.add(id), 503) });
    const made = await mint();
    const [first, second] = await siem.until(of("lease.granted", made.lease.id), 2);
    assert.deepEqual([second.id, second.body.toString()], [first.id, first.body.toString()]);
    assert.ok(second.at - first.at >= 9_000, `${second.at - first.at} ms`);
    siem.answer = () => ({ status: 204 });
    await wait(500);
    const { deliveries: [done] } = await deliveries("&endpoint=siem&state=delivered");
    assert.deepEqual([done.id, done.tries], [first.id, 2]);
    const replayed = await stage.ask("POST", `/v1/deliveries/${first.id}/replay`, { as: "root" });
    assert.equal(replayed.status, 202, replayed.text);
    const [, , third] = await siem.until(of("lease.granted", made.lease.id), 3);
    assert.deepEqual([third.id, third.body.toString()], [first.id, first.body.toString()]);
    assert.deepEqual(verified(keys.HOOK_SIEM, third), made && third.json);
    for (const as of ["ci", "reader"]) {
      assert.equal((await stage.ask("POST", `/v1/deliveries/${first.id}/replay`, { as })).status, 403, as);
    }
  });

  it("survive a kill between the journal and the delivery: each happens, once by its id", async () => {
    const before = new Set(siem.got.map(({ id }) => id));
    const leases = [];
    // What arrives is not answered: the Worker dies before it knows.
    siem.answer = () => ({ hang: true });
    for (let times = 0; times < 3; times += 1) leases.push((await mint()).lease.id);
    await siem.until(of("lease.granted", leases[0]));
    // One more, whose event is in the journal alone.
    leases.push((await mint()).lease.id);
    await stage.restart(() => {}, "kill");
    siem.answer = () => ({ status: 204 });
    // Somebody must call before the object lives again; then its alarm goes on by itself.
    assert.equal((await deliveries()).account.name, "main");
    for (const lease of leases) await siem.until((event) => of("lease.granted", lease)(event) && !before.has(event.id));
    await wait(2_000);
    for (const lease of leases) {
      const events = siem.got.filter(of("lease.granted", lease));
      assert.equal(new Set(events.map(({ id }) => id)).size, 1, `${lease}: one id, whatever came how often`);
    }
    assert.ok(siem.got.filter(of("lease.granted", leases[0])).length >= 2, "the attempt that died was made again");
  });

  it("do not keep the kill switch waiting for a receiver that hangs", async (test) => {
    const made = await mint();
    await siem.until(of("lease.granted", made.lease.id));
    siem.answer = () => ({ hang: true });
    const other = await mint();
    await siem.until(of("lease.granted", other.lease.id));
    const begun = Date.now();
    const stopped = await stage.ask("POST", "/v1/leases/revoke", { as: "root", body: { grant: "ci-purge", freeze: false } });
    assert.equal(stopped.status, 202, stopped.text);
    for (;;) {
      const job = (await stage.ask("GET", `/v1/jobs/${stopped.json.id}`, { as: "root" })).json;
      if (job.queued === 0) break;
      assert.ok(Date.now() - begun < 8_000, "the receiver has 10 s, the deletions do not wait for it");
      await wait(100);
    }
    test.diagnostic(`${stopped.json.queued} leases were gone ${Date.now() - begun} ms after the wish, while a receiver hung`);
    siem.answer = () => ({ status: 204 });
  });

  it("announce the leak reflex: the freeze, the revocation of all and the end of each", async (test) => {
    const made = await mint();
    const text = JSON.stringify({ action: "created", alert: { number: 1 }, repository: { id: 7 } });
    const headers = { "x-github-event": "secret_scanning_alert", "x-github-delivery": crypto.randomUUID(), "x-hub-signature-256": await sign(keys.HOOK_GITHUB, text) };
    const sent = Date.now();
    const heard = await stage.ask("POST", "/hooks/leak", { body: text, headers });
    assert.equal(heard.status, 202, heard.text);
    const [ended] = await siem.until(of("lease.revoked", made.lease.id));
    test.diagnostic(`its end was received ${ended.at - sent} ms after the alert was sent`);
    const [reflex] = await siem.until(of("leak.reflex"));
    assert.equal(reflex.json.data.entry.by, "hook:leak");
    await siem.until(({ json }) => json.type === "freeze.set" && json.data.entry.by === "hook:leak");
    for (const event of siem.got.slice(-3)) verified(keys.HOOK_SIEM_NEXT, event);
  });

  it("hold no value, no parent and no key", async () => {
    const texts = [siem, chat, trap].flatMap(({ got }) => got.map(({ body, headers }) => body.toString() + JSON.stringify(headers)));
    assert.ok(texts.length > 15, `${texts.length}`);
    const values = stage.heard.flatMap(({ text }) => [...text.matchAll(/cf[ua]t_[A-Za-z0-9_-]{40,}/g)].map(([value]) => value));
    assert.ok(values.length > 5);
    for (const secret of [...values, ...Object.values(stage.standIn.parents), ...Object.values(keys), stage.pepper, stage.as.root]) {
      assert.ok(texts.every((text) => !text.includes(secret.replace("whsec_", ""))), "a secret in an event");
    }
    // And the keys are nowhere in what Brevet wrote, kept or answered.
    const bare = Object.fromEntries(Object.entries(keys).map(([name, key]) => [name, key.slice("whsec_".length)]));
    assert.deepEqual(search(await evidence(stage), bare), []);
  });

  it("are refused a place in a private network by the push", async () => {
    for (const url of ["https://10.0.0.1/", "https://169.254.169.254/", "https://[::1]/", "https://localhost/", "https://metadata.internal/", "http://10.0.0.1/", "https://siem.example:8443/"]) {
      const rules = structuredClone(stage.rules);
      rules.endpoint.siem.url = url;
      const pushed = await stage.push(rules);
      assert.equal(pushed.status, 422, `${url}: ${pushed.text}`);
      assert.match(pushed.text, /"pointer":"\/endpoint\/siem\/url"/);
    }
  });
});
