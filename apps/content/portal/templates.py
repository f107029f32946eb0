"""The gallery of templates, the brief that each asks for, and changing them."""

from __future__ import annotations

import uuid
from collections.abc import Iterable
from typing import Any

from django.contrib import messages
from django.forms import Form
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from aiwriter.core.errors import AppError
from aiwriter.core.ids import uuid7
from apps.content.models import ContentType, Source
from apps.content.portal.requests import actor_of, page_of, signed_in, workspace_of
from apps.content.portal.type_forms import FieldFormSet, TypeBriefForm, TypeForm, rows_of, schema_of
from apps.content.selectors.content_types import content_types_for, get_content_type
from apps.content.selectors.organising import writing_settings
from apps.content.selectors.sources import sources_for
from apps.content.services import content_types as service
from apps.content.services.type_schema import variables_of
from apps.users.selectors.access import can, require

PAGE_SIZE = 120
_CHOOSABLE = 500


@require_GET
@signed_in
def gallery(request: HttpRequest) -> HttpResponse:
    """All templates of the workspace, by category, searched by `q` and `category`."""
    actor, workspace = actor_of(request), workspace_of(request)
    query, category = request.GET.get("q", "").strip()[:200], request.GET.get("category", "")
    may_manage = can(actor, "templates.manage", workspace=workspace)
    rows = content_types_for(
        actor=actor, workspace=workspace, query=query, category=category, inactive=may_manage
    ).defer("instructions", "fields")
    page = page_of(request, rows, ordering=("category", "name", "id"), size=PAGE_SIZE)
    context = {
        "page": page,
        "query": query,
        "category": category,
        "categories": ContentType.Category.choices,
        "may_manage": may_manage,
    }
    return render(request, "content/templates.html", context)


@require_http_methods(["GET", "POST"])
@signed_in
def template(request: HttpRequest, content_type_id: uuid.UUID) -> HttpResponse:
    """The brief of one template; sent, it starts the text. What was typed stays when it cannot be used."""
    actor, workspace = actor_of(request), workspace_of(request)
    found = get_content_type(actor=actor, content_type_id=content_type_id)
    ready = sources_for(actor, workspace).filter(state=Source.State.READY).order_by("title").values_list("id", "title")
    sources = list(ready[:_CHOOSABLE])
    initial = {
        "key": str(uuid7()),
        "use": "all" if sources else "none",
        "language": writing_settings(workspace).language,
    }
    form = TypeBriefForm(request.POST or None, initial=initial, content_type=found, sources=sources)
    status = 200
    if request.method == "POST":
        status = 422
        if form.is_valid():
            try:
                generation = service.start_from_type(
                    actor=actor,
                    workspace=workspace,
                    content_type_id=found.pk,
                    values=form.values(),
                    source_ids=form.source_ids(),
                    idempotency_key=form.cleaned_data["key"],
                )
            except AppError as error:
                if error.status in (403, 404):
                    raise
                tell(form, error)
                status = error.status
            else:
                return redirect("content:generation", generation_id=generation.pk)
    context = {
        "template": found,
        "form": form,
        "ready": len(sources),
        "may_write": can(actor, "content.generate", workspace=workspace),
        "may_change": _may_change(request, found),
        "may_copy": found.is_common and can(actor, "templates.manage", workspace=workspace),
    }
    return render(request, "content/template.html", context, status=status)


@require_http_methods(["GET", "POST"])
@signed_in
def new(request: HttpRequest) -> HttpResponse:
    """Make a template of the workspace's own."""
    actor, workspace = actor_of(request), workspace_of(request)
    require(actor, "templates.manage", workspace=workspace)
    form, rows = TypeForm(request.POST or None), FieldFormSet(request.POST or None, prefix="field")
    status = 200
    if request.method == "POST":
        status = 422
        if form.is_valid() and rows.is_valid():
            values = {**form.cleaned_data, "fields": schema_of(_filled(rows))}
            values.pop("revision")
            try:
                made = service.create_content_type(actor=actor, workspace=workspace, **values)
            except AppError as error:
                tell(form, error)
                status = error.status
            else:
                messages.success(request, _("The template is made."))
                return redirect("content:template", content_type_id=made.pk)
    return render(request, "content/template_edit.html", {"form": form, "rows": rows}, status=status)


@require_http_methods(["GET", "POST"])
@signed_in
def edit(request: HttpRequest, content_type_id: uuid.UUID) -> HttpResponse:
    """Change a template of the workspace's own; earlier versions stand below."""
    actor = actor_of(request)
    found = get_content_type(actor=actor, content_type_id=content_type_id)
    require(actor, "templates.manage" if found.workspace_id else "templates.common", workspace=found.workspace_id)
    names = ("name", "category", "description", "instructions", "writes", "length", "is_active", "revision")
    form = TypeForm(request.POST or None, initial={name: getattr(found, name) for name in names})
    rows = FieldFormSet(request.POST or None, prefix="field", initial=rows_of(found.fields))
    status = 200
    if request.method == "POST":
        status = 422
        if form.is_valid() and rows.is_valid():
            schema = _merged(found.fields, schema_of(_filled(rows)))
            try:
                service.change_content_type(
                    actor=actor, content_type_id=found.pk, **{**form.cleaned_data, "fields": schema}
                )
            except AppError as error:
                tell(form, error)
                status = error.status
            else:
                messages.success(request, _("Saved."))
                return redirect("content:template", content_type_id=found.pk)
    context = {
        "template": found,
        "form": form,
        "rows": rows,
        "variables": variables_of(found.instructions),
        "versions": service.versions_of(actor=actor, content_type_id=found.pk)[:30],
    }
    return render(request, "content/template_edit.html", context, status=status)


@require_POST
@signed_in
def copy(request: HttpRequest, content_type_id: uuid.UUID) -> HttpResponse:
    """Give the workspace its own of a common template."""
    own = service.copy_content_type(
        actor=actor_of(request), workspace=workspace_of(request), content_type_id=content_type_id
    )
    messages.success(request, _("The workspace has its own of this template now. It takes the common one's place."))
    return redirect("content:edit-template", content_type_id=own.pk)


@require_POST
@signed_in
def restore(request: HttpRequest, content_type_id: uuid.UUID, number: int) -> HttpResponse:
    """Make an earlier version the present one again."""
    service.restore_content_type(actor=actor_of(request), content_type_id=content_type_id, number=number)
    messages.success(request, _("Version %(number)s is the present one again.") % {"number": number})
    return redirect("content:edit-template", content_type_id=content_type_id)


@require_POST
@signed_in
def delete(request: HttpRequest, content_type_id: uuid.UUID) -> HttpResponse:
    """Remove a template of the workspace's own."""
    service.delete_content_type(actor=actor_of(request), content_type_id=content_type_id)
    messages.success(request, _("The template is removed."))
    return redirect("content:templates")


def tell(form: Form, error: AppError) -> None:
    """Put what a service refuses beside the fields that it names."""
    for detail in error.details:
        field = detail.field if detail.field in form.fields else None
        named = "" if field or not detail.field else f"{detail.field}: "
        form.add_error(field, f"{named}{detail.issue} {detail.remedy}".strip())
    if not error.details:
        form.add_error(None, str(error))


def _may_change(request: HttpRequest, found: ContentType) -> bool:
    actor = actor_of(request)
    if found.workspace_id:
        return can(actor, "templates.manage", workspace=found.workspace_id)
    return can(actor, "templates.common")


def _filled(rows: Any) -> Iterable[dict[str, Any]]:
    return [row.cleaned_data for row in rows if row.cleaned_data]


def _merged(before: dict[str, Any], after: dict[str, Any]) -> dict[str, Any]:
    """The new schema with what the form does not show, of fields whose kind has stayed."""
    for name, field in after["properties"].items():
        old = before["properties"].get(name)
        if old and old["type"] == field["type"] and old.get("format") == field.get("format"):
            hidden = ("description", "examples", "minimum", "maximum", "maxLength")
            field |= {key: old[key] for key in hidden if key in old}
            if field.get("x-lines", 1) > 1:
                field["x-lines"] = max(field["x-lines"], old.get("x-lines", 1))
    if before.get("x-subject") in after["properties"]:
        after["x-subject"] = before["x-subject"]
    return after
