#!/bin/sh
# Makes what the Compose files read: secrets/, a certificate for trying, run/, .env. Safe to repeat: what is there stays.
#
#   ./prepare.sh portal.example.org
set -eu
cd "$(dirname "$0")"
site="${1:-localhost}"
mkdir -p secrets
chmod 0755 secrets
umask 077

word() {
    # Letters and digits only: the word stands in addresses.
    head -c 400 /dev/urandom | LC_ALL=C tr -dc 'A-Za-z0-9' | head -c "$1"
}

keep() {
    # keep NAME OWNER: takes the content from standard input unless the file is there.
    if [ ! -s "secrets/$1" ]; then
        cat >"secrets/$1"
        echo "made secrets/$1"
    else
        cat >/dev/null
    fi
    # Compose binds the file as it is, so it belongs to the number that the container's user has.
    [ "$(id -u)" -ne 0 ] || chown "$2" "secrets/$1"
    chmod 0400 "secrets/$1"
}

word 40 | keep database_password 0
word 40 | keep redis_password 0
word 64 | keep secret_key 10001
printf 'postgres://aiwriter:%s@database:5432/portal\n' "$(cat secrets/database_password)" | keep database_url 10001
printf 'redis://:%s@redis:6379/0\n' "$(cat secrets/redis_password)" | keep redis_url 10001
printf 'requirepass %s\nsave ""\nappendonly no\nmaxmemory 256mb\nmaxmemory-policy noeviction\nprotected-mode no\n' \
    "$(cat secrets/redis_password)" | keep redis.conf 999
if [ ! -s secrets/tls.pem ]; then
    openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 90 -subj "/CN=$site" \
        -addext "subjectAltName=DNS:$site" -keyout secrets/tls.key.tmp -out secrets/tls.crt.tmp 2>/dev/null
    cat secrets/tls.crt.tmp secrets/tls.key.tmp >secrets/tls.pem
    rm -f secrets/tls.crt.tmp secrets/tls.key.tmp
    echo "made secrets/tls.pem, signed by itself for 90 days; put your own certificate and key there"
fi
keep tls.pem 99 </dev/null
# The proxy's socket and state. Who may write there may move the traffic.
mkdir -p run
[ "$(id -u)" -ne 0 ] || chown 99:99 run
chmod 0750 run
[ -e run/server-state ] || (umask 022 && : >run/server-state)
if [ ! -e .env ]; then
    sed "s/portal\.example\.org/$site/g" env.example >.env
    echo "made .env for $site; look at it"
fi
[ "$(id -u)" -eq 0 ] || echo "Not root: give each file of secrets/ to the user that reads it (see secrets/README.md)." >&2
