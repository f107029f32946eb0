"""A long text, outline first: plan, order, write, stop, write one again. All of it works as plain forms."""

from __future__ import annotations

import uuid
from typing import Any

from django import forms
from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from aiwriter.core.errors import AppError, InvalidInput
from apps.content.models import Section
from apps.content.portal.forms import LANGUAGES, TONES
from apps.content.portal.requests import actor_of, is_fragment, signed_in, workspace_of
from apps.content.portal.templates import tell
from apps.content.selectors.organising import writing_settings
from apps.content.services import outlines as service
from apps.content.services.applying import apply_generation
from apps.content.services.documents import create_document

USUAL_WORDS = 300


class PlanForm(forms.Form):
    """What a long text is to be."""

    topic = forms.CharField(
        label=gettext_lazy("What should the text be about?"), max_length=1000, widget=forms.Textarea(attrs={"rows": 3})
    )
    length = forms.IntegerField(
        label=gettext_lazy("Length in words"),
        initial=3000,
        min_value=service.LENGTH[0],
        max_value=service.LENGTH[1],
        help_text=gettext_lazy("Shared among the sections."),
    )
    audience = forms.CharField(label=gettext_lazy("Audience"), max_length=300, required=False)
    tone = forms.ChoiceField(label=gettext_lazy("Tone"), choices=TONES, required=False)
    language = forms.ChoiceField(label=gettext_lazy("Language"), choices=LANGUAGES, initial="en")
    instruction = forms.CharField(
        label=gettext_lazy("Wishes for every section"),
        max_length=5000,
        required=False,
        widget=forms.Textarea(attrs={"rows": 3}),
    )

    def values(self) -> dict[str, Any]:
        """The plan as `services.outlines.plan_sections` takes it."""
        cleaned = dict(self.cleaned_data)
        length = cleaned.pop("length")
        return {"brief": {name: value for name, value in cleaned.items() if value}, "length": length}


@require_http_methods(["GET", "POST"])
@signed_in
def new(request: HttpRequest) -> HttpResponse:
    """A new document that begins with its outline."""
    actor, workspace = actor_of(request), workspace_of(request)
    form = PlanForm(request.POST or None, initial={"language": writing_settings(workspace).language})
    status = 200
    if request.method == "POST":
        status = 422
        if form.is_valid():
            try:
                title = " ".join(form.cleaned_data["topic"].split())[:120]
                made = create_document(
                    actor=actor,
                    workspace=workspace,
                    title=title,
                    kind="long-form",
                    language=form.cleaned_data["language"],
                )
                service.plan_sections(actor=actor, document_id=made.pk, **form.values())
            except AppError as error:
                tell(form, error)
                status = error.status
            else:
                return redirect("content:outline", document_id=made.pk)
    return render(request, "content/outline_new.html", {"form": form}, status=status)


@require_GET
@signed_in
def outline(request: HttpRequest, document_id: uuid.UUID) -> HttpResponse:
    """The outline and how far it is; the rows alone for the script that follows."""
    template = "content/parts/outline_state.html" if is_fragment(request) else "content/outline.html"
    return render(request, template, _context(request, document_id))


@require_POST
@signed_in
def save(request: HttpRequest, document_id: uuid.UUID) -> HttpResponse:
    """Keep the rows as they were sent, in the order of their numbers; then do what the button says."""
    actor = actor_of(request)
    try:
        rows = _rows(request)
        service.set_sections(
            actor=actor,
            document_id=document_id,
            sections=rows,
            revision=int(request.POST.get("revision") or 0) or None,
        )
    except (AppError, ValueError) as error:
        if isinstance(error, AppError) and error.status in (403, 404):
            raise
        context = _context(request, document_id)
        # What was typed stays, and so does the revision that it was typed upon.
        sent = [_sent(request, number) for number in request.POST.getlist("row")]
        context |= {"problems": _told(error), "rows": sent or context["rows"]}
        context["revision"] = request.POST.get("revision") or context["revision"]
        return render(request, "content/outline.html", context, status=getattr(error, "status", 422))
    if request.POST.get("then") == "write":
        return _then(request, document_id, lambda: service.write_sections(actor=actor, document_id=document_id))
    messages.success(request, _("The outline is kept."))
    return redirect("content:outline", document_id=document_id)


@require_POST
@signed_in
def plan(request: HttpRequest, document_id: uuid.UUID) -> HttpResponse:
    """Have the outline planned."""
    actor, form = actor_of(request), PlanForm(request.POST)
    if not form.is_valid():
        return render(request, "content/outline.html", {**_context(request, document_id), "form": form}, status=422)
    return _then(
        request,
        document_id,
        lambda: service.plan_sections(actor=actor, document_id=document_id, **form.values()),
    )


@require_POST
@signed_in
def write(request: HttpRequest, document_id: uuid.UUID) -> HttpResponse:
    """Write all sections that are not written, or one of them (again)."""
    actor, one = actor_of(request), request.POST.get("section")
    return _then(
        request,
        document_id,
        lambda: service.write_sections(actor=actor, document_id=document_id, section_ids=[one] if one else None),
    )


@require_POST
@signed_in
def stop(request: HttpRequest, document_id: uuid.UUID) -> HttpResponse:
    """Stop planning or writing."""
    return _then(request, document_id, lambda: service.stop_writing(actor=actor_of(request), document_id=document_id))


@require_POST
@signed_in
def keep(request: HttpRequest, document_id: uuid.UUID) -> HttpResponse:
    """Put into the document what a stopped section has."""
    actor = actor_of(request)
    _document, _outline, sections = service.outline_of(actor=actor, document_id=document_id)
    found = next((each for each in sections if str(each.pk) == request.POST.get("section")), None)
    if found is None or found.generation_id is None:
        raise InvalidInput("This section has no text to keep.", field="section", remedy="Write it first.")
    return _then(request, document_id, lambda: apply_generation(actor=actor, generation_id=str(found.generation_id)))


def _then(request: HttpRequest, document_id: uuid.UUID, act: Any) -> HttpResponse:
    try:
        act()
    except AppError as error:
        if error.status in (403, 404):
            raise
        messages.error(request, str(error))
    return redirect("content:outline", document_id=document_id)


def _context(request: HttpRequest, document_id: uuid.UUID) -> dict[str, Any]:
    document, found, sections = service.outline_of(actor=actor_of(request), document_id=document_id)
    written = [each for each in sections if each.state == Section.State.WRITTEN]
    initial = {"topic": document.title, "language": document.language} | found.brief
    return {
        "document": document,
        "outline": found,
        "sections": sections,
        "written": len(written),
        "words": sum(each.words for each in written),
        "wanted": sum(each.target_words for each in sections),
        "busy": int(found.state != found.State.IDLE),
        "rows": [*map(_shown, sections), _blank(len(sections) + 1)],
        "revision": found.revision,
        "form": PlanForm(initial=initial),
    }


def _shown(section: Section) -> dict[str, Any]:
    """A section as a row of the form."""
    return {
        "n": str(section.position),
        "id": str(section.pk),
        "position": section.position,
        "heading": section.heading,
        "instruction": section.instruction,
        "words": section.target_words,
    }


def _blank(position: int) -> dict[str, Any]:
    """The empty row, which adds one."""
    empty = {"id": "", "heading": "", "instruction": "", "words": USUAL_WORDS}
    return {"n": str(position), "position": position, **empty}


def _sent(request: HttpRequest, number: str) -> dict[str, Any]:
    """A row as it was sent."""
    names = ("id", "position", "heading", "instruction", "words", "remove")
    return {"n": number} | {name: request.POST.get(f"{name}-{number}", "") for name in names}


def _rows(request: HttpRequest) -> list[dict[str, Any]]:
    """The rows of the form, sorted by their numbers; those without a heading or with a tick at "remove" are left out."""
    post = request.POST
    if "row" not in post:
        # A form that lost its rows must not empty the plan.
        raise InvalidInput(_("No row was sent."), field="row", remedy=_("Reload the page and try again."))
    rows: list[tuple[float, int, dict[str, Any]]] = []
    for place, number in enumerate(post.getlist("row")):
        heading = post.get(f"heading-{number}", "").strip()
        if post.get(f"remove-{number}") or not (heading or post.get(f"id-{number}")):
            continue
        words = post.get(f"words-{number}", "").strip() or str(USUAL_WORDS)
        position = post.get(f"position-{number}", "").strip()
        if not words.isdigit():
            raise InvalidInput(
                _("The length of “%(heading)s” is no number.") % {"heading": heading},
                field=f"words-{number}",
                remedy=_("Write digits only."),
            )
        row = {
            "id": post.get(f"id-{number}") or None,
            "heading": heading,
            "instruction": post.get(f"instruction-{number}", ""),
            "target_words": int(words[:9]),
        }
        try:
            rows.append((float(position or place + 1), place, row))
        except ValueError:
            raise InvalidInput(
                _("The place of “%(heading)s” is no number.") % {"heading": heading},
                field=f"position-{number}",
                remedy=_("Write 1, 2, 3; 2.5 puts it between the second and the third."),
            ) from None
    return [row for _position, _place, row in sorted(rows, key=lambda each: each[:2])]


def _told(error: Exception) -> list[str]:
    details = getattr(error, "details", ())
    return [f"{each.issue} {each.remedy}".strip() for each in details] or [str(error)]
