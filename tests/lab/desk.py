"""A process with Django set up that stays: for tests that ask a running portal for many small things.

Each `manage.py shell` costs two to three seconds of processor before it does anything.
"""

from __future__ import annotations

import json
import subprocess
import tempfile
from pathlib import Path
from typing import Any

# Answers go to the first output; what a program itself prints goes to the second, so that it is no answer.
_LOOP = """
import json, sys, traceback
from django.db import connections
answers, sys.stdout = sys.stdout, sys.stderr
for line in sys.stdin:
    space = {"__name__": "desk"}
    try:
        exec(json.loads(line), space)
        told = {"answer": space["answer"]}
        words = json.dumps(told)
    except Exception:
        words = json.dumps({"error": traceback.format_exc()})
    connections.close_all()
    print(words, file=answers, flush=True)
"""


class Desk:
    """Runs programs one after the other, each with names of its own, in one process.

    Args:
        python: of the portal.
        folder: where `manage.py` is.
        environment: of the portal.
    """

    def __init__(self, python: str, folder: Path, environment: dict[str, str]) -> None:
        self._errors = tempfile.TemporaryFile("w+")  # noqa: SIM115 - `close` closes it
        self._process = subprocess.Popen(
            [python, "manage.py", "shell", "--no-imports", "-c", _LOOP],
            cwd=folder,
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            text=True,
            # Ctrl-C at the terminal is for the tests, which close it.
            start_new_session=True,
        )

    def run(self, code: str) -> Any:
        """Run `code`, which assigns a JSON-able `answer`; returns that.

        Raises:
            RuntimeError: it failed, or the process is gone; with what it said.
        """
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        try:
            self._process.stdin.write(json.dumps(code) + "\n")
            self._process.stdin.flush()
        except BrokenPipeError:
            raise RuntimeError(self._last_words()) from None
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError(self._last_words())
        told = json.loads(line)
        if "error" in told:
            raise RuntimeError(told["error"][-4000:])
        return told["answer"]

    def _last_words(self) -> str:
        self._errors.seek(0)
        return f"The process ended with {self._process.wait(10)}: {self._errors.read()[-4000:]}"

    def close(self) -> None:
        """End it."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        try:
            self._process.wait(20)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process.stdout.close()
        self._errors.close()
