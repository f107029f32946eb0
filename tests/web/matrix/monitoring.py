"""What parameters of the monitoring app name."""

from __future__ import annotations

import datetime as dt
import uuid
from decimal import Decimal

from django.utils import timezone

from apps.monitoring.models import (
    Alert,
    AlertDelivery,
    AlertRule,
    Anomaly,
    CheckHistory,
    CheckResult,
    ErrorGroup,
    ExpectedRun,
    Heartbeat,
    Incident,
    IncidentAction,
    LogQuery,
    MetricSeries,
    UsageRow,
)
from apps.monitoring.services import alerts, captures, channels, expected_runs, incidents, reports, slos
from apps.monitoring.services.alert_defaults import ensure_alerts
from apps.monitoring.services.usage import Estimate, reserve
from tests.factories.monitoring import SETUP, used, workspace_budget


def _budget(people):
    return workspace_budget(people.press, limit_cost=Decimal(5)).pk


def _result(people):
    return CheckResult.objects.get_or_create(
        key="database", node="here", defaults={"status": "ok", "valid_until": timezone.now()}
    )[0].pk


def _reservation(people):
    return reserve(
        subject=f"call:{uuid.uuid4()}",
        workspace_id=people.press.pk,
        user_id=people.wanda.pk,
        token_id=None,
        estimate=Estimate(),
    )


def _rule(people):
    ensure_alerts()  # somebody has to be told, or a drill is refused
    return AlertRule.objects.create(slug=f"rule-{uuid.uuid4()}", title="Mine", source="check").pk


def _alert(people):
    return Alert.objects.create(
        rule_id=_rule(people), fingerprint=uuid.uuid4().hex, title="t", severity="warning", state="firing"
    ).pk


def _channel(people):
    return channels.create_channel(actor=SETUP, name=f"People {uuid.uuid4()}", kind="people").pk


def _route(people):
    return channels.create_route(actor=SETUP, channel_id=_channel(people)).pk


def _silence(people):
    ends_at = timezone.now() + dt.timedelta(hours=1)
    return alerts.create_silence(actor=SETUP, reason="r", ends_at=ends_at).pk


def _incident(people):
    return incidents.open_incident(actor=SETUP, title="t").pk


def _action(people):
    return IncidentAction.objects.create(incident_id=Incident.objects.latest("opened_at").pk, text="t").pk


def _delivery(people):
    return AlertDelivery.objects.create(channel_id=_channel(people), kind="test").pk


def _series(people):
    return MetricSeries.objects.create(name="requests", label="web", node="here").pk


def _anomaly(people):
    return Anomaly.objects.create(
        kind="downloads", user_id=people.wanda.pk, begins_at=timezone.now(), value=90, usual=2, score=40
    ).pk


def _error(people):
    return ErrorGroup.objects.create(mark=uuid.uuid4().hex, kind="ValueError").pk


def _report(people):
    return reports.create_schedule(actor=SETUP, name=f"Report {uuid.uuid4()}", channels=[_channel(people)]).pk


def _report_run(people):
    return reports.send_report(actor=SETUP, schedule_id=_report(people)).pk


def _slo(people):
    return slos.create_slo(actor=SETUP, slug=f"slo-{uuid.uuid4()}", title="S", source="tasks").pk


def _run(people):
    return expected_runs.create_expected_run(actor=SETUP, slug=f"run-{uuid.uuid4()}", title="R", period_seconds=60).pk


def _run_slug(people):
    return ExpectedRun.objects.get(pk=_run(people)).slug


def _query(people):
    return LogQuery.objects.create(name=f"q {uuid.uuid4()}", values={}).pk


def _capture(people):
    return captures.ask_capture(actor=SETUP, reason="Slow saving", user_id=people.wanda.pk).pk


_SLO_FORM = {
    "slug": "mine",
    "title": "Mine",
    "source": "tasks",
    "label": "all",
    "objective": "99",
    "window_days": "30",
    "slow_seconds": "2",
    "least_bad": "10",
    "enabled": "on",
}


def _report_form(people):
    return {"name": f"Report {uuid.uuid4()}", "period": "month", "hour": "6", "channels": [str(_channel(people))]}


_RUN_FORM = {"slug": "mine", "title": "Mine", "period_seconds": "60", "cron": "", "grace_seconds": "60"}
_RULE_FORM = {
    "slug": "mine",
    "title": "Mine",
    "severity": "warning",
    "source": "check",
    "level": "fail",
    "combine": "mean",
    "compare": "above",
    "threshold": "1",
    "window_minutes": "5",
    "for_seconds": "0",
    "keep_firing_seconds": "30",
    "needed": "1",
    "of_last": "1",
    "no_data": "ok",
    "no_data_seconds": "300",
}
_ROUTE_FORM = {"least_severity": "warning", "gather_seconds": "5", "repeat_hours": "12"}
BODIES = {
    "GET api/v1/metrics": lambda people: {"name": "requests"},
    "POST api/v1/budgets": lambda people: {
        "scope": "workspace",
        "scope_id": str(people.press.pk),
        "period": "day",
        "limit_cost": "5",
    },
    "PATCH api/v1/budgets/<uuid:budget_id>": lambda people: {"limit_cost": "7"},
    "POST admin/monitoring/budget/add/": lambda people: {
        "scope": "workspace",
        "scope_id": str(people.press.pk),
        "period": "day",
        "limit_cost": "5",
        "currency": "USD",
        "warn_at": "80",
    },
    "POST admin/monitoring/budget/<path:object_id>/change/": lambda people: {
        "limit_cost": "7",
        "currency": "USD",
        "warn_at": "80",
    },
    "POST admin/monitoring/budget/<path:object_id>/delete/": lambda people: {"post": "yes"},
    "POST api/v1/alert-rules": lambda people: {"slug": "mine", "title": "Mine", "source": "check"},
    "PATCH api/v1/alert-rules/<uuid:alert_rule_id>": lambda people: {"for_seconds": 20},
    "POST api/v1/silences": lambda people: {
        "reason": "r",
        "ends_at": (timezone.now() + dt.timedelta(hours=1)).isoformat(),
    },
    "POST api/v1/alert-channels": lambda people: {"name": "Mail", "kind": "email", "address": "ops@example.org"},
    "PATCH api/v1/alert-channels/<uuid:channel_id>": lambda people: {"enabled": False},
    "POST api/v1/alert-routes": lambda people: {"channel_id": str(_channel(people))},
    "PATCH api/v1/alert-routes/<uuid:alert_route_id>": lambda people: {"repeat_hours": 1},
    "POST api/v1/incidents": lambda people: {"title": "t"},
    "PATCH api/v1/incidents/<uuid:incident_id>": lambda people: {"severity": "major"},
    "POST api/v1/incidents/<uuid:incident_id>/entries": lambda people: {"text": "t"},
    "PUT api/v1/incidents/<uuid:incident_id>/review": lambda people: {"review": "r"},
    "POST admin/monitoring/incident/add/": lambda people: {"title": "t", "severity": "minor"},
    "POST admin/monitoring/incident/<uuid:incident_id>/say/": lambda people: {"text": "t"},
    "POST admin/monitoring/incident/<uuid:incident_id>/update/": lambda people: {"severity": "major"},
    "POST admin/monitoring/incident/<uuid:incident_id>/review/": lambda people: {"review": "t"},
    "POST admin/monitoring/incident/<uuid:incident_id>/done/": lambda people: {"action": "1"},
    "POST api/v1/report-schedules": lambda people: {"name": "Mine", "channels": [str(_channel(people))]},
    "PATCH api/v1/report-schedules/<uuid:report_schedule_id>": lambda people: {"hour": 7},
    "POST api/v1/report-schedules/<uuid:report_schedule_id>/send": lambda people: {},
    "POST admin/monitoring/reportschedule/add/": lambda people: _report_form(people),
    "POST admin/monitoring/reportschedule/<path:object_id>/change/": lambda people: _report_form(people),
    "POST admin/monitoring/reportschedule/<path:object_id>/delete/": lambda people: {"post": "yes"},
    "POST api/v1/slos": lambda people: {"slug": "mine", "title": "Mine", "source": "tasks"},
    "PATCH api/v1/slos/<uuid:slo_id>": lambda people: {"objective": 95},
    "POST admin/monitoring/slo/add/": lambda people: _SLO_FORM,
    "POST admin/monitoring/slo/<path:object_id>/change/": lambda people: _SLO_FORM,
    "POST admin/monitoring/slo/<path:object_id>/delete/": lambda people: {"post": "yes"},
    "POST api/v1/heartbeats": lambda people: {"slug": "mine", "title": "Mine", "period_seconds": 60},
    "PATCH api/v1/heartbeats/<uuid:heartbeat_id>": lambda people: {"grace_seconds": 90},
    "POST admin/monitoring/expectedrun/add/": lambda people: _RUN_FORM,
    "POST admin/monitoring/expectedrun/<path:object_id>/change/": lambda people: _RUN_FORM,
    "POST admin/monitoring/expectedrun/<path:object_id>/delete/": lambda people: {"post": "yes"},
    "POST api/v1/log-queries": lambda people: {"name": "q", "filters": {"level": "ERROR"}},
    "POST admin/monitoring/logquery/keep/": lambda people: {"name": "q", "level": "ERROR"},
    "POST api/v1/debug-captures": lambda people: {"request_id": "request-0001", "reason": "Slow saving"},
    "POST admin/monitoring/debugcapture/add/": lambda people: {
        "request_id": "request-0001",
        "reason": "Slow saving",
        "minutes": "5",
    },
    "POST captures/<uuid:capture_id>/": lambda people: {"answer": "yes"},
    "POST api/v1/alerts/webhook": lambda people: {"alerts": []},
    "POST admin/monitoring/alert/<uuid:alert_id>/silence/": lambda people: {"reason": "r", "hours": "1"},
    "POST admin/monitoring/alertrule/add/": lambda people: _RULE_FORM,
    "POST admin/monitoring/alertrule/<path:object_id>/change/": lambda people: _RULE_FORM,
    "POST admin/monitoring/alertrule/<path:object_id>/delete/": lambda people: {"post": "yes"},
    "POST admin/monitoring/alertchannel/add/": lambda people: {
        "name": "Mail",
        "kind": "email",
        "address": "ops@example.org",
    },
    "POST admin/monitoring/alertchannel/<path:object_id>/change/": lambda people: {"name": "Men"},
    "POST admin/monitoring/alertchannel/<path:object_id>/delete/": lambda people: {"post": "yes"},
    "POST admin/monitoring/alertroute/add/": lambda people: {**_ROUTE_FORM, "channel": str(_channel(people))},
    "POST admin/monitoring/alertroute/<path:object_id>/change/": lambda people: _ROUTE_FORM,
    "POST admin/monitoring/alertroute/<path:object_id>/delete/": lambda people: {"post": "yes"},
    "POST admin/monitoring/silence/add/": lambda people: {
        "kind": "silence",
        "reason": "r",
        "starts_at_0": f"{timezone.now():%Y-%m-%d}",
        "starts_at_1": "00:00:00",
        "ends_at_0": f"{timezone.now() + dt.timedelta(days=1):%Y-%m-%d}",
        "ends_at_1": "12:00:00",
    },
    "POST admin/monitoring/silence/<path:object_id>/delete/": lambda people: {"post": "yes"},
}
THINGS = {
    "budget_id": _budget,
    "alert_id": _alert,
    "anomaly_id": _anomaly,
    "monitoring.anomaly": _anomaly,
    "error_id": _error,
    "monitoring.errorgroup": _error,
    "report_schedule_id": _report,
    "report_run_id": _report_run,
    "monitoring.reportschedule": _report,
    "monitoring.reportrun": _report_run,
    "slo_id": _slo,
    "monitoring.slo": _slo,
    "heartbeat_id": _run,
    "heartbeat_slug": _run_slug,
    "monitoring.expectedrun": _run,
    "log_query_id": _query,
    "query_id": _query,
    "monitoring.logquery": _query,
    "capture_id": _capture,
    "monitoring.debugcapture": _capture,
    "incident_id": _incident,
    "incident_action_id": _action,
    "monitoring.incident": _incident,
    "alert_rule_id": _rule,
    "silence_id": _silence,
    "channel_id": _channel,
    "alert_route_id": _route,
    "result_id": _result,
    "monitoring.alert": _alert,
    "monitoring.alertrule": _rule,
    "monitoring.silence": _silence,
    "monitoring.alertchannel": _channel,
    "monitoring.alertroute": _route,
    "monitoring.alertdelivery": _delivery,
    "monitoring.metricseries": _series,
    "check_key": lambda people: _result(people) and "database",
    "monitoring.budget": _budget,
    "monitoring.checkresult": _result,
    "monitoring.checkhistory": lambda people: CheckHistory.objects.create(key="database", node="here", status="ok").pk,
    "monitoring.heartbeat": lambda people: Heartbeat.objects.create(part="worker", node="here").pk,
    "monitoring.usagerow": lambda people: UsageRow.objects.get(subject=used(people.press, people.wanda)).pk,
    "monitoring.reservation": _reservation,
}
