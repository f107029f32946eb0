"""The merge view: two people wrote on one text, and neither loses a word."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import redirect, render
from django.template.loader import render_to_string
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST

from aiwriter.core.errors import AppError, Conflict, InvalidInput
from aiwriter.core.views import error_body
from apps.content.markup import diff, markdown
from apps.content.markup.merge import Segment
from apps.content.portal.requests import actor_of, answers_json, json_body, signed_in
from apps.content.services.documents import StaleRevision
from apps.content.services.histories import keep_beside
from apps.content.services.merging import Merge, Text, merge_with_stored, save_merged
from apps.users.selectors.access import Actor


@require_POST
@signed_in
@answers_json
def merge(request: HttpRequest, document_id: uuid.UUID) -> HttpResponse:
    """Save the merged text of the editor.

    JSON in: `revision` that was compared with, `base` and `mine` with `title` and `html`, `choices`, `title`.
    JSON out: `revision`, `title`, `html` of the merged text. 409 when somebody saved once more: the new merge.
    """
    actor, body = actor_of(request), json_body(request)
    base, mine = sent_text(body.get("base")), sent_text(body.get("mine"))
    revision, choices = body.get("revision"), body.get("choices")
    if base is None or mine is None or not isinstance(revision, int) or not isinstance(choices, Mapping):
        raise InvalidInput("The page sent no merge.", remedy="Copy your text and reload the page.")
    try:
        document = save_merged(
            actor=actor,
            document_id=document_id,
            revision=revision,
            base=base,
            mine=mine,
            choices={int(number): str(choice) for number, choice in choices.items() if str(number).isdigit()},
            title=str(body.get("title") or ""),
        )
    except StaleRevision as conflict:
        return stale(actor, document_id, conflict, base, mine)
    return JsonResponse(
        {
            "revision": document.revision,
            "title": document.title,
            "html": document.body_html,
            "words": document.word_count,
        }
    )


@require_POST
@signed_in
def merge_page(request: HttpRequest, document_id: uuid.UUID) -> HttpResponse:
    """Save the merged text of the page that works without JavaScript."""
    actor, sent = actor_of(request), request.POST
    base = Text(sent.get("base_title", ""), sent.get("base_body", ""))
    mine = Text(sent.get("mine_title", ""), sent.get("mine_body", ""))
    problem: AppError | None = None
    try:
        save_merged(
            actor=actor,
            document_id=document_id,
            revision=int(sent["revision"]) if sent.get("revision", "").isdecimal() else 0,
            base=base,
            mine=mine,
            choices={int(key[6:]): sent[key] for key in sent if key.startswith("place-") and key[6:].isdecimal()},
            title=sent.get("title", ""),
        )
    except (Conflict, InvalidInput) as error:
        problem = error
    else:
        messages.success(request, _("Both texts are one now. Each of them is in the list of versions."))
        return redirect("content:markdown", document_id=document_id)
    return merge_answer(request, document_id, base, mine, problem)


def merge_answer(
    request: HttpRequest, document_id: uuid.UUID, base: Text, mine: Text, problem: AppError
) -> HttpResponse:
    """The page on which the writer decides.

    Args:
        request: of somebody who may write.
        document_id: which document.
        base: what the writer's text started from.
        mine: the writer's text.
        problem: why it was not saved.
    """
    actor = actor_of(request)
    keep_beside(actor=actor, document_id=document_id, title=mine.title, body_markdown=mine.body)
    found = merge_with_stored(actor=actor, document_id=document_id, base=base, mine=mine)
    context = shown(found) | {"document": found.theirs, "problem": problem, "base": base, "mine": mine}
    return render(request, "content/merge.html", context, status=problem.status)


def stale(actor: Actor, document_id: uuid.UUID, conflict: AppError, base: Text | None, mine: Text) -> JsonResponse:
    """The answer to a save of the editor that came too late: who saved, and how both texts go together.

    Args:
        actor: who writes.
        document_id: which document.
        conflict: why it was not saved.
        base: what the writer's text started from; None from a page that does not know: it is then the stored text's
            own version before, so every difference is for the writer to decide.
        mine: the writer's text, which is kept as a version before anything else.
    """
    keep_beside(actor=actor, document_id=document_id, title=mine.title, body_markdown=mine.body)
    found = merge_with_stored(actor=actor, document_id=document_id, base=base or Text("", ""), mine=mine)
    theirs, version = found.theirs, found.theirs.current_version
    ops = diff.diff(theirs.body_markdown, mine.body)
    return JsonResponse(
        {
            **error_body(conflict.code, conflict.message),
            "theirs": {
                "revision": theirs.revision,
                "title": theirs.title,
                "html": theirs.body_html or markdown.to_html(theirs.body_markdown),
                "who": str(version.author) if version and version.author else "",
                "when": theirs.updated_at.isoformat(),
            },
            "differences": render_to_string("content/parts/differences.html", {"rows": diff.side_by_side(ops)}),
            "merge": {
                "open": found.open,
                "html": render_to_string("content/parts/merge.html", shown(found)),
            },
        },
        status=409,
    )


def sent_text(value: Any) -> Text | None:
    """A title and HTML as the editor sends them; None when it sent none."""
    if not isinstance(value, Mapping):
        return None
    title = str(value.get("title") or "").strip()[:300] or _("Untitled")
    return Text(title, markdown.to_markdown(str(value.get("html") or "")))


def shown(found: Merge) -> dict[str, Any]:
    """What the merge is drawn from: places in order, those without a change gathered to one line."""
    places: list[dict[str, Any]] = []
    number = 0
    for segment in found.segments:
        if segment.kind == "same":
            if places and places[-1]["kind"] == "same":
                places[-1]["blocks"] += 1
            else:
                places.append({"kind": "same", "blocks": 1})
            continue
        place: dict[str, Any] = {"kind": segment.kind, "parts": _parts(segment)}
        if segment.kind == "conflict":
            place |= {
                "number": number,
                "shown": number + 1,
                "theirs": diff.inline(diff.diff(segment.base, segment.theirs)),
                "mine": diff.inline(diff.diff(segment.base, segment.mine)),
            }
            number += 1
        places.append(place)
    version = found.theirs.current_version
    return {
        "places": places,
        "open": found.open,
        "title_conflict": found.title_conflict,
        "their_title": found.theirs.title,
        "my_title": found.mine.title,
        "revision": found.theirs.revision,
        "who": str(version.author) if version and version.author else "",
    }


def _parts(segment: Segment) -> list[diff.Part]:
    return diff.inline(diff.diff(segment.base, segment.text))
