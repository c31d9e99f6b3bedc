// The step: an identity, a token for it, and the token for the steps that follow. Brevet's only limit is its rules;
// this side makes sure that what it got goes nowhere else.
import { randomUUID } from "node:crypto";

import { brokerUrl, create } from "./broker.js";
import { identity } from "./identity.js";
import { isValue, leaseOf } from "./lease.js";
import { error, exportVariable, give, input, keep, mask, needFiles, note, reason, Refusal } from "./runner.js";

function parameters(text) {
  let params;
  try { params = JSON.parse(text); } catch { /* below */ }
  if (params === null || typeof params !== "object" || Array.isArray(params)) {
    throw new Refusal("The input `params` is no JSON object.", 'Give it as \'{"zone": "example.com"}\'.');
  }
  return params;
}

function needed(name) {
  const value = input(name);
  if (!value) throw new Refusal(`The input \`${name}\` is missing.`, "Give it under `with`.");
  return value;
}

function read() {
  const url = brokerUrl(needed("url"));
  const wish = { template: needed("template") };
  const [grant, params, ttl] = ["grant", "params", "ttl"].map(input);
  if (grant) wish.grant = grant;
  if (params) wish.params = parameters(params);
  if (ttl) wish.ttl = /^\d{1,9}$/.test(ttl) ? Number(ttl) : ttl;
  const exported = input("export") || "true";
  if (!["true", "false"].includes(exported)) throw new Refusal("The input `export` is neither true nor false.", "Give one of the two.");
  return { url, wish, exports: exported === "true" };
}

// One key for all tries of this step. Run, attempt, job and step are the same in every leg of a matrix and in every use
// of a composite action; a second one under the same key would take the first one's value away. So it ends at random.
function idempotencyKey() {
  const parts = ["GITHUB_RUN_ID", "GITHUB_RUN_ATTEMPT", "GITHUB_JOB", "GITHUB_ACTION"].map((name) => process.env[name] ?? "");
  return `${parts.join(".").replace(/[^!-~]/g, "_").slice(0, 200)}.${randomUUID()}`;
}

async function main() {
  const { url, wish, exports } = read();
  needFiles(["GITHUB_STATE", "GITHUB_OUTPUT", ...(exports ? ["GITHUB_ENV"] : [])]);
  const answer = await create(url, wish, idempotencyKey(), identity(url));
  if (typeof answer?.value === "string" && answer.value) mask(answer.value);
  // Whatever else is wrong with the answer, the post step ends the token.
  if (isValue(answer?.value)) {
    keep("url", url);
    keep("token", answer.value);
  }
  const { value, id, grant, end, account, owner } = leaseOf(answer, wish);
  keep("owner", owner);
  give("lease-id", id);
  give("expires-at", end);
  give("account-id", account);
  if (exports) {
    exportVariable("CLOUDFLARE_API_TOKEN", value);
    if (account) exportVariable("CLOUDFLARE_ACCOUNT_ID", account);
  } else {
    give("token", value);
  }
  note(`Lease ${id} of grant ${grant}, until ${end}.`);
}

try {
  await main();
} catch (failure) {
  error(reason(failure));
  process.exitCode = 1;
}
