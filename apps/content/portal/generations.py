"""The brief, and the page on which a text comes into being."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from typing import Any

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from aiwriter.core.errors import AppError, NotFound
from aiwriter.core.ids import uuid7
from apps.content.markup import markdown
from apps.content.models import Generation, Source
from apps.content.portal.forms import BriefForm
from apps.content.portal.passages import shown_passage
from apps.content.portal.requests import actor_of, answers_json, is_fragment, signed_in, workspace_of
from apps.content.selectors.generations import get_generation, passages_of, text_of
from apps.content.selectors.sources import source_counts, sources_for
from apps.content.services.applying import apply_generation
from apps.content.services.generation import retry_generation, start_generation, stop_generation
from apps.content.services.tickets import stream_url

_CHOOSABLE = 500


@dataclass(frozen=True, slots=True)
class Chip:
    """A marker as a chip of the text."""

    verified: bool
    address: str


@require_http_methods(["GET", "POST"])
@signed_in
def brief(request: HttpRequest) -> HttpResponse:
    """Ask what should be written, and start."""
    actor, workspace = actor_of(request), workspace_of(request)
    ready = (
        sources_for(actor, workspace)
        .filter(state=Source.State.READY)
        .order_by("title")
        .values_list("id", "title")[:_CHOOSABLE]
    )
    initial: dict[str, Any] = {"key": str(uuid7()), "topic": request.GET.get("topic", "")[:1000]}
    if named := request.GET.get("source"):
        initial |= {"use": "some", "sources": [named]}
    form = BriefForm(request.POST or None, initial=initial, sources=list(ready))
    status = 200
    if request.method == "POST":
        status = 422
        if form.is_valid():
            try:
                generation = start_generation(
                    actor=actor,
                    workspace=workspace,
                    kind="draft",
                    brief=form.brief(),
                    source_ids=form.source_ids(),
                    idempotency_key=form.cleaned_data["key"],
                    apply=True,
                )
            except AppError as error:
                # What was typed stays in the form; an error page would lose it.
                form.add_error(error.field if error.field in form.fields else None, str(error))
                status = error.status
            else:
                return redirect("content:generation", generation_id=generation.pk)
    counts = source_counts(actor=actor, workspace=workspace)
    context = {"form": form, "counts": counts, "ready": counts.get("ready", 0), "total": sum(counts.values())}
    return render(request, "content/brief.html", context, status=status)


@require_GET
@signed_in
def generation(request: HttpRequest, generation_id: uuid.UUID) -> HttpResponse:
    """A text while it is written and afterwards. Everything known stands in the page; a script adds what comes."""
    actor = actor_of(request)
    found = get_generation(actor=actor, generation_id=generation_id)
    document_id = found.document_id or (found.applied_version.document_id if found.applied_version else None)
    return render(
        request,
        "content/generation.html",
        {
            "generation": found,
            "subject": subject_of(found),
            "html": markdown.to_html(text_of(found)),
            "chips": _chips(found),
            "passages": passages_of(found),
            "citations": list(found.citations.filter(version=None)),
            "document_id": document_id,
            "events": "" if found.is_final else stream_url(user_id=actor.user_id, generation_id=found.pk),
        },
    )


def subject_of(generation: Generation) -> str:
    """What a generation is about, in a few words."""
    wishes = generation.input.get("brief", generation.input)
    return str(wishes.get("title") or wishes.get("topic") or wishes.get("instruction") or generation.get_kind_display())


def _chips(generation: Generation) -> dict[str, Chip]:
    chips: dict[str, Chip] = {}
    for item in generation.citations.filter(version=None):
        address = reverse("content:passage", args=[generation.pk, item.marker])
        known = chips.get(item.marker)
        chips[item.marker] = Chip(item.verified or bool(known and known.verified), address)
    return chips


@require_GET
@signed_in
@answers_json
def text(request: HttpRequest, generation_id: uuid.UUID) -> HttpResponse:
    """The text as the server renders it, for taking the place of what the script drew while it came."""
    found = get_generation(actor=actor_of(request), generation_id=generation_id)
    written = text_of(found)
    context = {"html": markdown.to_html(written), "chips": _chips(found)}
    if is_fragment(request):
        return render(request, "content/parts/text.html", context)
    return JsonResponse({"html": context["html"], "state": found.state, "words": markdown.word_count(written)})


@require_POST
@signed_in
@answers_json
def stop(request: HttpRequest, generation_id: uuid.UUID) -> HttpResponse:
    """Stop writing; what is written stays."""
    stopped = stop_generation(actor=actor_of(request), generation_id=generation_id)
    return _answer(request, stopped)


@require_POST
@signed_in
def retry(request: HttpRequest, generation_id: uuid.UUID) -> HttpResponse:
    """Write once more from the same brief."""
    again = retry_generation(actor=actor_of(request), generation_id=generation_id)
    return redirect("content:generation", generation_id=again.pk)


@require_POST
@signed_in
def apply(request: HttpRequest, generation_id: uuid.UUID) -> HttpResponse:
    """Make a document of what was written, and open it."""
    document = apply_generation(actor=actor_of(request), generation_id=generation_id)
    return redirect("content:document", document_id=document.pk)


@require_GET
@signed_in
def passage(request: HttpRequest, generation_id: uuid.UUID, marker: str) -> HttpResponse:
    """The passage behind a marker of the text."""
    actor = actor_of(request)
    found = get_generation(actor=actor, generation_id=generation_id)
    given = next((p for p in passages_of(found) if p.marker == marker), None)
    places = list(found.citations.filter(version=None, marker=marker))
    claim = next((c for c in places if c.verified), places[0] if places else None)
    if given is None and claim is None:
        raise NotFound("This text has no such passage.")
    shown = shown_passage(
        actor=actor,
        marker=marker,
        chunk_id=_first(given, claim, "chunk_id"),
        source_id=_first(given, claim, "source_id"),
        title=(given.title if given else "") or (claim.source_title if claim else ""),
        locator=(given.locator if given else "") or (claim.locator if claim else ""),
        text=given.text if given else "",
        quote=claim.quote if claim else "",
        verified=claim.verified if claim else None,
        reason=claim.reason if claim else "",
    )
    template = "content/parts/passage.html" if is_fragment(request) else "content/passage.html"
    back = reverse("content:generation", args=[generation_id])
    return render(request, template, {"passage": shown, "back": back, "back_label": subject_of(found)})


def _first(given: Any, claim: Any, name: str) -> Any:
    return (getattr(given, name, None) if given else None) or (getattr(claim, name, None) if claim else None)


def _answer(request: HttpRequest, generation: Generation) -> HttpResponse:
    if "application/json" in request.headers.get("Accept", ""):
        return JsonResponse({"state": generation.state})
    return redirect("content:generation", generation_id=generation.pk)
