// What the runner gives this Action, and takes from it: inputs, lines that are commands, and files.
import { randomUUID } from "node:crypto";
import { appendFileSync } from "node:fs";

// Of what others say, so much is shown.
const LONGEST_TEXT = 1_000;

// Why the job gets no token, and what to do next. Nothing in it is secret.
export class Refusal extends Error {
  constructor(reason, hint) {
    super(`${reason} ${hint}`);
  }
}

// Text of others on one line: a line of its own could be a command to the runner.
export function plain(text) {
  return `${text}`.replace(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]+/gu, " ").slice(0, LONGEST_TEXT);
}

function command(name, text) {
  const escaped = text.replaceAll("%", "%25").replaceAll("\r", "%0D").replaceAll("\n", "%0A");
  process.stdout.write(`::${name}::${escaped}\n`);
}

export const mask = (secret) => command("add-mask", secret);
export const error = (text) => command("error title=Brevet", text);
export const warn = (text) => command("warning title=Brevet", text);
export const note = (text) => process.stdout.write(`Brevet: ${text}\n`);

// What may be said of a failure. The text of an error that is not ours may quote what it failed on.
export const reason = (failure) => (failure instanceof Refusal ? failure.message : `It failed unexpectedly (${plain(failure?.code ?? failure?.name)}).`);

export const input = (name) => (process.env[`INPUT_${name.toUpperCase()}`] ?? "").trim();
export const state = (name) => process.env[`STATE_${name}`] ?? "";

// Whether the runner gave the files that will be written to; looked at before anything is asked for.
export function needFiles(names) {
  const missing = names.filter((name) => !process.env[name]);
  if (missing.length > 0) throw new Refusal(`The runner gives no ${missing.join(" and no ")}.`, "Run this as a step of a GitHub Actions job.");
}

// A delimiter that nobody can know: a value that held it could set any other variable.
function append(file, name, value) {
  const end = `brevet_${randomUUID()}`;
  appendFileSync(process.env[file], `${name}<<${end}\n${value}\n${end}\n`);
}

export const keep = (name, value) => append("GITHUB_STATE", name, value);
export const give = (name, value) => append("GITHUB_OUTPUT", name, value);
export const exportVariable = (name, value) => append("GITHUB_ENV", name, value);
