"""A passage as a page shows it: the source's words with the quoted part marked."""

from __future__ import annotations

import re
import uuid
from dataclasses import dataclass

from django.urls import reverse

from aiwriter.core.errors import NotFound
from apps.content.selectors.sources import get_chunk
from apps.users.selectors.access import Actor


@dataclass(frozen=True, slots=True)
class ShownPassage:
    """What the panel beside a text says about one citation.

    Args:
        parts: the passage in pieces (text, is it the quoted part?).
        address: the place in the source; "" when the source is gone.
    """

    marker: str
    title: str
    locator: str
    parts: list[tuple[str, bool]]
    verified: bool | None
    reason: str
    quote: str
    address: str


def shown_passage(
    *,
    actor: Actor,
    marker: str,
    chunk_id: uuid.UUID | None,
    quote: str,
    verified: bool | None,
    title: str,
    locator: str,
    source_id: uuid.UUID | None,
    reason: str = "",
    text: str = "",
) -> ShownPassage:
    """Put a passage together for showing.

    Args:
        actor: who looks; a passage of a foreign workspace is not shown.
        marker: as in the text.
        chunk_id: the passage in the database, if it still stands there.
        quote: what the text claims to quote.
        verified: whether the quote stands in the passage; None while that is not known.
        title: the source's name at the time.
        locator: heading path and page.
        source_id: the source.
        reason: why it is not verified.
        text: a copy of the passage that is used when the original is gone.
    """
    address = ""
    if chunk_id is not None:
        try:
            chunk = get_chunk(actor=actor, chunk_id=chunk_id)
        except NotFound:
            pass
        else:
            text = text or chunk.text
            address = f"{reverse('content:source', args=[chunk.source_id])}?passage={chunk.pk}#passage"
    return ShownPassage(
        marker=marker,
        title=title,
        locator=locator,
        parts=split_at_quote(text, quote) if text else [(quote, True)],
        verified=verified,
        reason=reason,
        quote=quote,
        address=address,
    )


def split_at_quote(text: str, quote: str) -> list[tuple[str, bool]]:
    """Cut a passage before and after a quote, so that a template can mark it.

    Spaces, line ends, punctuation between words and capital letters may differ: a model quotes "the size of the
    window" where the file breaks the line. A quote that does not occur leaves the passage whole.

    Args:
        text: the passage.
        quote: words of it.

    Returns:
        pieces (text, is it the quote?) that give the passage when joined.
    """
    words = re.findall(r"\w+", quote)
    if not words:
        return [(text, False)]
    found = re.search(r"\W+".join(re.escape(word) for word in words), text, re.IGNORECASE)
    if found is None:
        return [(text, False)]
    start, end = found.span()
    pieces = [(text[:start], False), (text[start:end], True), (text[end:], False)]
    return [piece for piece in pieces if piece[0]]
