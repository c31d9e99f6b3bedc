// The rules that most suites run under: the published example, and callers that may do more.
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { join } from "node:path";

import { root } from "./places.js";
import { chance } from "./stand_in.js";

export const example = () => JSON.parse(readFileSync(join(root, "crates/brevet-core/src/rules/example.json"), "utf8"));

export const EDGE_PURGER = "brvc_for-development-only_edge-purger_published-";
export const ALICE = "brvo_for-development-only_operator-alice_publish";

export const digest = (secret) => createHash("sha256").update(secret).digest("hex");
export const clientSecret = () => `brvc_${chance(43)}`;
export const operatorSecret = () => `brvo_${chance(43)}`;

const ALL = ["create", "update", "renew", "roll", "revoke"];

// `ci` may do its own job in each way there is; `raw` and the official clients may send policies;
// `passer-by` has no grant.
export function rules(secrets) {
  const rules = example();
  for (const [name, secret] of Object.entries(secrets.clients)) rules.client[name] = { secret_sha256: [digest(secret)] };
  for (const [name, { secret, may }] of Object.entries(secrets.operators)) {
    rules.operator[name] = { secret_sha256: [digest(secret)], may };
  }
  const grant = (client, allow) => ({ from: { client }, allow, ttl: "10m", max_ttl: "1h", operations: ALL });
  rules.grant["ci-zone"] = grant("ci", ["*", ["example.com"]].map((zone) => ({ template: "zone-read", account: "main", zone })));
  rules.grant["ci-user"] = grant("ci", [{ template: "zone-read", account: "me", zone: ["example.com"] }]);
  rules.grant["ci-purge"] = grant("ci", [{ template: "cache-purge", zone: ["example.com"] }]);
  for (const [name, client] of [["raw-zone", "raw"], ["sdk-node", "sdk-node"], ["sdk-python", "sdk-python"]]) {
    rules.grant[name] = grant(client, [{ template: "zone-read", account: ["main", "me"], zone: ["example.com"], raw: true }]);
  }
  rules.grant["raw-apps"] = grant("raw", [{ template: "workers-deploy", account: "apps", raw: true }]);
  return rules;
}
