// The release build of the Worker on workerd, as `wrangler dev` runs it.
import { call } from "./call.js";
import * as places from "./places.js";
import { freePort, start, until } from "./processes.js";

// Wrangler bundles and starts two processes; on a busy machine that takes half a minute.
const READY_MS = 120_000;

export async function startWorker(variables, state = places.stateFolder()) {
  const [port, inspector] = [await freePort(), await freePort()];
  const quiet = places.folder("wrangler");
  const args = [
    places.wrangler(), "dev", "--config", `${places.worker()}/wrangler.toml`, "--ip", "127.0.0.1", "--port", `${port}`,
    "--inspector-port", `${inspector}`, "--env-file", places.secretsFile(variables), "--persist-to", state,
    "--show-interactive-dev-session=false",
  ];
  const program = start(process.execPath, args, {
    cwd: places.worker(),
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
  return { url, port, state, stop: program.stop, kill: program.kill, logs: () => program.output };
}
