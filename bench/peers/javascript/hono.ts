// The broker as it is usually written in TypeScript: Hono for the routes, jose for the identity tokens.
import { Hono, type Context } from "hono";
import { createRemoteJWKSet, decodeJwt, jwtVerify } from "jose";

import { now, problem, Refused } from "./answers";
import { bearerOf, clientCaller, CLIENT, health, hook, me, mint, object, passthrough, revoke, verify, type Env } from "./broker";
import { compile, workload, type Caller, type Issuer } from "./policy";
import rules from "./rules.json";

export { Ledger } from "./ledger";

const policy = compile(rules);
const keys = new Map<string, ReturnType<typeof createRemoteJWKSet>>();

function keysOf(issuer: Issuer) {
  let known = keys.get(issuer.url);
  if (!known) keys.set(issuer.url, (known = createRemoteJWKSet(new URL(issuer.jwks_uri!), { cacheMaxAge: 3_600_000, cooldownDuration: 60_000, timeoutDuration: 3_000 })));
  return known;
}

const [only] = policy.issuers.size === 1 ? policy.issuers.values() : [];

async function callerOf(c: Context<{ Bindings: Env }>): Promise<Caller> {
  const token = bearerOf(c.req.header("authorization"));
  if (CLIENT.test(token)) return clientCaller(policy, token);
  try {
    const issuer = only ?? policy.issuers.get(decodeJwt(token).iss ?? "");
    if (!issuer) throw new Error("issuer");
    const { payload } = await jwtVerify(token, keysOf(issuer), { issuer: issuer.url, audience: issuer.audience, algorithms: issuer.algorithms, clockTolerance: 60, requiredClaims: ["iat", "exp", "sub"] });
    return workload(policy, issuer, payload, now());
  } catch (error) {
    throw error instanceof Refused ? error : new Refused("invalid-identity", 401, "The identity token is not taken.");
  }
}

const app = new Hono<{ Bindings: Env }>();
app.get("/healthz", () => health());
app.get("/passthrough", (c) => passthrough(c.req.header("authorization")));
app.get("/v1/whoami", async (c) => me(await callerOf(c)));
app.post("/v1/tokens/verify", async (c) => verify(policy, object(await c.req.text()), c.req.header("cf-connecting-ip")));
app.post("/v1/tokens", async (c) => {
  const caller = await callerOf(c);
  return mint(policy, c.env, caller, object(await c.req.text()));
});
app.post("/kv/v1/tokens", async (c) => {
  const caller = await callerOf(c);
  return mint(policy, c.env, caller, object(await c.req.text()), "kv");
});
app.post("/hooks/:name", async (c) => hook(policy, c.env, c.req.param("name"), (name) => c.req.header(name), await c.req.text()));
app.delete("/v1/leases/:id", async (c) => revoke(policy, c.env, await callerOf(c), c.req.param("id")));
app.notFound(() => problem(new Refused("no-such-path", 404, "There is no such path.")));
app.onError((error) => problem(error));

export default app;
