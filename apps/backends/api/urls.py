"""Addresses below /api/v1/."""

from django.urls import path

from apps.backends.api import files, profiles, residency, routes

urlpatterns = [
    path("backends/profiles", profiles.ProfileListView.as_view(), name="api-profiles"),
    path("backends/profiles/<uuid:profile_id>", profiles.ProfileView.as_view(), name="api-profile"),
    path("backends/profiles/<uuid:profile_id>/test", profiles.ProfileTestView.as_view(), name="api-profile-test"),
    path("backends/profiles/<uuid:profile_id>/enable", profiles.ProfileEnableView.as_view(), name="api-profile-enable"),
    path(
        "backends/profiles/<uuid:profile_id>/disable", profiles.ProfileDisableView.as_view(), name="api-profile-disable"
    ),
    path("backends/local-servers", profiles.LocalServerListView.as_view(), name="api-local-servers"),
    path("backends/calls", profiles.ModelCallListView.as_view(), name="api-model-calls"),
    path("plugins", profiles.PluginListView.as_view(), name="api-plugins"),
    path("routes", routes.RouteListView.as_view(), name="api-routes"),
    path("routes/<uuid:route_id>", routes.RouteView.as_view(), name="api-route"),
    path("routes/<slug:purpose>", routes.RouteByPurposeView.as_view(), name="api-route-by-purpose"),
    path("residency", residency.ResidencyListView.as_view(), name="api-residency-rules"),
    path("residency/portal", residency.PortalResidencyView.as_view(), name="api-residency-portal"),
    path(
        "workspaces/<uuid:workspace_id>/residency",
        residency.WorkspaceResidencyView.as_view(),
        name="api-workspace-residency",
    ),
    path("models", routes.ModelListView.as_view(), name="api-models"),
    path("files/<uuid:file_id>", files.FileView.as_view(), name="api-file"),
    path("files/<uuid:file_id>/content", files.FileContentView.as_view(), name="api-file-content"),
    path("files/<uuid:file_id>/link", files.FileLinkView.as_view(), name="api-file-link"),
]
