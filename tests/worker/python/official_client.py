"""Does what it is told with Cloudflare's own client for Python.

Reads calls from the file named by the first argument, one JSON object a line, and writes one JSON object a line for what came of each. `$NAME`
in an argument stands for the id that an earlier call with `"keep": "NAME"` gave.
"""

import json
import os
import sys

import cloudflare

client = cloudflare.Cloudflare(api_token=os.environ["BREVET_CLIENT_SECRET"], base_url=os.environ["BREVET_URL"] + "/client/v4")


def method(path):
    found = client
    for name in path.split("."):
        found = getattr(found, name)
    return found


def plain(value):
    return value.model_dump(mode="json", exclude_unset=True) if hasattr(value, "model_dump") else value


def fill(value, kept):
    return kept[value[1:]] if isinstance(value, str) and value.startswith("$") else value


def main():
    kept = {}
    with open(sys.argv[1], encoding="utf-8") as calls:
        for call in map(json.loads, calls):
            arguments = [fill(value, kept) for value in call.get("positional", [])]
            named = {name: fill(value, kept) for name, value in call["named"].items()}
            try:
                result = method(call["method"])(*arguments, **named)
                # The client fetches the pages that follow while they are gone through.
                result = [plain(entry) for entry in result] if call.get("all") else plain(result)
            except cloudflare.APIStatusError as error:
                print(json.dumps({"status": error.status_code, "kind": type(error).__name__, "body": error.body}))
                continue
            if "keep" in call:
                kept[call["keep"]] = result["id"]
            print(json.dumps({"result": result}))


main()
