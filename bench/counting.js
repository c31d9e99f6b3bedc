// Brevet with a counter at each of its doors, to tell what an operation costs where it is billed. Rows are as workerd
// counts them, which is as Cloudflare bills them. The main module is `index.js`, as it is uploaded.
import { WorkerEntrypoint } from "cloudflare:workers";

import brevet, { Ledger as BrevetLedger, Rules as BrevetRules } from "./index.js";

const none = () => ({ ledger: 0, register: 0, statements: 0, rows_read: 0, rows_written: 0, alarms_set: 0, alarms: 0 });
let counts = none();

function counted(env) {
  const of = (name, key) => ({
    idFromName: (text) => env[name].idFromName(text),
    get: (id) => {
      const stub = env[name].get(id);
      return { fetch: (...of) => { counts[key] += 1; return stub.fetch(...of); } };
    },
  });
  return { ...env, LEDGER: of("LEDGER", "ledger"), RULES: of("RULES", "register") };
}

const sql = (storage) => ({
  exec(statement, ...bound) {
    const cursor = storage.sql.exec(statement, ...bound);
    const rows = cursor.raw().toArray();
    counts.statements += 1;
    counts.rows_read += cursor.rowsRead;
    counts.rows_written += cursor.rowsWritten;
    return { raw: () => ({ toArray: () => rows }), toArray: () => rows };
  },
});

const state = (of) => ({
  id: of.id,
  waitUntil: (promise) => of.waitUntil(promise),
  storage: {
    sql: sql(of.storage),
    getAlarm: () => of.storage.getAlarm(),
    // Billed as a row that is written.
    setAlarm: (at) => { counts.alarms_set += 1; return of.storage.setAlarm(at); },
  },
});

const object = (Of) => class {
  constructor(ctx, env) { this.inner = new Of(state(ctx), counted(env)); }
  fetch(request) { return this.inner.fetch(request); }
  alarm(info) { counts.alarms += 1; return this.inner.alarm(info); }
};
export const Ledger = object(BrevetLedger);
export const Rules = object(BrevetRules);

// worker-build exports a class; a plain object is as good.
const handler = (ctx, env) => (typeof brevet === "function" ? new brevet(ctx, env) : brevet);

export default class extends WorkerEntrypoint {
  async fetch(request) {
    const { pathname } = new URL(request.url);
    if (pathname === "/__counts") {
      const told = counts;
      counts = none();
      return Response.json(told);
    }
    const env = counted(this.env);
    const inner = handler(this.ctx, env);
    if (pathname === "/__cron") {
      await inner.scheduled({}, env, this.ctx);
      return Response.json({});
    }
    return inner.fetch(request, env, this.ctx);
  }
}
