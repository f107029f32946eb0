"""The word index of documents: FTS5 on SQLite, a table with a tsvector and GIN on PostgreSQL.

Triggers write it in the transaction of the write itself, so a document is found as soon as it is saved and never after
it is gone, whichever part of the portal wrote it. Asking is in `apps.content.selectors.searching`.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from django.db import connections
from django.db.backends.base.base import BaseDatabaseWrapper

from apps.content.models import Document

_SQLITE = (
    # A whole number of its own for each document: hidden row ids of a table with a UUID key change with VACUUM.
    """CREATE TABLE IF NOT EXISTS content_document_word_row (
        id INTEGER PRIMARY KEY, document_id char(32) NOT NULL UNIQUE)""",
    """CREATE VIRTUAL TABLE IF NOT EXISTS content_document_word USING fts5(
        scope, title, body, content='', tokenize='porter unicode61')""",
    """CREATE TRIGGER IF NOT EXISTS content_document_word_insert AFTER INSERT ON content_document BEGIN
        INSERT INTO content_document_word_row (document_id) VALUES (new.id);
        INSERT INTO content_document_word (rowid, scope, title, body)
            SELECT id, new.workspace_id, new.title, new.body_markdown
            FROM content_document_word_row WHERE document_id = new.id;
    END""",
    """CREATE TRIGGER IF NOT EXISTS content_document_word_delete AFTER DELETE ON content_document BEGIN
        INSERT INTO content_document_word (content_document_word, rowid, scope, title, body)
            SELECT 'delete', id, old.workspace_id, old.title, old.body_markdown
            FROM content_document_word_row WHERE document_id = old.id;
        DELETE FROM content_document_word_row WHERE document_id = old.id;
    END""",
    # An UPDATE names every column even where only the time of change is new, so the values themselves are compared.
    """CREATE TRIGGER IF NOT EXISTS content_document_word_update
        AFTER UPDATE OF title, body_markdown, workspace_id ON content_document
        WHEN old.title IS NOT new.title OR old.body_markdown IS NOT new.body_markdown
            OR old.workspace_id <> new.workspace_id BEGIN
        INSERT INTO content_document_word (content_document_word, rowid, scope, title, body)
            SELECT 'delete', id, old.workspace_id, old.title, old.body_markdown
            FROM content_document_word_row WHERE document_id = old.id;
        INSERT INTO content_document_word (rowid, scope, title, body)
            SELECT id, new.workspace_id, new.title, new.body_markdown
            FROM content_document_word_row WHERE document_id = new.id;
    END""",
)
_TRIGGERS = ("content_document_word_insert", "content_document_word_delete", "content_document_word_update")
_SQLITE_FILL = (
    "INSERT INTO content_document_word (content_document_word) VALUES ('delete-all')",
    "DELETE FROM content_document_word_row",
    "INSERT INTO content_document_word_row (document_id) SELECT id FROM content_document",
    """INSERT INTO content_document_word (rowid, scope, title, body)
        SELECT r.id, d.workspace_id, d.title, d.body_markdown
        FROM content_document_word_row r JOIN content_document d ON d.id = r.document_id""",
)
_POSTGRESQL = (
    # A table beside the documents: with the vector in the document's own row each change of its time of change would
    # write the word index anew. No foreign key, since TRUNCATE refuses a table that one points to.
    """CREATE TABLE IF NOT EXISTS content_document_word (
        document_id uuid PRIMARY KEY, workspace_id uuid NOT NULL, vector tsvector NOT NULL)""",
    "CREATE INDEX IF NOT EXISTS content_document_word_vector ON content_document_word USING gin (vector)",
    # A vector holds at most 1 MiB. A text with more different words than that must be saved all the same: then its
    # first 250,000 characters can be found.
    """CREATE OR REPLACE FUNCTION content_document_words(title text, body text) RETURNS tsvector AS $$
    BEGIN
        RETURN setweight(to_tsvector('english'::regconfig, title), 'A')
            || setweight(to_tsvector('english'::regconfig, body), 'B');
    EXCEPTION WHEN program_limit_exceeded THEN
        RETURN setweight(to_tsvector('english'::regconfig, title), 'A')
            || setweight(strip(to_tsvector('english'::regconfig, left(body, 250000))), 'B');
    END $$ LANGUAGE plpgsql IMMUTABLE""",
    """CREATE OR REPLACE FUNCTION content_document_word_write() RETURNS trigger AS $$
    BEGIN
        IF TG_OP = 'DELETE' THEN
            DELETE FROM content_document_word WHERE document_id = OLD.id;
        ELSIF TG_OP = 'INSERT' OR OLD.title <> NEW.title OR OLD.body_markdown <> NEW.body_markdown
                OR OLD.workspace_id <> NEW.workspace_id THEN
            INSERT INTO content_document_word (document_id, workspace_id, vector)
                VALUES (NEW.id, NEW.workspace_id, content_document_words(NEW.title, NEW.body_markdown))
                ON CONFLICT (document_id) DO UPDATE
                SET workspace_id = EXCLUDED.workspace_id, vector = EXCLUDED.vector;
        END IF;
        RETURN NULL;
    END $$ LANGUAGE plpgsql""",
    """CREATE OR REPLACE TRIGGER content_document_word_write
        AFTER INSERT OR DELETE OR UPDATE OF title, body_markdown, workspace_id ON content_document
        FOR EACH ROW EXECUTE FUNCTION content_document_word_write()""",
)
_POSTGRESQL_FILL = (
    "TRUNCATE content_document_word",
    """INSERT INTO content_document_word (document_id, workspace_id, vector)
        SELECT id, workspace_id, content_document_words(title, body_markdown) FROM content_document""",
)


class WordVerification(NamedTuple):
    """Documents in the database and in the index."""

    ok: bool
    documents: int
    indexed: int


def install(schema_editor: Any) -> None:
    """For a migration: make the index on the migrated database and fill it with what is there."""
    _make(schema_editor.connection)


def remove(schema_editor: Any) -> None:
    """For a migration: take the index away."""
    connection = schema_editor.connection
    with connection.cursor() as cursor:
        if connection.vendor == "sqlite":
            for trigger in _TRIGGERS:
                cursor.execute(f"DROP TRIGGER IF EXISTS {trigger}")
            cursor.execute("DROP TABLE IF EXISTS content_document_word")
            cursor.execute("DROP TABLE IF EXISTS content_document_word_row")
        else:
            cursor.execute("DROP TRIGGER IF EXISTS content_document_word_write ON content_document")
            cursor.execute("DROP FUNCTION IF EXISTS content_document_word_write()")
            cursor.execute("DROP FUNCTION IF EXISTS content_document_words(text, text)")
            cursor.execute("DROP TABLE IF EXISTS content_document_word")


def ensure_document_words(sender: Any = None, *, using: str = "default", **_: Any) -> None:
    """After every migrate: make the index again if SQLite lost its triggers, as it does when a table is altered."""
    connection = connections[using]
    if connection.vendor != "sqlite":
        return
    with connection.cursor() as cursor:
        tables = connection.introspection.table_names(cursor)
        if Document._meta.db_table not in tables or "content_document_word_row" not in tables:
            return
        marks = ", ".join("%s" for _ in _TRIGGERS)
        cursor.execute(
            f"SELECT count(*) FROM sqlite_master WHERE type = 'trigger' AND name IN ({marks})",  # noqa: S608
            _TRIGGERS,
        )
        if cursor.fetchone()[0] == len(_TRIGGERS):
            return
    _make(connection)


def rebuild(*, using: str = "default") -> int:
    """Fill the index again from the documents. Returns how many it holds."""
    _make(connections[using])
    return verify(using=using).indexed


def verify(*, using: str = "default") -> WordVerification:
    """Compare the index with the documents."""
    connection = connections[using]
    table = "content_document_word_row" if connection.vendor == "sqlite" else "content_document_word"
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM content_document")
        documents = int(cursor.fetchone()[0])
        cursor.execute(f"SELECT count(*) FROM {table} w JOIN content_document d ON d.id = w.document_id")  # noqa: S608
        indexed = int(cursor.fetchone()[0])
    return WordVerification(documents == indexed, documents, indexed)


def _make(connection: BaseDatabaseWrapper) -> None:
    is_sqlite = connection.vendor == "sqlite"
    with connection.cursor() as cursor:
        for statement in (*_SQLITE, *_SQLITE_FILL) if is_sqlite else (*_POSTGRESQL, *_POSTGRESQL_FILL):
            cursor.execute(statement)
