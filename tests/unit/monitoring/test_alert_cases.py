"""The portal and Prometheus judge the same stories alike."""

from __future__ import annotations

import datetime as dt
import re
import shutil
import subprocess
from pathlib import Path

import pytest
from django.utils import timezone

from aiwriter.core import metrics
from apps.monitoring.models import Alert, AlertRule, CheckResult, MetricPoint, MetricSeries, Slo
from apps.monitoring.services.alert_defaults import ensure_alerts
from apps.monitoring.services.alerting import evaluate
from tests.house import grafana, prometheus
from tests.lab.alert_cases import BURNS, CASES, STEP, BurnCase, Case, promtool_file, promtool_files_of_budgets

STATUS = {"o": "ok", "w": "warn", "f": "fail", "u": "ok"}


@pytest.mark.django_db
@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.rule}: {' '.join(case.checks.values())[:30]}")
def test_ours(case: Case) -> None:
    ensure_alerts()
    AlertRule.objects.exclude(slug=case.rule).update(enabled=False)
    begin = timezone.now()
    for look in range(case.looks):
        now = begin + dt.timedelta(seconds=look * STEP)
        for key, letters in case.checks.items():
            # Unknown is what is too old to be believed.
            valid = now + dt.timedelta(seconds=-1 if letters[look] == "u" else 60)
            CheckResult.objects.update_or_create(
                key=key, node="here", defaults={"status": STATUS[letters[look]], "valid_until": valid}
            )
        evaluate(now=now)
        firing = {
            subject.partition(" ")[0]
            for subject in Alert.objects.filter(state="firing").values_list("subject", flat=True)
        }
        at = look * STEP
        assert firing == {subject for subject, first, last in case.fires if first <= at <= last}, f"after {at} s"


@pytest.mark.django_db
@pytest.mark.parametrize("case", BURNS, ids=lambda case: f"{case.rule}: {case.minutes}")
def test_ours_of_error_budgets(case: BurnCase) -> None:
    ensure_alerts()
    AlertRule.objects.exclude(slug=case.rule).update(enabled=False)
    Slo.objects.create(slug="web", title="Pages", source="requests", label="web", objective=99.9)
    end = int(timezone.now().timestamp()) // 300 * 300
    at = end - 60 * sum(count for count, _, _ in case.minutes)
    begin = at
    every_series, bad_series = (
        MetricSeries.objects.create(name=name, label="web", node="here") for name in ("requests", "request_errors")
    )
    points = []
    for count, every, bad in case.minutes:
        for _ in range(count):
            for series, value in ((every_series, every), (bad_series, bad)):
                points.append(MetricPoint(series=series, step=60, at=at, total=value, low=value, high=value))
            at += 60
    if end - begin > 47 * 3600:
        # So far back only five minutes are kept together.
        points = [
            MetricPoint(series=p.series, step=300, at=p.at, count=5, total=p.total * 5, low=p.low, high=p.high)
            for p in points
            if p.at % 300 == 0
        ] + [p for p in points if p.at >= end - 46 * 3600]
    MetricPoint.objects.bulk_create(points, batch_size=2000)
    evaluate(now=dt.datetime.fromtimestamp(end, dt.UTC))
    assert Alert.objects.filter(state="firing").exists() == case.fires


@pytest.mark.skipif(not shutil.which("promtool"), reason="promtool is not installed (Debian: apt install prometheus)")
def test_prometheus(tmp_path: Path) -> None:
    shutil.copy(prometheus.FILE, tmp_path / "rules.yml")
    (tmp_path / "cases.yml").write_text(promtool_file())
    for number, text in enumerate(promtool_files_of_budgets()):
        (tmp_path / f"budgets{number}.yml").write_text(text)
    done = subprocess.run(
        ["promtool", "test", "rules", "cases.yml", "budgets0.yml", "budgets1.yml"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_shipped_file_is_made_from_our_rules() -> None:
    assert prometheus.FILE.read_text() == prometheus.rules(), "run: python -m tests.house.prometheus"


def test_the_dashboard_asks_for_what_is_counted() -> None:
    assert grafana.FILE.read_text() == grafana.dashboard(), "run: python -m tests.house.grafana"
    counted = {"aiw_check_status", "aiw_check_figure", "aiw_watch_up"}  # healthd's own
    for metric in vars(metrics).values():
        name = getattr(metric, "_name", "")
        counted |= {name, f"{name}_total", f"{name}_bucket"} if str(name).startswith("aiw_") else set()
    asked = set(re.findall(r"\baiw_[a-z_]+", grafana.dashboard()))
    assert asked <= counted, asked - counted
