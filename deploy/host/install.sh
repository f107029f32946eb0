#!/bin/sh
# Installs the portal on this machine from the checkout or archive that this script lies in. Safe to repeat: says "changed: …"
# for what it did and nothing for what was right already. Run as root on a Debian or Ubuntu with Python 3.11 or newer.
# Where /etc/aiwriter/deployd.toml is, the agent exchanges versions: then only the release and the units are put there.
#
#   install.sh [--topology basic|standard] [--site HOST] [--database-url FILE] [--redis-url FILE] [--wheels DIR] [--no-start]
#              [--asleep MINUTES]     basic, never in production: it ends when nobody was there for so long, and the next
#                                     request starts it again; 0 turns that off
#   install.sh --uninstall            stops and removes programs and units; keeps /var/lib/aiwriter and /etc/aiwriter
#   install.sh --uninstall --purge    removes those too, with every document in them
set -eu

topology=basic site=localhost database_url="" redis_url="" wheels="" start=yes uninstall="" purge="" asleep=""
while [ $# -gt 0 ]; do
    case "$1" in
    --topology) topology="$2"; shift ;;
    --site) site="$2"; shift ;;
    --database-url) database_url="$2"; shift ;;
    --redis-url) redis_url="$2"; shift ;;
    --wheels) wheels="$2"; shift ;;
    --no-start) start="" ;;
    --asleep) asleep="$2"; shift ;;
    --uninstall) uninstall=yes ;;
    --purge) purge=yes ;;
    *) sed -n '2,11s/^# \{0,1\}//p' "$0" >&2; echo "unknown: $1" >&2; exit 64 ;;
    esac
    shift
done
case "$topology" in basic | standard) ;; *) echo "There is no topology '$topology': basic or standard." >&2; exit 64 ;; esac
case "$asleep" in *[!0-9]*) echo "--asleep takes minutes, not '$asleep'." >&2; exit 64 ;; esac
if [ -n "$asleep" ] && [ "$topology" != basic ]; then
    echo "--asleep is for topology basic. Elsewhere workers are scaled to none: docs/operators/scaling.md" >&2; exit 64
fi
[ "$(id -u)" -eq 0 ] || { echo "Run it as root: it makes a user and system units." >&2; exit 77; }

here="$(cd "$(dirname "$0")" && pwd)"
source="$(cd "$here/../.." && pwd)"
home=/opt/aiwriter data=/var/lib/aiwriter etc=/etc/aiwriter
case "$topology" in
basic) parts="aiwriter-portal.service" ;;
*)
    parts="aiwriter-vectors.service aiwriter-web@blue.service aiwriter-worker@blue.service aiwriter-scheduler.service"
    parts="$parts aiwriter-watch.service aiwriter-healthd.service aiwriter-capture.path"
    ;;
esac

changed() { echo "changed: $*"; }
has_systemd() { [ -d /run/systemd/system ]; }

put() {
    # put SOURCE TARGET MODE OWNER: replaces the target in one step when it differs.
    if ! cmp -s "$1" "$2" || [ "$(stat -c '%a %U:%G' "$2")" != "$3 $4" ]; then
        cp "$1" "$2.new" && chown "$4" "$2.new" && chmod "$3" "$2.new" && mv "$2.new" "$2"
        changed "$2"
        return 0
    fi
    return 1
}

folder() {
    # folder PATH MODE OWNER
    if [ ! -d "$1" ] || [ "$(stat -c '%a %U:%G' "$1")" != "$2 $3" ]; then
        mkdir -p "$1" && chown "$3" "$1" && chmod "$2" "$1"
        changed "$1"
    fi
}

# ---------------------------------------------------------------- away with it
if [ -n "$uninstall" ]; then
    if has_systemd; then
        systemctl disable --now aiwriter.target 2>/dev/null || true
        units="$(systemctl list-units --all --plain --no-legend 'aiwriter*' | awk '{print $1}')"
        for unit in $units; do systemctl disable --now "$unit" 2>/dev/null || true; done
    fi
    for unit in /etc/systemd/system/aiwriter*; do
        [ ! -e "$unit" ] || { rm -rf "$unit"; changed "removed $unit"; }
    done
    if has_systemd; then
        systemctl daemon-reload
        systemctl reset-failed 'aiwriter*' 2>/dev/null || true
    fi
    rm -f /usr/local/bin/aiwriter
    [ ! -d "$home" ] || { rm -rf "$home"; changed "removed $home"; }
    if [ -n "$purge" ]; then
        rm -rf "$data" "$etc"
        if id aiwriter >/dev/null 2>&1; then userdel aiwriter; fi
        changed "removed $data, $etc and the user aiwriter"
    else
        echo "Kept: $data and $etc. --purge removes them."
    fi
    exit 0
fi

# ---------------------------------------------------------------- user, folders, configuration
python="$(for p in python3.13 python3.12 python3.11 python3; do
    if "$p" -c 'import sys, ensurepip, venv; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then echo "$p"; break; fi
done)"
[ -n "$python" ] || { echo "Python 3.11 or newer with venv is missing: apt-get install python3 python3-venv" >&2; exit 69; }
if ! id aiwriter >/dev/null 2>&1; then
    useradd --system --home-dir "$data" --no-create-home --shell /usr/sbin/nologin --user-group aiwriter
    changed "user aiwriter"
fi
folder "$home" 755 root:root
folder "$home/releases" 755 root:root
folder "$home/slots" 755 root:root
folder "$etc" 750 root:aiwriter
folder "$etc/secrets" 750 root:aiwriter
folder "$data" 750 aiwriter:aiwriter
for name in run run/metrics logs queue queue/messages queue/control chroma; do folder "$data/$name" 750 aiwriter:aiwriter; done
for name in keys secrets; do folder "$data/$name" 700 aiwriter:aiwriter; done

scratch="$(mktemp -d)"
trap 'rm -rf "$scratch"' EXIT
kind=production
[ "${asleep:-0}" -eq 0 ] || kind=development
if [ ! -s "$etc/aiwriter.env" ]; then
    {
        echo "# Variables of docs/operators/configuration.md. After a change: systemctl restart aiwriter.target"
        echo "AIWRITER_ENVIRONMENT=$kind"
        echo "AIWRITER_PUBLIC_URL=https://$site"
        echo "AIWRITER_ALLOWED_HOSTS=$site"
        echo "AIWRITER_HTTPS=true"
        echo "AIWRITER_TRUSTED_PROXIES=1"
        echo "AIWRITER_CONSOLE_NETWORKS="
        echo "AIWRITER_LOG_FORMAT=json"
        echo "AIWRITER_HEALTH_PORT=9301"
        if [ "$topology" = standard ]; then
            echo "AIWRITER_CHROMA_URL=http://127.0.0.1:8010"
            echo "AIWRITER_DRAIN_SECONDS=60"
            echo "DATABASE_URL_FILE=$etc/secrets/database_url"
            echo "REDIS_URL_FILE=$etc/secrets/redis_url"
        fi
    } >"$scratch/env"
    put "$scratch/env" "$etc/aiwriter.env" 640 root:aiwriter || true
fi
if [ "$kind" = development ] && grep -q '^AIWRITER_ENVIRONMENT=production' "$etc/aiwriter.env"; then
    echo "Production does not sleep: backups and alerts would stop. Set AIWRITER_ENVIRONMENT in $etc/aiwriter.env first." >&2
    exit 78
fi
for slot in blue:8001 green:8002; do
    echo "AIWRITER_PORT=${slot#*:}" >"$scratch/slot"
    put "$scratch/slot" "$etc/slot-${slot%:*}.env" 644 root:root || true
done
config=""
if [ "$topology" = standard ]; then
    for pair in "database_url=$database_url" "redis_url=$redis_url"; do
        name="${pair%%=*}" from="${pair#*=}"
        if [ -n "$from" ]; then
            if put "$from" "$etc/secrets/$name" 440 root:aiwriter; then config=yes; fi
        fi
        [ -s "$etc/secrets/$name" ] || { echo "Give the $name as a file: --$(echo "$name" | tr _ -) FILE" >&2; exit 64; }
    done
fi

# ---------------------------------------------------------------- the release
version="$(sed -n 's/^__version__ = "\(.*\)"/\1/p' "$source/aiwriter/__init__.py")"
code="manage.py LICENSE aiwriter apps static templates deploy/checklists deploy/release deploy/rescue deploy/topologies"
# shellcheck disable=SC2086 # names without blanks
content="$(cd "$source" && find $code plugins requirements/plugins.txt -type f \
    ! -name '*.pyc' ! -path '*/tests/*' ! -path '*.egg-info*' -print0 | LC_ALL=C sort -z | xargs -0 sha256sum | sha256sum | cut -c1-12)"
release="$home/releases/$version-$content"
fresh=""
if [ ! -e "$release/.complete" ]; then
    rm -rf "$release"
    mkdir -p "$release/app"
    "$python" -m venv "$release/venv"
    words=""
    [ -z "$wheels" ] || words="--no-index --find-links $wheels"
    # shellcheck disable=SC2086 # words for pip
    "$release/venv/bin/python" -m pip install --quiet --disable-pip-version-check --no-cache-dir --require-hashes $words \
        -r "$source/requirements/plugins.txt"
    (cd "$source" && tar -cf - --exclude='*.pyc' --exclude='*.egg-info' --exclude=tests --exclude=plugins/template plugins) |
        tar -C "$scratch" -xf -
    "$release/venv/bin/python" -m pip install --quiet --disable-pip-version-check --no-cache-dir --no-deps --no-index \
        --no-build-isolation "$scratch"/plugins/*/
    # shellcheck disable=SC2086 # names without blanks
    (cd "$source" && tar -cf - --exclude='*.pyc' $code) | tar -C "$release/app" -xf -
    chown -R root:root "$release"
    "$release/venv/bin/python" -m compileall -q "$release/app" "$release/venv/lib" || true
    echo "{\"version\": \"$version-$content\"}" >"$release/release.json"
    touch "$release/.complete"
    changed "$release"
fi

leads() {
    # leads LINK TARGET: the link is replaced in one step.
    if [ "$(readlink "$1" 2>/dev/null)" != "$2" ]; then
        ln -sfn "$2" "$1.new" && mv -T "$1.new" "$1"
        changed "$1 → $2"
        return 0
    fi
    return 1
}

# ---------------------------------------------------------------- units
reload=""
for unit in "$here"/systemd/*; do
    if put "$unit" "/etc/systemd/system/$(basename "$unit")" 644 root:root; then reload=yes; fi
done
sleeping=/etc/systemd/system/aiwriter-portal.service.d/asleep.conf waking=/etc/systemd/system/aiwriter-asleep.service.d/asleep.conf
if [ "$asleep" = 0 ]; then
    for file in "$sleeping" "$waking"; do
        [ ! -e "$file" ] || { rm "$file"; changed "removed $file"; reload=yes; }
    done
    if has_systemd && systemctl is-enabled --quiet aiwriter-asleep.socket 2>/dev/null; then
        systemctl disable --quiet --now aiwriter-asleep.socket aiwriter-asleep.service 2>/dev/null || true
        changed "disabled aiwriter-asleep.socket"
    fi
elif [ -n "$asleep" ]; then
    mkdir -p "$(dirname "$sleeping")" "$(dirname "$waking")"
    cat >"$scratch/sleeping" <<SLEEPING
[Unit]
StopWhenUnneeded=yes
[Service]
Environment=AIWRITER_PORT=8100
TimeoutStartSec=180
# Whoever waits is let in when it is ready, not when it has begun to start.
ExecStartPost=/bin/sh -c 'until /opt/aiwriter/current/venv/bin/python -c "import sys, urllib.request as u; u.urlopen(sys.argv[1], timeout=5)" http://127.0.0.1:8100/readyz 2>/dev/null; do sleep 0.2; done'
SLEEPING
    printf '[Service]\nEnvironment=AW_ASLEEP=%smin\n' "$asleep" >"$scratch/waking"
    if put "$scratch/sleeping" "$sleeping" 644 root:root; then reload=yes; fi
    if put "$scratch/waking" "$waking" 644 root:root; then reload=yes; fi
fi
if [ -e "$sleeping" ]; then parts="aiwriter-asleep.socket"; fi
cat >"$scratch/aiwriter" <<WRAP
#!/bin/sh
# \`aiwriter COMMAND …\`: manage.py of the running release, as the portal's user with the portal's variables.
set -eu
cd /opt/aiwriter/current/app
set -a
. /etc/aiwriter/aiwriter.env
AIWRITER_DATA_DIR=/var/lib/aiwriter DJANGO_SETTINGS_MODULE=aiwriter.settings
set +a
umask 027
exec setpriv --reuid=aiwriter --regid=aiwriter --init-groups /opt/aiwriter/current/venv/bin/python manage.py "\$@"
WRAP
put "$scratch/aiwriter" /usr/local/bin/aiwriter 755 root:root || true
if [ -n "$reload" ] && has_systemd; then systemctl daemon-reload; fi

if [ -e "$etc/deployd.toml" ]; then
    echo "Unpacked: $version-$content. Roll it out: aw-deployd plan $version-$content --key FILE"
    exit 0
fi

# ---------------------------------------------------------------- database, then traffic
if leads "$home/current" "$release"; then fresh=yes; fi
if [ ! -e "$home/slots/blue" ] || [ "$topology" = basic ] || [ ! -e "$home/slots/green" ]; then
    # A second release goes into the other slot by a roll-out; the first one fills both.
    leads "$home/slots/blue" "$release" || true
    leads "$home/slots/green" "$release" || true
elif [ -n "$fresh" ]; then
    leads "$home/slots/blue" "$release" || true
fi
if [ -n "$fresh" ]; then
    aiwriter prepare --report "$data/run/prepare.json" >"$scratch/prepared" || { cat "$scratch/prepared" >&2; exit 70; }
    # It has the first password, which nobody needs to find in a file.
    rm -f "$data/run/prepare.json"
    changed "database and static files"
fi
if has_systemd && [ -n "$start" ]; then
    if [ -e "$sleeping" ] && systemctl is-enabled --quiet aiwriter-portal.service; then
        systemctl disable --quiet --now aiwriter-portal.service
        changed "disabled aiwriter-portal.service"
    fi
    for unit in aiwriter.target $parts; do
        if ! systemctl is-enabled --quiet "$unit"; then systemctl enable --quiet "$unit"; changed "enabled $unit"; fi
        if ! systemctl is-active --quiet "$unit"; then systemctl start "$unit"; changed "started $unit"
        elif [ -n "$fresh$reload$config" ] && [ "$unit" != aiwriter.target ]; then systemctl restart "$unit"; changed "restarted $unit"; fi
    done
fi
echo "Installed: $version-$content, topology $topology. First sign-in: aiwriter reset_password admin@localhost"
