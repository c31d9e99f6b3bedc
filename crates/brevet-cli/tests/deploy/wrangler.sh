#!/bin/sh
# Plays wrangler 4 for one test. It writes down what it was called with (arguments, environment, folder,
# standard input: all of them values of the test) and keeps namespaces, secrets and the Worker as files.
#
# state/calls/NNN/{arguments,environment,folder,input}   what it was called with, in order
# state/namespaces/ID                                    the title of a KV namespace
# state/secrets/NAME                                     the value of a secret of the Worker
# state/worker                                           there is a Worker
# state/fail                                             the beginning of the command that fails
# state/logged_out                                       nobody is logged in
set -eu
state=$(cd "$(dirname "$0")/../state" && pwd)
call=$state/calls/$(printf %03d "$(ls "$state/calls" | wc -l)")
mkdir "$call"
printf '%s\n' "$@" > "$call/arguments"
env > "$call/environment"
pwd > "$call/folder"
cat > "$call/input"

if [ -e "$state/fail" ]; then
    case "$*" in
    "$(cat "$state/fail")"*)
        printf '\n\033[31m✘ \033[41;31m[\033[41;97mERROR\033[41;31m]\033[0m \033[1mA request to the Cloudflare API failed.\033[0m\n\n  Service unavailable [code: 10013]\n' >&2
        exit 1
        ;;
    esac
fi

list() {
    # $1: a folder; $2: how printf writes its entries
    comma=
    printf '['
    for entry in "$state/$1"/*; do
        [ -e "$entry" ] || continue
        # shellcheck disable=SC2059
        printf "$comma$2" "$(basename "$entry")" "$(cat "$entry")"
        comma=,
    done
    printf ']\n'
}

case "$1 ${2-} ${3-}" in
"--version  ")
    echo 4.164.0
    ;;
"whoami --json "*)
    if [ -e "$state/logged_out" ]; then
        echo '{"loggedIn":false}'
        exit 1
    fi
    echo '{"loggedIn":true,"authType":"OAuth Token","email":"ops@example.org","accounts":[{"name":"Ours","id":"f0e1d2c3b4a5968778695a4b3c2d1e0f"}]}'
    ;;
"kv namespace list")
    list namespaces '{"id":"%s","title":"%s","supports_url_encoding":true}'
    ;;
"kv namespace create")
    if grep -qsx -- "$4" "$state"/namespaces/*; then
        echo '✘ [ERROR] a namespace with this account ID and title already exists [code: 10014]' >&2
        exit 1
    fi
    printf '%s\n' "$4" > "$state/namespaces/0f2ac74b498b48028cb68387c421e279"
    printf '🌀 Creating namespace with title "%s"\n✨ Success!\n[[kv_namespaces]]\nbinding = "brevet_state"\nid = "0f2ac74b498b48028cb68387c421e279"\n' "$4"
    ;;
"secret list --format")
    if [ ! -e "$state/worker" ]; then
        printf '\n✘ [ERROR] Worker "brevet" not found.\n\n  If this is a new Worker, run `wrangler deploy` first to create it.\n' >&2
        exit 1
    fi
    list secrets '{"name":"%s","type":"secret_text"}%.0s'
    ;;
"secret put "*)
    cat "$call/input" > "$state/secrets/$3"
    : > "$state/worker"
    printf '🌀 Creating the secret for the Worker "brevet"\n✨ Success! Uploaded secret %s\n' "$3"
    ;;
"deploy "*)
    : > "$state/worker"
    echo 'Uploaded brevet (3.21 sec)'
    ;;
*)
    echo "✘ [ERROR] Unknown command: $*" >&2
    exit 1
    ;;
esac
