"""The agent's work on drivers in memory: every strategy, every way back, and its death at each step."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from aw_deployd import judging, plan
from aw_deployd.engine import Engine
from aw_deployd.errors import DeployError, Refused
from aw_deployd.journal import Journal, Row
from aw_deployd.machine import FINAL, State
from aw_deployd.traffic import Shares
from tests.fakes.rollout import Dead, FakeProbes, FakeRuntime, FakeTraffic, environment

CANARY = (plan.Stage(5, 0.0, 0.05, 10), plan.Stage(50, 0.0, 0.05, 10))
GOOD = {"1.0": (40, 0), "2.0": (20, 0)}
BAD = {"1.0": (40, 0), "2.0": (20, 8)}


class Lab:
    """An environment in which 1.0 serves."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch, slots: int = 2) -> None:
        self.environment = environment(folder, slots)
        self.runtime = FakeRuntime()
        self.runtime.running = {"blue": "1.0", "worker": "1.0", "scheduler": "1.0"}
        self.traffic = FakeTraffic(Shares.only("blue"), self.runtime)
        self.probes = FakeProbes(self.runtime)
        self.journal = Journal(self.environment.state / "journal.sqlite3")
        monkeypatch.setattr(judging, "LOOK_SECONDS", 0.001)
        monkeypatch.setattr("aw_deployd.hands.OBSERVE_SECONDS", 0.05)
        self.engine = self.new_engine()

    def new_engine(self) -> Engine:
        """As after a start of the agent."""
        engine = Engine(
            self.environment,
            self.journal,
            runtime=self.runtime,
            traffic=self.traffic,
            say=lambda text: None,
            tick=0.001,
        )
        engine.probes = self.probes  # type: ignore[assignment]
        engine._ready = lambda slot: slot in self.runtime.running and slot not in self.runtime.never_ready  # type: ignore[method-assign]
        return engine

    def plan(self, **more: Any) -> plan.Plan:
        fence = self.journal.fence("lab") + 1
        values: dict[str, Any] = {"from_release": "1.0", "strategy": "blue_green", "bake_seconds": 0.0, **more}
        return plan.Plan(environment="lab", fence=fence, release=values.pop("release", "2.0"), **values)

    def deploy(self, **more: Any) -> Row:
        return self.engine.run(self.engine.take(self.plan(**more), "key"))

    def jobs(self) -> list[str]:
        return [f"{call[1]} {call[2]}" for call in self.runtime.calls if call[0] == "job"]

    @property
    def serving(self) -> dict[str, float]:
        assert self.traffic.shares is not None
        shares = self.traffic.shares
        return {self.runtime.running[slot]: shares.of(slot) for slot in ("blue", "green", "red") if shares.of(slot)}


@pytest.fixture
def lab(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Lab]:
    made = Lab(tmp_path, monkeypatch)
    yield made
    made.journal.close()


class TestForward:
    def test_blue_green_tries_before_it_switches_and_keeps_the_old_one_warm(self, lab: Lab) -> None:
        row = lab.deploy()
        assert row.state is State.SUCCEEDED
        assert lab.jobs() == ["rehearse 2.0", "prepare 2.0", "fit 1.0"]
        assert lab.serving == {"2.0": 100}
        assert lab.runtime.running == {"blue": "1.0", "green": "2.0", **dict.fromkeys(lab.environment.roles, "2.0")}
        assert lab.traffic.history == [Shares.only("green")]

    def test_the_old_one_is_stopped_only_at_the_very_end(self, lab: Lab) -> None:
        lab.deploy(keep_old=False)
        assert lab.runtime.calls[-1] == ("stop", "blue", "1.0")
        assert "blue" not in lab.runtime.running

    def test_a_canary_goes_up_its_stages(self, lab: Lab) -> None:
        lab.traffic.rates = GOOD
        row = lab.deploy(strategy="canary", stages=CANARY)
        assert row.state is State.SUCCEEDED
        assert [shares.of("green") for shares in lab.traffic.history] == [5, 50, 100]
        samples = {(s["stage"], s["slot"], s["kind"]) for s in lab.journal.samples(row.id)}
        assert {(0, "new", "real"), (1, "old", "probe")} <= samples

    def test_what_everybody_meets_is_counted_apart_from_the_last_stage(self, lab: Lab) -> None:
        lab.traffic.rates = GOOD
        # 99 % is a stage as any other.
        row = lab.deploy(strategy="canary", stages=(CANARY[0], plan.Stage(99, 0.0, 0.05, 10)), bake_seconds=0.05)
        assert row.state is State.SUCCEEDED
        counted = {(s["stage"], s["slot"]): s["n"] for s in lab.journal.samples(row.id) if s["kind"] == "real"}
        assert set(counted) == {(stage, slot) for stage in (0, 1, -1) for slot in ("new", "old")}
        assert counted[1, "old"] > 0
        assert counted[-1, "old"] == 0
        assert counted[-1, "new"] > 0

    def test_rolling_changes_one_slot_after_the_other(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        lab = Lab(tmp_path, monkeypatch, slots=3)
        lab.runtime.running |= {"green": "1.0", "red": "1.0"}
        lab.traffic.shares = Shares.only("blue", "green", "red")
        assert lab.deploy(strategy="rolling").state is State.SUCCEEDED
        assert {lab.runtime.running[slot] for slot in ("blue", "green", "red")} == {"2.0"}
        # What is exchanged has no requests meanwhile, and the others have them all.
        for call in lab.runtime.calls:
            if call[0] == "stop":
                assert call[2] == "1.0"
        assert {len(shares.base) for shares in lab.traffic.history} == {2, 3}

    def test_recreate_holds_requests_while_nothing_runs(self, lab: Lab) -> None:
        assert lab.deploy(strategy="recreate").state is State.SUCCEEDED
        assert lab.traffic.held == [("blue", True), ("blue", False)]
        assert lab.runtime.running["blue"] == "2.0"

    def test_a_contract_runs_only_when_nothing_older_serves(self, lab: Lab) -> None:
        row = lab.deploy(strategy="contract")
        assert (row.state, lab.jobs()) == (State.FAILED, [])
        assert lab.deploy(strategy="contract", release="1.0", from_release="").state is State.SUCCEEDED
        assert lab.jobs() == ["contract 1.0"]

    def test_rollback_to_a_warm_version_runs_no_job(self, lab: Lab) -> None:
        lab.deploy()
        lab.runtime.calls.clear()
        row = lab.deploy(strategy="rollback", release="1.0", from_release="2.0")
        assert (row.state, lab.jobs(), lab.serving) == (State.SUCCEEDED, [], {"1.0": 100})

    def test_rollback_to_a_cold_version_asks_it_first(self, lab: Lab) -> None:
        lab.deploy(keep_old=False)
        row = lab.deploy(strategy="rollback", release="1.0", from_release="2.0")
        assert (row.state, lab.jobs()[-1], lab.serving) == (State.SUCCEEDED, "fit 1.0", {"1.0": 100})


class TestRefused:
    def test_before_anything_is_changed(self, lab: Lab) -> None:
        for wrong, told in (
            ({"from_release": "0.9"}, "0.9 should serve"),
            ({"digest": "sha256:no"}, "the plan says"),
            ({"strategy": "rolling"}, "two slots"),
            ({"release": "7.0"}, "holds no release"),
        ):
            row = lab.deploy(**wrong)
            assert row.state is State.FAILED
            assert told in row.reason
        assert lab.runtime.calls == []
        assert lab.traffic.history == []

    def test_a_plan_for_somewhere_else(self, lab: Lab) -> None:
        with pytest.raises(Refused, match="this is lab"):
            lab.engine.take(plan.Plan(environment="shop", fence=1, release="2.0", strategy="blue_green"), "key")

    def test_two_agents_at_once(self, lab: Lab) -> None:
        with lab.engine.alone(), pytest.raises(Refused, match="Another agent"), lab.new_engine().alone():
            pass

    def test_a_proxy_that_is_away(self, lab: Lab) -> None:
        lab.traffic.shares = None
        assert "proxy does not answer" in lab.deploy().reason


class TestBack:
    @pytest.mark.parametrize("job", ["rehearse", "prepare", "fit"])
    def test_a_job_that_fails_leaves_the_old_version_as_it_was(self, lab: Lab, job: str) -> None:
        lab.runtime.failing = {job}
        row = lab.deploy()
        assert row.state is State.FAILED
        assert f"{job} says so" in row.reason
        assert lab.runtime.running == {"blue": "1.0", "worker": "1.0", "scheduler": "1.0"}
        assert lab.traffic.history == []

    def test_a_version_that_is_never_ready_or_fails_its_probes_gets_nobody(self, lab: Lab) -> None:
        lab.runtime.never_ready = {"green"}
        assert "not ready" in lab.deploy().reason
        lab.runtime.never_ready, lab.traffic.blind = set(), {"green"}
        assert "proxy does not see" in lab.deploy().reason
        lab.traffic.blind, lab.probes.bad_smoke = set(), {"2.0"}
        assert "sign-in page" in lab.deploy().reason
        assert lab.traffic.history == []
        assert "green" not in lab.runtime.running

    def test_a_bad_canary_is_taken_back_and_that_is_seen(self, lab: Lab) -> None:
        lab.traffic.rates = BAD
        row = lab.deploy(strategy="canary", stages=CANARY)
        assert row.state is State.ROLLED_BACK
        assert "errors of" in row.reason
        assert [shares.of("green") for shares in lab.traffic.history] == [5, 0]
        assert "green" not in lab.runtime.running
        assert ("swap", "worker", "2.0") not in lab.runtime.calls

    def test_few_requests_and_probes_find_it_too(self, lab: Lab) -> None:
        lab.probes.each_look = BAD
        assert lab.deploy(strategy="canary", stages=CANARY).state is State.ROLLED_BACK

    def test_without_samples_it_pauses_and_is_never_promoted(self, lab: Lab) -> None:
        row = lab.deploy(strategy="canary", stages=CANARY, probes=0)
        assert row.state is State.PAUSED
        assert "Not known" in row.reason
        assert [shares.of("green") for shares in lab.traffic.history] == [5]
        # Looked at again: still nothing. Accepted: this stage only.
        for verb in ("resume", "accept"):
            lab.journal.command(row.id, verb, "me")
            row = lab.engine.run(lab.journal.row(row.id))
            assert row.state is State.PAUSED
        assert [shares.of("green") for shares in lab.traffic.history] == [5, 50]
        lab.journal.command(row.id, "abort", "me")
        assert lab.engine.run(lab.journal.row(row.id)).state is State.ROLLED_BACK
        assert lab.serving == {"1.0": 100}

    def test_what_only_everybody_finds_goes_back_with_the_workers(self, lab: Lab) -> None:
        lab.traffic.rates = BAD
        row = lab.deploy(bake_seconds=5.0)
        assert row.state is State.ROLLED_BACK
        assert {lab.runtime.running[role] for role in lab.environment.roles} == {"1.0"}
        assert lab.serving == {"1.0": 100}

    def test_rolled_back_is_not_said_unless_the_proxy_does_it(self, lab: Lab) -> None:
        lab.traffic.rates = BAD
        row = lab.engine.take(lab.plan(strategy="canary", stages=CANARY), "key")
        original = lab.engine._roll_back

        def deaf(each: Row) -> None:
            lab.traffic.deaf = True
            original(each)

        lab.engine._work[State.ROLLING_BACK] = deaf
        row = lab.engine.run(row)
        assert row.state is State.ROLLBACK_FAILED
        assert "was told" in row.reason

    def test_a_failed_recreate_brings_the_old_version_back(self, lab: Lab) -> None:
        lab.runtime.failing = {"prepare"}
        row = lab.deploy(strategy="recreate")
        assert row.state is State.ROLLED_BACK
        assert lab.runtime.running["blue"] == "1.0"
        assert lab.traffic.held[-1] == ("blue", False)


_STEPS = ["job/rehearse", "job/prepare", "job/fit", "start/green", "swap/worker", "swap/scheduler"]


class TestDeath:
    @pytest.mark.parametrize("on_lost", ["resume", "rollback"])
    @pytest.mark.parametrize("place", [*_STEPS, 5, 50])
    def test_killed_anywhere_it_goes_on_or_back(self, lab: Lab, place: str | int, on_lost: str) -> None:
        lab.traffic.rates = GOOD
        more = {"strategy": "canary", "stages": CANARY, "on_lost": on_lost, "lost_seconds": 0.0}
        row = lab.engine.take(lab.plan(**more), "key")
        if isinstance(place, str):
            lab.runtime.die_at = place
        else:
            lab.traffic.die_at_share = place
        with pytest.raises(Dead):
            lab.engine.run(row)
        assert lab.journal.active("lab") is not None
        assert sum(lab.serving.values()) == 100
        found = lab.new_engine().run(lab.journal.row(row.id))
        assert found.state in FINAL
        before_traffic = isinstance(place, str) and not place.startswith("swap")
        wanted = State.SUCCEEDED if on_lost == "resume" or before_traffic else State.ROLLED_BACK
        assert found.state is wanted
        assert lab.serving == ({"2.0": 100} if wanted is State.SUCCEEDED else {"1.0": 100})
        # A job that was done is not done again.
        done = [job for job in lab.jobs() if not (isinstance(place, str) and job.startswith(place[4:]))]
        assert len(done) == len(set(done))

    def test_hold_waits_for_a_person(self, lab: Lab) -> None:
        lab.traffic.rates = GOOD
        row = lab.engine.take(lab.plan(strategy="canary", stages=CANARY, on_lost="hold", lost_seconds=0.0), "key")
        lab.traffic.die_at_share = 5
        with pytest.raises(Dead):
            lab.engine.run(row)
        row = lab.journal.row(row.id)
        lab.journal.move(row, State.ANALYSING)
        assert lab.new_engine().run(row).state is State.PAUSED

    def test_an_abort_is_heard_in_every_state(self, lab: Lab) -> None:
        lab.traffic.rates = GOOD
        for state in (s for s in State if s not in FINAL and s is not State.ROLLING_BACK):
            engine = lab.new_engine()
            row = engine.take(lab.plan(strategy="canary", stages=CANARY), "key")
            original = engine._work[state]

            def heard(each: Row, original: Any = original, engine: Engine = engine) -> None:
                lab.journal.command(each.id, "abort", "me")
                engine._obey(each)
                original(each)

            engine._work[state] = heard
            if state is State.PAUSED:
                engine._work[State.ANALYSING] = lambda each, engine=engine: engine._move(each, State.PAUSED)  # type: ignore[misc]
            row = engine.run(row, wait_paused=True)
            assert row.state in (State.FAILED, State.ROLLED_BACK), state
            assert lab.serving == {"1.0": 100}, state
            lab.runtime.running |= dict.fromkeys(lab.environment.roles, "1.0")


def test_what_fell_is_started_again_and_not_in_a_circle(lab: Lab) -> None:
    del lab.runtime.running["blue"], lab.runtime.running["worker"]
    lab.runtime.dead = [("blue", "1.0"), ("worker", "1.0")]
    lab.engine.keep()
    assert lab.runtime.running["blue"] == lab.runtime.running["worker"] == "1.0"
    lab.runtime.calls.clear()
    lab.engine.keep()
    assert lab.runtime.calls == []


def test_shares_add_up_or_are_refused() -> None:
    assert Shares.only("a", "b", "c").base == {"a": 34, "b": 33, "c": 33}
    assert [Shares({"blue": 100}, "green", 5).of(slot) for slot in ("blue", "green")] == [95, 5]
    for base, canary, percent in (
        ({"blue": 90}, "", 0),
        ({"blue": 100}, "green", 0),
        ({"blue": 100}, "blue", 5),
        ({"blue": 100}, "green", 100),
        ({"blue": 150, "green": -50}, "", 0),
    ):
        with pytest.raises(DeployError):
            Shares(base, canary, percent)
