// Wycheproof through the Worker's own verifying module, the same file, inside workerd: what WebCrypto there takes and refuses
// must be what the native tests have seen. They write the cases down (crates/brevet-core/tests/oidc/wycheproof.rs).
import assert from "node:assert/strict";
import { copyFileSync, existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";

import { call } from "../harness/call.js";
import { folder, root } from "../harness/places.js";
import { freePort, run, start, until } from "../harness/processes.js";

const MAIN = `import { keyOf, verifySignature } from "./glue.js";
const bytes = (hex) => Uint8Array.from(hex.match(/../g) ?? [], (pair) => parseInt(pair, 16));
export default {
  async fetch(request) {
    if (request.method === "GET") return new Response("ready");
    const answers = [];
    for (const [algorithm, jwk, message, signature] of await request.json()) {
      answers.push(await verifySignature(keyOf(algorithm, jwk), bytes(message), bytes(signature)));
    }
    return Response.json(answers);
  },
};
`;

// How many of each there are at least, valid and invalid: a set that shrank would prove less.
const SETS = { rsa: [20, 700], p256: [100, 50], ed25519: [50, 30] };

export default () => describe("the verifying module", () => {
  let program;
  let url;

  const cases = (name) => JSON.parse(readFileSync(join(root, `target/tmp/wycheproof-${name}.json`), "utf8"));

  before(async () => {
    if (!Object.keys(SETS).every((name) => existsSync(join(root, `target/tmp/wycheproof-${name}.json`)))) {
      const made = await run("cargo", ["test", "--quiet", "-p", "brevet-core", "--test", "oidc", "wycheproof"], { cwd: root, limit: 600_000 });
      assert.equal(made.code, 0, made.stderr);
    }
    const place = folder("verifier");
    const [, date] = readFileSync(join(root, "wrangler.toml"), "utf8").match(/^compatibility_date = "([\d-]+)"/m);
    copyFileSync(join(root, "src/adapters/glue.js"), join(place, "glue.js"));
    writeFileSync(join(place, "main.js"), MAIN);
    const port = await freePort();
    writeFileSync(join(place, "config.capnp"), `using Workerd = import "/workerd/workerd.capnp";
const config :Workerd.Config = (
  services = [(name = "main", worker = (
    modules = [(name = "main.js", esModule = embed "main.js"), (name = "glue.js", esModule = embed "glue.js")],
    compatibilityDate = "${date}",
  ))],
  sockets = [(name = "http", address = "127.0.0.1:${port}", http = (), service = "main")],
);
`);
    url = `http://127.0.0.1:${port}`;
    program = start(join(root, "node_modules/workerd/bin/workerd"), ["serve", join(place, "config.capnp")]);
    await until("the verifier", program, 20_000, () => call(url, "GET", "/").then(({ status }) => status === 200, () => false));
  });
  after(() => program?.stop());

  for (const [name, [valid, invalid]] of Object.entries(SETS)) {
    it(`takes and refuses what Wycheproof says of ${name}`, async () => {
      const set = cases(name);
      const good = set.filter(([, , , , taken]) => taken).length;
      assert.ok(good > valid && set.length - good > invalid, `${good} of ${set.length}`);
      const { status, json, text } = await call(url, "POST", "/", { body: set });
      assert.equal(status, 200, text);
      const wrong = set.filter(([, , , , taken], at) => json[at] !== taken).map(([, , , , taken, what]) => `${what}: ${taken ? "refused" : "taken"}`);
      assert.deepEqual(wrong, []);
    });
  }

  it("a key that cannot be imported made no signature", async () => {
    const [algorithm, , message, signature] = cases("ed25519").find(([, , , , taken]) => taken);
    const keys = ["", "{}", "null", '{"kty":"oct","k":"AAAA"}', '{"kty":"OKP","crv":"Ed25519","x":"AA"}', '{"kty":"EC","crv":"P-256","x":"AA","y":"AA"}'];
    const asked = [...keys.map((key) => [algorithm, key, message, signature]), ["none", keys[4], message, signature]];
    const { json } = await call(url, "POST", "/", { body: asked });
    assert.deepEqual(json, asked.map(() => false));
  });
});
