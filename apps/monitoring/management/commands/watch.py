"""`manage.py watch`: run the checks, keep what they find, evaluate alerts. Until SIGTERM."""

from __future__ import annotations

import signal
import threading
from typing import Any

from django.core.management.base import BaseCommand

from aiwriter.core import memory
from apps.monitoring.services.chores import start_chores
from apps.monitoring.services.watching import Watch


class Command(BaseCommand):
    """Runs the watch of this machine."""

    help = "Run the health checks of this machine until SIGTERM, and everything that follows from them."
    # A portal with a wrong setting is exactly what it should tell of.
    requires_system_checks: list[str] = []

    def handle(self, *args: Any, **options: Any) -> None:
        """Look until told to stop."""
        stop = threading.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: stop.set())
        memory.stay_small()
        watch = Watch()
        start_chores(watch, stop)
        watch.run(stop)
