"""What a staging copy does itself, as a process of its own, and the mark by which a portal knows what it is."""

from __future__ import annotations

import os
from typing import Any

from django.conf import settings
from django.core.management import call_command
from django.db.models import F
from django.utils import timezone
from django.utils.module_loading import import_string

from aiwriter.core.errors import Conflict
from apps.backends.models import BackendProfile
from apps.backups.models import StagingMark
from apps.users.models import RoleGrant, User, Workspace
from apps.users.selectors.access import Actor
from apps.users.services.bootstrap import generate_password
from apps.users.services.people import create_user
from apps.users.services.roles import grant_role
from apps.users.services.workspaces import add_member

EMAIL = "admin@localhost"
UNMARKED = "This is a staging installation, and its database was not sanitised."
REMEDY = "Make a copy with `manage.py backup staging`, or start an empty portal."


def begin() -> dict[str, Any]:
    """An empty portal: tables, and the rows that every new portal has."""
    call_command("migrate", interactive=False, verbosity=0)
    call_command("createcachetable", verbosity=0)
    _product_rows()
    return {"ok": True}


def finish(*, sign_in: str) -> dict[str, Any]:
    """After the rows: what is made from other columns, the built-in backends, somebody who may sign in.

    Args:
        sign_in: file that gets the address and the password of the copy's administrator.
    """
    _product_rows()
    # The original may keep its files elsewhere; the copy has no other place than its own folder.
    tested = BackendProfile.objects.exclude(managed="").filter(last_test_ok=True, last_test_revision=F("revision"))
    tested.update(enabled=True)
    for path in settings.AFTER_STAGING:
        import_string(path)()
    actor = Actor.system_actor("staging")
    password = generate_password().reveal()
    person = create_user(actor=actor, email=EMAIL, full_name="Staging administrator", password=password)
    grant_role(actor=actor, user=person, role=RoleGrant.Role.ADMIN, reason="Staging copy")
    for room in Workspace.objects.filter(personal_of=None):
        add_member(actor=actor, workspace=room, user=person, role="editor")
    with os.fdopen(os.open(sign_in, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8") as file:
        file.write(f"e-mail    {EMAIL}\npassword  {password}\n")
    return {"ok": True, "people": User.objects.count()}


def mark(alias: str, *, set_name: str) -> None:
    """Say that the rows are sanitised; without it no staging installation starts on them.

    Args:
        alias: of the copy's database; this is the portal's own process, which starts in a moment what would take seconds.
        set_name: which set they are of.
    """
    StagingMark._base_manager.using(alias).create(set_name=set_name, version=settings.VERSION, made_at=timezone.now())


def refuse_unsanitised() -> None:
    """At every start: a staging installation runs on sanitised rows, or on none.

    Raises:
        Conflict: it is one, and the rows are an original's.
    """
    if settings.ENVIRONMENT != "staging" or StagingMark.objects.exists():
        return
    if User.objects.exists():
        raise Conflict(UNMARKED, remedy=REMEDY)
    # A portal that began empty as a staging installation holds nothing but what is typed into it there.
    StagingMark.objects.create(version=settings.VERSION)


def _product_rows() -> None:
    """Rows of the product but for the place for backups: the copy makes that, with a key of its own, when it starts."""
    for path in settings.BOOTSTRAP_STEPS:
        if not path.startswith("apps.backups."):
            import_string(path)()
