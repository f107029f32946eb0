"""The log as files: written by several processes, searched backwards, removed on time; and debug captures."""

from __future__ import annotations

import datetime as dt
import json
import logging
import subprocess
import sys
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson
import pytest

from aiwriter.core import captures, context, logfiles
from aiwriter.core.captures import CaptureHandler
from aiwriter.core.errors import Conflict, InvalidInput, NotFound, PermissionDenied
from aiwriter.core.logfiles import HourFileHandler
from aiwriter.core.logs import JsonFormatter, RedactingFilter
from apps.monitoring.health import logs as check
from apps.monitoring.models import DebugCapture
from apps.monitoring.selectors.logs import search_logs
from apps.monitoring.services import captures as services
from apps.monitoring.services import logs
from apps.users.models import AuditEvent, Notification
from tests.people import People

pytestmark = pytest.mark.django_db


@pytest.fixture
def log(settings: Any, tmp_path: Path) -> Iterator[logging.Logger]:
    """A logger that writes into a data folder of its own, as the portal's do."""
    settings.DATA_DIR = tmp_path
    made = logging.getLogger("aiwriter.trial")
    made.propagate = False
    made.setLevel(logging.DEBUG)
    files: list[logging.Handler] = [HourFileHandler(tmp_path / "logs"), CaptureHandler()]
    files[0].setLevel(logging.INFO)
    for handler in files:
        handler.addFilter(RedactingFilter())
        handler.setFormatter(JsonFormatter())
        made.addHandler(handler)
    yield made
    made.handlers.clear()
    files[0].close()
    captures._running.looked_at, captures._running.seen = 0.0, None
    captures._running.captures, captures._running.open = [], False
    for name in ("aiwriter", "apps"):
        logging.getLogger(name).setLevel(logging.NOTSET)


def _lines(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for _, path in logfiles.files(folder) for line in path.read_bytes().splitlines()]


def test_lines_of_all_processes_stand_whole_in_one_file(log: logging.Logger, tmp_path: Path) -> None:
    script = (
        "import logging, sys\nfrom aiwriter.core.logfiles import HourFileHandler\n"
        "from aiwriter.core.logs import JsonFormatter\n"
        f"h = HourFileHandler({str(tmp_path / 'logs')!r})\nh.setFormatter(JsonFormatter())\n"
        "log = logging.getLogger('x'); log.addHandler(h); log.setLevel('INFO')\n"
        "for n in range(300): log.info('%s %s %s', sys.argv[1], n, 'word ' * 300)\n"
    )
    running = [subprocess.Popen([sys.executable, "-c", script, str(n)], cwd=Path.cwd()) for n in range(3)]
    for process in running:
        assert process.wait(60) == 0
    log.info("a huge one %s", "x" * 100_000)
    lines = _lines(tmp_path / "logs")
    assert len(lines) == 901
    assert lines[-1]["message"].endswith("…")


def test_a_search_finds_the_newest_first_and_goes_on_where_it_stopped(
    log: logging.Logger, tmp_path: Path, people: People, monkeypatch: pytest.MonkeyPatch
) -> None:
    ada = people.actor("ada")
    folder = tmp_path / "logs"
    folder.mkdir()
    long_ago = dt.datetime.now(dt.UTC) - dt.timedelta(days=8)
    yesterday = dt.datetime.now(dt.UTC) - dt.timedelta(hours=26)
    for moment in (long_ago, yesterday):
        line = {
            "time": moment.isoformat(timespec="milliseconds"),
            "level": "ERROR",
            "logger": "old",
            "message": "old one",
        }
        (folder / f"{moment:%Y-%m-%dT%H}.jsonl").write_bytes(orjson.dumps(line) + b"\nno json\n")
    context.request_id.set("request-77")
    for number in range(250):
        log.info("number %s, key sk-abcdefghijklmnop1234", number)
    context.request_id.set("")
    log.warning("Größe\nzwei", extra={"facts": {"route": "documents/", "ms": 12}})

    first = search_logs(ada, {"request_id": "request-77"}, limit=200)
    assert (first.lines[0].message, first.complete) == ("number 249, key [redacted]", True)
    rest = search_logs(ada, {"request_id": "request-77"}, cursor=first.cursor, limit=200)
    assert [line.message.split(",")[0] for line in rest.lines][-1] == "number 0"
    assert len(first.lines) + len(rest.lines) == 250
    assert rest.cursor == ""
    (line,) = search_logs(ada, {"text": "größe", "level": "warning", "route": "documents/"}).lines
    assert (line.message, line.facts) == ("Größe\nzwei", {"ms": 12})
    assert [each.logger for each in search_logs(ada, {"level": "ERROR", "logger": "old"}).lines] == ["old"]
    until = (dt.datetime.now(dt.UTC) - dt.timedelta(hours=2)).isoformat()
    assert [each.message for each in search_logs(ada, {"until": until}).lines] == ["old one"]
    monkeypatch.setattr("apps.monitoring.selectors.logs.MAX_BYTES", 2000)
    cut = search_logs(ada, {"text": "number 0,"})
    assert (cut.lines, cut.complete, bool(cut.cursor)) == ([], False, True)
    for wrong in (
        {"level": "loud"},
        {"since": "yesterday"},
        {"colour": "red"},
        {"since": "2026-01-02", "until": "2026-01-01"},
    ):
        with pytest.raises(InvalidInput):
            search_logs(ada, wrong)
    for cursor in ("../../etc/passwd:3", "2026-01-01T00.jsonl:x", "2026-01-01T00.jsonl:²"):
        with pytest.raises(InvalidInput):
            search_logs(ada, {}, cursor=cursor)
    with pytest.raises(PermissionDenied):
        search_logs(people.actor("wanda"), {})


def test_what_is_old_is_gone_and_the_check_measures_it(log: logging.Logger, tmp_path: Path, settings: Any) -> None:
    folder = tmp_path / "logs"
    folder.mkdir()
    now = dt.datetime.now(dt.UTC)
    for days in (20, 13, 1):
        moment = now - dt.timedelta(days=days)
        line = orjson.dumps({"time": moment.isoformat(timespec="milliseconds"), "level": "INFO", "message": "x" * 90})
        (folder / f"{moment:%Y-%m-%dT%H}.jsonl").write_bytes(line + b"\n")
    log.info("new")
    settings.LOG_DAYS = 14
    found = check.run()
    assert (found.status, round(found.data["oldest_line_days"])) == ("fail", 20)
    assert logs.prune_logs() == 1
    found = check.run()
    assert (found.status, round(found.data["oldest_line_days"])) == ("ok", 13)
    assert len(logfiles.remove_old(folder, days=14, megabytes=0, now=now)) == 2
    assert len(logfiles.files(folder)) == 1  # the one that is written stays


def test_a_question_is_kept_and_asked_again(log: logging.Logger, people: People, portal: Any, api: Any) -> None:
    log.error("the disk is full")
    log.info("all is well")
    otto = portal("otto")
    otto.post("/admin/monitoring/logquery/keep/", {"name": "Bad news", "level": "ERROR", "cursor": "no filter"})
    shown = otto.get("/admin/monitoring/logquery/?level=ERROR").content.decode()
    assert "the disk is full" in shown
    assert "all is well" not in shown
    assert "Bad news" in shown
    assert "is no level" in otto.get("/admin/monitoring/logquery/?level=LOUD").content.decode()
    assert "Keep" not in portal("ada").get("/admin/monitoring/logquery/").content.decode().split("Kept questions")[1]
    found = api("ada").get("/api/v1/logs?level=ERROR&limit=1").json()
    assert [line["message"] for line in found["data"]] == ["the disk is full"]
    (query,) = api("ada").get("/api/v1/log-queries").json()["data"]
    assert query["filters"] == {"level": "ERROR"}
    again = api("otto").post("/api/v1/log-queries", {"name": "Bad news", "filters": {}})
    assert again.status_code == 409
    assert api("otto").delete(f"/api/v1/log-queries/{query['id']}").status_code == 204


def _capture(people: People, **more: Any) -> DebugCapture:
    return services.ask_capture(actor=people.actor("otto"), reason="Saving is slow", minutes=5, **more)


def test_a_capture_needs_a_second_person_and_is_destroyed_on_time(
    log: logging.Logger, people: People, django_capture_on_commit_callbacks: Any
) -> None:
    wanda = people.actor("wanda")
    row = _capture(people, user_id=wanda.user_id)
    assert Notification.objects.filter(user=people.wanda, kind="capture.asked").exists()
    with pytest.raises(PermissionDenied):
        services.decide_capture(actor=people.actor("otto"), capture_id=row.pk, agree=True)
    with pytest.raises(NotFound):
        services.decide_capture(actor=people.actor("eddie"), capture_id=row.pk, agree=True)
    with django_capture_on_commit_callbacks(execute=True):
        services.decide_capture(actor=wanda, capture_id=row.pk, agree=True)
    captures._running.looked_at = 0.0
    assert captures.refresh()
    context.actor_id.set(wanda.id)
    log.debug("close look, token=abcdef123456")
    context.actor_id.set("user:somebody-else")
    log.debug("of somebody else")
    (line,) = services.read_capture(actor=people.actor("otto"), capture_id=row.pk)
    assert b"close look" in line
    assert b"abcdef123456" not in line
    # After its time nothing is written, whoever is left to end it.
    captures._running.captures = [captures.Capture(str(row.pk), wanda.id, "", 0.0)]
    context.actor_id.set(wanda.id)
    log.debug("too late")
    context.actor_id.set("")
    with pytest.raises(Conflict):
        services.decide_capture(actor=wanda, capture_id=row.pk, agree=False)
    now = dt.datetime.now(dt.UTC)
    DebugCapture.objects.update(
        begun_at=now - dt.timedelta(days=2),
        ends_at=now - dt.timedelta(days=2),
        destroy_at=now - dt.timedelta(seconds=1),
    )
    assert services.tend_captures() == 1
    assert services.tend_captures() == 0
    assert not captures.path_of(row.pk).exists()
    row.refresh_from_db()
    assert (row.state, row.lines, len(row.digest)) == ("destroyed", 1, 64)
    receipt = AuditEvent.objects.get(action="debug_capture.destroyed")
    assert receipt.after["sha256"] == row.digest  # type: ignore[index]
    captures._running.looked_at = 0.0
    assert not captures.refresh()
    # Another machine that took part destroys its own share, with a receipt of its own; what nobody knows goes without one.
    captures.path_of(row.pk).write_bytes(b"{}\n{}\n")
    captures.path_of(uuid.uuid4()).write_bytes(b"{}\n")
    assert services.tend_captures() == 1
    receipts = AuditEvent.objects.filter(action="debug_capture.destroyed").order_by("occurred_at")
    assert [receipt.after["lines"] for receipt in receipts] == [1, 2]  # type: ignore[index]
    assert services.drop_strays() == 1
    assert list(captures.folder().glob("*.jsonl")) == []


def test_the_pages_and_the_api_of_captures(log: logging.Logger, people: People, portal: Any, api: Any) -> None:
    row = _capture(people, user_id=people.actor("wanda").user_id)
    wanda = portal("wanda")
    assert "Saving is slow" in wanda.get(f"/captures/{row.pk}/").content.decode()
    wanda.post(f"/captures/{row.pk}/", {"answer": "yes"})
    row.refresh_from_db()
    assert row.state == "running"
    assert portal("eddie").get(f"/captures/{row.pk}/").status_code == 404
    page = f"/admin/monitoring/debugcapture/{row.pk}"
    assert "End it now" in portal("otto").get(f"{page}/change/").content.decode()
    assert "End it now" not in portal("ada").get(f"{page}/change/").content.decode()
    wanda.post(f"/captures/{row.pk}/", {"answer": "end"})
    row.refresh_from_db()
    assert row.state == "ended"
    client = api("otto")
    made = client.post("/api/v1/debug-captures", {"request_id": "request-0001", "reason": "It failed"})
    assert made.status_code == 201, made.content
    path = f"/api/v1/debug-captures/{made.json()['id']}"
    assert client.post(f"{path}/approve").status_code == 403
    assert api("alma").post(f"{path}/approve").json()["state"] == "running"
    assert client.get(f"{path}/lines").json() == {"data": []}
    assert client.post(f"{path}/end", {"destroy": True}).json()["state"] == "ended"
    for wrong in ({"reason": "It failed"}, {"request_id": "a b", "reason": "It failed"}):
        assert client.post("/api/v1/debug-captures", wrong).status_code == 400
