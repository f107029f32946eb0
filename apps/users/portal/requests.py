"""What pages need from a request."""

from __future__ import annotations

from django.http import HttpRequest

from aiwriter.core.errors import NotFound
from apps.users.models import Workspace
from apps.users.selectors.access import current_workspace
from apps.users.selectors.callers import actor_of

WORKSPACE_KEY = "workspace"


def workspace_of(request: HttpRequest) -> Workspace:
    """The workspace that the person works in: the one opened last in this browser, else the first.

    Raises:
        NotFound: the person is in none.
    """
    actor = actor_of(request)
    chosen = request.session.get(WORKSPACE_KEY, "")
    try:
        return current_workspace(actor, chosen or None)
    except NotFound:
        if not chosen:
            raise
    # The membership has ended since: fall back to what is left.
    del request.session[WORKSPACE_KEY]
    return current_workspace(actor)
