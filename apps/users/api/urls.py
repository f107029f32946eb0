"""Routes of the users app below /api/v1/."""

from __future__ import annotations

from django.urls import path

from apps.users.api import audit, audit_sinks, factors, invitations, keys, me, people, sessions, sso, tokens, workspaces

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
    path("auth/sessions", sessions.SessionListView.as_view(), name="api-sessions"),
    path("auth/sessions/<int:session_id>", sessions.SessionView.as_view(), name="api-session"),
    path("auth/factors", sessions.FactorListView.as_view(), name="api-factors"),
    path("access/factor-policies", factors.FactorPolicyListView.as_view(), name="api-factor-policies"),
    path("access/factor-policies/<slug:role>", factors.FactorPolicyView.as_view(), name="api-factor-policy"),
    path("users", people.PersonListView.as_view(), name="api-users"),
    path("users/<uuid:user_id>", people.PersonView.as_view(), name="api-user"),
    path("users/<uuid:user_id>/suspension", people.SuspendView.as_view(), name="api-user-suspension"),
    path("users/<uuid:user_id>/sessions", people.PersonSessionsView.as_view(), name="api-user-sessions"),
    path("users/<uuid:user_id>/factors", people.PersonFactorsView.as_view(), name="api-user-factors"),
    path("users/<uuid:user_id>/emergency", sso.EmergencyView.as_view(), name="api-user-emergency"),
    path("access/providers", sso.ProviderListView.as_view(), name="api-providers"),
    path("access/providers/<uuid:provider_id>", sso.ProviderView.as_view(), name="api-provider"),
    path("access/providers/<uuid:provider_id>/rules", sso.RoleRuleListView.as_view(), name="api-provider-rules"),
    path(
        "access/providers/<uuid:provider_id>/rules/<uuid:role_rule_id>",
        sso.RoleRuleView.as_view(),
        name="api-provider-rule",
    ),
    path("invitations", invitations.InvitationListView.as_view(), name="api-invitations"),
    path("invitations/<uuid:invitation_id>", invitations.InvitationView.as_view(), name="api-invitation"),
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
