#!/bin/sh
# release.sh REVISION FILE...: puts results of tests and proofs into deploy/release, which the image takes along.
set -eu
[ $# -ge 2 ] || { sed -n '2s/^# //p' "$0" >&2; exit 64; }
revision="$1"
shift
here="$(cd "$(dirname "$0")/../.." && pwd)"
folder="$here/deploy/release"
for file in "$@"; do
    case "$(basename "$file")" in
        tests*.xml | proofs.json) cp "$file" "$folder/" ;;
        *) echo "$file is neither tests*.xml nor proofs.json" >&2; exit 65 ;;
    esac
done
cp "$here/docs/asvs.csv" "$folder/"
version="$(sed -n 's/^__version__ = "\(.*\)"$/\1/p' "$here/aiwriter/__init__.py")"
printf '{"version": "%s", "revision": "%s", "made_at": "%s"}\n' "$version" "$revision" "$(date -u +%Y-%m-%dT%H:%M:%SZ)" >"$folder/release.json"
echo "deploy/release has the results of $version ($revision)"
