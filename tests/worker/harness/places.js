// Where things are. `cargo xtask test` sets the variables; by hand the defaults of a checkout serve.
import { chmodSync, cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";

export const root = resolve(dirname(fileURLToPath(import.meta.url)), "../../..");

function must(path, how) {
  if (!existsSync(path)) throw new Error(`${path} is missing: ${how}.`);
  return path;
}

export const standIn = () =>
  must(process.env.BREVET_FAKE ?? join(root, "target/debug/fake-cloudflare"), "run `cargo build -p fake-cloudflare`, or set BREVET_FAKE");

// The operator's program.
export const program = () =>
  must(process.env.BREVET_PROGRAM ?? join(root, "target/debug/brevet"), "run `cargo build -p brevet-cli`, or set BREVET_PROGRAM");

export const build = () => must(process.env.BREVET_WORKER_BUILD ?? join(root, "build"), "run `cargo xtask build`, or set BREVET_WORKER_BUILD");

export const wrangler = () => must(join(root, "node_modules/wrangler/bin/wrangler.js"), "run `npm ci`");

// The Python packages of tests/worker/python/requirements.txt; null where nobody has set them up.
export const pythonPackages = () => process.env.BREVET_PYTHON_PACKAGES || null;

const folders = new Set();
process.on("exit", () => {
  for (const folder of folders) rmSync(folder, { recursive: true, force: true });
});

// A folder that goes with this process.
export function folder(name) {
  const path = mkdtempSync(join(tmpdir(), `brevet-${name}-`));
  chmodSync(path, 0o700);
  folders.add(path);
  return path;
}

// The Worker as it is deployed, in a folder of its own, so that a build beside the tests does not
// restart it. Of its configuration only the build command is left out.
const deployed = new Map();
export function worker(name = "worker", from = build(), change = (config) => config) {
  const known = `${name} ${from}`;
  if (name === "worker" && deployed.has(known)) return deployed.get(known);
  const path = folder(name);
  cpSync(must(from, ""), join(path, "build"), { recursive: true });
  const whole = readFileSync(join(root, "wrangler.toml"), "utf8");
  const tables = whole.split(/^(?=\[)/m);
  writeFileSync(join(path, "wrangler.toml"), change(tables.filter((table) => !table.startsWith("[build]")).join("")));
  deployed.set(known, path);
  return path;
}

// A file with secrets, readable by nobody else. Wrangler expands `$` in it.
export function secretsFile(variables) {
  const path = join(folder("secrets"), "vars");
  const lines = Object.entries(variables).map(([name, value]) => `${name}="${value.replaceAll("$", "\\$")}"\n`);
  writeFileSync(path, lines.join(""), { mode: 0o600 });
  return path;
}

export function stateFolder() {
  const path = join(folder("state"), "state");
  mkdirSync(path);
  return path;
}
