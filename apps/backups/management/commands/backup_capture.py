"""`manage.py backup_capture`: the process that captures changes; the supervisor runs it."""

from __future__ import annotations

import signal
import threading
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from apps.backups.services.capture import capture


class Command(BaseCommand):
    """Runs until it is told to stop."""

    help = "Capture the changes of the database into the backups, for restores to a moment. The supervisor runs it."
    requires_system_checks: list[str] = []

    def handle(self, *args: Any, **options: Any) -> None:
        """Capture."""
        over = threading.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: over.set())
        if not capture(over):
            raise CommandError("Another process captures already.", returncode=11)
