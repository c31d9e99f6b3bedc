// A runner of GitHub's, as far as an Action sees it: it gives variables and files, hands out the job's identity, reads
// the lines of a step for commands and its files for what it sets.
import assert from "node:assert/strict";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";

import { listen } from "./listen.js";
import { folder, root } from "./places.js";
import { run } from "./processes.js";

// The Node of `using: node24`.
const NODE = join(root, "node_modules/node/bin/node");
const FILES = ["GITHUB_ENV", "GITHUB_OUTPUT", "GITHUB_STATE"];
const BEARER = "the-runner's-own-token";

export const CLAIMS = {
  sub: "repo:octo-org@100000077/app@200000078:environment:production", repository: "octo-org/app", repository_id: "200000078", repository_owner: "octo-org",
  repository_owner_id: "100000077", repository_visibility: "private", ref: "refs/heads/main", ref_type: "branch", sha: "a".repeat(40), head_ref: "", base_ref: "",
  event_name: "push", environment: "production", workflow: "deploy", workflow_ref: "octo-org/app/.github/workflows/deploy.yml@refs/heads/main",
  job_workflow_ref: "octo-org/app/.github/workflows/deploy.yml@refs/heads/main", actor: "octocat", actor_id: "1", run_id: "1234", run_number: "7", run_attempt: "1",
  runner_environment: "github-hosted",
};

// What a file of the runner sets: `NAME<<END`, lines, `END`.
function settings(path) {
  const set = {};
  const lines = readFileSync(path, "utf8").split("\n");
  while (lines.length > 1) {
    const [, name, end] = /^([\w-]+)<<(\S{20,})$/.exec(lines.shift()) ?? assert.fail(`a file of the runner is malformed: ${lines}`);
    const at = lines.indexOf(end);
    assert.ok(at >= 0, "a value without its end");
    set[name] = lines.splice(0, at + 1).slice(0, -1).join("\n");
  }
  assert.deepEqual(lines, [""]);
  return set;
}

const unescaped = (text) => text.replaceAll("%0A", "\n").replaceAll("%0D", "\r").replaceAll("%25", "%");

// The commands among the lines of a step, in their order; a line that is none is a `log`.
function commands(stdout) {
  return stdout.split("\n").filter(Boolean).map((line) => {
    const found = /^::([a-z-]+)(?: [^:]*)?::(.*)$/.exec(line);
    return found ? { name: found[1], text: unescaped(found[2]) } : { name: "log", text: line };
  });
}

// The endpoint where a step asks for the job's identity. `faults` holds what is answered first; `given` what was.
export async function startRunner(issuer) {
  const runner = { claims: CLAIMS, seconds: 300, faults: [], given: [], audiences: [] };
  const server = await listen((request, response) => {
    const url = new URL(request.url, server.url);
    const well = request.headers.authorization === `Bearer ${BEARER}` && url.searchParams.get("api-version") === "2.0";
    const fault = runner.faults.shift();
    if (fault || !well) {
      response.writeHead(fault?.status ?? 401, fault?.headers ?? {});
      return response.end(fault?.body ?? "");
    }
    const audience = url.searchParams.get("audience");
    const value = issuer.token({ ...runner.claims, aud: audience }, runner.seconds);
    runner.audiences.push(audience);
    runner.given.push(value);
    response.writeHead(200, { "content-type": "application/json" });
    return response.end(JSON.stringify({ count: value.length, value }));
  });

  // Runs one of the Action's programs with what the runner gives it.
  async function program(name, inputs, variables) {
    const place = folder("runner");
    const files = Object.fromEntries(FILES.map((name) => [name, join(place, name)]));
    for (const path of Object.values(files)) writeFileSync(path, "");
    const from = Date.now();
    const env = {
      PATH: process.env.PATH, GITHUB_ACTIONS: "true", GITHUB_RUN_ID: "1234", GITHUB_RUN_ATTEMPT: "1", GITHUB_JOB: "deploy", GITHUB_ACTION: "brevet", ...files,
      ACTIONS_ID_TOKEN_REQUEST_URL: `${server.url}/token?api-version=2.0`, ACTIONS_ID_TOKEN_REQUEST_TOKEN: BEARER,
      ...Object.fromEntries(Object.entries(inputs).map(([name, value]) => [`INPUT_${name.toUpperCase()}`, value])), ...variables,
    };
    const done = await run(NODE, [join(root, "action", name)], { env, limit: 120_000 });
    const [exported, outputs, state] = FILES.map((name) => settings(files[name]));
    return { code: done.code, stdout: done.stdout, stderr: done.stderr, took: Date.now() - from, said: commands(done.stdout), exported, outputs, state };
  }

  // A step with this Action; `post` is what runs after the job.
  runner.step = async (inputs, variables = {}) => {
    const step = await program("main.js", { export: "true", ...inputs }, variables);
    step.post = (more = {}) => {
      const kept = Object.fromEntries(Object.entries(step.state).map(([name, value]) => [`STATE_${name}`, value]));
      return program("post.js", { export: "true", ...inputs }, { ...variables, ...kept, ...more });
    };
    return step;
  };
  assert.ok(existsSync(NODE), "run `npm ci`");
  return runner;
}

// What a step says of this kind.
export const told = (step, name) => step.said.filter((command) => command.name === name).map(({ text }) => text);
