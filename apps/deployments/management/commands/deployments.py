"""`manage.py deployments`: releases and deployments from a terminal."""

from __future__ import annotations

import json
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.db.migrations.loader import MigrationLoader

from aiwriter import __version__
from aiwriter.core.errors import AppError
from aiwriter.core.schema import CONTRACT, phase_of
from aiwriter.core.schema_rules import heads
from apps.deployments.services.releases import register_release
from apps.users.selectors.access import Actor

_COMMAND = Actor.system_actor("command")


class Command(BaseCommand):
    """Does what was asked, or ends with code 1 and the remedy."""

    help = "Releases and deployments: what this code is, registering it."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """One word, and what it needs."""
        verbs = parser.add_subparsers(dest="verb", required=True)
        verbs.add_parser("manifest", help="print what this code knows of itself, for registering it")
        register = verbs.add_parser("register", help="register a release")
        register.add_argument("file", type=Path, help="JSON as `manifest` prints it, with digest, notes …")

    def handle(self, *args: Any, **options: Any) -> None:
        """Do it."""
        work = {"manifest": self._manifest, "register": self._register}
        try:
            work[options["verb"]](options)
        except AppError as error:
            raise CommandError(str(error)) from error

    def _manifest(self, options: dict[str, Any]) -> None:
        self.stdout.write(json.dumps(manifest(), indent=2))

    def _register(self, options: dict[str, Any]) -> None:
        try:
            values = json.loads(options["file"].read_text(encoding="utf-8"))
            version = values.pop("version")
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            raise CommandError(
                f"{options['file']} is no manifest: {error}. Make one with `deployments manifest`."
            ) from error
        release = register_release(actor=_COMMAND, version=str(version), **values)
        self.stdout.write(f"{release.version} is registered.")


def manifest() -> dict[str, Any]:
    """The version, the last migration of each app, and the migrations that wait for a contract."""
    graph = MigrationLoader(None).graph
    ours = heads()
    contract = [
        f"{app}.{name}"
        for app, name in sorted(graph.nodes)
        if app in ours and phase_of(graph.nodes[app, name]) == CONTRACT
    ]
    return {"version": __version__, "schema_heads": ours, "contract": contract}
