"""`manage.py restore`: bring something back, or rebuild a portal on an empty machine."""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from aiwriter.core.errors import Conflict, InvalidInput
from apps.backups.management.backup_command import BackupCommand
from apps.backups.models import Restore
from apps.backups.selectors.destinations import chosen_destination
from apps.backups.selectors.sets import newest_set, restores_for
from apps.backups.services.moment_restore import hand_over_server
from apps.backups.services.moments import overview
from apps.backups.services.rebuilding import rebuild
from apps.backups.services.restores import CONFIRM, plan_restore, start_restore, undo_restore
from apps.backups.services.working import carry_out


class Command(BackupCommand):
    """Plans, and with --yes carries out, in this process."""

    help = """system | database: the whole, or the database, of a set into this portal.
workspace ID | document ID | file ID: one of them, with all that belongs to it. copy ID: a workspace as another one beside it.
rebuild: a portal on an empty machine, with --repo and --key. undo ID: the database that was there before a restore.
moments: which moments can be brought back; --moment brings system, database or rebuild to one. server: with --moment and --into, the
data directory of a PostgreSQL server as it was then, for an administrator. Without --yes only the plan is shown."""

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Arguments."""
        super().add_arguments(parser)
        parser.add_argument(
            "what",
            choices=[
                "system",
                "database",
                "workspace",
                "copy",
                "document",
                "file",
                "rebuild",
                "undo",
                "list",
                "moments",
                "server",
            ],
        )
        parser.add_argument("subject", nargs="?", default="", help="id of the workspace, document, file or restore")
        parser.add_argument("--set", default="", help="which set; the newest when left out")
        parser.add_argument("--moment", default="", help="a moment instead of a set: 2026-11-26T14:03:07, in UTC")
        parser.add_argument("--destination", default="", help="name or id of the place; the first when left out")
        parser.add_argument("--key", default="", help="the key, or a file that holds it; the stored one when left out")
        parser.add_argument("--repo", default="", help="with rebuild: the repository's folder, or s3://bucket/prefix")
        parser.add_argument("--into", default="", help="with server: an empty folder")
        parser.add_argument("--yes", action="store_true", help="carry the plan out")

    def handle(self, *args: Any, **options: Any) -> None:
        """Do what was asked."""
        what = options["what"]
        if what == "rebuild":
            self._rebuild(options)
        elif what == "undo":
            done = undo_restore(actor=self.actor, restore_id=options["subject"])
            self._said(options, {"ok": True, "id": done.pk, "state": done.state}, "The database of before is back.")
        elif what == "list":
            rows = list(restores_for(self.actor).values("id", "scope", "state", "set_name", "created_at", "undo_until"))
            lines = [f"{row['id']}  {row['scope']:<9} {row['state']:<10} {row['set_name']}" for row in rows]
            self._said(options, {"ok": True, "restores": rows}, "\n".join(lines) or "There was no restore.")
        elif what == "moments":
            self._moments(options)
        elif what == "server":
            self._server(options)
        else:
            self._restore(options)

    def _restore(self, options: dict[str, Any]) -> None:
        place = chosen_destination(actor=self.actor, named=options["destination"])
        newest = newest_set(place.mirror_of or place)
        moment = self.moment(options["moment"])
        if not options["set"] and newest is None:
            raise Conflict("There is no set that could be restored.", remedy="Make a backup first.")
        restore = plan_restore(
            actor=self.actor,
            set_id=options["set"] or ("" if moment else str(newest.pk if newest else "")),
            moment=moment,
            destination_id=place.pk if moment and options["destination"] else None,
            scope=options["what"],
            subject=options["subject"],
            identity=self.key(options["key"]),
            trigger="command",
        )
        if not options["yes"]:
            self._said(options, {"ok": True, "id": restore.pk, "plan": restore.plan}, self._words(restore.plan))
            return
        start_restore(actor=self.actor, restore_id=restore.pk, confirm=CONFIRM.get(restore.scope, ""), wake=False)
        done = carry_out("restore", restore.pk, echo=self.echo(options))
        self.ended(done, options, result=Restore.objects.get(pk=restore.pk).result, set=restore.set_name)

    def _moments(self, options: dict[str, Any]) -> None:
        found = overview(actor=self.actor, destination_id=options["destination"])
        lines = [f"{span['since']}  to  {span['until']}" for span in found["spans"]]
        self._said(options, {"ok": True, **found}, "\n".join([found["headline"], *lines]))

    def _server(self, options: dict[str, Any]) -> None:
        moment = self.moment(options["moment"])
        if moment is None or not options["into"]:
            raise InvalidInput(
                "A server needs a moment and a folder.",
                field="into",
                remedy="restore server --moment 2026-11-26T14:03:07 --into /empty/folder",
            )
        found = hand_over_server(
            actor=self.actor,
            moment=moment,
            into=options["into"],
            destination=options["destination"],
            identity=self.key(options["key"]),
            say=(lambda _text: None) if options["json"] else self.stdout.write,
        )
        words = f"The data directory is in {found['data']}. Start it with: {found['start']}"
        self._said(
            options, {"ok": True, **found}, f"{words}\nIt stops at the moment; then run: SELECT pg_wal_replay_resume()"
        )

    def _rebuild(self, options: dict[str, Any]) -> None:
        if not options["repo"] or not options["key"]:
            raise InvalidInput(
                "A rebuild needs the repository and the key.",
                field="repo",
                remedy="make rebuild REPO=/path/to/repository KEY=/path/to/key",
            )
        quiet = (lambda _text: None) if options["json"] else self.stdout.write
        found = rebuild(
            repository=options["repo"],
            key=self.key(options["key"]),
            set_name=options["set"],
            moment=self.moment(options["moment"]),
            say=quiet,
        )
        self._said(options, {"ok": True, **found}, f"Rebuilt in {found['rto_seconds']:.1f} s. Start it with: make run")

    def _words(self, plan: dict[str, Any]) -> str:
        lines = [f"The state of {plan['moment']}."] if "moment" in plan else []
        lines += [f"Set {plan['set']} of {plan['snapshot_at']}, about {plan['seconds']} s."]
        if "lost_acts" in plan:
            lines.append(
                f"Lost: the work of {plan['lost_seconds'] / 60:.0f} minutes, {plan['lost_acts']} recorded acts."
            )
        lines += [f"  {number}. {step}" for number, step in enumerate(plan["steps"], start=1)]
        lines += [f"  Note: {text}" for text in plan["warnings"]]
        lines += [f"  AGAINST IT: {text}" for text in plan["problems"]]
        return "\n".join([*lines, "Run it again with --yes to do this."])

    def _said(self, options: dict[str, Any], found: dict[str, Any], text: str) -> None:
        if options["json"]:
            self.answer(found)
        else:
            self.stdout.write(text)
