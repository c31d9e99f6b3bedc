// A Worker that receives Brevet's events. `npx wrangler secret put BREVET_EVENTS_KEY` sets its key: the same
// whsec_… as Brevet's HOOK_… secret. While keys are exchanged both may stand there, separated by a space.

// What Standard Webhooks allows clocks to differ.
const TOLERANCE_SECONDS = 300;

// An event is far smaller; whoever sends more is not Brevet.
const MOST_BYTES = 256 * 1024;

// Longer than Brevet tries: an event comes again under the same id for a day and a bit.
const REMEMBERED_SECONDS = 7 * 24 * 3600;

export default {
  async fetch(request, env) {
    if (request.method !== "POST") return new Response("Send a POST.\n", { status: 405, headers: { allow: "POST" } });
    // The signature is over the bytes as they came: nothing is parsed before it is checked.
    const body = new Uint8Array(await request.arrayBuffer());
    if (body.byteLength > MOST_BYTES) return new Response("Too long.\n", { status: 413 });
    const id = request.headers.get("webhook-id") ?? "";
    const time = request.headers.get("webhook-timestamp") ?? "";
    const signatures = request.headers.get("webhook-signature") ?? "";
    if (!(await isSigned(env.BREVET_EVENTS_KEY, id, time, body, signatures))) return new Response("Not signed.\n", { status: 401 });

    // KV takes a while to show a write elsewhere. Where acting twice would do harm, remember ids in a Durable
    // Object or in D1 instead, in the same transaction as the work.
    if (await env.SEEN.get(id)) return new Response(null, { status: 204 });
    await act(JSON.parse(new TextDecoder().decode(body)));
    await env.SEEN.put(id, "1", { expirationTtl: REMEMBERED_SECONDS });
    // Only a 2xx tells Brevet that the event arrived.
    return new Response(null, { status: 204 });
  },
};

// Your own work. It is done before the id is remembered: if it throws, the answer is 500 and the event comes again.
async function act(event) {
  console.log(JSON.stringify({ type: event.type, ledger: event.data.ledger, seq: event.data.journal.seq, lease: event.data.entry.lease }));
}

async function isSigned(keys, id, time, body, signatures) {
  if (!keys || !id || id.includes(".") || !/^[0-9]{1,12}$/.test(time)) return false;
  if (Math.abs(Date.now() / 1000 - Number(time)) > TOLERANCE_SECONDS) return false;
  const head = new TextEncoder().encode(`${id}.${time}.`);
  const signed = new Uint8Array(head.length + body.length);
  signed.set(head);
  signed.set(body, head.length);
  for (const text of keys.split(" ").filter((text) => text.startsWith("whsec_"))) {
    const bytes = decode(text.slice("whsec_".length));
    if (!bytes || bytes.length < 24) continue;
    const key = await crypto.subtle.importKey("raw", bytes, { name: "HMAC", hash: "SHA-256" }, false, ["verify"]);
    // A handful: Brevet sends at most three.
    for (const signature of signatures.split(" ").slice(0, 8)) {
      const mac = signature.startsWith("v1,") ? decode(signature.slice(3)) : null;
      // `verify` compares in constant time.
      if (mac && (await crypto.subtle.verify("HMAC", key, mac, signed))) return true;
    }
  }
  return false;
}

function decode(text) {
  try {
    return Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
  } catch {
    return null;
  }
}
