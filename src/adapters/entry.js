// What the runtime calls: the events of the Worker and the two Durable Objects.
import { DurableObject } from "cloudflare:workers";

import * as core from "./brevet.js";
import compiled from "./brevet_bg.wasm";
import { begin, bounded, connect, DISCARDED, instance, NOTHING } from "./glue.js";

// A panic's place is in its stack.
Error.stackTraceLimit = 100;
connect(core, compiled);

// The headers that Brevet reads, in the order in which they are handed over: of each request, and of one that may change
// something. Asking the runtime for one costs a hundredth of a small request.
const READ = ["authorization", "cf-connecting-ip"];
const READ_OF_CHANGES = ["if-match", "content-encoding", "idempotency-key"];
const NONE_OF_CHANGES = "\n".repeat(READ_OF_CHANGES.length);
// What a webhook is signed by: a line for the name and one for the value, only where a webhook may be meant.
const SIGNED = ["webhook-id", "webhook-timestamp", "webhook-signature", "x-hub-signature-256", "x-github-event"];
// A head from here on, as one with an identity token in it, crosses faster as bytes than letter by letter.
const LONG = 768;
const encoder = new TextEncoder();
// The longest body of any route, `MOST_BODY_BYTES`.
const MOST_BYTES = 2 * 1024 * 1024;
// How the reading of a body ended.
const [WHOLE, TOO_LONG, BROKE_OFF] = [0, 1, 2];

// A line for the method, one for the URL, and one for each header, with a mark where it is there: it may be empty.
function head(request) {
  const { method, url, headers } = request;
  let lines = `${method}\n${url}`;
  const add = (name) => {
    const value = headers.get(name);
    lines += value === null ? "\n" : `\n=${value}`;
  };
  READ.forEach(add);
  if (method === "GET") lines += NONE_OF_CHANGES;
  else READ_OF_CHANGES.forEach(add);
  if (url.includes("/hooks/")) {
    for (const name of SIGNED) {
      const value = headers.get(name);
      if (value !== null) lines += `\n${name}\n${value}`;
    }
  }
  return lines;
}

// The one answer that Rust has no part in.
function stopped(request) {
  const { pathname } = new URL(request.url);
  const message = "Brevet met an error of its own. Send the request again; if it was a create, look into your leases first.";
  const [type, body] = pathname.startsWith("/client/v4/")
    ? ["application/json", { success: false, errors: [{ code: 1500, message }], messages: [], result: null }]
    : ["application/problem+json", { type: "urn:brevet:problem:internal", title: "Brevet failed", status: 500, detail: message }];
  return new Response(JSON.stringify(body), { status: 500, headers: { "content-type": type, "cache-control": "no-store", "x-should-retry": "false" } });
}

export default {
  async fetch(request, env) {
    let body = NOTHING;
    let reading = WHOLE;
    if (request.body) {
      try {
        body = await bounded(request, MOST_BYTES, DISCARDED);
        if (body === null) reading = TOO_LONG;
      } catch {
        reading = BROKE_OFF;
      }
    }
    try {
      return await begin(env, (call, exports) => {
        const lines = head(request);
        if (lines.length < LONG) exports.serve(call, lines, body ?? NOTHING, reading);
        else exports.serveLong(call, encoder.encode(lines), body ?? NOTHING, reading);
      });
    } catch {
      return stopped(request);
    }
  },

  async scheduled(_event, env) {
    await begin(env, (call, exports) => exports.scheduled(call));
  },
};

// A Durable Object whose work is done by the class of this name in Rust. That is made anew with the instance.
const object = (name) => class extends DurableObject {
  #context;
  #env;
  #desk;
  #born = -1;

  constructor(context, env) {
    super(context, env);
    this.#context = context;
    this.#env = env;
  }

  #at(exports) {
    if (this.#born !== instance()) {
      this.#desk = new exports[name](this.#context, this.#env);
      this.#born = instance();
    }
    return this.#desk;
  }

  // Goes on when the caller has hung up: a token that is made must be in the books.
  #outlive(work) {
    this.#context.waitUntil(work);
    return work;
  }

  ask(question) {
    return this.#outlive(begin(this.#env, (call, exports) => this.#at(exports).serve(call, question)));
  }

  // How the build before this one asks, while the two are rolled out side by side.
  async fetch(request) {
    return new Response(await this.ask(await request.text()));
  }

  async alarm() {
    await this.#outlive(begin(this.#env, (call, exports) => this.#at(exports).alarm(call)));
  }
};

export const Ledger = object("Ledger");
export const Rules = object("Rules");
