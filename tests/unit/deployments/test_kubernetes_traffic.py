"""Requests in a cluster: the flip of a Service and the rules of an HTTPRoute, against stand-ins that do what the objects say."""

from __future__ import annotations

import http.client
import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from aw_deployd import cli, podmetrics
from aw_deployd import cluster as clusters
from aw_deployd.errors import Refused, Stale
from aw_deployd.probes import Probes
from aw_deployd.runtime.kubernetes import Kubernetes
from aw_deployd.traffic import Counters, Shares, open_traffic
from aw_deployd.traffic.gateway import Gateway, cookie_pattern
from aw_deployd.traffic.kubernetes import FENCE, SHARES, ServiceFlip
from tests.fakes.kubernetes import FakeCluster
from tests.fakes.pods import matches
from tests.unit.deployments.kube import ALLOWED, RELEASE, Site, image
from tests.unit.deployments.test_kubernetes import version

CANARY = Shares({"blue": 100}, "green", 25)


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody waits for seconds."""
    monkeypatch.setattr(clusters, "PAUSE_SECONDS", 0.01)
    monkeypatch.setattr(clusters, "PATIENCE_SECONDS", 0.2)


@pytest.fixture
def cluster() -> Iterator[FakeCluster]:
    """With what the chart's Role allows."""
    with FakeCluster(ALLOWED) as made:
        yield made


@pytest.fixture
def flip(tmp_path: Path, cluster: FakeCluster) -> Iterator[tuple[Site, ServiceFlip]]:
    """1.0 in blue, 2.0 in green, a Service in front."""
    site = Site(tmp_path, cluster, "kubernetes-service")
    Kubernetes(site.environment).start_web("green", version(site, "2.0"))
    found = open_traffic(site.environment)
    assert isinstance(found, ServiceFlip)
    yield site, found
    site.close()


@pytest.fixture
def route(tmp_path: Path, cluster: FakeCluster) -> Iterator[tuple[Site, Gateway]]:
    """1.0 in blue, 2.0 in green, a gateway in front."""
    site = Site(tmp_path, cluster, "gateway")
    Kubernetes(site.environment).start_web("green", version(site, "2.0"))
    found = open_traffic(site.environment)
    assert isinstance(found, Gateway)
    yield site, found
    site.close()


def ask(site: Site, path: str = "/version", **headers: str) -> tuple[int, str]:
    """As a person, through the entrance."""
    host, _, port = site.entrance.address.partition(":")
    connection = http.client.HTTPConnection(host, int(port), timeout=5)
    connection.request("GET", path, headers={name.replace("_", "-"): value for name, value in headers.items()})
    answer = connection.getresponse()
    said = answer.status, answer.read().decode()
    connection.close()
    return said


def annotated(site: Site, plural: str) -> dict[str, str]:
    found: dict[str, str] = site.cluster.find(plural, RELEASE)["metadata"]["annotations"]
    return found


class TestService:
    def test_everybody_is_led_to_the_other_slot(self, flip: tuple[Site, ServiceFlip]) -> None:
        site, traffic = flip
        assert (traffic.by_people, traffic.splits, traffic.holds) == (False, False, False)
        assert traffic.read_shares() == Shares.only("blue")
        assert ask(site) == (200, image("1.0"))
        traffic.set_shares(Shares.only("green"), 3)
        assert traffic.read_shares() == Shares.only("green")
        assert ask(site) == (200, image("2.0"))
        assert annotated(site, "services")[FENCE] == "3"
        assert json.loads(annotated(site, "services")[SHARES])["base"] == {"green": 100}

    def test_it_is_not_said_before_the_cluster_does_it(self, flip: tuple[Site, ServiceFlip]) -> None:
        site, traffic = flip
        site.cluster.endpoints_late = {RELEASE}
        traffic.set_shares(Shares.only("green"), 3)
        assert traffic.read_shares() is None
        site.cluster.endpoints_late = set()
        assert traffic.read_shares() == Shares.only("green")

    def test_an_older_number_changes_nothing(self, flip: tuple[Site, ServiceFlip]) -> None:
        site, traffic = flip
        traffic.set_shares(Shares.only("green"), 7)
        with pytest.raises(Stale, match="6 may not change"):
            traffic.set_shares(Shares.only("blue"), 6)
        assert ask(site) == (200, image("2.0"))

    def test_a_higher_number_that_comes_in_between_wins(self, flip: tuple[Site, ServiceFlip]) -> None:
        site, traffic = flip

        def other(found: dict[str, Any]) -> None:
            found["metadata"].setdefault("annotations", {})[FENCE] = "9"
            site.cluster.touch(found)

        site.cluster.interfere = [other]
        with pytest.raises(Stale, match="9 has"):
            traffic.set_shares(Shares.only("green"), 8)
        assert ask(site) == (200, image("1.0"))

    def test_a_part_of_the_requests_is_refused(self, flip: tuple[Site, ServiceFlip]) -> None:
        site, traffic = flip
        for shares in (CANARY, Shares.only("blue", "green")):
            with pytest.raises(Refused, match="sends everybody to one slot"):
                traffic.set_shares(shares, 3)
        assert ask(site) == (200, image("1.0"))

    def test_up_is_what_the_cluster_would_send_requests_to(self, flip: tuple[Site, ServiceFlip]) -> None:
        site, traffic = flip
        assert traffic.observe().up == {"blue", "green"}
        Kubernetes(site.environment).stop("green", 1.0)
        assert traffic.observe().up == {"blue"}
        site.cluster.away = 10**6
        assert (traffic.observe().shares, traffic.read_shares()) == (None, None)

    def test_probes_go_to_the_slot_itself(self, flip: tuple[Site, ServiceFlip]) -> None:
        site, traffic = flip
        probes = Probes(site.environment, traffic)
        results, failed = probes.smoke("green")
        assert (len(results), failed) == (4, "")
        asked = [sum(pod.probes.values()) for pod in site.cluster.running(f"{RELEASE}-web-green").values()]
        assert sum(asked) == 3
        assert all(not pod.probes for pod in site.cluster.running(f"{RELEASE}-web-blue").values())

    def test_a_service_of_somebody_else_is_refused_at_the_beginning(self, flip: tuple[Site, ServiceFlip]) -> None:
        site, traffic = flip
        traffic.render(Shares.only("blue"))
        site.cluster.put("services", {"metadata": {"name": RELEASE}, "spec": {"selector": {"app": "shop"}}})
        with pytest.raises(Refused, match="names no slot"):
            traffic.render(Shares.only("blue"))
        assert traffic.read_shares() is None


class TestGateway:
    def test_the_same_people_get_the_new_version(self, route: tuple[Site, Gateway]) -> None:
        site, traffic = route
        assert traffic.read_shares() == Shares.only("blue")
        traffic.set_shares(CANARY, 2)
        assert traffic.read_shares() == CANARY
        got = {number: ask(site, Cookie=f"a=b; aw_bucket={number}; sessionid=x")[1] for number in (0, 9, 24, 25, 99)}
        assert got == {n: image("2.0" if n < 25 else "1.0") for n in got}
        # Whoever has no number stays with the version before.
        assert ask(site)[1] == ask(site, Authorization="Bearer x")[1] == image("1.0")
        traffic.set_shares(Shares.only("green"), 2)
        assert traffic.read_shares() == Shares.only("green")
        assert ask(site)[1] == image("2.0")

    @pytest.mark.parametrize("whole", [True, False])
    def test_the_pattern_fits_where_a_part_is_matched_and_where_all_is(self, whole: bool) -> None:
        for percent in (1, 5, 10, 25, 50, 99):
            match = {"headers": [{"name": "Cookie", "type": "RegularExpression", "value": cookie_pattern(percent)}]}
            for number in range(100):
                for cookie in (f"aw_bucket={number}", f"x=1; aw_bucket={number}", f"aw_bucket={number}; y=2; z=3"):
                    assert matches({"matches": [match]}, {"cookie": cookie}, whole) is (number < percent), (
                        percent,
                        cookie,
                    )
            for cookie in ("xaw_bucket=0", "aw_bucket=100", "aw_bucket=", "aw_bucket=0x"):
                assert not matches({"matches": [match]}, {"cookie": cookie}, whole), (percent, cookie)

    def test_who_has_the_secret_chooses_and_nobody_else(self, route: tuple[Site, Gateway]) -> None:
        site, traffic = route
        traffic.render(Shares.only("green"))
        # What is so is kept, whatever the caller believes.
        assert traffic.read_shares() == Shares.only("blue")
        assert ask(site, X_AW_Probe=f"{traffic.secret}:green")[1] == image("2.0")
        for guess in ("green", ":green", f"{'0' * 32}:green"):
            assert ask(site, "/work", X_AW_Probe=guess)[0] == 200
        # And nobody marks a request as a probe: the gateway takes the word away.
        pods = site.cluster.running(f"{RELEASE}-web-blue").values()
        assert sum(pod.counted["work", "2xx"] for pod in pods) == 3
        assert not any(pod.probes for pod in pods)

    def test_probes_come_first_in_a_canary_too(self, route: tuple[Site, Gateway]) -> None:
        site, traffic = route
        traffic.set_shares(Shares({"blue": 100}, "green", 99), 2)
        assert ask(site, Cookie="aw_bucket=1", X_AW_Probe=f"{traffic.secret}:blue")[1] == image("1.0")

    def test_without_patterns_requests_are_divided(self, route: tuple[Site, Gateway]) -> None:
        site, _ = route
        traffic = Gateway(replace(site.environment, options={**site.environment.options, "cookies": False}))
        assert not traffic.by_people
        assert traffic.splits
        traffic.set_shares(CANARY, 2)
        assert traffic.read_shares() == CANARY
        got = Counter(ask(site, Cookie="aw_bucket=1")[1] for _ in range(200))
        assert 20 <= got[image("2.0")] <= 85
        for shares in (Shares({"blue": 50, "green": 50}), Shares({"blue": 100}, "green", 99), Shares.only("green")):
            traffic.set_shares(shares, 2)
            assert traffic.read_shares() == shares

    def test_it_is_not_said_before_the_gateway_does_it(self, route: tuple[Site, Gateway]) -> None:
        site, traffic = route
        site.cluster.gateway_deaf = True
        traffic.set_shares(CANARY, 2)
        assert traffic.read_shares() is None
        assert traffic.shares() == CANARY
        site.cluster.gateway_deaf = False
        assert traffic.read_shares() == CANARY

    def test_an_older_number_changes_nothing(self, route: tuple[Site, Gateway]) -> None:
        site, traffic = route
        traffic.set_shares(CANARY, 7)
        with pytest.raises(Stale):
            traffic.set_shares(Shares.only("green"), 6)
        assert traffic.read_shares() == CANARY
        spec = site.cluster.find("httproutes", RELEASE)["spec"]
        assert (spec["hostnames"], spec["parentRefs"]) == (["portal.example.org"], [{"name": "public"}])

    def test_what_the_chart_wrote_is_read(self, route: tuple[Site, Gateway]) -> None:
        site, traffic = route
        found = site.cluster.find("httproutes", RELEASE)
        found["spec"]["rules"][-1]["backendRefs"][0]["weight"] = 3
        found["spec"]["rules"][-1]["backendRefs"][1]["weight"] = 1
        site.cluster.put("httproutes", found)
        assert traffic.read_shares() == Shares({"blue": 75, "green": 25})
        found["spec"]["rules"][-1]["backendRefs"][0]["name"] = "shop"
        site.cluster.put("httproutes", found)
        assert traffic.read_shares() is None

    def test_up_is_what_answers_through_the_gateway(self, route: tuple[Site, Gateway]) -> None:
        _, traffic = route
        # The rules of the chart do not know the secret: no labelled request gets anywhere it should.
        traffic.render(Shares.only("blue"))
        assert traffic.observe().up == {"blue", "green"}
        away = Gateway(replace(traffic.environment, listen="127.0.0.1:9"))
        assert away.observe().up == frozenset()
        assert away.read_shares() == Shares.only("blue")


class TestCounts:
    def test_people_are_counted_by_slot_and_probes_are_not(self, route: tuple[Site, Gateway]) -> None:
        site, traffic = route
        traffic.set_shares(CANARY, 2)
        site.cluster.failing = {}
        for number in range(40):
            ask(site, "/work", Cookie=f"aw_bucket={number}")
            ask(site, "/readyz")
        Probes(site.environment, traffic).smoke("green")
        counted = {slot: traffic.counters(slot) for slot in ("blue", "green")}
        assert counted == {"blue": Counters(15, 0), "green": Counters(25, 0)}
        assert [len(times) for times in traffic.heard().milliseconds.values()] == [15, 25]

    def test_a_pod_that_goes_or_begins_anew_takes_nothing_away(self, flip: tuple[Site, ServiceFlip]) -> None:
        site, traffic = flip
        first, second = site.cluster.running(f"{RELEASE}-web-blue").values()
        first.counted["work", "2xx"], second.counted["work", "5xx"], second.streams = 100, 3, 4
        assert traffic.counters("blue") == Counters(103, 3, 0, 4)
        # Its container was started again, and has answered two since.
        first.counted.clear()
        first.counted["work", "2xx"] = 2
        assert traffic.counters("blue").n == 105
        # A probe that had been counted as a request before it was marked.
        first.probes["2xx"] = 1
        assert traffic.counters("blue").n == 105
        first.counted["work", "2xx"] = 4
        assert traffic.counters("blue").n == 106
        Kubernetes(site.environment).stop("blue", 1.0)
        assert traffic.counters("blue") == Counters(106, 3, 0, 0)

    def test_pods_that_do_not_answer_tell_nothing(self, flip: tuple[Site, ServiceFlip]) -> None:
        site, traffic = flip
        for pod in site.cluster.running(f"{RELEASE}-web-green").values():
            pod.counted["work", "2xx"] = 9
            pod.close()
        assert traffic.counters("green") == Counters(0, 0)
        site.cluster.away = 10**6
        assert traffic.counters("blue") == Counters(0, 0)

    def test_an_agent_outside_asks_through_the_api_server(self, flip: tuple[Site, ServiceFlip]) -> None:
        site, _ = flip
        site.cluster.allowed = {**ALLOWED, "pods/proxy": {"get"}}
        outside = replace(site.environment, options={**site.environment.options, "counts": "proxy"})
        for pod in site.cluster.running(f"{RELEASE}-web-blue").values():
            pod.counted["work", "2xx"] = 9
            pod.close()
        assert ServiceFlip(outside).counters("blue").n == 18
        with pytest.raises(Refused, match="pods or proxy"):
            ServiceFlip(replace(outside, options={**outside.options, "counts": "guess"}))

    def test_times_are_spread_over_their_bucket(self) -> None:
        text = "\n".join(
            f'aiw_http_request_seconds_bucket{{le="{edge}",route="a/",surface="web"}} {count}.0'
            for edge, count in (("0.1", 10), ("0.5", 12), ("+Inf", 13))
        )
        found = podmetrics.read(text)
        assert found.buckets == {0.1: 10, 0.5: 2, float("inf"): 1}
        times = podmetrics.times({0.1: 8}, found.buckets)
        assert times == pytest.approx([25.0, 75.0, 200.0, 400.0, 500.0])


def test_init_writes_the_secret_and_starts_no_proxy(
    route: tuple[Site, Gateway], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    site, traffic = route
    monkeypatch.setattr(cli, "load", lambda path: site.environment)
    assert cli.main(["init"]) == 0
    assert capsys.readouterr().out == "[]\n"
    assert ask(site, X_AW_Probe=f"{traffic.secret}:green")[1] == image("2.0")
