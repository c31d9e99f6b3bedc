// Somebody who is sent events: a server that keeps what it gets and answers as it is told.
import { randomBytes } from "node:crypto";
import { createServer } from "node:http";

export const signingKey = () => `whsec_${randomBytes(32).toString("base64")}`;

export async function startReceiver() {
  const got = [];
  const waiting = [];
  const receiver = { got, answer: () => ({ status: 204 }) };
  const server = createServer((request, response) => {
    const parts = [];
    request.on("data", (part) => parts.push(part));
    request.on("end", async () => {
      const event = { path: request.url, method: request.method, headers: request.headers, body: Buffer.concat(parts), at: Date.now() };
      event.id = request.headers["webhook-id"];
      event.json = JSON.parse(event.body.toString());
      got.push(event);
      for (const wake of waiting.splice(0)) wake();
      const { status, headers = {}, hang } = await receiver.answer(event);
      if (hang) return;
      response.writeHead(status, headers);
      response.end();
    });
  });
  await new Promise((done) => { server.listen(0, "127.0.0.1", done); });
  server.unref();
  receiver.url = `http://127.0.0.1:${server.address().port}`;
  receiver.close = () => { server.closeAllConnections(); server.close(); };
  // Waits for the events that fit, so many at least.
  receiver.until = async (fits, count = 1, ms = 30_000) => {
    const end = Date.now() + ms;
    for (;;) {
      const found = got.filter(fits);
      if (found.length >= count) return found;
      const left = end - Date.now();
      if (left <= 0) throw new Error(`${found.length} of ${count} events after ${ms} ms: ${JSON.stringify(got.map(({ json }) => json.type))}`);
      await new Promise((done) => { waiting.push(done); setTimeout(done, Math.min(left, 1_000)); });
    }
  };
  return receiver;
}
