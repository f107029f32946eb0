"""How many there should be, and who brings it about: on drivers in memory, and with real processes."""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aw_deployd import environment as environments
from aw_deployd import release, scaler, scaling
from aw_deployd.errors import Refused
from aw_deployd.runtime import processes
from aw_deployd.runtime.processes import Processes
from aw_deployd.scaler import Scaler
from aw_deployd.scaling import Memory, Policy, Window
from aw_deployd.traffic import Shares
from tests.fakes.rollout import environment
from tests.unit.deployments.test_engine import Lab
from tests.unit.deployments.test_processes import CALM

MONDAY = 1_780_272_000.0  # 2026-06-01 00:00 UTC
WORKERS: dict[str, Any] = {
    "part": "worker",
    "metric": "queue",
    "target": 4,
    "minimum": 1,
    "maximum": 6,
    "cooldown_seconds": 300,
    "zero_after_seconds": 0,
    "windows": [],
    "act": True,
}
POLICY = scaling.read(WORKERS, {"worker": (0, 6)})


def decide(policy: Policy, current: int, load: float | None, memory: Memory, at: float = 0.0) -> int:
    return scaling.decide(policy, current=current, load=load, now=MONDAY + at, memory=memory).count


class TestDecision:
    def test_up_at_once_but_to_twice_as_many_at_most(self) -> None:
        memory = Memory()
        assert decide(POLICY, 1, 23, memory) == 2
        assert decide(POLICY, 2, 23, memory, 5) == 4
        assert decide(POLICY, 4, 23, memory, 10) == 6
        assert decide(POLICY, 6, 400, memory, 15) == 6

    def test_down_one_by_one_and_only_after_the_time_in_which_more_were_needed(self) -> None:
        memory = Memory()
        assert decide(POLICY, 4, 16, memory) == 4
        assert decide(POLICY, 4, 3, memory, 10) == 4
        assert decide(POLICY, 4, 3, memory, 299) == 4
        assert decide(POLICY, 4, 3, memory, 301) == 3
        assert decide(POLICY, 3, 3, memory, 306) == 2

    def test_a_tenth_beside_the_target_changes_nothing(self) -> None:
        assert decide(POLICY, 5, 21, Memory()) == 5
        assert decide(POLICY, 5, 23, Memory()) == 6

    def test_an_agent_that_has_just_begun_stops_nothing(self) -> None:
        memory = Memory()
        assert decide(POLICY, 5, 0, memory) == 5
        assert decide(POLICY, 5, 0, memory, 301) == 4

    def test_what_is_not_known_changes_nothing_but_the_bounds(self) -> None:
        assert decide(POLICY, 3, None, Memory()) == 3
        assert decide(POLICY, 0, None, Memory()) == 1
        assert decide(POLICY, 9, None, Memory()) == 6

    def test_none_when_there_is_nothing_to_do_for_long_and_one_at_once_when_there_is(self) -> None:
        policy, memory = replace(POLICY, minimum=0, zero_after_seconds=60), Memory()
        assert decide(policy, 1, 0, memory) == 1
        assert decide(policy, 1, 0, memory, 59) == 1
        assert decide(policy, 1, 0, memory, 60) == 0
        assert decide(policy, 0, 0, memory, 500) == 0
        assert decide(policy, 0, 1, memory, 505) == 1
        assert decide(policy, 1, 0, memory, 510) == 1

    def test_a_window_asks_for_more_also_over_midnight(self) -> None:
        windows = (Window((0, 1, 2, 3, 4), 8 * 60, 18 * 60, 3), Window((4,), 22 * 60, 2 * 60, 5))
        policy = replace(POLICY, metric="schedule", windows=windows)
        hours = {0: 1, 7.99: 1, 8: 3, 17.99: 3, 18: 1, 4 * 24 + 23: 5, 5 * 24 + 1.99: 5, 5 * 24 + 2: 1, 5 * 24 + 9: 1}
        assert {hour: decide(policy, 1, None, Memory(), hour * 3600) for hour in hours} == hours

    @given(
        st.lists(st.tuples(st.floats(0, 1000), st.floats(0.5, 400)), max_size=40),
        st.integers(0, 6),
        st.integers(0, 4),
        st.sampled_from([0.0, 60.0]),
    )
    def test_always_within_the_bounds_and_never_two_fewer_at_once(
        self, looks: list[tuple[float, float]], current: int, minimum: int, zero: float
    ) -> None:
        policy, memory, at = replace(POLICY, minimum=minimum, zero_after_seconds=zero), Memory(), 0.0
        for load, passed in looks:
            at += passed
            found = decide(policy, current, load, memory, at)
            assert minimum <= found <= 6
            assert found >= min(current, 6) - 1 or (found == 0 and zero)
            assert not load or found > 0
            current = found

    @given(st.floats(0.1, 500), st.integers(1, 6))
    def test_what_stays_as_it_was_is_reached_and_then_kept(self, load: float, current: int) -> None:
        memory, at, counts = Memory(), 0.0, []
        for _ in range(20):
            at += 400
            current = decide(POLICY, current, load, memory, at)
            counts.append(current)
        assert len(set(counts[-10:])) == 1
        # Not one more than needed, and no fewer but for the tenth.
        assert counts[-1] == 6 or counts[-1] * 4 * 1.1 + 1e-9 >= load
        assert counts[-1] == 1 or (counts[-1] - 1) * 4 < load * 1.12


class TestReading:
    def test_the_hosts_bounds_hold_whatever_the_console_says(self) -> None:
        found = scaling.read(WORKERS | {"minimum": 0, "maximum": 500}, {"worker": (1, 3)})
        assert (found.minimum, found.maximum) == (1, 3)

    @pytest.mark.parametrize(
        "wrong",
        [{"part": "web"}, {"part": "root"}, {"metric": "requests"}, {"target": 0}, {"windows": [{}]}, {"minimum": "x"}],
    )
    def test_what_cannot_be_meant_is_refused(self, wrong: dict[str, Any]) -> None:
        with pytest.raises(Refused):
            scaling.read(WORKERS | wrong, {"worker": (1, 3)})

    @pytest.mark.parametrize(
        "bounds", ["web = [0, 1]", "web = [1, 2]", "worker = [3, 2]", "worker = [1, 99]", "x = [1, 1]", "web = 1"]
    )
    def test_bounds_that_cannot_be_are_refused_with_the_file(self, tmp_path: Path, bounds: str) -> None:
        path = tmp_path / "deployd.toml"
        text = 'name="a"\nstate="s"\nreleases="r"\ndata="d"\nruntime="processes"\ntraffic="haproxy"\nlisten="127.0.0.1:1"\n'
        slots = "".join(f'[[slots]]\nname="{name}"\naddress="127.0.0.1:2"\n' for name in ("blue", "green"))
        path.write_text(f"{text}{slots}[scale]\n{bounds}\n")
        with pytest.raises(Refused, match=r"deployd\.toml"):
            environments.load(path)
        path.write_text(f"{text}{slots}[scale]\nweb = [1, 1]\nworker = [0, 4]\n")
        assert environments.load(path).scale == {"web": (1, 1), "worker": (0, 4)}


class Scaled(Lab):
    """Three slots, one of which serves, and a console that has said something."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        super().__init__(folder, monkeypatch, slots=3)
        bounds = {"web": (1, 2), "worker": (0, 6)}
        self.environment = replace(self.environment, scale=bounds)
        self.engine = self.new_engine()
        self.scaler = Scaler(self.engine, self.journal)
        self.load: dict[str, Any] = {"queue": 0}
        monkeypatch.setattr(scaler, "LOOK_SECONDS", 0.0)

    def said(self, *policies: dict[str, Any], **load: Any) -> None:
        """By the console."""
        scaler.keep(self.environment.state / "scale.json", list(policies), load)

    def look(self, times: int = 1) -> None:
        for _ in range(times):
            self.scaler.look()

    @property
    def workers(self) -> int:
        return len(self.runtime.several("worker"))


@pytest.fixture
def lab(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Scaled]:
    made = Scaled(tmp_path, monkeypatch)
    yield made
    made.journal.close()


WEB = WORKERS | {"part": "web", "metric": "requests", "target": 10, "minimum": 1, "maximum": 2, "cooldown_seconds": 0}


class TestScaler:
    def test_workers_follow_the_queue(self, lab: Scaled) -> None:
        lab.said(WORKERS | {"cooldown_seconds": 0}, queue=9)
        lab.look(3)
        assert lab.workers == 3
        lab.said(WORKERS | {"cooldown_seconds": 0}, queue=1)
        time.sleep(0.01)
        lab.look(4)
        assert lab.workers == 1
        assert [(each["old"], each["new"]) for each in lab.journal.scalings()] == [(1, 2), (2, 3), (3, 2), (2, 1)]
        assert lab.journal.scalings()[0]["why"] == "9 jobs wait, 4 for each"

    def test_a_policy_that_is_only_watched_tells_once_what_it_would_do(self, lab: Scaled) -> None:
        lab.said(WORKERS | {"act": False}, queue=9)
        lab.look(5)
        assert lab.workers == 1
        assert [(each["new"], each["acted"]) for each in lab.journal.scalings()] == [(2, False)]

    def test_an_old_number_of_the_console_changes_nothing(self, lab: Scaled, monkeypatch: pytest.MonkeyPatch) -> None:
        lab.said(WORKERS, queue=90)
        monkeypatch.setattr(scaler, "FRESH_SECONDS", -1.0)
        lab.look(3)
        assert lab.workers == 1

    def test_a_slot_serves_when_the_proxy_has_seen_it_and_goes_when_nothing_is_under_way(self, lab: Scaled) -> None:
        lab.traffic.rates = {"1.0": (1000, 0)}
        lab.traffic.blind = {"green"}
        lab.said(WEB)
        lab.look(3)
        assert lab.runtime.running["green"] == "1.0"
        assert lab.traffic.shares == Shares.only("blue")
        lab.traffic.blind = set()
        lab.look(3)
        assert lab.traffic.shares == Shares.only("blue", "green")
        assert "red" not in lab.runtime.running
        lab.traffic.rates = {}
        lab.traffic.open = {"green": 1}
        time.sleep(0.01)
        lab.look(3)
        assert lab.traffic.shares == Shares.only("blue")
        assert "green" in lab.runtime.running
        # A stream goes on in it, and it is needed again.
        lab.traffic.rates = {"1.0": (1000, 0)}
        lab.look(2)
        assert lab.traffic.shares == Shares.only("blue", "green")
        lab.traffic.rates, lab.traffic.open = {}, {}
        time.sleep(0.01)
        lab.look(4)
        assert lab.traffic.shares == Shares.only("blue")
        assert "green" not in lab.runtime.running
        assert lab.traffic.fence == lab.journal.fence("lab")

    def test_a_slot_that_does_not_get_ready_is_taken_away_and_tried_again(self, lab: Scaled) -> None:
        lab.traffic.rates = {"1.0": (1000, 0)}
        lab.runtime.never_ready = {"green"}
        lab.said(WEB)
        lab.look(2)
        assert "green" in lab.runtime.running
        time.sleep(lab.environment.start_seconds + 0.05)
        lab.look()
        assert "green" not in lab.runtime.running
        assert lab.traffic.shares == Shares.only("blue")
        lab.look()
        assert "green" in lab.runtime.running

    @pytest.mark.parametrize("about_to", ["start", "end"])
    def test_a_deployment_in_between_never_mixes_versions(self, lab: Scaled, about_to: str) -> None:
        lab.traffic.rates = {"1.0": (1000, 0), "2.0": (1000, 0)}
        always = {"days": list(range(7)), "begin": 0, "end": 1440, "count": 2}
        # By schedule a second slot is wanted at once, also of a version whose requests are not known yet.
        lab.said(WEB | {"metric": "schedule", "windows": [always]} if about_to == "start" else WEB)
        lab.traffic.blind = {"green"} if about_to == "start" else set()
        lab.look(4)
        if about_to == "end":
            lab.traffic.rates, lab.traffic.open = {}, {"green": 1}
            time.sleep(0.01)
            lab.look(2)
        assert lab.runtime.running["green"] == "1.0"
        assert lab.traffic.shares == Shares.only("blue")
        # Of 2.0, in the third slot; what was begun stands by with the version before.
        lab.runtime.running |= {"red": "2.0"}
        lab.traffic.shares, lab.traffic.blind = Shares.only("red"), set()
        lab.traffic.rates = {"1.0": (1000, 0), "2.0": (1000, 0)}
        lab.look(5)
        assert lab.traffic.shares == Shares.only("red")
        assert lab.runtime.running["green"] == "1.0"

    def test_the_version_before_keeps_its_place(self, lab: Scaled) -> None:
        lab.runtime.running |= {"green": "0.9", "red": "0.9"}
        lab.traffic.rates = {"1.0": (1000, 0)}
        lab.said(WEB)
        lab.look(4)
        assert lab.runtime.running["green"] == lab.runtime.running["red"] == "0.9"
        assert lab.traffic.shares == Shares.only("blue")

    def test_what_an_agent_was_about_to_end_when_it_died_is_ended(self, lab: Scaled) -> None:
        lab.runtime.running["green"] = "1.0"
        lab.said(WEB)
        lab.look(3)
        assert "green" not in lab.runtime.running

    def test_a_proxy_that_does_not_answer_is_left_alone(self, lab: Scaled) -> None:
        lab.traffic.shares = None
        lab.said(WEB, WORKERS, queue=50)
        lab.look(2)
        assert lab.runtime.calls == []

    def test_without_bounds_in_the_file_nothing_is_scaled(self, lab: Scaled) -> None:
        lab.engine.environment = lab.scaler._environment = replace(lab.environment, scale={})
        lab.said(WORKERS, queue=50)
        lab.look(2)
        assert lab.workers == 1

    def test_a_new_version_begins_with_one_worker_and_leaves_none_of_the_old(self, lab: Scaled) -> None:
        lab.said(WORKERS, queue=50)
        lab.look(4)
        assert lab.workers == 6
        lab.deploy()
        assert [lab.runtime.running[name] for name in lab.runtime.running if name.startswith("worker")] == ["2.0"]
        lab.look()
        assert lab.workers == 2

    def test_minutes_are_kept_for_the_plot(self, lab: Scaled) -> None:
        lab.said(WORKERS, queue=9)
        lab.look(2)
        (sample,) = lab.journal.scale_samples()
        assert (sample["part"], sample["count"], sample["wanted"], sample["load"]) == ("worker", 2, 3, 9.0)


def test_real_workers_begin_beside_the_first_and_end_in_their_own_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = environment(tmp_path)
    slow = "import signal, sys, time; signal.signal(15, lambda *a: (time.sleep(0.5), sys.exit())); time.sleep(60)"
    (place.releases / "1.0" / "release.json").write_text(f'{{"version": "1.0", "python": "{sys.executable}"}}')
    monkeypatch.setattr(processes, "COMMANDS", {"worker": ("-c", CALM)})
    driver, wanted = Processes(place), release.load(place.releases, "1.0")
    try:
        driver.start_role("worker", wanted)
        (first,) = driver.several("worker")
        monkeypatch.setattr(processes, "COMMANDS", {"worker": ("-c", slow)})
        driver.set_several("worker", 3, wanted)
        pids = [running.pid for running in Processes(place).several("worker")]
        assert len(pids) == 3
        assert pids[0] == first.pid
        time.sleep(0.5)
        begun = time.monotonic()
        driver.set_several("worker", 1, wanted)
        assert time.monotonic() - begun < 0.4
        assert [running.pid for running in driver.several("worker")] == [first.pid]
        os.kill(pids[2], 0)
        while time.monotonic() - begun < 10 and any(driver.observe(f"worker-{n}-old").pid for n in (2, 3)):
            time.sleep(0.05)
        assert driver.fallen() == []
        driver.set_several("worker", 2, wanted)
        os.kill(driver.several("worker")[1].pid, signal.SIGKILL)
        time.sleep(0.2)
        assert driver.fallen() == [("worker-2", "1.0")]
        driver.set_several("worker", 0, wanted)
        assert driver.several("worker") == []
        assert driver.fallen() == []
    finally:
        for path in (place.state / "processes").glob("*.json"):
            driver.stop(path.stem, 0.0)
