"""AI on a selection or the whole text: the editor asks for a rewrite here; its changes are decided one by one over the API."""

from __future__ import annotations

import uuid
from typing import Any

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.urls import reverse
from django.utils.translation import gettext_lazy as _
from django.views.decorators.http import require_POST

from aiwriter.core.errors import InvalidInput
from apps.content.markup import markdown
from apps.content.models import Document, Suggestion
from apps.content.portal.requests import actor_of, answers_json, json_body, signed_in
from apps.content.selectors.documents import get_document
from apps.content.selectors.prompt_actions import offered_actions
from apps.content.services.prompt_templates import asked_by
from apps.content.services.suggesting import ask_for_suggestions, ask_with_prompt
from apps.content.services.tickets import stream_url
from apps.users.selectors.access import Actor

# action of the service, words on the button, icon
ACTIONS = (
    ("shorten", _("Shorten"), "shorten"),
    ("expand", _("Expand"), "text"),
    ("fix", _("Fix spelling and grammar"), "check"),
    ("simplify", _("Simplify"), "spark"),
    ("formal", _("More formal"), "pen"),
    ("friendly", _("Friendlier"), "pen"),
    ("list", _("Turn into a list"), "list"),
    ("table", _("Turn into a table"), "table"),
    ("continue", _("Write what comes next"), "arrow-right"),
    ("custom", _("Say what to change"), "quote"),
)
_KEYS = frozenset(key for key, _label, _icon in ACTIONS)


@require_POST
@signed_in
@answers_json
def start(request: HttpRequest, document_id: uuid.UUID) -> HttpResponse:
    """Have a selection rewritten; each answer becomes a suggestion.

    JSON in: `action`, or `prompt` with the id of a prompt action and `variables` that it asks for; `html` of the selection ("" for the whole text), `occurrence` of equal selections before it,
    `instruction` for "custom", `candidates`, `key` that makes a retry safe.
    JSON out: for each answer its suggestion, where to listen and where to stop it.
    """
    actor, body = actor_of(request), json_body(request)
    document = get_document(actor=actor, document_id=document_id)
    common: dict[str, Any] = {
        "actor": actor,
        "document_id": document_id,
        "quote": markdown.to_markdown(str(body.get("html") or "")).strip(),
        "occurrence": _number(body, "occurrence", 0),
        "candidates": _number(body, "candidates", 1),
        "key": str(body.get("key") or "")[:60],
    }
    if prompt := str(body.get("prompt") or ""):
        variables = body.get("variables")
        values = variables if isinstance(variables, dict) else {}
        made = ask_with_prompt(prompt_action=prompt, variables=values, **common)
        return JsonResponse({"answers": [_answer(row, actor) for row in made]}, status=202)
    action = str(body.get("action") or "")
    if action not in _KEYS:
        raise InvalidInput("There is no such action.", field="action", remedy="Choose one of the menu.")
    made = ask_for_suggestions(
        action=action,
        instruction=str(body.get("instruction") or "").strip()[:2000],
        language=document.language,
        label=next(str(label) for key, label, _icon in ACTIONS if key == action),
        **common,
    )
    return JsonResponse({"answers": [_answer(row, actor) for row in made]}, status=202)


def _answer(row: Suggestion, actor: Actor) -> dict[str, str]:
    assert row.generation_id is not None  # noqa: S101
    return {
        "id": str(row.pk),
        "address": reverse("api-suggestion", args=[row.document_id, row.pk]),
        "events": stream_url(user_id=actor.user_id, generation_id=row.generation_id),
        "stop": reverse("content:stop", args=[row.generation_id]),
        "text": reverse("content:generation-text", args=[row.generation_id]),
    }


def _number(body: dict[str, object], name: str, default: int) -> int:
    value = body.get(name, default)
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value < 100_000:
        raise InvalidInput(f"{name} is no number.", field=name, remedy="Reload the page and try again.")
    return value


def offered(actor: Actor, document: Document) -> list[dict[str, Any]]:
    """The prompt actions of the document's workspace, as the menu and the dialog that asks for values need them."""
    return [
        {
            "id": str(row.pk),
            "name": row.name,
            "scope": row.current.scope,
            "asks": " ".join(asked_by(row.current.template)),
        }
        for row in offered_actions(actor, document.workspace)
        if row.current
    ]
