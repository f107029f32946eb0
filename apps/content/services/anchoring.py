"""Keeps comments at their words while the text changes. Called by every write of a text, under the document's lock."""

from __future__ import annotations

import uuid

from apps.content.markup import anchors
from apps.content.models import CommentThread


def carry_comments(document_id: uuid.UUID, before: str, after: str) -> None:
    """Move the passages of all threads along with a change of the text.

    A passage whose words are there no more keeps its last words: the thread is shown as having lost its place, and finds
    it again when the words come back, say by a restored version.

    Args:
        document_id: locked.
        before, after: the Markdown.
    """
    threads = CommentThread.objects.filter(document_id=document_id).exclude(quote="")
    changed = []
    for thread in threads.only("quote", "prefix", "suffix", "start"):
        place = _place(thread, before, after)
        if place is None:
            continue
        start, end = place
        thread.start, thread.quote = start, after[start:end]
        thread.prefix, thread.suffix = anchors.context(after, start, end)
        changed.append(thread)
    CommentThread.objects.bulk_update(changed, ["start", "quote", "prefix", "suffix"], batch_size=100)


def place_of(thread: CommentThread, body: str) -> int | None:
    """Where a thread's passage begins in a text; None when it is not there, or the thread is about the whole."""
    if not thread.quote:
        return None
    if body[thread.start : thread.start + len(thread.quote)] == thread.quote:
        return thread.start
    return anchors.locate(body, thread.quote, prefix=thread.prefix, suffix=thread.suffix, start=thread.start)


def _place(thread: CommentThread, before: str, after: str) -> tuple[int, int] | None:
    start = place_of(thread, before)
    if start is not None:
        found = anchors.moved(before, after, start, start + len(thread.quote))
        if found and after[found[0] : found[1]].strip():
            return found
    again = anchors.locate(after, thread.quote, prefix=thread.prefix, suffix=thread.suffix, start=thread.start)
    return None if again is None else (again, again + len(thread.quote))
