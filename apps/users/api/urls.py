"""Routes of the users app below /api/v1/."""

from __future__ import annotations

from django.urls import path

from apps.users.api import audit, audit_sinks, keys, me, tokens, workspaces

urlpatterns = [
    path("audit/events", audit.EventListView.as_view(), name="api-audit-events"),
    path("audit/events/<uuid:event_id>", audit.EventView.as_view(), name="api-audit-event"),
    path("audit/export", audit.ExportView.as_view(), name="api-audit-export"),
    path("audit/status", audit.StatusView.as_view(), name="api-audit-status"),
    path("audit/verify", audit.VerifyListView.as_view(), name="api-audit-verify"),
    path("audit/verify/<uuid:verification_id>", audit.VerifyView.as_view(), name="api-audit-verification"),
    path("audit/checkpoints", audit.CheckpointListView.as_view(), name="api-audit-checkpoints"),
    path(
        "audit/checkpoints/<uuid:checkpoint_id>/file",
        audit.CheckpointFileView.as_view(),
        name="api-audit-checkpoint-file",
    ),
    path("audit/segments", audit.SegmentListView.as_view(), name="api-audit-segments"),
    path("audit/sinks", audit_sinks.SinkListView.as_view(), name="api-audit-sinks"),
    path("audit/sinks/<uuid:sink_id>", audit_sinks.SinkView.as_view(), name="api-audit-sink"),
    path("audit/sinks/<uuid:sink_id>/deliveries", audit_sinks.DeliveryListView.as_view(), name="api-audit-deliveries"),
    path("keys", keys.KeyListView.as_view(), name="api-keys"),
    path("keys/rewraps", keys.RewrapListView.as_view(), name="api-key-rewraps"),
    path("keys/rewraps/<uuid:job_id>", keys.RewrapView.as_view(), name="api-key-rewrap"),
    path("keys/<slug:key_id>", keys.KeyView.as_view(), name="api-key"),
    path("auth/check", me.AuthCheckView.as_view(), name="api-auth-check"),
    path("me", me.MeView.as_view(), name="api-me"),
    path("notifications", me.NotificationListView.as_view(), name="api-notifications"),
    path("notifications/read", me.NotificationReadAllView.as_view(), name="api-notifications-read"),
    path(
        "notifications/<uuid:notification_id>/read",
        me.NotificationReadView.as_view(),
        name="api-notification-read",
    ),
    path("workspaces", workspaces.WorkspaceListView.as_view(), name="api-workspaces"),
    path("workspaces/<uuid:workspace_id>", workspaces.WorkspaceView.as_view(), name="api-workspace"),
    path("workspaces/<uuid:workspace_id>/members", workspaces.MemberListView.as_view(), name="api-members"),
    path(
        "workspaces/<uuid:workspace_id>/members/<uuid:member_id>",
        workspaces.MemberView.as_view(),
        name="api-member",
    ),
    path("tokens", tokens.TokenListView.as_view(), name="api-tokens"),
    path("tokens/<uuid:token_id>", tokens.TokenView.as_view(), name="api-token"),
]
