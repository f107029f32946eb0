#!/bin/sh
# `aiwriter PART`: one part of the portal in the foreground, as the process that gets the signals.
#
#   portal      everything in one container (the supervisor), for one machine with SQLite
#   web         pages, API, streams            worker     generations, parsing, embedding
#   scheduler   wakes workers for what is due  watch      runs the health checks
#   healthd     answers probes, metrics        vectors    the vector store's server (port 8001)
#   migrate     database, default rows, first administrator; words after it go to `manage.py migrate`
#   static      static files into the data folder, for an init container
#   manage      any `manage.py` command        health     what HEALTHCHECK asks
#   agent       aw-deployd, which exchanges versions in a cluster
set -eu

part="${1:-portal}"
[ $# -eq 0 ] || shift
data="${AIWRITER_DATA_DIR:-/data}"
# The mark stands for HEALTHCHECK, which runs as a process of its own and must know what this container is.
mark="/tmp/aiwriter-part"

folders() {
    umask 027
    mkdir -p "$data/run/metrics" "$data/logs" "$data/queue/messages" "$data/queue/control" "$data/chroma"
    for private in keys secrets; do
        # May be a mount of its own whose mode is not ours to change.
        mkdir -p "$data/$private"
        chmod 0700 "$data/$private" 2>/dev/null || true
    done
    # Counts of this container's processes before a restart: their numbers are given out anew.
    rm -f "$data/run/metrics/"*"_$(hostname)-"*.db
    # Of containers that are named by a number and gone: no successor has their name.
    find "$data/run/metrics" -name '*_????????????-*.db' -mtime +30 -delete
}

static() {
    mkdir -p "$data/static"
    # Files are named by their content: those of other versions stay, because their pages may still be open.
    cp -Rn /opt/aiwriter/static/. "$data/static/" 2>/dev/null || true
    cp /opt/aiwriter/static/staticfiles*.json "$data/static/"
}

first_rows() {
    python manage.py createcachetable --verbosity 0
    # The first password would stay in the container's log for ever, so it is not shown; a new one is made on request.
    python manage.py bootstrap --json | python -c '
import json, sys
found = json.load(sys.stdin)
print(*found.get("notes", []), sep="\n", end="\n" if found.get("notes") else "")
if found.get("email"):
    print("The first administrator is made. Get a password with: aiwriter manage reset_password", found["email"])
'
}

# Only by what a container is: a command that somebody runs beside it must not change what HEALTHCHECK asks.
case "$part" in
migrate | static | manage | health | agent) ;;
*) echo "$part" > "$mark" 2>/dev/null || true ;;
esac
case "$part" in
portal)
    folders
    python manage.py migrate --noinput --verbosity 0
    first_rows
    static
    exec python -m aiwriter.supervisor "$@"
    ;;
web)
    folders
    static
    exec python -m aiwriter.web "$@"
    ;;
worker)
    folders
    exec python -m celery -q -A aiwriter worker -P threads -c "${AIWRITER_WORKER_CONCURRENCY:-8}" \
        --without-gossip --without-mingle --loglevel WARNING "$@"
    ;;
scheduler)
    folders
    exec python -m celery -q -A aiwriter beat --pidfile "" --loglevel WARNING "$@"
    ;;
watch)
    folders
    exec python manage.py watch "$@"
    ;;
healthd)
    folders
    exec python -m aiwriter.healthd "$@"
    ;;
vectors)
    folders
    exec python -m apps.content.retrieval.chroma_server --path "$data/chroma" --host 0.0.0.0 --port 8001 "$@"
    ;;
migrate)
    folders
    python manage.py migrate --noinput "$@"
    case " $* " in
    *" contract "*) ;;
    *) first_rows ;;
    esac
    ;;
static)
    static
    ;;
manage)
    exec python manage.py "$@"
    ;;
agent)
    export PYTHONPATH=/opt/aiwriter/agent
    exec python -m aw_deployd "$@"
    ;;
health)
    exec python /opt/aiwriter/healthcheck.py "$@"
    ;;
*)
    echo "There is no part '$part'. Parts: portal web worker scheduler watch healthd vectors migrate static manage health agent" >&2
    exit 64
    ;;
esac
