// Requests with a bound on time, bytes and repeats, to https or to this machine alone.
import { setTimeout as sleep } from "node:timers/promises";

import { note, plain, Refusal } from "./runner.js";

// An answer with a lease has 2 kB, GitHub's identity 4 kB.
const MOST_BYTES = 64 * 1024;
const LOOPBACK = new Set(["localhost", "127.0.0.1", "[::1]"]);

// A URL to which a secret may be sent: what listens on this machine needs no encryption, all else does.
export function safeUrl(text, what) {
  const url = URL.parse(text);
  if (!url || (url.protocol !== "https:" && !(url.protocol === "http:" && LOOPBACK.has(url.hostname)))) {
    throw new Refusal(`${what} is no https URL.`, "It has to be like https://brevet.example.com: what is sent there is secret.");
  }
  if (url.username || url.password) throw new Refusal(`${what} holds a user name or password.`, "Leave it out.");
  return url;
}

async function read(response) {
  const pieces = [];
  let size = 0;
  for await (const piece of response.body ?? []) {
    size += piece.length;
    // Leaving the loop ends the connection.
    if (size > MOST_BYTES) throw new Refusal("The answer is too long.", `See what answers at ${new URL(response.url).host}.`);
    pieces.push(piece);
  }
  return Buffer.concat(pieces).toString("utf8");
}

// One request. Status 0 is no answer, `why` says why. `json` is the body where it is an object, else null.
export async function ask(url, { seconds, ...options }) {
  try {
    const response = await fetch(url, { ...options, redirect: "manual", signal: AbortSignal.timeout(seconds * 1_000) });
    // The next host would get what was meant for this one.
    if (response.status >= 300 && response.status < 400) {
      throw new Refusal(`${new URL(url).host} leads elsewhere (status ${response.status}).`, "Give the URL to which it leads, if you trust that.");
    }
    const text = await read(response);
    let json = null;
    try { json = JSON.parse(text); } catch { /* a page of something in between */ }
    return { status: response.status, headers: response.headers, json: json !== null && typeof json === "object" ? json : null };
  } catch (failure) {
    if (failure instanceof Refusal) throw failure;
    const why = failure.name === "TimeoutError" ? `no answer in ${seconds} s` : plain(failure.cause?.code ?? failure.name);
    return { status: 0, headers: new Headers(), json: null, why };
  }
}

// Whether the same may do better later. Brevet says it itself; what stands before it does not.
function mayRepeat({ status, headers }) {
  const said = headers.get("x-should-retry");
  return status === 0 || (status === 409 && said === "true") || ((status === 429 || status >= 500) && said !== "false");
}

// How long to wait, in seconds: as long as the answer says, else 1, 2, 4 … less a random part, so that the jobs of
// a matrix do not come back together.
function pause({ headers }, tries) {
  const said = headers.get("retry-after");
  const seconds = /^\d{1,9}$/.test(said ?? "") ? Number(said) : (Date.parse(said) - Date.now()) / 1_000;
  return Number.isNaN(seconds) ? 2 ** (tries - 1) * (1 - Math.random() / 2) : Math.max(0, seconds);
}

// Does it again while that may help: at most so many times in all, and waits at most so many seconds between.
export async function persist(what, { times, longest }, work) {
  for (let tries = 1; ; tries += 1) {
    const answer = await work();
    const seconds = pause(answer, tries);
    if (!mayRepeat(answer) || tries >= times || seconds > longest) return answer;
    note(`${what}: ${answer.why ?? `status ${answer.status}`}; once more in ${seconds.toFixed(1)} s.`);
    await sleep(seconds * 1_000);
  }
}
