// Identity tokens of workloads, on the runtime's own WebCrypto: an issuer of the tests' own signs them.
import assert from "node:assert/strict";
import { generateKeyPairSync, sign } from "node:crypto";
import { createServer } from "node:http";
import { after, before, describe, it } from "node:test";

import { open } from "../harness/stage.js";

const AUDIENCE = "https://brevet.example.com";
const encode = (value) => Buffer.from(JSON.stringify(value)).toString("base64url");

const KEYS = {
  RS256: generateKeyPairSync("rsa", { modulusLength: 2048 }),
  ES256: generateKeyPairSync("ec", { namedCurve: "P-256" }),
  Ed25519: generateKeyPairSync("ed25519"),
};

function signature(algorithm, key, text) {
  const bytes = Buffer.from(text);
  if (algorithm === "Ed25519") return sign(null, bytes, key);
  return sign("sha256", bytes, algorithm === "ES256" ? { key, dsaEncoding: "ieee-p1363" } : key);
}

export default () => describe("federation", () => {
  let issuer;
  let stage;
  const asked = [];

  before(async () => {
    const keys = Object.entries(KEYS).map(([kid, { publicKey }]) => ({ kid, use: "sig", ...publicKey.export({ format: "jwk" }) }));
    const server = createServer((request, response) => {
      asked.push(request.url);
      const documents = { "/.well-known/openid-configuration": { issuer, jwks_uri: `${issuer}/keys` }, "/keys": { keys } };
      response.writeHead(request.url in documents ? 200 : 404, { "content-type": "application/json" });
      response.end(JSON.stringify(documents[request.url] ?? {}));
    });
    await new Promise((done) => { server.listen(0, "127.0.0.1", done); });
    server.unref();
    issuer = `http://127.0.0.1:${server.address().port}`;
    stage = await open();
    const rules = structuredClone(stage.rules);
    rules.issuer.lab = { url: issuer, audience: AUDIENCE, algorithms: Object.keys(KEYS) };
    rules.grant["lab-purge"] = {
      from: { issuer: "lab" }, when: [{ repository_id: "7", ref: "refs/heads/main" }],
      allow: [{ template: "cache-purge", zone: ["example.com"] }], ttl: "10m", max_ttl: "1h", operations: ["create", "roll", "revoke"],
    };
    const pushed = await stage.push(rules);
    assert.equal(pushed.status, 200, pushed.text);
  });
  after(() => stage?.close());

  const token = (algorithm, change = {}, header = {}, key = KEYS[algorithm].privateKey) => {
    const now = Math.floor(Date.now() / 1_000);
    const claims = {
      iss: issuer, aud: AUDIENCE, sub: "job", jti: crypto.randomUUID(), iat: now, exp: now + 300, repository_id: 7, ref: "refs/heads/main", run_id: "1", ...change,
    };
    const text = `${encode({ alg: algorithm, kid: algorithm, ...header })}.${encode(claims)}`;
    return `${text}.${signature(algorithm, key, text).toString("base64url")}`;
  };
  const mint = (bearer, options = {}) => stage.ask("POST", "/v1/tokens", { token: bearer, body: { template: "cache-purge" }, ...options });

  for (const algorithm of Object.keys(KEYS)) {
    it(`takes a job's token signed with ${algorithm}, and no other key's`, async () => {
      const made = await mint(token(algorithm));
      assert.equal(made.status, 201, made.text);
      assert.equal(made.json.lease.grant, "lab-purge");
      const other = algorithm === "RS256" ? generateKeyPairSync("rsa", { modulusLength: 2048 })
        : algorithm === "ES256" ? generateKeyPairSync("ec", { namedCurve: "P-256" }) : generateKeyPairSync("ed25519");
      await stage.refuse("POST", "/v1/tokens", { token: token(algorithm, {}, {}, other.privateKey), body: { template: "cache-purge" } }, {
        status: 401, kind: "invalid-identity", why: /signature/, next: /fresh one/,
      });
      await stage.refuse("POST", "/v1/tokens", { token: token(algorithm, {}, { kid: Object.keys(KEYS).find((kid) => kid !== algorithm) }), body: { template: "cache-purge" } }, {
        status: 401, kind: "invalid-identity", why: /algorithm/, next: /fresh one/,
      });
    });
  }

  it("fifty presentations of one token at once make one token", async () => {
    const before = (await stage.standIn.calls()).at(-1)?.number ?? 0;
    const job = token("ES256");
    const answers = await Promise.all(Array.from({ length: 50 }, () => mint(job)));
    assert.equal(answers.filter(({ status }) => status === 201).length, 1);
    for (const { status, json, text } of answers.filter((answer) => answer.status !== 201)) {
      assert.deepEqual([status, json.type], [409, "urn:brevet:problem:credential-used"], text);
    }
    assert.equal((await stage.standIn.calls(`?after=${before}`)).filter(({ method }) => method === "POST").length, 1);
  });

  it("a job of another branch gets nothing and sees nothing", async () => {
    const { json } = await mint(token("ES256"));
    const weak = { ref: "refs/heads/feature" };
    await stage.refuse("POST", "/v1/tokens", { token: token("ES256", weak), body: { template: "cache-purge" } }, {
      status: 403, kind: "claims-do-not-fit", why: /No grant is for this caller: the nearest one wants another ref than "refs\/heads\/feature"/, next: /operator/,
    });
    await stage.refuse("DELETE", `/v1/leases/${json.lease.id}`, { token: token("ES256", weak) }, {
      status: 404, kind: "no-such-lease", why: /not yours/, next: /List/,
    });
    const ended = await stage.ask("DELETE", `/v1/leases/${json.lease.id}`, { token: token("ES256") });
    assert.equal(ended.status, 200, ended.text);
  });

  it("the issuer was asked twice for all of it", () => {
    assert.deepEqual(asked, ["/.well-known/openid-configuration", "/keys"]);
  });
});
