// The two calls of the broker: a token is made, a token is ended.
import { ask, persist, safeUrl } from "./request.js";
import { plain, Refusal } from "./runner.js";

// Longer than the broker's own bound for a request with all its calls to Cloudflare, 25 s.
const SECONDS = 30;
// The broker gives a value again three times within ten minutes. All tries and pauses together take five at most.
const CREATE = { times: 4, longest: 60 };
// The post step holds the job up: two minutes at most.
const REVOKE = { times: 3, longest: 10 };

// The broker's origin, which is the audience, too.
export function brokerUrl(text) {
  const url = safeUrl(text, "The input `url`");
  if (url.pathname !== "/" || url.search || url.hash) {
    throw new Refusal("The input `url` has more than scheme, host and port.", `Give it as ${url.origin}, as \`[brevet] url\` has it.`);
  }
  return url.origin;
}

// The broker's own words for why it did not do it, or ours where it has none.
function wordsFor({ status, json, why }, url) {
  if (status === 0) return [`${url} did not answer (${why}).`, "See that the input `url` is your Brevet and that this runner reaches it."];
  // Problem details (RFC 9457), or an error of OAuth (RFC 6749).
  const [detail, kind] = [json?.detail ?? json?.error_description, json?.type ?? json?.error];
  if (typeof detail !== "string") return [`${url} answered with status ${status} and no reason.`, "See that the input `url` is your Brevet."];
  return [plain(detail), `${plain(json.hint ?? "")} (${plain(kind).split(":").at(-1)}, status ${status})`.trim()];
}

// Makes a token for this wish. With the same key the broker makes one, however often it is asked.
export async function create(url, wish, key, who) {
  const body = JSON.stringify(wish);
  const answer = await persist("The broker", CREATE, async () => ask(`${url}/v1/tokens`, {
    method: "POST", body, seconds: SECONDS,
    headers: { authorization: `Bearer ${await who.token()}`, "content-type": "application/json", "idempotency-key": key },
  }));
  if (answer.status === 201) return answer.json;
  if (answer.status === 200 && answer.json?.value_available === false) {
    throw new Refusal("The broker made the token, and its value was lost on the way too often.", "Run the job again; the lost token ends by itself.");
  }
  const [reason, hint] = wordsFor(answer, url);
  const denied = [400, 401, 403].includes(answer.status);
  throw new Refusal(reason, denied ? `${hint} The identity was for ${url}; this job is ${who.told()}.` : hint);
}

// Ends a token by its value (RFC 7009). The id of its account, where it is known, saves the broker a search.
export async function revoke(url, token, account) {
  const answer = await persist("The broker", REVOKE, () => ask(`${url}/oauth/revoke`, {
    method: "POST", body: new URLSearchParams(account ? { token, account } : { token }), seconds: SECONDS,
  }));
  if (answer.status !== 200) throw new Refusal(...wordsFor(answer, url));
}
