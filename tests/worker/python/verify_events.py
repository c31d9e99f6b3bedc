"""Checks events with the Standard Webhooks library for Python.

Reads events from the file named by the first argument, one JSON object a line: `key`, `headers` and `body` (base64). Writes for each the type of the
event where the library takes it, and the name of the error where it does not.
"""

import base64
import json
import sys

from standardwebhooks.webhooks import Webhook, WebhookVerificationError


def main():
    with open(sys.argv[1], encoding="utf-8") as events:
        for event in map(json.loads, events):
            try:
                taken = Webhook(event["key"]).verify(base64.b64decode(event["body"]), event["headers"])
                print(json.dumps({"type": taken["type"] if isinstance(taken, dict) else json.loads(base64.b64decode(event["body"]))["type"]}))
            except WebhookVerificationError as error:
                print(json.dumps({"error": type(error).__name__}))


main()
