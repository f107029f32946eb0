"""`manage.py create_user`: an account from the command line."""

from __future__ import annotations

import sys
from argparse import ArgumentParser
from typing import Any

from django.db import transaction

from aiwriter.core.errors import InvalidInput, NotFound
from apps.users.management.service_command import ServiceCommand
from apps.users.models import Workspace
from apps.users.models.capabilities import SYSTEM_ROLES, WORKSPACE_ROLES
from apps.users.selectors.access import Actor
from apps.users.services.bootstrap import generate_password
from apps.users.services.people import create_user
from apps.users.services.roles import grant_role
from apps.users.services.workspaces import add_member


class Command(ServiceCommand):
    """Makes an account with one role and prints its password once."""

    help = "Make an account. Prints a password unless one is given on standard input."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Arguments."""
        parser.add_argument("email")
        parser.add_argument("--name", default="", help="full name")
        parser.add_argument("--role", choices=[*WORKSPACE_ROLES, *SYSTEM_ROLES], help="what the person may do")
        parser.add_argument("--workspace", help="slug; needed for writer and editor")
        parser.add_argument("--password-stdin", action="store_true", help="read the password from standard input")

    def handle(self, *args: Any, **options: Any) -> None:
        """Make it, all or nothing."""
        actor = Actor.system_actor("command line")
        role, slug = options["role"], options["workspace"]
        if role in WORKSPACE_ROLES and not slug:
            raise InvalidInput(f"A {role} works in a workspace.", remedy="Add --workspace SLUG.")
        password = sys.stdin.readline().rstrip("\r\n") if options["password_stdin"] else generate_password().reveal()
        with transaction.atomic():
            user = create_user(actor=actor, email=options["email"], full_name=options["name"], password=password)
            if role in SYSTEM_ROLES:
                grant_role(actor=actor, user=user, role=role, reason="Made on the command line")
            elif slug:
                workspace = Workspace.objects.filter(slug=slug).first()
                if workspace is None:
                    known = ", ".join(Workspace.objects.values_list("slug", flat=True)[:20]) or "none yet"
                    raise NotFound(f"There is no workspace '{slug}'.", remedy=f"There are: {known}.")
                add_member(actor=actor, workspace=workspace, user=user, role=role or "writer")
        self.stdout.write(f"e-mail    {user.email}")
        if not options["password_stdin"]:
            self.stdout.write(f"password  {password}")
