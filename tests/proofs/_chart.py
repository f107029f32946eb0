"""Renders the chart and judges every object: run by the proof with the Python that has the tools. One JSON line a finding.

Args: the chart's folder, the Kubernetes version.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import helm_python
import kubernetes_validate
import yaml

# Each: a name, the values file, what is changed, and what must be refused ("" when nothing).
SLOTS = {"web": {"slots": {"green": {"enabled": True}}}}
GATEWAY = {"ingress": {"enabled": False}, "gateway": {"enabled": True, "weights": {"blue": 75, "green": 25}}}
KEDA = {"worker": {"autoscaling": {"enabled": False}, "keda": {"enabled": True}}}
AGENT = {
    "agent": {
        "enabled": True,
        "trustedKeys": ["A" * 43 + "="],
        "releases": {
            "1.0": {"image": "registry.example.org/aiwriter:0.1.0"},
            "2.0": {"image": "registry.example.org/aiwriter:2.0", "digest": "sha256:" + "2" * 64},
        },
    }
}
ROUTED = {"agent": {**AGENT["agent"], "gatewayAddress": "https://public.gateway.svc:443"}}
SHAPES: list[tuple[str, str, dict[str, Any] | str, str]] = [
    ("small", "small", {}, ""),
    ("standard", "standard", {}, ""),
    ("ha", "ha", {}, ""),
    ("standard, both slots, gateway", "standard", {**SLOTS, **GATEWAY}, ""),
    ("standard, active green", "standard", {"web": {"active": "green", **SLOTS["web"]}}, ""),
    ("ha, KEDA", "ha", KEDA, ""),
    ("small, gateway", "small", GATEWAY, ""),
    ("standard, the example with the agent", "standard", "values-agent.yaml", ""),
    ("standard, agent", "standard", {**SLOTS, **AGENT}, ""),
    ("ha, agent, gateway", "ha", {**SLOTS, **GATEWAY, **ROUTED}, ""),
    ("an agent without a second slot", "standard", AGENT, "a slot beside the one that serves"),
    ("an agent for one pod", "small", AGENT, "profile small"),
    ("an agent that trusts nobody", "standard", {**SLOTS, "agent": {"enabled": True}}, "trustedKeys is empty"),
    ("an agent that cannot send probes", "standard", {**SLOTS, **GATEWAY, **AGENT}, "gatewayAddress is empty"),
    ("a release without an image", "standard", {"agent": {"releases": {"2.0": {"digest": ""}}}}, "image"),
    ("an unknown value", "standard", {"wbe": {"replicas": 3}}, "wbe"),
    ("a wrong type", "standard", {"web": {"replicas": "three"}}, "replicas"),
    ("a slot that is off", "standard", {"web": {"active": "green"}}, "nobody would be served"),
    ("two scalers", "ha", {"worker": {"keda": {"enabled": True}}}, "enable one"),
    (
        "no workers in production",
        "ha",
        {"worker": {"autoscaling": {"enabled": False}, "keda": {"enabled": True, "min": 0}}},
        "first writer",
    ),
    ("two entrances", "standard", {"gateway": {"enabled": True}}, "choose one"),
    ("a variable of somebody else", "standard", {"portal": {"extraEnv": {"LD_PRELOAD": "x"}}}, "LD_PRELOAD"),
]


def merged(base: dict[str, Any], change: dict[str, Any]) -> dict[str, Any]:
    """Values over values, as Helm lays files over each other."""
    out = dict(base)
    for key, value in change.items():
        out[key] = merged(out[key], value) if isinstance(value, dict) and isinstance(out.get(key), dict) else value
    return out


def objects(rendered: dict[str, str]) -> list[dict[str, Any]]:
    """The objects of all files."""
    found = []
    for name, text in rendered.items():
        if name.endswith(".yaml"):
            found += [each for each in yaml.safe_load_all(text) if each]
    return found


def unsafe(each: dict[str, Any]) -> list[str]:
    """What a pod of ours may never be."""
    spec = each.get("spec", {}).get("template", {}).get("spec")
    if not spec:
        return []
    found = []
    if not spec["securityContext"].get("runAsNonRoot") or spec.get("automountServiceAccountToken") is not False:
        found.append("runs as root, or has a token of the cluster")
    for container in (*spec.get("initContainers", ()), *spec["containers"]):
        context = container.get("securityContext", {})
        if not context.get("readOnlyRootFilesystem") or context.get("capabilities") != {"drop": ["ALL"]}:
            found.append(f"{container['name']} is not hardened")
        if "memory" not in container.get("resources", {}).get("limits", {}):
            found.append(f"{container['name']} has no limit of memory")
    return found


def main() -> None:
    """All shapes."""
    folder, version = Path(sys.argv[1]), sys.argv[2]

    def say(**what: Any) -> None:
        print(json.dumps(what), flush=True)

    answer = helm_python.lint(str(folder))
    say(kind="lint", errors=answer["errors"], helm=str(helm_python.helm_sdk_version()))
    chart = helm_python.Chart.load(str(folder))
    for name, profile, change, refusal in SHAPES:
        if isinstance(change, str):
            change = yaml.safe_load((folder / change).read_text())
        values = merged(yaml.safe_load((folder / f"values-{profile}.yaml").read_text()), change)
        try:
            made = objects(chart.render(values=values, name="demo"))
        except helm_python.HelmError as error:
            say(kind="refused", shape=name, wanted=refusal, said=str(error)[:600])
            continue
        if "agent" in name and "example" not in name:
            say(kind="objects", shape=name, objects=made)
        wrong, unknown = [], []
        for each in made:
            try:
                kubernetes_validate.validate(each, version, strict=True)
            except kubernetes_validate.SchemaNotFoundError:
                unknown.append(each["kind"])
            except kubernetes_validate.ValidationError as error:
                wrong.append(f"{each['kind']} {each['metadata']['name']}: {str(error)[:300]}")
            wrong += [f"{each['kind']} {each['metadata']['name']}: {said}" for said in unsafe(each)]
        kinds: dict[str, int] = {}
        for each in made:
            kinds[each["kind"]] = kinds.get(each["kind"], 0) + 1
        say(kind="rendered", shape=name, wanted=refusal, objects=len(made), kinds=kinds, wrong=wrong, unknown=unknown)


if __name__ == "__main__":
    main()
