"""`manage.py deployments`: releases and deployments from a terminal."""

from __future__ import annotations

import json
import uuid
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import CommandError
from django.db.migrations.loader import MigrationLoader

from aiwriter import __version__
from aiwriter.core.schema import CONTRACT, phase_of
from aiwriter.core.schema_rules import heads
from apps.deployments.selectors.deployments import deployments_for
from apps.deployments.services.releases import register_release
from apps.deployments.services.rollouts import abort
from apps.users.management.service_command import ServiceCommand
from apps.users.selectors.access import Actor

_COMMAND = Actor.system_actor("command")
_LISTED = 30


class Command(ServiceCommand):
    """Does what was asked, or ends with the remedy and an exit code."""

    help = "Releases and deployments: what this code is, registering it, what goes on, stopping it."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """One word, and what it needs."""
        verbs = parser.add_subparsers(dest="verb", required=True)
        verbs.add_parser("manifest", help="print what this code knows of itself, for registering it")
        register = verbs.add_parser("register", help="register a release")
        register.add_argument("file", type=Path, help="JSON as `manifest` prints it, with digest, notes …")
        listed = verbs.add_parser("list", help="the last deployments, newest first")
        listed.add_argument("--json", action="store_true", help="print one JSON list and nothing else")
        stopped = verbs.add_parser("abort", help="stop one: withdrawn, or everybody back to the version before")
        stopped.add_argument("deployment", type=uuid.UUID, help="its id, as `list` prints it")
        stopped.add_argument("--reason", default="", help="why")

    def handle(self, *args: Any, **options: Any) -> None:
        """Do it."""
        getattr(self, f"_{options['verb']}")(options)

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

    def _list(self, options: dict[str, Any]) -> None:
        rows = [
            {
                "id": str(row.pk),
                "environment": row.environment.slug,
                "release": row.release.version,
                "from_release": row.from_release.version if row.from_release else "",
                "strategy": row.strategy,
                "state": row.state,
                "created_at": row.created_at.isoformat(timespec="seconds"),
            }
            for row in deployments_for(_COMMAND)[:_LISTED]
        ]
        if options["json"]:
            self.stdout.write(json.dumps(rows, indent=2))
        for row in () if options["json"] else rows:
            self.stdout.write("{id}  {created_at}  {environment:12} {release:16} {strategy:10} {state}".format(**row))

    def _abort(self, options: dict[str, Any]) -> None:
        row = abort(actor=_COMMAND, deployment_id=options["deployment"], reason=options["reason"])
        said = "It is: " + str(row.get_state_display()).lower() if row.is_final else "The agent is told to stop"
        self.stdout.write(f"{said}.")


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
