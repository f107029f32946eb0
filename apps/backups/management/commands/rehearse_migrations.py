"""`manage.py rehearse_migrations --previous FOLDER`: may these migrations run while the version before serves?"""

from __future__ import annotations

import sys
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from aiwriter.core.errors import AppError
from apps.backups.services.rehearsals import rehearse


class Command(BaseCommand):
    """The gate of a roll-out; changes nothing but a copy without rows."""

    help = "Run the expand migrations on an empty copy and the version before against it. Exit code 1 when it does not fit."
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Arguments."""
        parser.add_argument("--previous", required=True, type=Path, help="folder with the code of the version before")
        parser.add_argument("--python", default=sys.executable, help="interpreter that has its packages")

    def handle(self, *args: Any, **options: Any) -> None:
        """Rehearse."""
        if not (options["previous"] / "manage.py").is_file():
            raise CommandError(f"{options['previous']} holds no version: there is no manage.py in it.")
        try:
            said = rehearse(previous=options["previous"], python=options["python"])
        except AppError as error:
            raise CommandError(str(error)) from error
        self.stdout.write(f"The version before can work beside these migrations. {said}")
