"""`manage.py prepare`: everything between an installed checkout and a portal that can be started. Idempotent."""

from __future__ import annotations

import hashlib
import io
import json
import time
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.conf import settings
from django.contrib.staticfiles.finders import get_finders
from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError
from django.db import connection
from django.db.utils import DatabaseError

from aiwriter.core.staticfiles import collect


class Command(BaseCommand):
    """Migrates, collects static files, makes default rows and the first administrator, runs the health checks once."""

    help = "Prepare database, static files, default rows and the first administrator. Safe to repeat."
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Arguments."""
        parser.add_argument("--report", help="write what was found out, as JSON, to this file (mode 0600)")

        parser.add_argument(
            "--phase",
            choices=("all", "expand"),
            default="all",
            help="expand: while the version before still serves, leave out what it could not live with",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        """Do the steps, each with a line that says how long it took."""
        self._step("Database", lambda: self._migrate(options["phase"]))
        self._step("Static files", self._static)
        found = self._step("First rows", self._bootstrap)
        self._step("Health checks", lambda: call_command("run_checks", stdout=io.StringIO()))
        if options["report"]:
            path = Path(options["report"])
            path.touch(mode=0o600)
            path.write_text(json.dumps(found), encoding="utf-8")

    def _step(self, name: str, work: Any) -> Any:
        begun = time.monotonic()
        self.stdout.write(f"  {name} …", ending=" ")
        self.stdout.flush()
        result = work()
        self.stdout.write(f"{time.monotonic() - begun:.1f} s")
        return result

    def _migrate(self, phase: str) -> None:
        try:
            connection.ensure_connection()
        except DatabaseError as error:
            raise CommandError(
                f"The database cannot be opened: {error}. Check DATABASE_URL, or leave it empty for SQLite."
            ) from error
        call_command("migrate", interactive=False, verbosity=0, phase=phase)
        call_command("createcachetable", verbosity=0)

    def _static(self) -> None:
        """Collect unless nothing has changed since the last time: compressing takes seconds."""
        seen = hashlib.sha256(settings.VERSION.encode())
        for finder in get_finders():
            for path, storage in finder.list([]):
                changed = storage.get_modified_time(path).timestamp()
                seen.update(f"{path}:{storage.size(path)}:{changed}".encode())
        # Of each version: while two are rolled out, the start of one says nothing about the other's files.
        stamp = Path(settings.STATIC_ROOT) / f".fingerprint-{settings.VERSION}"
        if stamp.is_file() and stamp.read_text(encoding="ascii") == seen.hexdigest():
            return
        collect()
        stamp.write_text(seen.hexdigest(), encoding="ascii")

    def _bootstrap(self) -> Any:
        answer = io.StringIO()
        call_command("bootstrap", "--json", stdout=answer)
        return json.loads(answer.getvalue())
