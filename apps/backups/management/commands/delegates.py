"""`manage.py delegates`: backups that another tool makes, watched and tried."""

from __future__ import annotations

import sys
from argparse import ArgumentParser
from typing import Any

from aiwriter.core.errors import NotFound
from apps.backups.management.backup_command import BackupCommand
from apps.backups.models import Delegate, Drill
from apps.backups.selectors.delegates import delegates_for
from apps.backups.services import delegate_drills, delegates
from apps.backups.services.working import carry_out

_BAD = 14


class Command(BackupCommand):
    """Watches and tries backups of pgBackRest, Barman and CloudNativePG."""

    help = f"""Backups that pgBackRest, Barman or CloudNativePG make. look: ask all of them now; exit code {_BAD} when one is overdue or
failed. add: watch one more. drill: restore the newest backup of one into a scratch folder, start it, read every row. remove: watch one no longer."""

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Arguments."""
        super().add_arguments(parser)
        parser.add_argument("action", nargs="?", default="look", choices=["look", "add", "drill", "remove"])
        parser.add_argument("name", nargs="?", default="", help="what people read")
        parser.add_argument("--tool", choices=Delegate.Tool.values, default=Delegate.Tool.PGBACKREST)
        parser.add_argument("--source", default="", help="with add: the stanza, server or cluster")
        parser.add_argument(
            "--config", default="", help="with add: the tool's configuration file, or where the list is"
        )
        parser.add_argument("--token-ref", default="", help="with add: env:AIWRITER_SECRET_… or file:… of a token")
        parser.add_argument("--max-age-hours", type=int, default=26, help="with add: the newest backup may be so old")
        parser.add_argument("--drill-days", type=int, default=0, help="with add: days between drills; 0 for none")

    def handle(self, *args: Any, **options: Any) -> None:
        """Do what was asked."""
        getattr(self, f"_{options['action']}")(options)

    def _look(self, options: dict[str, Any]) -> None:
        rows = [delegates.look_now(actor=self.actor, delegate_id=row.pk) for row in delegates_for(self.actor)]
        bad = [row for row in rows if row.enabled and row.state != Delegate.State.OK]
        if options["json"]:
            names = ("name", "tool", "state", "problem", "remedy", "newest_at", "since", "sets")
            self.answer({"ok": not bad, "delegates": [{name: getattr(row, name) for name in names} for row in rows]})
        for row in rows if not options["json"] else ():
            newest = f"newest {row.newest_at:%Y-%m-%d %H:%M}" if row.newest_at else "none"
            self.stdout.write(f"{row.name}  {row.tool}  {row.state}  {newest}  {row.problem} {row.remedy}".rstrip())
        if bad:
            sys.exit(_BAD)

    def _add(self, options: dict[str, Any]) -> None:
        names = ("name", "tool", "source", "config", "token_ref", "max_age_hours", "drill_days")
        row = delegates.create_delegate(actor=self.actor, **{name: options[name] for name in names})
        self._said(options, row, f"{row.name} is watched.")

    def _remove(self, options: dict[str, Any]) -> None:
        row = self._named(options["name"])
        self._said(options, row, f"{row.name} is watched no longer.")
        delegates.delete_delegate(actor=self.actor, delegate_id=row.pk)

    def _drill(self, options: dict[str, Any]) -> None:
        row = self._named(options["name"])
        drill = delegate_drills.start_drill(actor=self.actor, delegate_id=row.pk, trigger="command", wake=False)
        done = carry_out("drill", drill.pk, echo=self.echo(options))
        found = Drill.objects.get(pk=drill.pk)
        self.ended(
            done,
            options,
            set=found.set_name,
            phases=found.phases,
            findings=found.findings,
            rpo_seconds=found.rpo_seconds,
            rto_seconds=found.rto_seconds,
        )

    def _named(self, name: str) -> Delegate:
        rows = delegates_for(self.actor)
        found = rows.filter(name__iexact=name).first() if name else rows.first()
        if found is None:
            raise NotFound("There are no such backups of another tool.", field="name", remedy="Add them first.")
        return found

    def _said(self, options: dict[str, Any], row: Delegate, text: str) -> None:
        if options["json"]:
            self.answer({"ok": True, "id": row.pk, "name": row.name})
        else:
            self.stdout.write(text)
