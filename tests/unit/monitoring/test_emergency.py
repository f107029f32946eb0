"""The database fails: somebody is told without it, and it is written down afterwards."""

from __future__ import annotations

import datetime as dt
import json
import time
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import pytest
from django.utils import timezone

from aiwriter.core.errors import InvalidInput
from apps.monitoring.models import Alert, AlertDelivery, AlertRoute, CheckResult, Silence
from apps.monitoring.services import telling
from apps.monitoring.services.alerting import evaluate
from apps.monitoring.services.alerts import create_silence
from apps.monitoring.services.checks import Check, Outcome, Result, check
from apps.monitoring.services.emergency import WAIT_SECONDS, Emergency
from apps.monitoring.services.incidents import notices
from apps.monitoring.services.watching import SETTLE_SECONDS, Watch
from apps.users.models import Notification
from tests.fakes.receiver import Receiver
from tests.lab.alerts import arrive, channel
from tests.people import People


@check("database", title="Database", severity="required")
def database() -> Result:
    return Result(status="ok")


@pytest.mark.django_db
def test_told_without_the_database_and_written_down_later(
    people: People, receiver: Receiver, tmp_path: Path, django_assert_num_queries: Any
) -> None:
    assert people.otto
    AlertRoute.objects.all().delete()
    channel("webhook", receiver.url)
    watch = Watch(state_file=tmp_path / "s", checks=[database])
    turn = watch.turns["database"]
    emergency = Emergency(watch)
    emergency.learn()
    fails = Outcome(check=database, result=Result(status="fail", message="m"), latency_ms=1)
    watch._take(turn, fails)
    with django_assert_num_queries(0):
        assert not emergency.look()  # it may be a hiccup
        turn.since = time.time() - WAIT_SECONDS - 1
        assert emergency.look()
        assert not emergency.look()  # once
        assert not emergency.write_down()
    ((_, body),) = receiver.got
    told = json.loads(body)["alerts"][0]
    assert told["labels"]["alertname"] == "The database does not answer"
    assert told["labels"]["severity"] == "critical"
    watch._take(turn, Outcome(check=database, result=Result(status="ok"), latency_ms=1))
    assert emergency.write_down()
    assert not emergency.write_down()
    alert = Alert.objects.get()
    assert (alert.state, alert.severity) == ("resolved", "critical")
    assert f"/alert/{alert.pk}/" in told["generatorURL"]
    assert AlertDelivery.objects.get(kind="firing").receipt == "200 thanks"
    assert "did not answer for" in Notification.objects.get(user=people.otto).title
    arrive()
    assert json.loads(receiver.got[-1][1])["status"] == "resolved"


@pytest.mark.django_db
def test_a_channel_that_could_not_be_told_is_tried_again(
    receiver: Receiver, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    AlertRoute.objects.all().delete()
    channel("webhook", receiver.url)
    watch = Watch(state_file=tmp_path / "s", checks=[database])
    emergency = Emergency(watch)
    emergency.learn()
    turn = watch.turns["database"]
    watch._take(turn, Outcome(check=database, result=Result(status="fail", message="m"), latency_ms=1))
    turn.since = time.time() - WAIT_SECONDS - 1
    answers = [("", "timed out"), ("", "refused")]
    real = telling.send_now
    monkeypatch.setattr(
        "apps.monitoring.services.emergency.send_now",
        lambda row, alerts: answers.pop(0) if answers else real(row, alerts),
    )
    now = [1000.0]
    monkeypatch.setattr("apps.monitoring.services.emergency.time.monotonic", lambda: now[0])
    told = []
    for second in (0, 1, 2, 3, 5, 6, 7):  # after 2 s again, then after 4
        now[0] = 1000.0 + second
        told.append((emergency.look(), len(receiver.got)))
    assert told == [(False, 0)] * 5 + [(True, 1), (False, 1)]
    watch._take(turn, Outcome(check=database, result=Result(status="ok"), latency_ms=1))
    assert emergency.write_down()
    assert AlertDelivery.objects.get(kind="firing").state == "delivered"


@pytest.mark.django_db
def test_who_is_tried_again_knows_the_message(receiver: Receiver, tmp_path: Path) -> None:
    AlertRoute.objects.all().delete()
    channel("webhook", receiver.url)
    watch = Watch(state_file=tmp_path / "s", checks=[database])
    emergency = Emergency(watch)
    emergency.learn()
    turn = watch.turns["database"]
    watch._take(turn, Outcome(check=database, result=Result(status="fail", message="m"), latency_ms=1))
    turn.since = time.time() - WAIT_SECONDS - 1
    receiver.status = 503
    assert not emergency.look()
    receiver.status = 200
    end = time.monotonic() + 10
    while not emergency.look():
        assert time.monotonic() < end
        time.sleep(0.1)
    first, second = receiver.got
    assert first[0]["webhook-id"] == second[0]["webhook-id"]
    assert json.loads(first[1]) == json.loads(second[1])


@pytest.mark.django_db
def test_a_channel_that_was_removed_meanwhile_keeps_nothing_from_being_written_down(
    receiver: Receiver, tmp_path: Path
) -> None:
    AlertRoute.objects.all().delete()
    gone = channel("webhook", receiver.url)
    watch = Watch(state_file=tmp_path / "s", checks=[database])
    emergency = Emergency(watch)
    emergency.learn()
    turn = watch.turns["database"]
    watch._take(turn, Outcome(check=database, result=Result(status="fail", message="m"), latency_ms=1))
    turn.since = time.time() - WAIT_SECONDS - 1
    assert emergency.look()
    gone.delete()
    watch._take(turn, Outcome(check=database, result=Result(status="ok"), latency_ms=1))
    assert emergency.write_down()
    assert Alert.objects.get().deliveries.count() == 0


@pytest.mark.django_db
def test_a_planned_move_of_the_database_tells_nobody_and_is_written_down(
    people: People, receiver: Receiver, tmp_path: Path
) -> None:
    AlertRoute.objects.all().delete()
    channel("webhook", receiver.url)
    begins = timezone.now() + dt.timedelta(seconds=5)
    words = {"reason": "It moves", "announcement": "The portal is away for some minutes."}
    for kind, refused in (("silence", True), ("maintenance", False)):
        with pytest.raises(InvalidInput) if refused else nullcontext():
            create_silence(
                actor=people.actor("otto"), kind=kind, subject="database", starts_at=begins,
                ends_at=begins + dt.timedelta(hours=1), **words,
            )  # fmt: skip
    ((_, title, text),) = notices()
    assert (title, "away for some minutes" in text) == ("Planned maintenance", True)
    Silence.objects.update(starts_at=timezone.now() - dt.timedelta(seconds=1))
    assert notices()[0][1] == "Maintenance is under way"
    watch = Watch(state_file=tmp_path / "s", checks=[database])
    emergency = Emergency(watch)
    emergency.learn()
    turn = watch.turns["database"]
    watch._take(turn, Outcome(check=database, result=Result(status="fail"), latency_ms=1))
    turn.since = time.time() - WAIT_SECONDS - 1
    assert not emergency.look()
    watch._take(turn, Outcome(check=database, result=Result(status="ok"), latency_ms=1))
    assert emergency.write_down()
    arrive()
    assert receiver.got == []
    assert Alert.objects.get().silenced


@check("mail", title="Mail")
def mail() -> Result:
    return Result(status="fail", message="no answer")


@pytest.mark.django_db
def test_one_fault_is_one_alert_also_when_the_database_answers_again(
    defaults: People, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = [time.monotonic()]
    monkeypatch.setattr("apps.monitoring.services.watching.time.monotonic", lambda: clock[0])
    watch = Watch(state_file=tmp_path / "s", checks=[database, mail])
    first, other = watch.turns["database"], watch.turns["mail"]

    def found(entry: Check, status: str, message: str) -> None:
        result = Result(status=status, message=message)  # type: ignore[arg-type]
        overran = message.startswith("It ")
        watch._take(watch.turns[entry.key], Outcome(check=entry, result=result, latency_ms=1, overran=overran))

    found(mail, "fail", "It did not end within 5 seconds.")  # noticed before the one whose fault it is
    found(database, "fail", "It did not end within 2.5 seconds.")
    found(database, "ok", "Answers in 1 ms.")
    assert (first.status, other.status, other.due) == ("ok", "unknown", clock[0])
    begun = timezone.now()
    for second in range(0, 25, 5):
        found(mail, "fail", "It still hangs since an earlier run.")
        watch.keep()
        evaluate(now=begun + dt.timedelta(seconds=second))
    assert other.held_until == 0.0
    assert CheckResult.objects.get(key="mail").status == "unknown"
    assert not Alert.objects.filter(state="firing").exists()
    clock[0] += SETTLE_SECONDS
    for second in (30, 45):
        found(mail, "fail", "no answer")
        watch.keep()
        evaluate(now=begun + dt.timedelta(seconds=second))
    assert Alert.objects.get(state="firing").subject.startswith("mail")  # this one is its own


@pytest.mark.django_db
def test_while_rows_are_taken_the_ordinary_ways_tell(receiver: Receiver, tmp_path: Path) -> None:
    AlertRoute.objects.all().delete()
    channel("webhook", receiver.url)
    watch = Watch(state_file=tmp_path / "s", checks=[database])
    emergency = Emergency(watch)
    emergency.learn()
    watch._take(watch.turns["database"], Outcome(check=database, result=Result(status="fail"), latency_ms=1))
    watch.turns["database"].since = time.time() - WAIT_SECONDS - 1
    watch.keep()
    assert not emergency.look()  # it is slow, and its row is there
    watch.kept_at -= WAIT_SECONDS
    assert emergency.look()
