"""Texts from elsewhere as documents: drop files, enter an address, watch."""

from __future__ import annotations

from typing import BinaryIO, cast

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods

from aiwriter.core.errors import AppError, InvalidInput, TooLarge, UnsupportedType
from apps.content.portal.requests import actor_of, is_fragment, page_of, signed_in, workspace_of
from apps.content.services import importing


@require_http_methods(["GET", "POST"])
@signed_in
def imports(request: HttpRequest) -> HttpResponse:
    """Bring texts in, and see what became of them."""
    actor, workspace = actor_of(request), workspace_of(request)
    if request.method == "POST":
        problems: list[tuple[str, AppError]] = []
        url, files = request.POST.get("url", "").strip(), request.FILES.getlist("files")
        if not url and not files:
            problems.append(("", InvalidInput(_("Nothing was sent."), remedy=_("Choose a file or enter an address."))))
        if url:
            try:
                importing.import_url(actor=actor, workspace=workspace, url=url)
            except InvalidInput as error:
                problems.append((url[:60], error))
        for file in files:
            try:
                importing.import_file(
                    actor=actor,
                    workspace=workspace,
                    name=file.name or "file",
                    stream=cast(BinaryIO, file),
                    content_type=file.content_type or "",
                )
            except (InvalidInput, TooLarge, UnsupportedType) as error:
                problems.append((file.name or "", error))
        for name, problem in problems:
            messages.error(request, f"{name}: {problem}" if name else str(problem))
        return redirect("content:imports")
    rows = importing.imports_for(actor, workspace).prefetch_related("documents")
    page = page_of(request, rows, ordering=("-created_at", "-id"), size=30)
    busy = sum(1 for row in page.rows if row.state in ("queued", "running"))
    template = "content/parts/import_rows.html" if is_fragment(request) else "content/imports.html"
    return render(request, template, {"page": page, "busy": busy})
