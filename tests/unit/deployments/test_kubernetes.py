"""The driver for Kubernetes against a stand-in for the API server, over HTTP: contract-tested, not cluster-tested."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from aw_deployd import cluster as clusters
from aw_deployd import release
from aw_deployd.cluster import DEPLOYMENTS, Cluster, Conflict, Missing, Unreachable
from aw_deployd.errors import DeployError, Refused
from aw_deployd.runtime import Running, open_runtime
from aw_deployd.runtime import kubernetes as driver
from aw_deployd.runtime import kubernetes_jobs as jobs
from aw_deployd.runtime.kubernetes import Kubernetes, reference
from tests.fakes.kubernetes import FakeCluster
from tests.unit.deployments.kube import ALLOWED, RELEASE, Site, digest, image


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody waits for seconds."""
    for module, name, value in (
        (clusters, "PAUSE_SECONDS", 0.01),
        (clusters, "PATIENCE_SECONDS", 20.0),
        (driver, "POLL_SECONDS", 0.01),
        (driver, "SETTLED_SECONDS", 0.05),
        (driver, "KILLED_SECONDS", 0.1),
        (jobs, "POLL_SECONDS", 0.01),
        (jobs, "LATER_SECONDS", 0.2),
    ):
        monkeypatch.setattr(module, name, value)


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    """1.0 serves in blue."""
    with FakeCluster(ALLOWED) as cluster:
        made = Site(tmp_path, cluster, "kubernetes-service")
        yield made
        made.close()


@pytest.fixture
def runtime(site: Site) -> Kubernetes:
    """The driver, as the agent opens it."""
    found = open_runtime(site.environment)
    assert isinstance(found, Kubernetes)
    return found


def version(site: Site, name: str) -> release.Release:
    return release.load(site.environment.releases, name)


class TestServer:
    def test_the_token_is_read_again_for_each_request(self, site: Site) -> None:
        cluster, token = Cluster(site.environment), Path(site.environment.options["token"])
        good = token.read_text()
        token.write_text("yesterday's")
        with pytest.raises(Refused, match=r"refuses it .401"):
            cluster.get(DEPLOYMENTS, f"{RELEASE}-worker")
        token.write_text(good)
        assert cluster.get(DEPLOYMENTS, f"{RELEASE}-worker")["spec"]["replicas"] == 2

    def test_a_server_that_is_away_for_a_moment_is_asked_again(self, site: Site) -> None:
        cluster = Cluster(site.environment)
        site.cluster.away = 3
        assert cluster.get(DEPLOYMENTS, f"{RELEASE}-worker")
        site.cluster.away = 10**6
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(clusters, "PATIENCE_SECONDS", 0.1)
            with pytest.raises(Unreachable, match="does not answer GET"):
                cluster.get(DEPLOYMENTS, f"{RELEASE}-worker")

    def test_what_somebody_wrote_in_between_is_read_again(self, site: Site) -> None:
        def other(found: dict[str, Any]) -> None:
            found["spec"]["replicas"] = 7
            site.cluster.touch(found)

        site.cluster.interfere = [other]
        seen = []

        def edit(found: dict[str, Any]) -> bool:
            seen.append(found["spec"]["replicas"])
            found["metadata"]["annotations"] = {"mine": "yes"}
            return True

        Cluster(site.environment).change(DEPLOYMENTS, f"{RELEASE}-worker", edit)
        after = site.cluster.find("deployments", f"{RELEASE}-worker")
        assert seen == [2, 7]
        assert (after["spec"]["replicas"], after["metadata"]["annotations"]) == (7, {"mine": "yes"})

    def test_somebody_who_always_writes_in_between_is_told(self, site: Site) -> None:
        site.cluster.interfere = [site.cluster.touch] * clusters.CONFLICTS
        with pytest.raises(Conflict, match="others wrote in between"):
            Cluster(site.environment).change(DEPLOYMENTS, f"{RELEASE}-worker", lambda found: True)

    def test_what_is_not_there_or_not_allowed_is_told_apart(self, site: Site) -> None:
        cluster = Cluster(site.environment)
        with pytest.raises(Missing):
            cluster.get(DEPLOYMENTS, "nobody")
        with pytest.raises(Refused, match="Role"):
            cluster.get(clusters.Kind("/api/v1", "pods"), "x")

    @pytest.mark.parametrize(
        ("options", "told"),
        [
            ({"api": "http://10.0.0.1:6443", "namespace": "x"}, "unprotected"),
            ({"api": "ftp://x", "namespace": "x"}, "https://HOST:PORT"),
            ({"api": "http://127.0.0.1:1"}, "no pod"),
        ],
    )
    def test_wrong_options_are_refused(self, site: Site, options: dict[str, str], told: str) -> None:
        with pytest.raises(Refused, match=told):
            Cluster(replace(site.environment, options=options))


class TestObserving:
    def test_what_runs_is_told_by_the_pods(self, site: Site, runtime: Kubernetes) -> None:
        assert runtime.observe("blue") == Running("1.0")
        assert runtime.observe("green") == Running()
        for role in ("worker", "scheduler", "watch", "healthd"):
            assert runtime.observe(role) == Running("1.0")
        assert runtime.observe("nothing") == Running()
        # Somebody has put another image there by hand: no note says so, and the pods do.
        found = site.cluster.find("deployments", f"{RELEASE}-scheduler")
        for container in found["spec"]["template"]["spec"]["containers"]:
            container["image"] = image("2.0")
        site.cluster.put("deployments", found)
        assert runtime.observe("scheduler").release == "2.0"

    @pytest.mark.parametrize(
        ("named", "told"),
        [
            ("registry.example.org/aiwriter:3.1", "3.1"),
            ("localhost:5000/aiwriter", "unknown"),
            # Calls itself like a release that is known, and comes from somewhere else.
            ("other.example.org/aiwriter:2.0", "unknown"),
            (f"registry.example.org/aiwriter@{digest('7.7')}", "unknown"),
        ],
    )
    def test_an_image_that_nobody_has_named_is_never_a_known_version(
        self, site: Site, runtime: Kubernetes, named: str, told: str
    ) -> None:
        found = site.cluster.find("deployments", f"{RELEASE}-scheduler")
        found["spec"]["template"]["spec"]["containers"][0]["image"] = named
        site.cluster.put("deployments", found)
        assert runtime.observe("scheduler").release == told

    def test_a_pod_that_is_ending_still_runs(self, site: Site, runtime: Kubernetes) -> None:
        site.cluster.linger = 60.0
        found = site.cluster.find("deployments", f"{RELEASE}-web-blue")
        found["spec"]["replicas"] = 0
        site.cluster.put("deployments", found)
        assert runtime.observe("blue").release == "1.0"

    def test_an_image_that_cannot_be_fetched_is_told(self, site: Site, runtime: Kubernetes) -> None:
        site.cluster.unpullable = {image("2.0")}
        runtime.start_web("green", version(site, "2.0"))
        found = runtime.observe("green")
        assert (found.release, found.whole) == ("2.0", False)
        assert "ImagePullBackOff Back-off pulling image" in found.trouble


class TestActing:
    def test_a_slot_starts_with_as_many_as_the_other_has_and_is_not_started_twice(
        self, site: Site, runtime: Kubernetes
    ) -> None:
        runtime.start_web("green", version(site, "2.0"))
        runtime.start_web("green", version(site, "2.0"))
        after = site.cluster.find("deployments", f"{RELEASE}-web-green")
        assert after["spec"]["replicas"] == 2
        assert {each["image"] for each in after["spec"]["template"]["spec"]["containers"]} == {image("2.0")}
        assert [each for each in site.cluster.requests if each[0] == "PUT"] == [
            ("PUT", f"/apis/apps/v1/namespaces/portal/deployments/{RELEASE}-web-green")
        ]
        assert runtime.observe("green") == Running("2.0")

    def test_a_slot_where_another_version_runs_is_not_taken(self, site: Site, runtime: Kubernetes) -> None:
        with pytest.raises(DeployError, match=r"blue runs 1\.0"):
            runtime.start_web("blue", version(site, "2.0"))

    def test_a_slot_that_the_chart_has_not_made(self, site: Site, runtime: Kubernetes) -> None:
        del site.cluster.objects["deployments", f"{RELEASE}-web-green"]
        with pytest.raises(DeployError, match=r"web\.slots\.green\.enabled"):
            runtime.start_web("green", version(site, "2.0"))

    def test_what_is_stopped_comes_back_in_its_number(self, site: Site, runtime: Kubernetes) -> None:
        assert runtime.stop("blue", 5.0)
        assert runtime.observe("blue") == Running()
        assert site.cluster.endpoints(f"{RELEASE}-web-blue") == []
        runtime.start_web("blue", version(site, "2.0"))
        assert site.cluster.find("deployments", f"{RELEASE}-web-blue")["spec"]["replicas"] == 2
        assert runtime.stop("green", 5.0)

    def test_the_pod_is_waited_for_and_never_more_than_its_own_grace(self, site: Site, runtime: Kubernetes) -> None:
        site.cluster.linger = 0.2
        assert runtime.stop("blue", 0.0)
        found = site.cluster.find("deployments", f"{RELEASE}-worker")
        found["spec"]["template"]["spec"]["terminationGracePeriodSeconds"] = 0
        site.cluster.put("deployments", found)
        site.cluster.linger = 60.0
        assert not runtime.stop("worker", 0.0)

    def test_workers_change_together_and_the_new_ones_are_there_first(self, site: Site, runtime: Kubernetes) -> None:
        site.cluster.linger = 0.15
        assert runtime.swap_role("worker", version(site, "2.0"), 5.0)
        assert runtime.observe("worker") == Running("2.0")
        assert runtime.several("worker") == [Running("2.0")]
        assert runtime.swap_role("worker", version(site, "2.0"), 5.0)
        assert len(site.cluster.running(f"{RELEASE}-worker")) == 2

    def test_a_worker_that_does_not_start_is_told_and_the_old_ones_work_on(
        self, site: Site, runtime: Kubernetes
    ) -> None:
        site.cluster.unpullable = {image("2.0")}
        with pytest.raises(DeployError, match=r"does not start.*ImagePullBackOff"):
            runtime.swap_role("worker", version(site, "2.0"), 5.0)
        pods = site.cluster.running(f"{RELEASE}-worker").values()
        assert [pod.version for pod in pods] == [image("1.0")] * 2

    def test_a_worker_that_never_gets_ready_is_not_waited_for_for_ever(self, tmp_path: Path, site: Site) -> None:
        found = site.cluster.find("deployments", f"{RELEASE}-worker")
        found["spec"]["template"]["spec"]["terminationGracePeriodSeconds"] = 0
        site.cluster.put("deployments", found)
        site.cluster.never_ready = {image("2.0")}
        with pytest.raises(DeployError, match="was not there within"):
            Kubernetes(replace(site.environment, start_seconds=0.1)).swap_role("worker", version(site, "2.0"), 1.0)

    def test_workers_that_keda_has_at_none_get_the_version_and_stay_none(self, site: Site, runtime: Kubernetes) -> None:
        found = site.cluster.find("deployments", f"{RELEASE}-worker")
        found["spec"]["replicas"] = 0
        site.cluster.put("deployments", found)
        assert runtime.swap_role("worker", version(site, "2.0"), 5.0)
        after = site.cluster.find("deployments", f"{RELEASE}-worker")
        assert (after["spec"]["replicas"], after["spec"]["template"]["spec"]["containers"][0]["image"]) == (
            0,
            image("2.0"),
        )

    def test_the_number_is_not_the_agents(self, site: Site, runtime: Kubernetes) -> None:
        with pytest.raises(Refused, match="HPA or KEDA"):
            runtime.set_several("worker", 4, version(site, "1.0"))
        with pytest.raises(Refused, match=r"scale. is for hosts"):
            Kubernetes(replace(site.environment, scale={"worker": (1, 4)}))
        assert runtime.fallen() == []


class TestJobs:
    def test_a_job_is_made_from_the_charts_template(self, site: Site, runtime: Kubernetes) -> None:
        found = runtime.run_job(version(site, "2.0"), "prepare", 30.0)
        assert (found.code, found.tail) == (0, "prepare is done")
        (name,) = site.cluster.names("jobs")
        job = site.cluster.find("jobs", name)
        spec = job["spec"]
        assert (spec["backoffLimit"], spec["activeDeadlineSeconds"], spec["ttlSecondsAfterFinished"]) == (0, 30, 86400)
        (container,) = spec["template"]["spec"]["containers"]
        assert container["image"] == image("2.0")
        assert container["args"] == ["manage", "prepare", "--phase", "expand"]
        assert "ownerReferences" not in job["metadata"]

    def test_a_job_that_fails_says_why(self, site: Site, runtime: Kubernetes) -> None:
        site.cluster.job_results["schema_fit"] = (3, "column is missing")
        found = runtime.run_job(version(site, "1.0"), "fit", 30.0)
        assert found.code == 3
        assert "column is missing" in found.tail
        assert "reached the limit" in found.tail

    def test_what_is_under_way_is_waited_for_and_what_has_ended_is_done_again(
        self, site: Site, runtime: Kubernetes
    ) -> None:
        site.cluster.job_seconds = 60.0
        wanted = version(site, "2.0")
        with pytest.MonkeyPatch.context() as patch:
            # The agent dies while it waits.
            patch.setattr(jobs.time, "sleep", lambda seconds: (_ for _ in ()).throw(RuntimeError))
            with pytest.raises(RuntimeError):
                runtime.run_job(wanted, "prepare", 30.0)
        assert len(site.cluster.names("jobs")) == 1

        def ends(seconds: float) -> None:
            for (kind, _), each in site.cluster.objects.items():
                if kind == "jobs":
                    each["due"] = 0.0

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(jobs.time, "sleep", ends)
            assert Kubernetes(site.environment).run_job(wanted, "prepare", 30.0).code == 0
        assert len(site.cluster.names("jobs")) == 1
        site.cluster.job_seconds = 0.0
        runtime.run_job(version(site, "2.0"), "prepare", 30.0)
        assert [name[-2:] for name in site.cluster.names("jobs")] == ["-1", "-2"]
        runtime.run_job(version(site, "2.0"), "fit", 30.0)
        assert len(site.cluster.names("jobs")) == 3

    def test_a_rehearsal_gets_the_code_of_the_version_before_out_of_its_image(
        self, site: Site, runtime: Kubernetes
    ) -> None:
        before = version(site, "1.0")
        runtime.run_job(version(site, "2.0"), "rehearse", 30.0, runtime.previous(before))
        spec = site.cluster.find("jobs", site.cluster.names("jobs")[0])["spec"]["template"]["spec"]
        (first,) = spec["initContainers"]
        assert first["image"] == image("1.0")
        assert first["command"][-1] == "/previous/"
        assert spec["containers"][0]["args"][1:] == [
            *("rehearse_migrations", "--previous", "/previous/app", "--python", "/previous/venv/bin/python"),
        ]
        assert {"name": "previous", "mountPath": "/previous"} in spec["containers"][0]["volumeMounts"]

    def test_a_job_whose_image_cannot_be_fetched_does_not_begin_later(self, site: Site, runtime: Kubernetes) -> None:
        site.cluster.unpullable = {image("2.0")}
        found = runtime.run_job(version(site, "2.0"), "prepare", 30.0)
        assert (found.code, found.tail) == (125, f"ImagePullBackOff: {image('2.0')}")
        assert site.cluster.names("jobs") == []

    def test_a_job_that_does_not_end(self, site: Site, runtime: Kubernetes) -> None:
        site.cluster.job_seconds = 60.0
        assert runtime.run_job(version(site, "2.0"), "prepare", 0.1).code == 124

    def test_without_the_charts_template_or_with_a_database_of_its_own_there_is_none(
        self, site: Site, runtime: Kubernetes
    ) -> None:
        with pytest.raises(Refused, match="own database"):
            runtime.run_job(version(site, "2.0"), "prepare", 5.0, database="postgres://x")
        del site.cluster.objects["podtemplates", f"{RELEASE}-job"]
        with pytest.raises(DeployError, match=r"agent.enabled"):
            runtime.run_job(version(site, "2.0"), "prepare", 5.0)


class TestImages:
    def test_a_release_is_an_image_by_its_digest(self, site: Site, tmp_path: Path) -> None:
        assert reference(version(site, "2.0")) == image("2.0")
        place = site.environment.releases / "3.0"
        place.mkdir()
        for values, told in (
            ({"image": "localhost:5000/aiwriter:3.0"}, "localhost:5000/aiwriter:3.0"),
            (
                {"image": "localhost:5000/aiwriter:3.0", "digest": digest("3.0")},
                f"localhost:5000/aiwriter@{digest('3.0')}",
            ),
            ({"image": "aiwriter", "digest": digest("3.0")}, f"aiwriter@{digest('3.0')}"),
        ):
            (place / "release.json").write_text(json.dumps({"version": "3.0", **values}))
            assert reference(version(site, "3.0")) == told

    def test_the_plans_digest_is_that_of_the_image(self, site: Site, runtime: Kubernetes) -> None:
        found = version(site, "2.0")
        known = runtime.digests(found)
        assert release.verify(found, found=known, wanted=digest("2.0"), coming_from="1.0")["digest"] == digest("2.0")
        with pytest.raises(Refused, match="the plan says"):
            release.verify(found, found=known, wanted=digest("3.0"), coming_from="1.0")

    def test_a_folder_is_no_image(self, site: Site) -> None:
        place = site.environment.releases / "3.0"
        (place / "app").mkdir(parents=True)
        (place / "release.json").write_text('{"version": "3.0"}')
        with pytest.raises(Refused, match="names no image"):
            reference(version(site, "3.0"))
