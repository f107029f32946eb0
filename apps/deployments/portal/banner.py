"""What stands above the pages: for templates, as a context processor."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest

from apps.deployments.selectors.announcements import lines


def announcements(request: HttpRequest) -> dict[str, Any]:
    """`announcements`: a function, so that a page that shows none asks nothing."""
    console = request.path.startswith("/admin/")
    return {"announcements": lambda: lines("operators" if console else "users")}
