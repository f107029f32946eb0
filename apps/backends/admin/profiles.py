"""Setting up backends in the console: choose a plugin, fill in its form, test, enable."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseNotAllowed, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils.html import format_html

from aiwriter.core.errors import AppError, NotFound, ProofRequired
from aiwriter.pluginhost.forms import OptionsForm, options_form
from apps.backends.models import BackendProfile, PriceOverride
from apps.backends.selectors.profiles import get_profile
from apps.backends.services import local, plugins, profiles, routing
from apps.backends.services.profiles import Secrets, is_reference
from apps.users.admin.service_admin import ServiceAdmin
from apps.users.selectors.access import Actor, require
from apps.users.selectors.callers import actor_of


class AboutForm(forms.Form):
    """What every profile has, whatever its plugin."""

    name = forms.CharField(max_length=80, label="Name", help_text="What people read.")
    region = forms.CharField(
        max_length=60,
        required=False,
        label="Region",
        help_text="Where it processes and stores what it gets: eu, eu-de, us; local for machines of your own. Rules of "
        "residency ask for it; without it a rule about regions refuses this backend.",
    )
    encrypt_files = forms.BooleanField(
        required=False,
        label="Encrypt files",
        help_text="Before they are given to the storage. Without the key in the data folder they cannot be read again.",
    )

    def __init__(self, *args: Any, kind: str, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if kind != "storage":
            del self.fields["encrypt_files"]


@admin.register(BackendProfile)
class BackendProfileAdmin(ServiceAdmin):
    """Profiles."""

    list_display = ("name", "kind", "plugin_key", "region", "state", "last_test_at", "last_test_message")
    list_filter = ("kind", "plugin_key", "enabled")
    search_fields = ("name", "plugin_key")
    actions = None

    @admin.display(description="State", ordering="enabled")
    def state(self, profile: BackendProfile) -> str:
        """Whether calls pass."""
        name, words = state_of(profile)
        return format_html('<span class="state state-{}">{}</span>', name, words)

    def get_urls(self) -> list[URLPattern]:
        """With the buttons of the form and the pages beside it."""
        wrap = self.admin_site.admin_view
        own = [
            path("plugins/", wrap(self.plugins_view), name="backends_plugins"),
            path("local-servers/", wrap(self.local_view), name="backends_local_servers"),
            path("<uuid:profile_id>/test/", wrap(self.test_view), name="backends_profile_test"),
            path("<uuid:profile_id>/enable/", wrap(self.enable_view), name="backends_profile_enable"),
            path("<uuid:profile_id>/disable/", wrap(self.disable_view), name="backends_profile_disable"),
        ]
        return own + super().get_urls()

    # -------------------------------------------------------------- the form
    def add_row(self, actor: Actor, values: dict[str, Any]) -> BackendProfile:
        """Make one of the form's values."""
        return profiles.create_profile(actor=actor, **values)

    def change_row(self, actor: Actor, row: BackendProfile, values: dict[str, Any]) -> None:
        """Change one."""
        profiles.update_profile(actor=actor, profile_id=row.pk, **values)

    def delete_row(self, actor: Actor, row: BackendProfile) -> None:
        """Remove one."""
        profiles.delete_profile(actor=actor, profile_id=row.pk)

    def changeform_view(
        self, request: HttpRequest, object_id: str | None = None, form_url: str = "", extra_context: Any = None
    ) -> HttpResponse:
        """Choose a plugin, then its form; an existing profile shows its form at once."""
        if object_id is None:
            if not self.has_add_permission(request):
                raise PermissionDenied
            kind, _, key = request.GET.get("plugin", "").partition(":")
            if not key:
                return self._page(request, "choose.html", "Add a backend", {"plugins": plugins.usable()})
            return self._form(request, None, kind, key)
        profile = self.get_object(request, object_id)
        if profile is None:
            raise NotFound("There is no such backend profile.")
        if not self.has_view_or_change_permission(request, profile):
            raise PermissionDenied
        return self._form(request, profile, profile.kind, profile.plugin_key)

    def _form(self, request: HttpRequest, profile: BackendProfile | None, kind: str, key: str) -> HttpResponse:
        try:
            schema = plugins.schema_of(kind, key)
        except AppError as error:
            messages.error(request, str(error))
            return HttpResponseRedirect(reverse("admin:backends_backendprofile_changelist"))
        stored = dict(profile.options) if profile else _proposed(request)
        present = profile.secret_refs if profile else {}
        made = options_form(schema, options=stored, present_secrets=set(present))
        start = (
            {"name": profile.name, "region": profile.region, "encrypt_files": profile.encrypt_files} if profile else {}
        )
        may_write = self.has_change_permission(request, profile) if profile else True
        if request.method == "POST":
            if not may_write:
                raise PermissionDenied
            about, options = AboutForm(request.POST, kind=kind), made(request.POST)
            # Both are checked, so that every wrong field shows at once.
            if about.is_valid() & options.is_valid():
                saved = self._save(request, profile, kind, key, about, options)
                if saved is not None:
                    return HttpResponseRedirect(reverse("admin:backends_backendprofile_change", args=[saved.pk]))
        else:
            about, options = AboutForm(initial=start, kind=kind), made()
        hints = profile.secret_hints if profile else {}
        context = {
            "profile": profile,
            "plugin": next((p for p in plugins.usable() if (p.kind, p.key) == (kind, key)), None),
            "about": about,
            "options": options,
            "kept": {name: f"ends in …{hints[name]}" if hints.get(name) else ref for name, ref in present.items()},
            "state": state_of(profile) if profile else None,
            "may_write": may_write,
            "may_delete": profile is not None and self.has_delete_permission(request, profile),
        }
        return self._page(request, "form.html", profile.name if profile else "Add a backend", context)

    def _save(
        self,
        request: HttpRequest,
        profile: BackendProfile | None,
        kind: str,
        key: str,
        about: AboutForm,
        options: OptionsForm,
    ) -> BackendProfile | None:
        typed = options.new_secrets()
        values: dict[str, Any] = {
            "name": about.cleaned_data["name"],
            "region": about.cleaned_data["region"],
            "encrypt_files": about.cleaned_data.get("encrypt_files", False),
            "options": options.options(),
            "secrets": Secrets(
                typed={name: value for name, value in typed.items() if not is_reference(value)},
                references={name: value for name, value in typed.items() if is_reference(value)},
                cleared=options.cleared_secrets(),
            ),
        }
        if profile is not None and values["options"] == profile.options and not values["secrets"].any:
            values["options"] = None  # nothing of the settings changes, so nothing has to be tested again
        try:
            if profile is None:
                saved = self.add_row(actor_of(request), {"kind": kind, "plugin_key": key, **values})
                messages.success(request, f"{saved.name} was saved. Test it, then enable it.")
                return saved
            self.change_row(actor_of(request), profile, values)
            messages.success(request, f"{values['name']} was saved.")
            return profile
        except ProofRequired:
            raise
        except AppError as error:
            target = {**about.fields, **options.fields}
            form = about if error.field in about.fields else options
            form.add_error(error.field if error.field in target else None, str(error))
            return None

    # -------------------------------------------------------------- buttons
    def test_view(self, request: HttpRequest, profile_id: uuid.UUID) -> HttpResponse:
        """Try the stored settings."""

        def work(actor: Actor) -> None:
            result = profiles.test_profile(actor=actor, profile_id=profile_id)
            if result.ok:
                count = f" {len(result.models)} models." if result.models else ""
                messages.success(request, f"The test passed in {result.latency_ms} ms: {result.message}{count}")
            else:
                messages.error(request, f"The test failed: {result.message} {result.remedy}")

        return self._button(request, profile_id, work)

    def enable_view(self, request: HttpRequest, profile_id: uuid.UUID) -> HttpResponse:
        """Let it be called."""

        def work(actor: Actor) -> None:
            profile = profiles.enable_profile(actor=actor, profile_id=profile_id)
            after = " Put it into a route, so that it is asked." if profile.kind == "model" else ""
            messages.success(request, f"{profile.name} is enabled.{after}")

        return self._button(request, profile_id, work)

    def disable_view(self, request: HttpRequest, profile_id: uuid.UUID) -> HttpResponse:
        """Let no new call begin."""

        def work(actor: Actor) -> None:
            profile = profiles.disable_profile(actor=actor, profile_id=profile_id)
            messages.success(request, f"{profile.name} is disabled.")

        return self._button(request, profile_id, work)

    def _button(self, request: HttpRequest, profile_id: uuid.UUID, work: Callable[[Actor], None]) -> HttpResponse:
        profile = get_profile(actor_of(request), profile_id)
        if not self.has_change_permission(request, profile):
            raise PermissionDenied
        if request.method != "POST":
            return HttpResponseNotAllowed(["POST"])
        try:
            work(actor_of(request))
        except ProofRequired:
            raise
        except AppError as error:
            messages.error(request, str(error))
        return HttpResponseRedirect(reverse("admin:backends_backendprofile_change", args=[profile_id]))

    # -------------------------------------------------------------- pages beside it
    def plugins_view(self, request: HttpRequest) -> HttpResponse:
        """Installed plugins with their states; a broken one with its traceback and the remedy."""
        again = request.method == "POST"
        return self._page(
            request, "plugins.html", "Plugins", {"rows": plugins.installed(actor=actor_of(request), again=again)}
        )

    def local_view(self, request: HttpRequest) -> HttpResponse:
        """Model servers on this machine; each with a button that opens the form filled in."""
        actor = actor_of(request)
        require(actor, "backends.manage")
        servers = local.find_local_servers(actor=actor) if request.method == "POST" else None
        return self._page(request, "local_servers.html", "Model servers on this machine", {"servers": servers})

    def _page(self, request: HttpRequest, template: str, title: str, context: dict[str, Any]) -> HttpResponse:
        whole = {**self.admin_site.each_context(request), "opts": self.opts, "title": title, **context}
        return TemplateResponse(request, f"admin/backends/{template}", whole)


def _proposed(request: HttpRequest) -> dict[str, Any]:
    """Options in the address, as the page of local servers writes them; the form checks them like typed ones."""
    return {name.removeprefix("option_"): value for name, value in request.GET.items() if name.startswith("option_")}


def state_of(profile: BackendProfile) -> tuple[str, str]:
    """A word for the style sheet, and words for people."""
    if profile.enabled and profile.cooling:
        return "warn", f"paused: {profile.cooldown_reason}"
    if profile.enabled:
        return "ok", "enabled"
    if profile.tested:
        return "unknown", "tested, not enabled"
    if profile.last_test_revision == profile.revision:
        return "fail", "test failed"
    return "unknown", "not tested"


@admin.register(PriceOverride)
class PriceOverrideAdmin(ServiceAdmin):
    """Prices that operators state."""

    list_display = ("profile", "model", "input_price", "output_price", "cached_input_price", "currency")
    list_filter = ("profile",)
    fields = ("profile", "model", "input_price", "output_price", "cached_input_price", "currency")

    def get_readonly_fields(self, request: HttpRequest, obj: PriceOverride | None = None) -> tuple[str, ...]:
        """Profile and model say which price it is."""
        return ("profile", "model") if obj else ()

    def add_row(self, actor: Actor, values: dict[str, Any]) -> PriceOverride | None:  # type: ignore[override]
        """Enter one."""
        return routing.set_price(actor=actor, profile_id=values.pop("profile").pk, **values)

    def change_row(self, actor: Actor, row: PriceOverride, values: dict[str, Any]) -> None:
        """Change one."""
        names = ("input_price", "output_price", "cached_input_price", "currency")
        whole = {name: getattr(row, name) for name in names} | values
        routing.set_price(actor=actor, profile_id=row.profile_id, model=row.model, **whole)

    def delete_row(self, actor: Actor, row: PriceOverride) -> None:
        """Take one back."""
        routing.set_price(actor=actor, profile_id=row.profile_id, model=row.model, input_price=None, output_price=None)
