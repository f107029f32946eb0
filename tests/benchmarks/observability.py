"""What watching costs: a request's share, a year of figures, a thousand checks and rules."""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import time

from tests.benchmarks import Row
from tests.lab.portal import ROOT

REQUEST_MS, YEAR_MS, THOUSAND_MS = 1.5, 50.0, 1000.0
ROUNDS, WARM_UP = 1500, 200
SERIES, CHECKS, RULES = 20, 500, 500


def measure() -> list[Row]:
    """Medians of processor time, in a process and a SQLite database of their own: what else the machine does is not measured."""
    environment = {**os.environ, "AIWRITER_LOG_LEVEL": "INFO"}
    done = subprocess.run(
        [sys.executable, "-m", "tests.benchmarks.observability"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
        env=environment,
    )
    found = json.loads(done.stdout.splitlines()[-1])
    rows = (
        ("ids, counters and the log's line of a request (median)", "request", REQUEST_MS),
        ("an error noted, with its traceback (median)", "error", REQUEST_MS),
        ("a year of hours of one figure, read for a plot (median)", "year", YEAR_MS),
        ("1,000 checks run", "checks", THOUSAND_MS),
        ("500 checks and 500 rules judged in a round (median)", "round", THOUSAND_MS),
    )
    return [Row(what, found[name], limit, "ms", "limit", 1.0) for what, name, limit in rows]


def main() -> None:
    """Measure; prints milliseconds."""
    from tests.lab.django import set_up

    set_up()
    found = {"request": _request(), "error": _error(), "year": _year(), "checks": _checks(), "round": _round()}
    print(json.dumps(found))


def _median(times: list[float]) -> float:
    return statistics.median(times) * 1000


def _request() -> float:
    import logging

    from django.http import HttpRequest, HttpResponse
    from django.test import RequestFactory

    from aiwriter.core.middleware import RequestContextMiddleware

    # The test run's level lets no line of a request through; an installation's does.
    for handler in logging.getLogger("aiwriter.requests").handlers:
        handler.setLevel(logging.INFO)

    def view(request: HttpRequest) -> HttpResponse:
        request.resolver_match = type("Match", (), {"route": "documents/<uuid:document_id>/"})()
        return HttpResponse("ok")

    watched, factory = RequestContextMiddleware(view), RequestFactory()
    times: dict[str, list[float]] = {"with": [], "without": []}
    for number in range(ROUNDS + WARM_UP):
        for name, one in (("with", watched), ("without", view)):
            request = factory.get("/documents/x/", HTTP_TRACEPARENT=f"00-{number:032x}-{number:016x}-01")
            begun = time.process_time()
            one(request)
            if number >= WARM_UP:
                times[name].append(time.process_time() - begun)
    return _median(times["with"]) - _median(times["without"])


def _error() -> float:
    import logging

    from django.conf import settings

    from aiwriter.core.crashes import CrashHandler

    log = logging.getLogger("trial")
    log.propagate = False
    log.addHandler(CrashHandler(settings.DATA_DIR / "run" / "errors-trial"))
    times = []
    for _ in range(500):
        try:
            raise ValueError("x")
        except ValueError:
            begun = time.process_time()
            log.exception("it failed")
            times.append(time.process_time() - begun)
    return _median(times)


def _year() -> float:
    from apps.monitoring.models import HOUR, MetricPoint, MetricSeries
    from apps.monitoring.selectors.series import read_histories

    now = int(time.time()) // HOUR * HOUR
    for number in range(SERIES):
        series = MetricSeries.objects.create(name=f"figure{number}", label="web", node="here")
        MetricPoint.objects.bulk_create(
            (
                MetricPoint(series=series, step=HOUR, at=now - n * HOUR, count=60, total=n, low=0, high=n)
                for n in range(365 * 24)
            ),
            batch_size=2000,
        )
    times = []
    for number in range(SERIES):
        begun = time.process_time()
        (history,) = read_histories([f"figure{number}"], span="1y", now=now)[f"figure{number}"]
        times.append(time.process_time() - begun)
        if len(history.points) < 364:
            raise RuntimeError(f"{len(history.points)} points of a year")
    return _median(times)


def _checks() -> float:
    from apps.monitoring.services.checks import Check, Result, run_checks

    fine = Result(status="ok")
    checks = [
        Check(
            key=f"check{number}",
            run=lambda: fine,
            interval=60,
            deadline=30,
            severity="degrades",
            title="A check",
            runbook="operators/checks",
        )
        for number in range(1000)
    ]
    begun = time.process_time()
    outcomes = run_checks(checks)
    took = (time.process_time() - begun) * 1000
    if {each.result.status for each in outcomes} != {"ok"}:
        raise RuntimeError("a check did not run")
    return took


def _round() -> float:
    from django.utils import timezone

    from apps.monitoring.models import MINUTE, Alert, AlertRule, CheckResult, MetricPoint, MetricSeries
    from apps.monitoring.services.alert_defaults import ensure_alerts
    from apps.monitoring.services.alerting import evaluate

    ensure_alerts()
    now = timezone.now()
    later = now.replace(year=now.year + 1)
    CheckResult.objects.bulk_create(
        CheckResult(key="mail", node=f"node{number}", status="ok", valid_until=later) for number in range(CHECKS)
    )
    at = int(now.timestamp()) // MINUTE * MINUTE
    for number in range(RULES):
        series = MetricSeries.objects.create(name=f"judged{number}", label="all", node="here")
        MetricPoint.objects.create(series=series, step=MINUTE, at=at, total=1, low=1, high=1)
        AlertRule.objects.create(slug=f"r{number}", title="R", source="figure", subject=f"judged{number}", threshold=2)
    times = []
    for _ in range(7):
        begun = time.process_time()
        evaluate(now=now)
        times.append(time.process_time() - begun)
    if Alert.objects.exists():
        raise RuntimeError("an alert came up, though nothing is wrong")
    return _median(times)


if __name__ == "__main__":
    main()
