// Bodies, queries, paths and methods that are wrong before anybody asks what they mean.
import assert from "node:assert/strict";
import { it } from "node:test";

import { refused } from "../harness/stage.js";
import { FOREIGN, MAIN, USER } from "../harness/stand_in.js";
import { policies } from "./main_job.js";

const MEGABYTES_10 = 10 * 1024 * 1024;
// Longer than any race between an answer and the end of a connection goes on.
const TRIES = 10;

export function bodies(stage, surface, on, own) {
  const refuse = (body, wanted, more = {}) => stage.refuse("POST", surface.create, { as: "raw", body, ...more }, on(surface, wanted));
  const unreadable = (why) => ({ status: 400, kind: "invalid-json", code: 1001, why, next: /one JSON object with each member once/ });
  const tooLong = { status: 413, kind: "body-too-long", code: 1001, why: /more than 65536 bytes/, next: /shorter/ };

  it("refuses a body that is not JSON, or not an object, or not there", async () => {
    for (const [body, why] of [
      ['{"policies":', /ends too early/], ["template=zone-read", /line 1, column 2/], ['{"a":1}{"b":2}', /not JSON/], ["{'a':1}", /not JSON/],
      ['{"a":01}', /not JSON/], ['{"a":NaN}', /not JSON/], ["\ufeff{}", /not JSON/], [Buffer.from([0x7b, 0x22, 0xff, 0x22, 0x3a, 0x31, 0x7d]), /not JSON/],
      ["[]", /not an object/], ["null", /not an object/], ['"text"', /not an object/], ["", /empty/], ["  \n", /empty/],
    ]) {
      await refuse(body, unreadable(why));
    }
  });

  it("refuses a member that is there twice, at any depth and however it is written", async () => {
    for (const body of ['{"name":"a","name":"b"}', '{"name":"a","n\\u0061me":"b"}', '{"policies":[{"effect":"deny","effect":"allow"}]}', '{"policies":[{"resources":{"a":"*","a":{}}}]}']) {
      await refuse(body, unreadable(/member twice/));
    }
  });

  it("refuses nesting that is deeper than any policy, and one that would use up the stack", async () => {
    for (const depth of [17, 1_000, 30_000]) {
      for (const [open, close] of [["[", "]"], ['{"a":', "}"]]) {
        const body = `{"policies":${open.repeat(depth)}1${close.repeat(depth)}}`;
        await refuse(body, body.length > 65_536 ? tooLong : unreadable(/more than 16 levels deep/));
      }
    }
  });

  it("refuses one byte more than it takes, and takes the last one", async () => {
    const padded = (length) => `{"name":"x"${" ".repeat(length - 12)}}`;
    await refuse(padded(65_537), tooLong);
    const { status, text } = await stage.ask("POST", surface.create, { as: "raw", body: padded(65_536) });
    assert.equal(status, 400, text);
    assert.match(text, /policies/, "that one was read");
  });

  it("refuses a body of 10 MB, whether its length is told or not", async () => {
    const body = Buffer.alloc(MEGABYTES_10, "a");
    await refuse(body, tooLong);
    const ask = () => stage.ask("POST", surface.create, { as: "raw", body, chunked: true });
    const { result, calls } = await stage.upstream(async () => {
      for (let tries = 1; ; tries += 1) {
        try {
          return await ask();
        } catch (error) {
          // The connection may end while the body is on its way: an answer that overtakes it is lost.
          if (tries === TRIES || !["ECONNRESET", "EPIPE"].includes(error.code)) throw error;
        }
      }
    });
    refused(result, on(surface, tooLong));
    assert.deepEqual(calls, []);
  });

  it("reads no body of a caller whom it does not know", async () => {
    await stage.refuse("POST", surface.create, { body: Buffer.alloc(MEGABYTES_10, "a") }, on(surface, {
      status: 401, kind: "missing-credential", code: 9106, why: /no Authorization header/, next: /Bearer/,
    }));
    await stage.refuse("POST", surface.create, { token: `brvc_${"A".repeat(43)}`, body: '{"a":' }, on(surface, {
      status: 401, kind: "invalid-credential", code: 1000, why: /does not accept this credential/, next: /Check/,
    }));
  });

  it("refuses a compressed body, whatever it holds", async () => {
    for (const encoding of ["gzip", "br", "zstd", "x"]) {
      await refuse(JSON.stringify(surface.body(policies)), { status: 415, kind: "encoded-body", code: 1001, why: /Content-Encoding/, next: /as it is/ }, { headers: { "content-encoding": encoding } });
    }
  });

  it("refuses members that there are not, and members of another type", async () => {
    await refuse(surface.body(policies, { polices: [] }), { status: 400, kind: "invalid-request", code: 1001, why: /polices/, next: /policies/, pointer: "/polices" });
    for (const [member, value] of [["name", 5], ["name", ""], ["name", ["x"]], ["not_before", 5], ["not_before", "now"]]) {
      await refuse(surface.body(policies, { [member]: value }), {
        status: 400, kind: "invalid-request", code: 1001, why: new RegExp(`/${member}`), next: /\S/, pointer: `/${member}`,
      });
    }
  });

  if (surface.name === "native") {
    it("refuses members that there are not to verify, renew, roll and lint, and names them", async () => {
      const { id } = own;
      for (const [as, path, body, next] of [
        ["ci", "/v1/tokens/verify", { token: "x".repeat(40), accnt: "main" }, /token, account and fresh/], ["ci", `/v1/leases/${id}/renew`, { tll: 1 }, /ttl and expires_on/],
        ["ci", `/v1/leases/${id}/roll`, { force: true }, /none/], ["alice", "/v1/config/lint", { rules: stage.rules, rule: {} }, /rules and source_map/],
      ]) {
        const name = Object.keys(body).at(-1);
        await stage.refuse("POST", path, { as, body }, { status: 400, kind: "invalid-request", why: new RegExp(`unknown member "${name}"`), next, pointer: `/${name}` });
      }
    });
  }

  it("refuses methods that the path does not take, and names those that it does", async () => {
    const paths = surface.name === "native"
      ? [["GET", "/v1/plan", "POST"], ["PUT", "/v1/tokens", "POST"], ["POST", "/v1/leases", "GET"], ["DELETE", "/v1/config", "GET, PUT"], ["OPTIONS", "/v1/tokens", "POST"], ["POST", "/healthz", "GET, HEAD"]]
      : [["DELETE", surface.create, "GET, POST"], ["POST", `${surface.create}/${"0".repeat(32)}/value`, "PUT"], ["PATCH", `${surface.create}/${"0".repeat(32)}`, "GET, PUT, DELETE"], ["POST", "/client/v4/user/tokens/verify", "GET"]];
    for (const [method, path, allow] of paths) {
      const answer = await stage.refuse(method, path, { as: "alice" }, on(surface, {
        status: 405, kind: "method-not-allowed", code: 7001, why: /does not take this method/, next: new RegExp(`It takes ${allow}`),
      }));
      assert.equal(answer.headers.allow, allow);
    }
  });

  it("refuses paths that there are not", async () => {
    const paths = surface.name === "native"
      ? ["/", "/v1", "/v1/", "/v1/tokens/", "/V1/tokens", "//v1/tokens", "/v1/leases/x/y", "/v2/tokens", "/client/v4x"]
      : ["/client/v4", "/client/v4/", "/client/v4/zones", "/client/v4/user", "/client/v4/accounts", `/client/v4/accounts/${MAIN}`, "/client/v4/user/token", "/client/v4/user/tokens/verify/", "/client/v4/user/%74okens"];
    for (const path of paths) {
      for (const method of ["GET", "POST"]) {
        await stage.refuse(method, path, { as: "alice" }, on(surface, surface.name === "native"
          ? { status: 404, kind: "no-such-path", why: /no such path/, next: /routes/ }
          : { status: 404, code: 7003, why: /token endpoints only/, next: /minted token/ }));
      }
    }
  });

  it("refuses numbers of pages and filters that are none", async () => {
    const queries = surface.name === "native"
      ? ["limit=0", "limit=101", "limit=-1", "limit=x", "limit=1.5", "limit=99999999999999999999", "cursor=x", "cursor=main.1.2", "state=dead", "expiring_before=soon"]
      : ["page=0", "page=-1", "page=x", "page=1.5", "page=", "page=99999999999999999999", "per_page=4", "per_page=51", "per_page=0", "direction=up", "include_expired=maybe"];
    const path = surface.name === "native" ? "/v1/leases" : surface.create;
    for (const query of queries) {
      await stage.refuse("GET", `${path}?${query}`, { as: "raw" }, on(surface, {
        status: 400, kind: "invalid-query", code: 1001, why: new RegExp(`query parameter ${query.split("=")[0]} is wrong`), next: /It must be/, pointer: query.split("=")[0],
      }));
    }
    await stage.refuse("GET", `${path}?lmit=1`, { as: "raw" }, on(surface, {
      status: 400, kind: "invalid-query", code: 1001, why: /no query parameter "lmit"/, next: surface.name === "native" ? /limit/ : /per_page/, pointer: "lmit",
    }));
    const twice = surface.name === "native" ? "limit=1&limit=2" : "page=1&page=0";
    await stage.refuse("GET", `${path}?${twice}`, { as: "raw" }, on(surface, {
      status: 400, kind: "invalid-query", code: 1001, why: /twice/, next: /once/,
    }));
  });

  it("refuses accounts that the rules do not name", async () => {
    for (const id of [FOREIGN, USER, "f".repeat(32), "%2e%2e%2fuser"]) {
      const [method, path, body] = surface.name === "native" ? ["GET", `/v1/leases?account=${id}`] : ["POST", `/client/v4/accounts/${id}/tokens`, surface.body(policies)];
      // The user of the rules is an account of theirs, but not one of those under /accounts.
      if (surface.name === "native" && id === USER) continue;
      await stage.refuse(method, path, { as: "raw", body }, on(surface, {
        status: 404, kind: "unknown-account", code: 7003, why: /do not name this account/, next: /that the rules name/,
      }));
    }
  });
}
