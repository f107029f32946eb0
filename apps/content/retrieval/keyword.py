"""The keyword index: FTS5 on SQLite, a tsvector with GIN on PostgreSQL. The database keeps both up to date by itself.

On SQLite the index is contentless and is filled by triggers on the passages: bulk inserts, cascading deletes and
restored rows all pass through them. A small table gives each passage a whole number that stays the same when the
database is vacuumed, which the hidden row ids of a table with a UUID key do not. On PostgreSQL a generated column does
the same without triggers. Scores are BM25 and `ts_rank(…, 1)`; both lists are best first.
"""

from __future__ import annotations

import re
import uuid
from collections.abc import Collection
from typing import Any, NamedTuple

from django.db import connections
from django.db.backends.base.base import BaseDatabaseWrapper

from apps.content.models import SourceChunk

_WORD = re.compile(r"\w+", re.UNICODE)
_MOST_WORDS = 32
STOP_WORDS = frozenset(
    _WORD.findall(
        "a about after all also am an and any are as at be because been before being between both but by can could did do "
        "does doing each for from further had has have having he her here hers him his how i if in into is it its itself "
        "just me more most my no nor not now of off on once only or other our out over own same she should so some such "
        "than that the their them then there these they this those through to too under until up very was we were what "
        "when where which while who whom why will with would you your"
    )
)

_SQLITE = (
    """CREATE TABLE IF NOT EXISTS content_keyword_row (
        id INTEGER PRIMARY KEY, chunk_id char(32) NOT NULL UNIQUE, source_id char(32) NOT NULL,
        workspace_id char(32) NOT NULL)""",
    """CREATE VIRTUAL TABLE IF NOT EXISTS content_keyword USING fts5(
        scope, heading, body, content='', tokenize='porter unicode61')""",
    """CREATE TRIGGER IF NOT EXISTS content_keyword_insert AFTER INSERT ON content_sourcechunk BEGIN
        INSERT INTO content_keyword_row (chunk_id, source_id, workspace_id)
            VALUES (new.id, new.source_id, new.workspace_id);
        INSERT INTO content_keyword (rowid, scope, heading, body)
            SELECT id, new.workspace_id, new.heading_path, new.text FROM content_keyword_row WHERE chunk_id = new.id;
    END""",
    """CREATE TRIGGER IF NOT EXISTS content_keyword_delete AFTER DELETE ON content_sourcechunk BEGIN
        INSERT INTO content_keyword (content_keyword, rowid, scope, heading, body)
            SELECT 'delete', id, old.workspace_id, old.heading_path, old.text
            FROM content_keyword_row WHERE chunk_id = old.id;
        DELETE FROM content_keyword_row WHERE chunk_id = old.id;
    END""",
    """CREATE TRIGGER IF NOT EXISTS content_keyword_update
        AFTER UPDATE OF text, heading_path, workspace_id ON content_sourcechunk BEGIN
        INSERT INTO content_keyword (content_keyword, rowid, scope, heading, body)
            SELECT 'delete', id, old.workspace_id, old.heading_path, old.text
            FROM content_keyword_row WHERE chunk_id = old.id;
        UPDATE content_keyword_row SET workspace_id = new.workspace_id WHERE chunk_id = old.id;
        INSERT INTO content_keyword (rowid, scope, heading, body)
            SELECT id, new.workspace_id, new.heading_path, new.text FROM content_keyword_row WHERE chunk_id = new.id;
    END""",
)
_SQLITE_TRIGGERS = ("content_keyword_insert", "content_keyword_delete", "content_keyword_update")
_SQLITE_FILL = (
    "INSERT INTO content_keyword (content_keyword) VALUES ('delete-all')",
    "DELETE FROM content_keyword_row",
    """INSERT INTO content_keyword_row (chunk_id, source_id, workspace_id)
        SELECT id, source_id, workspace_id FROM content_sourcechunk""",
    """INSERT INTO content_keyword (rowid, scope, heading, body)
        SELECT r.id, c.workspace_id, c.heading_path, c.text
        FROM content_keyword_row r JOIN content_sourcechunk c ON c.id = r.chunk_id""",
)
_POSTGRESQL = (
    """ALTER TABLE content_sourcechunk ADD COLUMN IF NOT EXISTS search_vector tsvector GENERATED ALWAYS AS (
        setweight(to_tsvector('english'::regconfig, heading_path), 'A') ||
        setweight(to_tsvector('english'::regconfig, text), 'B')) STORED""",
    """CREATE INDEX IF NOT EXISTS content_chunk_search_vector ON content_sourcechunk USING gin (search_vector)""",
)


class KeywordHit(NamedTuple):
    """A passage and its keyword score; higher is better, comparable within one answer only."""

    chunk_id: uuid.UUID
    score: float


class KeywordVerification(NamedTuple):
    """Passages in the database and in the index; `note` says what to do when they differ."""

    ok: bool
    chunks: int
    indexed: int
    note: str = ""


def install_keyword_index(schema_editor: Any) -> None:
    """For a migration: make the index on the migrated database and fill it with what is there."""
    _install(schema_editor.connection)


def remove_keyword_index(schema_editor: Any) -> None:
    """For a migration: take the index away."""
    connection = schema_editor.connection
    with connection.cursor() as cursor:
        if connection.vendor == "sqlite":
            for trigger in _SQLITE_TRIGGERS:
                cursor.execute(f"DROP TRIGGER IF EXISTS {trigger}")
            cursor.execute("DROP TABLE IF EXISTS content_keyword")
            cursor.execute("DROP TABLE IF EXISTS content_keyword_row")
        else:
            cursor.execute("ALTER TABLE content_sourcechunk DROP COLUMN IF EXISTS search_vector")


def ensure_keyword_index(sender: Any = None, *, using: str = "default", **_: Any) -> None:
    """After every migrate: make the index again if it is gone.

    Django alters a SQLite table by making a new one and dropping the old, and SQLite drops its triggers with it.
    """
    connection = connections[using]
    with connection.cursor() as cursor:
        if SourceChunk._meta.db_table not in connection.introspection.table_names(cursor):
            return
        if connection.vendor == "sqlite":
            marks = ", ".join("%s" for _ in _SQLITE_TRIGGERS)
            cursor.execute(
                f"SELECT count(*) FROM sqlite_master WHERE type = 'trigger' AND name IN ({marks})",  # noqa: S608
                _SQLITE_TRIGGERS,
            )
            if cursor.fetchone()[0] == len(_SQLITE_TRIGGERS):
                return
    _install(connection)


def _install(connection: BaseDatabaseWrapper) -> None:
    with connection.cursor() as cursor:
        for statement in _SQLITE if connection.vendor == "sqlite" else _POSTGRESQL:
            cursor.execute(statement)
        if connection.vendor == "sqlite":
            for statement in _SQLITE_FILL:
                cursor.execute(statement)


def rebuild(*, using: str = "default") -> int:
    """Fill the index again from the passages. Returns how many it holds."""
    connection = connections[using]
    _install(connection)
    if connection.vendor != "sqlite":
        with connection.cursor() as cursor:
            cursor.execute("REINDEX INDEX content_chunk_search_vector")
    return verify(using=using).indexed


def verify(*, using: str = "default") -> KeywordVerification:
    """Compare the index with the passages."""
    connection = connections[using]
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM content_sourcechunk")
        chunks = int(cursor.fetchone()[0])
        if connection.vendor == "sqlite":
            cursor.execute("SELECT count(*) FROM content_keyword_row r JOIN content_sourcechunk c ON c.id = r.chunk_id")
        else:
            cursor.execute("SELECT count(search_vector) FROM content_sourcechunk")
        indexed = int(cursor.fetchone()[0])
    ok = chunks == indexed
    return KeywordVerification(ok, chunks, indexed, "" if ok else "Rebuild the keyword index.")


def query_words(query: str) -> list[str]:
    """The words of a question that are worth looking for, in lower case, each once."""
    words = list(dict.fromkeys(word.lower() for word in _WORD.findall(query)))
    telling = [word for word in words if word not in STOP_WORDS and (len(word) > 1 or word.isdigit())]
    return (telling or words)[:_MOST_WORDS]


def search(
    *,
    workspace_id: uuid.UUID,
    query: str,
    limit: int,
    source_ids: Collection[uuid.UUID] | None = None,
    using: str = "default",
) -> list[KeywordHit]:
    """Passages that hold any of the words, best first.

    Args:
        workspace_id: nothing outside it is found.
        query: free text; it cannot contain operators.
        limit: how many.
        source_ids: only in these sources.
    """
    words = query_words(query)
    if not words or (source_ids is not None and not source_ids):
        return []
    connection = connections[using]
    if connection.vendor == "sqlite":
        return _search_sqlite(connection, workspace_id, words, limit, source_ids)
    return _search_postgresql(connection, workspace_id, words, limit, source_ids)


def _search_sqlite(
    connection: BaseDatabaseWrapper,
    workspace_id: uuid.UUID,
    words: list[str],
    limit: int,
    source_ids: Collection[uuid.UUID] | None,
) -> list[KeywordHit]:
    wanted = " OR ".join(f'"{word}"' for word in words)
    # The workspace is a word of the index too, so that the work grows with the workspace and not with the portal.
    match = f'scope : "{workspace_id.hex}" AND {{heading body}} : ({wanted})'
    best = "bm25(content_keyword, 0.0, 1.0, 1.0)"
    if source_ids is None:
        # The rows are looked up for the best passages only, not for every passage that holds one of the words.
        sql = (
            "SELECT r.chunk_id, k.score FROM "  # noqa: S608
            f"(SELECT rowid AS id, {best} AS score FROM content_keyword WHERE content_keyword MATCH %s "
            "ORDER BY score, rowid LIMIT %s) k "
            "JOIN content_keyword_row r ON r.id = k.id WHERE r.workspace_id = %s ORDER BY k.score, k.id"
        )
        parameters: list[Any] = [match, limit, workspace_id.hex]
    else:
        marks = ", ".join("%s" for _ in source_ids)
        sql = (
            f"SELECT r.chunk_id, {best} AS score FROM content_keyword "  # noqa: S608
            "JOIN content_keyword_row r ON r.id = content_keyword.rowid "
            f"WHERE content_keyword MATCH %s AND r.workspace_id = %s AND r.source_id IN ({marks}) "
            "ORDER BY score, r.id LIMIT %s"
        )
        parameters = [match, workspace_id.hex, *(source_id.hex for source_id in source_ids), limit]
    with connection.cursor() as cursor:
        cursor.execute(sql, parameters)
        return [KeywordHit(uuid.UUID(chunk_id), -score) for chunk_id, score in cursor.fetchall()]


def _search_postgresql(
    connection: BaseDatabaseWrapper,
    workspace_id: uuid.UUID,
    words: list[str],
    limit: int,
    source_ids: Collection[uuid.UUID] | None,
) -> list[KeywordHit]:
    # Words hold letters, digits and underscores only, so the quotes cannot be closed from inside.
    wanted = " | ".join(f"'{word}'" for word in words)
    parameters: list[Any] = [wanted, workspace_id]
    where = ""
    if source_ids is not None:
        where = " AND source_id = ANY(%s)"
        parameters.append(list(source_ids))
    with connection.cursor() as cursor:
        cursor.execute(
            # ts_rank, not ts_rank_cd: the latter wants the words near each other, and put half of the right passages of
            # a question set out of sight. Headings count as much as text (MRR 0.67; at the default weights 0.60), and 1
            # divides by the logarithm of the length.
            "SELECT id, ts_rank('{0.1, 0.2, 1.0, 1.0}', search_vector, query, 1) AS score "  # noqa: S608
            "FROM content_sourcechunk, to_tsquery('english', %s) AS query "
            f"WHERE search_vector @@ query AND workspace_id = %s{where} ORDER BY score DESC, id LIMIT %s",
            [*parameters, limit],
        )
        return [KeywordHit(chunk_id, float(score)) for chunk_id, score in cursor.fetchall()]
