"""Addresses below /api/v1/."""

from django.urls import path

from apps.monitoring.api import alerts, channels, health, incidents, series, usage

urlpatterns = [
    path("usage", usage.UsageList.as_view(), name="api-usage"),
    path("usage/summary", usage.UsageSummary.as_view(), name="api-usage-summary"),
    path("budgets", usage.BudgetList.as_view(), name="api-budgets"),
    path("budgets/<uuid:budget_id>", usage.BudgetDetail.as_view(), name="api-budget"),
    path("alerts", alerts.AlertList.as_view(), name="api-alerts"),
    path("alerts/webhook", alerts.AlertWebhook.as_view(), name="api-alerts-webhook"),
    path("alerts/<uuid:alert_id>", alerts.AlertDetail.as_view(), name="api-alert"),
    path("alerts/<uuid:alert_id>/acknowledge", alerts.AlertAcknowledge.as_view(), name="api-alert-acknowledge"),
    path("alert-rules", alerts.RuleList.as_view(), name="api-alert-rules"),
    path("alert-rules/<uuid:alert_rule_id>", alerts.RuleDetail.as_view(), name="api-alert-rule"),
    path("alert-rules/<uuid:alert_rule_id>/drill", alerts.RuleDrill.as_view(), name="api-alert-rule-drill"),
    path("silences", alerts.SilenceList.as_view(), name="api-silences"),
    path("silences/<uuid:silence_id>", alerts.SilenceDetail.as_view(), name="api-silence"),
    path("alert-channels", channels.ChannelList.as_view(), name="api-alert-channels"),
    path("alert-channels/<uuid:channel_id>", channels.ChannelDetail.as_view(), name="api-alert-channel"),
    path("alert-channels/<uuid:channel_id>/test", channels.ChannelTest.as_view(), name="api-alert-channel-test"),
    path("alert-routes", channels.RouteList.as_view(), name="api-alert-routes"),
    path("alert-routes/<uuid:alert_route_id>", channels.RouteDetail.as_view(), name="api-alert-route"),
    path("alert-deliveries", channels.DeliveryList.as_view(), name="api-alert-deliveries"),
    path("incidents", incidents.IncidentList.as_view(), name="api-incidents"),
    path("incidents/<uuid:incident_id>", incidents.IncidentDetail.as_view(), name="api-incident"),
    path("incidents/<uuid:incident_id>/entries", incidents.IncidentEntries.as_view(), name="api-incident-entries"),
    path("incidents/<uuid:incident_id>/review", incidents.IncidentReview.as_view(), name="api-incident-review"),
    path(
        "incidents/<uuid:incident_id>/actions/<int:incident_action_id>/done",
        incidents.IncidentActionDone.as_view(),
        name="api-incident-action-done",
    ),
    path("metrics", series.MetricsQuery.as_view(), name="api-metrics"),
    path("metrics/series", series.SeriesList.as_view(), name="api-metrics-series"),
    path("health", health.HealthList.as_view(), name="api-health"),
    path("health/days", health.HealthDays.as_view(), name="api-health-days"),
    path("health/<slug:check_key>/run", health.HealthRun.as_view(), name="api-health-run"),
    path("health/<slug:check_key>/history", health.HealthHistory.as_view(), name="api-health-history"),
]
