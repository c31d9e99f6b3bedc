// What the broker answers to a create. Every field is checked before any is used.
import { Refusal } from "./runner.js";

// As Cloudflare makes them: a prefix and 40 to 75 characters, or 40 alone.
const VALUE = /^(?:cf[ua]t_[\w-]{40,75}|[\w-]{40})$/;
const ID = /^[0-9A-HJKMNP-TV-Z]{26}$/;
const ACCOUNT = /^[0-9a-f]{32}$/;
const NAME = /^[a-z0-9-]{1,64}$/;
const MOMENT = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/;

export const isValue = (text) => typeof text === "string" && VALUE.test(text);

// The lease in an answer to this wish; refuses what is not exactly that.
export function leaseOf(answer, wish) {
  const { value, lease } = answer ?? {};
  const fits = (pattern, text) => typeof text === "string" && pattern.test(text);
  const checks = {
    value: isValue(value),
    "lease.id": fits(ID, lease?.id),
    "lease.state": lease?.state === "active",
    "lease.template": lease?.template === wish.template,
    "lease.grant": fits(NAME, lease?.grant) && (wish.grant === undefined || lease.grant === wish.grant),
    "lease.account.id": fits(ACCOUNT, lease?.account?.id),
    "lease.account.family": ["account", "user"].includes(lease?.account?.family),
    "lease.expires_on": fits(MOMENT, lease?.expires_on) && !Number.isNaN(Date.parse(lease.expires_on)),
  };
  const wrong = Object.keys(checks).filter((name) => !checks[name]);
  if (wrong.length > 0) {
    throw new Refusal(`The broker's answer is not what it should be: ${wrong.join(", ")}.`, "Nothing was exported. See that `url` is your Brevet, of this Action's version.");
  }
  const { id, grant, account, expires_on: end } = lease;
  return { value, id, grant, end, owner: account.id, account: account.family === "account" ? account.id : "" };
}
