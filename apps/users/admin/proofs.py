"""Proof packs in the console: the signed file of each month, what it shows and what it lacks."""

from __future__ import annotations

import json
import uuid
from typing import Any

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from aiwriter.core import sbom
from apps.users.admin.service_admin import ReadOnlyAdmin, button
from apps.users.models import ProofPack
from apps.users.selectors.access import Actor, require
from apps.users.selectors.callers import actor_of
from apps.users.selectors.proofs import get_pack, packs_for
from apps.users.services import ledger_checks, proofs

LOOKS = {"queued": "unknown", "running": "warn", "done": "ok", "failed": "fail"}
TITLES = {
    "record": gettext_lazy("Seal of the audit record"),
    "reviews": gettext_lazy("Access reviews"),
    "drills": gettext_lazy("Restore drills"),
    "keys": gettext_lazy("Keys and their rotation"),
    "retention": gettext_lazy("Retention"),
    "tests": gettext_lazy("Tests of the release"),
    "sbom": gettext_lazy("Parts of the release (SBOM)"),
}
_PACKS = "admin:users_proofpack_changelist"


@admin.register(ProofPack)
class ProofPackAdmin(ReadOnlyAdmin):
    """Months and their files. In the menu for auditors; the selectors ask for everything that a pack shows."""

    def get_urls(self) -> list[URLPattern]:
        """With the button, the files and the list of parts."""
        wrap = self.admin_site.admin_view
        own = [
            path("make/", wrap(self.make_view), name="users_proofpack_make"),
            path("sbom/", wrap(self.sbom_view), name="users_sbom"),
            path("<uuid:pack_id>/file/", wrap(self.file_view), name="users_proofpack_file"),
        ]
        return own + super().get_urls()

    def changelist_view(self, request: HttpRequest, extra_context: Any = None) -> HttpResponse:
        """Packs, newest first."""
        actor = actor_of(request)
        if not self.has_view_permission(request):
            raise PermissionDenied
        page = Paginator(packs_for(actor), 24).get_page(request.GET.get("page"))
        newest = packs_for(actor).filter(state="done", whole=True).order_by("-month").first()
        context = {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "title": _("Proof packs"),
            "page": page,
            "rows": [(row, LOOKS[row.state]) for row in page],
            "newest": newest,
            "failed": packs_for(actor).filter(state="failed").exists(),
            "month": timezone.now().strftime("%Y-%m"),
            "keys": ledger_checks.trusted(),
            **(extra_context or {}),
        }
        return TemplateResponse(request, "admin/audit/packs.html", context)

    def changeform_view(
        self, request: HttpRequest, object_id: str | None = None, form_url: str = "", extra_context: Any = None
    ) -> HttpResponse:
        """One pack: what it shows, and how to verify it."""
        if object_id is None or request.method != "GET" or not self.has_view_permission(request):
            raise PermissionDenied
        pack = get_pack(actor=actor_of(request), pack_id=object_id)
        context = {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "title": _("Proof pack %(month)s") % {"month": pack},
            "pack": pack,
            "parts": [(TITLES.get(each["name"], each["name"]), each) for each in pack.parts],
            "public_key": ledger_checks.trusted().get(pack.key_id, ""),
        }
        return TemplateResponse(request, "admin/audit/pack.html", context)

    def make_view(self, request: HttpRequest) -> HttpResponse:
        """Have one made."""

        def work(actor: Actor) -> str:
            proofs.request_pack(actor=actor, month=request.POST.get("month", ""))
            return _("The pack is being made.")

        return button(request, reverse(_PACKS), work)

    def file_view(self, request: HttpRequest, pack_id: uuid.UUID) -> HttpResponse:
        """The file."""
        pack, content = proofs.read_file(actor=actor_of(request), pack_id=pack_id)
        headers = {"Content-Disposition": f'attachment; filename="{pack.filename}"'}
        return HttpResponse(content, content_type="application/zip", headers=headers)

    def sbom_view(self, request: HttpRequest) -> HttpResponse:
        """The parts of the installed release, as a file."""
        require(actor_of(request), "monitoring.read")
        headers = {"Content-Disposition": 'attachment; filename="sbom.cdx.json"'}
        content = json.dumps(sbom.bill(timezone.now()), indent=2)
        return HttpResponse(content, content_type="application/vnd.cyclonedx+json", headers=headers)
