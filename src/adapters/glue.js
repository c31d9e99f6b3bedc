// The Worker's few coarse doors to the runtime. Each does a whole step, because every crossing between
// JavaScript and WebAssembly costs: one to read a request, one to answer, one per exchange.

// The headers that Brevet reads, in the order in which they are handed over.
const READ = ["authorization", "if-match", "content-encoding", "cf-connecting-ip", "idempotency-key"];

// What a webhook is signed by. They cross as lines, and only where a webhook may be meant.
const SIGNED = ["webhook-id", "webhook-timestamp", "webhook-signature", "x-hub-signature-256", "x-github-event"];

// What Brevet reads of an answer.
const ANSWERED = ["content-type", "location", "retry-after", "ratelimit", "ratelimit-policy"];

// A client that is still sending when it is answered may lose the answer with the connection. So of a body
// that is too long this much more is read and thrown away; whoever sends more has no answer due.
const DISCARDED = 16 * 1024 * 1024;

// Reads a body up to a bound, counting as it comes; null where it is longer.
async function bounded(stream, most, discarded = 0) {
  if (!stream) return new Uint8Array(0);
  const reader = stream.getReader();
  const parts = [];
  let length = 0;
  for (;;) {
    const { done, value } = await reader.read();
    if (done) break;
    length += value.byteLength;
    if (length > most + discarded) {
      reader.cancel().catch(() => {});
      return null;
    }
    if (length > most) parts.length = 0;
    else parts.push(value);
  }
  if (length > most) return null;
  if (parts.length === 1) return parts[0];
  const whole = new Uint8Array(length);
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.byteLength;
  }
  return whole;
}

// Headers cross as lines: a name, its value, the next name.
function pick(headers, names) {
  let found = "";
  for (const name of names) {
    const value = headers.get(name);
    if (value !== null) found += `${name}\n${value}\n`;
  }
  return found;
}

// [method, url, each header of READ or null, those of SIGNED, body or null where it is too long]
export async function readRequest(request, most) {
  const body = await bounded(request.body, most, DISCARDED);
  const signed = request.url.includes("/hooks/") ? pick(request.headers, SIGNED) : "";
  return [request.method, request.url, ...READ.map((name) => request.headers.get(name)), signed, body];
}

function headersOf(lines) {
  const flat = lines.split("\n");
  const headers = new Headers();
  for (let i = 0; i + 1 < flat.length; i += 2) headers.append(flat[i], flat[i + 1]);
  return headers;
}

export function respond(status, lines, body) {
  return new Response(body, { status, headers: headersOf(lines) });
}

// One exchange with a server: [status, headers, body], or [0, kind] with the kind of failure.
export async function exchange(method, url, lines, body, deadlineMs, most) {
  let signal;
  try {
    signal = AbortSignal.timeout(deadlineMs);
    const response = await fetch(url, {
      method,
      headers: headersOf(lines),
      body: body || undefined,
      // A redirect would carry the parent token to another host.
      redirect: "manual",
      signal,
    });
    const read = await bounded(response.body, most);
    if (read === null) return [0, "too-large"];
    return [response.status, pick(response.headers, ANSWERED), read];
  } catch {
    // The runtime's message is not passed on: it may name what was sent.
    return [0, signal?.aborted ? "timeout" : "reset"];
  }
}

// Asks a Durable Object; the answer's text, or null where it failed or is late.
export async function askObject(namespace, name, body, deadlineMs) {
  try {
    const response = await namespace.get(namespace.idFromName(name)).fetch("https://object/", {
      method: "POST",
      body,
      headers: { "x-name": name },
      signal: AbortSignal.timeout(deadlineMs),
    });
    return response.status === 200 ? await response.text() : null;
  } catch {
    return null;
  }
}

export function readText(request) {
  return request.text();
}

export async function readStored(namespace, key) {
  return namespace.get(key, { cacheTtl: 60 });
}

// The keys that begin so, in order, a line each. KV gives a thousand at a time.
export async function listStored(namespace, prefix) {
  const names = [];
  for (let cursor, page = 0; page < 20; page += 1) {
    const part = await namespace.list({ prefix, cursor });
    names.push(...part.keys.map(({ name }) => name));
    if (part.list_complete) return names.join("\n");
    cursor = part.cursor;
  }
  throw new Error("endless");
}

// Kept for so many seconds; for ever where that is 0.
export async function writeStored(namespace, key, value, seconds) {
  await namespace.put(key, value, seconds ? { expirationTtl: seconds } : undefined);
}

// All rows of a statement, each as a list of its values.
export function runSql(sql, statement, bound) {
  return sql.exec(statement, ...bound).raw().toArray();
}

export async function setAlarm(storage, at) {
  const present = await storage.getAlarm();
  if (present === null || present > at) await storage.setAlarm(at);
}

// Not waited for: it goes with the writes of the same turn, and no answer leaves before them.
export function wakeAt(storage, at) {
  storage.setAlarm(at).catch(() => log('{"event":"alarm_not_set","alarm":true}'));
}

// Imported keys by their JWK: importing costs more than verifying. A handful of issuers have a handful each.
const imported = new Map();
const MOST_IMPORTED = 64;
const ALGORITHMS = {
  RS256: { name: "RSASSA-PKCS1-v1_5", hash: "SHA-256" },
  ES256: { name: "ECDSA", namedCurve: "P-256", hash: "SHA-256" },
  Ed25519: { name: "Ed25519" },
};

// Whether this key made this signature; a key that cannot be imported made none.
export async function verifySignature(algorithm, jwk, signed, signature) {
  try {
    const by = ALGORITHMS[algorithm];
    let key = imported.get(jwk);
    if (!key) {
      if (imported.size >= MOST_IMPORTED) imported.clear();
      key = await crypto.subtle.importKey("jwk", JSON.parse(jwk), by, false, ["verify"]);
      imported.set(jwk, key);
    }
    return await crypto.subtle.verify(by, key, signature, signed);
  } catch {
    return false;
  }
}

export function sleep(ms) {
  return new Promise((done) => setTimeout(done, ms));
}

export function log(line) {
  console.log(line);
}

// Work that goes on when the one who asked for it has gone.
export function outlive(state, promise) {
  state.waitUntil(promise);
  return promise;
}
