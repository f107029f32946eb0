"""Figures over time: what was counted becomes minutes, minutes become hours, and a year is read at once."""

from __future__ import annotations

import math
import os
import shutil
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest
from django.test import Client

from aiwriter.core.metric_files import settle_dead
from apps.monitoring.models import FIVE_MINUTES, HOUR, MINUTE, MetricPoint, MetricSeries
from apps.monitoring.selectors.series import histories, read_histories
from apps.monitoring.services import keeping, measuring
from apps.monitoring.services.keeping import KEPT, Recorder, keep, prune_points, roll_up
from apps.monitoring.services.measuring import Figure, percentile
from tests.people import People

NOW = 1_800_000_000 // HOUR * HOUR


@pytest.fixture(autouse=True)
def forget() -> None:
    keeping.forget_series()


def counted(folder: Path, code: str) -> None:
    """Count in a process of its own, as the portal's parts do."""
    program = f"from aiwriter.core import metrics\n{code}"
    environment = {"PROMETHEUS_MULTIPROC_DIR": str(folder), "PATH": ""}
    subprocess.run([sys.executable, "-c", program], env=environment, check=True, cwd=Path(__file__).parents[3])


class TestMeasuring:
    def test_two_processes_are_added_up_and_only_what_is_new_counts(self, tmp_path: Path) -> None:
        once = "for n in range(10): metrics.count_request('web', 'a/', 200, 0.02)\n"
        counted(tmp_path, once)
        before = measuring.read(tmp_path)
        counted(tmp_path, once + "metrics.count_request('web', 'b/', 500, 4.0)\n")
        counted(
            tmp_path,
            "metrics.count_call(backend='B', model='m', outcome='succeeded', first_token_ms=400,"
            "duration_ms=1400, input_tokens=10, output_tokens=50, price=0.5, currency='USD')\n",
        )
        found = {(f.name, f.label): f.value for f in measuring.figures(before, measuring.read(tmp_path))}
        assert found["requests", "web"] == 11
        assert found["requests", "web a/"] == 10
        assert found["request_errors", "web"] == 1
        assert ("request_errors", "web a/") not in found
        assert 0.01 < found["request_p50_seconds", "web a/"] <= 0.025
        assert found["model_calls", "all"] == found["model_calls", "B"] == 1
        assert found["model_tokens_out", "B"] == 50
        assert found["model_cost", "B USD"] == 0.5
        assert 0.25 < found["model_first_token_p95_seconds", "B"] <= 0.5
        assert 40 < found["model_tokens_p50_per_second", "B"] <= 60

    def test_what_dead_processes_counted_stays_in_the_sums_and_their_files_go(self, tmp_path: Path) -> None:
        for seconds in (0.02, 0.3, 0.02):
            counted(
                tmp_path, f"metrics.count_request('web', 'a/', 200, {seconds})\nmetrics.streams.labels('page').inc()"
            )
        living = tmp_path / f"counter_{socket.gethostname()}-{os.getpid()}.db"
        elsewhere = tmp_path / "counter_elsewhere-1.db"
        for path in (living, elsewhere):
            shutil.copy(next(tmp_path.glob("counter_*.db")), path)

        before = measuring.read(tmp_path)
        assert settle_dead(tmp_path) == 9
        # Nothing more was counted, and what they had open is closed.
        assert [f.name for f in measuring.figures(before, before)] == ["streams_open"]
        assert measuring.figures(before, measuring.read(tmp_path)) == []
        names = {path.name.replace(socket.gethostname(), "host") for path in tmp_path.glob("*.db")}
        assert names == {living.name.replace(socket.gethostname(), "host"), elsewhere.name} | {
            "counter_host-gone.db",
            "histogram_host-gone.db",
        }
        # Once more, with another one that died since: into the same files.
        counted(tmp_path, "metrics.count_request('web', 'a/', 200, 0.02)")
        settle_dead(tmp_path)
        found = {(f.name, f.label): f.value for f in measuring.figures(before, measuring.read(tmp_path))}
        assert found["requests", "web a/"] == 1
        assert len(list(tmp_path.glob("*.db"))) == 4

    def test_percentiles(self) -> None:
        assert percentile({}, 0.5) == 0.0
        assert percentile({1.0: 50.0, 2.0: 100.0, math.inf: 100.0}, 0.5) == 1.0
        assert percentile({1.0: 0.0, 2.0: 100.0, math.inf: 100.0}, 0.5) == 1.5
        assert percentile({1.0: 0.0, math.inf: 10.0}, 0.95) == 1.0

    def test_a_count_that_began_anew_is_not_negative(self) -> None:
        labels = (("kind", "x"),)
        assert list(measuring._grown({"n": {labels: 100.0}}, {"n": {labels: 3.0}}, "n")) == [({"kind": "x"}, 3.0)]


@pytest.mark.django_db
class TestKeeping:
    def test_minutes_become_five_minutes_and_hours_once(self) -> None:
        for minute in range(120):
            keep([Figure("requests", "web", float(minute))], at=NOW + minute * 60)
        keep([Figure("requests", "web", 999.0)], at=NOW)  # the same minute again
        assert roll_up(now=NOW + 7200 + 120) == 24 + 2
        assert roll_up(now=NOW + 7200 + 120) == 0
        first = MetricPoint.objects.filter(step=FIVE_MINUTES).order_by("at").first()
        assert first is not None
        assert (first.at, first.count, first.total, first.low, first.high) == (NOW, 5, 10.0, 0.0, 4.0)
        hours = MetricPoint.objects.filter(step=HOUR).order_by("at")
        assert [(h.count, h.total, h.high) for h in hours] == [(60, 1770.0, 59.0), (60, 5370.0, 119.0)]

    def test_a_pause_is_passed_over(self) -> None:
        keep([Figure("x", "", 1.0)], at=NOW)
        keep([Figure("x", "", 3.0)], at=NOW + 7 * 86400)
        assert roll_up(now=NOW + 7 * 86400 + 7200) == 4

    def test_each_step_is_kept_for_its_time(self) -> None:
        keep([Figure("x", "", 1.0)], at=NOW)
        series = MetricSeries.objects.get()
        for step, seconds in KEPT.items():
            for at in (NOW - seconds - 1, NOW - seconds + 1):
                MetricPoint.objects.create(series=series, step=step, at=at, total=1, low=1, high=1)
        assert prune_points(now=NOW) == 3
        assert MetricPoint.objects.count() == 4

    def test_ranges_are_read_in_their_steps(self, people: People) -> None:
        for minute in range(180):
            keep([Figure("requests", "web", 2.0), Figure("requests", "api", 1.0)], at=NOW + minute * 60)
        roll_up(now=NOW + 3 * 3600 + 120)
        actor = people.actor("ada")
        hour = histories(actor, ["requests"], span="1h", labels=["web"], now=NOW + 3 * 3600)["requests"]
        assert [h.label for h in hour] == ["web"]
        assert len(hour[0].points) == 60
        day = histories(actor, ["requests"], span="24h", now=NOW + 3 * 3600)["requests"]
        assert [(h.label, len(h.points), h.mean, h.total) for h in day] == [
            ("api", 36, 1.0, 180.0),
            ("web", 36, 2.0, 360.0),
        ]
        year = histories(actor, ["requests"], span="1y", labels=["web"], now=NOW + 3 * 3600)["requests"]
        assert year[0].total == 360.0

    def test_a_recorder_begins_with_its_second_look(self, tmp_path: Path) -> None:
        counted(tmp_path, "metrics.tasks.labels('a', 'success').inc()")
        recorder = Recorder(tmp_path)
        assert recorder.measure() == 0
        counted(tmp_path, "metrics.tasks.labels('a', 'failure').inc(2)")
        assert recorder.measure([Figure("more", "", 1.0)]) > 4
        found = read_histories(["tasks", "task_errors", "more"], span="1h", labels=["all", ""], now=time.time())
        assert {name: each[0].last for name, each in found.items()} == {"tasks": 2.0, "task_errors": 2.0, "more": 1.0}


def test_the_page_draws_what_was_measured(portal, people) -> None:  # type: ignore[no-untyped-def]
    page = portal("otto").get("/admin/monitoring/metricseries/").content.decode()
    assert "Nothing has been measured yet." in page
    now = time.time()
    for minute in range(5):
        keep([Figure("requests", "web", 3.0), Figure("check_figure", "disk free_bytes", 2.0**30)], at=now - minute * 60)
        keep(
            [Figure("requests", "web a/<int:pk>", 3.0), Figure("request_p95_seconds", "web a/<int:pk>", 0.2)],
            at=now - minute * 60,
        )
    page = portal("otto").get("/admin/monitoring/metricseries/?range=1h").content.decode()
    assert page.count("plot-tall") == 2
    assert "1.0\xa0GB" in page
    assert "web a/&lt;int:pk&gt;" in page
    row = MetricSeries.objects.get(label="disk free_bytes")
    one = portal("ada").get(f"/admin/monitoring/metricseries/{row.pk}/change/").content.decode()
    assert one.count("<tr>") >= 2


def test_the_api_gives_points(api, people) -> None:  # type: ignore[no-untyped-def]
    keep([Figure("requests", "web", 3.0)], at=time.time())
    answer = api("otto").get("/api/v1/metrics?name=requests&range=1h").json()["data"]
    assert answer[0]["points"][0]["total"] == 3.0
    assert api("otto").get("/api/v1/metrics?name=requests&range=2h").json()["error"]["details"][0]["field"] == "range"
    assert api("otto").get("/api/v1/metrics/series").json()["data"][0]["name"] == "requests"
    assert api("wanda").get("/api/v1/metrics?name=requests").status_code == 403


def test_requests_are_counted_by_route(client: Client) -> None:
    from aiwriter.core import metrics

    def value(route: str, status: str) -> float:
        return metrics.requests.labels("web", route, status)._value.get()

    before = value("livez", "2xx")
    client.get("/livez")
    assert value("livez", "2xx") == before + 1
    assert MINUTE == 60
