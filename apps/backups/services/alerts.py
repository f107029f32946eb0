"""Telling the people who operate the portal."""

from __future__ import annotations

from apps.users.services import notifications


def tell_operators(kind: str, title: str, body: str = "", link: str = "/admin/backups/backupset/") -> None:
    """Leave a message for every operator and administrator.

    Args:
        kind: "backup.failed", "backup.recovered" …
        title: one line.
        body: what is wrong and what to do.
        link: the page that says more.
    """
    notifications.tell_operators(kind, title, body, link)
