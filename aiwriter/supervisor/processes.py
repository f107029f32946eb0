"""One supervised child: started, watched, restarted, stopped."""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

_PR_SET_PDEATHSIG = 1
LOG_LIMIT = 10 * 1024 * 1024
STEADY_SECONDS = 60.0


def _die_with_parent() -> None:
    """Ask Linux to end the child when the supervisor dies, even by kill -9; other systems have no such call."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)


@dataclass
class Child:
    """A part of the portal that runs as a process of its own.

    Args:
        name: "web", "worker", …
        command: argument list.
        environment: the child's whole environment.
        run_dir: gets `NAME.pid`.
        log_dir: gets `NAME.log`, turned over to `NAME.log.1` at 10 MiB.
        grace: seconds between the request to stop and kill -9.
        announce: prints a line for the person at the terminal.
    """

    name: str
    command: list[str]
    environment: Mapping[str, str]
    run_dir: Path
    log_dir: Path
    announce: Callable[[str], None]
    grace: float = 10.0
    process: subprocess.Popen[bytes] | None = field(default=None, init=False)
    started: float = field(default=0.0, init=False)
    failures: int = field(default=0, init=False)
    restart_at: float = field(default=0.0, init=False)

    def start(self) -> None:
        """Start it, its output appended to its log."""
        log = self.log_dir / f"{self.name}.log"
        if log.exists() and log.stat().st_size > LOG_LIMIT:
            log.replace(log.with_suffix(".log.1"))
        with log.open("ab") as output:
            # A session of its own: Ctrl-C at the terminal reaches the supervisor alone, which stops children in order.
            self.process = subprocess.Popen(
                self.command,
                env=dict(self.environment),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                preexec_fn=_die_with_parent,
            )
        self.started = time.monotonic()
        self.restart_at = 0.0
        (self.run_dir / f"{self.name}.pid").write_text(str(self.process.pid), encoding="ascii")

    @property
    def running(self) -> bool:
        """Whether the process is there."""
        return self.process is not None and self.process.poll() is None

    def watch(self) -> None:
        """Restart it when it has died: at once the first time, then after 1, 2, 4 … 30 s while it keeps dying."""
        if self.process is None or self.process.poll() is None:
            return
        now = time.monotonic()
        if not self.restart_at:
            if now - self.started > STEADY_SECONDS:
                self.failures = 0
            delay = 0.0 if self.failures == 0 else min(30.0, 2.0 ** (self.failures - 1))
            self.failures += 1
            self.restart_at = now + delay
            when = "now" if not delay else f"in {delay:.0f} s"
            self.announce(f"{self.name} ended ({self._how()}); restarting {when}. Its log: {self._tail()}")
        if now >= self.restart_at:
            self.start()
            self.announce(f"{self.name} is running again.")

    def _how(self) -> str:
        code = self.process.returncode if self.process else 0
        return f"killed by {signal.Signals(-code).name}" if code < 0 else f"exit code {code}"

    def _tail(self) -> str:
        log = self.log_dir / f"{self.name}.log"
        try:
            lines = log.read_text(encoding="utf-8", errors="replace").strip().splitlines()
        except OSError:
            lines = []
        return f"{log}" + (f' ("{lines[-1][:160]}")' if lines else "")

    def stop(self) -> None:
        """Ask it to stop, wait for `grace` seconds, then kill its whole process group."""
        if self.process is None or self.process.poll() is not None:
            return
        self.process.terminate()
        try:
            self.process.wait(self.grace)
        except subprocess.TimeoutExpired:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()
        (self.run_dir / f"{self.name}.pid").unlink(missing_ok=True)
