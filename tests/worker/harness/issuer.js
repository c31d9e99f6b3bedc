// An issuer of identity tokens, as GitHub and GitLab are: discovery, keys, and tokens signed with them.
import { generateKeyPairSync, sign } from "node:crypto";

import { listen } from "./listen.js";

const KEY = generateKeyPairSync("rsa", { modulusLength: 2048 });
const encode = (value) => Buffer.from(JSON.stringify(value)).toString("base64url");

export async function startIssuer() {
  const server = await listen((request, response) => {
    const documents = {
      "/.well-known/openid-configuration": { issuer: server.url, jwks_uri: `${server.url}/keys` },
      "/keys": { keys: [{ kid: "one", use: "sig", alg: "RS256", ...KEY.publicKey.export({ format: "jwk" }) }] },
    };
    response.writeHead(request.url in documents ? 200 : 404, { "content-type": "application/json" });
    response.end(JSON.stringify(documents[request.url] ?? {}));
  });
  return {
    url: server.url,
    // A token that lives so many seconds from now.
    token: (claims, seconds = 300) => {
      const now = Math.floor(Date.now() / 1_000);
      const text = `${encode({ typ: "JWT", alg: "RS256", kid: "one" })}.${encode({ iss: server.url, jti: crypto.randomUUID(), iat: now, nbf: now - 600, exp: now + seconds, ...claims })}`;
      return `${text}.${sign("sha256", Buffer.from(text), KEY.privateKey).toString("base64url")}`;
    },
  };
}
