"""`manage.py drill`: restore a set into a scratch place and use it."""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from apps.backups.management.backup_command import BackupCommand
from apps.backups.models import Drill
from apps.backups.selectors.destinations import chosen_destination
from apps.backups.services.drills import start_drill
from apps.backups.services.working import carry_out


class Command(BackupCommand):
    """Rehearses a restore in this process. Exit code 14 when it did not give what the set promises."""

    help = "Restore a set into a scratch place, compare it with its manifest, search in it, open a document; print RPO and RTO."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Arguments."""
        super().add_arguments(parser)
        parser.add_argument("--destination", default="", help="name or id of the place; the first when left out")
        parser.add_argument("--moment", default="", help="rehearse a restore to a moment: 2026-11-26T14:03:07, in UTC")
        parser.add_argument("--set", default="", help="which set; the newest when left out")

    def handle(self, *args: Any, **options: Any) -> None:
        """Rehearse, and say what was found."""
        place = chosen_destination(actor=self.actor, named=options["destination"])
        drill = start_drill(
            actor=self.actor,
            destination_id=place.pk,
            set_id=options["set"],
            moment=self.moment(options["moment"]),
            trigger="command",
            wake=False,
        )
        done = carry_out("drill", drill.pk, echo=self.echo(options))
        row = Drill.objects.get(pk=drill.pk)
        self.ended(
            done,
            options,
            set=row.set_name,
            phases=row.phases,
            findings=row.findings,
            rpo_seconds=row.rpo_seconds,
            rto_seconds=row.rto_seconds,
        )
