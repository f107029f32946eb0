"""`manage.py maintenance`: close the portal, open it, and decide on what a restore holds back."""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from apps.backups.management.backup_command import BackupCommand
from apps.backups.selectors.pauses import pause_for, waiting_for
from apps.backups.services import pauses


class Command(BackupCommand):
    """Maintenance and the hold."""

    help = """on: people see a page that says so, programs get 503, workers take no jobs. off: open it again. status: how it is.
arm: let go what a restore holds back. discard: throw that away."""

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Arguments."""
        super().add_arguments(parser)
        parser.add_argument("action", nargs="?", default="status", choices=["status", "on", "off", "arm", "discard"])
        parser.add_argument("--message", default="", help="with on: what people read")

    def handle(self, *args: Any, **options: Any) -> None:
        """Do it, then say how it is."""
        action = options["action"]
        if action == "on":
            pauses.begin_maintenance(actor=self.actor, message=options["message"])
        elif action == "off":
            pauses.end_maintenance(actor=self.actor)
        elif action in ("arm", "discard"):
            pauses.arm_outside(actor=self.actor, discard=action == "discard")
        row = pause_for(self.actor)
        waiting = {each.kind: each.count for each in waiting_for(self.actor)}
        if options["json"]:
            self.answer({"ok": True, "maintenance": row.maintenance, "held": row.outside, "waiting": waiting})
            return
        self.stdout.write("The portal is closed for maintenance." if row.maintenance else "The portal is open.")
        counts = ", ".join(f"{count} {kind}" for kind, count in waiting.items() if count) or "nothing"
        self.stdout.write(f"{'Held back' if row.outside else 'Waiting to go outside'}: {counts}.")
