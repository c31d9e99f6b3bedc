// Other people's programs against Brevet: what the guides tell a newcomer to type, a GitLab job, Cloudflare's own client
// for Python, and the receivers of the examples. They need curl, openssl and the packages of python/requirements.txt, which
// `cargo xtask test` sets up; where these are missing nothing here is run, and the run says so.
import { after } from "node:test";

import { pythonPackages } from "./harness/places.js";
import { open } from "./harness/stage.js";
import gitlab from "./suites/gitlab.js";
import guideLines from "./suites/guide_lines.js";
import pythonClient from "./suites/python_client.js";
import receivers from "./suites/receivers.js";

const packages = pythonPackages();
const skip = packages ? false : "NOT RUN: run `cargo xtask test --only clients`, or set BREVET_PYTHON_PACKAGES";
const stage = skip ? null : await open();
after(() => stage?.close());

guideLines(stage, { packages, skip });
pythonClient(stage, { packages, skip });
gitlab(open, { skip });
receivers({ packages, skip });
