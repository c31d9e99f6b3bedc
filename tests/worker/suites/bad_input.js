// What must not get through, on both surfaces: each is refused with its exact reason, and Cloudflare
// hears nothing of it.
import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";

import { APPS, FOREIGN, MAIN, USER, ZONE } from "../harness/stand_in.js";
import { policies } from "./main_job.js";
import { bodies } from "./bad_bodies.js";

const KV_WRITE = "f7f0eda5697f475c90846e879bab8666";
const ZONE_READ = "c8fed203ed3043cba015a93ad1616f1f";
const ACCOUNT_TOKENS_WRITE = "5bc3f8b21c554832afc660159ab75fa4";
const USER_TOKENS_WRITE = "686d18d5ac6c441c867cbf6771e58a0a";

const account = (id) => `com.cloudflare.api.account.${id}`;
const zone = (id) => `com.cloudflare.api.account.zone.${id}`;
const nested = { [account(MAIN)]: { [zone(ZONE)]: "*" } };
const one = (id, resources, change = {}) => [{ effect: "allow", permission_groups: [{ id }], resources, ...change }];
const soon = (seconds = 600) => new Date(Date.now() + seconds * 1000).toISOString().replace(/\.\d+Z$/, "Z");

// Policies that nobody gets, not even an operator; what is wrong with each, and where.
const NEVER = [
  ["every account at once", one(ZONE_READ, { [account("*")]: "*" }), /all accounts at once/, `/0/resources/${account("*")}`],
  ["the zones of every account at once", one(ZONE_READ, { [zone("*")]: "*" }), /zones of all accounts at once/, `/0/resources/${zone("*")}`],
  ["everything there is", one(ZONE_READ, { "*": "*" }), /"\*" is not a resource/, "/0/resources/*"],
  ["an account outside the rules", one(ZONE_READ, { [account(FOREIGN)]: { [zone("*")]: "*" } }), new RegExp(`${FOREIGN} is not in the rules`), `/0/resources/${account(FOREIGN)}`],
  ["a zone under an account that does not have it", one(ZONE_READ, { [account(APPS)]: { [zone(ZONE)]: "*" } }), /belongs to account/, null],
  ["another user", one(USER_TOKENS_WRITE, { [`com.cloudflare.api.user.${MAIN}`]: "*" }), new RegExp(`user ${MAIN} is not the user of the rules`), null],
  ["a path in an account's place", one(ZONE_READ, { [account(`../${MAIN}`)]: { [zone(ZONE)]: "*" } }), /is not a resource/, null],
  ["an id in upper case", one(ZONE_READ.toUpperCase(), nested), /32 lower-case hexadecimal/, "/0/permission_groups/0/id"],
  ["a group on a kind of resource it does not act on", one(ZONE_READ, { [account(MAIN)]: "*" }), /acts on resources of scope zone/, "/0/permission_groups/0/id"],
  ["a policy that denies", one(ZONE_READ, nested, { effect: "deny" }), /deny policies are refused/, "/0/effect"],
  ["a policy with a member that there is not", one(ZONE_READ, nested, { ressources: nested }), /"ressources" is not a member/, "/0"],
  ["no policy", [], /there is no policy/, ""],
  ["a policy without groups", [{ effect: "allow", permission_groups: [], resources: nested }], /at least one permission group/, "/0/permission_groups"],
  ["a policy without resources", one(ZONE_READ, {}), /at least one resource/, "/0/resources"],
  ["65 policies", Array.from({ length: 65 }, () => one(ZONE_READ, nested)[0]), /65 policies.*at most 64/, ""],
  ["policies that are no list", { 0: one(ZONE_READ, nested)[0] }, /must be a list/, ""],
];

export default (stage) => describe("bad input", () => {
  const native = { name: "native", create: "/v1/tokens", body: (list, change) => ({ policies: list, account: "main", expires_on: soon(), ...change }) };
  const dropIn = {
    name: "drop-in", create: `/client/v4/accounts/${MAIN}/tokens`, body: (list, change) => ({ name: "bad", policies: list, expires_on: soon(), ...change }),
  };
  // A refusal in the form of a surface.
  const on = (surface, { status, kind, code, why, next, pointer }) =>
    surface === native ? { status, kind, why, next, pointer } : { status, code, why, next, pointer };

  let leases;
  const held = async () => (await stage.ask("GET", "/v1/leases?limit=100", { as: "alice" })).json.leases.map(({ id }) => id).sort();
  const own = { id: null };
  before(async () => {
    const made = await stage.ask("POST", "/v1/tokens", { as: "ci", body: { template: "cache-purge", params: { zone: "example.com" } } });
    own.id = made.json.lease.id;
    leases = await held();
  });
  after(async () => assert.deepEqual(await held(), leases, "no lease has come of any of this"));

  for (const surface of [native, dropIn]) {
    describe(`on the ${surface.name} surface`, () => {
      bodies(stage, surface, on, own);

      for (const [what, list, why, pointer] of NEVER) {
        it(`refuses ${what}, to a client and to an operator`, async () => {
          for (const as of ["raw", "alice"]) {
            await stage.refuse("POST", surface.create, { as, body: surface.body(list) }, on(surface, {
              status: 422, kind: "invalid-policies", code: 9109, why, next: /as Cloudflare's API takes them/,
              pointer: pointer === null ? undefined : `/policies${pointer}`,
            }));
          }
        });
      }

      it("refuses a client the groups that rewrite Brevet on the account that hosts it, where it has them elsewhere", async () => {
        await stage.refuse("POST", surface.create, { as: "raw", body: surface.body(one(KV_WRITE, { [account(MAIN)]: "*" })) }, on(surface, {
          status: 403, kind: "out-of-reach", code: 9109, why: new RegExp(`reaches "Workers KV Storage Write" on account ${MAIN}`), next: /whoami/, pointer: "/policies/0",
        }));
      });

      it("refuses a client the groups that manage tokens", async () => {
        await stage.refuse("POST", surface.create, { as: "raw", body: surface.body(one(ACCOUNT_TOKENS_WRITE, { [account(MAIN)]: "*" })) }, on(surface, {
          status: 403, kind: "out-of-reach", code: 9109, why: /reaches "Account API Tokens Write"/, next: /operator/, pointer: "/policies/0",
        }));
      });

      it("refuses an operator a token that manages tokens from anywhere, or for longer than an hour", async () => {
        const list = one(ACCOUNT_TOKENS_WRITE, { [account(MAIN)]: "*" });
        await stage.refuse("POST", surface.create, { as: "alice", body: surface.body(list) }, on(surface, {
          status: 403, kind: "managing-group-without-ip-condition", code: 9109, why: /needs a condition on addresses/, next: /"in" list/, pointer: "/policies/0",
        }));
        const condition = { request_ip: { in: ["203.0.113.0/24"] } };
        await stage.refuse("POST", surface.create, { as: "alice", body: surface.body(list, { condition, expires_on: soon(2 * 3600) }) }, on(surface, {
          status: 403, kind: "managing-group-too-long", code: 9109, why: /lives at most 1h/, next: /one hour or less/, pointer: "/policies/0",
        }));
      });

      it("refuses an unknown group to a client", async () => {
        await stage.refuse("POST", surface.create, { as: "raw", body: surface.body(one("9".repeat(32), nested)) }, on(surface, {
          status: 422, kind: "invalid-policies", code: 9109, why: /permission group 9{32} is unknown/, next: /\S/, pointer: "/policies/0/permission_groups/0/id",
        }));
      });

      it("refuses an end in the past, and one beyond the grant's", async () => {
        await stage.refuse("POST", surface.create, { as: "raw", body: surface.body(policies, { expires_on: "2020-01-01T00:00:00Z" }) }, on(surface, {
          status: 422, kind: "end-past", code: 9109, why: /2020-01-01T00:00:00Z is not in the future/, next: /in the future/, pointer: "/expires_on",
        }));
        await stage.refuse("POST", surface.create, { as: "raw", body: surface.body(policies, { expires_on: "9999-12-31T23:59:59Z" }) }, on(surface, {
          status: 403, kind: "end-too-late", code: 9109, why: /grant "raw-zone" allows 1h/, next: /or earlier/, pointer: "/expires_on",
        }));
      });

      it("refuses a token that would begin after its end", async () => {
        await stage.refuse("POST", surface.create, { as: "raw", body: surface.body(policies, { not_before: "2099-01-01T00:00:00Z" }) }, on(surface, {
          status: 422, kind: "never-valid", code: 9109, why: /would begin at 2099/, next: /before the end/, pointer: "/not_before",
        }));
      });

      it("refuses times that are none", async () => {
        for (const wrong of ["tomorrow", "10000-01-01T00:00:00Z", "2027-01-31T00:00:00+01:00", "1969-12-31T23:59:59Z", 1_800_000_000, -1, true, {}]) {
          await stage.refuse("POST", surface.create, { as: "raw", body: surface.body(policies, { expires_on: wrong }) }, on(surface, {
            status: 400, kind: "invalid-request", code: 1001, why: /\/expires_on/, next: /\S/, pointer: "/expires_on",
          }));
        }
      });

      it("refuses a condition that is no list of networks", async () => {
        for (const [request_ip, why] of [
          [{ in: ["not an address"] }, /"not an address" is not an address/], [{ in: ["10.0.0.0/33"] }, /10\.0\.0\.0\/33/],
          [{ within: ["10.0.0.0/8"] }, /unknown member "within"/], [{ in: "10.0.0.0/8" }, /condition/],
        ]) {
          await stage.refuse("POST", surface.create, { as: "raw", body: surface.body(policies, { condition: { request_ip } }) }, on(surface, {
            status: 422, kind: "invalid-condition", code: 9109, why, next: /203\.0\.113\.0\/24/,
          }));
        }
      });

      it("refuses what nobody but the owner may touch, by ids that lead elsewhere", async () => {
        const base = surface === native ? "/v1/leases" : surface.create;
        // The runtime resolves what it takes for dots before Brevet sees the path; what is left is no route.
        for (const id of ["..", "%2e%2e", ".%2E"]) {
          for (const tail of ["", surface === native ? "/roll" : "/value"]) {
            const wanted = on(surface, surface === native
              ? { status: 404, kind: "no-such-path", why: /no such path/, next: /routes/ }
              : { status: 404, code: 7003, why: /token endpoints only/, next: /api\.cloudflare\.com/ });
            await stage.refuse(tail ? (surface === native ? "POST" : "PUT") : "GET", `${base}/${id}${tail}`, { as: "raw" }, wanted);
          }
        }
        const odd = ["..%2f..%2fuser%2ftokens", "%2e%2e%2f", "%252e%252e", "%00", "x%0d%0aHost:%20y", "0".repeat(31), "0".repeat(33), "A".repeat(32), "%30".repeat(32)];
        for (const id of odd) {
          for (const method of ["GET", "DELETE"]) {
            await stage.refuse(method, `${base}/${id}`, { as: "alice" }, on(surface, {
              status: 404, kind: "malformed-id", code: 7003, why: /malformed; nothing was asked of Cloudflare/, next: /32 lower-case hex/,
            }));
          }
        }
      });
    });
  }

  describe("in templates and their parameters", () => {
    const read = { template: "zone-read", grant: "ci-zone" };
    for (const [what, body, status, kind, why, next, pointer] of [
      ["an unknown template, and names the one perhaps meant", { template: "zone-raed" }, 422, "unknown-template", /no template "zone-raed"/, /zone-read/, "/template"],
      ["an unknown template that is like no other", { template: "quantum" }, 422, "unknown-template", /"quantum"/, /GET \/v1\/templates/, "/template"],
      ["an unknown parameter", { ...read, params: { zone: "example.com", acount: "main" } }, 422, "unknown-parameter", /"acount"/, /"account" and "zone"/, "/params/acount"],
      ["a foreign account by its id", { ...read, params: { zone: "*", account: FOREIGN } }, 422, "unknown-account", new RegExp(FOREIGN), /rules name/, "/params/account"],
      ["a zone that the rules do not name", { ...read, params: { zone: "foreign.example" } }, 422, "unknown-zone", /"foreign\.example"/, /\[zone\]/, "/params/zone"],
      ["a path in a zone's place", { ...read, params: { zone: "../user" } }, 422, "unknown-zone", /"\.\.\/user"/, /\[zone\]/, "/params/zone"],
      ["all zones where the grant names one", { template: "cache-purge", params: { zone: "*", account: "main" } }, 403, "parameter-refused", /"\*" is not allowed as zone/, /whoami/, "/params/zone"],
      ["all zones and one more", { ...read, params: { zone: ["*", "example.com"] } }, 422, "all-zones-and-more", /cannot stand beside others/, /alone/, "/params/zone"],
      ["an empty list of zones", { ...read, params: { zone: [] } }, 400, "invalid-request", /empty/, /leave it out/, "/params/zone"],
      ["parameters that are no object", { ...read, params: [] }, 400, "invalid-request", /object/, /\S/, "/params"],
      ["a template that only operators may mint", { template: "create-additional-tokens", params: { account: "main" } }, 403, "template-not-allowed", /No grant .*allows template/, /whoami/, "/template"],
      ["another's grant", { ...read, grant: "edge-purge", params: { zone: "example.com" } }, 403, "unknown-grant", /no grant "edge-purge"/, /whoami/, "/grant"],
      ["a choice between grants that it leaves open", { template: "zone-read", params: { zone: "example.com" } }, 422, "several-grants", /ci-user, ci-zone/, /one of/, "/grant"],
      ["neither template nor policies", {}, 400, "invalid-request", /neither "template" nor "policies"/, /Send/, ""],
      ["template and policies at once", { ...read, policies }, 400, "invalid-request", /does not go together with "template"/, /one of the two/, "/policies"],
      ["two ends", { ...read, params: { zone: "example.com" }, ttl: "5m", expires_on: soon() }, 400, "invalid-request", /does not go together with "ttl"/, /one of the two/, "/expires_on"],
      ["a lifetime beyond the grant's, and names it", { ...read, params: { zone: "example.com" }, ttl: "2h" }, 403, "end-too-late", /grant "ci-zone" allows 1h/, /or earlier/, "/expires_on"],
      ["a name that is too long", { ...read, params: { zone: "example.com" }, name: "n".repeat(121) }, 400, "invalid-request", /longer than 120/, /\S/, "/name"],
      ["a name that cannot be printed", { ...read, params: { zone: "example.com" }, name: "a\u0000b" }, 400, "invalid-request", /cannot be printed/, /\S/, "/name"],
    ]) {
      it(`refuses ${what}, to create and to plan`, async () => {
        for (const path of ["/v1/tokens", "/v1/plan"]) {
          await stage.refuse("POST", path, { as: "ci", body }, { status, kind, why, next, pointer });
        }
      });
    }

    it("refuses a lifetime that is none, to create and to renew", async () => {
      const { id } = own;
      for (const ttl of ["0", "-1", "9223372036854775808", "-9223372036854775808", "1.5", "1e300", "true", "[]", '"0s"', '"-5m"', '"soon"', '"9223372036854775808s"']) {
        const body = `{"template":"cache-purge","params":{"zone":"example.com"},"ttl":${ttl}}`;
        const wanted = { status: 400, kind: "invalid-request", why: /\/ttl/, next: /15m/, pointer: "/ttl" };
        await stage.refuse("POST", "/v1/tokens", { as: "ci", body }, wanted);
        await stage.refuse("POST", `/v1/leases/${id}/renew`, { as: "ci", body: `{"ttl":${ttl}}` }, wanted);
      }
    });

    it("refuses an operator who names a grant, and one who names no account", async () => {
      await stage.refuse("POST", "/v1/tokens", { as: "alice", body: { ...read, params: { zone: "example.com", account: "main" } } }, {
        status: 422, kind: "grant-for-operator", why: /not bound by a grant/, next: /Leave "grant" out/, pointer: "/grant",
      });
      await stage.refuse("POST", "/v1/tokens", { as: "alice", body: { policies, ttl: "5m" } }, {
        status: 422, kind: "parameter-needed", why: /"account" is needed/, next: /account/,
      });
    });
  });

  describe("in user tokens", () => {
    it("refuses Workers KV Storage Write on the account that hosts Brevet, whoever owns the token", async () => {
      const list = one(KV_WRITE, { [account(MAIN)]: "*" });
      const why = new RegExp(`reaches "Workers KV Storage Write" on account ${MAIN}`);
      await stage.refuse("POST", "/v1/tokens", { as: "raw", body: { policies: list, account: "me", ttl: "5m" } }, {
        status: 403, kind: "out-of-reach", why, next: /whoami/, pointer: "/policies/0",
      });
      await stage.refuse("POST", "/client/v4/user/tokens", { as: "raw", body: { name: "x", policies: list, expires_on: soon() } }, {
        status: 403, code: 9109, why, next: /whoami/, pointer: "/policies/0",
      });
    });

    it("refuses rules that would hand it out, unless they accept the takeover", async () => {
      const present = await stage.ask("GET", "/v1/config", { as: "root" });
      for (const owner of ["main", "me"]) {
        const { rules } = structuredClone(present.json);
        rules.grant.grab = { from: { client: "raw" }, allow: [{ template: "workers-deploy", account: owner, raw: true }], max_ttl: "1h" };
        const answer = await stage.refuse("PUT", "/v1/config", { as: "root", headers: { "if-match": present.headers.etag }, body: { rules } }, {
          status: 422, kind: "invalid-rules", why: /errors; nothing was changed/, next: /findings/,
        });
        const finding = answer.json.findings.find(({ severity }) => severity === "error");
        assert.deepEqual([finding.code, finding.pointer], ["guardrail", "/grant/grab/allow/0"]);
        assert.match(finding.message, /could rewrite, divert or overhear Brevet/);
      }
      assert.equal((await stage.ask("GET", "/v1/config", { as: "root" })).headers.etag, present.headers.etag);
    });

    it("refuses an account token that acts for a user, or in another account", async () => {
      for (const [list, why] of [
        [one(USER_TOKENS_WRITE, { [`com.cloudflare.api.user.${USER}`]: "*" }), /cannot act for a user/],
        [one(ZONE_READ, { [account(APPS)]: { [zone("*")]: "*" } }), new RegExp(`cannot reach account ${APPS}`)],
      ]) {
        const condition = { request_ip: { in: ["203.0.113.0/24"] } };
        await stage.refuse("POST", "/v1/tokens", { as: "alice", body: { policies: list, account: "main", ttl: "5m", condition } }, {
          status: 422, kind: "wrong-family", why, next: /Leave the policy out/, pointer: "/policies/0",
        });
        await stage.refuse("POST", `/client/v4/accounts/${MAIN}/tokens`, { as: "alice", body: { name: "x", policies: list, expires_on: soon(), condition } }, {
          status: 422, code: 9109, why, next: /Leave the policy out/, pointer: "/policies/0",
        });
      }
    });
  });
});
