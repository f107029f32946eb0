"""`manage.py verify`: are the backups what was written?"""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from apps.backups.management.backup_command import BackupCommand
from apps.backups.models import BackupRun
from apps.backups.selectors.destinations import chosen_destination
from apps.backups.services.upkeep import start_upkeep
from apps.backups.services.working import carry_out


class Command(BackupCommand):
    """Checks a repository in this process. Exit code 14 when something is damaged."""

    help = "Check a place for backups: every object there, every byte as written; --deep also decrypts every content."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Arguments."""
        super().add_arguments(parser)
        parser.add_argument("--destination", default="", help="name or id of the place; the first when left out")
        parser.add_argument("--deep", action="store_true", help="decrypt everything; needs the key on this machine")

    def handle(self, *args: Any, **options: Any) -> None:
        """Check, and say what was found."""
        place = chosen_destination(actor=self.actor, named=options["destination"])
        action = "deep" if options["deep"] else "verify"
        run = start_upkeep(actor=self.actor, destination_id=place.pk, action=action, trigger="command", wake=False)
        done = carry_out("run", run.pk, echo=self.echo(options))
        self.ended(done, options, result=BackupRun.objects.get(pk=run.pk).result)
