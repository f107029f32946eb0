#!/bin/sh
# write.sh FILE FOLDER: each `name: value` of a decrypted file becomes FOLDER/name, mode 0440, replaced in one step.
set -eu
[ $# -eq 2 ] || { sed -n '2s/^# //p' "$0" >&2; exit 64; }
umask 027
sed -n 's/^\([a-z_]\{1,\}\): *\(.*\)$/\1 \2/p' "$1" | while read -r name value; do
    case "$value" in \"*\") value="${value#\"}"; value="${value%\"}" ;; esac
    printf '%s\n' "$value" >"$2/.$name.new"
    chmod 0440 "$2/.$name.new"
    if getent group aiwriter >/dev/null && [ "$(id -u)" -eq 0 ]; then chown root:aiwriter "$2/.$name.new"; fi
    mv "$2/.$name.new" "$2/$name"
    echo "wrote $2/$name"
done
