#!/bin/sh
# Tries the chart with its agent on a cluster of kind or k3d that this script makes and removes: a version over another one
# by blue/green and back, people asking all the time. Nobody of ours has run it on a cluster yet: tell us what it says.
#
#   deploy/helm/try-kind.sh IMAGE_1 IMAGE_2      two images of the portal that this machine's Docker has, such as aiwriter:1.0
#   TOOL=k3d KEEP=1 deploy/helm/try-kind.sh …    with k3d; leave the cluster there
#
# Needs docker, kubectl, helm, python3 with cryptography, and kind or k3d. About 4 GB of memory and ten minutes.
set -eu

if [ $# -ne 2 ]; then
    sed -n '2,8s/^# \{0,1\}//p' "$0"
    exit 64
fi
first="$1" second="$2" tool="${TOOL:-kind}" name="aiwriter-try" space="portal"
here="$(cd "$(dirname "$0")" && pwd)"
work="$(mktemp -d)"
export KUBECONFIG="$work/kubeconfig"
export PYTHONPATH="$here/../agent/src"

clean() {
    [ -n "${KEEP:-}" ] || case "$tool" in
        kind) kind delete cluster --name "$name" >/dev/null 2>&1 || true ;;
        k3d) k3d cluster delete "$name" >/dev/null 2>&1 || true ;;
    esac
    [ -n "${KEEP:-}" ] || rm -rf "$work"
}
trap clean EXIT

for program in docker kubectl helm python3 "$tool"; do
    command -v "$program" >/dev/null || { echo "not run: $program is not installed"; exit 69; }
done
version_of() { printf '%s' "${1##*:}"; }
say() { printf '%s  %s\n' "$(date +%T)" "$*"; }

say "making a cluster with $tool"
case "$tool" in
    kind) kind create cluster --name "$name" --wait 180s && kind load docker-image --name "$name" "$first" "$second" ;;
    k3d) k3d cluster create "$name" --wait && k3d image import --cluster "$name" "$first" "$second" ;;
    *) echo "TOOL is '$tool'. Use kind or k3d."; exit 64 ;;
esac

say "database, Redis, secrets"
kubectl create namespace "$space"
kubectl -n "$space" create deployment postgres --image=postgres:16 --port=5432
kubectl -n "$space" set env deployment/postgres POSTGRES_PASSWORD=try POSTGRES_DB=aiwriter
kubectl -n "$space" create deployment redis --image=redis:7 --port=6379
kubectl -n "$space" expose deployment postgres
kubectl -n "$space" expose deployment redis
kubectl -n "$space" rollout status deployment/postgres --timeout=180s
kubectl -n "$space" create secret generic aiwriter \
    --from-literal=database_url="postgres://postgres:try@postgres:5432/aiwriter" \
    --from-literal=redis_url="redis://redis:6379/0" \
    --from-literal=secret_key="$(head -c 48 /dev/urandom | base64 -w0)"

say "the chart with $first"
python3 -m aw_deployd keygen > "$work/keys"
sed -n 's/^private //p' "$work/keys" > "$work/private"
public="$(sed -n 's/^public *//p' "$work/keys")"
cat > "$work/values.yaml" <<VALUES
image: {repository: ${first%:*}, tag: "$(version_of "$first")"}
portal: {environment: development, https: false, publicUrl: "http://localhost", allowedHosts: [localhost]}
data: {accessMode: ReadWriteOnce}
ingress: {enabled: false}
network: {enabled: false}
web: {replicas: 2, slots: {green: {enabled: true}}}
agent:
  enabled: true
  image: "$second"
  trustedKeys: ["$public"]
  releases:
    "$(version_of "$first")": {image: "$first"}
    "$(version_of "$second")": {image: "$second"}
VALUES
helm install aiwriter "$here/aiwriter" -n "$space" -f "$work/values.yaml" --timeout 10m
for part in web-blue worker scheduler watch agent; do
    kubectl -n "$space" rollout status "deployment/aiwriter-$part" --timeout=600s
done

say "people ask all the time"
kubectl -n "$space" run people --image="$second" --restart=Never --command -- python -c '
import time, urllib.request
good = bad = 0
end = time.time() + 900
while time.time() < end:
    try:
        bad += urllib.request.urlopen("http://aiwriter/accounts/login/", timeout=10).status != 200
        good += 1
    except OSError as error:
        bad += 1
        print("failed:", error, flush=True)
    if good % 50 == 0:
        print("answers", good, "failed", bad, flush=True)
    time.sleep(0.05)
'
agent() { kubectl -n "$space" exec deploy/aiwriter-agent -c agent -- aiwriter agent -e /etc/aiwriter/deployd.toml "$@"; }
roll() {
    kubectl -n "$space" cp -c agent "$work/private" "$(kubectl -n "$space" get pod -l app.kubernetes.io/component=agent \
        -o jsonpath='{.items[0].metadata.name}'):/tmp/private"
    agent plan "$1" --strategy blue_green --bake 10 --key /tmp/private > "$work/plan.json"
    kubectl -n "$space" exec -i deploy/aiwriter-agent -c agent -- \
        sh -c 'cat > /var/lib/aw-deployd/inbox/plan.new && mv /var/lib/aw-deployd/inbox/plan.new /var/lib/aw-deployd/inbox/plan.json' \
        < "$work/plan.json"
    for _ in $(seq 120); do
        if agent history | head -1 | grep -q "$1 .*\(succeeded\|failed\|rolled_back\)"; then break; fi
        sleep 5
    done
    agent history | head -1
    agent status
}
say "to $second"
roll "$(version_of "$second")"
say "and back to $first"
roll "$(version_of "$first")"
say "what people saw; 'failed' must be 0"
kubectl -n "$space" logs people --tail=5
