"""All routes: portal, API, admin, probes."""

from django.contrib import admin
from django.urls import URLPattern, URLResolver, include, path
from drf_spectacular.views import SpectacularAPIView

from aiwriter.core.rest.schema import KeptGenerator
from apps.content.api.mcp import McpView

handler400 = "aiwriter.core.views.bad_request"
handler403 = "aiwriter.core.views.permission_denied"
handler404 = "aiwriter.core.views.not_found"
handler500 = "aiwriter.core.views.server_error"

api: list[URLPattern | URLResolver] = [
    path("", include("apps.users.api.urls")),
    path("", include("apps.monitoring.api.urls")),
    path("", include("apps.backends.api.urls")),
    path("", include("apps.content.api.urls")),
    path("", include("apps.backups.api.urls")),
    path("schema", SpectacularAPIView.as_view(generator_class=KeptGenerator), name="api-schema"),
]
urlpatterns = [
    path("api/v1/", include(api)),
    path("mcp", McpView.as_view(), name="mcp"),
    path("admin/", admin.site.urls),
    path("accounts/", include("allauth.urls")),
    path("", include("apps.monitoring.portal.urls")),
    path("", include("apps.users.portal.urls")),
    path("", include("apps.backends.portal.urls")),
    path("", include("apps.content.portal.urls")),
]
