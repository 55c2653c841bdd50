#!/usr/bin/env bash
# Serves a bundle in the foreground and, once it is ready, shows one ticket and its reply: quickstart.sh BUNDLE HOST PORT
set -euo pipefail
bundle=$1 host=$2 port=$3
url="http://$host:$port"
ticket='{"subject": "Charged twice for March", "body": "Our card was charged twice for the March invoice. Please refund one of the two payments."}'

if curl --silent --output /dev/null --max-time 2 "$url/livez"; then
    echo "Something already answers at $url: stop it, or choose another port with PORT=8081." >&2
    exit 1
fi

announce() { # $1: the server's process id; returns when the reply is shown or the server is gone
    until curl --silent --fail --output /dev/null --max-time 2 "$url/readyz"; do
        kill -0 "$1" 2>/dev/null || return 0
        sleep 0.1
    done
    printf '\nHarbor serves %s at %s\n\nTry it:\n\n  curl -s %s/route -H "Content-Type: application/json" -d '\''%s'\''\n\nThe reply:\n\n' \
        "$bundle" "$url" "$url" "$ticket"
    curl --silent --max-time 30 "$url/route" -H 'Content-Type: application/json' -d "$ticket" |
        .venv/bin/python -m json.tool
    printf '\nMore: %s/docs, %s/metrics. Ctrl-C stops the server.\n' "$url" "$url"
}

announce $$ &
# The server takes this process's place, so that Ctrl-C and SIGTERM reach it directly.
exec .venv/bin/harbor-serve run --bundle "$bundle" --host "$host" --port "$port" --log-level warning \
    --ledger "sqlite:///$(dirname "$bundle")/ledger.db"
