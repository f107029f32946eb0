"""`manage.py migrate --phase expand`: Django's command, in two phases and without a queue behind a waiting lock."""

from __future__ import annotations

import time
from typing import Any

from django.core.checks import Tags
from django.core.management.base import CommandError, CommandParser
from django.core.management.commands import migrate
from django.db import connection
from django.db.utils import OperationalError

from aiwriter.core import direct, schema, schema_narrow

# An ALTER that waits for a lock stops every reader behind it. One that gives up after 0.2 s stops them for 0.2 s.
LOCK_MILLISECONDS = 200
TRIES = 40
LONGEST_PAUSE = 2.0
# SQLite has one writer at a time and no queue: a writer that waits looks again each 0.1 s, so between migrations that
# follow at once it would never find the lock free (20 s for the migrations of a month, and then a 503).
PAUSE_FOR_WRITERS = 0.25
# lock_not_available, deadlock_detected
_AGAIN = {"55P03", "40P01"}


class Command(migrate.Command):
    """Migrates; `--phase expand` leaves out what the version before could not live with."""

    # What tables depend on. The other checks load every page, for 1.3 s of processor time; a release is built with them.
    requires_system_checks = [Tags.database, Tags.models, Tags.security]

    def add_arguments(self, parser: CommandParser) -> None:
        """Arguments."""
        super().add_arguments(parser)
        parser.add_argument(
            "--phase",
            choices=("all", schema.EXPAND, schema.CONTRACT),
            default="all",
            help="expand: only what is safe while the version before serves. contract: the rest, once it has gone.",
        )
        parser.add_argument("--lock-tries", type=int, default=TRIES, help="how often a lock is asked for")

    def handle(self, *args: Any, **options: Any) -> None:
        """Run the phase; on PostgreSQL each lock is waited for briefly and asked for again."""
        # How long a lock is waited for is a setting of the session, which a pooler would give to somebody else.
        direct.take_over()
        phase, tries = options.pop("phase"), options.pop("lock_tries")
        self._beside = phase == schema.EXPAND
        if phase != "all" and (options["app_label"] or connection.alias != options["database"]):
            raise CommandError(
                "A phase is of the whole database. Leave out --phase, or the names of app and migration."
            )
        for number in range(1, tries + 1):
            try:
                self._limit_waiting(LOCK_MILLISECONDS)
                self._run(phase, *args, **options)
                return
            except OperationalError as error:
                if getattr(error.__cause__, "sqlstate", None) not in _AGAIN:
                    raise
                if number == tries:
                    raise CommandError(
                        f"A table is locked by somebody else, also after {tries} tries: {error}. "
                        "Nothing was half done. End the transaction that holds it, and run the command again."
                    ) from error
                time.sleep(min(LONGEST_PAUSE, 0.1 * number))
            finally:
                self._limit_waiting(0)

    def _run(self, phase: str, *args: Any, **options: Any) -> None:
        targets, held_back = schema.expand_targets() if phase == schema.EXPAND else ([], [])
        if not held_back:
            super().handle(*args, **options)
            return
        for app, name in targets:
            super().handle(*args, **{**options, "app_label": app, "migration_name": name})
        if options["verbosity"]:
            self.stdout.write(f"Held back until `migrate --phase contract`: {schema.named(held_back)}")

    def migration_progress_callback(self, action: str, migration: Any = None, fake: bool = False) -> None:
        """Report; on SQLite let those write who wait meanwhile, while the version before serves."""
        if action == "apply_start" and not fake:
            schema_narrow.narrowed(migration)
        super().migration_progress_callback(action, migration, fake)
        if action == "apply_success" and self._beside and connection.vendor == "sqlite":
            time.sleep(PAUSE_FOR_WRITERS)

    def _limit_waiting(self, milliseconds: int) -> None:
        if connection.vendor == "postgresql":
            with connection.cursor() as cursor:
                cursor.execute("SELECT set_config('lock_timeout', %s, false)", [str(milliseconds)])
