// The operator's program against a running installation: the journal, taken out and checked, and a book made anew.
import assert from "node:assert/strict";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, it } from "node:test";

import { folder, program } from "../harness/places.js";
import { run } from "../harness/processes.js";

const purge = { template: "cache-purge", params: { zone: "example.com" } };

export default (stage) => describe("the operator's program", () => {
  const brevet = (args, variables = {}) => run(program(), args, {
    env: { PATH: process.env.PATH, BREVET_URL: stage.worker.url, BREVET_OPERATOR_SECRET: stage.as.root, ...variables },
  });
  const file = () => join(folder("journal"), "journal.jsonl");

  it("takes a journal out and finds it as it was written", async () => {
    for (let i = 0; i < 60; i += 1) {
      const made = await stage.ask("POST", "/v1/tokens", { as: "ci", body: purge });
      assert.equal(made.status, 201, made.text);
      assert.equal((await stage.ask("DELETE", `/v1/leases/${made.json.lease.id}`, { as: "ci" })).status, 200);
    }
    const exported = await brevet(["audit", "export", "--account", "main"]);
    assert.equal(exported.code, 0, exported.stderr);
    const lines = exported.stdout.trim().split("\n");
    assert.ok(lines.length >= 180, "more than one page");
    assert.equal(JSON.parse(lines[0]).seq, 1, "the oldest first");
    const path = file();
    writeFileSync(path, exported.stdout);
    const pepper = { BREVET_PEPPER: stage.pepper };
    const good = await brevet(["audit", "verify", path], pepper);
    assert.equal(good.code, 0, good.stdout);
    const last = JSON.parse(lines.at(-1));
    assert.match(good.stdout, new RegExp(`the last is ${last.seq}:${last.mac}`));

    const verify = async (changed, head) => {
      writeFileSync(path, `${changed.join("\n")}\n`);
      return brevet(["audit", "verify", path, ...(head ? ["--head", head] : [])], pepper);
    };
    const altered = await verify(lines.map((line, at) => (at === 40 ? line.replace("client:ci", "client:no") : line)));
    assert.deepEqual([altered.code, /entry 41 was altered/.test(altered.stdout)], [1, true], altered.stdout);
    const missing = await verify(lines.toSpliced(50, 1));
    assert.deepEqual([missing.code, /entry 51 is missing/.test(missing.stdout)], [1, true], missing.stdout);
    const cut = await verify(lines.slice(0, -3), `${last.seq}:${last.mac}`);
    assert.deepEqual([cut.code, /cut off/.test(cut.stdout)], [1, true], cut.stdout);
    const other = await brevet(["audit", "verify", path], { BREVET_PEPPER: "x".repeat(40) });
    assert.equal(other.code, 1, other.stdout);
    assert.equal((await brevet(["audit", "verify", path])).code, 2, "no pepper");
  });

  it("finds the same chain in the Worker's log", async () => {
    const lines = stage.allLogs().split("\n").map((line) => line.trim()).filter((line) => line.startsWith('{"event":"journal"'));
    const main = lines.filter((line) => line.includes('"ledger":"account:0123456789abcdef0123456789abcdef"'));
    assert.ok(main.length > 100);
    const path = file();
    writeFileSync(path, `${main.join("\n")}\n`);
    const found = await brevet(["audit", "verify", path], { BREVET_PEPPER: stage.pepper });
    assert.equal(found.code, 0, found.stdout);
    assert.ok(!readFileSync(path, "utf8").includes(stage.pepper));
  });

  it("shows what the rules would make of a workload, and makes nothing", async () => {
    const path = join(folder("claims"), "claims.json");
    const claims = {
      iss: "https://token.actions.githubusercontent.com", sub: "repo:octo-org/app:environment:prod", repository_owner_id: "100000001",
      repository_id: "200000003", ref: "refs/heads/main", environment: "prod", event_name: "push", run_id: "7",
    };
    const simulate = (change, ...more) => {
      writeFileSync(path, JSON.stringify({ ...claims, ...change }));
      return brevet(["simulate", "--claims", path, ...more]);
    };
    const { result: good, calls } = await stage.upstream(() => simulate({}, "--template", "workers-deploy", "--ttl", "10m"));
    assert.equal(good.code, 0, good.stderr + good.stdout);
    assert.match(good.stdout, /^matches app-deploy: workers-deploy$/m);
    assert.match(good.stdout, /^a token by grant app-deploy until .*Workers Scripts Write/m);
    assert.deepEqual(calls, []);
    const near = await simulate({ environment: "staging" });
    assert.equal(near.code, 1, near.stdout);
    assert.match(near.stdout, /^misses app-deploy by environment: wanted is "prod", it is "staging"$/m);
    const event = await simulate({ event_name: "pull_request_target" });
    assert.match(event.stdout, /^misses app-deploy by event_name: the grant must name it/m);
    const stranger = await simulate({ repository_owner_id: "1" }, "--json");
    assert.deepEqual([stranger.code, /repository_owner_id/.test(JSON.parse(stranger.stdout).refused)], [1, true]);
    for (const args of [["simulate"], ["simulate", "--jwt", path, "--claims", path], ["simulate", "--claims", "/nowhere"], ["simulate", "--claims", path, "--template", "x", "--param", "zone"]]) {
      assert.equal((await brevet(args)).code, 2, args.join(" "));
    }
    writeFileSync(path, "[]");
    assert.equal((await brevet(["simulate", "--claims", path])).code, 2);
    const reader = await brevet(["simulate", "--jwt", path]);
    assert.deepEqual([reader.code, /three parts/.test(reader.stderr)], [1, true], reader.stderr);
  });

  it("makes a book anew, and says where it may not", async () => {
    const rebuilt = await brevet(["ledger", "rebuild", "--account", "main"]);
    assert.equal(rebuilt.code, 0, rebuilt.stderr);
    assert.match(rebuilt.stderr, /^0 leases were taken in/m);
    const reader = await brevet(["ledger", "rebuild", "--account", "main"], { BREVET_OPERATOR_SECRET: stage.as.reader });
    assert.equal(reader.code, 1, reader.stderr);
    assert.match(reader.stderr, /config/);
    const nowhere = await brevet(["ledger", "rebuild", "--account", "nowhere"]);
    assert.equal(nowhere.code, 1, nowhere.stderr);
  });
});
