"""`manage.py sbom`: the list of parts of the installed release, for the pipeline, for scanners, for auditors."""

from __future__ import annotations

import json
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from aiwriter.core import sbom


class Command(BaseCommand):
    """Every installed part as CycloneDX."""

    help = "Print every part of the installed release with version and licence, as CycloneDX 1.6 JSON."
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Arguments."""
        parser.add_argument("--out", default="-", metavar="FILE", help="the file to write; - for the terminal")

    def handle(self, *args: Any, **options: Any) -> None:
        """Write it."""
        made = sbom.bill(timezone.now())
        text = json.dumps(made, indent=2)
        if options["out"] == "-":
            self.stdout.write(text)
            return
        try:
            Path(options["out"]).write_text(text + "\n", encoding="utf-8")
        except OSError as error:
            raise CommandError(f"{options['out']} cannot be written: {error.strerror}.", returncode=2) from None
        self.stdout.write(f"{len(made['components'])} parts in {options['out']}.")
