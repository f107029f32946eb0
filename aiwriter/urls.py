"""All routes: portal, API, admin, probes."""

from django.contrib import admin
from django.urls import URLPattern, URLResolver, include, path

from aiwriter.core.rest.schema_view import SchemaView
from apps.content.api.mcp import McpView
from apps.users.portal import identities, providers, sessions  # noqa: F401  (providers: hears what allauth's pages tell)
from apps.users.portal.entrance import DoorView
from apps.users.portal.factors import RemovePasskeyView

admin.autodiscover()

handler400 = "aiwriter.core.views.bad_request"
handler403 = "aiwriter.core.views.permission_denied"
handler404 = "aiwriter.core.views.not_found"
handler429 = "aiwriter.core.views.too_many_requests"  # asked by allauth; Django itself has no such handler
handler500 = "aiwriter.core.views.server_error"

api: list[URLPattern | URLResolver] = [
    path("", include("apps.users.api.urls")),
    path("", include("apps.monitoring.api.urls")),
    path("", include("apps.backends.api.urls")),
    path("", include("apps.content.api.urls")),
    path("", include("apps.backups.api.urls")),
    path("", include("apps.deployments.api.urls")),
    path("schema", SchemaView.as_view(), name="api-schema"),
]
urlpatterns = [
    path("api/v1/", include(api)),
    path("mcp", McpView.as_view(), name="mcp"),
    path("admin/", admin.site.urls),
    # In place of allauth's own: it knows no providers of ours, ends sessions past our record, removes what a rule asks for.
    path("accounts/oidc/<str:provider_id>/login/", identities.to_oidc, name="openid_connect_login"),
    path("accounts/saml/<str:organization_slug>/login/", identities.to_saml, name="saml_login"),
    path("accounts/saml/<str:organization_slug>/acs/", identities.from_saml, name="saml_acs"),
    path("accounts/3rdparty/", identities.IdentitiesView.as_view(), name="socialaccount_connections"),
    path("accounts/login/", DoorView.as_view(), name="account_login"),
    path("accounts/sessions/", sessions.old_address, name="usersessions_list"),
    path("accounts/2fa/webauthn/keys/<int:pk>/remove/", RemovePasskeyView.as_view(), name="mfa_remove_webauthn"),
    path("accounts/", include("allauth.urls")),
    path("", include("apps.monitoring.portal.urls")),
    path("", include("apps.users.portal.urls")),
    path("", include("apps.backends.portal.urls")),
    path("", include("apps.deployments.portal.urls")),
    path("", include("apps.content.portal.urls")),
]
