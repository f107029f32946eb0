"""A `docker` with `docker compose` that knows images and containers in a file only: what it is told is kept, nothing is run.

As a program it is `docker`; `Docker` puts it on a PATH with the installation of deploy/compose in a folder.
"""

from __future__ import annotations

import fcntl
import itertools
import json
import os
import re
import shutil
import sys
from pathlib import Path
from typing import Any

COMPOSE = Path(__file__).resolve().parents[2] / "deploy" / "compose"


class Docker:
    """The engine and the installation.

    Args:
        folder: where both lie.
    """

    def __init__(self, folder: Path) -> None:
        self.compose = folder / "compose"
        shutil.copytree(COMPOSE / "haproxy", self.compose / "haproxy")
        (self.compose / "run").mkdir()
        text = (COMPOSE / "env.example").read_text()
        (self.compose / ".env").write_text(f"{text}COMPOSE_FILE=compose.yml:compose.agent.yml\n")
        self.path = folder / "bin"
        self.path.mkdir()
        self._state = folder / "docker.json"
        program = self.path / "docker"
        program.write_text(f'#!/bin/sh\nexec "{sys.executable}" -S "{__file__}" "{self._state}" "$@"\n')
        program.chmod(0o755)
        self.tell(
            images={}, containers=[], calls=[], codes={}, running={}, version="2.29.1", away=0, stubborn=[], broken=[]
        )

    def tell(self, **values: Any) -> None:
        """Change what it knows."""
        found = json.loads(self._state.read_text()) if self._state.exists() else {}
        self._state.write_text(json.dumps({**found, **values}))

    def told(self, name: str) -> Any:
        """What it knows."""
        return json.loads(self._state.read_text())[name]

    def add_image(self, name: str, number: str, python: str = "python3.11", digests: tuple[str, ...] = ()) -> str:
        """An image; its id."""
        made = {"Id": f"sha256:{number * 64}", "python": python, "digests": list(digests)}
        self.tell(images={**self.told("images"), name: made})
        return str(made["Id"])

    def calls(self, word: str) -> list[str]:
        """The commands so far that have this word."""
        return [call for call in self.told("calls") if word in call.split()]

    def env(self, name: str) -> str:
        """A line of .env."""
        return str(re.findall(rf"(?m)^{name}=(.*)$", (self.compose / ".env").read_text())[-1])


# ---------------------------------------------------------------- the program
class _Engine:
    def __init__(self, state: dict[str, Any], words: list[str]) -> None:
        self.state, self.words = state, words
        self.containers: list[dict[str, Any]] = state["containers"]
        self.images: dict[str, dict[str, Any]] = state["images"]

    def run(self) -> int:
        if self.state["away"]:
            self.state["away"] -= 1
            sys.stderr.write("Cannot connect to the Docker daemon at unix:///var/run/docker.sock.\n")
            return 1
        if self.words[0] == "compose":
            words = self.words[1:]
            while words[0].startswith("--"):
                del words[:2]
            work = getattr(self, f"compose_{words[0]}")
        else:
            words = self.words
            work = getattr(self, words[0])
        return int(work(words[1:]) or 0)

    def _say(self, text: str) -> None:
        sys.stdout.write(text + "\n")

    def _find(self, container: str) -> dict[str, Any] | None:
        return next((each for each in self.containers if each["Id"] == container), None)

    # ------------------------------------------------------------ docker
    def ps(self, words: list[str]) -> None:
        self._say("\n".join(each["Id"] for each in self.containers))

    def inspect(self, words: list[str]) -> int:
        found = [self._find(word) for word in words[2:]]
        self._say(json.dumps([each for each in found if each]))
        return 0 if all(found) else 1

    def image(self, words: list[str]) -> int:
        found = {name: each for name, each in self.images.items() if words[1] in (name, each["Id"])}
        if not found:
            sys.stderr.write(f"Error: No such image: {words[1]}\n")
            return 1
        one = next(iter(found.values()))
        digests = [f"{name}@{digest}" for name in found for digest in one["digests"]]
        self._say(json.dumps([{"Id": one["Id"], "RepoTags": list(found), "RepoDigests": digests}]))
        return 0

    def stop(self, words: list[str]) -> None:
        for name in words[2:]:
            if (found := self._find(name)) and found["State"]["Status"] != "exited":
                stubborn = found["Config"]["Labels"]["com.docker.compose.service"] in self.state["stubborn"]
                found["State"] |= {"Status": "exited", "Pid": 0, "ExitCode": 137 if stubborn else 0}

    def update(self, words: list[str]) -> None:
        found = self._find(words[2])
        assert found
        found["HostConfig"]["RestartPolicy"]["Name"] = words[1]

    def rm(self, words: list[str]) -> None:
        self.containers[:] = [each for each in self.containers if each["Id"] not in words]

    def wait(self, words: list[str]) -> int:
        return 0 if self.state["running"].pop(words[0], None) else 1

    def create(self, words: list[str]) -> None:
        self._say(f"made-{words[-1]}")

    def cp(self, words: list[str]) -> None:
        image = words[0].removeprefix("made-").rpartition(":")[0]
        packages = Path(words[1]) / "venv" / "lib" / self.images[image]["python"]
        packages.mkdir(parents=True)
        (Path(words[1]) / "app").mkdir()

    def run_(self, words: list[str]) -> None:
        image = next(word for word in words if word in self.images)
        self._say(str(self.images[image]["python"]))

    # ------------------------------------------------------------ compose
    def compose_version(self, words: list[str]) -> None:
        self._say(self.state["version"])

    def compose_config(self, words: list[str]) -> None:
        agent = "compose.agent.yml" in self._variable("COMPOSE_FILE")
        names = ("worker", "scheduler", "watch", "healthd", "vectors", "migrate", "proxy", "database", "redis")
        services: dict[str, Any] = {name: {} for name in names}
        for slot, port in (("blue", "18000"), ("green", "18001")):
            services[f"web-{slot}"] = {"ports": [{"published": port, "host_ip": "127.0.0.1"}]} if agent else {}
        self._say(json.dumps({"name": "aiwriter", "services": services}))

    @staticmethod
    def _variable(name: str) -> str:
        if value := os.environ.get(name):
            return value
        found = re.findall(rf"(?m)^{name}=(.*)$", Path(".env").read_text())
        return found[-1] if found else ""

    def compose_run(self, words: list[str]) -> int:
        said = [self._variable("AIWRITER_IMAGE"), os.environ.get("DATABASE_URL", "-"), *words[words.index("migrate") :]]
        self._say(" ".join(said))
        return int(self.state["codes"].get(words[words.index("migrate") + 2], 0))

    def compose_up(self, words: list[str]) -> int:
        service = words[-1]
        slot = service.removeprefix("web-").upper() if service.startswith("web-") else ""
        image = self._variable(f"AIWRITER_{slot}_IMAGE" if slot else "AIWRITER_IMAGE")
        if image not in self.images:
            sys.stderr.write(f"Error response from daemon: No such image: {image}\n")
            return 1
        count = int(self._variable("AIWRITER_WORKERS") or 1) if service == "worker" else 1
        if "--scale" in words:
            count = int(words[words.index("--scale") + 1].partition("=")[2])
        mine = [each for each in self.containers if each["Config"]["Labels"]["com.docker.compose.service"] == service]
        if "--no-recreate" not in words:
            for each in [each for each in mine if each["Config"]["Image"] != image]:
                self.containers.remove(each)
                mine.remove(each)
        for each in mine:
            if each["State"]["Status"] == "exited":
                self._begin(each)
        numbers = {int(each["Config"]["Labels"]["com.docker.compose.container-number"]) for each in mine}
        for _ in range(count - len(mine)):
            number = next(each for each in itertools.count(1) if each not in numbers)
            numbers.add(number)
            self.containers.append(self._container(service, number, image))
        return 0

    def _container(self, service: str, number: int, image: str) -> dict[str, Any]:
        self.state["made"] = self.state.get("made", 0) + 1
        labels = {"com.docker.compose.service": service, "com.docker.compose.container-number": str(number)}
        made = {
            "Id": f"{service}-{self.state['made']:04d}",
            "Created": f"2026-11-27T02:00:{self.state['made']:02d}.5Z",
            "Image": self.images[image]["Id"],
            "Config": {"Image": image, "Labels": labels},
            "HostConfig": {"RestartPolicy": {"Name": "unless-stopped"}},
        }
        self._begin(made)
        return made

    def _begin(self, container: dict[str, Any]) -> None:
        broken = container["Config"]["Image"] in self.state["broken"]
        status = "restarting" if broken else "running"
        container["State"] = {
            "Status": status,
            "Pid": 0 if broken else 1,
            "ExitCode": 0,
            "Health": {"Status": "healthy"},
        }
        container["RestartCount"] = int(broken)


def main(path: str, *words: str) -> int:
    """One command."""
    with Path(f"{path}.lock").open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        state = json.loads(Path(path).read_text())
        state["calls"].append(" ".join(words))
        engine = _Engine(state, ["run_" if words[0] == "run" else words[0], *words[1:]])
        code = engine.run()
        Path(path).write_text(json.dumps(state))
    return code


if __name__ == "__main__":
    raise SystemExit(main(*sys.argv[1:]))
