"""The Compose installation of deploy/compose, brought up by a real engine, and used through its proxy.

Where the official images of PostgreSQL, Redis and HAProxy would be, stand ones with Debian's packages that take the same words.
"""

from __future__ import annotations

import json
import os
import shutil
import ssl
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any

import httpx2

from aiwriter import __version__
from tests.lab.deploytools import program, tools
from tests.lab.engine import BASE, SERVICES, SUITE, Engine, context, wheels
from tests.lab.portal import ROOT, Portal

_SYS_RESOURCE = 24
# What compose.yml asks of the official image: POSTGRES_USER, POSTGRES_DB, POSTGRES_PASSWORD_FILE.
_POSTGRES = """#!/bin/sh
set -eu
data=/var/lib/postgresql/data
as() { setpriv --reuid=postgres --regid=postgres --init-groups "$@"; }
mkdir -p "$data" && chown postgres "$data" && chmod 700 "$data"
if [ ! -s "$data/PG_VERSION" ]; then
    install -m 0400 -o postgres "$POSTGRES_PASSWORD_FILE" /tmp/word
    as initdb -D "$data" -U "$POSTGRES_USER" --pwfile=/tmp/word --auth-host=scram-sha-256 --auth-local=trust \\
        -E UTF8 --locale=C.UTF-8 >/dev/null
    rm /tmp/word
    echo "host all all all scram-sha-256" >>"$data/pg_hba.conf"
    as pg_ctl -D "$data" -w -o "-c listen_addresses= -c unix_socket_directories=/tmp" start >/dev/null
    as psql -q -h /tmp -U "$POSTGRES_USER" -d postgres -c "CREATE DATABASE \\"$POSTGRES_DB\\""
    as pg_ctl -D "$data" -w stop >/dev/null
fi
exec setpriv --reuid=postgres --regid=postgres --init-groups postgres -D "$data" -c "listen_addresses=*" \\
    -c unix_socket_directories=/tmp
"""
_IMAGES = {
    "postgres": "ENV PATH=/usr/lib/postgresql/15/bin:/usr/sbin:/usr/bin:/sbin:/bin\nCOPY start /usr/local/bin/start\n"
    'STOPSIGNAL SIGINT\nENTRYPOINT ["sh", "/usr/local/bin/start"]\n',
    "redis": "",
    "haproxy": "",
}


def build_images(engine: Engine, other: str) -> None:
    """The image by its Dockerfile, the same with another version's number, and those of the servers."""
    engine.base("base", BASE)
    engine.base("services", SERVICES)
    with tempfile.TemporaryDirectory(prefix="aiwriter-context-") as scratch:
        folder = Path(scratch)
        context(folder)
        for wheel in wheels("plugins", ROOT / "requirements" / "plugins.txt").glob("*.whl"):
            shutil.copy2(wheel, folder / "deploy/docker/wheels")
        words = ["-f", f"{folder}/deploy/docker/Dockerfile", "--build-arg", f"BASE_IMAGE=aiwriter/base:{SUITE}"]
        engine.build(f"aiwriter:{__version__}", folder, *words)
    renumbered(engine, other)


def renumbered(engine: Engine, other: str) -> None:
    """The images that take less than a second."""
    change = (
        f"sed -i 's/__version__ = .*/__version__ = \"{other}\"/' aiwriter/__init__.py"
        f" && cp ../static/staticfiles-{__version__}.json ../static/staticfiles-{other}.json"
    )
    _small(engine, f"aiwriter:{other}", f"FROM aiwriter:{__version__}\nUSER root\nRUN {change}\nUSER 10001:10001\n")
    for name, lines in _IMAGES.items():
        _small(engine, f"lab/{name}:{SUITE}", f"FROM aiwriter/services:{SUITE}\n{lines}", start=_POSTGRES)


def _small(engine: Engine, tag: str, dockerfile: str, *, start: str = "") -> None:
    with tempfile.TemporaryDirectory(prefix="aiwriter-context-") as scratch:
        (Path(scratch) / "Dockerfile").write_text(dockerfile)
        (Path(scratch) / "start").write_text(start)
        engine.build(tag, Path(scratch))


class Stack:
    """`docker compose up` for the time of a `with` block. Use it within `engine.joined()`.

    Args:
        engine: with the images.
        image: of the portal.
        variables: more of the portal's, in portal.env.
        files: of Compose, where not compose.yml alone; they stand in .env.
    """

    url = "https://localhost"
    email = "admin@localhost"

    def __init__(self, engine: Engine, image: str, variables: dict[str, str], *, files: tuple[str, ...] = ()) -> None:
        self._engine, self._image, self._variables, self._files = engine, image, variables, files
        self.folder = engine.folder / "compose"
        self.seconds_to_healthy = 0.0
        self._path = f"{tools()}:/usr/bin:{os.environ['PATH']}"

    @property
    def certificate(self) -> Path:
        """That prepare.sh made."""
        return self.folder / "secrets" / "tls.pem"

    def __enter__(self) -> Stack:
        program("openssl", "openssl")
        shutil.copytree(
            ROOT / "deploy" / "compose", self.folder, ignore=shutil.ignore_patterns(".env", "portal.env", "run")
        )
        self._said("./prepare.sh", "localhost")
        values = {
            "AIWRITER_IMAGE": self._image, "AIWRITER_BLUE_IMAGE": self._image, "AIWRITER_GREEN_IMAGE": self._image,
            "AIWRITER_POSTGRES_IMAGE": f"lab/postgres:{SUITE}", "AIWRITER_REDIS_IMAGE": f"lab/redis:{SUITE}",
            "AIWRITER_HAPROXY_IMAGE": f"lab/haproxy:{SUITE}", "AIWRITER_RATE": "100000",
        }  # fmt: skip
        lines = [
            line for line in (self.folder / ".env").read_text().splitlines() if line.partition("=")[0] not in values
        ]
        (self.folder / ".env").write_text("\n".join([*lines, *(f"{n}={v}" for n, v in values.items())]) + "\n")
        (self.folder / "portal.env").write_text("".join(f"{n}={v}\n" for n, v in self._variables.items()))
        self._within_limits()
        begun = time.monotonic()
        try:
            self.compose("up", "-d", "--wait", "--no-build")
        except BaseException:
            print(self.logs())
            self._down()
            raise
        self.seconds_to_healthy = time.monotonic() - begun
        return self

    def _within_limits(self) -> None:
        """An engine that may not raise limits of processes, as in a virtual machine like this one, starts no part that asks for it."""
        held = int(
            next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("CapEff"))[7:],
            16,
        )
        if not held >> _SYS_RESOURCE & 1:
            print("  without CAP_SYS_RESOURCE: the worker runs without its limit of nice", flush=True)
            (self.folder / "compose.override.yml").write_text("services:\n  worker:\n    ulimits: !reset {}\n")
            self._files = (*self._files, "compose.override.yml") if self._files else ()
        if self._files:
            with (self.folder / ".env").open("a") as file:
                file.write(f"COMPOSE_FILE={':'.join(self._files)}\n")

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is not None:
            print(self.logs())
        self._down()

    def _down(self) -> None:
        subprocess.run(
            ["docker-compose", "--profile", "*", "down", "-v", "-t", "5"],
            cwd=self.folder, env=self.environment(), capture_output=True, check=False,
        )  # fmt: skip

    # ------------------------------------------------------------ commands
    def environment(self) -> dict[str, str]:
        """Of commands that use this engine."""
        clean = {name: value for name, value in os.environ.items() if not name.startswith(("AIWRITER_", "COMPOSE_"))}
        return {**clean, "DOCKER_HOST": self._engine.host, "PATH": self._path}

    def _said(self, *command: str, check: bool = True, within: float = 900.0) -> str:
        done = subprocess.run(
            command,
            cwd=self.folder,
            env=self.environment(),
            capture_output=True,
            text=True,
            check=False,
            timeout=within,
        )
        if check and done.returncode:
            raise RuntimeError(f"{' '.join(command)[:200]}: {done.returncode}\n{(done.stdout + done.stderr)[-3000:]}")
        return done.stdout

    def compose(self, *words: str, check: bool = True) -> str:
        """A command of Compose."""
        return self._said("docker-compose", *words, check=check)

    def flip(self, *words: str) -> str:
        """`flip.py …`, as an operator runs it."""
        return self._said("python3", "flip.py", *words)

    @property
    def live(self) -> str:
        """The slot that serves, by .env."""
        lines = (self.folder / ".env").read_text().splitlines()
        return next(line for line in lines if line.startswith("COMPOSE_PROFILES=")).partition("=")[2]

    def aiwriter(self, *words: str, part: str = "") -> str:
        """`aiwriter …` in a container that runs."""
        return self.compose("exec", "-T", part or f"web-{self.live}", "aiwriter", *words)

    def shell(self, code: str) -> Any:
        """Run Python with the portal; `code` assigns a JSON-able `answer`."""
        program = f"import json\n{code}\nprint('ANSWER' + json.dumps(answer))"
        said = self.aiwriter("manage", "shell", "--no-imports", "-c", program)
        return json.loads(next(line for line in said.splitlines() if line.startswith("ANSWER"))[6:])

    def inspect(self, service: str) -> dict[str, Any]:
        """What the engine says of a container."""
        name = self.compose("ps", "-a", "-q", service).split()[0]
        found: dict[str, Any] = json.loads(self._engine.run("inspect", name))[0]
        return found

    def gateway(self) -> str:
        """The address by which containers reach this side."""
        found = json.loads(self._engine.run("network", "inspect", "aiwriter_outward"))[0]
        return str(found["IPAM"]["Config"][0]["Gateway"])

    def logs(self) -> str:
        """The ends of all logs, and how all are."""
        return (
            self.compose("ps", "-a", check=False)
            + self.compose("logs", "--tail", "12", "--no-color", check=False)[-8000:]
        )

    # ------------------------------------------------------------ clients
    def _tls(self) -> ssl.SSLContext:
        return ssl.create_default_context(cafile=str(self.certificate))

    def api(self, token: str) -> httpx2.Client:
        """A REST client through the proxy."""
        headers = {"Authorization": f"Bearer {token}"}
        return httpx2.Client(
            base_url=f"{self.url}/api/v1", headers=headers, timeout=60, trust_env=False, verify=self._tls()
        )

    @contextmanager
    def browser(self) -> Iterator[httpx2.Client]:
        """Somebody at a browser, not signed in."""
        with httpx2.Client(
            base_url=self.url, timeout=60, follow_redirects=True, trust_env=False, verify=self._tls()
        ) as client:
            yield client

    def as_portal(self) -> Portal:
        """For helpers that use no more of a portal than what this has, too."""
        return self  # type: ignore[return-value]
