"""The portal and Prometheus judge the same stories alike."""

from __future__ import annotations

import datetime as dt
import shutil
import subprocess
from pathlib import Path

import pytest
from django.utils import timezone

from apps.monitoring.models import Alert, AlertRule, CheckResult
from apps.monitoring.services.alert_defaults import ensure_alerts
from apps.monitoring.services.alerting import evaluate
from tests.house import prometheus
from tests.lab.alert_cases import CASES, STEP, Case, promtool_file

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


@pytest.mark.skipif(not shutil.which("promtool"), reason="promtool is not installed (Debian: apt install prometheus)")
def test_prometheus(tmp_path: Path) -> None:
    shutil.copy(prometheus.FILE, tmp_path / "rules.yml")
    (tmp_path / "cases.yml").write_text(promtool_file())
    done = subprocess.run(
        ["promtool", "test", "rules", "cases.yml"], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_shipped_file_is_made_from_our_rules() -> None:
    assert prometheus.FILE.read_text() == prometheus.rules(), "run: python -m tests.house.prometheus"
