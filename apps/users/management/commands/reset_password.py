"""`manage.py reset_password`: the way back in."""

from __future__ import annotations

import sys
from argparse import ArgumentParser
from typing import Any

from aiwriter.core.errors import NotFound
from apps.users.management.service_command import ServiceCommand
from apps.users.models import User
from apps.users.selectors.access import Actor
from apps.users.services.bootstrap import generate_password
from apps.users.services.factors import reset_factors
from apps.users.services.people import reactivate_user, set_password


class Command(ServiceCommand):
    """Sets a new password, prints it once and ends the person's sessions."""

    help = "Set a new password for an account. Prints it unless one is given on standard input."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Arguments."""
        parser.add_argument("email")
        parser.add_argument("--password-stdin", action="store_true", help="read the password from standard input")
        parser.add_argument("--factors", action="store_true", help="also remove all second factors")
        parser.add_argument("--reactivate", action="store_true", help="also end a suspension")

    def handle(self, *args: Any, **options: Any) -> None:
        """Set it."""
        actor = Actor.system_actor("command line")
        email = options["email"].strip().lower()
        user = User.objects.filter(email=email).first()
        if user is None:
            raise NotFound(f"Nobody has an account with {email}.", remedy="manage.py create_user makes one.")
        password = sys.stdin.readline().rstrip("\r\n") if options["password_stdin"] else generate_password().reveal()
        set_password(actor=actor, user=user, password=password)
        if options["factors"]:
            reset_factors(actor=actor, user=user, reason="On the command line")
        if options["reactivate"]:
            reactivate_user(actor=actor, user=user, reason="On the command line")
        self.stdout.write(f"e-mail    {user.email}")
        if not options["password_stdin"]:
            self.stdout.write(f"password  {password}")
