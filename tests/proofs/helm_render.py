"""The Helm chart renders in every profile, each object is valid for Kubernetes, and wrong values are refused by name.

Kinds that are not Kubernetes' own (HTTPRoute, ScaledObject, PodMonitor, ExternalSecret) have no schema here: they are parsed,
counted, and told as not run. No cluster is asked.
"""

from __future__ import annotations

import json
import sys

from tests.lab.deploytools import ran, tools
from tests.lab.portal import ROOT
from tests.proofs import expect

CHART = ROOT / "deploy/helm/aiwriter"
VERSIONS = ("1.27", "1.33")
# What each profile must have.
HAS = {
    "small": {"StatefulSet": 1, "Service": 2, "NetworkPolicy": 2, "Ingress": 1},
    "standard": {
        "Deployment": 4,
        "StatefulSet": 1,
        "Job": 1,
        "PodDisruptionBudget": 2,
        "NetworkPolicy": 3,
        "Ingress": 1,
    },
    "ha": {"HorizontalPodAutoscaler": 2, "PodDisruptionBudget": 2, "ExternalSecret": 1, "PodMonitor": 1},
    "standard, both slots, gateway": {"Deployment": 5, "HTTPRoute": 1},
    "standard, agent": {"Deployment": 6, "PodTemplate": 1, "Role": 1, "RoleBinding": 1, "PodDisruptionBudget": 3},
    "ha, agent, gateway": {"Deployment": 6, "PodTemplate": 1, "Role": 1, "HTTPRoute": 1, "PersistentVolumeClaim": 2},
    "ha, KEDA": {"ScaledObject": 1, "HorizontalPodAutoscaler": 1},
}


def prove() -> str:
    """Render, validate, refuse, and have the agent work on what was rendered."""
    sys.path.insert(0, str(ROOT / "deploy/agent/src"))
    from tests.lab import chartagent

    python = str(tools() / "python")
    objects = refused = moved = 0
    not_run: set[str] = set()
    for version in VERSIONS:
        said = ran([python, str(ROOT / "tests/proofs/_chart.py"), str(CHART), version])
        for line in (json.loads(each) for each in said.splitlines() if each.startswith("{")):
            if line["kind"] == "lint":
                expect(not line["errors"], f"lint: {line['errors']}")
            elif line["kind"] == "objects":
                moved += chartagent.roll_out(line["objects"], python, version)
            elif line["kind"] == "refused":
                expect(line["wanted"], f"{line['shape']} is refused: {line['said']}")
                expect(
                    line["wanted"] in line["said"], f"{line['shape']}: {line['wanted']} is not named: {line['said']}"
                )
                refused += 1
            else:
                expect(not line["wanted"], f"{line['shape']} is taken")
                expect(not line["wrong"], f"{line['shape']} on {version}: {line['wrong'][:5]}")
                for kind, count in HAS.get(line["shape"], {}).items():
                    expect(line["kinds"].get(kind) == count, f"{line['shape']}: {kind} {line['kinds'].get(kind)}")
                objects += line["objects"] - len(line["unknown"])
                not_run.update(line["unknown"])
        print(f"  {version}: done", flush=True)
    print(f"  not run: no schema here for {', '.join(sorted(not_run))}; no cluster", flush=True)
    return (
        f"the agent went forward and back {moved} times on the chart's own objects, with what its Role allows; "
        f"{objects} objects valid, strictly, for Kubernetes {' and '.join(VERSIONS)}; {refused // len(VERSIONS)} wrong values "
        f"refused by name; not run: {', '.join(sorted(not_run))} against their schemas"
    )
