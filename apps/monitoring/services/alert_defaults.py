"""The rules that ship: useful on a laptop without any setting, and the same in `deploy/observability/rules.yml`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.db import transaction

from apps.monitoring.models import AlertChannel, AlertRoute, AlertRule


def _burns(minutes: int, limit: float) -> str:
    """The rule for Prometheus, for the objectives of 99.9 % that ship; 10 that went wrong are the least."""

    def share(window: int) -> str:
        every = f'sum by (surface) (increase(aiw_http_requests_total{{surface=~"web|api"}}[{window}m]))'
        return f"{wrong(window)} / {every}"

    def wrong(window: int) -> str:
        return f'sum by (surface) (increase(aiw_http_requests_total{{surface=~"web|api",status="5xx"}}[{window}m]))'

    border = f"{limit * 0.001:g}"
    return f"({share(minutes)} > {border}) and ({share(minutes // 12)} > {border}) and ({wrong(minutes)} >= 10)"


# One fault is one alert: while the database fails, what needs it is not told.
_UNLESS_FROZEN = 'unless on(instance) aiw_check_status{check="database"} == 2'


def _kept(slug: str, bad: str, check: str = "") -> str:
    """What is not known stays as it was, and what is wrong while the database fails is not known."""
    status = f"aiw_check_status{check}"
    frozen = f'({status} {bad} and on(instance) aiw_check_status{{check="database"}} == 2)'
    return f'(({status} == 3 or {frozen}) and on(check, instance) ALERTS{{alertname="{slug}", alertstate="firing"}})'


_WORKER = '{check="worker"}'
# `promql` is the same rule for Prometheus; the tests let both judge the same cases.
RULES: Mapping[str, Mapping[str, Any]] = {
    "check-fails": {
        "title": "A check fails",
        "severity": "warning",
        "source": "check",
        "level": "fail",
        "for_seconds": 10,
        "no_data": "keep",
        "runbook": "operators/checks",
        "promql": f'(aiw_check_status{{check!="database"}} == 2 {_UNLESS_FROZEN})'
        f' or aiw_check_status{{check="database"}} == 2 or {_kept("check-fails", "== 2")}',
    },
    "check-warns": {
        "title": "A check warns",
        "severity": "info",
        "source": "check",
        "level": "warn",
        "for_seconds": 600,
        "keep_firing_seconds": 300,
        "no_data": "keep",
        "runbook": "operators/checks",
        "promql": f"(aiw_check_status == 1 {_UNLESS_FROZEN}) or {_kept('check-warns', '> 0')}",
    },
    "worker-silent": {
        "title": "No worker does the jobs",
        "severity": "critical",
        "source": "check",
        "subject": "worker",
        "level": "warn",
        "for_seconds": 60,
        "no_data": "keep",
        "runbook": "operators/checks",
        "promql": f'(aiw_check_status{{check="worker"}} == 1 {_UNLESS_FROZEN})'
        f' or (aiw_check_status{{check="worker"}} == 2 {_UNLESS_FROZEN})'
        f" or {_kept('worker-silent', '> 0', _WORKER)}",
    },
    "checks-silent": {
        "title": "Checks have not reported",
        "severity": "warning",
        "source": "check",
        "level": "none",
        "no_data": "alert",
        "no_data_seconds": 120,
        "runbook": "operators/checks",
        "promql": "aiw_check_status == 3",
        "prom_for": 120,
    },
    "request-errors": {
        "title": "Requests end with errors",
        "severity": "warning",
        "source": "figure",
        "subject": "request_errors",
        "label": "web",
        "combine": "sum",
        "threshold": 10,
        "window_minutes": 5,
        "keep_firing_seconds": 120,
        "promql": 'sum(increase(aiw_http_requests_total{surface="web",status="5xx"}[5m])) > 10',
    },
    "api-errors": {
        "title": "Calls of the API end with errors",
        "severity": "warning",
        "source": "figure",
        "subject": "request_errors",
        "label": "api",
        "combine": "sum",
        "threshold": 10,
        "window_minutes": 5,
        "keep_firing_seconds": 120,
        "promql": 'sum(increase(aiw_http_requests_total{surface="api",status="5xx"}[5m])) > 10',
    },
    "pages-slow": {
        "title": "Pages are slow",
        "severity": "info",
        "source": "figure",
        "subject": "request_p95_seconds",
        "label": "web",
        "threshold": 2,
        "window_minutes": 10,
        "for_seconds": 300,
        "keep_firing_seconds": 300,
        "promql": "histogram_quantile(0.95, sum by (le) (rate("
        'aiw_http_request_seconds_bucket{surface="web"}[10m]))) > 2',
    },
    "model-errors": {
        "title": "Model calls fail",
        "severity": "warning",
        "source": "figure",
        "subject": "model_errors",
        "label": "all",
        "combine": "sum",
        "threshold": 5,
        "window_minutes": 10,
        "keep_firing_seconds": 300,
        "promql": 'sum(increase(aiw_model_calls_total{outcome="failed"}[10m])) > 5',
    },
    "task-errors": {
        "title": "Tasks fail",
        "severity": "warning",
        "source": "figure",
        "subject": "task_errors",
        "label": "all",
        "combine": "sum",
        "threshold": 5,
        "window_minutes": 10,
        "keep_firing_seconds": 300,
        "promql": 'sum(increase(aiw_tasks_total{outcome="failure"}[10m])) > 5',
    },
    "budget-burns-fast": {
        "title": "An error budget is gone within two days",
        "severity": "critical",
        "source": "burn",
        "threshold": 14.4,
        "window_minutes": 60,
        "keep_firing_seconds": 120,
        "runbook": "operators/slos",
        "promql": _burns(60, 14.4),
    },
    "budget-burns": {
        "title": "An error budget is gone within five days",
        "severity": "critical",
        "source": "burn",
        "threshold": 6,
        "window_minutes": 360,
        "keep_firing_seconds": 300,
        "runbook": "operators/slos",
        "promql": _burns(360, 6),
    },
    "budget-burns-slowly": {
        "title": "An error budget will not last",
        "severity": "warning",
        "source": "burn",
        "threshold": 1,
        "window_minutes": 4320,
        "keep_firing_seconds": 3600,
        "runbook": "operators/slos",
        "promql": _burns(4320, 1),
    },
    "run-missing": {
        "title": "A job elsewhere failed or has not reported",
        "severity": "warning",
        "source": "run",
        "keep_firing_seconds": 0,
        "runbook": "operators/heartbeats",
        "promql": "",
    },
    "errors-new": {
        "title": "An error that was not there before",
        "severity": "warning",
        "source": "figure",
        "subject": "errors_new",
        "label": "all",
        "combine": "sum",
        "threshold": 0,
        "window_minutes": 10,
        "keep_firing_seconds": 600,
        "runbook": "operators/errors",
        "promql": "",
    },
    "sign-ins-refused": {
        "title": "Many sign-ins were refused",
        "severity": "warning",
        "source": "event",
        "subject": "session.refused",
        "threshold": 20,
        "window_minutes": 10,
        "keep_firing_seconds": 600,
        "promql": "",
    },
}
_FOR_PROMETHEUS = ("promql", "prom_for")


def ensure_alerts() -> None:
    """Make what is missing. What somebody has changed stays as it is. For `BOOTSTRAP_STEPS`."""
    with transaction.atomic():
        known = set(AlertRule.objects.values_list("slug", flat=True))
        for slug, values in RULES.items():
            if slug not in known:
                fields = {name: value for name, value in values.items() if name not in _FOR_PROMETHEUS}
                AlertRule.objects.create(slug=slug, built_in=True, **fields)
        if not AlertChannel.objects.exists():
            people = AlertChannel.objects.create(
                name="Operators", kind=AlertChannel.Kind.PEOPLE, address_hint="everybody who operates the portal"
            )
            AlertRoute.objects.create(channel=people)
