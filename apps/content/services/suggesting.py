"""Asking a model for suggestions: each candidate is a generation, and what it writes becomes changes to decide."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from typing import Any

from django.db import transaction

from aiwriter.core.errors import Conflict, InvalidInput, NotFound
from aiwriter.core.ids import uuid7
from apps.content.models import Document, Generation, PromptAction, PromptActionVersion, Suggestion
from apps.content.selectors.documents import get_document
from apps.content.selectors.prompt_actions import prompt_actions_for
from apps.content.services.generation import start_generation
from apps.content.services.prompt_templates import around, fill, read_values
from apps.content.services.suggestions import place_of
from apps.users.selectors.access import Actor, require

MAX_QUOTE = 20_000
MAX_CANDIDATES = 4


def ask_for_suggestions(
    *,
    actor: Actor,
    document_id: uuid.UUID | str,
    action: str,
    quote: str = "",
    occurrence: int = 0,
    instruction: str = "",
    language: str = "",
    tone: str = "",
    candidates: int = 1,
    label: str = "",
    key: str = "",
) -> list[Suggestion]:
    """Have a passage rewritten; each candidate is a generation whose result becomes a suggestion.

    Args:
        actor: who asks.
        document_id: the document.
        action: one of `prompts.ACTIONS`.
        quote: the passage in Markdown, as it stands in the document; "" is the whole text.
        occurrence: which one, from 0, where the passage stands more than once.
        instruction, language, tone: what the action needs.
        candidates: 1 to 4 answers to choose from.
        label: words for the list; the action when left out.
        key: the same key gives the same suggestions again.

    Raises:
        NotFound, PermissionDenied: the document is not the actor's.
        InvalidInput: a value cannot be used.
        BudgetExceeded: the budget is used up.
    """
    document = _document(actor, document_id, candidates)
    start, quote = _passage(document, quote, occurrence)
    if action == "continue":
        start, quote = _blocks(document.body_markdown, start, quote)
    brief = {"action": action, "text": quote, "instruction": instruction, "tone": tone, "title": document.title}
    brief["language"] = language or document.language
    return _ask(
        actor,
        document,
        brief,
        candidates=candidates,
        key=key,
        label=(label or action)[:120],
        action=action,
        quote=quote,
        start=start,
        placement="after" if action == "continue" else "replace",
    )


def ask_with_prompt(
    *,
    actor: Actor,
    document_id: uuid.UUID | str,
    prompt_action: uuid.UUID | str,
    quote: str = "",
    occurrence: int = 0,
    variables: Mapping[str, object] | None = None,
    candidates: int = 1,
    label: str = "",
    key: str = "",
) -> list[Suggestion]:
    """Have a prompt action done with a passage, or with the whole text; each answer becomes a suggestion.

    Args:
        actor: who asks.
        document_id: the document.
        prompt_action: id or key of one that the document's workspace offers.
        quote, occurrence, candidates, key: as for `ask_for_suggestions`.
        variables: what the action asks for, by name.
        label: words for the list; the action's name when left out.

    Raises:
        NotFound, PermissionDenied: the document is not the actor's, or its workspace has no such action.
        Conflict: the action is switched off.
        InvalidInput: a variable is missing or unknown, or the action does not work on this.
        BudgetExceeded: the budget is used up.
    """
    document = _document(actor, document_id, candidates)
    action, version = _action(actor, document, prompt_action)
    if version.scope == PromptActionVersion.Scope.SELECTION and not quote:
        raise InvalidInput(
            f"“{action.name}” works on a selection.", field="quote", remedy="Select a passage of the text first."
        )
    if version.scope == PromptActionVersion.Scope.WHOLE and quote:
        raise InvalidInput(
            f"“{action.name}” works on the whole text.", field="quote", remedy="Leave the selection out."
        )
    values = read_values(version.template, variables or {})
    start, quote = _passage(document, quote, occurrence)
    given = {
        "selection": quote,
        "document": around(document.body_markdown, start, start + len(quote)),
        "title": document.title,
        "document_language": document.language,
    }
    prompt = fill(version.template, {**values, **given})
    brief = {"action": "prompt", "text": quote, "prompt": prompt, "language": values.get("language", "")}
    brief["language"] = brief["language"] or document.language
    if version.placement != PromptActionVersion.Placement.REPLACE:
        start, quote = _blocks(document.body_markdown, start, quote)
    return _ask(
        actor,
        document,
        brief,
        candidates=candidates,
        key=key,
        label=(label or action.name)[:120],
        action="prompt",
        prompt_version=version,
        quote=quote,
        start=start,
        placement=version.placement,
    )


# ---------------------------------------------------------------- inside
def _document(actor: Actor, document_id: uuid.UUID | str, candidates: int) -> Document:
    document = get_document(actor=actor, document_id=document_id)
    require(actor, "content.suggest", workspace=document.workspace_id)
    require(actor, "content.generate", workspace=document.workspace_id)
    if not 1 <= candidates <= MAX_CANDIDATES:
        raise InvalidInput(f"{candidates} candidates.", field="candidates", remedy=f"Ask for 1 to {MAX_CANDIDATES}.")
    return document


def _passage(document: Document, quote: str, occurrence: int) -> tuple[int, str]:
    body = document.body_markdown
    start, quote = place_of(body, quote, occurrence, "quote") if quote else (0, body)
    if not quote.strip():
        raise InvalidInput("There is no text to change.", field="quote", remedy="Write or select something first.")
    if len(quote) > MAX_QUOTE:
        raise InvalidInput(
            f"The passage has {len(quote):,} characters.", field="quote", remedy="Select at most some 3,000 words."
        )
    return start, quote


def _blocks(body: str, start: int, quote: str) -> tuple[int, str]:
    """The whole paragraphs that a passage stands in: a new paragraph goes before or after them, not into them."""
    first = body.rfind("\n\n", 0, start)
    last = body.find("\n\n", start + len(quote))
    first, last = 0 if first < 0 else first + 2, len(body.rstrip("\n")) if last < 0 else last
    return first, body[first : max(last, start + len(quote))]


def _action(actor: Actor, document: Document, named: uuid.UUID | str) -> tuple[PromptAction, PromptActionVersion]:
    rows = prompt_actions_for(actor, document.workspace)
    try:
        found = rows.filter(pk=uuid.UUID(str(named))).first()
    except ValueError:
        found = rows.filter(key=str(named)).first()
    if found is None or found.current is None:
        raise NotFound(
            "The workspace has no such AI action.",
            field="prompt_action",
            remedy="It may have been deleted or replaced; look at the list of AI actions.",
        )
    if not found.is_active:
        raise Conflict(f"“{found.name}” is switched off.", field="prompt_action", remedy="Choose another action.")
    return found, found.current


def _ask(
    actor: Actor, document: Document, brief: dict[str, Any], *, candidates: int, key: str, **fields: Any
) -> list[Suggestion]:
    group = uuid7()
    made: list[Suggestion] = []
    with transaction.atomic():
        for number in range(1, candidates + 1):
            generation = start_generation(
                actor=actor,
                workspace=document.workspace,
                kind=Generation.Kind.REWRITE,
                brief=brief,
                document_id=document.pk,
                source_ids=[],
                idempotency_key=f"{key}:{number}" if key else "",
            )
            state = Suggestion.State.WRITING
            common = {"document": document, "author": actor.user, "group": group, "candidate": number, "state": state}
            suggestion, _ = Suggestion.objects.get_or_create(generation=generation, defaults={**common, **fields})
            made.append(suggestion)
    return made
