"""The watch: nothing keeps it waiting, nobody is held back without fault, and an old file is no news."""

from __future__ import annotations

import datetime as dt
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.db import OperationalError
from django.utils import timezone
from django.utils.module_loading import import_string

from aiwriter.core import healthstate
from apps.monitoring.models import CheckDay, CheckResult
from apps.monitoring.selectors.health import runbook_text, strips
from apps.monitoring.services import quarantine, results, watching
from apps.monitoring.services.checks import Check, Outcome, Result, check, registry
from apps.monitoring.services.watching import Watch
from apps.monitoring.tasks import run_health_checks
from apps.users.models import AuditEvent, Notification
from tests.people import People


def made(key: str, run: Callable[[], Result], **options: object) -> Check:
    return check(key, title=key.title(), **options)(run)  # type: ignore[arg-type]


def ok() -> Result:
    return Result(status="ok", message="fine", data={"sheets": 3})


def looked(watch: Watch, until: Callable[[], bool], within: float = 5.0) -> None:
    end = time.monotonic() + within
    while not until():
        assert time.monotonic() < end
        watch.look()
        time.sleep(0.01)


def overran(entry: Check) -> Outcome:
    result = Result(status="fail", message="It did not end within 5 seconds.")
    return Outcome(check=entry, result=result, latency_ms=5000, overran=True)


class TestLooking:
    def test_a_hanging_check_is_given_up_and_the_others_go_on(self, tmp_path: Path) -> None:
        free = threading.Event()

        def hang() -> Result:
            free.wait(20)
            return ok()

        state = tmp_path / "health.json"
        hanging = made("hanging", hang, deadline=0.2, severity="required")
        watch = Watch(state_file=state, checks=[hanging, made("other", ok, severity="required")])
        looked(watch, lambda: all(turn.outcome for turn in watch.turns.values()))
        watch.write_state()
        free.set()
        read = healthstate.read(state)
        assert read is not None
        assert read.statuses() == {"hanging": "fail", "other": "ok"}
        assert read.failing() == ["hanging"]
        assert read.not_begun() == ["hanging"]
        assert read.checks["other"].data == {"sheets": 3}

    def test_three_missed_deadlines_hold_a_check_back(self, tmp_path: Path) -> None:
        entry = made("slow", ok)
        watch = Watch(state_file=tmp_path / "s", checks=[entry])
        turn = watch.turns["slow"]
        for _ in range(2):
            watch._take(turn, overran(entry))
        assert turn.status == "fail"
        watch._take(turn, overran(entry))
        assert turn.status == "unknown"
        assert turn.held_until > time.monotonic() + 800
        assert "3 times in a row" in turn.outcome.result.message  # type: ignore[union-attr]

    def test_nobody_is_held_back_while_something_required_fails(self, tmp_path: Path) -> None:
        entry, base = made("slow", ok), made("base", ok, severity="required")
        watch = Watch(state_file=tmp_path / "s", checks=[entry, base])
        watch._take(watch.turns["base"], overran(base))
        for _ in range(5):
            watch._take(watch.turns["slow"], overran(entry))
            watch._take(watch.turns["base"], overran(base))
        assert watch.turns["slow"].held_until == watch.turns["base"].held_until == 0.0

    def test_what_is_too_old_says_nothing(self, tmp_path: Path) -> None:
        watch = Watch(state_file=tmp_path / "s", checks=[made("base", ok, severity="required")])
        looked(watch, lambda: watch.turns["base"].outcome is not None)
        watch.write_state()
        read = healthstate.read(tmp_path / "s")
        assert read is not None
        assert read.failing() == []
        assert read.failing(time.time() + healthstate.SILENT_SECONDS + 1) == ["base"]
        assert read.statuses(time.time() - 60) == {"base": "unknown"}  # the clock was set back
        assert healthstate.read(tmp_path / "nothing") is None
        (tmp_path / "s").write_text("{")
        assert healthstate.read(tmp_path / "s") is None


@pytest.mark.django_db
class TestKeeping:
    def test_results_reach_the_database_with_all_that_was_seen(self, tmp_path: Path) -> None:
        statuses = iter(["ok", "warn", "ok"])
        entry = made("clock", lambda: Result(status=next(statuses)))  # type: ignore[arg-type]
        watch = Watch(state_file=tmp_path / "s", checks=[entry])
        turn = watch.turns["clock"]
        for _ in range(3):
            watch._take(turn, Outcome(check=entry, result=entry.run(), latency_ms=1))
        watch.keep()
        row = CheckResult.objects.get(key="clock")
        assert (row.status, row.recent) == ("ok", "owo")
        assert row.flap_score == 10
        watch.keep()  # nothing new: nothing written
        row.refresh_from_db()
        assert row.recent == "owo"

    def test_what_is_found_while_the_database_writes_is_written_next(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        entry = made("clock", ok, interval=3600)
        watch = Watch(state_file=tmp_path / "s", checks=[entry])
        turn = watch.turns["clock"]
        real = watching.store

        def slow(outcomes: list[Outcome], **more: Any) -> None:
            monkeypatch.setattr(watching, "store", real)
            watch._take(turn, Outcome(check=entry, result=Result(status="fail"), latency_ms=1))
            real(outcomes, **more)

        watch._take(turn, Outcome(check=entry, result=ok(), latency_ms=1))
        monkeypatch.setattr(watching, "store", slow)
        watch.keep()
        watch.keep()
        row = CheckResult.objects.get(key="clock")
        assert (row.status, row.recent) == ("fail", "of")

    def test_nothing_is_lost_while_the_database_is_away(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        entry = made("clock", ok)
        watch = Watch(state_file=tmp_path / "s", checks=[entry])
        turn = watch.turns["clock"]

        def away(*_: Any, **__: Any) -> None:
            raise OperationalError

        for _ in range(2):
            watch._take(turn, Outcome(check=entry, result=Result(status="fail"), latency_ms=1))
            turn.counted_at -= 30
        watch._take(turn, Outcome(check=entry, result=ok(), latency_ms=1))
        with monkeypatch.context() as patch:
            patch.setattr(watching, "store", away)
            patch.setattr(watching, "add_up", away)
            for work in (watch.keep, watch.count_time):
                with pytest.raises(OperationalError):
                    work()
        watch.keep()
        watch.count_time()
        assert CheckResult.objects.get(key="clock").recent == "ffo"
        assert CheckDay.objects.get().fail_seconds == 60

    def test_a_check_that_is_held_back_is_recorded_and_told(self, people: People, tmp_path: Path) -> None:
        assert people.otto
        entry = made("database", ok)  # a key of the registry, so that it may be released
        watch = Watch(state_file=tmp_path / "s", checks=[entry])
        turn = watch.turns["database"]
        for _ in range(3):
            watch._take(turn, overran(entry))
        watch.keep()
        assert AuditEvent.objects.filter(action="check.quarantined").count() == 1
        assert Notification.objects.filter(user=people.otto, kind="check.quarantined").count() == 1
        row = CheckResult.objects.get(key="database")
        assert row.quarantined_until > timezone.now()
        assert quarantine.run_now(actor=people.actor("otto"), key="database") == 1
        assert AuditEvent.objects.filter(action="check.released").count() == 1
        watch.keep()
        assert turn.held_until == 0.0
        looked(watch, lambda: turn.status == "ok")

    def test_the_day_is_added_up_and_shown(self, people: People) -> None:
        results.add_up({"database": {"ok": 100.0, "fail": 61.0}, "disk": {"ok": 0.2}})
        results.add_up({"database": {"ok": 20.4}})
        row = CheckDay.objects.get()
        assert (row.ok_seconds, row.fail_seconds) == (120, 61)
        CheckDay.objects.create(key="disk", node="n", day=timezone.now().date() - dt.timedelta(days=1), warn_seconds=30)
        found = strips(people.actor("ada"), days=3)
        assert [day.status for day in found["database"]] == ["none", "none", "fail"]
        assert [day.status for day in found["disk"]] == ["none", "ok", "none"]
        assert found["database"][-1].good_share == pytest.approx(120 / 181)

    def test_a_worker_looks_only_where_no_watch_does(self) -> None:
        results.beat("watch")
        run_health_checks()
        assert not CheckResult.objects.exists()


class TestFlapScore:
    @pytest.mark.parametrize(
        ("recent", "score"),
        [("", 0), ("o", 0), ("o" * 21, 0), ("of" * 10 + "o", 100), ("o" * 20 + "f", 6), ("f" + "o" * 20, 4)],
    )
    def test_changes_count_newer_ones_more(self, recent: str, score: int) -> None:
        assert CheckResult(recent=recent).flap_score == score


def test_every_check_has_a_runbook() -> None:
    runbook_text.cache_clear()
    every = [import_string(path) for path in settings.HEALTH_CHECKS]
    assert len({each.key for each in every}) == len(every) >= 28
    assert [each.key for each in every if not runbook_text(each.runbook, each.key)] == []
    assert {each.key for each in registry()} <= {each.key for each in every}
    assert watching.OVERRUNS_ALLOWED == 3
