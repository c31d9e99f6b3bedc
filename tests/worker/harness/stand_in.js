// The stand-in for Cloudflare's API.
import { bearer, call } from "./call.js";
import * as places from "./places.js";
import { start, until } from "./processes.js";

export const MAIN = "0123456789abcdef0123456789abcdef";
export const APPS = "00112233445566778899aabbccddeeff";
export const USER = "fedcba9876543210fedcba9876543210";
export const ZONE = "023e105f4ecef8ad9ca31a8372d0c353";
export const FOREIGN = "f0e1d2c3b4a5968778695a4b3c2d1e0f";

const letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";

// Random letters and digits, so that a search for a part of them finds nothing by chance.
export function chance(length) {
  const bytes = crypto.getRandomValues(new Uint8Array(length));
  return Array.from(bytes, (byte) => letters[byte % letters.length]).join("");
}

export async function startStandIn({ forbid = [] } = {}) {
  const parents = {
    CLOUDFLARE_API_TOKEN: `cfat_${chance(48)}`,
    CLOUDFLARE_APPS_TOKEN: `cfat_${chance(48)}`,
    CLOUDFLARE_USER_TOKEN: `cfut_${chance(48)}`,
  };
  const args = ["--port", "0"];
  for (const [name, value] of Object.entries(parents)) args.push("--parent", `${name}=${value}`);
  for (const text of forbid) args.push("--forbid", text);
  const program = start(places.standIn(), args);
  const url = await until("the stand-in", program, 20_000, () => program.output.match(/^ready (http:\S+)/m)?.[1]);

  const admin = async (method, path, body) => {
    const answer = await call(url, method, `/__admin${path}`, { body });
    if (answer.status >= 300) throw new Error(`${method} /__admin${path}: ${answer.status} ${answer.text}`);
    return answer.json;
  };
  return {
    url,
    api: `${url}/client/v4`,
    parents,
    admin,
    stop: program.stop,
    output: () => program.output,
    // A call with a Cloudflare token, as its holder makes it.
    with: (value, method, path, body) => call(url, method, `/client/v4${path}`, { headers: bearer(value), body }),
    calls: async (query = "") => {
      const found = await admin("GET", `/calls${query}`);
      return Array.isArray(found) ? found : found.calls;
    },
    forget: () => admin("DELETE", "/calls"),
    settings: (change) => admin("PATCH", "/settings", change),
    fault: async (fault) => {
      await admin("POST", "/faults", fault);
    },
    // Holds calls back until it is released; `held` waits until one is there.
    barrier: async (barrier) => {
      const { id } = await admin("POST", "/barriers", barrier);
      return {
        held: () => until("a call at the barrier", program, 20_000, async () => (await admin("GET", `/barriers/${id}`)).held > 0),
        release: () => admin("POST", `/barriers/${id}/release`),
      };
    },
    mend: () => admin("DELETE", "/faults"),
    violations: () => admin("GET", "/violations"),
  };
}
