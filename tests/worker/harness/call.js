// Plain HTTP/1.1, with nothing done to the path: `fetch` would resolve `..` before anybody sees it.
import { request } from "node:http";

// Longer than Brevet's own deadline for a request that calls Cloudflare.
const LIMIT_MS = 60_000;

const PIECE_BYTES = 64 * 1024;

export const bearer = (secret) => ({ authorization: `Bearer ${secret}` });

// `body`: an object becomes JSON, text and bytes go as they are; `chunked` leaves the length out.
export function call(base, method, path, { headers = {}, body, chunked = false } = {}) {
  const url = new URL(base);
  const plain = body === undefined || typeof body === "string" || Buffer.isBuffer(body);
  const bytes = body === undefined ? null : Buffer.from(plain ? body : JSON.stringify(body));
  // A long body is refused before its end; a connection that closes then would lose the answer.
  const sent = { connection: bytes?.length > PIECE_BYTES ? "keep-alive" : "close", ...headers };
  if (bytes) {
    sent["content-type"] ??= "application/json";
    if (chunked) sent["transfer-encoding"] = "chunked";
    else sent["content-length"] = bytes.length;
  }
  return new Promise((done, failed) => {
    let answered = false;
    const asking = request(
      { host: url.hostname, port: url.port, method, path, headers: sent, timeout: LIMIT_MS },
      (answer) => {
        answered = true;
        let text = "";
        answer.setEncoding("utf8");
        answer.on("data", (part) => { text += part; });
        answer.on("error", failed);
        answer.on("end", () => {
          let json = null;
          try { json = JSON.parse(text); } catch { /* not JSON: `text` has it */ }
          done({ status: answer.statusCode, headers: answer.headers, text, json });
        });
      },
    );
    asking.on("timeout", () => asking.destroy(new Error(`${method} ${path} took over ${LIMIT_MS} ms`)));
    // A server that has answered may close while the rest of a long body is still on its way.
    asking.on("error", (error) => { if (!answered) failed(error); });
    if (bytes && chunked) {
      // As fast as the other side takes it, and no further once it has answered.
      let at = 0;
      const more = () => {
        while (at < bytes.length && !answered) {
          const piece = bytes.subarray(at, at + PIECE_BYTES);
          at += piece.length;
          if (!asking.write(piece)) return asking.once("drain", more);
        }
        return asking.end();
      };
      more();
    } else {
      asking.end(bytes ?? undefined);
    }
  });
}
