"""Sign-in providers in the console."""

from __future__ import annotations

from typing import Any, ClassVar

from django import forms
from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.urls import URLPattern, path, reverse
from django.utils.html import format_html_join
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from apps.users.admin.service_admin import ServiceAdmin, button
from apps.users.models import RoleRule, SignInProvider
from apps.users.selectors.access import Actor, can
from apps.users.selectors.callers import actor_of
from apps.users.selectors.sso import addresses_to_register, mode
from apps.users.services import sso


class ProviderForm(forms.ModelForm):
    """A provider. The secret is written and never shown."""

    secret = forms.CharField(
        required=False,
        max_length=500,
        strip=True,
        widget=forms.PasswordInput(attrs={"autocomplete": "off"}),
        help_text=gettext_lazy("OpenID Connect only. Stored sealed; empty leaves the one that is stored."),
    )
    domains = forms.CharField(
        required=False,
        help_text=gettext_lazy("Domains of addresses that get accounts, separated by commas: example.org, example.com"),
    )

    class Meta:
        model = SignInProvider
        fields: ClassVar[Any] = [
            "kind",
            "slug",
            "name",
            "enabled",
            "issuer",
            "client_id",
            "secret",
            "sso_url",
            "certificate",
            "groups_claim",
            "creates_accounts",
            "domains",
            "counts_as_factor",
        ]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.initial["domains"] = ", ".join(self.instance.domains or [])

    def clean_domains(self) -> list[str]:
        """As a list."""
        return [part for part in self.cleaned_data["domains"].replace(",", " ").split() if part]


class RuleInline(admin.TabularInline):
    """What groups are worth, to read; they are added on a page of their own."""

    model = RoleRule
    extra = 0
    can_delete = False
    fields: ClassVar[Any] = ["group", "role", "workspace", "created_at"]
    readonly_fields: ClassVar[Any] = ["group", "role", "workspace", "created_at"]

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Added on its own page, by the service."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Added and removed, never changed."""
        return False


@admin.register(SignInProvider)
class SignInProviderAdmin(ServiceAdmin):
    """Identity providers, below the word on whether there is another door."""

    form = ProviderForm
    change_list_template = "admin/users/providers.html"
    list_display = ["name", "kind", "slug", "issuer", "enabled", "creates_accounts", "counts_as_factor"]
    actions = None

    def get_urls(self) -> list[URLPattern]:
        """With the button that closes the other door."""
        view = self.admin_site.admin_view(self.mode_view)
        return [path("mode/", view, name="users_signinprovider_mode"), *super().get_urls()]

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> list[str]:
        """Kind and slug stand in the addresses that the provider was told."""
        return ["kind", "slug", "addresses"] if obj else []

    def get_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        """With the addresses to register, of a stored one."""
        fields = list(ProviderForm.Meta.fields)
        if obj and not self.has_change_permission(request, obj):
            fields.remove("secret")
        return [*fields, "addresses"] if obj else fields

    def get_inlines(self, request: HttpRequest, obj: Any) -> Any:
        """Rules of a stored one."""
        return [RuleInline] if obj else []

    @admin.display(description=gettext_lazy("Tell the provider"))
    def addresses(self, row: SignInProvider) -> str:
        """What its administrator has to enter."""
        return format_html_join("", "<p>{}: <code>{}</code></p>", addresses_to_register(row).items())

    def add_row(self, actor: Actor, values: dict[str, Any]) -> SignInProvider:
        """Set up."""
        return sso.create_provider(actor=actor, **values)

    def change_row(self, actor: Actor, row: SignInProvider, values: dict[str, Any]) -> None:
        """Change."""
        secret = values.pop("secret", "") or None
        sso.update_provider(actor=actor, provider=row, secret=secret, **values)

    def delete_row(self, actor: Actor, row: SignInProvider) -> None:
        """Remove."""
        sso.delete_provider(actor=actor, provider=row)

    def changelist_view(self, request: HttpRequest, extra_context: Any = None) -> HttpResponse:
        """The word on the other door, then the list."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        actor = actor_of(request)
        own = {"mode": mode(actor=actor), "may_manage": can(actor, "users.manage")}
        return super().changelist_view(request, {**(extra_context or {}), **own})

    def mode_view(self, request: HttpRequest) -> HttpResponse:
        """Close or open signing in without a provider."""

        def work(actor: Actor) -> str:
            made = sso.set_mode(actor=actor, providers_only=request.POST.get("providers_only") == "yes")
            if made.providers_only:
                return _("From now on people come in through a provider only.")
            return _("Passwords and passkeys open the door again.")

        return button(request, reverse("admin:users_signinprovider_changelist"), work)


@admin.register(RoleRule)
class RoleRuleAdmin(ServiceAdmin):
    """What groups at providers are worth."""

    list_display = ["provider", "group", "role", "workspace", "created_at"]
    list_filter = ["provider"]
    list_select_related = ["provider", "workspace"]
    search_fields = ["group"]
    autocomplete_fields = ["workspace"]
    fields = ["provider", "group", "role", "workspace"]

    def add_row(self, actor: Actor, values: dict[str, Any]) -> RoleRule:
        """Add."""
        return sso.add_rule(actor=actor, **values)

    def delete_row(self, actor: Actor, row: RoleRule) -> None:
        """Remove."""
        sso.remove_rule(actor=actor, rule=row)
