"""`manage.py backup`: make a backup now, or list what there is."""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from aiwriter.core.errors import Conflict
from apps.backups.management.backup_command import BackupCommand
from apps.backups.models import BackupRun, StagingCopy
from apps.backups.selectors.destinations import chosen_destination
from apps.backups.selectors.forecast import forecast_of
from apps.backups.selectors.sets import newest_set, sets_for
from apps.backups.selectors.status import status_of
from apps.backups.services.backups import start_backup
from apps.backups.services.staging.copies import start_staging
from apps.backups.services.upkeep import pin_set, start_upkeep
from apps.backups.services.working import carry_out


class Command(BackupCommand):
    """Makes a backup in this process, so that a script sees how it ended."""

    help = """Make a backup now (run), copy it (copy), list the sets (list), pin one (pin), say how things stand (status) or
how much a place will hold and cost (forecast), or make a sanitised copy of a set as a portal of its own (staging)."""

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Arguments."""
        super().add_arguments(parser)
        parser.add_argument(
            "action",
            nargs="?",
            default="run",
            choices=["run", "list", "status", "forecast", "pin", "copy", "staging"],
        )
        parser.add_argument("--destination", default="", help="name or id of the place; the first when left out")
        parser.add_argument("--pin", default="", help="keep the set under this name; empty with `pin` takes it away")
        parser.add_argument("--set", default="", help="with pin and staging: which set; staging takes the newest")
        parser.add_argument(
            "--folder", default="", help="with staging: data folder of the copy, empty or not there yet"
        )
        parser.add_argument(
            "--database",
            default="",
            help="with staging: a file with the address of an empty PostgreSQL database, or the address; else SQLite",
        )
        parser.add_argument("--key", default="", help="with staging: the key, or a file that holds it")

    def handle(self, *args: Any, **options: Any) -> None:
        """Do what was asked."""
        getattr(self, f"_{options['action']}")(options)

    def _run(self, options: dict[str, Any]) -> None:
        place = chosen_destination(actor=self.actor, named=options["destination"])
        run = start_backup(actor=self.actor, destination_id=place.pk, pin=options["pin"], trigger="command", wake=False)
        self._work(run, options)

    def _copy(self, options: dict[str, Any]) -> None:
        place = chosen_destination(actor=self.actor, named=options["destination"])
        run = start_upkeep(actor=self.actor, destination_id=place.pk, action="copy", trigger="command", wake=False)
        self._work(run, options)

    def _staging(self, options: dict[str, Any]) -> None:
        place = chosen_destination(actor=self.actor, named=options["destination"])
        newest = newest_set(place.mirror_of or place)
        if not options["set"] and newest is None:
            raise Conflict("There is no set that could be copied.", remedy="Make a backup first.")
        job = start_staging(
            actor=self.actor,
            set_id=options["set"] or str(newest.pk if newest else ""),
            folder=options["folder"],
            database=self.database(options["database"]),
            identity=self.key(options["key"]),
            trigger="command",
            wake=False,
        )
        done = carry_out("staging", job.pk, echo=self.echo(options))
        row = StagingCopy.objects.get(pk=job.pk)
        self.ended(done, options, folder=row.folder, result=row.result, scan=row.scan)

    def _work(self, run: BackupRun, options: dict[str, Any]) -> None:
        done = carry_out("run", run.pk, echo=self.echo(options))
        self.ended(done, options, result=BackupRun.objects.get(pk=run.pk).result)

    def _list(self, options: dict[str, Any]) -> None:
        rows = sets_for(self.actor)
        if options["destination"]:
            rows = rows.filter(destination=chosen_destination(actor=self.actor, named=options["destination"]))
        names = ("name", "state", "created_at", "bytes_source", "bytes_added", "rows", "files", "pin", "problem")
        found = list(rows.values(*names, "destination__name"))
        if options["json"]:
            self.answer({"ok": True, "sets": found})
            return
        for each in found:
            pin = f"  pinned: {each['pin']}" if each["pin"] else ""
            self.stdout.write(
                f"{each['name']}  {each['state']:<10}  {each['created_at']:%Y-%m-%d %H:%M:%S}  "
                f"{each['bytes_source'] / 2**20:>10,.1f} MiB  +{each['bytes_added'] / 2**20:,.1f}  "
                f"{each['destination__name']}{pin}"
            )
        self.stdout.write(f"{len(found)} sets.")

    def _status(self, options: dict[str, Any]) -> None:
        status = status_of(self.actor)
        if options["json"]:
            self.answer({"ok": not status.problems, **status.as_dict()})
            return
        self.stdout.write(status.headline)
        for problem in status.problems:
            self.stdout.write(f"  * {problem.message} {problem.remedy}")

    def _forecast(self, options: dict[str, Any]) -> None:
        place = chosen_destination(actor=self.actor, named=options["destination"])
        found = forecast_of(actor=self.actor, destination_id=place.pk)
        if options["json"]:
            self.answer({"ok": True, **found.as_dict()})
            return
        self.stdout.write(f"{place.name}: {found.bytes_now / 2**20:,.1f} MiB now.")
        if found.per_day is None:
            self.stdout.write("Too few days to tell how it grows.")
            return
        day, size = found.ahead[-1]
        self.stdout.write(f"{found.per_day / 2**20:+,.2f} MiB a day; {size / 2**20:,.1f} MiB on {day}.")
        if found.year is not None:
            self.stdout.write(f"{found.month_now} {place.currency} a month now, {found.year} the next twelve months.")
        if found.full_on:
            self.stdout.write(f"The disk is full on {found.full_on}.")

    def _pin(self, options: dict[str, Any]) -> None:
        row = pin_set(actor=self.actor, set_id=options["set"], pin=options["pin"])
        if options["json"]:
            self.answer({"ok": True, "set": row.name, "pin": row.pin})
        else:
            self.stdout.write(f"{row.name} is {'kept as ' + row.pin if row.pin else 'no longer pinned'}.")
