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
      return { ask: (question) => { counts[key] += 1; return stub.ask(question); } };
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

const storage = (of) => ({
  sql: sql(of),
  getAlarm: () => of.getAlarm(),
  // Billed as a row that is written.
  setAlarm: (at) => { counts.alarms_set += 1; return of.setAlarm(at); },
});

const object = (Of) => class extends Of {
  constructor(ctx, env) {
    // The runtime's own kind of object takes no other context than the runtime's.
    Object.defineProperty(ctx, "storage", { value: storage(ctx.storage) });
    super(ctx, counted(env));
  }
  alarm(info) { counts.alarms += 1; return super.alarm(info); }
};
export const Ledger = object(BrevetLedger);
export const Rules = object(BrevetRules);

export default class extends WorkerEntrypoint {
  async fetch(request) {
    const { pathname } = new URL(request.url);
    if (pathname === "/__counts") {
      const told = counts;
      counts = none();
      return Response.json(told);
    }
    const env = counted(this.env);
    if (pathname === "/__cron") {
      await brevet.scheduled({}, env, this.ctx);
      return Response.json({});
    }
    return brevet.fetch(request, env, this.ctx);
  }
}
