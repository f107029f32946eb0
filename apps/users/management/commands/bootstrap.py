"""`manage.py bootstrap`: the rows that a portal starts with."""

from __future__ import annotations

import json
from argparse import ArgumentParser
from typing import Any

from django.conf import settings
from django.core.management import call_command
from django.utils.module_loading import import_string

from apps.users.management.service_command import ServiceCommand
from apps.users.services.bootstrap import DEFAULT_EMAIL, bootstrap_first_admin


class Command(ServiceCommand):
    """Makes the cache table, the default rows of every app and the first administrator. Safe to repeat."""

    help = "Make the cache table, default rows and, once, the first administrator with a password shown once."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Arguments."""
        parser.add_argument("--email", default=DEFAULT_EMAIL, help="address of the first administrator")
        parser.add_argument("--json", action="store_true", help="print one JSON object and nothing else")

    def handle(self, *args: Any, **options: Any) -> None:
        """Run the steps. The administrator comes last: nothing after it can fail and lose the password."""
        call_command("createcachetable", verbosity=0)
        # A step may return words for the person at the terminal, such as where the first key lies.
        notes = [said for name in settings.BOOTSTRAP_STEPS if isinstance(said := import_string(name)(), str) and said]
        made = bootstrap_first_admin(email=options["email"])
        if options["json"]:
            found: dict[str, Any] = {"email": made[0].email, "password": made[1].reveal()} if made else {}
            self.stdout.write(json.dumps({**found, **({"notes": notes} if notes else {})}))
            return
        for note in notes:
            self.stdout.write(note)
        if made:
            self.stdout.write("First sign-in, shown this once:")
            self.stdout.write(f"  address   {settings.PUBLIC_URL}/")
            self.stdout.write(f"  e-mail    {made[0].email}")
            self.stdout.write(f"  password  {made[1].reveal()}")
        else:
            self.stdout.write("Everything is in place already.")
