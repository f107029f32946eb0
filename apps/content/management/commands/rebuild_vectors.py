"""`manage.py rebuild_vectors`: the vector index made again from the vectors in the database."""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from apps.content.services.indexing import rebuild_vectors
from apps.users.management.service_command import ServiceCommand
from apps.users.selectors.access import Actor


class Command(ServiceCommand):
    """Rebuilds the index of every workspace, or of one."""

    help = "Make the vector index again from the database. Search goes on meanwhile, exactly and a little slower."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Arguments."""
        parser.add_argument("--workspace", help="slug or id of one workspace; all when left out")

    def handle(self, *args: Any, **options: Any) -> None:
        """Rebuild and say how many."""
        built = rebuild_vectors(actor=Actor.system_actor("rebuild_vectors"), workspace=options["workspace"])
        for name, count in built.items():
            self.stdout.write(f"{name}: {count} vectors")
        self.stdout.write(f"{sum(built.values())} vectors in {len(built)} workspaces.")
