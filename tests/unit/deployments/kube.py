"""A namespace with the portal of the chart in it, on a stand-in for the API server: for the tests of the drivers."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

from aw_deployd.environment import Environment, Slot
from tests.fakes.kubernetes import NAMESPACE, TOKEN, FakeCluster
from tests.fakes.pods import Listening, gateway, service
from tests.fakes.rollout import environment

RELEASE = "aiwriter"
# What agent/README.md and the chart's Role say; the fake refuses everything else.
ALLOWED = {
    "deployments": {"get", "update"},
    "services": {"get", "update"},
    "httproutes": {"get", "update"},
    "podtemplates": {"get"},
    "endpointslices": {"list"},
    "pods": {"list"},
    "pods/log": {"get"},
    "jobs": {"get", "list", "create", "delete"},
}


def digest(version: str) -> str:
    """Of an image."""
    return "sha256:" + version.replace(".", "").ljust(64, "0")


def image(version: str) -> str:
    """How a pod names it."""
    return f"registry.example.org/aiwriter@{digest(version)}"


def labels(part: str, slot: str = "") -> dict[str, str]:
    """As the chart writes them."""
    found = {f"app.kubernetes.io/{n}": v for n, v in (("name", "aiwriter"), ("instance", RELEASE), ("component", part))}
    return {**found, "aiwriter/slot": slot} if slot else found


def deployment(
    name: str, part: str, count: int, version: str, slot: str = "", recreate: bool = False
) -> dict[str, Any]:
    """Of the chart."""
    containers: list[dict[str, Any]] = [{"name": part, "image": image(version)}]
    if part in ("web", "worker", "watch"):
        health = {"name": "healthd", "image": image(version), "ports": [{"name": "health", "containerPort": 9301}]}
        containers.append(health)
    return {
        "metadata": {"name": f"{RELEASE}-{name}", "labels": labels(part, slot)},
        "spec": {
            "replicas": count,
            "strategy": {"type": "Recreate"} if recreate else {"rollingUpdate": {"maxUnavailable": 0}},
            "selector": {"matchLabels": labels(part, slot)},
            "template": {
                "metadata": {"labels": {**labels(part, slot), "helm.sh/chart": "aiwriter-0.1.0"}},
                "spec": {"terminationGracePeriodSeconds": 75, "containers": containers},
            },
        },
    }


def install(cluster: FakeCluster, serving: str = "1.0", weights: tuple[int, int] = (100, 0)) -> None:
    """What the chart makes: blue with two pods, green with none, the other parts, the entrance."""
    for slot, count in (("blue", 2), ("green", 0)):
        cluster.put("deployments", deployment(f"web-{slot}", "web", count, serving, slot))
        cluster.put(
            "services", {"metadata": {"name": f"{RELEASE}-web-{slot}"}, "spec": {"selector": labels("web", slot)}}
        )
    cluster.put("deployments", deployment("worker", "worker", 2, serving))
    cluster.put("deployments", deployment("scheduler", "scheduler", 1, serving, recreate=True))
    cluster.put("deployments", deployment("watch", "watch", 1, serving, recreate=True))
    cluster.put("services", {"metadata": {"name": RELEASE}, "spec": {"selector": labels("web", "blue")}})
    cluster.put(
        "podtemplates",
        {
            "metadata": {"name": f"{RELEASE}-job"},
            "template": {
                "metadata": {"labels": labels("migrate")},
                "spec": {
                    "restartPolicy": "Never",
                    "containers": [
                        {
                            "name": "migrate",
                            "image": image(serving),
                            "args": ["migrate"],
                            "volumeMounts": [{"name": "tmp"}],
                        }
                    ],
                    "volumes": [{"name": "tmp", "emptyDir": {}}],
                },
            },
        },
    )
    refs = [
        {"name": f"{RELEASE}-web-{s}", "port": 80, "weight": w} for s, w in zip(("blue", "green"), weights, strict=True)
    ]
    rules = [{"matches": [{"path": {"type": "PathPrefix", "value": "/"}}], "backendRefs": refs}]
    spec = {"parentRefs": [{"name": "public"}], "hostnames": ["portal.example.org"], "rules": rules}
    cluster.put("httproutes", {"metadata": {"name": RELEASE}, "spec": spec})


class Site:
    """The namespace, its Services and its gateway as servers on the loopback, and the agent's file for it."""

    def __init__(self, folder: Path, cluster: FakeCluster, traffic: str, **options: Any) -> None:
        self.cluster = cluster
        install(cluster)
        self._open: list[Listening] = []
        slots = []
        for name in ("blue", "green"):
            listening = service(lambda name=name: cluster.endpoints(f"{RELEASE}-web-{name}"))  # type: ignore[misc]
            self._open.append(listening)
            slots.append(Slot(name, listening.address))
        if traffic == "gateway":
            rules = lambda: cluster.objects["httproutes", RELEASE]["spec"]["rules"]  # noqa: E731
            self.entrance = gateway(rules, cluster.endpoints)
        else:
            self.entrance = service(lambda: cluster.endpoints(RELEASE))
        self._open.append(self.entrance)
        token = folder / "token"
        token.write_text(f"{TOKEN}\n")
        plain = environment(folder)
        for version in ("1.0", "2.0"):
            manifest = {
                "version": version,
                "image": f"registry.example.org/aiwriter:{version}",
                "digest": digest(version),
            }
            (plain.releases / version / "release.json").write_text(json.dumps(manifest))
        self.environment: Environment = replace(
            plain,
            slots=tuple(slots),
            runtime="kubernetes",
            traffic=traffic,
            listen=self.entrance.address,
            roles=("worker", "scheduler", "watch"),
            drain_seconds=0.2,
            start_seconds=30.0,
            options={"api": cluster.url, "token": str(token), "namespace": NAMESPACE, "release": RELEASE, **options},
        )

    def close(self) -> None:
        """Listen no more."""
        for each in self._open:
            each.close()
