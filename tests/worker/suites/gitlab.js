// The job of docs/gitlab.md, run in sh as GitLab's runner does, with the rule beside it.
import assert from "node:assert/strict";
import { chmodSync, existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { before, describe, it } from "node:test";

import { startGate } from "../harness/gate.js";
import { blocks, filled } from "../harness/guides.js";
import { startIssuer } from "../harness/issuer.js";
import { folder, program } from "../harness/places.js";
import { run } from "../harness/processes.js";
import { APPS, MAIN } from "../harness/stand_in.js";

const CLAIMS = {
  sub: "project_path:octo/site:ref_type:branch:ref:main", namespace_id: "300000079", namespace_path: "octo", project_id: "400000080", project_path: "octo/site",
  user_id: "7", user_login: "octocat", user_access_level: "developer", pipeline_id: "5001", pipeline_source: "push", job_id: "9001", ref: "main", ref_type: "branch",
  ref_path: "refs/heads/main", ref_protected: "true", environment: "production", environment_protected: "true", deployment_tier: "production", runner_id: 3,
  runner_environment: "gitlab-hosted", sha: "a".repeat(40), ci_config_ref_uri: "gitlab.com/octo/site//.gitlab-ci.yml@refs/heads/main",
};

export default (open, { skip }) => describe("GitLab CI with curl alone", { skip }, () => {
  let stage;
  let gate;
  let issuer;
  let job;

  before(async () => {
    if (skip) return;
    stage = await open();
    [gate, issuer] = [await startGate(stage), await startIssuer()];
    const rules = join(folder("rules"), "brevet.toml");
    writeFileSync(rules, filled(blocks("README.md", "toml")[0] + blocks("docs/gitlab.md", "toml")[0], {
      "https://brevet.example.org": gate.url, "https://gitlab.com": issuer.url,
      "5f2b0c9d7e8a41639b0d2c4e6f8a1b3c": MAIN, "8c1d2e3f405162738495a6b7c8d9e0f1": APPS,
    }));
    const pushed = await run(program(), ["config", "push", rules], {
      env: { PATH: process.env.PATH, BREVET_URL: stage.worker.url, BREVET_OPERATOR_SECRET: stage.as.root },
    });
    assert.equal(pushed.code, 0, pushed.stderr);

    const [text] = blocks("docs/gitlab.md", "yaml");
    const [, wish] = /BREVET_WISH: '(.*)'/.exec(text);
    const [, audience] = /aud: (\S+)/.exec(text);
    assert.equal(audience, /BREVET_URL: (\S+)/.exec(text)[1]);
    const script = text.slice(text.indexOf("    - |\n") + 8).replaceAll(/^ {6}/gm, "");
    // Runs the script in a job with these claims; `npx wrangler deploy` is a program that looks what it got.
    job = async (change = {}, { code = 0, deploys = true, number = "9001" } = {}) => {
      const place = folder("gitlab");
      const told = join(place, "told");
      const npx = `#!/bin/sh\necho "$@" > "${told}"\necho "$CLOUDFLARE_ACCOUNT_ID" >> "${told}"\ncurl -s "$API/accounts/$CLOUDFLARE_ACCOUNT_ID/tokens/verify" `
        + `-H "Authorization: Bearer $CLOUDFLARE_API_TOKEN" >> "${told}"\nprintf '\\n%s' "$CLOUDFLARE_API_TOKEN" >> "${told}"\nexit ${code}\n`;
      writeFileSync(join(place, "npx"), npx);
      chmodSync(join(place, "npx"), 0o700);
      const jwt = issuer.token({ ...CLAIMS, ...change, aud: gate.url }, 3_600);
      gate.seen = [];
      const { result: done, calls } = await stage.upstream(() => run("/bin/sh", ["-exc", script], {
        env: { PATH: `${place}:${process.env.PATH}`, API: stage.standIn.api, BREVET_URL: gate.url, BREVET_WISH: wish, BREVET_JWT: jwt, CI_JOB_ID: number },
      }));
      assert.deepEqual(gate.faults, []);
      assert.equal(existsSync(told), deploys, done.stdout + done.stderr);
      const [command, account, verified, value] = deploys ? readFileSync(told, "utf8").split("\n") : [];
      for (const secret of [jwt, value].filter(Boolean)) assert.ok(!(done.stdout + done.stderr).includes(secret), "the log shows no secret");
      return { ...done, command, account, verified: verified && JSON.parse(verified), value, calls };
    };
  });

  const isDead = async (value) => (await stage.standIn.with(value, "GET", `/accounts/${APPS}/tokens/verify`)).status === 401;

  it("deploys with a token of its own, which ends with the script", async () => {
    const done = await job();
    assert.equal(done.code, 0, done.stderr);
    assert.deepEqual([done.command, done.account, done.verified.result.status], ["wrangler deploy", APPS, "active"]);
    assert.equal(await isDead(done.value), true);
    const { json } = await stage.ask("GET", "/v1/leases?run=5001", { as: "root" });
    assert.deepEqual(json.leases.map(({ grant, state, end }) => [grant, state, end]), [["site-deploy", "ended", "revoked"]]);
    assert.deepEqual(gate.seen.map(({ path }) => path), ["/v1/tokens", "/oauth/revoke"]);
  });

  it("ends the token of a deploy that fails, and fails as it did", async () => {
    const done = await job({ job_id: "9002" }, { code: 7, number: "9002" });
    assert.equal(done.code, 7, done.stderr);
    assert.equal(await isDead(done.value), true);
  });

  it("tries again, and makes one token", async () => {
    gate.faults = [{ status: 503 }, (answer) => ({ ...answer, status: 502 })];
    const done = await job({ job_id: "9003" }, { number: "9003" });
    assert.equal(done.code, 0, done.stderr);
    assert.equal(done.verified.result.status, "active");
    assert.equal(done.calls.filter(({ method, path }) => method === "POST" && path.endsWith("/tokens")).length, 1);
    assert.equal(await isDead(done.value), true);
  });

  it("a revoke that fails fails no job", async () => {
    gate.faults = ["pass", { status: 500 }, { status: 500 }, { status: 500 }];
    const done = await job({ job_id: "9004" }, { number: "9004" });
    assert.equal(done.code, 0, done.stderr);
  });

  for (const [who, change] of Object.entries({
    "another project": { project_id: "400000081" },
    "another branch": { ref: "feature", ref_path: "refs/heads/feature" },
    "a tag named main": { ref_type: "tag", ref_path: "refs/tags/main" },
    "a branch that is not protected": { ref_protected: "false" },
    "a job without the environment": { environment: undefined },
    "a merge request's pipeline": { pipeline_source: "merge_request_event" },
    "a schedule": { pipeline_source: "schedule" },
    "another group's project": { namespace_id: "9" },
  })) {
    it(`its rule refuses ${who}; the script stops with Brevet's words and deploys nothing`, async () => {
      const done = await job(change, { deploys: false });
      assert.deepEqual([done.code, done.calls], [1, []], done.stderr);
      assert.match(done.stdout, /Brevet gave no token: \{"type":"urn:brevet:problem:(no-grant|claims-do-not-fit|invalid-identity)".*"hint":/);
    });
  }

  it("closes without a leak", () => stage.close());
});
