"""`manage.py doctor --topology ha`: prove the running installation against a topology."""

from __future__ import annotations

import json
from argparse import ArgumentParser
from dataclasses import asdict
from typing import Any

from apps.monitoring.services import topologies
from apps.users.management.service_command import ServiceCommand


class Command(ServiceCommand):
    """Looks at database, queue, parts, checks and settings. Exit code 1 when something is missing."""

    help = "Prove the running installation against a topology of deploy/topologies, or a file of yours."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Arguments."""
        parser.add_argument("--topology", required=True, help="basic, standard, ha, or the path of a topology.yaml")
        parser.add_argument("--json", action="store_true", help="print JSON instead of a table")

    def handle(self, *args: Any, **options: Any) -> None:
        """Examine and print."""
        topology = topologies.load(options["topology"])
        found = topologies.examine(topology)
        if options["json"]:
            self.stdout.write(json.dumps([asdict(each) for each in found]))
        else:
            width = max(len(each.what) for each in found)
            for each in found:
                self.stdout.write(f"{each.verdict:8}  {each.what:{width}}  {each.said}")
                if each.remedy:
                    self.stdout.write(f"{'':8}  {'':{width}}  {each.remedy}")
        wrong = sum(each.verdict != "ok" for each in found)
        missing = sum(each.verdict == "missing" for each in found)
        if not options["json"]:
            self.stdout.write(f"{len(found) - wrong} fulfilled, {missing} missing, {wrong - missing} not seen")
        if missing:
            raise SystemExit(1)
