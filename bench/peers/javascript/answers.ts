// Answers as Brevet gives them: plain JSON, and problem details.
const COMMON = { "cache-control": "no-store", "x-content-type-options": "nosniff" };
const WINDOW = 300;
const MOST = 1_000;

export class Refused extends Error {
  constructor(readonly kind: string, readonly status: number, readonly detail: string) { super(kind); }
}

export interface Allowance { left: number; resets: number }

const allowed = (allowance?: Allowance): Record<string, string> => (allowance ? {
  "ratelimit-policy": `"upstream";q=${MOST};w=${WINDOW}`, ratelimit: `"upstream";r=${allowance.left};t=${allowance.resets}`,
} : {});

export function json(status: number, body: unknown, headers: Record<string, string> = {}, allowance?: Allowance): Response {
  return new Response(JSON.stringify(body), { status, headers: { "content-type": "application/json", ...COMMON, ...allowed(allowance), ...headers } });
}

export function problem(error: unknown): Response {
  if (!(error instanceof Refused)) console.error(error);
  const { kind, status, detail } = error instanceof Refused ? error : new Refused("internal", 500, "It failed.");
  const body = { type: `urn:brevet:problem:${kind}`, title: kind, status, detail, hint: "" };
  const headers: Record<string, string> = { "content-type": "application/problem+json", ...COMMON, "x-should-retry": "false" };
  if (status === 401) headers["www-authenticate"] = "Bearer";
  return new Response(JSON.stringify(body), { status, headers });
}

export const moment = (unix: number | null) => (unix === null ? null : `${new Date(unix * 1_000).toISOString().slice(0, 19)}Z`);
export const now = () => Math.floor(Date.now() / 1_000);
