"""The audit record in the console: events to read, the state of the chain, places for checkpoints, verifications."""

from __future__ import annotations

import datetime as dt
import uuid
from typing import Any
from urllib.parse import urlencode

from django import forms
from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.forms import ModelForm
from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils.html import format_html
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from aiwriter.core.errors import InvalidInput, NotFound
from apps.users.admin.service_admin import ReadOnlyAdmin, ServiceAdmin, button
from apps.users.models import (
    AuditCheckpoint,
    AuditEvent,
    AuditSegment,
    AuditSink,
    AuditVerification,
    Workspace,
)
from apps.users.models.audit import known_actions
from apps.users.selectors.access import Actor, can
from apps.users.selectors.callers import actor_of
from apps.users.selectors.ledger import EventFilter, checkpoints_for, ledger_status, verifications_for
from apps.users.services import ledger_checks, ledger_delivery, ledger_reading, ledger_sealing, ledger_sinks
from apps.users.services.subjects import named

PAGE = 50
LOOKS = {
    "allowed": "ok",
    "denied": "warn",
    "failed": "fail",
    "sound": "ok",
    "changed": "fail",
    "queued": "unknown",
    "running": "warn",
}


class FilterForm(forms.Form):
    """Who, what, when, where, how it ended."""

    who = forms.CharField(required=False, max_length=120, label=gettext_lazy("Who"))
    action = forms.ChoiceField(required=False, label=gettext_lazy("What"))
    outcome = forms.ChoiceField(
        required=False,
        label=gettext_lazy("Outcome"),
        choices=[("", gettext_lazy("any")), *AuditEvent.Outcome.choices],
    )
    workspace = forms.ModelChoiceField(
        queryset=Workspace.objects.order_by("name"), required=False, label=gettext_lazy("Workspace"), empty_label="–"
    )
    since = forms.DateField(
        required=False, label=gettext_lazy("From"), widget=forms.DateInput(attrs={"type": "date"}, format="%Y-%m-%d")
    )
    until = forms.DateField(
        required=False,
        label=gettext_lazy("To (inclusive)"),
        widget=forms.DateInput(attrs={"type": "date"}, format="%Y-%m-%d"),
    )
    object_id = forms.CharField(required=False, max_length=64, label=gettext_lazy("Id of a thing or a request"))

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        areas: dict[str, list[tuple[str, str]]] = {}
        for name in sorted(known_actions()):
            areas.setdefault(name.partition(".")[0], []).append((name, name))
        grouped = [
            (area, [(f"{area}.*", _("all of %(area)s") % {"area": area}), *names]) for area, names in areas.items()
        ]
        self.fields["action"].choices = [("", _("anything")), *grouped]  # type: ignore[attr-defined]

    def wanted(self) -> EventFilter:
        """The filter that was filled in; what cannot be used is left out and shown on the form."""
        given = self.cleaned_data if self.is_valid() else getattr(self, "cleaned_data", {})
        room = given.get("workspace")
        return EventFilter(
            who=given.get("who") or "",
            action=given.get("action") or "",
            outcome=given.get("outcome") or "",
            workspace=room.pk if room else None,
            about=given.get("object_id") or "",
            since=_start_of(given.get("since")),
            until=_start_of(given.get("until"), days=1),
        )


def _start_of(day: dt.date | None, *, days: int = 0) -> dt.datetime | None:
    return dt.datetime.combine(day + dt.timedelta(days=days), dt.time(), dt.UTC) if day else None


@admin.register(AuditEvent)
class AuditEventAdmin(ReadOnlyAdmin):
    """Events, newest first."""

    def get_urls(self) -> list[URLPattern]:
        """With the chain's page, the export and the buttons."""
        wrap = self.admin_site.admin_view
        own = [
            path("ledger/", wrap(self.ledger_view), name="users_ledger"),
            path("export/<slug:format>/", wrap(self.export_view), name="users_ledger_export"),
            path("verify/", wrap(self.verify_view), name="users_ledger_verify"),
            path("checkpoint/", wrap(self.checkpoint_view), name="users_ledger_checkpoint"),
        ]
        return own + super().get_urls()

    def changelist_view(self, request: HttpRequest, extra_context: Any = None) -> HttpResponse:
        """The events that a filter leaves, in pages. That they were read is recorded."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        form = FilterForm(request.GET or None)
        wanted = form.wanted() if form.is_bound else EventFilter()
        events = ledger_reading.read_events(actor=actor_of(request), wanted=wanted)
        # Ids grow with time. Times themselves cannot be compared on SQLite: it writes milliseconds, Django asks with micros.
        if before := request.GET.get("before", ""):
            events = events.filter(pk__lt=_cursor(before))
        rows = list(events.order_by("-id")[: PAGE + 1])
        more = len(rows) > PAGE
        rows = named(rows[:PAGE])
        names = dict(Workspace.objects.filter(pk__in={row.workspace_id for row in rows}).values_list("pk", "name"))
        query = {name: value for name, value in request.GET.items() if name != "before" and value}
        context = {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "title": _("Audit record"),
            "form": form,
            "filtered": bool(query),
            "events": [
                {
                    "row": row,
                    "meaning": known_actions().get(row.action, row.action),
                    "look": LOOKS[row.outcome],
                    "workspace": names.get(row.workspace_id, "") if row.workspace_id else "",
                }
                for row in rows
            ],
            "older": urlencode({**query, "before": rows[-1].pk}) if more else "",
            "newest": "before" in request.GET,
            "query": urlencode(query),
            **(extra_context or {}),
        }
        return TemplateResponse(request, "admin/audit/events.html", context)

    def changeform_view(
        self, request: HttpRequest, object_id: str | None = None, form_url: str = "", extra_context: Any = None
    ) -> HttpResponse:
        """One event in words, with what was changed and its seal."""
        if object_id is None or request.method != "GET" or not self.has_view_permission(request):
            raise PermissionDenied
        try:
            row = ledger_reading.read_event(actor=actor_of(request), event_id=uuid.UUID(object_id))
        except ValueError:
            raise NotFound("There is no such event.") from None
        row = named([row])[0]
        before, after = row.before or {}, row.after or {}
        context = {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "title": known_actions().get(row.action, row.action),
            "row": row,
            "look": LOOKS[row.outcome],
            "workspace": Workspace.objects.filter(pk=row.workspace_id).first() if row.workspace_id else None,
            "changes": [(name, before.get(name), after.get(name)) for name in {**before, **after}],
            "has_before": bool(before),
        }
        return TemplateResponse(request, "admin/audit/event.html", context)

    def ledger_view(self, request: HttpRequest) -> HttpResponse:
        """How the chain stands."""
        actor = actor_of(request)
        status = ledger_status(actor)
        running = verifications_for(actor).exclude(state__in=AuditVerification.FINAL_STATES).first()
        context = {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "title": _("Seal of the record"),
            "status": status,
            "running": running,
            "may_manage": can(actor, "audit.manage"),
            "sinks": ledger_sinks.sinks_for(actor).order_by("name"),
            "checkpoints": checkpoints_for(actor)[:6],
            "verifications": [(row, LOOKS.get(row.state, "fail")) for row in verifications_for(actor)[:6]],
        }
        return TemplateResponse(request, "admin/audit/ledger.html", context)

    def export_view(self, request: HttpRequest, format: str) -> StreamingHttpResponse:
        """The events of the list as a file; the first 100,000 at most, as the API."""
        form = FilterForm(request.GET or None)
        wanted = form.wanted() if form.is_bound else EventFilter()
        made = ledger_reading.export_events(
            actor=actor_of(request), format=format, wanted=wanted, limit=ledger_reading.MAX_EXPORT
        )
        headers = {"Content-Disposition": f'attachment; filename="{made.filename}"'}
        return StreamingHttpResponse(made.pieces, content_type=made.content_type, headers=headers)

    def verify_view(self, request: HttpRequest) -> HttpResponse:
        """Begin a verification."""

        def work(actor: Actor) -> str:
            ledger_checks.request_verification(actor=actor)
            return _("The verification has begun.")

        return button(request, reverse("admin:users_ledger"), work)

    def checkpoint_view(self, request: HttpRequest) -> HttpResponse:
        """Seal and sign now."""

        def work(actor: Actor) -> str:
            ledger_sealing.request_checkpoint(actor=actor)
            return _("The record is sealed and signed.")

        return button(request, reverse("admin:users_ledger"), work)


def _cursor(text: str) -> uuid.UUID:
    try:
        return uuid.UUID(text)
    except ValueError:
        raise InvalidInput(
            "This page of the list does not exist.", field="before", remedy="Go back to the list."
        ) from None


@admin.register(AuditCheckpoint)
class AuditCheckpointAdmin(ReadOnlyAdmin):
    """Signed checkpoints."""

    list_display = ("created_at", "seq", "reason", "key_id", "short_hash", "file")
    list_filter = ("reason",)
    actions = None

    @admin.display(description=gettext_lazy("Hash"))
    def short_hash(self, row: AuditCheckpoint) -> str:
        """Begin of the hash."""
        return f"{row.hash[:16]}…"

    @admin.display(description=gettext_lazy("File"))
    def file(self, row: AuditCheckpoint) -> str:
        """Link to the signed document."""
        return format_html('<a href="{}">JSON</a>', reverse("admin:users_checkpoint_file", args=[row.pk]))

    def get_urls(self) -> list[URLPattern]:
        """With the document."""
        view = self.admin_site.admin_view(self.file_view)
        return [path("<uuid:checkpoint_id>/file/", view, name="users_checkpoint_file"), *super().get_urls()]

    def file_view(self, request: HttpRequest, checkpoint_id: uuid.UUID) -> HttpResponse:
        """The signed document, to keep elsewhere."""
        row = checkpoints_for(actor_of(request)).filter(pk=checkpoint_id).first()
        if row is None:
            raise NotFound("There is no such checkpoint.")
        answer = HttpResponse(ledger_delivery.document_of(row), content_type="application/json")
        answer.headers["Content-Disposition"] = f'attachment; filename="{ledger_delivery.name_of(row)}"'
        return answer


@admin.register(AuditVerification)
class AuditVerificationAdmin(ReadOnlyAdmin):
    """Verifications."""

    list_display = ("created_at", "look", "events", "checkpoints", "found", "seconds", "error")
    list_filter = ("state",)
    fields = ("created_at", "look", "events", "first_seq", "last_seq", "checkpoints", "seconds", "what", "error")
    readonly_fields = ("look", "what")
    actions = None

    @admin.display(description=gettext_lazy("State"), ordering="state")
    def look(self, row: AuditVerification) -> str:
        """The state with its colour."""
        look = LOOKS.get(row.state, "fail")
        return format_html('<span class="state state-{}">{}</span>', look, row.get_state_display())

    @admin.display(description=gettext_lazy("Findings"))
    def found(self, row: AuditVerification) -> int:
        """How many."""
        return len(row.findings)

    @admin.display(description=gettext_lazy("Findings"))
    def what(self, row: AuditVerification) -> str:
        """In words."""
        return "\n".join(f"{each['seq']}: {each['message']}" for each in row.findings) or _("none")


@admin.register(AuditSegment)
class AuditSegmentAdmin(ReadOnlyAdmin):
    """Archived segments."""

    list_display = ("created_at", "first_seq", "last_seq", "oldest_at", "newest_at", "size", "released_at")
    actions = None


class SinkForm(ModelForm):
    """With a secret that is only ever written."""

    secret = forms.CharField(
        required=False,
        max_length=200,
        label=gettext_lazy("Secret"),
        widget=forms.PasswordInput(attrs={"autocomplete": "off"}),
        help_text=gettext_lazy("Signs messages to a webhook. It cannot be read again; left empty it stays as it is."),
    )
    profile_id = forms.UUIDField(
        required=False,
        label=gettext_lazy("Storage profile"),
        help_text=gettext_lazy("Id of an enabled storage profile, as it stands in the address of its page."),
    )

    class Meta:
        model = AuditSink
        fields = ("name", "kind", "address", "profile_id", "prefix", "enabled")


@admin.register(AuditSink)
class AuditSinkAdmin(ServiceAdmin):
    """Places for checkpoints."""

    form = SinkForm
    change_form_template = "admin/audit/sink.html"
    list_display = ("name", "kind", "address", "enabled", "reached", "last_ok_at", "last_error")
    actions = None

    def get_fieldsets(self, request: HttpRequest, obj: AuditSink | None = None) -> Any:
        """A place keeps its kind."""
        if obj is None:
            return ((None, {"fields": ("name", "kind", "address", "profile_id", "prefix", "secret")}),)
        fields = (
            "name",
            "enabled",
            "kind",
            "address",
            "prefix",
            "secret",
            "hint",
            "reached",
            "last_ok_at",
            "last_error",
        )
        return ((None, {"fields": fields}),)

    def get_readonly_fields(self, request: HttpRequest, obj: AuditSink | None = None) -> tuple[str, ...]:
        """What is only shown."""
        return ("kind", "hint", "reached", "last_ok_at", "last_error") if obj else ()

    @admin.display(description=gettext_lazy("Has events up to"), ordering="last_seq")
    def reached(self, row: AuditSink) -> int:
        """The newest checkpoint there."""
        return row.last_seq

    @admin.display(description=gettext_lazy("Secret ends in"))
    def hint(self, row: AuditSink) -> str:
        """The last characters."""
        return f"…{row.secret_hint}" if row.secret_hint else "–"

    def render_change_form(self, request: HttpRequest, context: Any, *args: Any, **kwargs: Any) -> HttpResponse:
        """With what it got and what it waits for."""
        row = kwargs.get("obj")
        if row is not None:
            context["deliveries"] = ledger_sinks.deliveries_for(actor_of(request), row)[:20]
        return super().render_change_form(request, context, *args, **kwargs)

    def add_row(self, actor: Actor, values: dict[str, Any]) -> AuditSink:
        """Set one up."""
        wanted = ("name", "kind", "address", "profile_id", "prefix", "secret")
        return ledger_sinks.create_sink(actor=actor, **{name: values.get(name) or "" for name in wanted})

    def change_row(self, actor: Actor, row: AuditSink, values: dict[str, Any]) -> None:
        """Change one; an empty secret stays what it was."""
        wanted = {name: value for name, value in values.items() if name != "secret" or value}
        wanted.pop("profile_id", None)
        ledger_sinks.update_sink(actor=actor, sink_id=row.pk, **wanted)

    def delete_row(self, actor: Actor, row: AuditSink) -> None:
        """Take one out of use."""
        ledger_sinks.delete_sink(actor=actor, sink_id=row.pk)
