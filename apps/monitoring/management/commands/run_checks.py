"""`manage.py run_checks`: run every health check once, now."""

from __future__ import annotations

import json
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand

from apps.monitoring.services.results import run_due_checks


class Command(BaseCommand):
    """Runs the checks, keeps the results, prints them. Exit code 1 when a required one fails."""

    help = "Run every health check once, keep the results and print them."
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Arguments."""
        parser.add_argument("--json", action="store_true", help="print JSON instead of a table")
        parser.add_argument("--strict", action="store_true", help="end with code 1 when a required check fails")

    def handle(self, *args: Any, **options: Any) -> None:
        """Run and print."""
        outcomes = run_due_checks(force=True)
        if options["json"]:
            rows = [
                {
                    "key": o.check.key,
                    "title": o.check.title,
                    "required": o.check.required,
                    "status": o.result.status,
                    "message": o.result.message,
                    "remedy": o.result.remedy,
                    "latency_ms": o.latency_ms,
                }
                for o in outcomes
            ]
            self.stdout.write(json.dumps(rows))
        else:
            width = max((len(o.check.title) for o in outcomes), default=0)
            for o in outcomes:
                self.stdout.write(f"{o.result.status:8} {o.check.title:{width}}  {o.result.message}")
                if o.result.remedy:
                    self.stdout.write(f"{'':8} {'':{width}}  {o.result.remedy}")
        if options["strict"] and any(o.check.required and o.result.status == "fail" for o in outcomes):
            raise SystemExit(1)
