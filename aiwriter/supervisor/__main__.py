"""`python -m aiwriter.supervisor`: from an installed checkout to a serving portal."""

from __future__ import annotations

import argparse
import fcntl
import json
import os
import signal
import socket
import subprocess
import sys
import textwrap
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import IO, Any

from aiwriter import __version__, env
from aiwriter.supervisor.log_guard import LogGuard
from aiwriter.supervisor.processes import Child

HEALTHY_WITHIN = 90.0
# The watch judges a portal that serves; while the others start, it would only take the processor from them.
LATE = "watch"


class StartRefused(Exception):
    """The portal cannot be started; the text says why and what to do."""


def say(text: str) -> None:
    """A line for the person at the terminal, with the time."""
    sys.stdout.write(f"{time.strftime('%H:%M:%S')}  {text}\n")
    sys.stdout.flush()


def _port_problem(host: str, port: int) -> str:
    """Why the port cannot be bound, or ""."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        # As uvicorn does: a port whose last connection is still in TIME_WAIT is free.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            return error.strerror or str(error)
    return ""


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


class Supervisor:
    """Prepares the data folder, starts the parts, keeps them running.

    Args:
        values: what `env.load()` gave.
        demo: load the example workspace once the portal is healthy.
    """

    def __init__(self, values: dict[str, Any], *, demo: bool) -> None:
        self.values = values
        self.demo = demo
        self.data = Path(values["AIWRITER_DATA_DIR"])
        self.host, self.port = values["AIWRITER_HOST"], values["AIWRITER_PORT"]
        self.children: list[Child] = []
        self.capture: Child | None = None
        self.guard: LogGuard | None = None
        self.stopping = False
        self._lock: IO[str] | None = None

    # ------------------------------------------------------------ before the start
    def check(self) -> None:
        """Refuse a busy port, an unwritable folder, a second supervisor.

        Raises:
            StartRefused: with the remedy.
        """
        if problem := _port_problem(self.host, self.port):
            raise StartRefused(
                f"Port {self.port} on {self.host} cannot be used: {problem}.\n"
                f"  Stop the program that has it, or choose another: AIWRITER_PORT={self.port + 1} make run"
            )
        try:
            for name in ("run", "run/metrics", "logs", "queue/messages", "queue/control", "chroma", "keys", "secrets"):
                (self.data / name).mkdir(parents=True, exist_ok=True)
            for private in ("keys", "secrets"):
                (self.data / private).chmod(0o700)
            self._lock = (self.data / "run" / "supervisor.lock").open("a", encoding="ascii")
        except OSError as error:
            raise StartRefused(
                f"The data folder {self.data} cannot be written: {error.strerror}.\n"
                "  Make it writable for this user, or name another: AIWRITER_DATA_DIR=/path make run"
            ) from error
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise StartRefused(
                f"A portal is already running on the data folder {self.data}.\n"
                "  Stop it first, or give this one a folder of its own: AIWRITER_DATA_DIR=/path make run"
            ) from None
        (self.data / "run" / "supervisor.pid").write_text(str(os.getpid()), encoding="ascii")
        # Of processes that are gone: counts begin anew with the portal, and an old verdict is no verdict.
        for old in (*(self.data / "run" / "metrics").glob("*.db"), self.data / "run" / "health.json"):
            old.unlink(missing_ok=True)

    def environment(self) -> dict[str, str]:
        """The environment of the children: ours, with the data folder and the vector store's address settled."""
        inherited = env.process_environment()
        inherited["AIWRITER_DATA_DIR"] = str(self.data)
        inherited["DJANGO_SETTINGS_MODULE"] = "aiwriter.settings"
        inherited["PYTHONUNBUFFERED"] = "1"
        # All processes count into files of this folder; healthd and the watch add them up.
        inherited["PROMETHEUS_MULTIPROC_DIR"] = str(self.data / "run" / "metrics")
        # glibc keeps an arena per thread, and each keeps what is free for itself. With one, a worker that embeds takes 100 MB
        # less at its peak than with two, in the same time: most is asked for under the interpreter's lock anyway.
        inherited.setdefault("MALLOC_ARENA_MAX", "1")
        inherited.setdefault("OMP_NUM_THREADS", "2")
        if not self.values["AIWRITER_CHROMA_URL"]:
            inherited["AIWRITER_CHROMA_URL"] = f"http://127.0.0.1:{_free_port()}"
        return inherited

    def prepare(self, environment: dict[str, str]) -> dict[str, Any]:
        """Migrate, collect static files, make the first administrator; shows each step.

        Returns:
            what `manage.py prepare` found out: the first-login secret when it was just made.
        """
        report = self.data / "run" / "prepare.json"
        report.unlink(missing_ok=True)
        done = subprocess.run(
            [sys.executable, "manage.py", "prepare", "--report", str(report)],
            cwd=env.BASE_DIR,
            env=environment,
            check=False,
        )
        if done.returncode:
            raise StartRefused("The portal could not be prepared; the lines above say why.")
        found: dict[str, Any] = json.loads(report.read_text(encoding="utf-8"))
        report.unlink()
        return found

    # ------------------------------------------------------------ parts
    def parts(self, environment: dict[str, str]) -> list[Child]:
        """The children, in the order in which they start."""
        python = sys.executable
        commands: list[tuple[str, list[str], float]] = []
        if not self.values["AIWRITER_CHROMA_URL"]:
            port = environment["AIWRITER_CHROMA_URL"].rpartition(":")[2]
            store = [python, "-m", "apps.content.retrieval.chroma_server", "--path", str(self.data / "chroma")]
            commands.append(("vectors", [*store, "--host", "127.0.0.1", "--port", port], 10.0))
        celery = [python, "-m", "celery", "-q", "-A", "aiwriter"]
        threads = str(self.values["AIWRITER_WORKER_CONCURRENCY"])
        worker = [*celery, "worker", "-P", "threads", "-c", threads, "--without-gossip", "--without-mingle"]
        commands.append(("worker", [*worker, "--loglevel", "WARNING"], 15.0))
        schedule = ["beat", "--pidfile", "", "--loglevel", "WARNING"]
        commands.append(("scheduler", [*celery, *schedule], 5.0))
        web = [python, "-m", "aiwriter.web", "--host", self.host, "--port", str(self.port)]
        grace = self.values["AIWRITER_DRAIN_SECONDS"] + 3.0
        commands.append(("web", web, grace))
        commands.append(("healthd", [python, "-m", "aiwriter.healthd"], 3.0))
        commands.append((LATE, [python, "manage.py", "watch"], 5.0))
        return [
            Child(
                name=name,
                command=command,
                environment=environment,
                run_dir=self.data / "run",
                log_dir=self.data / "logs",
                announce=say,
                grace=grace,
            )
            for name, command, grace in commands
        ]

    def watch_capture(self, environment: dict[str, str]) -> None:
        """Run the capture of changes while a policy wants it: from before the first part to after the last one.

        It holds SQLite's log from the first moment on, so that no other process can empty the log unseen.
        """
        wanted = (self.data / "backups" / "capture" / "wanted.json").is_file()
        if wanted and self.capture is None:
            if self.guard is None:
                self.guard = LogGuard(self.data, self.values["DATABASE_URL"])
            self.capture = Child(
                name="capture",
                command=[sys.executable, str(env.BASE_DIR / "manage.py"), "backup_capture"],
                environment=environment,
                run_dir=self.data / "run",
                log_dir=self.data / "logs",
                announce=say,
                grace=15.0,
            )
            self.capture.start()
        elif self.capture is not None and not wanted:
            self.capture.stop()
            self.capture = None
            self._unguard()
        elif self.capture is not None:
            self.capture.watch()
            if self.guard is not None and self.capture.process is not None:
                self.guard.relieve(self.capture.process.pid)

    def _unguard(self) -> None:
        if self.guard is not None:
            self.guard.end()
            self.guard = None

    def _healthy(self) -> bool:
        host = "127.0.0.1" if self.host in ("0.0.0.0", "::") else self.host  # noqa: S104
        host = f"[{host}]" if ":" in host else host
        try:
            with urllib.request.urlopen(f"http://{host}:{self.port}/readyz", timeout=5) as answer:
                return bool(answer.status == 200)
        except (urllib.error.URLError, OSError):
            return False

    def wait_until_healthy(self) -> None:
        """Watch the children until `/readyz` is 200.

        Raises:
            StartRefused: not within 90 s.
        """
        end = time.monotonic() + HEALTHY_WITHIN
        while time.monotonic() < end and not self.stopping:
            for child in self.children:
                child.watch()
            if self._healthy():
                return
            time.sleep(0.2)
        if not self.stopping:
            raise StartRefused(
                f"The portal did not become healthy within {HEALTHY_WITHIN:.0f} s.\n"
                f"  Look at {self._url()}/readyz and at the logs in {self.data / 'logs'}."
            )

    def _url(self) -> str:
        return self.values["AIWRITER_PUBLIC_URL"] or f"http://{self.host}:{self.port}"

    # ------------------------------------------------------------ the run
    def run(self) -> int:
        """Serve until a signal comes. Returns the exit code."""
        begun = time.monotonic()
        say(f"AI-Writer {__version__}, data in {self.data}")
        self.check()
        environment = self.environment()
        for name in (signal.SIGINT, signal.SIGTERM):
            signal.signal(name, self._stop)
        try:
            self.watch_capture(environment)
            found = self.prepare(environment)
            self.children = self.parts(environment)
            say("Starting " + ", ".join(child.name for child in self.children))
            for child in self.children:
                if child.name != LATE:
                    child.start()
            self.wait_until_healthy()
            if self.stopping:
                return 0
            for child in self.children:
                if child.name == LATE:
                    child.start()
            if self.demo:
                say("Loading the example workspace")
                subprocess.run(
                    [sys.executable, "manage.py", "load_demo"], cwd=env.BASE_DIR, env=environment, check=False
                )
            self._greet(found, time.monotonic() - begun)
            while not self.stopping:
                time.sleep(0.3)
                self.watch_capture(environment)
                for child in self.children:
                    child.watch()
            return 0
        finally:
            self.stop_all()

    def _greet(self, found: dict[str, Any], seconds: float) -> None:
        lines = [
            f"Ready after {seconds:.1f} s.",
            "",
            f"  Portal    {self._url()}/",
            f"  Console   {self._url()}/admin/",
            f"  Probes    {self._probes()}",
        ]
        if found.get("password"):
            lines += [
                "",
                "  First sign-in (shown this once; change it under Profile):",
                f"    e-mail    {found['email']}",
                f"    password  {found['password']}",
            ]
        else:
            lines += ["", "  Forgotten password? .venv/bin/python manage.py reset_password E-MAIL"]
        for note in found.get("notes", []):
            lines += ["", *textwrap.wrap(note, 100, initial_indent="  ", subsequent_indent="  ")]
        lines += ["", "  Stop with Ctrl-C; everything is kept and the next `make run` goes on from here.", ""]
        say("\n".join(lines))

    def _probes(self) -> str:
        """Where healthd answers."""
        try:
            port = (self.data / "run" / "healthd.port").read_text(encoding="ascii").strip()
        except OSError:
            return f"not yet; see {self.data / 'logs' / 'healthd.log'}"
        host = self.values["AIWRITER_HEALTH_HOST"]
        return f"http://{f'[{host}]' if ':' in host else host}:{port}/readyz, /metrics"

    def _stop(self, number: int, _frame: object) -> None:
        if not self.stopping:
            say(f"{signal.Signals(number).name}: stopping; running generations go on at the next start.")
        self.stopping = True

    def stop_all(self) -> None:
        """Stop the children, web first so that no new work comes in."""
        for child in reversed(self.children):
            child.stop()
        if self.capture is not None and self.capture.running:
            # It takes what is left in the log as the one who closes the database last.
            self._unguard()
        if self.capture is not None:
            # Last: it takes what the others wrote when they ended.
            self.capture.stop()
        if self.children:
            say("Stopped.")


def main() -> int:
    """Parse arguments and run."""
    parser = argparse.ArgumentParser(prog="python -m aiwriter.supervisor", description="Run the whole portal.")
    parser.add_argument("--demo", action="store_true", help="load a small example workspace")
    arguments = parser.parse_args()
    try:
        return Supervisor(env.load(), demo=arguments.demo).run()
    except StartRefused as refused:
        sys.stderr.write(f"\nNot started. {refused}\n")
        return 1


if __name__ == "__main__":
    raise SystemExit(main())
