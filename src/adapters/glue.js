// The Worker's doors to the runtime. Each does a whole step, because every crossing between JavaScript and WebAssembly
// costs: one to take a request in, one to answer, and for each exchange one to begin it and one to say how it ended.
//
// Nothing but numbers and texts crosses. A promise handed to WebAssembly would need closures and a finalizer of its own
// for every wait: what takes time is begun under a ticket instead, and the ticket's number comes back with the outcome.

// What Rust exports.
let core;
// How often the instance was made anew. What an earlier one began has nobody to tell.
let generation = 0;
// The environment is handed over once to each instance.
let begunFor = -1;
// Those who wait for an answer of the instance, by the number of their call, the oldest first.
const waiting = new Map();
let lastCall = 0;

// With fewer than these waiting, nobody looks for those who went away.
const MANY_WAITING = 64;
// Longer than all waits of one call together. Whoever is older hung up: nothing of it settles any more.
const LONGEST_CALL_MS = 180_000;

export const NOTHING = new Uint8Array(0);
// What a call is rejected with when the instance it ran in is gone.
const STOPPED = new Error("the instance stopped");

export function connect(exports, module) {
  core = exports;
  core.initSync({ module });
}

export function instance() {
  return generation;
}

// Runs something in the instance. An instance that threw is not to be trusted with anything: a panic traps, and whatever
// else is thrown left Rust in the middle of its work. All who wait for it are told, and the next call gets a fresh one.
function enter(work) {
  try {
    return work();
  } catch (error) {
    console.error("the instance stopped:", error);
    generation += 1;
    const gone = [...waiting.values()];
    waiting.clear();
    core.__wbg_reset_state();
    for (const { reject } of gone) reject(STOPPED);
    return undefined;
  }
}

// Has the instance do something and gives a promise of its answer. `work` gets the number of the call.
export function begin(env, work) {
  if (waiting.size >= MANY_WAITING) forgetTheGone();
  return new Promise((resolve, reject) => {
    lastCall = (lastCall + 1) >>> 0;
    const call = lastCall;
    waiting.set(call, { resolve, reject, since: Date.now() });
    enter(() => {
      if (begunFor !== generation) {
        core.begin(env);
        begunFor = generation;
      }
      work(call, core);
    });
  });
}

function forgetTheGone() {
  const before = Date.now() - LONGEST_CALL_MS;
  for (const [call, { since }] of waiting) {
    if (since > before) return;
    waiting.delete(call);
    enter(() => core.forget(call));
  }
}

// Tells Rust how something ended that it began under this ticket.
function settle(ticket, work, tell) {
  const born = generation;
  work.then((outcome) => {
    if (born === generation) enter(() => tell(ticket, outcome));
  });
}

const tellText = (ticket, text) => core.settledText(ticket, text ?? undefined);
const tellDone = (ticket, done) => core.settledDone(ticket, done);

// A promise that is kept whatever happens: with the outcome, or with what stands for a failure.
const either = (work, failure) => work.then((outcome) => outcome, () => failure);
const succeeds = (work) => work.then(() => true, () => false);

// Answers a call of the Worker. Of the text so much is the lines of the headers and the rest the body: to take two texts
// out of the instance's memory costs twice what it does for one.
export function finish(call, status, text, head) {
  taken(call)?.resolve(new Response(text.slice(head), { status, headers: keptHeaders(text.slice(0, head)) }));
}

// Most answers have one of a few sets of headers, and copying them costs less than making them of their texts.
const kept = new Map();
const MOST_KEPT = 16;
// What is longer has something of its own in it, as a time, and does not come again.
const LONGEST_KEPT = 128;

function keptHeaders(lines) {
  if (lines.length > LONGEST_KEPT) return headersOf(lines);
  let headers = kept.get(lines);
  if (!headers) {
    if (kept.size >= MOST_KEPT) kept.clear();
    headers = new Headers(headersOf(lines));
    kept.set(lines, headers);
  }
  return headers;
}

// Answers a call of an object, or of the clock.
export function tell(call, text) {
  taken(call)?.resolve(text);
}

function taken(call) {
  const waits = waiting.get(call);
  waiting.delete(call);
  return waits;
}

// A client that is still sending when it is answered may lose the answer with the connection. So of a body
// that is too long this much more is read and thrown away; whoever sends more has no answer due.
export const DISCARDED = 16 * 1024 * 1024;

// Reads the body of a request up to a bound; null where it is longer.
export async function bounded(request, most, discarded) {
  return declares(request, most) ? whole(request, most) : counted(request.body, most, discarded);
}

// The same for an answer. The runtime unpacks those, and what a length says of a packed body bounds nothing.
async function within(response, most) {
  const packed = response.headers.get("content-encoding") !== null;
  return !packed && declares(response, most) ? whole(response, most) : counted(response.body, most, 0);
}

// A body whose length is declared is taken whole: its sender cannot send more than that within it, and counting by hand
// costs a fourth of a small request. Every other is counted as it comes.
function declares({ headers }, most) {
  const length = headers.get("content-length");
  return length !== null && Number(length) <= most;
}

async function whole(message, most) {
  const bytes = new Uint8Array(await message.arrayBuffer());
  return bytes.byteLength <= most ? bytes : null;
}

// Reads a body, counting as it comes; null where it is longer.
async function counted(stream, most, discarded) {
  if (!stream) return NOTHING;
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
  const joined = new Uint8Array(length);
  let at = 0;
  for (const part of parts) {
    joined.set(part, at);
    at += part.byteLength;
  }
  return joined;
}

// Headers cross as lines: a name, its value, the next name. No name of ours is there twice. An object, because the runtime
// reads a list of pairs through their iterators, which costs more than everything else about an answer.
function headersOf(lines) {
  const headers = {};
  for (let at = 0; at < lines.length;) {
    const middle = lines.indexOf("\n", at);
    const end = lines.indexOf("\n", middle + 1);
    headers[lines.slice(at, middle)] = lines.slice(middle + 1, end);
    at = end + 1;
  }
  return headers;
}

// What Brevet reads of an answer.
const ANSWERED = ["content-type", "location", "retry-after", "ratelimit", "ratelimit-policy"];

function pick(headers, names) {
  let found = "";
  for (const name of names) {
    const value = headers.get(name);
    if (value !== null) found += `${name}\n${value}\n`;
  }
  return found;
}

// One exchange with a server: [status, headers, body], or [0, kind] with the kind of failure.
async function exchanged(method, url, lines, body, deadlineMs, most) {
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
    const read = await within(response, most);
    if (read === null) return [0, "too-large", NOTHING];
    return [response.status, pick(response.headers, ANSWERED), read];
  } catch {
    // The runtime's message is not passed on: it may name what was sent.
    return [0, signal?.aborted ? "timeout" : "reset", NOTHING];
  }
}

export function exchange(ticket, method, url, lines, body, deadlineMs, most) {
  const tell = (number, [status, head, read]) => core.settledAnswer(number, status, head, read);
  settle(ticket, exchanged(method, url, lines, body, deadlineMs, most), tell);
}

// Asks a Durable Object; the answer's text, or null where it failed or is late. Called as a procedure, for a request
// and an answer in the form of HTTP cost several times as much.
async function asked(namespace, name, body, deadlineMs) {
  let timer;
  const late = new Promise((resolve) => { timer = setTimeout(resolve, deadlineMs, null); });
  const object = namespace.get(namespace.idFromName(name));
  try {
    return await Promise.race([object.ask(body).catch((error) => askedAsBefore(object, body, error)), late]);
  } catch {
    return null;
  } finally {
    clearTimeout(timer);
  }
}

// The objects of the build before this one, while the two are rolled out side by side, do not know the procedure and
// have done nothing.
async function askedAsBefore(object, body, error) {
  if (!/does not (support RPC|implement)/.test(error?.message)) throw error;
  const response = await object.fetch("https://object/", { method: "POST", body });
  if (response.status !== 200) throw error;
  return response.text();
}

export function askObject(ticket, namespace, name, body, deadlineMs) {
  settle(ticket, asked(namespace, name, body, deadlineMs), tellText);
}

// The value behind a mark that it was read, or nothing where it could not be read.
async function stored(namespace, key) {
  const value = await namespace.get(key, { cacheTtl: 60 });
  return value === null ? "-" : `+${value}`;
}

export function readStored(ticket, namespace, key) {
  settle(ticket, either(stored(namespace, key), null), tellText);
}

// The keys that begin so, in order, a line each. KV gives a thousand at a time.
async function listed(namespace, prefix) {
  const names = [];
  for (let cursor, page = 0; page < 20; page += 1) {
    const part = await namespace.list({ prefix, cursor });
    names.push(...part.keys.map(({ name }) => name));
    if (part.list_complete) return names.join("\n");
    cursor = part.cursor;
  }
  return null;
}

export function listStored(ticket, namespace, prefix) {
  settle(ticket, either(listed(namespace, prefix), null), tellText);
}

// Kept for so many seconds; for ever where that is 0.
export function writeStored(ticket, namespace, key, value, seconds) {
  const put = async () => namespace.put(key, value, seconds ? { expirationTtl: seconds } : undefined);
  settle(ticket, succeeds(put()), tellDone);
}

// All rows of a statement as JSON, and nothing where there are none.
export function runSql(sql, statement, bound, givesRows) {
  const cursor = sql.exec(statement, ...valuesOf(bound));
  if (!givesRows) return "";
  const rows = cursor.raw().toArray();
  return rows.length === 0 ? "" : JSON.stringify(rows);
}

// A line of kinds, `n` for nothing, `i` and the number, `t` and the length of a text; then the texts.
function valuesOf(bound) {
  const values = [];
  let at = bound.indexOf("\n") + 1;
  for (let from = 0; from < bound.length && bound[from] !== "\n";) {
    const end = bound.indexOf(" ", from);
    const number = Number(bound.slice(from + 1, end));
    if (bound[from] === "n") values.push(null);
    else if (bound[from] === "i") values.push(number);
    else {
      values.push(bound.slice(at, at + number));
      at += number;
    }
    from = end + 1;
  }
  return values;
}

async function armed(storage, at) {
  const present = await storage.getAlarm();
  if (present === null || present > at) await storage.setAlarm(at);
}

export function setAlarm(ticket, storage, at) {
  settle(ticket, succeeds(armed(storage, at)), tellDone);
}

// Not waited for: it goes with the writes of the same turn, and no answer leaves before them.
export function wakeAt(storage, at) {
  storage.setAlarm(at).catch(() => log('{"event":"alarm_not_set","alarm":true}'));
}

const ALGORITHMS = {
  RS256: { name: "RSASSA-PKCS1-v1_5", hash: "SHA-256" },
  ES256: { name: "ECDSA", namedCurve: "P-256", hash: "SHA-256" },
  Ed25519: { name: "Ed25519" },
};

// A key that is imported when it is used first: importing costs more than verifying.
export function keyOf(algorithm, jwk) {
  return { by: ALGORITHMS[algorithm], jwk, imported: undefined };
}

// Whether this key made this signature; a key that cannot be imported made none.
export async function verifySignature(key, signed, signature) {
  try {
    const { by, jwk } = key;
    key.imported ??= await crypto.subtle.importKey("jwk", JSON.parse(jwk), by, false, ["verify"]);
    return await crypto.subtle.verify(by, key.imported, signature, signed);
  } catch {
    return false;
  }
}

export function checkSignature(ticket, key, signed, signature) {
  // Copies: these are views of a memory that may move while a key is imported.
  settle(ticket, verifySignature(key, signed.slice(), signature.slice()), tellDone);
}

export function sleep(ticket, ms) {
  settle(ticket, new Promise((done) => setTimeout(done, ms, true)), tellDone);
}

export function member(of, name) {
  return of?.[name];
}

export function text(of, name) {
  const value = of?.[name];
  return typeof value === "string" ? value : undefined;
}

export function now() {
  return Date.now();
}

export function log(line) {
  console.log(line);
}
