"""Checks never keep anybody waiting, and an old result is never good news."""

from __future__ import annotations

import datetime as dt
import threading
import time
from collections.abc import Callable, Iterator

import pytest
from django.core.management import call_command
from django.db import connection
from django.test import Client
from django.utils import timezone

from apps.monitoring import health
from apps.monitoring.models import CheckHistory, CheckResult, Heartbeat
from apps.monitoring.services import readiness, results
from apps.monitoring.services.checks import Attempt, Check, Hand, Hands, Result, check, registry, run_checks

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def clean() -> Iterator[None]:
    readiness.forget()
    yield
    readiness.forget()


def made(key: str, run, **options) -> Check:  # type: ignore[no-untyped-def]
    return check(key, title=key, **options)(run)


def ok() -> Result:
    return Result(status="ok", message="fine")


class TestHands:
    """The threads of the watch, which stay."""

    def test_one_runs_check_after_check_on_the_connection_that_it_has(self) -> None:
        hands = Hands()
        seen: list[tuple[int, object]] = []

        def look() -> Result:
            connection.ensure_connection()
            seen.append((threading.get_ident(), connection.connection))
            return ok()

        for key in ("one", "two", "three"):
            assert started(made(key, look), hands).outcome().result.status == "ok"
            until(lambda: len(hands._waiting) == 1)
        assert len({thread for thread, _ in seen}) == 1
        # SQLite keeps the connection; PostgreSQL's goes back to the pool each time.
        if connection.settings_dict["CONN_MAX_AGE"] != 0:
            assert len({id(used) for _, used in seen}) == 1

    def test_one_that_hangs_holds_nobody_up_and_works_again_when_it_can(self) -> None:
        hands, free = Hands(kept=1), threading.Event()

        def hang() -> Result:
            free.wait(20)
            return ok()

        hanging = started(made("hanging", hang, deadline=0.3), hands)
        assert started(made("other", ok), hands).outcome().result.status == "ok"
        assert "0.3 seconds" in hanging.outcome().result.message
        assert "still hangs" in started(made("hanging", ok), hands).outcome().result.message
        free.set()
        until(lambda: started(made("hanging", ok), hands).outcome().result.status == "ok")
        # Two worked at once, and one of them may wait for more.
        until(lambda: sum(isinstance(each, Hand) and each.hands is hands for each in threading.enumerate()) == 1)

    def test_one_outlives_a_check_that_raises(self) -> None:
        hands = Hands()
        found = started(made("raises", lambda: 1 / 0), hands).outcome()
        assert (found.result.status, "ZeroDivisionError" in found.result.message) == ("fail", True)
        until(lambda: len(hands._waiting) == 1)
        (hand,) = hands._waiting
        assert started(made("other", ok), hands).outcome().result.status == "ok"
        assert hand.is_alive()


def started(entry: Check, hands: Hands) -> Attempt:
    attempt = Attempt(entry)
    attempt.start(hands)
    return attempt


def until(what: Callable[[], bool]) -> None:
    end = time.monotonic() + 10
    while not what():
        assert time.monotonic() < end
        time.sleep(0.01)


class TestRunning:
    def test_a_hanging_check_costs_its_deadline_and_is_not_started_twice(self) -> None:
        free = threading.Event()
        started: list[int] = []

        def hang() -> Result:
            started.append(1)
            free.wait(20)
            return ok()

        hanging = made("hanging", hang, deadline=0.3)
        begun = time.monotonic()
        first, other = run_checks([hanging, made("other", ok)])
        assert time.monotonic() - begun < 1.5
        assert (first.result.status, other.result.status) == ("fail", "ok")
        assert "0.3 seconds" in first.result.message
        (again,) = run_checks([hanging])
        assert "still hangs" in again.result.message
        assert len(started) == 1
        free.set()
        time.sleep(0.1)
        assert run_checks([made("hanging", ok)])[0].result.status == "ok"

    def test_what_a_check_raises_is_what_it_found_without_secrets(self) -> None:
        def broken() -> Result:
            raise ValueError("cannot reach postgres://user:hunter22@db/x")

        (outcome,) = run_checks([made("broken", broken)])
        assert outcome.result.status == "fail"
        assert "ValueError" in outcome.result.message
        assert "hunter22" not in outcome.result.message

    def test_something_that_is_no_result(self) -> None:
        (outcome,) = run_checks([made("odd", lambda: "fine")])
        assert outcome.result.status == "fail"

    def test_the_registry_names_what_cannot_be_loaded(self, settings) -> None:  # type: ignore[no-untyped-def]
        settings.HEALTH_CHECKS = ["apps.monitoring.health.database", "apps.nowhere.health.thing", "os.path.join"]
        found = registry()
        assert [c.key for c in found] == ["database", "thing", "join"]
        outcomes = run_checks(found)
        assert [o.result.status for o in outcomes] == ["ok", "fail", "fail"]
        assert "HEALTH_CHECKS" in outcomes[1].result.remedy


class TestResults:
    def test_every_check_of_the_product_loads(self) -> None:
        assert not [c for c in registry() if c.title == c.key and "." in c.title]

    def test_results_are_kept_with_their_past(self, settings) -> None:  # type: ignore[no-untyped-def]
        settings.HEALTH_CHECKS = ["apps.monitoring.health.database", "apps.monitoring.health.worker"]
        results.run_due_checks(force=True)
        row = CheckResult.objects.get(key="worker")
        assert (row.status, row.effective_status) == ("warn", "warn")
        since = row.since
        results.beat("worker")
        results.run_due_checks(force=True)
        row.refresh_from_db()
        assert row.status == "ok"
        assert row.since > since
        results.run_due_checks(force=True)
        assert list(CheckHistory.objects.filter(key="worker").values_list("status", flat=True)) == ["ok", "warn"]

    def test_what_is_not_due_is_not_run(self, settings) -> None:  # type: ignore[no-untyped-def]
        settings.HEALTH_CHECKS = ["apps.monitoring.health.database"]
        assert len(results.run_due_checks()) == 1
        assert results.run_due_checks() == []

    def test_an_expired_result_is_unknown(self) -> None:
        row = CheckResult(key="k", node="n", status="ok", valid_until=timezone.now() - dt.timedelta(seconds=1))
        assert row.effective_status == "unknown"

    def test_old_history_goes(self) -> None:
        old = timezone.now() - results.HISTORY_KEPT - dt.timedelta(minutes=1)
        CheckHistory.objects.create(key="k", node="n", status="ok", checked_at=old)
        CheckHistory.objects.create(key="k", node="n", status="ok")
        assert results.prune_history() == 1

    def test_the_command_prints_each_check(self, capsys) -> None:  # type: ignore[no-untyped-def]
        call_command("run_checks")
        printed = capsys.readouterr().out
        assert "Database" in printed
        assert "Migrations" in printed
        assert CheckResult.objects.filter(key="database", status="ok").exists()


class TestOwnChecks:
    def test_database_and_migrations(self) -> None:
        assert health.database.run().status == "ok"
        assert health.migrations.run().status == "ok"

    def test_a_missing_migration_fails_and_names_it(self) -> None:
        from django.db import connection
        from django.db.migrations.loader import MigrationLoader
        from django.db.migrations.recorder import MigrationRecorder

        [last] = MigrationLoader(connection).graph.leaf_nodes("usersessions")
        recorder = MigrationRecorder(connection)
        recorder.record_unapplied(*last)
        try:
            found = health.migrations.run()
        finally:
            recorder.record_applied(*last)
        assert found.status == "fail"
        assert ".".join(last) in found.message

    @pytest.mark.parametrize(("free", "status"), [(500, "ok"), (90, "warn"), (10, "fail")])
    def test_disk(self, free: int, status: str, monkeypatch: pytest.MonkeyPatch) -> None:
        import shutil
        from collections import namedtuple

        usage = namedtuple("usage", "total used free")
        monkeypatch.setattr(shutil, "disk_usage", lambda _: usage(1000, 1000 - free, free))
        assert health.disk.run().status == status

    def test_a_silent_worker_is_told_of(self) -> None:
        assert "No worker" in health.worker.run().message
        results.beat("worker")
        assert health.worker.run().status == "ok"
        Heartbeat.objects.update(beat_at=timezone.now() - dt.timedelta(minutes=5))
        late = health.worker.run()
        assert late.status == "warn"
        assert "300 s ago" in late.message


class TestProbes:
    def test_livez_reads_nothing(self, django_assert_num_queries) -> None:  # type: ignore[no-untyped-def]
        with django_assert_num_queries(0):
            answer = Client().get("/livez")
        assert (answer.status_code, answer.content) == (200, b"ok\n")
        assert "no-store" in answer.headers["Cache-Control"]

    def test_a_probe_may_ask_under_any_name(self, settings) -> None:  # type: ignore[no-untyped-def]
        """Docker, Kubernetes and HAProxy ask by an address or as "localhost"; a portal with a name refused them."""
        settings.ALLOWED_HOSTS = ["portal.example.org"]
        settings.SECURE_SSL_REDIRECT, settings.SECURE_REDIRECT_EXEMPT = True, [r"^livez$", r"^readyz$"]
        settings.HEALTH_CHECKS = ["apps.monitoring.health.database", "apps.monitoring.health.migrations"]
        for path in ("/livez", "/readyz"):
            assert Client().get(path, headers={"host": "10.1.2.3:8000"}).status_code == 200, path
        assert Client().get("/accounts/login/", headers={"host": "10.1.2.3:8000"}).status_code == 400

    def test_ready_without_any_worker(self, settings) -> None:  # type: ignore[no-untyped-def]
        settings.HEALTH_CHECKS = [
            "apps.monitoring.health.database",
            "apps.monitoring.health.migrations",
            "apps.monitoring.health.worker",
        ]
        answer = Client().get("/readyz")
        body = answer.json()
        assert answer.status_code == 200
        assert body["status"] == "degraded"
        assert body["checks"]["database"]["status"] == "ok"
        assert body["checks"]["worker"]["status"] == "unknown"

    def test_a_worker_s_results_are_taken_over(self, settings) -> None:  # type: ignore[no-untyped-def]
        settings.HEALTH_CHECKS = ["apps.monitoring.health.database", "apps.monitoring.health.worker"]
        results.beat("worker")
        results.run_due_checks(force=True)
        assert Client().get("/readyz").json()["status"] == "ready"

    def test_the_first_answer_has_the_others_too_however_quick_the_look(self, settings, monkeypatch) -> None:  # type: ignore[no-untyped-def]
        settings.HEALTH_CHECKS = ["apps.monitoring.health.database", "apps.monitoring.health.worker"]
        results.beat("worker")
        results.run_due_checks(force=True)
        begin, read = readiness._look_again, readiness._read_rows

        def quick() -> threading.Thread:
            thread, until = begin(), time.monotonic() + 5
            while "database" not in readiness._entries and time.monotonic() < until:
                time.sleep(0.001)
            return thread

        def slow(checks: dict[str, Check]) -> None:
            time.sleep(0.2)
            read(checks)

        monkeypatch.setattr(readiness, "_look_again", quick)
        monkeypatch.setattr(readiness, "_read_rows", slow)
        assert Client().get("/readyz").json()["status"] == "ready"

    def test_a_required_check_that_fails_is_named(self, settings, tmp_path) -> None:  # type: ignore[no-untyped-def]
        settings.HEALTH_CHECKS = [
            "apps.monitoring.health.database",
            "tests.unit.monitoring.test_checks.required_failing",
        ]
        answer = Client().get("/readyz")
        assert answer.status_code == 503
        assert answer.json()["failing"] == ["required-failing"]

    def test_a_hanging_required_check_does_not_hang_the_probe(self, settings) -> None:  # type: ignore[no-untyped-def]
        settings.HEALTH_CHECKS = ["tests.unit.monitoring.test_checks.required_hanging"]
        RELEASE.clear()
        first = Client().get("/readyz")
        assert first.status_code == 503
        begun = time.monotonic()
        assert Client().get("/readyz").status_code == 503
        assert time.monotonic() - begun < 0.5
        RELEASE.set()

    def test_strangers_learn_only_names(self, settings) -> None:  # type: ignore[no-untyped-def]
        settings.HEALTH_CHECKS = ["apps.monitoring.health.database"]
        settings.METRICS_NETWORKS = ["10.0.0.0/8"]
        body = Client().get("/readyz").json()
        assert body == {"status": "ready"}

    def test_operators_see_details_from_anywhere(self, portal, settings) -> None:  # type: ignore[no-untyped-def]
        settings.METRICS_NETWORKS = ["10.0.0.0/8"]
        assert "checks" in portal("otto").get("/readyz").json()
        assert "checks" not in portal("wanda").get("/readyz").json()

    def test_results_that_nobody_renews_expire(self) -> None:
        entry = readiness.Entry(
            key="database", title="Database", required=True, status="ok", expires=time.monotonic() - 1
        ).now()
        assert entry.status == "unknown"
        assert readiness.Readiness((entry,)).status == "not_ready"


RELEASE = threading.Event()


@check("required-failing", title="Failing", severity="required")
def required_failing() -> Result:
    return Result(status="fail", message="broken", remedy="mend it")


@check("required-hanging", title="Hanging", severity="required", deadline=30)
def required_hanging() -> Result:
    RELEASE.wait(10)
    return Result(status="ok")
