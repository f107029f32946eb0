"""Finding documents by their words, and the words in their place. The index: `retrieval/document_words.py`."""

from __future__ import annotations

import re
import uuid
from collections.abc import Collection, Sequence
from typing import NamedTuple

from django.db import connection
from django.db.models import QuerySet
from django.db.models.expressions import RawSQL
from django.db.models.functions import Substr

from apps.content.models import Document

_WORD = re.compile(r"\w+", re.UNICODE)
_MOST_WORDS = 16
# A list by relevance ends here: nobody reads on behind five hundred hits, and each page ranks anew.
MOST_RANKED = 500
_SNIPPET, _LEAD, _LOOKED_AT = 220, 60, 200_000
_ENDINGS = re.compile(r"(?:ingly|edly|ing|ies|ied|est|ers|er|ed|es|s|ly|e|y)$")
_MARKS = re.compile(r"[#*_`>|~\[\]]+|\]\([^)]*\)|\n+")


class Bit(NamedTuple):
    """A piece of a snippet; `hit` when it is one of the words looked for. Plain text, to be escaped."""

    text: str
    hit: bool


def query_words(query: str) -> list[str]:
    """The words of a question, in lower case, each once; at most 16."""
    return list(dict.fromkeys(word.lower() for word in _WORD.findall(query)))[:_MOST_WORDS]


def matching(words: Sequence[str], workspace_ids: Collection[uuid.UUID]) -> RawSQL:
    """For `pk__in`: documents that hold all the words, each as the beginning of a word.

    Args:
        words: of `query_words`; letters, digits and underscores only, so they carry no operators.
        workspace_ids: nothing outside them is looked at.
    """
    if connection.vendor == "sqlite":
        sql = (
            "SELECT r.document_id FROM content_document_word w "
            "JOIN content_document_word_row r ON r.id = w.rowid WHERE content_document_word MATCH %s"
        )
        return RawSQL(sql, [_match(words, workspace_ids)])  # noqa: S611  fixed text, values as parameters
    sql = (
        "SELECT document_id FROM content_document_word "
        "WHERE workspace_id = ANY(%s) AND vector @@ to_tsquery('english', %s)"
    )
    return RawSQL(sql, [list(workspace_ids), _query(words)])  # noqa: S611


def ranked(words: Sequence[str], workspace_ids: Collection[uuid.UUID]) -> list[uuid.UUID]:
    """The ids of the best matching documents, best first; a word in the title counts four times. At most 500."""
    if not words or not workspace_ids:
        return []
    with connection.cursor() as cursor:
        if connection.vendor == "sqlite":
            cursor.execute(
                "SELECT r.document_id FROM (SELECT rowid AS id, bm25(content_document_word, 0.0, 4.0, 1.0) AS score "
                "FROM content_document_word WHERE content_document_word MATCH %s ORDER BY score, rowid LIMIT %s) w "
                "JOIN content_document_word_row r ON r.id = w.id ORDER BY w.score, w.id",
                [_match(words, workspace_ids), MOST_RANKED],
            )
        else:
            cursor.execute(
                "SELECT document_id FROM content_document_word, to_tsquery('english', %s) AS query "
                "WHERE workspace_id = ANY(%s) AND vector @@ query "
                "ORDER BY ts_rank('{0.1, 0.2, 0.25, 1.0}', vector, query, 1) DESC, document_id LIMIT %s",
                [_query(words), list(workspace_ids), MOST_RANKED],
            )
        return [uuid.UUID(str(found)) for (found,) in cursor.fetchall()]


def _match(words: Sequence[str], workspace_ids: Collection[uuid.UUID]) -> str:
    # The workspace is a word of the index too, so that the work grows with the workspace and not with the portal.
    scope = " OR ".join(f'"{each.hex}"' for each in workspace_ids)
    wanted = " AND ".join(f'"{word}" *' for word in words)
    return f"scope : ({scope}) AND {{title body}} : ({wanted})"


def _query(words: Sequence[str]) -> str:
    return " & ".join(f"'{word}':*" for word in words)


def snippets(rows: QuerySet[Document], ids: Collection[uuid.UUID], words: Sequence[str]) -> dict[uuid.UUID, list[Bit]]:
    """For each document of a page the first place in its text where one of the words stands; none where none does.

    Args:
        rows: documents that the reader may see.
        ids: of the page.
        words: of `query_words`.
    """
    if not ids or not words:
        return {}
    found = rows.order_by().filter(pk__in=list(ids)).values_list("pk", Substr("body_markdown", 1, _LOOKED_AT))
    pattern = _pattern(words)
    bits = {pk: _snippet(body, pattern) for pk, body in found}
    return {pk: snippet for pk, snippet in bits.items() if snippet}


def highlighted(text: str, words: Sequence[str]) -> list[Bit]:
    """A whole short text, such as a title, with the words marked."""
    return _bits(text, _pattern(words)) if words else [Bit(text, hit=False)]


def _pattern(words: Sequence[str]) -> re.Pattern[str]:
    """Finds a word in the forms that the index takes for the same: "bridges" finds "bridge" and "bridging"."""
    stems = sorted({re.escape(_ENDINGS.sub("", word) if len(word) > 4 else word) for word in words}, key=len)
    return re.compile(rf"\b(?:{'|'.join(reversed(stems))})\w*", re.IGNORECASE)


def _snippet(body: str, pattern: re.Pattern[str]) -> list[Bit]:
    first = pattern.search(body)
    if first is None:
        return []
    start, end = max(0, first.start() - _LEAD), first.start() + _SNIPPET - _LEAD
    if start:
        # From the beginning of a word, unless that word is longer than what is shown before the hit.
        space = body.find(" ", start, first.start())
        start = space + 1 if space >= 0 else start
    if end < len(body):
        space = body.rfind(" ", first.end(), end)
        end = space if space >= 0 else max(end, first.end())
    text = " ".join(_MARKS.sub(" ", body[start:end]).split())
    return _bits(f"{'… ' if start else ''}{text}{' …' if end < len(body) else ''}", pattern)


def _bits(text: str, pattern: re.Pattern[str]) -> list[Bit]:
    bits, at = [], 0
    for found in pattern.finditer(text):
        if found.start() > at:
            bits.append(Bit(text[at : found.start()], hit=False))
        bits.append(Bit(found[0], hit=True))
        at = found.end()
    if at < len(text):
        bits.append(Bit(text[at:], hit=False))
    return bits
