"""The agent's drivers on the objects that the chart renders: names, labels, selectors and the Role have to fit together."""

from __future__ import annotations

import json
import subprocess
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

from aw_deployd import environment as environments
from aw_deployd import release as releases
from aw_deployd.runtime import kubernetes as runtimes
from aw_deployd.runtime import kubernetes_jobs as jobs
from aw_deployd.traffic import Shares, open_traffic
from tests.fakes.kubernetes import NAMESPACE, TOKEN, FakeCluster
from tests.proofs import expect

Object = dict[str, Any]
_PLURALS = {
    "Deployment": "deployments",
    "Service": "services",
    "PodTemplate": "podtemplates",
    "HTTPRoute": "httproutes",
}
_JUDGE = """
import json, sys, kubernetes_validate
for each in json.load(open(sys.argv[1])):
    kubernetes_validate.validate(each, sys.argv[2], strict=True)
"""


def allowed(role: Object) -> dict[str, set[str]]:
    """Verbs by resource."""
    found: dict[str, set[str]] = {}
    for rule in role["rules"]:
        for resource in rule["resources"]:
            found.setdefault(resource, set()).update(rule["verbs"])
    return found


def roll_out(objects: list[Object], python: str, version: str) -> int:
    """Go to 2.0 and back to 1.0 with the drivers, and have what they wrote judged by the schemas of Kubernetes.

    Args:
        objects: of the chart, as the cluster would get them.
        python: has kubernetes_validate.
        version: of Kubernetes.
    """
    by_kind = {each["kind"]: each for each in objects if each["metadata"]["name"] == "demo-agent"}
    with FakeCluster(allowed(by_kind["Role"])) as cluster, tempfile.TemporaryDirectory() as folder:
        for each in objects:
            if plural := _PLURALS.get(each["kind"]):
                cluster.put(plural, each)
        found = _environment(Path(folder), by_kind["ConfigMap"], cluster)
        runtime, traffic = runtimes.Kubernetes(found), open_traffic(found)
        for module, name, value in (
            (runtimes, "SETTLED_SECONDS", 0.0),
            (runtimes, "POLL_SECONDS", 0.01),
            (jobs, "POLL_SECONDS", 0.01),
        ):
            setattr(module, name, value)
        expect(runtime.observe("blue").release == "1.0", f"blue runs {runtime.observe('blue')}")
        expect(not runtime.observe("green").release, "green runs at first")
        traffic.render(Shares.only("blue"))
        for fence, (here, there, wanted) in enumerate((("blue", "green", "2.0"), ("green", "blue", "1.0")), start=1):
            target = releases.load(found.releases, wanted)
            done = runtime.run_job(target, "prepare", 30.0)
            expect((done.code, done.tail) == (0, "prepare is done"), f"the job told {done}")
            runtime.start_web(there, target)
            expect(runtime.observe(there).whole, f"{there} is not whole")
            expect(len(traffic.ready_pods(f"demo-web-{there}")) > 1, f"the Service of {there} finds no pods")  # type: ignore[attr-defined]
            traffic.set_shares(Shares.only(there), fence)
            expect(traffic.read_shares() == Shares.only(there), f"people are led to {traffic.read_shares()}")
            for role in found.roles:
                runtime.swap_role(role, target, 1.0)
                expect(runtime.observe(role).release == wanted, f"{role} is {runtime.observe(role)}")
            runtime.stop(here, 1.0)
            expect(not runtime.observe(here).release, f"{here} still runs")
        _judged(cluster, Path(folder), python, version)
    return 1


def _environment(folder: Path, configuration: Object, cluster: FakeCluster) -> environments.Environment:
    data = configuration["data"]
    (folder / "token").write_text(TOKEN)
    for name, text in data.items():
        if name.endswith(".json"):
            place = folder / "releases" / name.removesuffix(".json")
            place.mkdir(parents=True)
            (place / "release.json").write_text(text)
    path = folder / "deployd.toml"
    path.write_text(
        data["deployd.toml"].replace("/etc/aiwriter", str(folder)).replace("/var/lib/aw-deployd", str(folder))
    )
    found = environments.load(path)
    options = {**found.options, "api": cluster.url, "token": str(folder / "token"), "namespace": NAMESPACE}
    return replace(found, options=options)


def _judged(cluster: FakeCluster, folder: Path, python: str, version: str) -> None:
    written = []
    for kind, plural in (("Deployment", "deployments"), ("Service", "services"), ("Job", "jobs")):
        for name in cluster.names(plural):
            each = cluster.find(plural, name)
            each.pop("status", None)
            each.pop("due", None)
            written.append({**each, "kind": kind})
    expect(any(each["kind"] == "Job" for each in written), "no job was made")
    path = folder / "written.json"
    path.write_text(json.dumps(written))
    done = subprocess.run([python, "-c", _JUDGE, str(path), version], capture_output=True, text=True, check=False)
    expect(not done.returncode, f"what the agent wrote is not valid: {done.stderr[-600:]}")
