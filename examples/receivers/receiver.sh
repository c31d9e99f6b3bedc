#!/bin/sh
# Receives one of Brevet's events, as a CGI program of any web server that speaks https: the headers are in
# HTTP_WEBHOOK_ID, HTTP_WEBHOOK_TIMESTAMP and HTTP_WEBHOOK_SIGNATURE, the body is the input. Needs openssl.
#
# BREVET_EVENTS_KEY holds the key, the same whsec_… as Brevet's HOOK_… secret; BREVET_EVENTS_SEEN names a folder
# for the ids that were acted on. openssl takes a key as an argument, which other users of the machine can
# see while it runs: use this where there are none.
set -eu

TOLERANCE_SECONDS=300
MOST_BYTES=262144

answer() {
  printf 'Status: %s\r\nContent-Length: 0\r\n\r\n' "$1"
  exit 0
}

# Your own work; "$1" is the file with the event. If it fails, the event comes again.
act() {
  cat "$1"
}

refuse() { answer "401 Unauthorized"; }

[ "${REQUEST_METHOD:-}" = POST ] || answer "405 Method Not Allowed"
id=${HTTP_WEBHOOK_ID:-}
time=${HTTP_WEBHOOK_TIMESTAMP:-}
signatures=${HTTP_WEBHOOK_SIGNATURE:-}

# The id becomes a file's name below: no dot, no slash.
case $id in '' | *[!A-Za-z0-9_-]*) refuse ;; esac
[ "${#id}" -le 200 ] || refuse
case $time in '' | *[!0-9]* | ?????????????*) refuse ;; esac
case $signatures in *[!A-Za-z0-9+/=,\ ]*) refuse ;; esac
# A leading zero would make the shell read it as octal.
case $time in 0*) refuse ;; esac
age=$(($(date +%s) - time))
[ "$age" -le "$TOLERANCE_SECONDS" ] && [ "$age" -ge "-$TOLERANCE_SECONDS" ] || refuse

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
# The bytes as they came: a variable would lose the end of them. One more than is taken, to see what is longer.
head -c "$((MOST_BYTES + 1))" > "$work/body"
[ "$(wc -c < "$work/body")" -le "$MOST_BYTES" ] || answer "413 Content Too Large"

key=$(printf '%s' "${BREVET_EVENTS_KEY#whsec_}" | openssl base64 -d -A | od -An -v -tx1 | tr -d ' \n')
[ "${#key}" -ge 48 ] || answer "500 Internal Server Error"
own=$({ printf '%s.%s.' "$id" "$time"; cat "$work/body"; } | openssl dgst -sha256 -mac HMAC -macopt "hexkey:$key" -binary | openssl base64 -A)

good=no
for signature in $signatures; do
  # Digests are compared, so that the time that this takes says nothing of the signature.
  theirs=$(printf '%s' "$signature" | openssl dgst -sha256 -r)
  [ "$theirs" = "$(printf 'v1,%s' "$own" | openssl dgst -sha256 -r)" ] && good=yes
done
[ "$good" = yes ] || refuse

# Making a folder succeeds once, whoever tries at the same time. A machine that dies during the work leaves it
# behind: take it away and have the event replayed.
mkdir -p "$BREVET_EVENTS_SEEN"
find "$BREVET_EVENTS_SEEN" -mindepth 1 -maxdepth 1 -name 'evt_*' -mtime +7 -exec rmdir {} + 2>/dev/null || true
mkdir "$BREVET_EVENTS_SEEN/$id" 2>/dev/null || answer "204 No Content"
if act "$work/body" >&2; then
  answer "204 No Content"
fi
rmdir "$BREVET_EVENTS_SEEN/$id"
answer "500 Internal Server Error"
