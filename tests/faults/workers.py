"""Real workers as processes of their own, on the database of the test, to be killed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
from pathlib import Path
from types import TracebackType
from typing import Self
from urllib.parse import quote

from django.conf import settings
from django.db import connection

ROOT = Path(__file__).resolve().parents[2]


def database_url() -> str:
    """The address of the database that this test uses."""
    given = connection.settings_dict
    if connection.vendor == "sqlite":
        return f"sqlite:///{given['NAME']}"
    password = f":{quote(given['PASSWORD'])}" if given["PASSWORD"] else ""
    host = f"{given['HOST'] or 'localhost'}{':' + str(given['PORT']) if given['PORT'] else ''}"
    return f"postgres://{given['USER']}{password}@{host}/{given['NAME']}"


class Worker:
    """A Celery worker. It finds waiting rows when it starts, so no message has to reach it.

    Args:
        threads: of its pool.
    """

    def __init__(self, *, threads: int = 2) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="aiwriter-worker-")
        self._threads = threads
        self.process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.kill()
        if error is not None:
            print(self.log())
        self._folder.cleanup()

    def start(self) -> None:
        """Start it; returns at once."""
        folder = Path(self._folder.name)
        for name in ("queue/messages", "queue/control"):
            (folder / name).mkdir(parents=True, exist_ok=True)
        clean = {k: v for k, v in os.environ.items() if not k.startswith("AIWRITER_")}
        environment = clean | {
            "DJANGO_SETTINGS_MODULE": "aiwriter.settings",
            "DATABASE_URL": database_url(),
            "REDIS_URL": "",
            "CELERY_BROKER_URL": "filesystem://",
            "AIWRITER_DATA_DIR": str(folder),
            "AIWRITER_SECRETS_DIR": str(settings.SECRETS_DIR),
            "AIWRITER_SECRET_KEY": settings.SECRET_KEY,
            "AIWRITER_KEYRING": str(settings.KEYRING_FILE),
        }
        command = [sys.executable, "-m", "celery", "-A", "aiwriter", "worker", "-P", "threads"]
        command += ["-c", str(self._threads), "--without-gossip", "--without-mingle", "--loglevel", "WARNING"]
        with (folder / "log").open("ab") as output:
            self.process = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=output, stderr=output)

    def kill(self) -> None:
        """kill -9."""
        self._end(signal.SIGKILL)

    def terminate(self) -> None:
        """SIGTERM, and wait until it has ended in order."""
        self._end(signal.SIGTERM)

    def _end(self, number: signal.Signals) -> None:
        if self.process is not None and self.process.poll() is None:
            self.process.send_signal(number)
            self.process.wait(30)

    def log(self) -> str:
        """What it has said."""
        return (Path(self._folder.name) / "log").read_text(errors="replace")
