"""`manage.py schema_fit`: can this code work on the database as it is? Exit code 1 when not."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandError

from aiwriter.core import schema, schema_fit


class Command(BaseCommand):
    """For the version before, after a migration: the gate of a roll-out."""

    help = "Check tables and columns against the models of this version. Changes nothing."
    requires_system_checks: list[str] = []

    def handle(self, *args: Any, **options: Any) -> None:
        """Say what does not fit."""
        problems = schema_fit.misfits()
        if problems:
            raise CommandError("This version cannot work on this database:\n" + "\n".join(f"  * {p}" for p in problems))
        found = schema.standing()
        ahead = f"; it is ahead by {schema.named(found.newer)}" if found.newer else ""
        self.stdout.write(f"The database fits version and models{ahead}.")
