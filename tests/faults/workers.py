"""Real workers as processes of their own, on the database of the tests, to be killed."""

from __future__ import annotations

import os
import shutil
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


class Prepared:
    """The process that forks the workers of a file's tests (`tests/faults/prepared.py`), and the folder they share."""

    def __init__(self) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="aiwriter-worker-")
        self.folder = Path(self._folder.name)
        clean = {k: v for k, v in os.environ.items() if not k.startswith("AIWRITER_")}
        environment = clean | {
            "DJANGO_SETTINGS_MODULE": "aiwriter.settings",
            "DATABASE_URL": database_url(),
            "REDIS_URL": "",
            "CELERY_BROKER_URL": "filesystem://",
            "AIWRITER_DATA_DIR": str(self.folder),
            "AIWRITER_SECRETS_DIR": str(settings.SECRETS_DIR),
            "AIWRITER_SECRET_KEY": settings.SECRET_KEY,
            "AIWRITER_KEYRING": str(settings.KEYRING_FILE),
        }
        command = [sys.executable, "-m", "tests.faults.prepared"]
        self._process = subprocess.Popen(
            command, cwd=ROOT, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        assert self._read() == "ready"

    def ask(self, *words: object) -> str:
        """Its answer to one line."""
        assert self._process.stdin
        self._process.stdin.write("\t".join(map(str, words)) + "\n")
        self._process.stdin.flush()
        return self._read()

    def _read(self) -> str:
        assert self._process.stdout
        line = self._process.stdout.readline()
        assert line, f"the process that forks workers has ended with {self._process.wait()}"
        return line.rstrip("\n")

    def close(self) -> None:
        """End it; no worker is left."""
        self._process.communicate(timeout=30)
        self._folder.cleanup()


class Worker:
    """A Celery worker. It finds waiting rows when it starts, so no message has to reach it.

    Args:
        prepared: forks it.
        threads: of its pool.
    """

    def __init__(self, prepared: Prepared, *, threads: int = 2) -> None:
        self._prepared = prepared
        self._threads = threads
        self._log = prepared.folder / "log"
        self._number = 0

    def __enter__(self) -> Self:
        # Nothing is left of the workers before it: no message, no word.
        shutil.rmtree(self._prepared.folder / "queue", ignore_errors=True)
        self._log.write_text("")
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.kill()
        if error is not None:
            print(self.log())

    def start(self) -> None:
        """Start it; returns at once."""
        for name in ("queue/messages", "queue/control"):
            (self._prepared.folder / name).mkdir(parents=True, exist_ok=True)
        command = ["-A", "aiwriter", "worker", "-P", "threads", "-c", self._threads]
        command += ["--without-gossip", "--without-mingle", "--loglevel", "WARNING"]
        self._number = int(self._prepared.ask("start", self._log, *command))

    def kill(self) -> None:
        """kill -9."""
        self._end(signal.SIGKILL)

    def terminate(self) -> None:
        """SIGTERM, and wait until it has ended in order."""
        assert self._end(signal.SIGTERM) == "0"

    def _end(self, number: signal.Signals) -> str:
        if not self._number:
            return ""
        os.kill(self._number, number)  # nobody else has this number while its parent has not asked for its end
        ended = self._prepared.ask("wait", self._number, 30)
        assert ended != "still running", f"the worker does not end:\n{self.log()}"
        self._number = 0
        return ended

    def log(self) -> str:
        """What it has said."""
        return self._log.read_text(errors="replace")
