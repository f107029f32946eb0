"""Django's view of the app."""

from django.apps import AppConfig


class MonitoringConfig(AppConfig):
    """What the app states about itself.

    Attributes:
        audit_actions: what this app writes into the audit record.
        sealed_fields: columns whose texts are sealed; the rotation of keys goes through them.
        admin_capabilities: who sees and who changes what in the console.
    """

    name = "apps.monitoring"
    label = "monitoring"
    verbose_name = "Health and usage"
    audit_actions = {
        "budget.created": "A budget was set",
        "budget.updated": "A budget was changed",
        "budget.deleted": "A budget was removed",
        "check.quarantined": "A health check was held back because it kept missing its deadline",
        "check.released": "A health check that was held back was released",
        "check.run": "A health check was run by hand",
        "alert.acknowledged": "An alert was taken up",
        "alert_rule.created": "An alert rule was made",
        "alert_rule.updated": "An alert rule was changed",
        "alert_rule.deleted": "An alert rule was removed",
        "alert_rule.drilled": "An alert rule was fired for trial",
        "alert_channel.created": "A channel for alerts was set up",
        "alert_channel.updated": "A channel for alerts was changed",
        "alert_channel.deleted": "A channel for alerts was removed",
        "alert_channel.tested": "A channel for alerts was tried",
        "alert_route.created": "A route for alerts was set up",
        "alert_route.updated": "A route for alerts was changed",
        "alert_route.deleted": "A route for alerts was removed",
        "error_group.resolved": "Errors of a kind were said to be mended",
        "error_group.ignored": "Errors of a kind are ignored",
        "error_group.reopened": "Errors of a kind were opened again",
        "expected_run.created": "A heartbeat from outside is expected",
        "expected_run.updated": "What is expected of a heartbeat from outside was changed",
        "expected_run.deleted": "A heartbeat from outside is expected no longer",
        "report_schedule.created": "A report of operations was scheduled",
        "report_schedule.updated": "A scheduled report was changed",
        "report_schedule.deleted": "A scheduled report was removed",
        "report.sent": "A report of operations was sent by hand",
        "report.delivered": "A report of operations has reached everybody who gets it",
        "slo.created": "An objective was set",
        "slo.updated": "An objective was changed",
        "slo.deleted": "An objective was removed",
        "log_query.created": "A question to the log was kept",
        "log_query.deleted": "A question to the log was removed",
        "debug_capture.asked": "A debug capture was asked for",
        "debug_capture.approved": "A debug capture was agreed to, and began",
        "debug_capture.refused": "A debug capture was refused",
        "debug_capture.ended": "A debug capture was ended before its time",
        "debug_capture.read": "The lines of a debug capture were read",
        "debug_capture.destroyed": "What a debug capture held was destroyed",
        "anomaly.seen": "An auditor has looked at unusual activity",
        "incident.opened": "An incident was opened",
        "incident.updated": "State, severity, lead or title of an incident changed",
        "incident.published": "A word about an incident was put on the public page",
        "incident.reviewed": "The review of an incident was written",
        "incident.action_done": "Something that a review wanted was done",
        "silence.created": "Alerts were silenced for a while",
        "silence.ended": "A silence was ended",
    }
    # Results, figures, usage and alerts are written by the portal alone; people change budgets and who is told of what.
    sealed_fields = {"monitoring.AlertChannel": {"sealed_address": "alert-channel", "sealed_secret": "alert-channel"}}
    admin_capabilities = {
        "monitoring": {
            "view": ("monitoring.read",),
            "write": (),
            "budget.write": ("backends.manage",),
            "alertrule.write": ("monitoring.manage",),
            "alertchannel.write": ("monitoring.manage",),
            "alertroute.write": ("monitoring.manage",),
            "silence.write": ("monitoring.manage",),
            "logquery.write": ("monitoring.manage",),
            "debugcapture.write": ("monitoring.manage",),
            "anomaly.view": ("audit.read",),
            "reportschedule.write": ("monitoring.manage",),
            "slo.write": ("monitoring.manage",),
            "expectedrun.write": ("monitoring.manage",),
            "incident.write": ("monitoring.manage",),
        }
    }
