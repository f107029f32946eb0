"""Plans and the journal: frozen, signed, numbered; one deployment at a time; states change by one function."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from aw_deployd import cli, machine, plan, release
from aw_deployd.errors import Refused, Stale
from aw_deployd.journal import Journal
from aw_deployd.machine import State

S = State


def _plan(**more: object) -> plan.Plan:
    values: dict[str, object] = {"environment": "lab", "fence": 1, "release": "2.0", "strategy": "blue_green", **more}
    return plan.Plan(**values)  # type: ignore[arg-type]


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Journal]:
    made = Journal(tmp_path / "journal.sqlite3")
    yield made
    made.close()


class TestPlans:
    @pytest.mark.parametrize(
        ("wrong", "told"),
        [
            ({"release": "../../etc"}, "release is"),
            ({"release": "2.0; rm -rf /"}, "release is"),
            ({"strategy": "shell"}, "strategy is"),
            ({"strategy": "canary"}, "no stages"),
            ({"strategy": "canary", "stages": (plan.Stage(50), plan.Stage(5))}, "Let them grow"),
            ({"strategy": "canary", "stages": (plan.Stage(5, min_samples=0),)}, "needs no samples"),
            ({"on_lost": "panic"}, "on_lost is"),
            ({"format": 2}, "format is 2"),
            ({"probes": 500.0}, "probes is"),
        ],
    )
    def test_what_cannot_be_meant_is_refused(self, wrong: dict[str, object], told: str) -> None:
        with pytest.raises(Refused, match=told):
            _plan(**wrong)

    def test_a_signature_holds_for_this_plan_and_this_key(self) -> None:
        private, public = plan.new_key()
        _, foreign = plan.new_key()
        mine = _plan(strategy="canary", stages=(plan.Stage(5),))
        signature = plan.sign(mine, private)
        assert plan.read(mine.text()) == mine
        assert plan.verify(mine, signature, [foreign, public]) == public
        for other, keys in ((mine, [foreign]), (mine, []), (replace(mine, release="3.0"), [public])):
            with pytest.raises(Refused, match="No trusted key"):
                plan.verify(other, signature, keys)
        with pytest.raises(Refused, match="expired"):
            plan.verify(replace(mine, expires_at=time.time() - 1), signature, [public])
        sealed = json.dumps({"plan": json.loads(mine.text()), "signature": signature})
        assert cli.read_sealed(sealed, (public,)) == (mine, public)
        for nonsense in ("", "[]", '{"plan": {}}', '{"plan": {"command": "rm"}, "signature": "x"}'):
            with pytest.raises(Refused):
                cli.read_sealed(nonsense, (public,))


class TestMachine:
    def test_every_state_that_is_not_final_can_be_ended(self) -> None:
        for state in State:
            ends = machine.allowed(state) & {S.FAILED, S.ROLLING_BACK, S.ROLLED_BACK}
            assert bool(ends) == (state not in machine.FINAL), state

    def test_nothing_but_being_seen_promoted_leads_to_success(self) -> None:
        """Backwards from the end: there is one way into it."""
        assert [s for s in State if S.SUCCEEDED in machine.allowed(s)] == [S.FINALISING]
        into = {s for s in State if S.PROMOTING in machine.allowed(s)}
        assert into == {S.SMOKING, S.SHIFTING, S.ANALYSING}

    def test_a_way_that_does_not_exist_is_refused(self) -> None:
        with pytest.raises(Refused, match="cannot become"):
            machine.check(S.FAILED, S.PREPARING)
        with pytest.raises(Refused, match="cannot become"):
            machine.check(S.PLANNED, S.PROMOTING)


class TestJournal:
    def test_one_at_a_time_and_never_an_older_number(self, journal: Journal) -> None:
        first = _plan(fence=5)
        row = journal.begin(first, "key")
        assert journal.begin(first, "key").id == row.id
        with pytest.raises(Refused, match="planned"):
            journal.begin(_plan(fence=6), "key")
        with pytest.raises(Refused, match="another plan"):
            journal.begin(replace(first, release="9.0"), "key")
        journal.move(row, S.FAILED, "so")
        for number in (4, 5):
            with pytest.raises(Stale):
                journal.begin(_plan(fence=number), "key")
        assert journal.begin(_plan(fence=6), "key").state is S.PLANNED

    def test_who_was_superseded_changes_nothing(self, journal: Journal) -> None:
        row = journal.begin(_plan(fence=1), "key")
        other = journal.row(row.id)
        journal.move(row, S.GATING)
        with pytest.raises(Stale, match="not planned any more"):
            journal.move(other, S.GATING)
        journal._db.execute("UPDATE fence SET number = 2")
        with pytest.raises(Stale, match="superseded"):
            journal.move(row, S.PREPARING)
        assert [(old, new) for _, old, new, _ in journal.transitions(row.id)] == [("planned", "gating")]

    def test_a_step_that_is_done_stays_done_and_a_dead_one_is_known(self, journal: Journal) -> None:
        row = journal.begin(_plan(), "key")
        assert journal.step(row, "prepare") == ("", 1)
        assert journal.step(row, "prepare") == ("begun", 2)
        journal.end_step(row, "prepare", "done", seconds=1)
        assert journal.step(row, "prepare") == ("done", 2)
        assert journal.steps(row.id)[0]["evidence"] == {"seconds": 1}

    def test_an_abort_comes_before_other_commands(self, journal: Journal) -> None:
        row = journal.begin(_plan(), "key")
        journal.command(row.id, "resume", "me")
        journal.command(row.id, "abort", "me")
        assert journal.take_command(row) == "abort"
        assert journal.take_command(row) == "resume"
        assert journal.take_command(row) == ""
        with pytest.raises(Refused, match="no command"):
            journal.command(row.id, "sh -c true", "me")
        journal.move(row, S.FAILED)
        with pytest.raises(Refused, match="already"):
            journal.command(row.id, "abort", "me")


class TestReleases:
    def test_a_changed_file_another_version_and_a_long_jump_are_refused(self, tmp_path: Path) -> None:
        folder = tmp_path / "2.0"
        code = folder / "app"
        code.mkdir(parents=True)
        (code / "code.py").write_text("one")
        true = release.digest(code)
        manifest = {"version": "2.0", "digest": true, "min_upgrade_from": "1.5"}
        (folder / "release.json").write_text(json.dumps(manifest))
        found = release.load(tmp_path, "2.0")
        assert release.verify(found, found=(true,), wanted=true, coming_from="1.10")["digest"] == true
        with pytest.raises(Refused, match=r"Go to 1\.5 first"):
            release.verify(found, found=(true,), wanted=true, coming_from="1.4.9")
        (code / "code.py").write_text("two")
        with pytest.raises(Refused, match="the plan says"):
            release.verify(found, found=(release.digest(code),), wanted=true, coming_from="")
        with pytest.raises(Refused, match="holds no release"):
            release.load(tmp_path, "3.0")
        (tmp_path / "2.1").mkdir()
        (tmp_path / "2.1" / "release.json").write_text(json.dumps({**manifest, "version": "2.1"}))
        with pytest.raises(Refused, match="no folder 'app'"):
            release.load(tmp_path, "2.1")
        (tmp_path / "2.1" / "release.json").write_text(json.dumps(manifest))
        with pytest.raises(Refused, match=r"calls itself 2\.0"):
            release.load(tmp_path, "2.1")
