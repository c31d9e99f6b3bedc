// Compares the books of the ledgers with the tokens at Cloudflare. It reads the databases as files and shares
// no code with the ledger: what a token's name, a row's state and an end mean is written here anew.
//   node compare.js FOLDER-OF-DATABASES TOKENS.json
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";

const [folder, file] = process.argv.slice(2);
const tokens = JSON.parse(readFileSync(file, "utf8"));
const now = Date.now();

const rows = [];
for (const name of readdirSync(folder).filter((each) => each.endsWith(".sqlite"))) {
  const database = new DatabaseSync(join(folder, name), { readOnly: true });
  const tables = database.prepare("SELECT name FROM sqlite_master WHERE type = 'table'").all().map((table) => table.name);
  if (tables.includes("lease")) {
    rows.push(...database.prepare("SELECT id, token_id, state, expires_on, body FROM lease").all());
  }
  database.close();
}

const byToken = new Map(rows.filter((row) => row.token_id).map((row) => [row.token_id, row]));
const leaseOf = (token) => /^brevet:[^:]+:([0-9A-Z]{26})\./.exec(token.name)?.[1];
// A token works until its end, unless it was switched off or marked as leaked.
const lives = (token) => !String(token.status).startsWith("revoked") && !(token.expires_on && Date.parse(token.expires_on) <= now);
const ours = tokens.filter((token) => leaseOf(token) && lives(token));

const orphans = ours.filter((token) => !byToken.has(token.id));
const names = Map.groupBy(ours, leaseOf);
const doubles = [...names.values()].filter((same) => same.length > 1);
const late = ours.filter((token) => {
  const row = byToken.get(token.id);
  if (!row) return false;
  const ends = token.expires_on ? Date.parse(token.expires_on) : Infinity;
  // Books that call it over, or that let it live for less long than Cloudflare does.
  return row.state === "ended" || ends > row.expires_on * 1_000;
});
const states = Object.fromEntries([...Map.groupBy(rows, (row) => row.state)].map(([state, all]) => [state, all.length]));
const missing = rows.filter((row) => row.state === "active" && row.expires_on * 1_000 > now && !tokens.some(({ id }) => id === row.token_id));

console.log(`books: ${rows.length} leases ${JSON.stringify(states)}; at Cloudflare: ${tokens.length} tokens, ${ours.length} of them ours and alive`);
console.log(`orphans ${orphans.length}, doubles ${doubles.length}, alive past their end ${late.length}`);
console.log(`in the books and deleted by another hand since they were last compared: ${missing.length}`);
for (const token of [...orphans, ...doubles.flat(), ...late].slice(0, 20)) {
  console.error(JSON.stringify({ token: token.id, name: token.name, status: token.status, expires_on: token.expires_on, row: byToken.get(token.id) ?? null }));
}
process.exit(orphans.length + doubles.length + late.length ? 1 : 0);
