"""What stands above the pages: for templates, as a context processor."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest

from apps.deployments.selectors.announcements import lines


def announcements(request: HttpRequest) -> dict[str, Any]:
    """`announcements`: a function, so that a page that shows none asks nothing. None leads to the page it stands on."""
    audience = "operators" if request.path.startswith("/admin/") else "users"
    return {"announcements": lambda: [each for each in lines(audience) if each.link.partition("#")[0] != request.path]}
