"""Routes of the users app below /api/v1/."""

from __future__ import annotations

from django.urls import path

from apps.users.api import me, tokens, workspaces

urlpatterns = [
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
