"""Receives Brevet's events, with nothing but Python's standard library (3.10 or later).

    BREVET_EVENTS_KEY=whsec_... python3 receiver.py --port 8080 --seen seen.sqlite

The key is the same as Brevet's HOOK_... secret. While keys are exchanged both may stand there, separated by a space. Put a server that
speaks TLS in front: Brevet sends to https only.
"""

import argparse
import base64
import binascii
import hashlib
import hmac
import json
import os
import sqlite3
import sys
import time
import traceback
from http.server import BaseHTTPRequestHandler, HTTPServer

# What Standard Webhooks allows clocks to differ.
TOLERANCE_SECONDS = 300

# An event is far smaller; whoever sends more is not Brevet.
MOST_BYTES = 256 * 1024

# A sender that stops in the middle does not hold the server up for longer.
PATIENCE_SECONDS = 10

# Longer than Brevet tries: an event comes again under the same id for a day and a bit.
REMEMBERED_SECONDS = 7 * 24 * 3600


def read_keys(text):
    keys = [base64.b64decode(key.removeprefix("whsec_"), validate=True) for key in text.split()]
    if not keys or any(len(key) < 24 for key in keys):
        raise ValueError("BREVET_EVENTS_KEY is not whsec_ and at least 24 bytes in base64")
    return keys


def is_signed(keys, event_id, timestamp, body, signatures, now):
    """Whether one of the keys signed these very bytes, now. Nothing of the body is parsed before."""
    if not event_id or "." in event_id or not (timestamp.isascii() and timestamp.isdigit()) or len(timestamp) > 12:
        return False
    if abs(now - int(timestamp)) > TOLERANCE_SECONDS:
        return False
    signed = f"{event_id}.{timestamp}.".encode() + body
    macs = []
    for signature in signatures.split(" ")[:8]:
        try:
            macs.append(base64.b64decode(signature.removeprefix("v1,"), validate=True) if signature.startswith("v1,") else b"")
        except binascii.Error:
            continue
    expected = [hmac.new(key, signed, hashlib.sha256).digest() for key in keys]
    return any(hmac.compare_digest(mac, own) for own in expected for mac in macs)


def act(event):
    """Your own work. If it raises, the answer is 500, the id is forgotten and the event comes again."""
    data = event["data"]
    print(json.dumps({"type": event["type"], "ledger": data["ledger"], "seq": data["journal"]["seq"], "lease": data["entry"].get("lease")}), flush=True)


class Receiver(BaseHTTPRequestHandler):
    timeout = PATIENCE_SECONDS

    def do_POST(self):
        length = self.headers.get("content-length", "")
        if not (length.isascii() and length.isdigit()) or int(length) > MOST_BYTES:
            return self.answer(413)
        body = self.rfile.read(int(length))
        header = lambda name: self.headers.get(name, "")
        event_id = header("webhook-id")
        if not is_signed(self.server.keys, event_id, header("webhook-timestamp"), body, header("webhook-signature"), time.time()):
            return self.answer(401)
        try:
            # The id and the work stand together or not at all.
            with self.server.seen as seen:
                seen.execute("DELETE FROM seen WHERE at < ?", (time.time() - REMEMBERED_SECONDS,))
                if seen.execute("INSERT OR IGNORE INTO seen (id, at) VALUES (?, ?)", (event_id, time.time())).rowcount:
                    act(json.loads(body))
        except Exception:
            traceback.print_exc()
            return self.answer(500)
        return self.answer(204)

    def answer(self, status):
        self.send_response(status)
        self.send_header("content-length", "0")
        self.end_headers()

    def log_message(self, *_):
        """Says nothing of requests that are refused: there is no end of them on the internet."""


def main():
    arguments = argparse.ArgumentParser(description="Receives Brevet's events.")
    arguments.add_argument("--port", type=int, default=8080)
    arguments.add_argument("--seen", default="seen.sqlite", help="the file in which ids are remembered")
    said = arguments.parse_args()
    try:
        keys = read_keys(os.environ.get("BREVET_EVENTS_KEY", ""))
    except ValueError as error:
        sys.exit(f"{error}. See examples/receivers/README.md.")
    server = HTTPServer(("127.0.0.1", said.port), Receiver)
    server.keys = keys
    server.seen = sqlite3.connect(said.seen)
    server.seen.execute("CREATE TABLE IF NOT EXISTS seen (id TEXT PRIMARY KEY, at REAL NOT NULL)")
    print(f"ready http://127.0.0.1:{server.server_port}", flush=True)
    server.serve_forever()


if __name__ == "__main__":
    main()
