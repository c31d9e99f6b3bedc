// What stands between a client and the Worker, and fails as such things do.
import { call } from "./call.js";
import { listen, whole } from "./listen.js";

// `faults` holds what happens to the next requests, in their order:
// - an answer `{ status, headers, body }`: it is given, and the Worker is not asked;
// - a function: it gets the Worker's answer and gives the one that is passed on, or null: the connection breaks;
// - "pass": nothing.
export async function startGate(stage) {
  const gate = { faults: [], seen: [] };
  const server = await listen(async (request, response) => {
    const body = await whole(request);
    // What is compressed on the way could not be changed here.
    const { host: _, connection: __, "accept-encoding": ___, ...headers } = request.headers;
    gate.seen.push({ method: request.method, path: request.url, headers, body });
    const fault = gate.faults.shift() ?? "pass";
    let answer = fault;
    if (typeof fault === "function" || fault === "pass") {
      const said = await call(stage.worker.url, request.method, request.url, { headers, body: body || undefined });
      // The search for leaks at the end knows the values that were shown.
      stage.heard.push({ asked: `${request.method} ${request.url}`, headers: JSON.stringify(said.headers), text: said.text });
      answer = { status: said.status, headers: said.headers, body: said.text };
      if (fault !== "pass") answer = fault(answer);
    }
    if (!answer) return request.socket.destroy();
    const { "content-length": ____, "transfer-encoding": _____, ...rest } = answer.headers ?? {};
    response.writeHead(answer.status, rest);
    return response.end(answer.body ?? "");
  });
  gate.url = server.url;
  return gate;
}
