"""AI on a selection: the editor asks for a rewrite here, shows it, and puts it in itself when the writer accepts."""

from __future__ import annotations

import uuid

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.urls import reverse
from django.utils.translation import gettext_lazy as _
from django.views.decorators.http import require_POST

from aiwriter.core.errors import InvalidInput
from apps.content.markup import markdown
from apps.content.portal.requests import actor_of, answers_json, json_body, signed_in
from apps.content.selectors.documents import get_document
from apps.content.services.generation import start_generation
from apps.content.services.tickets import stream_url

# action of the service, words on the button, icon
ACTIONS = (
    ("shorten", _("Shorten"), "shorten"),
    ("expand", _("Expand"), "text"),
    ("fix", _("Fix spelling and grammar"), "check"),
    ("simplify", _("Simplify"), "spark"),
    ("formal", _("More formal"), "pen"),
    ("friendly", _("Friendlier"), "pen"),
    ("list", _("Turn into a list"), "list"),
    ("custom", _("Say what to change"), "quote"),
)
_KEYS = frozenset(key for key, _label, _icon in ACTIONS)
_LONGEST = 20_000


@require_POST
@signed_in
@answers_json
def start(request: HttpRequest, document_id: uuid.UUID) -> HttpResponse:
    """Have a selection rewritten.

    JSON in: `action`, `html` of the selection, `instruction` for "custom", `key` that makes a retry safe.
    JSON out: addresses to listen to, to stop at, and to fetch the finished HTML from.
    """
    actor, body = actor_of(request), json_body(request)
    document = get_document(actor=actor, document_id=document_id)
    action, text = str(body.get("action") or ""), markdown.to_markdown(str(body.get("html") or "")).strip()
    if action not in _KEYS:
        raise InvalidInput("There is no such action.", field="action", remedy="Choose one of the menu.")
    if not text:
        raise InvalidInput("Nothing is selected.", field="html", remedy="Select the text that should be changed.")
    if len(text) > _LONGEST:
        raise InvalidInput("The selection is too long for one rewrite.", remedy="Select at most some 3,000 words.")
    brief = {"action": action, "text": text, "language": document.language, "title": document.title}
    if action == "custom":
        brief["instruction"] = str(body.get("instruction") or "").strip()[:2000]
        if not brief["instruction"]:
            raise InvalidInput("Say what should be changed.", field="instruction")
    generation = start_generation(
        actor=actor,
        workspace=document.workspace,
        kind="rewrite",
        brief=brief,
        document_id=document.pk,
        source_ids=[],
        idempotency_key=str(body.get("key") or "")[:60],
    )
    return JsonResponse(
        {
            "id": str(generation.pk),
            "events": stream_url(user_id=actor.user_id, generation_id=generation.pk),
            "stop": reverse("content:stop", args=[generation.pk]),
            "text": reverse("content:generation-text", args=[generation.pk]),
        },
        status=202,
    )
