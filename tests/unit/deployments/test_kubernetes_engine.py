"""The whole agent over the drivers for Kubernetes: real requests to stand-ins for pods, Services, a gateway and the API server."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from aw_deployd import cluster as clusters
from aw_deployd import hands, judging, plan
from aw_deployd.engine import Engine
from aw_deployd.journal import Journal, Row
from aw_deployd.machine import State
from aw_deployd.runtime import kubernetes as runtimes
from aw_deployd.runtime import kubernetes_jobs as jobs
from tests.fakes.kubernetes import FakeCluster
from tests.unit.deployments.kube import ALLOWED, RELEASE, Site, image
from tests.unit.deployments.test_kubernetes_traffic import ask


class Lab:
    """1.0 serves in blue; a plan for 2.0 can be worked off."""

    def __init__(self, folder: Path, cluster: FakeCluster, traffic: str, **options: Any) -> None:
        self.site = Site(folder, cluster, traffic, **options)
        self.journal = Journal(self.site.environment.state / "journal.sqlite3")
        self.engine = self.new_engine()
        self.engine.traffic.render(self.engine.traffic.read_shares())  # type: ignore[arg-type]
        self.status: list[int] = []

    def new_engine(self) -> Engine:
        """As after a start of the agent."""
        return Engine(self.site.environment, self.journal, tick=0.01)

    def deploy(self, **more: Any) -> Row:
        values: dict[str, Any] = {
            "from_release": "1.0",
            "release": "2.0",
            "strategy": "blue_green",
            "bake_seconds": 0.0,
            "probes": 0.0,
            **more,
        }
        made = plan.Plan(environment="lab", fence=self.journal.fence("lab") + 1, **values)
        return self.engine.run(self.engine.take(made, "key"))

    def versions(self) -> dict[str, str]:
        names = ("blue", "green", "worker", "scheduler", "watch")
        return {name: self.engine.runtime.observe(name).release for name in names}

    def people(self, stop: threading.Event) -> None:
        """Ask, one after the other, with all the numbers that people have."""
        number = 0
        while not stop.is_set():
            number = (number + 7) % 100
            self.status.append(ask(self.site, "/work", Cookie=f"aw_bucket={number}")[0])

    def close(self) -> None:
        self.journal.close()
        self.site.close()


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody waits for seconds."""
    for module, name, value in (
        (clusters, "PAUSE_SECONDS", 0.01),
        (clusters, "PATIENCE_SECONDS", 30.0),
        (runtimes, "POLL_SECONDS", 0.01),
        (runtimes, "SETTLED_SECONDS", 0.02),
        (jobs, "POLL_SECONDS", 0.01),
        (judging, "LOOK_SECONDS", 0.05),
        (hands, "OBSERVE_SECONDS", 30.0),
    ):
        monkeypatch.setattr(module, name, value)


@pytest.fixture
def cluster() -> Iterator[FakeCluster]:
    """With what the chart's Role allows, and no more."""
    with FakeCluster(ALLOWED) as made:
        yield made


@pytest.fixture(params=["kubernetes-service", "gateway"])
def lab(request: pytest.FixtureRequest, tmp_path: Path, cluster: FakeCluster) -> Iterator[Lab]:
    made = Lab(tmp_path, cluster, request.param)
    yield made
    made.close()


@pytest.fixture
def routed(tmp_path: Path, cluster: FakeCluster) -> Iterator[Lab]:
    made = Lab(tmp_path, cluster, "gateway")
    yield made
    made.close()


def begin(lab: Lab) -> tuple[threading.Thread, threading.Event]:
    stop = threading.Event()
    thread = threading.Thread(target=lab.people, args=(stop,), daemon=True)
    thread.start()
    return thread, stop


def test_blue_green_and_back_with_people_asking_all_the_time(lab: Lab) -> None:
    thread, stop = begin(lab)
    try:
        assert lab.deploy().state is State.SUCCEEDED
        assert lab.versions() == {"blue": "1.0", **dict.fromkeys(("green", "worker", "scheduler", "watch"), "2.0")}
        assert ask(lab.site)[1] == image("2.0")
        done = [name.split("-")[1] for name in lab.site.cluster.names("jobs")]
        assert sorted(done) == ["fit", "prepare", "rehearse"]
        back = lab.deploy(strategy="rollback", release="1.0", from_release="2.0", keep_old=False)
        assert back.state is State.SUCCEEDED
    finally:
        stop.set()
        thread.join(5)
    assert ask(lab.site)[1] == image("1.0")
    assert lab.versions() == {"green": "", **dict.fromkeys(("blue", "worker", "scheduler", "watch"), "1.0")}
    assert len(lab.status) > 20
    assert set(lab.status) == {200}


@pytest.mark.parametrize("wrong", ["image", "ready", "job"])
def test_what_fails_before_anybody_was_sent_there_leaves_all_as_it_was(lab: Lab, wrong: str) -> None:
    if wrong == "image":
        lab.site.cluster.unpullable = {image("2.0")}
        told = "ImagePullBackOff"
    elif wrong == "ready":
        lab.site.cluster.never_ready = {image("2.0")}
        lab.site.environment = replace(lab.site.environment, start_seconds=0.5)
        lab.engine = lab.new_engine()
        told = "not ready within"
    else:
        lab.site.cluster.job_results["prepare"] = (1, "relation exists")
        told = "relation exists"
    row = lab.deploy(rehearse=wrong == "job")
    assert row.state is State.FAILED
    assert told in row.reason
    assert lab.versions() == {"green": "", **dict.fromkeys(("blue", "worker", "scheduler", "watch"), "1.0")}
    assert ask(lab.site)[1] == image("1.0")


def test_what_a_service_cannot_do_is_refused_before_anything_is_changed(tmp_path: Path, cluster: FakeCluster) -> None:
    lab = Lab(tmp_path, cluster, "kubernetes-service")
    for more, told in (
        ({"strategy": "canary", "stages": (plan.Stage(5),)}, "a part of the requests"),
        ({"strategy": "rolling"}, "sends everybody to one slot"),
        ({"strategy": "recreate"}, "cannot wait here"),
    ):
        row = lab.deploy(**more)
        assert (row.state, told in row.reason) == (State.FAILED, True), row.reason
    assert not [each for each in cluster.requests if each[0] != "GET"]
    lab.close()


def test_a_bad_canary_is_found_by_the_counts_of_its_pods_and_goes_back(routed: Lab) -> None:
    routed.site.cluster.failing = {image("2.0"): 3}
    thread, stop = begin(routed)
    try:
        row = routed.deploy(strategy="canary", stages=(plan.Stage(50, 0.2, 300.0, 200),))
    finally:
        stop.set()
        thread.join(5)
    assert row.state is State.ROLLED_BACK
    assert "errors of" in row.reason
    assert routed.versions() == {"green": "", **dict.fromkeys(("blue", "worker", "scheduler", "watch"), "1.0")}
    assert ask(routed.site, Cookie="aw_bucket=0")[1] == image("1.0")
    counted = {each["slot"]: each for each in routed.journal.samples(row.id) if each["kind"] == "real"}
    assert counted["new"]["errors"] >= 3
    assert counted["old"]["errors"] == 0


def test_a_good_canary_goes_through(routed: Lab) -> None:
    thread, stop = begin(routed)
    try:
        row = routed.deploy(strategy="canary", stages=(plan.Stage(20, 0.1, 300.0, 20), plan.Stage(50, 0.1, 300.0, 20)))
    finally:
        stop.set()
        thread.join(5)
    assert row.state is State.SUCCEEDED, row.reason
    assert set(routed.status) == {200}
    assert ask(routed.site)[1] == image("2.0")


def test_without_counts_it_pauses_and_is_never_promoted_and_an_abort_goes_back(routed: Lab) -> None:
    row = routed.deploy(strategy="canary", stages=(plan.Stage(50, 0.0, 0.2, 20),))
    assert row.state is State.PAUSED
    assert "Not known: 0 requests" in row.reason
    assert ask(routed.site)[1] == image("1.0")
    routed.journal.command(row.id, "abort", "me")
    assert routed.new_engine().run(routed.journal.row(row.id)).state is State.ROLLED_BACK
    assert routed.versions()["green"] == ""


def test_an_agent_that_died_goes_on_and_one_with_an_older_number_changes_nothing(lab: Lab) -> None:
    class Dead(BaseException):
        pass

    def die(*_: Any) -> None:
        raise Dead

    made = plan.Plan(
        environment="lab", fence=1, release="2.0", strategy="blue_green", from_release="1.0", bake_seconds=0.0
    )
    row = lab.engine.take(made, "key")
    lab.engine.traffic.set_shares = die  # type: ignore[method-assign]
    with pytest.raises(Dead):
        lab.engine.run(row)
    assert ask(lab.site)[1] == image("1.0")
    lab.site.cluster.away = 5
    second = lab.new_engine()
    assert second.run(lab.journal.row(row.id)).state is State.SUCCEEDED
    assert len(lab.site.cluster.names("jobs")) == 3
    # Somebody else has taken over meanwhile.
    kind = "httproutes" if lab.site.environment.traffic == "gateway" else "services"
    with lab.site.cluster._lock:
        lab.site.cluster.objects[kind, RELEASE]["metadata"]["annotations"]["aiwriter/fence"] = "40"
    lab.engine = lab.new_engine()
    with pytest.raises(Exception, match="may not change"):
        lab.deploy(strategy="rollback", release="1.0", from_release="2.0")
    assert ask(lab.site)[1] == image("2.0")
