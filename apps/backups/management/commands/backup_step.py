"""`manage.py backup_step`: a step that runs as the restored portal. Not for people."""

from __future__ import annotations

import json
from argparse import ArgumentParser
from typing import Any

from django.core.management import call_command

from apps.backups.services import probes, rebuilding
from apps.backups.services.staging import steps
from apps.users.management.service_command import ServiceCommand


class Command(ServiceCommand):
    """Does one step and prints a JSON object."""

    help = "Do one step of a drill, a restore or a rebuild within the restored portal. The portal itself calls this."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Arguments."""
        parser.add_argument("step", choices=["probe", "migrate", "finish", "staging-begin", "staging-finish"])
        parser.add_argument("--repository", default="", help="with finish: the repository's folder")
        parser.add_argument("--key-file", default="", help="with finish: file with the key")
        parser.add_argument("--moment", default="", help="with finish: the moment that was restored")
        parser.add_argument("--set", default="", help="with finish: the set")
        parser.add_argument("--sign-in", default="", help="with staging-finish: file for the administrator's password")

    def handle(self, *args: Any, **options: Any) -> None:
        """Do it."""
        found: dict[str, Any]
        if options["step"] == "probe":
            found = {"findings": probes.probe()}
        elif options["step"] == "migrate":
            call_command("migrate", interactive=False, verbosity=0)
            found = {"ok": True}
        elif options["step"] == "staging-begin":
            found = steps.begin()
        elif options["step"] == "staging-finish":
            found = steps.finish(sign_in=options["sign_in"])
        else:
            found = rebuilding.finish(
                repository=options["repository"],
                key_file=options["key_file"],
                set_name=options["set"],
                moment=options["moment"],
            )
        self.stdout.write(json.dumps(found))
