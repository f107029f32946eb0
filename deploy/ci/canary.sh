#!/bin/sh
# canary.sh RELEASE VALUES IMAGE URL: blue/green on Kubernetes by the chart, with weights of an HTTPRoute.
# Ends with 0 when everybody is on the new image, with 1 when it was taken back. Needs helm, kubectl, curl.
set -eu
[ $# -eq 4 ] || { sed -n '2,3s/^# //p' "$0" >&2; exit 64; }
release="$1" values="$2" image="$3" url="$4"
chart="$(cd "$(dirname "$0")/../helm/aiwriter" && pwd)"
old="$(helm get values "$release" --all -o json | sed -n 's/.*"active":"\([a-z]*\)".*/\1/p')"
case "$old" in blue) new=green ;; green) new=blue ;; *) echo "No slot of $release is active." >&2; exit 1 ;; esac
old_image="$(kubectl get deploy "$release-web-$old" -o jsonpath='{.spec.template.spec.containers[0].image}')"

set_weights() {
    # set_weights NEW: percent of the new slot. Both slots keep the image that they have.
    helm upgrade "$release" "$chart" -f "$values" --wait --timeout 15m \
        --set ingress.enabled=false --set gateway.enabled=true --set "web.active=$old" \
        --set "web.slots.$old.enabled=true" --set "web.slots.$old.image=$old_image" \
        --set "web.slots.$new.enabled=true" --set "web.slots.$new.image=$image" \
        --set "gateway.weights.$new=$1" --set "gateway.weights.$old=$((100 - $1))"
}

back() {
    echo "$1: back to $old" >&2
    set_weights 0
    exit 1
}

probe() {
    # probe TIMES: asks the new slot by its label. Every answer must be good; no answer is no proof.
    good=0
    for _ in $(seq "$1"); do
        for path in /readyz /accounts/login/; do
            if [ "$(curl -s -o /dev/null -m 10 -w '%{http_code}' -H "X-AW-Probe: $new" "$url$path")" = 200 ]; then
                good=$((good + 1))
            fi
        done
        sleep 1
    done
    [ "$good" -eq $((2 * $1)) ] || back "$good of $((2 * $1)) probes were answered well"
}

set_weights 0
for percent in 5 25 50; do
    probe 30
    set_weights "$percent"
done
probe 30
# Everybody. The old slot stays until the next release, for the way back.
helm upgrade "$release" "$chart" -f "$values" --wait --timeout 15m \
    --set ingress.enabled=false --set gateway.enabled=true --set "web.active=$new" \
    --set "web.slots.$old.enabled=true" --set "web.slots.$old.image=$old_image" \
    --set "web.slots.$new.enabled=true" --set "web.slots.$new.image=$image" \
    --set "gateway.weights.$new=100" --set "gateway.weights.$old=0"
echo "Everybody is on $new."
