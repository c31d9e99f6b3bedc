// A server on loopback that does not keep this process alive.
import { createServer } from "node:http";

export async function listen(answer) {
  const server = createServer(answer);
  await new Promise((done) => { server.listen(0, "127.0.0.1", done); });
  server.unref();
  return { url: `http://127.0.0.1:${server.address().port}` };
}

export async function whole(request) {
  const pieces = [];
  for await (const piece of request) pieces.push(piece);
  return Buffer.concat(pieces).toString("utf8");
}
