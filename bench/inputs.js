// What a run of the benchmark sends: rules, an issuer's keys, and requests, one a line, in the folder that is given.
//
//   node bench/inputs.js FOLDER [--jobs N] [--accounts N] [--grants N] [--templates N]
import { createHash, createHmac, generateKeyPairSync, randomUUID, sign } from "node:crypto";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";

const [folder, ...rest] = process.argv.slice(2);
const option = (name, otherwise) => {
  const at = rest.indexOf(`--${name}`);
  return at < 0 ? otherwise : Number(rest[at + 1]);
};
// Identity tokens that are good for one mint each.
const jobs = option("jobs", 2_000);
// Grants and templates in all, where they are more than those that are used.
const grants = option("grants", 0);
const templates = option("templates", 0);

// One caller gets 400 creates in five minutes from one account, so that a run needs several.
const ACCOUNTS = option("accounts", 16);
const URL = "https://brevet.bench.example";
const ISSUER = "https://issuer.bench.example";
const repository = (at) => `${200_000_000 + (at % ACCOUNTS)}`;

mkdirSync(folder, { recursive: true });
const write = (name, text) => writeFileSync(join(folder, name), text);
const digest = (text) => createHash("sha256").update(text).digest("hex");
const two = (number) => `${number}`.padStart(2, "0");
const id = (text) => digest(text).slice(0, 32);

const secret = (at) => `brvc_bench-client-secret-of-no-installation-at${two(at % ACCOUNTS)}`;
const ROOT = "brvo_bench-root-secret-of-no-installation-at-all";

const accounts = Array.from({ length: ACCOUNTS }, (_, at) => `a${two(at)}`);
const zones = accounts.map((name) => `${name}.example.net`);
const ALL = ["create", "renew", "roll", "revoke"];
// A client and a repository for each account: as most rules are, and no list that is longer than most are.
const grant = (at, from) => ({ ...from, allow: [{ template: "zone-read", account: accounts[at], zone: [zones[at]] }], ttl: "10m", max_ttl: "1h", operations: ALL });
const each = (name, make) => Object.fromEntries(accounts.map((account, at) => [`${name}-${account}`, make(at)]));
const when = (number) => [{ repository_id: number, ref: "refs/heads/main", environment: "prod" }];

const rules = {
  version: 1,
  brevet: { url: URL, install: "bench" },
  account: Object.fromEntries(accounts.map((name) => [name, { id: id(name), family: "account", parent: "CLOUDFLARE_API_TOKEN", hosts_brevet: name === "a00" }])),
  zone: Object.fromEntries(zones.map((name, at) => [name, { id: id(name), account: accounts[at] }])),
  template: {},
  issuer: { lab: { url: ISSUER, audience: URL, algorithms: ["RS256", "ES256"], jwks_uri: `${ISSUER}/jwks`, pin: { repository_owner_id: "100000001" } } },
  hook: {
    leak: { scheme: "github", secrets: ["HOOK_GITHUB"], when: [{ event: "secret_scanning_alert", "/action": "created" }], revoke: { repository_id: "/repository/id" } },
  },
  client: each("ci", (at) => ({ secret_sha256: [digest(secret(at))] })),
  grant: {
    ...each("ci", (at) => grant(at, { from: { client: `ci-${accounts[at]}` } })),
    ...each("job", (at) => grant(at, { from: { issuer: "lab" }, when: when(repository(at)) })),
  },
};
// As an organisation has them: a grant for each repository, a template for each kind of job.
for (let at = Object.keys(rules.grant).length; at < grants; at += 1) {
  rules.grant[`repo-${at}`] = {
    from: { issuer: "lab" }, when: when(`${300_000_000 + at}`),
    allow: [{ template: "zone-read", zone: [zones[0]] }], ttl: "10m",
  };
}
for (let at = 0; at < templates; at += 1) {
  rules.template[`kind-${at}`] = { permissions: [{ name: "DNS Write", scope: "zone" }], resources: { zone: "{zone}" }, ttl: "15m", max_ttl: "1h" };
}
write("rules.json", JSON.stringify(rules));

const KEYS = { RS256: generateKeyPairSync("rsa", { modulusLength: 2048 }), ES256: generateKeyPairSync("ec", { namedCurve: "P-256" }) };
write("jwks.json", JSON.stringify({ keys: Object.entries(KEYS).map(([kid, { publicKey }]) => ({ kid, use: "sig", alg: kid, ...publicKey.export({ format: "jwk" }) })) }));

// The claims of a job of GitHub Actions, all of them.
const now = Math.floor(Date.now() / 1_000);
const claims = (change = {}) => ({
  jti: randomUUID(), sub: "repo:octo-org/app:environment:prod", aud: URL, ref: "refs/heads/main", sha: id("sha") + "00000000", repository: "octo-org/app",
  repository_owner: "octo-org", repository_owner_id: "100000001", run_id: "1234567890", run_number: "42", run_attempt: "1", repository_visibility: "private",
  repository_id: repository(0), actor_id: "100000042", actor: "octocat", workflow: "deploy", head_ref: "", base_ref: "", event_name: "push", ref_protected: "true",
  ref_type: "branch", workflow_ref: "octo-org/app/.github/workflows/deploy.yml@refs/heads/main", workflow_sha: id("sha") + "00000000",
  job_workflow_ref: "octo-org/app/.github/workflows/deploy.yml@refs/heads/main", job_workflow_sha: id("sha") + "00000000", runner_environment: "github-hosted",
  environment: "prod", enterprise: "octo", iss: ISSUER, nbf: now - 60, exp: now + 3_500, iat: now, ...change,
});
const encode = (value) => Buffer.from(JSON.stringify(value)).toString("base64url");
function token(algorithm, change, { header = {}, key = KEYS[algorithm].privateKey } = {}) {
  const text = `${encode({ typ: "JWT", alg: algorithm, kid: algorithm, ...header })}.${encode(claims(change))}`;
  return `${text}.${sign("sha256", Buffer.from(text), algorithm === "ES256" ? { key, dsaEncoding: "ieee-p1363" } : key).toString("base64url")}`;
}

const line = (method, path, headers = {}, body = "") =>
  [method, path, Object.entries(headers).map(([name, value]) => `${name}: ${value}`).join("|"), body && JSON.stringify(body)].join("\t");
const lines = (name, count, make) => write(`${name}.tsv`, `${Array.from({ length: count }, (_, at) => make(at)).join("\n")}\n`);
const bearer = (secret) => ({ authorization: `Bearer ${secret}` });

const VALUE = `cfat_${"v".repeat(48)}`;
// So many visitors that none asks too often.
const visitor = (at) => ({ "cf-connecting-ip": `198.18.${(at >> 8) & 255}.${at & 255}` });
const WISH = { template: "zone-read" };

lines("push", 1, () => line("PUT", "/v1/config", { ...bearer(ROOT), "if-match": "\"0\"" }, { rules }));
lines("static", 1, () => line("GET", "/healthz"));
lines("passthrough", 1, () => line("GET", "/passthrough", bearer(VALUE)));
lines("verify-fresh", 4_096, (at) => line("POST", "/v1/tokens/verify", visitor(at), { token: VALUE, account: "a00", fresh: true }));
lines("verify-cached", 4_096, (at) => line("POST", "/v1/tokens/verify", visitor(at), { token: VALUE, account: "a00" }));
for (const algorithm of Object.keys(KEYS)) {
  const several = Array.from({ length: 8 }, () => token(algorithm));
  lines(`jwt-${algorithm.toLowerCase()}`, 8, (at) => line("GET", "/v1/whoami", bearer(several[at])));
}
lines("mint-client", ACCOUNTS, (at) => line("POST", "/v1/tokens", bearer(secret(at)), WISH));
lines("mint-client-one", 1, () => line("POST", "/v1/tokens", bearer(secret(0)), WISH));
lines("mint-other", ACCOUNTS - 1, (at) => line("POST", "/v1/tokens", bearer(secret(at + 1)), WISH));
lines("mint-root", 1, () => line("POST", "/v1/tokens", bearer(ROOT), { ...WISH, params: { account: accounts[0], zone: zones[0] } }));
// What GitHub sends most: an event that the hook is not for. About as long as theirs are.
const HOOK = "the hook secret of the benchmark and of nothing else";
const commit = (at) => ({ id: id(`${at}`), message: `Change number ${at}, with a "quoted" word`, timestamp: "2026-01-01T00:00:00Z", author: { name: "Octo Cat", email: "octo@example.org" }, added: [], removed: [], modified: [`src/file-${at}.js`] });
const pushed = JSON.stringify({ ref: "refs/heads/main", action: "created", repository: { id: 200_000_000, full_name: "octo-org/app", private: true }, sender: { login: "octocat", id: 42 }, commits: Array.from({ length: 20 }, (_, at) => commit(at)) });
const hub = (event, body, by = HOOK) => ({ "x-github-event": event, "x-hub-signature-256": `sha256=${createHmac("sha256", by).update(body).digest("hex")}` });
write("hook.tsv", `${["POST", "/hooks/leak", Object.entries(hub("push", pushed)).map(([name, value]) => `${name}: ${value}`).join("|"), pushed].join("\t")}\n`);
const used = Array.from({ length: jobs }, (_, at) => token("RS256", { repository_id: repository(at) }));
lines("mint-oidc", jobs, (at) => line("POST", "/v1/tokens", bearer(used[at]), WISH));
lines("mint-oidc-kv", jobs, (at) => line("POST", "/kv/v1/tokens", bearer(used[at]), WISH));
lines("audit", 1, () => line("GET", "/v1/audit?account=a00&limit=100", bearer(ROOT)));
// For the comparison of answers: what is taken, and what no side may take.
const past = { iat: now - 900, nbf: now - 900, exp: now - 600 };
const foreign = generateKeyPairSync("rsa", { modulusLength: 2048 }).privateKey;
write("compare.json", JSON.stringify({
  client: secret(0), other: secret(1), root: ROOT, value: VALUE, zone: zones[0], zone_id: id(zones[0]), account_id: id(accounts[0]), good: { RS256: token("RS256"), ES256: token("ES256"), mint: token("RS256"), again: token("RS256") },
  bad: {
    "another key": token("RS256", {}, { key: foreign }), "the other key's id": token("RS256", {}, { header: { kid: "ES256" } }),
    "an unknown key": token("RS256", {}, { header: { kid: "none" } }), "no algorithm": token("RS256", {}, { header: { alg: "none" } }), expired: token("RS256", past),
    "another audience": token("RS256", { aud: "https://other.example" }), "two audiences": token("RS256", { aud: [URL, "https://other.example"] }),
    "another issuer": token("RS256", { iss: "https://issuer.other.example" }), "another owner": token("RS256", { repository_owner_id: "2" }),
    "not yet": token("RS256", { nbf: now + 600 }), "issued in the future": token("RS256", { iat: now + 600, exp: now + 900 }), "too long a life": token("RS256", { exp: now + 9_000 }),
    "no subject": token("RS256", { sub: undefined }),
  },
  hook: { body: pushed, good: hub("push", pushed), "another secret": hub("push", pushed, "another secret altogether"), "another body": hub("push", `${pushed} `), "no signature": { "x-github-event": "push" } },
  stranger: token("RS256", { ref: "refs/heads/feature" }),
}));
