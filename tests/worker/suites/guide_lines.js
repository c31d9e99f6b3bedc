// The lines of README.md and of any guide, run as a newcomer runs them: by a shell and by Python.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, it } from "node:test";

import { root } from "../harness/places.js";
import { run } from "../harness/processes.js";
import { MAIN, ZONE } from "../harness/stand_in.js";

const readme = readFileSync(join(root, "README.md"), "utf8");

// The blocks of one language under a heading.
function blocks(heading, language) {
  const part = readme.split(/^## /m).find((part) => part.startsWith(heading));
  assert.ok(part, `README.md has no part "${heading}"`);
  return [...part.matchAll(new RegExp(`^\`\`\`${language}\\n(.*?)^\`\`\``, "gms"))].map(([, text]) => text);
}

// The one line of a block that has this in it.
function line(block, part) {
  const found = block.split("\n").filter((line) => line.includes(part));
  assert.equal(found.length, 1, `one line of README.md has ${part}`);
  return found[0];
}

export default (stage, { packages, skip }) => describe("the lines of the guides", { skip }, () => {
  const curl = skip ? "" : blocks("The main job", "sh")[0];
  let lease;
  let value;

  // Runs lines in a shell as they stand, but for the addresses, the secret and what they leave open.
  const shell = async (text, { secret = stage.as.alice } = {}) => {
    const filled = text.replaceAll("<the value>", value).replaceAll("<id>", lease?.id);
    const done = await run("/bin/sh", ["-euc", filled], {
      env: { PATH: process.env.PATH, BREVET_URL: stage.worker.url, CLOUDFLARE_API: stage.standIn.api, AUTH: `Authorization: Bearer ${secret}` },
    });
    assert.equal(done.code, 0, `${text}\n${done.stderr}${done.error ?? ""}`);
    return JSON.parse(done.stdout);
  };
  // A line of Python, with the token as every guide names it.
  const python = (source) => run("python3", ["-c", source], {
    env: { PATH: process.env.PATH, PYTHONPATH: packages, CLOUDFLARE_API: stage.standIn.api, CLOUDFLARE_API_TOKEN: value },
  });

  it("set up what the others use", () => {
    assert.match(line(curl, "export BREVET_URL"), /=http:\/\/127\.0\.0\.1:\d+$/);
    assert.match(line(curl, "export AUTH"), /="Authorization: Bearer \S+"$/);
    assert.match(line(curl, "export CLOUDFLARE_API"), /=https:\/\/api\.cloudflare\.com\/client\/v4$/);
  });

  it("plan a token, create it, and list its zone with it", async () => {
    const { result: plan, calls } = await stage.upstream(() => shell(line(curl, "/v1/plan")));
    assert.deepEqual(calls, []);
    assert.equal(plan.request.path, `/accounts/${MAIN}/tokens`);
    ({ lease, value } = await shell(line(curl, "$BREVET_URL/v1/tokens -H")));
    const zones = await shell(line(curl, "$CLOUDFLARE_API/zones"));
    assert.equal(zones.success, true);
    assert.deepEqual(zones.result.map(({ id, name }) => [id, name]), [[ZONE, "example.com"]]);
  });

  it("list the zone with Python's requests", async () => {
    const [, source] = blocks("Instead of Cloudflare's token API", "python");
    const { code, stdout, stderr } = await python(source);
    assert.equal(code, 0, stderr);
    assert.equal(stdout, `${ZONE} example.com\n`);
  });

  it("verify the token as the dashboard tells it, at Cloudflare and here", async () => {
    for (const api of [stage.standIn.api, `${stage.worker.url}/client/v4`]) {
      const said = await shell(`curl -s "${api}/accounts/${MAIN}/tokens/verify" -H "Authorization: Bearer <the value>"`);
      assert.deepEqual([said.success, said.result.id, said.result.status], [true, lease.token_id, "active"]);
      assert.equal(said.messages[0].message, "This API Token is valid and active");
    }
    const mine = await shell(line(curl, "/v1/tokens/verify"));
    assert.deepEqual([mine.valid, mine.lease.id], [true, lease.id]);
  });

  it("list the leases, renew and roll", async () => {
    const { leases } = await shell(line(curl, "$BREVET_URL/v1/leases -H"));
    assert.ok(leases.some(({ id }) => id === lease.id));
    const renewed = await shell(line(curl, "/renew"));
    assert.ok(Date.parse(renewed.expires_on) > Date.parse(lease.expires_on));
    const old = value;
    ({ value } = await shell(line(curl, "/roll")));
    assert.notEqual(value, old);
    assert.equal((await shell(line(curl, "$CLOUDFLARE_API/zones"))).success, true);
  });

  it("lead a lease through its life in six commands", async () => {
    const commands = blocks("The main job", "sh")[1].trim().split("\n");
    assert.equal(commands.length, 6);
    const { stdout, stderr, code } = await run("/bin/sh", ["-euc", commands.join("\necho\n")], {
      env: { PATH: process.env.PATH, BREVET_URL: stage.worker.url, AUTH: `Authorization: Bearer ${stage.as.root}` },
    });
    assert.equal(code, 0, stderr);
    const [shown, renewed, rolled, revoked, audit] = stdout.trim().split("\n").map((line) => JSON.parse(line));
    assert.equal(shown.state, "active");
    assert.ok(Date.parse(renewed.expires_on) > Date.parse(shown.expires_on));
    assert.match(rolled.value, /^cfat_/);
    assert.deepEqual([revoked.state, revoked.end], ["ended", "revoked"]);
    assert.deepEqual(audit.entries.map(({ entry }) => entry.event), ["revoked", "revoking", "rolled", "renewed", "created"]);
  });

  it("are refused with a reason where the secret is wrong, and nothing is sent", async () => {
    for (const part of ["/v1/plan", "$BREVET_URL/v1/tokens -H", "/renew", "-X DELETE"]) {
      const secret = `brvo_${"A".repeat(43)}`;
      const { result, calls } = await stage.upstream(() => shell(line(curl, part), { secret }));
      assert.deepEqual([result.status, result.type], [401, "urn:brevet:problem:invalid-credential"]);
      assert.match(result.hint, /complete/);
      assert.deepEqual(calls, []);
    }
  });

  it("revoke, and neither curl nor Python lists a zone afterwards", async () => {
    assert.equal((await shell(line(curl, "-X DELETE"))).state, "ended");
    const zones = await shell(line(curl, "$CLOUDFLARE_API/zones"));
    assert.deepEqual([zones.success, zones.result ?? null], [false, null]);
    const { code, stderr } = await python(blocks("Instead of Cloudflare's token API", "python")[1]);
    assert.notEqual(code, 0);
    assert.match(stderr, /HTTPError: 403/);
  });
});
