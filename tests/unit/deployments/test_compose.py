"""The driver for Compose: what it asks of a `docker` that keeps all in memory, and what it decides in `.env`."""

from __future__ import annotations

import fcntl
import json
import re
import shutil
import subprocess
import textwrap
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from aw_deployd import cli, compose, release
from aw_deployd import environment as environments
from aw_deployd.compose import Project
from aw_deployd.engine import Engine
from aw_deployd.environment import Environment
from aw_deployd.errors import DeployError, Refused
from aw_deployd.journal import Journal
from aw_deployd.machine import State
from aw_deployd.plan import Plan
from aw_deployd.release import Release
from aw_deployd.runtime import Running, open_runtime
from aw_deployd.runtime.compose import Compose
from aw_deployd.traffic import Shares, open_traffic
from tests.fakes.docker import Docker
from tests.fakes.rollout import FakeProbes, FakeRuntime, FakeTraffic, environment

DEPLOY = Path(__file__).resolve().parents[3] / "deploy"


class Machine:
    """An installation in which 1.0 serves from blue, and the image of 2.0."""

    def __init__(self, folder: Path) -> None:
        self.docker = Docker(folder)
        made = environment(folder)
        for version, number in (("1.0", "a"), ("2.0", "b")):
            shutil.rmtree(made.releases / version / "app")
            self.docker.add_image(f"aiwriter:{version}", number)
            self.manifest(made, version, image=f"aiwriter:{version}")
        roles = ("worker", "scheduler")
        options = {"folder": str(self.docker.compose)}
        self.environment = replace(made, runtime="compose", traffic="compose", options=options, roles=roles)
        project = Project(self.environment)
        one = {"AIWRITER_IMAGE": "aiwriter:1.0", "AIWRITER_BLUE_IMAGE": "aiwriter:1.0"}
        project.put(**one, AIWRITER_GREEN_IMAGE="aiwriter:1.0", COMPOSE_PROFILES="blue")
        for service in ("web-blue", *roles):
            project.up(service)

    @staticmethod
    def manifest(made: Environment, version: str, **values: str) -> None:
        (made.releases / version / "release.json").write_text(json.dumps({"version": version, **values}))

    def agent(self) -> Compose:
        """Another one each time: it knows nothing but what is so."""
        found = open_runtime(self.environment)
        assert isinstance(found, Compose)
        return found

    def release(self, version: str) -> Release:
        return release.load(self.environment.releases, version)

    def seen(self, *names: str) -> list[str]:
        agent = self.agent()
        return [agent.observe(name).release for name in names]


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Machine]:
    monkeypatch.setattr(compose, "SNAPSHOT_SECONDS", 0.0)
    monkeypatch.setattr(compose, "FLIP_SECONDS", 0.1)
    compose._program.cache_clear()
    monkeypatch.setenv("PATH", f"{tmp_path}/bin:/usr/bin:/bin")
    monkeypatch.setenv("AIWRITER_IMAGE", "of:somebody-else")
    made = Machine(tmp_path)
    yield made
    made.docker.close()
    compose._program.cache_clear()


def test_a_roll_out_and_the_way_back(machine: Machine) -> None:
    """The web of the second slot, then the worker beside the old one, then what exists once."""
    one, two, docker = machine.release("1.0"), machine.release("2.0"), machine.docker
    assert machine.seen("blue", "worker", "scheduler", "green") == ["1.0", "1.0", "1.0", ""]
    machine.agent().start_web("green", two)
    assert docker.calls("web-green")[-1] == (
        "compose --progress quiet up -d --no-deps --no-build --pull never web-green"
    )
    # It serves nobody yet: the next start of the machine brings what served.
    assert (docker.env("COMPOSE_PROFILES"), docker.env("AIWRITER_GREEN_IMAGE")) == ("blue", "aiwriter:1.0")
    with pytest.raises(DeployError, match=r"blue runs 1\.0"):
        machine.agent().start_web("blue", two)
    assert all(machine.agent().swap_role(role, two, 5.0) for role in ("worker", "scheduler"))
    assert machine.seen("blue", "green", "worker", "scheduler") == ["1.0", "2.0", "2.0", "2.0"]
    assert docker.env("AIWRITER_IMAGE") == "aiwriter:2.0"
    beside = "compose --progress quiet up -d --no-deps --no-build --pull never --no-recreate --scale worker=2 worker"
    ended = next(call for call in docker.calls("stop") if "worker" in call)
    calls = docker.told("calls")
    assert calls.index(beside) < calls.index(ended)
    assert ended.startswith("stop -t 5 worker-")
    assert [each.number for each in Project(machine.environment).containers("worker")] == [2]
    before = len(docker.told("calls"))
    assert all(machine.agent().swap_role(role, two, 5.0) for role in ("worker", "scheduler"))
    assert not [call for call in docker.told("calls")[before:] if call.split()[0] in ("stop", "rm", "update")]
    assert machine.agent().stop("blue", 60.0)
    assert machine.seen("blue", "green") == ["", "2.0"]
    machine.agent().start_web("blue", one)
    assert machine.agent().swap_role("worker", one, 5.0)
    assert machine.seen("blue", "worker") == ["1.0", "1.0"]
    assert not docker.calls("proxy")


def test_an_exchange_that_died_in_the_middle_is_finished(machine: Machine) -> None:
    two = machine.release("2.0")
    machine.agent()._add("worker", two, 1)
    assert [each.release for each in machine.agent().several("worker")] == ["1.0", "2.0"]
    assert machine.seen("worker") == ["2.0"]
    assert machine.agent().swap_role("worker", two, 5.0)
    assert [each.release for each in machine.agent().several("worker")] == ["2.0"]


def test_what_runs_is_told_by_the_image_not_by_its_name(machine: Machine) -> None:
    """The name is given to another image, or the release is known by a digest, or nobody knows it."""
    old = machine.docker.told("images")["aiwriter:1.0"]["Id"]
    machine.docker.add_image("aiwriter:1.0", "c")
    machine.docker.add_image("else:1", "a")
    assert machine.seen("blue") == ["aiwriter:1.0"]
    machine.manifest(machine.environment, "1.0", image="aiwriter:1.0", digest=old)
    assert machine.seen("blue") == ["1.0"]
    with pytest.raises(Refused, match="the manifest says"):
        release.verify(
            machine.release("1.0"), found=machine.agent().digests(machine.release("1.0")), wanted="", coming_from=""
        )
    with pytest.raises(Refused, match="holds no release"):
        machine.release("aiwriter:1.0")


def test_workers_are_added_and_end_in_their_own_time(machine: Machine) -> None:
    one, docker = machine.release("1.0"), machine.docker
    machine.agent().set_several("worker", 3, one)
    assert len(machine.agent().several("worker")) == 3
    assert docker.env("AIWRITER_WORKERS") == "3"
    docker.tell(calls=[])
    machine.agent().set_several("worker", 1, one)
    # Those that end do not count any more, whoever asks, although they still may be there.
    assert len(machine.agent().several("worker")) == 1
    assert [call.split()[:3] for call in docker.calls("update")] == [["update", "--restart", "no"]] * 2
    end = time.monotonic() + 20
    while len([each for each in Project(machine.environment).containers("worker") if each.runs]) > 1:
        assert time.monotonic() < end
        time.sleep(0.05)
    machine.agent().set_several("worker", 2, one)
    assert len(machine.agent().several("worker")) == 2
    assert len(Project(machine.environment).containers("worker")) == 2
    machine.agent().set_several("worker", 0, one)
    assert machine.agent().several("worker") == []
    assert docker.env("AIWRITER_WORKERS") == "0"


def test_who_does_not_end_is_killed_and_who_ends_at_once_is_told(machine: Machine) -> None:
    machine.docker.tell(stubborn=["web-blue"], broken=["aiwriter:2.0"])
    assert not machine.agent().stop("blue", 0.2)
    assert machine.seen("blue") == [""]
    assert machine.agent().stop("blue", 0.2)
    with pytest.raises(DeployError, match=r"worker of 2\.0 ended at once"):
        machine.agent().swap_role("worker", machine.release("2.0"), 5.0)
    machine.agent().start_web("green", machine.release("2.0"))
    # The engine starts it again and again: it does not run, and it can be stopped.
    assert machine.seen("green") == [""]
    assert machine.agent().stop("green", 1.0)
    assert not [each for each in Project(machine.environment).containers("web-green") if each.may_run]
    assert machine.agent().fallen() == []


def test_jobs_are_words_of_the_image_and_one_that_still_runs_is_waited_for(machine: Machine) -> None:
    two, agent, docker = machine.release("2.0"), machine.agent(), machine.docker
    docker.tell(codes={"schema_fit": 3}, running={"aiwriter-job-prepare": True})
    found = agent.run_job(two, "prepare", 20.0)
    assert (found.code, found.tail) == (0, "aiwriter:2.0 - migrate migrate --phase expand")
    order = [call for call in docker.told("calls") if "aiwriter-job-prepare" in call]
    assert order[:2] == ["wait aiwriter-job-prepare", "rm -f aiwriter-job-prepare"]
    assert order[2] == (
        "compose --progress quiet run --rm -T --no-deps --name aiwriter-job-prepare migrate migrate --phase expand"
    )
    assert agent.run_job(two, "fit", 20.0).code == 3
    assert agent.run_job(two, "contract", 20.0).tail.endswith("migrate migrate --phase contract")
    assert agent.run_job(two, "check", 20.0, ("; rm -rf /",)).tail.endswith("migrate manage check ; rm -rf /")
    # An address with a password does not stand in the list of processes.
    assert "postgres://x" in agent.run_job(two, "fit", 20.0, database="postgres://x").tail
    assert not docker.calls("postgres://x")


def test_the_version_before_is_tried_with_what_its_image_has(machine: Machine) -> None:
    agent, docker = machine.agent(), machine.docker
    words = agent.previous(machine.release("1.0"))
    key = "a" * 20
    assert words == ("--previous", f"/previous/{key}/app", "--python", f"/previous/{key}/venv/bin/python")
    found = agent.run_job(machine.release("2.0"), "rehearse", 20.0, words)
    assert found.code == 0
    assert found.tail.endswith(" ".join(words))
    assert f"{machine.environment.state}/previous:/previous:ro" in docker.calls("rehearse_migrations")[-1]
    agent.previous(machine.release("1.0"))
    assert len(docker.calls("cp")) == 1
    agent.previous(machine.release("2.0"))
    assert [path.name for path in (machine.environment.state / "previous").iterdir()] == ["b" * 20]
    docker.add_image("aiwriter:2.0", "d", python="python3.13")
    with pytest.raises(Refused, match=r"has python3\.13, the version before python3\.11.*--no-rehearse"):
        agent.run_job(machine.release("2.0"), "rehearse", 20.0, agent.previous(machine.release("1.0")))


def test_a_change_of_the_shares_stands_in_the_env_file(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    """And one that broke off in between is made once more, for nobody knows what the next start would bring."""
    project, docker = Project(machine.environment), machine.docker
    project.put(COMPOSE_PROFILES="blue,mine")
    machine.agent().start_web("green", machine.release("2.0"))
    traffic = open_traffic(machine.environment)
    said: list[str] = []
    monkeypatch.setattr(type(traffic), "say", lambda self, command: said.append(command) or "")
    traffic.set_shares(Shares.only("green"), 1)
    assert said[0] == "set server app/green weight 100"
    assert "show servers state" in said
    assert (docker.env("COMPOSE_PROFILES"), docker.env("AIWRITER_GREEN_IMAGE")) == ("green,mine", "aiwriter:2.0")
    assert docker.env("AIWRITER_BLUE_IMAGE") == "aiwriter:1.0"
    assert (docker.compose / "haproxy" / "pct.map").read_text() == "blue 0\ngreen 0\n"
    traffic.set_shares(Shares({"green": 100}, "blue", 20), 2)
    assert (docker.compose / "haproxy" / "pct.map").read_text() == "blue 20\ngreen 0\n"
    assert docker.env("COMPOSE_PROFILES") == "green,mine"
    with (docker.compose / "run" / "flip.lock").open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with pytest.raises(DeployError, match=r"flip\.py is at work"):
            traffic.set_shares(Shares.only("blue"), 3)
    monkeypatch.setattr(Project, "serve", lambda self, slots: (_ for _ in ()).throw(OSError("the disk is full")))
    with pytest.raises(OSError):
        traffic.set_shares(Shares.only("blue"), 3)
    assert open_traffic(machine.environment).read_shares() is None


def test_in_place_the_env_file_has_the_version_as_soon_as_it_starts(machine: Machine) -> None:
    assert machine.agent().stop("blue", 1.0)
    machine.agent().start_web("blue", machine.release("2.0"))
    assert machine.docker.env("AIWRITER_BLUE_IMAGE") == "aiwriter:2.0"
    assert machine.seen("blue") == ["2.0"]


def _engine(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> Engine:
    monkeypatch.setattr("aw_deployd.hands.OBSERVE_SECONDS", 0.05)
    runtime = machine.agent()
    fake = FakeRuntime()
    traffic = FakeTraffic(Shares.only("blue"), fake)
    fake.running = {"blue": "1.0", "green": "2.0"}
    journal = Journal(machine.environment.state / "journal.sqlite3")
    engine = Engine(machine.environment, journal, runtime=runtime, traffic=traffic, tick=0.001)
    engine.probes = FakeProbes(fake)  # type: ignore[assignment]
    engine._ready = lambda slot: bool(runtime.observe(slot).release)  # type: ignore[method-assign]
    return engine


@pytest.mark.parametrize("strategy", ["blue_green", "recreate"])
def test_the_engine_rolls_out_and_back(machine: Machine, monkeypatch: pytest.MonkeyPatch, strategy: str) -> None:
    engine = _engine(machine, monkeypatch)
    plan = Plan("lab", 1, "2.0", strategy, from_release="1.0", bake_seconds=0.0)
    row = engine.run(engine.take(plan, "key"))
    assert row.state is State.SUCCEEDED, row.reason
    slot = {"blue_green": "green", "recreate": "blue"}[strategy]
    assert machine.seen(slot, "worker", "scheduler") == ["2.0"] * 3
    done = [step["kind"] for step in engine.journal.steps(row.id) if step["status"] == "done"]
    assert {"verify", "prepare:2.0"} <= set(done)
    assert ("rehearse:2.0" in done) == (strategy == "blue_green")
    engine.journal.close()


def test_what_cannot_be_is_refused_before_anything_is_changed(machine: Machine, tmp_path: Path) -> None:
    docker, agent, two = machine.docker, machine.agent(), machine.release("2.0")
    image = docker.told("images")["aiwriter:2.0"]["Id"]
    assert agent.digests(two)[0] == image
    docker.add_image("aiwriter:2.0", "b", digests=("sha256:ffff",))
    assert machine.agent().digests(two) == (image, "sha256:ffff")
    docker.tell(calls=[])
    machine.manifest(machine.environment, "2.0", image="aiwriter:9")
    with pytest.raises(Refused, match=r"aiwriter:9 is not on this machine\. docker pull aiwriter:9"):
        machine.agent().digests(machine.release("2.0"))
    machine.manifest(machine.environment, "2.0", image="--privileged")
    with pytest.raises(Refused, match="names the image"):
        machine.release("2.0")
    project = Project(machine.environment)
    project.put(COMPOSE_PROFILES="")
    with pytest.raises(Refused, match=r"names no slot\. .*COMPOSE_PROFILES=blue"):
        machine.agent().digests(two)
    project.put(COMPOSE_PROFILES="blue", COMPOSE_FILE="compose.yml")
    with pytest.raises(Refused, match=r"web-blue is not published.*compose\.agent\.yml"):
        machine.agent().digests(two)
    (docker.compose / ".env").unlink()
    with pytest.raises(Refused, match=r"\.env cannot be read.*prepare\.sh"):
        machine.agent().digests(two)
    assert not [call for call in docker.told("calls") if "up" in call.split()]
    # Files under Compose, an image elsewhere.
    other = replace(environment(tmp_path / "files"), runtime="processes")
    with pytest.raises(Refused, match="is a folder of code"):
        machine.agent().digests(release.load(other.releases, "1.0"))
    for runtime in ("processes", "systemd"):
        with pytest.raises(Refused, match="is the image"):
            open_runtime(replace(other, runtime=runtime)).digests(two)
    with pytest.raises(Refused, match="traffic is 'haproxy'"):
        open_traffic(replace(machine.environment, traffic="haproxy"))
    with pytest.raises(Refused, match="traffic is 'compose'"):
        open_traffic(replace(other, traffic="compose"))


def test_an_engine_that_is_away_is_waited_for_and_told(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    machine.docker.tell(away=1)
    assert machine.seen("blue") == ["1.0"]
    monkeypatch.setattr(compose, "PATIENCE_SECONDS", 0.0)
    machine.docker.tell(away=5)
    with pytest.raises(DeployError, match=r"does not answer.*systemctl status docker"):
        machine.agent().observe("blue")
    machine.docker.tell(away=0, version="2.23.3")
    compose._program.cache_clear()
    with pytest.raises(Refused, match=r"is 2\.23\.3\. Install Compose 2\.24"):
        machine.agent().start_web("green", machine.release("2.0"))
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(Refused, match="Neither"):
        compose._program()
    with pytest.raises(Refused, match=r"docker is not there"):
        machine.agent().observe("blue")


def test_the_measured_process_is_the_program_not_the_engines_first_one(tmp_path: Path) -> None:
    init = tmp_path / "docker-init"
    shutil.copy("/bin/sh", init)
    with subprocess.Popen([init, "-c", "sleep 30 & wait"], stdout=subprocess.DEVNULL) as first:
        end = time.monotonic() + 10
        # At first there is no child, then one that still is what made it.
        while True:
            child = compose._of_the_program(first.pid)
            name = Path(f"/proc/{child}/comm").read_text()
            if name == "sleep\n" or time.monotonic() > end:
                break
            time.sleep(0.02)
        assert name == "sleep\n"
        assert compose._of_the_program(child) == child
        subprocess.run(["kill", str(child)], check=True)
    assert Running("1.0", child).pid != first.pid


def test_the_digest_of_an_image_and_the_example_of_the_readme(
    machine: Machine, capsys: pytest.CaptureFixture[str]
) -> None:
    readme = (DEPLOY / "agent" / "README.md").read_text()
    block = re.search(
        r"(?ms)^    name = \"production\"\n    state[^\n]*\n    releases[^\n]*\n    runtime = \"compose\".*?(?=^\S)",
        readme,
    )
    assert block is not None
    text = textwrap.dedent(block[0])
    for old, new in (
        ("/opt/aiwriter/deploy/compose", str(machine.docker.compose)),
        ("/var/lib/aw-deployd/production", str(machine.environment.state)),
        ("/opt/aiwriter/releases", str(machine.environment.releases)),
        ("127.0.0.1:8001", "127.0.0.1:18000"),
        ("127.0.0.1:8002", "127.0.0.1:18001"),
    ):
        assert old in text
        text = text.replace(old, new)
    path = machine.docker.compose / "deployd.toml"
    path.write_text(text)
    told = environments.load(path)
    assert told.listen == f"{machine.docker.compose}/run/agent.sock"
    assert told.roles == ("worker", "scheduler", "watch", "healthd", "vectors")
    assert cli.main(["-e", str(path), "digest", "2.0"]) == 0
    assert capsys.readouterr().out.strip() == machine.docker.told("images")["aiwriter:2.0"]["Id"]
