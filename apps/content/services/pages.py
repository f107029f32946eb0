"""A page of the web that a wish is about, as passages for the model. Its address is where a quote of it leads."""

from __future__ import annotations

from aiwriter.core.errors import InvalidInput
from aiwriter.core.threads import in_thread
from aiwriter_sdk import Passage
from apps.content.markup.chunks import chunk_document
from apps.content.services.import_pages import read_page

MAX_PASSAGES = 40
_WORDS = 160


async def page_passages(url: str) -> list[Passage]:
    """Read a page through the guarded way out.

    Raises:
        AppError: it cannot be read, or there is no text on it.
    """
    title, text = await read_page(url)
    chunks = await in_thread(chunk_document, text, target_words=_WORDS)
    if not chunks:
        raise InvalidInput("There is no text on the page.", field="url", remedy="Add its text as a source instead.")
    passages = chunks[:MAX_PASSAGES]
    return [Passage(marker="", title=title, text=each.text, score=1.0, locator=url) for each in passages]
