"""`manage.py prune`: apply the retention of a place's policy."""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from aiwriter.core.errors import Conflict
from apps.backups.management.backup_command import BackupCommand
from apps.backups.models import BackupRun
from apps.backups.selectors.destinations import chosen_destination
from apps.backups.services.retention import preview
from apps.backups.services.taking_back import remove_later_sets, removed_sets, take_back
from apps.backups.services.upkeep import start_upkeep
from apps.backups.services.working import carry_out


class Command(BackupCommand):
    """Removes sets that the policy lets go."""

    help = "Remove the backup sets that the policy lets go. --dry-run shows them with the reasons of the others."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Arguments."""
        super().add_arguments(parser)
        parser.add_argument("--destination", default="", help="name or id of the place; the first when left out")
        parser.add_argument("--removed", action="store_true", help="list removed sets that can be taken back")
        parser.add_argument("--take-back", default="", metavar="SET", help="take a removed set back, and pin it")
        parser.add_argument(
            "--later-than-now",
            action="store_true",
            help="remove sets that bear a time which has not come yet: a clock was wrong. They can be taken back",
        )
        parser.add_argument("--dry-run", action="store_true", help="only show what would go")

    def handle(self, *args: Any, **options: Any) -> None:
        """Show or do."""
        place = chosen_destination(actor=self.actor, named=options["destination"])
        if options["take_back"]:
            row = take_back(actor=self.actor, destination_id=place.pk, name=options["take_back"])
            if options["json"]:
                self.answer({"ok": True, "set": row.name})
            else:
                self.stdout.write(f"{row.name} is back, and pinned.")
            return
        if options["later_than_now"]:
            only_show = options["dry_run"]
            names = remove_later_sets(actor=self.actor, destination_id=place.pk, only_show=only_show)
            if options["json"]:
                self.answer({"ok": True, "would_go" if only_show else "removed": names})
            else:
                self.stdout.write("\n".join(names) or "No set bears a time that has not come yet.")
            return
        if options["removed"]:
            found = removed_sets(actor=self.actor, destination_id=place.pk)
            if options["json"]:
                self.answer({"ok": True, "sets": [{"set": each.name, "until": each.until} for each in found]})
            else:
                lines = [f"{each.name}  until {each.until:%Y-%m-%d %H:%M} UTC" for each in found]
                self.stdout.write("\n".join(lines) or "No removed set can be taken back.")
            return
        if options["dry_run"]:
            policy = place.policies.filter(enabled=True).first()
            if policy is None:
                raise Conflict("This place has no policy.", remedy="Make one in the console.")
            plan = preview(policy)
            if options["json"]:
                rows = [
                    {"set": each.row.name, "kept": each in plan.kept, "reasons": each.reasons} for each in plan.verdicts
                ]
                self.answer({"ok": True, "frozen": plan.frozen, "sets": rows})
                return
            for each in plan.verdicts:
                self.stdout.write(
                    f"{'keep' if each in plan.kept else 'GO  '}  {each.row.name}  {', '.join(each.reasons)}"
                )
            self.stdout.write(plan.frozen or f"{len(plan.going)} of {len(plan.verdicts)} would go.")
            return
        run = start_upkeep(actor=self.actor, destination_id=place.pk, action="prune", trigger="command", wake=False)
        done = carry_out("run", run.pk, echo=self.echo(options))
        self.ended(done, options, result=BackupRun.objects.get(pk=run.pk).result)
