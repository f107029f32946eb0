"""Many texts at once: a table is brought, its columns are matched and its rows checked, then they are written."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from typing import Any

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from django.shortcuts import redirect, render
from django.utils.http import content_disposition_header
from django.utils.text import slugify
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from aiwriter.core.errors import AppError, InvalidInput
from apps.content.models import Batch, BatchRow
from apps.content.parsing.rows import DELIMITERS, MAX_BYTES, MAX_ROWS
from apps.content.portal.money import shown_estimate
from apps.content.portal.requests import actor_of, is_fragment, page_of, signed_in, workspace_of
from apps.content.selectors.batches import batches_for, get_batch, progress_of, rows_of
from apps.content.selectors.content_types import content_types_for, get_content_type
from apps.content.selectors.organising import tree
from apps.content.services import batches as service
from apps.content.services.batch_outcomes import empty_table, estimate_batch, outcome_csv
from apps.content.services.batch_values import targets_of
from apps.users.selectors.access import can, require

_ROWS = 50
_SHOWN = 5
_CSV = "text/csv; charset=utf-8"
_WORDS = {name: delimiter for delimiter, name in DELIMITERS.items()}


@require_GET
@signed_in
def batch_list(request: HttpRequest) -> HttpResponse:
    """Batches of the workspace and how far they are; the same address answers with the rows alone for a script."""
    actor, workspace = actor_of(request), workspace_of(request)
    page = page_of(request, batches_for(actor, workspace), ordering=("-created_at", "-id"), size=30)
    far = progress_of(page.rows)
    for row in page.rows:
        row.progress = far[row.pk]
    context = {
        "page": page,
        "busy": sum(1 for row in page.rows if row.is_busy),
        "may_write": can(actor, "content.generate", workspace=workspace),
    }
    return render(request, "content/parts/batch_list.html" if is_fragment(request) else "content/batches.html", context)


@require_http_methods(["GET", "POST"])
@signed_in
def new_batch(request: HttpRequest) -> HttpResponse:
    """Choose a template and bring the table."""
    actor, workspace = actor_of(request), workspace_of(request)
    require(actor, "content.generate", workspace=workspace)
    sent = request.POST if request.method == "POST" else request.GET
    problem: AppError | None = None
    if request.method == "POST":
        try:
            made = service.create_batch(
                actor=actor,
                workspace=workspace,
                content_type_id=sent.get("template", ""),
                collection_id=sent.get("collection") or None,
                delimiter=_WORDS.get(sent.get("delimiter", ""), ""),
                **_file(request),
            )
        except AppError as error:
            if error.status == 403:
                raise
            problem = error
        else:
            return redirect("content:batch", batch_id=made.pk)
    types = content_types_for(actor=actor, workspace=workspace).only("id", "name", "category")
    context = {
        "types": types.order_by("category", "name"),
        "template": sent.get("template", ""),
        "delimiters": _WORDS,
        "sent": sent,
        "branches": tree(actor=actor, workspace=workspace, counts=False),
        "problem": problem,
        "most": MAX_ROWS,
    }
    return render(request, "content/batch_new.html", context, status=problem.status if problem else 200)


@require_http_methods(["GET", "POST"])
@signed_in
def batch(request: HttpRequest, batch_id: uuid.UUID) -> HttpResponse:
    """A batch: before the start what its rows will be, and changing that; afterwards what becomes of them."""
    actor = actor_of(request)
    problem: AppError | None = None
    if request.method == "POST":
        try:
            service.change_batch(actor=actor, batch_id=batch_id, **_changes(request))
        except InvalidInput as error:
            problem = error
        else:
            messages.success(request, _("Checked anew."))
            return redirect("content:batch", batch_id=batch_id)
    found = get_batch(actor=actor, batch_id=batch_id)
    state = request.GET.get("state", "")
    page = page_of(request, rows_of(actor=actor, batch_id=batch_id, state=state), ordering=("number", "id"), size=_ROWS)
    context: dict[str, Any] = {
        "batch": found,
        "progress": progress_of([found])[found.pk],
        "page": page,
        "state": state,
        "states": BatchRow.State.choices,
        "problem": problem,
        "busy": int(found.is_busy),
        "may_write": can(actor, "content.generate", workspace=found.workspace_id),
    }
    if is_fragment(request):
        return render(request, "content/parts/batch_progress.html", context)
    if context["may_write"] and not found.is_busy:
        estimate = estimate_batch(actor=actor, batch_id=batch_id)
        context |= {"sampled": estimate, "estimate": shown_estimate(estimate.wish) if estimate else None}
    if found.state == Batch.State.DRAFT and found.content_type is not None:
        context |= _plan(request, found)
    return render(request, "content/batch.html", context, status=problem.status if problem else 200)


@require_POST
@signed_in
def start(request: HttpRequest, batch_id: uuid.UUID) -> HttpResponse:
    """Have the rows written that are ready."""
    skip = request.POST.get("skip_bad") == "1"
    return _told(
        request, batch_id, lambda: service.start_batch(actor=actor_of(request), batch_id=batch_id, skip_bad=skip)
    )


@require_POST
@signed_in
def stop(request: HttpRequest, batch_id: uuid.UUID) -> HttpResponse:
    """Stop it; what is written stays."""
    return _told(request, batch_id, lambda: service.stop_batch(actor=actor_of(request), batch_id=batch_id))


@require_POST
@signed_in
def retry(request: HttpRequest, batch_id: uuid.UUID) -> HttpResponse:
    """Run the failed rows again."""
    return _told(request, batch_id, lambda: service.retry_batch(actor=actor_of(request), batch_id=batch_id))


@require_POST
@signed_in
def delete(request: HttpRequest, batch_id: uuid.UUID) -> HttpResponse:
    """Remove the batch; its documents stay."""
    try:
        service.delete_batch(actor=actor_of(request), batch_id=batch_id)
    except AppError as error:
        if error.status in (403, 404):
            raise
        messages.error(request, str(error))
        return redirect("content:batch", batch_id=batch_id)
    messages.success(request, _("The batch is removed. Its documents stay."))
    return redirect("content:batches")


@require_GET
@login_required
def outcome(request: HttpRequest, batch_id: uuid.UUID) -> StreamingHttpResponse:
    """The table with what became of each row (`?state=` for some of them)."""
    actor = actor_of(request)
    found = get_batch(actor=actor, batch_id=batch_id)
    pieces = outcome_csv(
        actor=actor,
        batch_id=batch_id,
        state=request.GET.get("state", ""),
        base=request.build_absolute_uri("/").rstrip("/"),
    )
    name = f"{slugify(found.name.removesuffix('.csv'))[:60] or 'batch'}-outcome.csv"
    return StreamingHttpResponse(pieces, content_type=_CSV, headers=_attachment(name))


@require_GET
@signed_in
def template_table(request: HttpRequest, content_type_id: uuid.UUID) -> HttpResponse:
    """An empty table that fits a template."""
    found = get_content_type(actor=actor_of(request), content_type_id=content_type_id)
    return HttpResponse(empty_table(found), content_type=_CSV, headers=_attachment(f"{found.slug}.csv"))


def _attachment(name: str) -> dict[str, str]:
    return {"Content-Disposition": content_disposition_header(as_attachment=True, filename=name) or "attachment"}


def _file(request: HttpRequest) -> dict[str, Any]:
    file = request.FILES.get("file")
    if file is None:
        raise InvalidInput(_("No file was sent."), field="file", remedy=_("Choose a CSV."))
    # One byte more than is allowed says that it is too large, and no more than that comes into memory.
    return {"data": file.read(MAX_BYTES + 1), "name": file.name or "table.csv"}


def _changes(request: HttpRequest) -> dict[str, Any]:
    post = request.POST
    names = post.getlist("field")
    changes: dict[str, Any] = {
        "mapping": {name: post.get(f"column-{name}", "") for name in names},
        "fixed": {name: post.get(f"fixed-{name}", "") for name in names},
        "collection_id": post.get("collection") or None,
    }
    if post.get("use") in ("all", "none"):
        changes["source_ids"] = None if post["use"] == "all" else []
    return changes


def _plan(request: HttpRequest, found: Batch) -> dict[str, Any]:
    """What the page of a batch that has not been started needs in addition."""
    assert found.content_type is not None  # noqa: S101
    sent = request.POST
    plan = [
        {
            "target": target,
            "column": sent.get(f"column-{target.name}", found.mapping.get(target.name, "")),
            "fixed": sent.get(f"fixed-{target.name}", found.fixed.get(target.name, "")),
        }
        for target in targets_of(found.content_type)
    ]
    used = set(found.mapping.values())
    return {
        "plan": plan,
        "missing": service.reader_of(found, found.content_type).missing(),
        "unused": [column for column in found.columns if column not in used],
        "branches": tree(actor=actor_of(request), workspace=found.workspace, counts=False),
        "first": list(found.rows.order_by("number")[:_SHOWN]),
    }


def _told(request: HttpRequest, batch_id: uuid.UUID, act: Callable[[], Batch]) -> HttpResponse:
    try:
        act()
    except AppError as error:
        if error.status in (403, 404):
            raise
        messages.error(request, str(error))
    return redirect("content:batch", batch_id=batch_id)
