// What may go wrong around a ledger: limits, outages, clocks, other installations, and a lost database.
import assert from "node:assert/strict";
import { rmSync } from "node:fs";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";

import { until, wait } from "../harness/processes.js";
import { open } from "../harness/stage.js";
import { MAIN } from "../harness/stand_in.js";

const purge = { template: "cache-purge", params: { zone: "example.com" } };
const LIFE_MS = 60_000;
const LATE_MS = 30_000;
// After a failure the alarm waits a minute, then two.
const BACKOFF_MS = 190_000;

const mint = (stage, body = purge) => stage.ask("POST", "/v1/tokens", { as: "ci", body });
const tokens = (stage) => stage.standIn.admin("GET", "/tokens");
const ours = async (stage) => (await tokens(stage)).filter(({ name }) => name.startsWith("brevet:"));
const last = async (stage) => (await stage.standIn.calls()).at(-1)?.number ?? 0;
const isList = ({ method, path }) => method === "GET" && path.endsWith(`/accounts/${MAIN}/tokens`);

// The cron, and all that the ledger of "main" does because of it.
async function tend(stage) {
  const before = await last(stage);
  assert.equal((await stage.ask("GET", "/cdn-cgi/local/scheduled")).status, 200);
  await until("the list", { output: stage.worker.logs() }, 20_000, async () =>
    (await stage.standIn.calls(`?after=${before}`)).some(isList));
  let seen = -1;
  for (let now = await last(stage); now !== seen; now = await last(stage)) {
    seen = now;
    await wait(1_000);
  }
  return stage.standIn.calls(`?after=${before}`);
}

export default () => describe("faults", { concurrency: true }, () => {
  describe("limits and clocks", { concurrency: false }, () => {
    let stage;
    before(async () => { stage = await open(); });
    after(() => stage?.close());

    it("a storm of 429 costs few calls, tells everybody when to come again, and passes", async () => {
      await mint(stage);
      await stage.standIn.fault({ effect: { kind: "rate_limited", retry_after: 20 } });
      const storm = async () => {
        const before = await last(stage);
        for (const answer of await Promise.all(Array.from({ length: 40 }, () => mint(stage)))) {
          assert.equal(answer.status, 429, answer.text);
          assert.ok(Number(answer.headers["retry-after"]) > 0, "it says when");
          assert.equal(answer.headers["x-should-retry"], "true");
        }
        return stage.standIn.calls(`?after=${before}`);
      };
      // Those that were on their way already meet it themselves, each once; one of them waits and tries again.
      const met = (await storm()).length;
      assert.ok(met <= 41, `${met} calls`);
      assert.deepEqual(await storm(), [], "and nobody after them");
      await stage.standIn.mend();
      const { leases } = (await stage.ask("GET", "/v1/leases?state=pending", { as: "ci" })).json;
      assert.deepEqual(leases, [], "nothing is left open");
      await until("the end of the block", { output: stage.worker.logs() }, 60_000, async () => (await mint(stage)).status === 201);
    });

    it("a clock at Cloudflare that jumps an hour breaks nothing for good", async () => {
      const made = await mint(stage);
      assert.equal(made.status, 201, made.text);
      await stage.standIn.admin("POST", "/clock", { jump_s: 3_600 });
      const refused = await mint(stage);
      assert.ok(refused.status >= 400, "its end has passed there");
      assert.doesNotMatch(refused.text, /undefined|panic/);
      await tend(stage);
      assert.equal((await stage.ask("GET", `/v1/leases/${made.json.lease.id}`, { as: "ci" })).json.state, "active");
      await stage.standIn.admin("POST", "/clock", { jump_s: -7_200 });
      const early = await mint(stage);
      assert.equal(early.status, 201, early.text);
      await stage.standIn.admin("POST", "/clock", { jump_s: 3_600 });
      assert.equal((await mint(stage)).status, 201);
      for (const answer of [made, early]) {
        const gone = await stage.ask("DELETE", `/v1/leases/${answer.json.lease.id}`, { as: "ci" });
        assert.equal(gone.status, 200, gone.text);
      }
    });
  });

  it("while Cloudflare is down tokens end in the books, and at Cloudflare as soon as it is back", async () => {
    const stage = await open();
    try {
      const { json } = await mint(stage, { ...purge, ttl: 60 });
      await stage.standIn.fault({ effect: { kind: "status", status: 503, code: 10001, message: "Internal error" } });
      await wait(LIFE_MS + 15_000);
      const { state, end } = (await stage.ask("GET", `/v1/leases/${json.lease.id}`, { as: "ci" })).json;
      assert.deepEqual([state, end], ["ended", "expired"]);
      const there = async () => (await tokens(stage)).some(({ id }) => id === json.lease.token_id);
      assert.ok(await there());
      await stage.standIn.mend();
      await until("the end of the token", { output: stage.worker.logs() }, BACKOFF_MS + LATE_MS, async () => !(await there()));
    } finally {
      await stage.close();
    }
  });

  it("two installations and a forger in one account survive each other's sweeps, and a stray does not", async () => {
    const one = await open();
    const rules = structuredClone(one.rules);
    rules.brevet.install = "second";
    const two = await open({ standIn: one.standIn, rules });
    try {
      // Everything made from now on is an hour old.
      await one.standIn.admin("POST", "/clock", { jump_s: -3_600 });
      for (const stage of [one, two]) for (let i = 0; i < 3; i += 1) assert.equal((await mint(stage)).status, 201);
      for (const stage of [one, two]) await tend(stage);
      for (const stage of [one, two]) await stage.restart();
      const [name] = (await ours(one)).map((token) => token.name).filter((each) => each.startsWith(`brevet:${one.rules.brevet.install}:`));
      const plant = async (as) => (await one.standIn.admin("POST", "/tokens", { owner: MAIN, name: as, policies: [] }));
      await plant(name.replace(/\.(.)/, (_, first) => `.${first === "0" ? "1" : "0"}`));
      await plant("somebody else's");
      const before = await tokens(one);
      await plant(name);
      const stray = (await tokens(one)).find(({ id }) => !before.some((known) => known.id === id)).id;
      const calls = [...await tend(one), ...await tend(two)];
      const deleted = calls.filter(({ method }) => method === "DELETE").map(({ path }) => path.split("/").at(-1));
      assert.deepEqual(deleted, [stray], "the second token of a name, and nothing else");
      assert.deepEqual((await tokens(one)).map(({ id }) => id).sort(), before.map(({ id }) => id).sort());
      const { entries } = (await one.ask("GET", "/v1/audit?account=main&event=swept", { as: "root" })).json;
      assert.equal(entries[0].entry.token_id, stray);
    } finally {
      await two.close();
      await one.close();
    }
  });

  it("a ledger that lost its database deletes nothing, and its book can be made anew", async () => {
    const stage = await open();
    try {
      await stage.standIn.admin("POST", "/clock", { jump_s: -3_600 });
      const made = [];
      for (let i = 0; i < 30; i += 1) made.push((await mint(stage)).json.lease);
      await tend(stage);
      await stage.restart((state) => rmSync(join(state, "v3/do/brevet-Ledger"), { recursive: true }));
      assert.deepEqual((await stage.ask("GET", "/v1/leases?account=main", { as: "root" })).json.leases, [], "it is lost");
      const calls = [];
      for (let i = 0; i < 2; i += 1) {
        calls.push(...await tend(stage));
        await stage.restart();
      }
      assert.deepEqual(calls.filter(({ method }) => method !== "GET"), []);
      assert.match(stage.allLogs(), /books_lost/);
      assert.equal((await ours(stage)).length, 30);
      const rebuilt = await stage.ask("POST", "/v1/ledgers/main/rebuild", { as: "root" });
      assert.equal(rebuilt.status, 200, rebuilt.text);
      assert.deepEqual(rebuilt.json.found.map(({ token_id }) => token_id).sort(), made.map(({ token_id }) => token_id).sort());
      const stopped = await stage.ask("POST", "/v1/leases/revoke", { as: "root", body: { all: true } });
      assert.equal(stopped.status, 202, stopped.text);
      await until("the end of all", { output: stage.worker.logs() }, 60_000, async () => (await ours(stage)).length === 0);
    } finally {
      await stage.close();
    }
  });
});

