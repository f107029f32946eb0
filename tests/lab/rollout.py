"""A host with a proxy, two slots and the agent: real versions of the portal are rolled out on it, under load."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from types import TracebackType
from typing import Any

import httpx2

from tests.lab.portal import ROOT, read_events
from tests.servers import free_port, proxies

AGENT = ROOT / "deploy" / "agent" / "src"
_CODE = ("aiwriter", "apps", "templates", "static", "deploy/checklists", "manage.py", "pyproject.toml")
_FAULT = '''"""Put into a bad version by the lab."""

import random
import time

from django.http import HttpResponse

SPARED = ("/livez", "/readyz")
left = {after}


class Fault:
    """Breaks a share of the answers, or makes all slow."""

    def __init__(self, get_response):
        self.get_response = get_response

    def __call__(self, request):
        global left
        if request.path not in SPARED and left > 0:
            left -= 1
        elif request.path not in SPARED:
            time.sleep({delay})
            if random.random() < {errors}:
                return HttpResponse("broken", status=500)
        return self.get_response(request)
'''


class Host:
    """The host: folders, keys, a proxy, an agent.

    Args:
        proxy: haproxy, caddy, traefik or nginx.
        variables: more of the portal's variables.
        slots: how many there are.
        roles: parts beside the web processes.
    """

    def __init__(
        self,
        proxy: str = "haproxy",
        *,
        variables: dict[str, str] | None = None,
        slots: int = 2,
        roles: tuple[str, ...] = ("worker", "scheduler"),
        drain_seconds: float = 60.0,
    ) -> None:
        # A short path: the names of sockets have 108 bytes.
        self.folder = Path(tempfile.mkdtemp(prefix="awh-", dir="/tmp"))
        self.proxy_name, self.port = proxy, free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.slots = {name: free_port() for name in ("blue", "green", "red", "white")[:slots]}
        self.data = self.folder / "data"
        self.releases = self.folder / "releases"
        self._roles, self._drain = roles, drain_seconds
        self._proxy: subprocess.Popen[bytes] | None = None
        self._variables = {
            "AIWRITER_ALLOWED_HOSTS": "localhost,127.0.0.1",
            "AIWRITER_TRUSTED_PROXIES": "1",
            "AIWRITER_API_TOKEN_RATE": "100000",
            "AIWRITER_API_USER_RATE": "100000",
            "AIWRITER_CHROMA_URL": f"http://127.0.0.1:{free_port()}",
            "AIWRITER_LOG_LEVEL": "WARNING",
            **(variables or {}),
        }
        self.email = ""

    # ------------------------------------------------------------ life
    def __enter__(self) -> Host:
        binary = proxies.binary(self.proxy_name)
        for folder in (self.data, self.releases, self.folder / "state"):
            folder.mkdir()
        for name in ("run/metrics", "logs", "queue/messages", "queue/control", "keys", "secrets"):
            (self.data / name).mkdir(parents=True, exist_ok=True)
        # Some minutes of a slow machine: a database that is migrated already, by whoever runs many of these.
        if migrated := os.environ.get("TESTS_MIGRATED"):
            shutil.copy(migrated, self.data / "aiwriter.sqlite3")
        (self.folder / "portal.env").write_text("".join(f"{n}={v}\n" for n, v in self._variables.items()))
        private, public = re.findall(r"(?:private|public)\s+(\S+)", self.agent("keygen", check=True).stdout)
        self.key = self.folder / "plan.key"
        self.key.write_text(private)
        self.key.chmod(0o600)
        slots = "".join(f'[[slots]]\nname = "{n}"\naddress = "127.0.0.1:{p}"\n' for n, p in self.slots.items())
        options = f'[options]\napi = "127.0.0.1:{free_port()}"\n' if self.proxy_name == "traefik" else ""
        self._write_environment(
            f'name = "lab"\nstate = "{self.folder}/state"\nreleases = "{self.releases}"\ndata = "{self.data}"\n'
            f'runtime = "processes"\ntraffic = "{self.proxy_name}"\nlisten = "127.0.0.1:{self.port}"\n'
            f'binary = "{binary}"\nvariables = "{self.folder}/portal.env"\ntrusted_keys = ["{public}"]\n'
            f"drain_seconds = {self._drain}\nroles = {json.dumps(list(self._roles))}\n",
            slots + options,
        )
        self._proxy_command = json.loads(self.agent("init", check=True).stdout)
        self.start_proxy()
        return self

    def _write_environment(self, head: str, tables: str) -> None:
        self._head, self._tables = head, tables
        (self.folder / "lab.toml").write_text(head + tables)

    def use_token(self, token: str) -> None:
        """Have the agent's probes sign in."""
        path = self.folder / "probe.token"
        path.write_text(token)
        self._write_environment(self._head + f'probe_token = "{path}"\n', self._tables)

    def trust_console(self, public: str, token: Path) -> None:
        """Have the agent take plans from the console behind the proxy.

        Args:
            public: the key that the console signs with.
            token: file of the token that the agent reports with.
        """
        head = re.sub(r'trusted_keys = \["', f'trusted_keys = ["{public}", "', self._head)
        console = f'[console]\nurl = "{self.url}"\ntoken = "{token}"\n'
        self._write_environment(head, self._tables + console)

    def allow_scaling(self, **bounds: tuple[int, int]) -> None:
        """Let the agent scale these parts, as the operator of the host would."""
        lines = "".join(f"{part} = [{least}, {most}]\n" for part, (least, most) in bounds.items())
        self._write_environment(self._head, f"{self._tables}[scale]\n{lines}")

    def start_proxy(self) -> None:
        """Start the proxy and wait until it listens."""
        with (self.folder / "proxy.log").open("ab") as log:
            self._proxy = subprocess.Popen(
                self._proxy_command, stdout=log, stderr=log, cwd=self.folder, env=proxies.clean_environment()
            )
        end = time.monotonic() + 20
        while time.monotonic() < end:
            try:
                # Not a request: some hold those for as long as nothing is there that could answer.
                socket.create_connection(("127.0.0.1", self.port), timeout=5).close()
                return
            except OSError:
                time.sleep(0.1)
        proxies.stop(self._proxy)
        raise RuntimeError(f"{self.proxy_name} did not start:\n{(self.folder / 'proxy.log').read_text()[-2000:]}")

    def kill_proxy(self) -> None:
        """kill -9 of the proxy."""
        assert self._proxy is not None
        self._proxy.kill()
        self._proxy.wait()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._proxy is not None:
            proxies.stop(self._proxy)
        for path in (self.folder / "state" / "processes").glob("*.json"):
            noted = json.loads(path.read_text())
            if self._lives(noted):
                os.killpg(noted["pid"], signal.SIGKILL)
        if error is None:
            shutil.rmtree(self.folder, ignore_errors=True)
        else:
            print(f"The host's folder is kept: {self.folder}\n{self.logs()}")

    @staticmethod
    def _lives(noted: dict[str, Any]) -> bool:
        try:
            fields = Path(f"/proc/{noted['pid']}/stat").read_text().rpartition(")")[2].split()
        except OSError:
            return False
        return fields[19] == noted["started"]

    def logs(self, lines: int = 15) -> str:
        """The ends of all logs."""
        found = [self.folder / "proxy.log", *(self.folder / "state" / "logs").glob("*.log")]
        return "\n".join(
            f"--- {path.name}\n" + "\n".join(path.read_text(errors="replace").splitlines()[-lines:]) for path in found
        )

    # ------------------------------------------------------------ versions
    def release(
        self, version: str, *, errors: float = 0.0, delay: float = 0.0, after: int = 0, migration: str = ""
    ) -> None:
        """Make a version of this checkout, perhaps a bad one.

        Args:
            errors: share of its answers that are 500.
            delay: seconds by which all are late.
            after: so many requests are answered well first: those of the smoke test, which would find it.
            migration: operations of one more migration of `apps.monitoring`, as Python.
        """
        folder = self.code(version)
        folder.mkdir(parents=True)
        for name in _CODE:
            source = ROOT / name
            if source.is_dir():
                ignored = shutil.ignore_patterns("__pycache__")
                shutil.copytree(source, folder / name, copy_function=_link, ignore=ignored)
            else:
                shutil.copy2(source, folder / name)
        _rewrite(folder / "aiwriter" / "__init__.py", r'__version__ = ".*"', f'__version__ = "{version}"')
        if errors or delay:
            (folder / "aiwriter" / "lab_fault.py").write_text(
                _FAULT.replace("{delay}", str(delay)).replace("{errors}", str(errors)).replace("{after}", str(after))
            )
            _rewrite(
                folder / "aiwriter" / "settings.py",
                r"MIDDLEWARE = \[",
                'MIDDLEWARE = [\n    "aiwriter.lab_fault.Fault",',
            )
        if migration:
            self._add_migration(folder, migration)
        manifest: dict[str, str] = {"version": version, "python": sys.executable}
        path = folder.parent / "release.json"
        path.write_text(json.dumps(manifest))
        manifest["digest"] = self.agent("digest", version, check=True).stdout.strip()
        path.write_text(json.dumps(manifest))

    def code(self, version: str) -> Path:
        """Where the program of a version lies."""
        return self.releases / version / "app"

    @staticmethod
    def _add_migration(folder: Path, text: str) -> None:
        migrations = folder / "apps" / "monitoring" / "migrations"
        last = sorted(path.stem for path in migrations.glob("0*.py"))[-1]
        number = int(last[:4]) + 1
        (migrations / f"{number:04d}_lab.py").write_text(
            "from django.db import migrations, models\n\n\nclass Migration(migrations.Migration):\n"
            f'    dependencies = [("monitoring", "{last}")]\n{text}\n'
        )

    # ------------------------------------------------------------ the agent
    def _command(self, *arguments: str) -> list[str]:
        return [sys.executable, "-m", "aw_deployd", "-e", str(self.folder / "lab.toml"), *arguments]

    @staticmethod
    def _agent_environment() -> dict[str, str]:
        return {**proxies.clean_environment(), "PYTHONPATH": str(AGENT)}

    def agent(self, *arguments: str, check: bool = False) -> subprocess.CompletedProcess[str]:
        """Run a verb of the agent to its end."""
        done = subprocess.run(
            self._command(*arguments), capture_output=True, text=True, env=self._agent_environment(), check=False
        )
        if check and done.returncode:
            raise RuntimeError(f"aw-deployd {' '.join(arguments)}: {done.returncode}\n{done.stdout}{done.stderr}")
        return done

    def plan(self, version: str, *options: str) -> Path:
        """A signed plan, in a file."""
        path = self.folder / f"plan-{version}-{time.monotonic_ns()}.json"
        path.write_text(self.agent("plan", version, "--key", str(self.key), *options, check=True).stdout)
        return path

    def deploy(self, version: str, *options: str) -> subprocess.CompletedProcess[str]:
        """Plan and deploy."""
        return self.agent("deploy", str(self.plan(version, *options)))

    def begin(self, *arguments: str) -> subprocess.Popen[bytes]:
        """Start a verb and do not wait."""
        with (self.folder / "agent.log").open("ab") as log:
            return subprocess.Popen(self._command(*arguments), stdout=log, stderr=log, env=self._agent_environment())

    def status(self) -> dict[str, Any]:
        """What the agent sees."""
        found: dict[str, Any] = json.loads(self.agent("status", "--json", check=True).stdout)
        return found

    def serving(self) -> dict[str, float]:
        """Version → percent of the people."""
        return {slot["release"]: slot["percent"] for slot in self.status()["slots"].values() if slot["percent"]}

    # ------------------------------------------------------------ the portal
    def first(self, version: str, *options: str) -> None:
        """The first deployment; afterwards `email` is the administrator's."""
        done = self.deploy(version, "--bake", "0", *options)
        if done.returncode:
            raise RuntimeError(f"{version} was not deployed:\n{done.stdout}{done.stderr}\n{self.logs()}")
        self.email = self.shell(
            "from django.contrib.auth import get_user_model\nanswer = get_user_model().objects.earliest('pk').email"
        )

    def variables(self) -> dict[str, str]:
        """The environment of the portal's processes."""
        settled = {"AIWRITER_DATA_DIR": str(self.data), "DJANGO_SETTINGS_MODULE": "aiwriter.settings"}
        return {**proxies.clean_environment(), **self._variables, **settled}

    def manage(
        self, version: str, *arguments: str, check: bool = True, database: str = ""
    ) -> subprocess.CompletedProcess[str]:
        """Run a management command of a version."""
        return subprocess.run(
            [sys.executable, "manage.py", *arguments],
            cwd=self.code(version),
            env={**self.variables(), **({"DATABASE_URL": database} if database else {})},
            capture_output=True,
            text=True,
            check=check,
        )

    def pid(self, name: str) -> int:
        """Of the process that runs in a slot or for a role."""
        noted = json.loads((self.folder / "state" / "processes" / f"{name}.json").read_text())
        return int(noted["pid"])

    def shell(self, code: str, version: str = "") -> Any:
        """Run Python with a version of the portal; `code` assigns a JSON-able `answer`."""
        program = f"import json\n{code}\nprint('ANSWER' + json.dumps(answer))"
        version = version or sorted(path.name for path in self.releases.iterdir())[0]
        done = self.manage(version, "shell", "--no-imports", "-c", program, check=False)
        if done.returncode:
            raise RuntimeError(done.stderr[-4000:])
        return json.loads(next(line for line in done.stdout.splitlines() if line.startswith("ANSWER"))[6:])

    def api(self, token: str) -> httpx2.Client:
        """A REST client through the proxy."""
        headers = {"Authorization": f"Bearer {token}"}
        return httpx2.Client(base_url=f"{self.url}/api/v1", headers=headers, timeout=60, trust_env=False)


class Crowd:
    """Load for the time of a `with` block; `seen` afterwards."""

    def __init__(self, host: Host, rate: float, *, token: str = "", people: int = 400, seed: int = 1) -> None:
        self._options = {"url": host.url, "rate": rate, "token": token, "people": people, "seed": seed}
        if cafile := getattr(host, "certificate", ""):
            self._options["cafile"] = str(cafile)
        self.seen: dict[str, Any] = {}

    def __enter__(self) -> Crowd:
        command = [sys.executable, "-m", "tests.lab.load", json.dumps(self._options)]
        self._process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)
        return self

    def __exit__(self, *how: object) -> None:
        self._process.send_signal(signal.SIGTERM)
        output, _ = self._process.communicate(timeout=60)
        self.seen = json.loads(output.splitlines()[-1])


class Streams:
    """Generations that are read while versions change; each reader asks again, with the last number, as a browser does."""

    def __init__(self, host: Host, token: str, count: int) -> None:
        self._host, self._token = host, token
        self.texts: dict[str, str] = {}
        self.cut = 0
        self.begun = threading.Barrier(count + 1)
        self._threads = [threading.Thread(target=self._read, args=(number,), daemon=True) for number in range(count)]
        for thread in self._threads:
            thread.start()
        self.begun.wait(60)

    def _read(self, number: int) -> None:
        with self._host.api(self._token) as client:
            key = {"Idempotency-Key": f"stream-{number}-{id(self)}"}
            made = client.post("/generate/content", json={"topic": f"Numbers {number}", "source_ids": []}, headers=key)
            made.raise_for_status()
            generation = made.json()["id"]
            self.begun.wait(60)
            last, text, done = 0, "", False
            while not done:
                try:
                    for seq, kind, data in read_events(client, f"/generations/{generation}/events", after=last):
                        last = seq
                        if kind == "delta":
                            text += data["text"]
                        elif kind == "text":
                            text = data["text"]
                        done = done or kind == "done"
                except httpx2.TransportError:
                    self.cut += 1
                    time.sleep(0.5)
            self.texts[generation] = text

    def finish(self, seconds: float = 180.0) -> list[str]:
        """Wait for the ends; the texts."""
        for thread in self._threads:
            thread.join(seconds)
        return list(self.texts.values())


def _link(source: str, target: str) -> None:
    try:
        os.link(source, target)
    except OSError:
        shutil.copy2(source, target)


def _rewrite(path: Path, pattern: str, text: str) -> None:
    changed = re.sub(pattern, text, path.read_text(), count=1)
    path.unlink()
    path.write_text(changed)
