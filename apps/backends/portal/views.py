"""Downloads."""

from __future__ import annotations

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponseBase
from django.views.decorators.http import require_safe

from apps.backends.services.downloads import download
from apps.backends.services.filestore import file_of_link
from apps.users.selectors.callers import actor_of


@require_safe
@login_required
def file_link(request: HttpRequest, link_token: str) -> HttpResponseBase:
    """The file that a signed link leads to, for the person that it was made for."""
    actor = actor_of(request)
    return download(actor, file_of_link(actor, link_token), seen=request.headers.get("If-None-Match", ""))
