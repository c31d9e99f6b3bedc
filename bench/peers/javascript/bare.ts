// The same broker without any library: the floor of what JavaScript on Workers can do.
import { now, problem, Refused } from "./answers";
import { bearerOf, clientCaller, CLIENT, health, hook, me, mint, object, passthrough, revoke, verify, type Env } from "./broker";
import { compile, workload, type Caller, type Issuer } from "./policy";
import rules from "./rules.json";

export { Ledger } from "./ledger";

const policy = compile(rules);

const ALGORITHMS: Record<string, any> = {
  RS256: { name: "RSASSA-PKCS1-v1_5", hash: "SHA-256" },
  ES256: { name: "ECDSA", namedCurve: "P-256", hash: "SHA-256" },
};
const encoder = new TextEncoder();
const decoder = new TextDecoder();
const keys = new Map<string, { until: number; keys: Map<string, { algorithm: string; key: CryptoKey }> }>();

async function keyOf(issuer: Issuer, kid: string, algorithm: string, at: number): Promise<CryptoKey | undefined> {
  let known = keys.get(issuer.url);
  if (!known || known.until < at) {
    const answer = await fetch(issuer.jwks_uri!, { redirect: "manual", signal: AbortSignal.timeout(3_000) });
    const set = await answer.json<{ keys: any[] }>();
    known = { until: at + 3_600, keys: new Map() };
    for (const jwk of set.keys) {
      const name = jwk.kty === "RSA" ? "RS256" : jwk.crv === "P-256" ? "ES256" : "";
      if (name && jwk.kid) known.keys.set(jwk.kid, { algorithm: name, key: await crypto.subtle.importKey("jwk", jwk, ALGORITHMS[name], false, ["verify"]) });
    }
    keys.set(issuer.url, known);
  }
  const found = known.keys.get(kid);
  return found?.algorithm === algorithm ? found.key : undefined;
}

function bytes(text: string): Uint8Array {
  if (!/^[A-Za-z0-9_-]+$/.test(text)) throw new Error("base64url");
  const raw = atob(text.replace(/-/g, "+").replace(/_/g, "/"));
  const out = new Uint8Array(raw.length);
  for (let at = 0; at < raw.length; at += 1) out[at] = raw.charCodeAt(at);
  return out;
}

async function identity(token: string): Promise<Caller> {
  const [header, payload, signature, more] = token.split(".");
  if (more !== undefined || !signature) throw new Error("form");
  const { alg, kid, typ, crit } = JSON.parse(decoder.decode(bytes(header)));
  const claims = JSON.parse(decoder.decode(bytes(payload)));
  const issuer = policy.issuers.get(claims.iss);
  if (!issuer || !issuer.algorithms.includes(alg) || crit !== undefined || (typ !== undefined && typ !== "JWT")) throw new Error("header");
  const at = now();
  const key = await keyOf(issuer, kid, alg, at);
  if (!key || !(await crypto.subtle.verify(ALGORITHMS[alg], key, bytes(signature), encoder.encode(token.slice(0, header.length + 1 + payload.length))))) throw new Error("signature");
  const audience = Array.isArray(claims.aud) ? claims.aud[0] : claims.aud;
  if (!issuer.audience.includes(audience) || !(claims.exp > at - 60) || (claims.nbf !== undefined && claims.nbf > at + 60)) throw new Error("claims");
  return workload(policy, issuer, claims, at);
}

async function callerOf(request: Request): Promise<Caller> {
  const token = bearerOf(request.headers.get("authorization"));
  if (CLIENT.test(token)) return clientCaller(policy, token);
  try {
    return await identity(token);
  } catch (error) {
    throw error instanceof Refused ? error : new Refused("invalid-identity", 401, "The identity token is not taken.");
  }
}

async function answer(request: Request, env: Env): Promise<Response> {
  const { url, method } = request;
  const start = url.indexOf("/", 8);
  const query = url.indexOf("?", start);
  const path = query < 0 ? url.slice(start) : url.slice(start, query);
  if (method === "GET") {
    if (path === "/healthz") return health();
    if (path === "/v1/whoami") return me(await callerOf(request));
    if (path === "/passthrough") return passthrough(request.headers.get("authorization"));
  } else if (method === "POST") {
    if (path === "/v1/tokens/verify") return verify(policy, object(await request.text()), request.headers.get("cf-connecting-ip"));
    if (path.startsWith("/hooks/")) return hook(policy, env, path.slice(7), (name) => request.headers.get(name), await request.text());
    if (path === "/v1/tokens") return mint(policy, env, await callerOf(request), object(await request.text()));
    if (path === "/kv/v1/tokens") return mint(policy, env, await callerOf(request), object(await request.text()), "kv");
  } else if (method === "DELETE" && path.startsWith("/v1/leases/")) {
    return revoke(policy, env, await callerOf(request), path.slice(11));
  }
  throw new Refused("no-such-path", 404, "There is no such path.");
}

export default {
  async fetch(request: Request, env: Env): Promise<Response> {
    try { return await answer(request, env); } catch (error) { return problem(error); }
  },
};
