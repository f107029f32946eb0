"""The error inbox: what is noted, what is left out, what is grouped, and what a storm costs."""

from __future__ import annotations

import datetime as dt
import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from aiwriter.core import context, crashes
from aiwriter.core.crashes import CrashHandler
from aiwriter.core.error_reports import scrubbed
from aiwriter.core.errors import PermissionDenied
from aiwriter.core.redact import redact_error
from apps.monitoring.models import Alert, ErrorGroup, ErrorSample
from apps.monitoring.services import error_intake, errors
from apps.monitoring.services.alerting import evaluate
from apps.monitoring.services.chores import error_figures
from apps.monitoring.services.keeping import keep
from apps.users.models import AuditEvent
from tests.people import People

pytestmark = pytest.mark.django_db


@pytest.fixture
def log(settings: Any, tmp_path: Path) -> Iterator[logging.Logger]:
    """A logger whose errors are noted below a data folder of its own."""
    settings.DATA_DIR = tmp_path
    found = logging.getLogger("trial")
    handler = CrashHandler(tmp_path / "run" / "errors")
    found.addHandler(handler)
    found.propagate = False
    yield found
    found.removeHandler(handler)


def _fail(log: logging.Logger, text: str = "boom") -> None:
    secret = "sk-local-0123456789abcdef"
    try:
        raise ValueError(text)
    except ValueError:
        log.exception("%s failed", secret)


def _fail_elsewhere(log: logging.Logger) -> None:
    try:
        {}["missing"]  # type: ignore[index]
    except KeyError as error:
        try:
            raise RuntimeError("it was not there") from error
        except RuntimeError:
            log.exception("again")


def test_errors_of_one_kind_are_one_row_that_opens_again(log: logging.Logger, people: People) -> None:
    context.request_id.set("request-0001")
    for number in range(3):
        _fail(log, f"no {number}")
    _fail_elsewhere(log)
    assert error_intake.take_in() == 4
    group = ErrorGroup.objects.get(kind="ValueError")
    assert (group.count, group.state, group.days.get().count) == (3, "open", 3)
    assert group.place == "tests/unit/monitoring/test_errors.py in _fail"
    sample = group.samples.get()
    assert (sample.request_id, sample.frames[-1]["code"]) == ("request-0001", "raise ValueError(text)")
    assert ErrorGroup.objects.get(kind="RuntimeError").samples.get().causes == ["KeyError: 'missing'"]
    assert "sk-local" not in str(list(ErrorSample.objects.values()))

    otto = people.actor("otto")
    errors.resolve(actor=otto, error_id=group.pk)
    _fail(log)
    error_intake.take_in()
    group.refresh_from_db()
    assert (group.state, group.came_again, group.count) == ("open", True, 4)
    errors.ignore(actor=otto, error_id=group.pk)
    _fail(log)
    error_intake.take_in()
    group.refresh_from_db()
    assert (group.state, group.count) == ("ignored", 5)
    with pytest.raises(PermissionDenied):
        errors.reopen(actor=people.actor("ada"), error_id=group.pk)
    assert {"error_group.resolved", "error_group.ignored"} <= set(AuditEvent.objects.values_list("action", flat=True))


def test_a_file_that_was_taken_counts_once(log: logging.Logger, tmp_path: Path) -> None:
    _fail(log)
    folder = tmp_path / "run" / "errors"
    crashes.hand_over(folder)
    (taken,) = crashes.handed_over(folder)
    whole = taken.read_bytes()
    assert error_intake.take_in() == 1
    # Killed after the rows were committed, before the file was removed.
    taken.write_bytes(whole + b'{"mark": "cut off')
    assert error_intake.take_in() == 0
    assert not taken.exists()
    assert ErrorGroup.objects.get().count == 1


def test_a_storm_is_counted_and_stays_small(
    log: logging.Logger, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(200):
        try:
            raise type(f"Kind{number}", (Exception,), {})
        except Exception:
            log.exception("x")
    (path,) = (tmp_path / "run" / "errors").glob("*.jsonl")
    assert sum(b'"frames"' in line for line in path.read_bytes().splitlines()) == crashes.SAMPLES_A_MINUTE
    assert error_intake.take_in() == 200
    assert ErrorGroup.objects.count() == crashes.SAMPLES_A_MINUTE + 1
    assert ErrorGroup.objects.get(mark=crashes.TOO_MANY).count == 200 - crashes.SAMPLES_A_MINUTE
    monkeypatch.setattr(crashes, "MAX_FILE_BYTES", 2000)
    monkeypatch.setattr(error_intake, "MAX_GROUPS", 5)
    for number in range(100):
        log.error("line %s", number)
    assert path.stat().st_size < 4000
    error_intake.take_in()
    assert ErrorGroup.objects.count() == crashes.SAMPLES_A_MINUTE + 1


def test_an_error_that_is_new_is_told(log: logging.Logger, defaults: People) -> None:
    _fail(log)
    error_intake.take_in()
    opened = ErrorGroup.objects.get().opened_at
    soon = opened + dt.timedelta(minutes=1)
    keep(error_figures(soon), at=soon.timestamp())
    evaluate(now=soon)
    assert Alert.objects.get(rule__slug="errors-new").state == "firing"
    later = opened + dt.timedelta(minutes=2)
    assert error_figures(later)[0].value == 0.0


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("invalid literal for int() with base 10: 'my diary of last summer'", "my diary"),
        ("DETAIL:  Key (email)=(wanda@example.org) already exists.", "wanda"),
        ("nobody@example.org is not known", "nobody@"),
        ("key sk-abcdefghijklmnop1234 was refused", "sk-abc"),
        ("found canary0123456789abcdef01", "canary0"),
        # Longer than what is looked at: their ends are not there.
        ("it holds '" + "my diary " * 1000 + "'", "my diary"),
        ("DETAIL:  Failing row contains=(" + "my diary " * 1000 + ")", "my diary"),
    ],
)
def test_values_that_an_error_quotes_are_left_out(text: str, kept: str) -> None:
    assert kept not in redact_error(text)
    assert "[redacted]" in redact_error(text)


def test_what_leaves_for_another_server_holds_no_values() -> None:
    event = {
        "event_id": "e",
        "request": {"data": "canary", "headers": {"x": "canary"}, "query_string": "canary"},
        "extra": {"a": "canary"},
        "breadcrumbs": {"values": ["canary"]},
        "modules": {"canary": "1"},
        "user": {"id": "user:1", "email": "canary@example.org", "ip_address": "canary"},
        "tags": {"part": "web", "other": "canary"},
        "logentry": {"message": "m", "params": ["canary"]},
        "exception": {
            "values": [
                {
                    "type": "ValueError",
                    "value": "bad: 'canary canary canary'",
                    "stacktrace": {"frames": [{"function": "f", "vars": {"x": "canary"}, "abs_path": "/canary"}]},
                }
            ]
        },
    }
    left = scrubbed(event, {})
    assert "canary" not in str(left)
    assert left["exception"]["values"][0]["stacktrace"]["frames"] == [{"function": "f"}]
    assert left["user"] == {"id": "user:1"}


def test_the_page_and_the_api(log: logging.Logger, people: People, portal: Any, api: Any) -> None:
    _fail(log)
    error_intake.take_in()
    group = ErrorGroup.objects.get()
    page = f"/admin/monitoring/errorgroup/{group.pk}"
    assert "raise ValueError(text)" in portal("ada").get(f"{page}/change/").content.decode()
    otto = portal("otto")
    otto.post(f"{page}/resolve/")
    assert "Open again" in otto.get(f"{page}/change/").content.decode()
    listed = api("ada").get("/api/v1/errors?state=resolved").json()["data"]
    assert [each["kind"] for each in listed] == ["ValueError"]
    assert api("ada").get("/api/v1/errors?state=lost").status_code == 400
    (sample,) = api("ada").get(f"/api/v1/errors/{group.pk}/samples").json()["data"]
    assert sample["frames"][-1]["function"] == "_fail"
    assert api("otto").post(f"/api/v1/errors/{group.pk}/reopen").json()["state"] == "open"
    assert api("ada").get(f"/api/v1/errors/{group.pk}").json()["days"][-1]["count"] == 1
