// Programs that a test starts. Each leads a process group of its own, so that ending it ends its
// children too; none outlives this process, however it ends.
import { spawn } from "node:child_process";
import { createServer } from "node:net";

// Long enough for an overloaded machine; a program that is well ends in a tenth of a second.
const END_MS = 5_000;

const running = new Set();

function signal(child, name) {
  try {
    process.kill(-child.pid, name);
    return true;
  } catch {
    return false; // the group is gone
  }
}

process.on("exit", () => {
  for (const child of running) signal(child, "SIGKILL");
});
for (const name of ["SIGINT", "SIGTERM", "SIGHUP"]) {
  process.on(name, () => process.exit(1));
}

export const wait = (ms) => new Promise((done) => setTimeout(done, ms));

// Starts a program and collects all it writes.
export function start(program, args, options = {}) {
  const child = spawn(program, args, { ...options, detached: true, stdio: ["ignore", "pipe", "pipe"] });
  running.add(child);
  const started = { child, output: "", ended: null };
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding("utf8");
    stream.on("data", (text) => { started.output += text; });
  }
  const end = new Promise((done) => {
    child.on("error", (error) => done({ error }));
    child.on("exit", (code, by) => done({ code, by }));
  });
  end.then((how) => { started.ended = how; });
  started.stop = async () => {
    signal(child, "SIGTERM");
    await Promise.race([end, wait(END_MS)]);
    // The leader may be gone and a child of it not.
    signal(child, "SIGKILL");
    const how = await end;
    running.delete(child);
    return how;
  };
  // Ends it as a crash does.
  started.kill = async () => {
    signal(child, "SIGKILL");
    const how = await end;
    running.delete(child);
    return how;
  };
  return started;
}

// Runs a program to its end and gives what it wrote to standard output.
export async function run(program, args, { limit = 60_000, ...options } = {}) {
  const child = spawn(program, args, { ...options, detached: true, stdio: ["ignore", "pipe", "pipe"] });
  running.add(child);
  const late = setTimeout(() => signal(child, "SIGKILL"), limit);
  const said = { stdout: "", stderr: "" };
  for (const name of ["stdout", "stderr"]) {
    child[name].setEncoding("utf8");
    child[name].on("data", (text) => { said[name] += text; });
  }
  const how = await new Promise((done) => {
    child.on("error", (error) => done({ error }));
    child.on("close", (code, by) => done({ code, by }));
  });
  clearTimeout(late);
  running.delete(child);
  return { ...how, ...said };
}

// Waits until `look` gives something, and says what the program wrote where it does not come.
export async function until(what, started, ms, look) {
  const end = Date.now() + ms;
  for (;;) {
    const found = await look();
    if (found) return found;
    if (started.ended || Date.now() > end) {
      const how = started.ended ? `ended (${JSON.stringify(started.ended)})` : `was not there after ${ms} ms`;
      throw new Error(`${what} ${how}:\n${started.output.slice(-4_000)}`);
    }
    await wait(100);
  }
}

// Below the ports that systems give to connections, and to servers that take any: one of those could be taken before the
// program that it is for has started.
const [FIRST_PORT, PORTS] = [12_000, 20_000];
const given = new Set();

const isFree = (port) => new Promise((done) => {
  const server = createServer();
  server.on("error", () => done(false));
  server.listen(port, "127.0.0.1", () => server.close(() => done(true)));
});

// A port that was free a moment ago, and another one each time.
export async function freePort() {
  for (let tries = 0; tries < 1_000; tries += 1) {
    const port = FIRST_PORT + Math.floor(Math.random() * PORTS);
    if (given.has(port) || !(await isFree(port))) continue;
    given.add(port);
    return port;
  }
  throw new Error(`no port from ${FIRST_PORT} on was free`);
}
