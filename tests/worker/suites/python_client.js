// Cloudflare's own client for Python with nothing changed but the base URL and the credential.
import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, it } from "node:test";

import * as places from "../harness/places.js";
import { run } from "../harness/processes.js";
import { MAIN } from "../harness/stand_in.js";
import { policies } from "./main_job.js";

const families = [
  { family: "account", resource: "accounts.tokens", account: { account_id: MAIN }, prefix: /^cfat_/ },
  { family: "user", resource: "user.tokens", account: {}, prefix: /^cfut_/ },
];

export default (stage, { packages, skip }) => {
  // Makes the calls one after the other, in one process.
  const python = async (secret, calls) => {
    const file = join(places.folder("python"), "calls");
    writeFileSync(file, calls.map((call) => `${JSON.stringify(call)}\n`).join(""), { mode: 0o600 });
    const done = await run("python3", [join(places.root, "tests/worker/python/official_client.py"), file], {
      env: { PATH: process.env.PATH, PYTHONPATH: packages, BREVET_CLIENT_SECRET: secret, BREVET_URL: stage.worker.url },
    });
    assert.equal(done.code, 0, done.stderr);
    const said = done.stdout.trimEnd().split("\n").map((line) => JSON.parse(line));
    assert.equal(said.length, calls.length);
    return said;
  };

  for (const { family, resource, account, prefix } of families) {
    describe(`the official client for Python, with tokens of the ${family}`, { skip }, () => {
      const expires_on = new Date(Date.now() + 600_000).toISOString().replace(/\.\d+Z$/, "Z");
      const body = (name, change = {}) => ({ ...account, name, policies, expires_on, ...change });
      const call = (name, named = account, more = {}) => ({ method: `${resource}.${name}`, named, ...more });
      const zones = async (token) => (await stage.standIn.with(token, "GET", "/zones")).status;

      it("verifies, creates, gets, updates, rolls, lists two pages and deletes", async () => {
        const token = { positional: ["$made"] };
        const others = Array.from({ length: 6 }, (_, at) => call("create", body(`other ${at}`)));
        const said = await python(stage.as["sdk-python"], [
          call("verify"),
          call("create", body("from Python"), { keep: "made" }),
          call("get", account, token),
          call("update", body("renamed", { status: "disabled" }), token),
          call("update", body("renamed", { status: "active" }), token),
          call("value.update", account, token),
          call("list", { ...account, per_page: 5 }, { all: true }),
          ...others,
          call("list", { ...account, per_page: 5 }, { all: true }),
          call("permission_groups.list", { ...account, name: "Zone Read" }, { all: true }),
          call("permission_groups.list", account, { all: true }),
        ]);
        const failed = said.filter((entry) => !("result" in entry));
        assert.deepEqual(failed, []);
        const [verified, made, got, off, on, rolled, one] = said.map(({ result }) => result);
        const [seven, named, groups] = said.slice(-3).map(({ result }) => result);
        assert.equal(verified.status, "active");
        assert.match(made.value, prefix);
        assert.deepEqual([got.id, got.name, got.expires_on], [made.id, "from Python", expires_on]);
        assert.deepEqual([off.status, on.status, on.name], ["disabled", "active", "renamed"]);
        assert.match(rolled, prefix);
        assert.deepEqual(one.map(({ id }) => id), [made.id]);
        assert.equal(new Set(seven.map(({ id }) => id)).size, 7);
        assert.deepEqual(named.map(({ name }) => name), ["Zone Read"]);
        assert.ok(groups.length > 250);
        assert.deepEqual([await zones(rolled), await zones(made.value)], [200, 403]);

        const [gone, again] = await python(stage.as["sdk-python"], [
          call("delete", account, { positional: [made.id] }), call("get", account, { positional: [made.id] }),
        ]);
        assert.equal(gone.result.id, made.id);
        assert.deepEqual([again.status, again.kind], [404, "NotFoundError"]);
        assert.equal(await zones(rolled), 403);
      });

      it("hears why it is refused, at once, and nothing is sent to Cloudflare", async () => {
        const all = { [`com.cloudflare.api.account.${MAIN}`]: { "com.cloudflare.api.account.zone.*": "*" } };
        const { result: said, calls } = await stage.upstream(() => python(stage.as["sdk-python"], [
          call("create", { ...account, name: "endless", policies }),
          call("create", body("wider", { policies: [{ ...policies[0], resources: all }] })),
          call("create", body("nothing", { policies: [] })),
          call("get", account, { positional: ["0".repeat(32)] }),
        ]));
        assert.deepEqual(calls, []);
        assert.deepEqual(said.map(({ status, kind }) => [status, kind]), [
          [422, "UnprocessableEntityError"], [403, "PermissionDeniedError"], [422, "UnprocessableEntityError"], [404, "NotFoundError"],
        ]);
        const words = said.map(({ body }) => body.errors[0].message);
        for (const [at, why] of [/when the token ends\. Ask for/, /reaches "Zone Read" .*whoami/, /no policy/, /not yours.*List your leases/].entries()) {
          assert.match(words[at], why);
        }
      });

      it("hears that its credential is not good", async () => {
        const [said] = await python(`brvc_${"A".repeat(43)}`, [call("create", body("x"))]);
        assert.deepEqual([said.status, said.kind, said.body.errors[0].code], [401, "AuthenticationError", 1000]);
      });
    });
  }
};
