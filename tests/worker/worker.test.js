// Black-box tests of the release build on workerd against the stand-in for Cloudflare's API.
import { after } from "node:test";

import { open } from "./harness/stage.js";
import badInput from "./suites/bad_input.js";
import canary from "./suites/canary.js";
import endings from "./suites/endings.js";
import events from "./suites/events.js";
import exchange from "./suites/exchange.js";
import faults from "./suites/faults.js";
import federation from "./suites/federation.js";
import hooks from "./suites/hooks.js";
import mainJob from "./suites/main_job.js";
import officialSdk from "./suites/official_sdk.js";
import operatorsProgram from "./suites/operators_program.js";
import robustness from "./suites/robustness.js";
import rulesPush from "./suites/rules_push.js";
import signatures from "./suites/signatures.js";
import tokenStates from "./suites/token_states.js";

const stage = await open();
after(() => stage.close());

mainJob(stage);
officialSdk(stage);
badInput(stage);
operatorsProgram(stage);
// Last of those that share a stage: it looks at what they left.
canary(stage);
tokenStates();
rulesPush();
robustness();
endings();
faults();
federation();
hooks();
events();
exchange();
signatures();
