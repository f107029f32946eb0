"""Asking a model for suggestions: each candidate is a generation, and what it writes becomes changes to decide."""

from __future__ import annotations

import uuid

from django.db import transaction

from aiwriter.core.errors import InvalidInput
from aiwriter.core.ids import uuid7
from apps.content.models import Generation, Suggestion
from apps.content.selectors.documents import get_document
from apps.content.services.generation import start_generation
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
    document = get_document(actor=actor, document_id=document_id)
    require(actor, "content.suggest", workspace=document.workspace_id)
    require(actor, "content.generate", workspace=document.workspace_id)
    if not 1 <= candidates <= MAX_CANDIDATES:
        raise InvalidInput(f"{candidates} candidates.", field="candidates", remedy=f"Ask for 1 to {MAX_CANDIDATES}.")
    body = document.body_markdown
    start, quote = place_of(body, quote, occurrence, "quote") if quote else (0, body)
    if not quote.strip():
        raise InvalidInput("There is no text to change.", field="quote", remedy="Write or select something first.")
    if len(quote) > MAX_QUOTE:
        raise InvalidInput(
            f"The passage has {len(quote):,} characters.", field="quote", remedy="Select at most some 3,000 words."
        )
    brief = {"action": action, "text": quote, "instruction": instruction, "tone": tone, "title": document.title}
    brief["language"] = language or document.language
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
            suggestion, _ = Suggestion.objects.get_or_create(
                generation=generation,
                defaults={
                    "document": document,
                    "author": actor.user,
                    "group": group,
                    "candidate": number,
                    "label": (label or action)[:120],
                    "action": action,
                    "quote": quote,
                    "start": start,
                    "state": Suggestion.State.WRITING,
                },
            )
            made.append(suggestion)
    return made
