// The GitHub Action as a runner runs it: Node processes against the Worker on workerd.
import { after } from "node:test";

import { startGate } from "./harness/gate.js";
import { startIssuer } from "./harness/issuer.js";
import { startRunner } from "./harness/runner.js";
import { open } from "./harness/stage.js";
import action from "./suites/action.js";
import actionGuide from "./suites/action_guide.js";

const stage = await open();
after(() => stage.close());
const issuer = await startIssuer();
const world = { stage, issuer, gate: await startGate(stage), runner: await startRunner(issuer) };

actionGuide(world);
action(world);
