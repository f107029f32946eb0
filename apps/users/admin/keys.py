"""The keyring in the console: every key, what is due, buttons that replace keys, and the progress of the work."""

from __future__ import annotations

import uuid
from typing import Any

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils.translation import gettext as _

from aiwriter.core import keyring
from aiwriter.core.errors import NotFound
from apps.users.admin.service_admin import ReadOnlyAdmin, button
from apps.users.models import KeyRecord, Rewrap
from apps.users.selectors.access import Actor, can
from apps.users.selectors.callers import actor_of
from apps.users.services import key_rotation

LOOKS = {"active": "ok", "pending": "unknown", "decrypt-only": "warn", "destroyed": "unknown"}
JOB_LOOKS = {"queued": "unknown", "running": "warn", "succeeded": "ok", "failed": "fail"}
_KEYS = "admin:users_keyrecord_changelist"


@admin.register(KeyRecord)
class KeyRecordAdmin(ReadOnlyAdmin):
    """Keys by purpose."""

    def get_urls(self) -> list[URLPattern]:
        """With the buttons."""
        wrap = self.admin_site.admin_view
        own = [
            path("rotate/<slug:purpose>/", wrap(self.rotate_view), name="users_key_rotate"),
            path("rewrap/", wrap(self.rewrap_view), name="users_key_rewrap"),
            path("retire/<slug:key_id>/", wrap(self.retire_view), name="users_key_retire"),
        ]
        return own + super().get_urls()

    def changelist_view(self, request: HttpRequest, extra_context: Any = None) -> HttpResponse:
        """The keyring."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        actor = actor_of(request)
        found = key_rotation.inventory(actor=actor)
        context = {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "title": _("Keys"),
            "groups": [
                {
                    "purpose": purpose,
                    "keys": [
                        (each, LOOKS[each.key.state.value]) for each in found.keys if each.key.purpose == purpose.name
                    ],
                }
                for purpose in keyring.PURPOSES.values()
            ],
            "due": [each for each in found.keys if each.due],
            "ring": keyring.load(),
            "location": keyring.location(),
            "older": found.older.total(),
            "may_manage": can(actor, "keys.manage"),
            "jobs": [(job, JOB_LOOKS[job.state]) for job in key_rotation.rewraps_for(actor)[:5]],
            **(extra_context or {}),
        }
        return TemplateResponse(request, "admin/keys/keys.html", context)

    def changeform_view(
        self, request: HttpRequest, object_id: str | None = None, form_url: str = "", extra_context: Any = None
    ) -> HttpResponse:
        """A key has no page of its own beside the keyring."""
        if object_id is None or request.method != "GET" or not self.has_view_permission(request):
            raise PermissionDenied
        return HttpResponseRedirect(reverse(_KEYS))

    def rotate_view(self, request: HttpRequest, purpose: str) -> HttpResponse:
        """Replace a key."""

        def work(actor: Actor) -> str:
            key, job = key_rotation.rotate_key(actor=actor, purpose=purpose)
            said = _("The key %(id)s seals from now on.") % {"id": key.id}
            return f"{said} {_('Secrets are being sealed anew.')}" if job else said

        return button(request, reverse(_KEYS), work)

    def rewrap_view(self, request: HttpRequest) -> HttpResponse:
        """Seal secrets anew."""

        def work(actor: Actor) -> str:
            key_rotation.request_rewrap(actor=actor)
            return _("Secrets are being sealed anew.")

        return button(request, reverse(_KEYS), work)

    def retire_view(self, request: HttpRequest, key_id: str) -> HttpResponse:
        """Destroy a key."""

        def work(actor: Actor) -> str:
            key_rotation.retire_key(actor=actor, key_id=key_id)
            return _("The key %(id)s is destroyed.") % {"id": key_id}

        return button(request, reverse(_KEYS), work)


@admin.register(Rewrap)
class RewrapAdmin(ReadOnlyAdmin):
    """Jobs that seal secrets anew."""

    list_display = ("created_at", "state", "place", "done", "total", "changed", "error", "finished_at")
    list_filter = ("state",)
    actions = None

    def changeform_view(
        self, request: HttpRequest, object_id: str | None = None, form_url: str = "", extra_context: Any = None
    ) -> HttpResponse:
        """The job, with what changes in a part that a script asks for again."""
        if object_id is None or request.method != "GET" or not self.has_view_permission(request):
            raise PermissionDenied
        try:
            job = key_rotation.get_rewrap(actor=actor_of(request), job_id=uuid.UUID(object_id))
        except ValueError:
            raise NotFound("There is no such job.") from None
        context = {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "title": str(job),
            "job": job,
            "look": JOB_LOOKS[job.state],
        }
        fragment = request.headers.get("X-Fragment")
        return TemplateResponse(request, "admin/keys/part.html" if fragment else "admin/keys/job.html", context)
