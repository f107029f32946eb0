"""A pytest plugin that plants one leak, named by the variable LEAK, so that the permission matrix can show that it finds it."""

from __future__ import annotations

import os
from typing import Any

import pytest


def _no_permission_check(patch: pytest.MonkeyPatch) -> None:
    """A service whose first line was forgotten."""
    from apps.backups.services import policies

    patch.setattr(policies, "require", lambda *args, **kwargs: None)


def _other_workspaces(patch: pytest.MonkeyPatch) -> None:
    """A list that is not narrowed to the actor's workspaces."""
    from apps.content.selectors import documents
    from apps.users.models import Workspace

    patch.setattr(documents, "workspaces_of", lambda actor: Workspace.objects.all())
    # With the permission asked for afterwards the first mistake alone leaks nothing.
    patch.setattr(documents, "require", lambda *args, **kwargs: None)


def _open_door(patch: pytest.MonkeyPatch) -> None:
    """An endpoint that forgot to ask who calls."""
    from rest_framework.response import Response

    from apps.users.api import tokens

    patch.setattr(tokens.TokenListView, "permission_classes", [])
    patch.setattr(tokens.TokenListView, "get", lambda self, request: Response({"data": []}))


def _console_page(patch: pytest.MonkeyPatch) -> None:
    """A page of the console that whoever is in the console sees."""
    from apps.users.admin.ledger import AuditEventAdmin
    from apps.users.models import AuditEvent
    from apps.users.services import ledger_reading

    patch.setattr(AuditEventAdmin, "has_view_permission", lambda self, request, obj=None: True)
    patch.setattr(ledger_reading, "read_events", lambda *, actor, wanted: AuditEvent.objects.all())


def _scopes(patch: pytest.MonkeyPatch) -> None:
    """Tokens that may do whatever their person may."""
    from apps.users.selectors import access

    def covered(actor: Any, capability: str) -> bool:
        return actor.user is not None and actor.user.is_active

    patch.setattr(access, "_is_covered", covered)


LEAKS = {
    "a service without its permission check": (_no_permission_check, "backups/policies"),
    "a list of all workspaces": (_other_workspaces, "v1/content"),
    "an endpoint without sign-in": (_open_door, "v1/tokens"),
    "a console page for everybody in the console": (_console_page, "auditevent"),
    "a token beyond its scopes": (_scopes, "v1/sources"),
}


@pytest.fixture(autouse=True)
def planted(monkeypatch: pytest.MonkeyPatch) -> None:
    """The leak, for each test."""
    LEAKS[os.environ["LEAK"]][0](monkeypatch)
