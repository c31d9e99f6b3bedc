// Looks for secrets wherever Brevet leaves something, in every form in which one might be left.
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";

// A part of a secret that is this long is as good as the secret to whoever looks for the rest. What is
// shorter occurs by chance.
export const SLICE = 20;

const hex = (bytes) => bytes.toString("hex");

// The forms of a secret, each as one text.
export function forms(secret) {
  const bytes = Buffer.from(secret);
  const all = { raw: secret, "JSON-escaped": JSON.stringify(secret).slice(1, -1), "URL-encoded": encodeURIComponent(secret) };
  all["each character URL-encoded"] = [...bytes].map((byte) => `%${hex(Buffer.from([byte]))}`).join("");
  all["each character JSON-escaped"] = [...secret].map((letter) => `\\u${letter.codePointAt(0).toString(16).padStart(4, "0")}`).join("");
  all.hex = hex(bytes);
  for (const name of ["each character URL-encoded", "each character JSON-escaped", "hex"]) {
    all[`${name}, upper case`] = all[name].replace(/[a-f]/g, (digit) => digit.toUpperCase());
  }
  // Base64 of something in which the secret begins at any byte: the letters that its neighbours share
  // are left out.
  for (const shift of [0, 1, 2]) {
    const text = Buffer.concat([Buffer.alloc(shift), bytes]).toString("base64");
    const first = Math.ceil((shift * 8) / 6);
    const core = text.slice(first, Math.floor(((shift + bytes.length) * 8) / 6));
    all[`base64 from byte ${shift}`] = core;
    all[`base64url from byte ${shift}`] = core.replaceAll("+", "-").replaceAll("/", "_");
  }
  return all;
}

// How many letters of a form stand for one of the secret; base64's are fewer than two.
const widths = { hex: 2, "each character URL-encoded": 3, "each character JSON-escaped": 6 };
const width = (form) => widths[form.replace(", upper case", "")] ?? 1;

// The slices of all forms of some secrets, by their length.
function slicesOf(secrets) {
  const lengths = new Map();
  for (const [name, secret] of Object.entries(secrets)) {
    for (const [form, text] of Object.entries(forms(secret))) {
      const length = SLICE * width(form);
      if (!lengths.has(length)) lengths.set(length, new Map());
      const slices = lengths.get(length);
      for (let at = 0; at + length <= text.length; at += 1) {
        const slice = text.slice(at, at + length);
        if (!slices.has(slice)) slices.set(slice, { name, form });
      }
    }
  }
  return [...lengths];
}

// Where in some texts any form of a secret, or a slice of it, is found. A secret may be left out of one text.
export function search(texts, secrets) {
  const lengths = slicesOf(secrets);
  const found = new Map();
  for (const { where, text, may } of texts) {
    // JSON within JSON doubles each backslash.
    for (const [whole] of text.matchAll(/[A-Za-z0-9+/_=%\\-]{20,}/g)) {
      const run = whole.replace(/\\+/g, "\\");
      for (const [length, slices] of lengths) {
        for (let at = 0; at + length <= run.length; at += 1) {
          const hit = slices.get(run.slice(at, at + length));
          if (hit && hit.name !== may) found.set(`${hit.name} | ${hit.form} | ${where}`, { ...hit, where });
        }
      }
    }
  }
  return [...found.values()];
}

function files(folder) {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name));
}

// Every byte as one letter, so that what is no text is searched, too.
const letters = (path) => readFileSync(path).toString("latin1");

// All that a stage has left behind: what the programs wrote, what is kept, what was answered.
export async function evidence(stage) {
  // The stand-in begins with its parent tokens, one a line: that is how people get them.
  const said = stage.standIn.output().replace(/^CLOUDFLARE_[A-Z_]+=\S+$/gm, "");
  const texts = [{ where: "the Worker's log", text: stage.allLogs() }, { where: "the stand-in's log", text: said }];
  for (const path of files(stage.worker.state)) texts.push({ where: `state ${path.slice(stage.worker.state.length + 1)}`, text: letters(path) });
  const left = stage.worker.folders.map((folder) => join(folder, ".wrangler")).filter((folder) => existsSync(folder));
  for (const path of left.flatMap(files)) texts.push({ where: `wrangler ${path}`, text: letters(path) });
  for (const { asked, headers, text } of stage.heard) {
    texts.push({ where: `the headers of ${asked}`, text: headers }, { where: `the answer to ${asked}`, text });
  }
  for (const [number, sent] of (await stage.standIn.calls()).entries()) {
    texts.push({ where: `call ${number} of Cloudflare, ${sent.method} ${sent.path}`, text: JSON.stringify(sent) });
  }
  return texts;
}

// The values that were shown, each with the one answer that may show it, and the answers that show one
// that was shown before.
export function shown(stage) {
  const values = {};
  const again = [];
  for (const heard of stage.heard) {
    for (const [value] of heard.text.matchAll(/cf[ua]t_[A-Za-z0-9_-]{40,}/g)) {
      if (value in values) again.push(`${heard.asked} (first: ${values[value].asked})`);
      else values[value] = heard;
    }
  }
  return { values, again };
}

// Searches for the parents, for Brevet's own secrets and for every value that was minted. Nothing may be found but
// each value in the one answer that shows it.
export async function leaks(stage) {
  const { values, again } = shown(stage);
  const secrets = { "the pepper": stage.pepper, ...Object.fromEntries(Object.entries(stage.standIn.parents).map(([name, value]) => [`the parent ${name}`, value])) };
  for (const [name, secret] of Object.entries(stage.as)) {
    // The published ones stand in the build itself.
    if (!secret.includes("for-development-only")) secrets[`the secret of ${name}`] = secret;
  }
  const texts = await evidence(stage);
  for (const [at, [value, heard]] of Object.entries(values).entries()) {
    const name = `value ${at}, of ${heard.asked}`;
    secrets[name] = value;
    const own = texts.find(({ text }) => text === heard.text);
    own.may = name;
  }
  const found = search(texts, secrets).map(({ name, form, where }) => `${name} (${form}) in ${where}`);
  return { found: [...found, ...again.map((where) => `a value once more in ${where}`)], secrets: Object.keys(secrets), texts: texts.map(({ where }) => where) };
}
