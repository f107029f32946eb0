"""Where things stand in a set."""

from __future__ import annotations

PORTAL, SECRETS = "configuration/portal.json", "configuration/secrets.json"
DATABASE = {"sqlite": "database/aiwriter.sqlite3", "postgresql": "database/dump.sql"}


def file_entry(sha256: str) -> str:
    """Where a content of the file store stands."""
    return f"files/{sha256[:2]}/{sha256}"
