// No secret is left anywhere. First a canary is planted in each place and in each form, and must be
// found: a search that finds nothing proves nothing.
import assert from "node:assert/strict";
import { before, describe, it } from "node:test";

import { evidence, forms, leaks, search, SLICE } from "../harness/leaks.js";
import { MAIN } from "../harness/stand_in.js";

const letters = "abcdefghijklmnopqrstuvwxyz0123456789";
const chance = (length) => Array.from(crypto.getRandomValues(new Uint8Array(length)), (byte) => letters[byte % letters.length]).join("");

// Runs after all that is to be searched.
export default (stage) => describe("the canary", () => {
  // Short enough that each form of it fits into a token's name.
  const canary = chance(30);
  const purge = { template: "cache-purge", params: { zone: "example.com" } };
  let planted;

  before(async () => {
    // A log line: Brevet logs what Cloudflare says of a request that it finds wrong.
    await stage.standIn.fault({ match: { method: "POST" }, count: 1, effect: { kind: "status", status: 400, code: 1001, message: `wrong: ${canary}` } });
    const logged = await stage.ask("POST", "/v1/tokens", { as: "ci", body: purge });
    assert.equal(logged.status, 422, logged.text);
    await stage.standIn.mend();
    // A KV value: the copy of the rules.
    const rules = structuredClone(stage.rules);
    rules.zone[`${canary}.example`] = { id: "b".repeat(32), account: "main" };
    assert.equal((await stage.push(rules)).status, 200);
    // An object's row and an answer: the name of a lease. A call of Cloudflare's: a path that it logs.
    assert.equal((await stage.ask("POST", "/v1/tokens", { as: "ci", body: { ...purge, name: canary } })).status, 201);
    await stage.standIn.with(stage.standIn.parents.CLOUDFLARE_API_TOKEN, "GET", `/accounts/${MAIN}/tokens?name=${canary}`);
    planted = search(await evidence(stage), { canary });
  });

  const found = (where) => assert.ok(planted.some((hit) => hit.form === "raw" && where.test(hit.where)), `${where} among\n${planted.map((hit) => hit.where).join("\n")}`);

  it("is found in a log line", () => found(/^the Worker's log$/));
  it("is found in a value in KV", () => found(/^state v3\/kv\//));
  it("is found in a row of the ledger and in one of the register", () => {
    found(/^state v3\/do\/brevet-Ledger\/.*\.sqlite/);
    found(/^state v3\/do\/brevet-Rules\/.*\.sqlite/);
  });
  it("is found in an answer", () => found(/^the answer to POST \/v1\/tokens$/));
  it("is found in what reaches Cloudflare", () => found(/^call \d+ of Cloudflare, GET /));

  it("is found in a row and in an answer in each form, and as a slice", async () => {
    const { "each character JSON-escaped": long, "each character JSON-escaped, upper case": longer, ...fit } = forms(canary);
    const parts = { ...fit, "a part of each character JSON-escaped": long.slice(0, 6 * SLICE), "a part of each character JSON-escaped, upper case": longer.slice(6, 6 + 6 * SLICE), "a slice": canary.slice(5, 5 + SLICE) };
    for (const [form, text] of Object.entries(parts)) {
      const heard = stage.heard.length;
      const made = await stage.ask("POST", "/v1/tokens", { as: "ci", body: { ...purge, name: text } });
      assert.equal(made.status, 201, `${form}: ${made.text}`);
      const [answer] = stage.heard.slice(heard);
      assert.ok(search([{ where: "here", text: answer.text }], { canary }).length > 0, `${form} in the answer`);
    }
    const rows = (await evidence(stage)).filter(({ where }) => where.includes("brevet-Ledger"));
    const seen = new Set(search(rows, { canary }).map(({ form }) => form));
    for (const form of ["raw", "hex", "each character URL-encoded", "each character JSON-escaped", ...[0, 1, 2].map((shift) => `base64 from byte ${shift}`)]) {
      assert.ok(seen.has(form), `${form} in a row`);
    }
  });

  it("is not found where only its beginning stands", () => {
    assert.deepEqual(search([{ where: "here", text: `${canary.slice(0, SLICE - 1)}-${canary.slice(0, 3)}` }], { canary }), []);
  });

  it("found everywhere, the parents and the values minted are found nowhere but where each is shown", async () => {
    const { found, secrets, texts } = await leaks(stage);
    assert.ok(secrets.filter((name) => name.startsWith("value ")).length > 50, "the suites before this one have minted");
    assert.ok(secrets.filter((name) => name.startsWith("the parent ")).length === 3);
    for (const where of [/log$/, /^state .*\.sqlite-wal$/, /^state .*blobs/, /^the headers of/, /^the answer to PUT .*\/value$/, /^call \d+/]) {
      assert.ok(texts.some((text) => where.test(text)), `${where} was searched`);
    }
    assert.deepEqual(found, []);
    assert.deepEqual(await stage.standIn.violations(), []);
  });
});
