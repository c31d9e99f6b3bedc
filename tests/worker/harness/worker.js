// The release build of the Worker on workerd, as `wrangler dev` runs it.
import { copyFileSync } from "node:fs";
import { dirname, join } from "node:path";

import { call } from "./call.js";
import * as places from "./places.js";
import { freePort, start, until } from "./processes.js";

// Wrangler bundles and starts two processes; on a busy machine that takes half a minute.
const READY_MS = 120_000;

export const startWorker = (variables, state) => startFrom([join(places.worker(), "wrangler.toml")], variables, state);

// A table of the configuration, up to the next one, and nothing in its place.
const without = (table) => [new RegExp(`^${table.replace(/[[\]]/g, "\\$&")}\n(?:(?!\\[).*\n)*`, "m"), ""];

// A Worker and the objects it asks, each of a build of its own: as it is while a new one is rolled out.
export const startMixed = (worker, objects) => (variables, state) => {
  const front = places.worker("front", worker, (config) => config
    .replace(/class_name = "(\w+)" \}/g, 'class_name = "$1", script_name = "brevet-objects" }')
    .replace(...without("[[migrations]]")));
  const back = places.worker("back", objects, (config) => config.replace('name = "brevet"', 'name = "brevet-objects"')
    .replace(...without("[triggers]")));
  // Each reads its own; wrangler shows the values of those in its configuration.
  for (const folder of [front, back]) copyFileSync(places.secretsFile(variables), join(folder, ".dev.vars"));
  return startFrom([join(front, "wrangler.toml"), join(back, "wrangler.toml")], variables, state);
};

async function startFrom(configs, variables, state = places.stateFolder()) {
  const [port, inspector] = [await freePort(), await freePort()];
  const quiet = places.folder("wrangler");
  const args = [
    places.wrangler(), "dev", ...configs.flatMap((config) => ["--config", config]), "--ip", "127.0.0.1", "--port", `${port}`,
    "--inspector-port", `${inspector}`, ...(configs.length === 1 ? ["--env-file", places.secretsFile(variables)] : []), "--persist-to", state,
    "--show-interactive-dev-session=false",
  ];
  const program = start(process.execPath, args, {
    cwd: dirname(configs[0]),
    env: {
      ...process.env, CI: "true", WRANGLER_SEND_METRICS: "false", WRANGLER_LOG_PATH: quiet, WRANGLER_REGISTRY_PATH: quiet,
      MINIFLARE_REGISTRY_PATH: quiet, NO_COLOR: "1", NODE_TEST_CONTEXT: undefined,
    },
  });
  const url = `http://127.0.0.1:${port}`;
  await until("the Worker", program, READY_MS, async () => {
    const answer = await call(url, "GET", "/healthz").catch(() => null);
    return answer?.status === 200;
  });
  return { url, port, state, folders: configs.map(dirname), stop: program.stop, kill: program.kill, logs: () => program.output };
}
