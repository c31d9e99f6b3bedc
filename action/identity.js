// The job's identity: a JWT that GitHub signs for one audience.
import { ask, persist, safeUrl } from "./request.js";
import { mask, plain, Refusal } from "./runner.js";

// So much of its life must be left when it is presented: the broker needs some of it.
const MARGIN_SECONDS = 30;
const FORM = /^[\w-]+\.[\w-]+\.[\w-]+$/;
// What the rules of a broker look at. None of it is secret: the job has it in its environment.
const TELLING = ["sub", "repository_id", "repository_owner_id", "ref", "environment", "event_name", "job_workflow_ref"];

// The claims, for what this side does with them; only the broker verifies them.
function claimsOf(jwt) {
  try {
    return JSON.parse(Buffer.from(jwt.split(".")[1], "base64url").toString("utf8")) ?? {};
  } catch {
    return {};
  }
}

async function request(audience) {
  const { ACTIONS_ID_TOKEN_REQUEST_URL: url, ACTIONS_ID_TOKEN_REQUEST_TOKEN: bearer } = process.env;
  if (!url || !bearer) {
    throw new Refusal("GitHub gives this job no identity.", "Give the job `permissions: id-token: write`. Pull requests from forks never get one.");
  }
  const from = safeUrl(url, "ACTIONS_ID_TOKEN_REQUEST_URL");
  from.searchParams.set("audience", audience);
  const headers = { authorization: `Bearer ${bearer}`, accept: "application/json" };
  const answer = await persist("GitHub's identity token", { times: 3, longest: 20 }, () => ask(from, { seconds: 10, headers }));
  const value = answer.json?.value;
  if (typeof value === "string" && value) mask(value);
  if (answer.status !== 200 || typeof value !== "string" || !FORM.test(value)) {
    throw new Refusal(`GitHub gave no identity token (${answer.why ?? `status ${answer.status}`}).`, "Run the job again; see githubstatus.com.");
  }
  return value;
}

// Gives the JWT for this audience, and a fresh one when its time is nearly up. Its life is counted from its arrival:
// the clock of a runner may be wrong.
export function identity(audience) {
  let held = null;
  return {
    async token() {
      if (!held || performance.now() >= held.until) {
        const value = await request(audience);
        const claims = claimsOf(value);
        const life = Number(claims.exp) - Number(claims.iat);
        held = { value, claims, until: performance.now() + (life > MARGIN_SECONDS ? life - MARGIN_SECONDS : 0) * 1_000 };
      }
      return held.value;
    },
    // Who the job is, for those who compare it with a rule.
    told() {
      const known = TELLING.filter((name) => typeof held?.claims[name] === "string");
      return plain(known.map((name) => `${name}=${held.claims[name]}`).join(", "));
    },
  };
}
