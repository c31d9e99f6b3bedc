// What most suites share: one stand-in, one Worker, callers, and all that Brevet answered.
import assert from "node:assert/strict";

import { bearer, call } from "./call.js";
import { leaks } from "./leaks.js";
import { ALICE, clientSecret, EDGE_PURGER, operatorSecret, rules } from "./rules.js";
import { chance, startStandIn } from "./stand_in.js";
import { startWorker } from "./worker.js";

// Another installation beside an open one shares its stand-in.
// `hooks` are Worker secrets with the keys of hooks, by name.
export async function open({ standIn: shared, rules: chosen, start = startWorker, hooks = {} } = {}) {
  const secrets = {
    root: operatorSecret(),
    operators: {
      reader: { secret: operatorSecret(), may: ["read"] },
      minter: { secret: operatorSecret(), may: ["mint"] },
    },
    clients: Object.fromEntries(
      ["ci", "raw", "sdk-node", "sdk-python", "passer-by", "leaver"].map((name) => [name, clientSecret()]),
    ),
  };
  const as = {
    root: secrets.root, alice: ALICE, "edge-purger": EDGE_PURGER, reader: secrets.operators.reader.secret,
    minter: secrets.operators.minter.secret, ...secrets.clients, ...hooks,
  };
  const pepper = chance(43);
  const standIn = shared ?? (await startStandIn({ forbid: [pepper] }));
  const variables = {
    BREVET_DEV: "1", CLOUDFLARE_API_BASE: standIn.api, ...standIn.parents, BREVET_PEPPER: pepper, BREVET_OPERATOR_SECRET: secrets.root,
    ...hooks,
  };
  const heard = [];
  const own = rules(secrets);
  if (chosen) own.brevet = chosen.brevet;
  const stage = { standIn, as, heard, pepper, variables, rules: own, logs: "" };
  stage.worker = await start(variables);

  // A request to the Worker. `as` names a caller, `token` is a credential of any form.
  stage.ask = async (method, path, { as: caller, token, headers = {}, ...rest } = {}) => {
    const secret = token ?? (caller && as[caller]);
    assert.ok(!caller || secret, `there is no caller ${caller}`);
    const answer = await call(stage.worker.url, method, path, { headers: { ...(secret ? bearer(secret) : {}), ...headers }, ...rest });
    heard.push({ asked: `${method} ${path.slice(0, 200)}`, headers: JSON.stringify(answer.headers), text: answer.text });
    return answer;
  };

  // Does something and gives the calls that reached the stand-in meanwhile.
  stage.upstream = async (work) => {
    const before = (await standIn.calls()).at(-1)?.number ?? 0;
    const result = await work();
    return { result, calls: await standIn.calls(`?after=${before}`) };
  };

  // The same for a request that must not have reached it.
  stage.refuse = async (method, path, options, wanted) => {
    const { result, calls } = await stage.upstream(() => stage.ask(method, path, options));
    refused(result, wanted);
    assert.deepEqual(calls, [], "nothing reaches Cloudflare");
    return result;
  };

  stage.push = async (changed, query = "") => {
    const present = await stage.ask("GET", "/v1/config", { as: "root" });
    return stage.ask("PUT", `/v1/config${query}`, { as: "root", headers: { "if-match": present.headers.etag }, body: { rules: changed } });
  };

  // Ends the Worker and starts it on the same state, which may be looked at and changed in between.
  stage.restart = async (meanwhile = () => {}, end = "stop", begin = start) => {
    await stage.worker[end]();
    stage.logs += stage.worker.logs();
    await meanwhile(stage.worker.state);
    stage.worker = await begin(variables, stage.worker.state);
  };

  stage.allLogs = () => stage.logs + stage.worker.logs();

  stage.close = async () => {
    const { found } = await leaks(stage);
    await stage.worker.stop();
    if (!shared) {
      const end = await standIn.stop();
      assert.notEqual(end.code, 3, `a secret of Brevet's reached the stand-in:\n${standIn.output()}`);
    }
    assert.deepEqual(found, [], "no secret is left anywhere");
  };

  const pushed = await stage.push(stage.rules);
  assert.equal(pushed.status, 200, pushed.text);
  return stage;
}

// Checks a refusal on either surface: its status, its stable name or code, why, and what to do next.
export function refused(answer, { status, kind, code, why, next, pointer, retry = false }) {
  const said = `${answer.status} ${answer.text}`;
  assert.equal(answer.status, status, said);
  assert.match(answer.headers["cache-control"], /no-store/);
  assert.equal(answer.headers["x-should-retry"], `${retry}`, said);
  if (kind) {
    assert.match(answer.headers["content-type"], /^application\/problem\+json/);
    const problem = answer.json;
    assert.equal(problem.type, `urn:brevet:problem:${kind}`, said);
    assert.equal(problem.status, status);
    assert.ok(problem.title, said);
    assert.match(problem.detail, why, said);
    assert.match(problem.hint, next ?? /\S/, said);
    assert.match(problem.detail, /[.?!]$/, said);
    if (pointer) assert.equal(problem.pointer, pointer, said);
    return;
  }
  const envelope = answer.json;
  assert.equal(envelope.success, false, said);
  assert.equal(envelope.result, null);
  assert.deepEqual(envelope.messages, []);
  assert.equal(envelope.errors.length, 1);
  const [error] = envelope.errors;
  assert.equal(error.code, code, said);
  const words = error.error_chain ? error.error_chain[0].message : error.message;
  assert.match(words, why, said);
  if (next) assert.match(words, next, said);
  assert.match(words, /[.?!]$/, said);
  if (pointer) assert.equal(error.source?.pointer, pointer, said);
}
