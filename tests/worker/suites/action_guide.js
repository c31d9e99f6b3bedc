// The guide "From nothing to a deploy", as it is pasted: its rules, pushed with the operator's program, and its workflow's
// step, run as a runner does, against jobs that it is for and jobs that it is not for.
import assert from "node:assert/strict";
import { readFileSync, readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, it } from "node:test";

import { blocks, filled } from "../harness/guides.js";
import { folder, program, root } from "../harness/places.js";
import { run } from "../harness/processes.js";
import { CLAIMS, told } from "../harness/runner.js";
import { APPS, MAIN } from "../harness/stand_in.js";

const URL_OF_GUIDE = "https://brevet.example.org";

// What the step with the Action is given, as `with` has it.
function inputsOf(workflow) {
  const [, text] = /uses: your-org\/brevet\/action@COMMIT\n +with:\n((?: {10}.*\n)+)/.exec(workflow);
  return Object.fromEntries(text.trim().split("\n").map((line) => line.trim().split(/: (.*)/s).slice(0, 2)));
}

export default (world) => describe("from nothing to a deploy", () => {
  const [rules] = blocks("README.md", "toml");
  const [workflow] = blocks("README.md", "yaml");

  it("says the same on both pages, and what wrangler-action needs", () => {
    assert.ok(rules.includes(blocks("action/README.md", "toml")[0]));
    assert.equal(blocks("action/README.md", "yaml")[0], workflow);
    assert.match(workflow, /wrangler-action@v3\n +with:\n +apiToken: \$\{\{ env\.CLOUDFLARE_API_TOKEN \}\}\n +accountId: \$\{\{ env\.CLOUDFLARE_ACCOUNT_ID \}\}\n/);
    assert.match(workflow, /environment: production\n +permissions:\n +contents: read\n +id-token: write/);
  });

  it("its rules are taken as they are pasted", async () => {
    const { stage, gate, issuer } = world;
    const path = join(folder("rules"), "brevet.toml");
    writeFileSync(path, filled(rules, {
      [URL_OF_GUIDE]: gate.url, "https://token.actions.githubusercontent.com": issuer.url,
      "5f2b0c9d7e8a41639b0d2c4e6f8a1b3c": MAIN, "8c1d2e3f405162738495a6b7c8d9e0f1": APPS,
    }));
    const pushed = await run(program(), ["config", "push", path, "--keep"], {
      env: { PATH: process.env.PATH, BREVET_URL: stage.worker.url, BREVET_OPERATOR_SECRET: stage.as.root },
    });
    assert.equal(pushed.code, 0, pushed.stderr);
  });

  it("its step gets a token that deploys in the one account, and ends it after the job", async () => {
    const { stage, gate, runner } = world;
    const inputs = inputsOf(workflow);
    assert.deepEqual(Object.keys(inputs), ["url", "template"]);
    const step = await runner.step({ ...inputs, url: filled(inputs.url, { [URL_OF_GUIDE]: gate.url }) });
    assert.equal(step.code, 0, step.stdout);
    const { CLOUDFLARE_API_TOKEN: value, CLOUDFLARE_ACCOUNT_ID: account } = step.exported;
    assert.equal(account, APPS);
    const lease = (await stage.ask("GET", `/v1/leases/${step.outputs["lease-id"]}`, { as: "root" })).json;
    assert.deepEqual([lease.grant, lease.template, lease.run, lease.state], ["app-deploy", "workers-deploy", CLAIMS.run_id, "active"]);
    assert.ok(lease.may.every(({ resources }) => Object.keys(resources).every((name) => name === `com.cloudflare.api.account.${APPS}`)));
    assert.equal((await stage.standIn.with(value, "GET", `/accounts/${APPS}/tokens/verify`)).status, 200);
    const post = await step.post();
    assert.deepEqual([post.code, told(post, "warning")], [0, []], post.stdout);
    assert.equal((await stage.standIn.with(value, "GET", `/accounts/${APPS}/tokens/verify`)).status, 401);
    const audit = await stage.ask("GET", `/v1/audit?account=apps&lease=${lease.id}`, { as: "root" });
    assert.deepEqual(audit.json.entries.map(({ entry }) => entry.event), ["revoked", "revoking", "created"]);
  });

  for (const [who, change] of Object.entries({
    "another branch": { ref: "refs/heads/feature" },
    "a branch that begins like it": { ref: "refs/heads/main2" },
    "a tag of its name": { ref: "refs/tags/main", ref_type: "tag" },
    "a pull request": { ref: "refs/pull/7/merge", event_name: "pull_request", sub: "repo:octo-org/app:pull_request" },
    "pull_request_target, whose claims are those of main": { event_name: "pull_request_target" },
    "workflow_run": { event_name: "workflow_run" },
    "issue_comment": { event_name: "issue_comment" },
    "a run started by hand": { event_name: "workflow_dispatch" },
    "a job without the environment": { environment: undefined, sub: "repo:octo-org/app:ref:refs/heads/main" },
    "another environment": { environment: "staging" },
    "another repository of the owner": { repository_id: "200000079" },
    "a repository of the same name": { repository_id: "9" },
  })) {
    it(`its rule refuses ${who}, and says which claim`, async () => {
      const { stage, gate, runner } = world;
      const claim = Object.keys(change).filter((name) => name !== "sub" && name !== "ref_type").at(-1);
      runner.claims = { ...CLAIMS, ...change };
      const { result: step, calls } = await stage.upstream(() => runner.step({ url: gate.url, template: "workers-deploy", grant: "app-deploy" }));
      runner.claims = CLAIMS;
      assert.deepEqual([step.code, step.exported, step.outputs, step.state, calls], [1, {}, {}, {}, []], step.stdout);
      const [said] = told(step, "error");
      assert.match(said, new RegExp(`"?${claim}"?.*claims-do-not-fit, status 403`));
      assert.match(said, new RegExp(`this job is sub=.*event_name=${change.event_name ?? "push"}`));
    });
  }

  it("each of these refusals is in the journal, with the claim that decided", async () => {
    const { json, text } = await world.stage.ask("GET", "/v1/audit?account=apps&event=refused&limit=100", { as: "root" });
    const details = json.entries.map(({ entry }) => `${entry.by} ${entry.detail}`);
    assert.equal(details.filter((detail) => /^oidc:github:.*(ref|event_name|environment|repository_id)/.test(detail)).length, 12, text);
  });

  it("its issuer refuses every other owner's repositories, with the same names", async () => {
    const { stage, gate, runner } = world;
    runner.claims = { ...CLAIMS, repository_owner_id: "5" };
    const { result: step, calls } = await stage.upstream(() => runner.step({ url: gate.url, template: "workers-deploy" }));
    runner.claims = CLAIMS;
    assert.deepEqual([step.code, step.exported, calls], [1, {}, []], step.stdout);
    assert.match(told(step, "error")[0], /repository_owner_id.*invalid-identity, status 401/);
  });

  it("the Action is under 400 lines, and runs what Node itself has and nothing else", () => {
    const place = join(root, "action");
    const names = readdirSync(place).filter((name) => name !== "README.md");
    const lines = Object.fromEntries(names.map((name) => [name, readFileSync(join(place, name), "utf8").split("\n").length - 1]));
    assert.ok(Object.values(lines).reduce((sum, count) => sum + count) < 400, JSON.stringify(lines));
    for (const name of names.filter((name) => name.endsWith(".js"))) {
      const text = readFileSync(join(place, name), "utf8");
      for (const [, from] of text.matchAll(/\bfrom "(.*?)"/g)) assert.match(from, /^(node:|\.\/[a-z]+\.js$)/, name);
      assert.doesNotMatch(text, /\bimport\(|\brequire\(|\beval\(|child_process/, name);
      assert.ok(text.split("\n").every((line) => line.length <= 180), `${name}: nothing is bundled`);
    }
    const steps = readFileSync(join(place, "action.yml"), "utf8");
    assert.match(steps, /using: node24\n {2}main: main\.js\n {2}post: post\.js\n/);
  });
});
