"""A whole portal for the time of a `with` block, started as a person starts it, and a client that uses its API."""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Any

import httpx2

from tests.lab.desk import Desk
from tests.servers import free_port

ROOT = Path(__file__).resolve().parents[2]
PARTS = ("vectors", "worker", "scheduler", "web", "healthd", "watch")


class Portal:
    """The supervisor and its parts, on a free port and an empty folder.

    Args:
        environment: more variables.
        folder: data folder; a temporary one, removed afterwards, when left out.
        command: how to start; the supervisor when left out.
        checkout: where the code is; this checkout when left out.
        within: seconds until it must have greeted.
        desk: answer `shell` from one process that stays, until the portal is stopped; not for tests that change the code or
            the vector store's address meanwhile.
    """

    def __init__(
        self,
        environment: dict[str, str] | None = None,
        *,
        folder: Path | None = None,
        command: list[str] | None = None,
        checkout: Path = ROOT,
        within: float = 120.0,
        desk: bool = False,
    ) -> None:
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self._own = folder is None
        self.folder = folder or Path(tempfile.mkdtemp(prefix="aiwriter-portal-"))
        self._command = command or [sys.executable, "-m", "aiwriter.supervisor"]
        self._checkout = checkout
        self._within = within
        self.python = sys.executable
        clean = {k: v for k, v in os.environ.items() if not k.startswith("AIWRITER_") and k != "DATABASE_URL"}
        self.environment = {
            **clean,
            # The process that starts it may run with the settings of the tests.
            "DJANGO_SETTINGS_MODULE": "aiwriter.settings",
            "AIWRITER_HOST": "127.0.0.1",
            "AIWRITER_PORT": str(self.port),
            "AIWRITER_DATA_DIR": str(self.folder),
            **(environment or {}),
        }
        self.email = self.password = ""
        self.seconds_to_healthy = 0.0
        self._process: subprocess.Popen[str] | None = None
        self.output: list[str] = []
        self._stays = desk
        self._desk: Desk | None = None

    # ------------------------------------------------------------ life
    def __enter__(self) -> Portal:
        self.start()
        return self

    def start(self) -> None:
        """Start and wait for the greeting; keeps the first-login secret when it is shown."""
        begun = time.monotonic()
        log = self.folder.with_suffix(".out")
        with log.open("w") as output:
            # A session of its own, so that Ctrl-C can be sent to the whole group, as a terminal does.
            self._process = subprocess.Popen(
                self._command,
                cwd=self._checkout,
                env=self.environment,
                stdout=output,
                stderr=subprocess.STDOUT,
                text=True,
                start_new_session=True,
            )
        while time.monotonic() - begun < self._within:
            text = log.read_text()
            self.output = text.splitlines()
            if "Stop with Ctrl-C" in text:
                self.seconds_to_healthy = time.monotonic() - begun
                if found := re.search(r"e-mail\s+(\S+)\s+password\s+(\S+)", text):
                    self.email, self.password = found[1], found[2]
                return
            if self._process.poll() is not None:
                break
            time.sleep(0.1)
        self.stop()
        raise RuntimeError(f"The portal did not start:\n{log.read_text()}\n{self.logs()}")

    def stop(self) -> None:
        """Ctrl-C, and wait."""
        if self._desk is not None:
            self._desk.close()
            self._desk = None
        if self._process and self._process.poll() is None:
            os.killpg(self._process.pid, signal.SIGINT)
            try:
                self._process.wait(60)
            except subprocess.TimeoutExpired:
                os.killpg(self._process.pid, signal.SIGKILL)
                self._process.wait()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()
        if self._own and error is None:
            shutil.rmtree(self.folder, ignore_errors=True)
            self.folder.with_suffix(".out").unlink(missing_ok=True)
        elif error is not None:
            print(f"The portal's folder is kept: {self.folder}\n{self.logs()}")

    def logs(self, lines: int = 30) -> str:
        """The ends of all logs."""
        parts = []
        for log in sorted((self.folder / "logs").glob("*.log")):
            tail = log.read_text(errors="replace").splitlines()[-lines:]
            parts.append(f"--- {log.name}\n" + "\n".join(tail))
        return "\n".join(parts)

    # ------------------------------------------------------------ parts
    def pid(self, part: str) -> int:
        """Process id of "web", "worker", "scheduler" or "vectors"; waits up to 20 s for a restart."""
        for _ in range(200):
            with contextlib.suppress(OSError, ValueError):
                pid = int((self.folder / "run" / f"{part}.pid").read_text())
                os.kill(pid, 0)
                return pid
            time.sleep(0.1)
        raise RuntimeError(f"{part} is not running\n{self.logs()}")

    @property
    def probes(self) -> str:
        """The address of healthd."""
        return f"http://127.0.0.1:{(self.folder / 'run' / 'healthd.port').read_text().strip()}"

    def kill(self, part: str) -> None:
        """kill -9 of a part's whole process group."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.pid(part), signal.SIGKILL)

    def rss_bytes(self) -> dict[str, int]:
        """Resident memory by part, children included, and of the supervisor, in bytes."""
        import psutil

        found: dict[str, int] = {}
        for part in ("supervisor", *PARTS):
            with contextlib.suppress(psutil.Error, RuntimeError):
                process = psutil.Process(self.pid(part))
                # The supervisor's children are the parts, which are counted by themselves.
                children = [] if part == "supervisor" else process.children(recursive=True)
                found[part] = sum(p.memory_info().rss for p in [process, *children])
        return found

    def manage(self, *arguments: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        """Run a management command in the portal's environment."""
        environment = {**self.environment, **self._chroma()}
        return subprocess.run(
            [self.python, "manage.py", *arguments],
            cwd=self._checkout,
            env=environment,
            check=check,
            capture_output=True,
            text=True,
        )

    def _chroma(self) -> dict[str, str]:
        """The vector store's address, as the supervisor gave it to the worker; none while the portal is stopped."""
        if self._process is None or self._process.poll() is not None:
            return {}
        with contextlib.suppress(OSError):
            pairs = Path(f"/proc/{self.pid('worker')}/environ").read_bytes().split(b"\0")
            return dict(p.decode().split("=", 1) for p in pairs if p.startswith(b"AIWRITER_CHROMA_URL="))
        return {}

    def shell(self, code: str) -> Any:
        """Run Python with Django set up; `code` assigns a JSON-able `answer`, which is returned."""
        if self._stays:
            self._desk = self._desk or Desk(self.python, self._checkout, {**self.environment, **self._chroma()})
            return self._desk.run(code)
        program = f"import json\n{code}\nprint('ANSWER' + json.dumps(answer))"
        done = self.manage("shell", "--no-imports", "-c", program, check=False)
        if done.returncode:
            raise RuntimeError(done.stderr[-4000:])
        return json.loads(next(line for line in done.stdout.splitlines() if line.startswith("ANSWER"))[6:])

    # ------------------------------------------------------------ clients
    def api(self, token: str) -> httpx2.Client:
        """A REST client with an API token."""
        return httpx2.Client(
            base_url=f"{self.url}/api/v1", headers={"Authorization": f"Bearer {token}"}, timeout=60, trust_env=False
        )

    def sign_in(self, email: str = "", password: str = "") -> httpx2.Client:
        """A session as a browser would have it, signed in through the page."""
        client = httpx2.Client(base_url=self.url, timeout=60, follow_redirects=True, trust_env=False)
        page = client.get("/accounts/login/")
        client.post(
            "/accounts/login/",
            data={
                "login": email or self.email,
                "password": password or self.password,
                "csrfmiddlewaretoken": client.cookies.get("csrftoken", ""),
            },
            headers={"Referer": str(page.url)},
        )
        if "sessionid" not in client.cookies:
            raise RuntimeError("signing in failed")
        client.headers["X-CSRFToken"] = client.cookies.get("csrftoken") or ""
        client.headers["Referer"] = self.url
        return client


def read_events(client: httpx2.Client, url: str, *, after: int = 0) -> Iterator[tuple[int, str, dict[str, Any]]]:
    """Follow a stream of server-sent events: (seq, type, data), from the event after `after` to the end."""
    headers = {"Last-Event-ID": str(after)} if after else {}
    with client.stream("GET", url, headers=headers, timeout=60) as response:
        response.raise_for_status()
        seq, kind = 0, "message"
        for line in response.iter_lines():
            if line.startswith("id:"):
                seq = int(line[3:])
            elif line.startswith("event:"):
                kind = line[6:].strip()
            elif line.startswith("data:"):
                yield seq, kind, json.loads(line[5:])
