"""Search engine fields: the rules, the score, a preview, suggestions."""

from __future__ import annotations

import json
import uuid

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST

from aiwriter.core.errors import InvalidInput
from apps.content.portal.requests import actor_of, signed_in
from apps.content.selectors.documents import get_document
from apps.content.services import seo as service


@require_http_methods(["GET", "POST"])
@signed_in
def panel(request: HttpRequest, document_id: uuid.UUID) -> HttpResponse:
    """Look at a document as search engines will, and fill in what they show."""
    actor = actor_of(request)
    document = get_document(actor=actor, document_id=document_id)
    problem, status, checked = None, 200, None
    fields = {name: document.seo.get(name, "") for name in service.LENGTHS}
    if request.method == "POST" and request.POST.get("action") == "links":
        checked = service.check_links(actor=actor, document_id=document_id)
    elif request.method == "POST":
        fields = {name: request.POST.get(name, "") for name in service.LENGTHS}
        try:
            service.save_seo(actor=actor, document_id=document_id, fields=fields)
        except InvalidInput as error:
            problem, status = error, error.status
        else:
            messages.success(request, _("Saved."))
            return redirect("content:seo", document_id=document_id)
    report = service.analyse_document(actor=actor, document_id=document_id, fields=fields)
    order = {"poor": 0, "fair": 1, "good": 2, "none": 3}
    context = {
        "document": document,
        "fields": fields,
        "lengths": service.LENGTHS,
        "report": report,
        "findings": sorted(report.findings, key=lambda finding: order[finding.state]),
        "structured": json.dumps(report.structured_data, ensure_ascii=False, indent=2),
        "bare": [image for image in report.images if not image["alt"]],
        "checked": checked,
        "problem": problem,
    }
    return render(request, "content/seo.html", context, status=status)


@require_POST
@signed_in
def suggest(request: HttpRequest, document_id: uuid.UUID) -> HttpResponse:
    """Have a model suggest a field, and show it being written."""
    what = request.POST.get("what", "")
    if what not in ("title", "meta-description", "alt-text"):
        raise InvalidInput("There is no such suggestion.", field="what")
    row = service.suggest(
        actor=actor_of(request), document_id=document_id, what=what, address=request.POST.get("image", "")
    )
    return redirect("content:generation", generation_id=row.pk)
