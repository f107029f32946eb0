"""A `docker` with `docker compose` that knows images and containers in memory only: what it is told is kept, nothing is run.

`Docker` puts it on a PATH with the installation of deploy/compose in a folder.
"""

from __future__ import annotations

import copy
import itertools
import json
import re
import shutil
from pathlib import Path
from typing import Any

from tests.fakes.program import Answer, Call, Program

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
        self._state: dict[str, Any] = {"images": {}, "containers": [], "calls": [], "codes": {}, "running": {}}
        self._state |= {"version": "2.29.1", "away": 0, "stubborn": [], "broken": []}
        self._program = Program(self.path / "docker", self._answer)

    def _answer(self, call: Call) -> Answer:
        self._state["calls"].append(" ".join(call.words))
        return _Engine(self._state, call).run()

    def close(self) -> None:
        """It is away for good."""
        self._program.close()

    def tell(self, **values: Any) -> None:
        """Change what it knows."""
        with self._program.turn:
            self._state |= values

    def told(self, name: str) -> Any:
        """What it knows."""
        with self._program.turn:
            return copy.deepcopy(self._state[name])

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
    def __init__(self, state: dict[str, Any], call: Call) -> None:
        self.state, self.call = state, call
        self.out = self.err = ""
        self.containers: list[dict[str, Any]] = state["containers"]
        self.images: dict[str, dict[str, Any]] = state["images"]

    def run(self) -> Answer:
        if self.state["away"]:
            self.state["away"] -= 1
            return Answer(err="Cannot connect to the Docker daemon at unix:///var/run/docker.sock.\n", code=1)
        word, *words = self.call.words
        if word == "compose":
            while words[0].startswith("--"):
                del words[:2]
            word, *words = words
            word = f"compose_{word}"
        work = getattr(self, "run_" if word == "run" else word)
        code = int(work(words) or 0)
        return Answer(self.out, self.err, code)

    def _say(self, text: str) -> None:
        self.out += text + "\n"

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
            self.err += f"Error: No such image: {words[1]}\n"
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

    def _variable(self, name: str) -> str:
        if value := self.call.variables.get(name):
            return value
        found = re.findall(rf"(?m)^{name}=(.*)$", (self.call.folder / ".env").read_text())
        return found[-1] if found else ""

    def compose_run(self, words: list[str]) -> int:
        database = self.call.variables.get("DATABASE_URL", "-")
        self._say(" ".join([self._variable("AIWRITER_IMAGE"), database, *words[words.index("migrate") :]]))
        return int(self.state["codes"].get(words[words.index("migrate") + 2], 0))

    def compose_up(self, words: list[str]) -> int:
        service = words[-1]
        slot = service.removeprefix("web-").upper() if service.startswith("web-") else ""
        image = self._variable(f"AIWRITER_{slot}_IMAGE" if slot else "AIWRITER_IMAGE")
        if image not in self.images:
            self.err += f"Error response from daemon: No such image: {image}\n"
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
