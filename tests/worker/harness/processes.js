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

// A port that was free a moment ago.
export function freePort() {
  return new Promise((done, failed) => {
    const server = createServer();
    server.on("error", failed);
    server.listen(0, "127.0.0.1", () => {
      const { port } = server.address();
      server.close(() => done(port));
    });
  });
}
