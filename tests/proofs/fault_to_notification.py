"""A fault is in the console and told within 60 s at defaults, as one alert that ends by itself; probes answer while the database is frozen.

On SQLite the place of the files is taken away and given back. On PostgreSQL every process of the server is stopped
(SIGSTOP): healthd says 503 within 6 s and answers 1,000 probes meanwhile, a webhook is told without the database, and all
of it is written down and over when the server goes on. PROBES=n changes how many.
"""

from __future__ import annotations

import json
import os
import signal
import statistics
import time

import httpx2
import psutil

from tests.fakes.receiver import Receiver
from tests.lab.portal import Portal
from tests.proofs import expect, until
from tests.servers.postgres import Postgres

PROBES = int(os.environ.get("PROBES", "1000"))
TOLD_WITHIN, OVER_WITHIN = 60.0, 120.0
UNREADY_WITHIN, READY_WITHIN = 6.0, 10.0
P99_MS = 10.0
_START = 500.0


def prove() -> str:
    """Both."""
    return f"{_files_gone()}; {_database_frozen()}"


def _files_gone() -> str:
    with Portal(within=_START) as portal:
        console = portal.sign_in()
        _ready(portal)
        files = next(path for path in (portal.folder / "files", portal.folder / "storage") if path.exists())
        away = files.with_name("files-away")
        begun = time.monotonic()
        files.rename(away)
        files.write_text("in the way")
        unready = until(lambda: _probe(portal).status_code == 503, 60, "healthd never said 503")
        shown = until(lambda: "A check fails" in console.get("/admin/").text, 90, "the console never showed it")
        told = until(lambda: _notes(portal, "alert.firing"), 90, "nobody was told")
        shown, told = shown - begun, told - begun
        expect(max(shown, told) <= TOLD_WITHIN, f"in the console after {shown:.0f} s, told after {told:.0f} s")
        expect(_alerts(portal) == ["file_storage"], f"the alerts were {_alerts(portal)}")
        files.unlink()
        away.rename(files)
        begun_over = time.monotonic()
        over = until(lambda: _notes(portal, "alert.resolved"), 180, "it never ended") - begun_over
        expect(over <= OVER_WITHIN, f"it took {over:.0f} s to be over")
        expect(_notes(portal, "alert.firing") == _notes(portal, "alert.resolved") == 1, "it was told more than once")
    line = f"files gone: 503 after {unready - begun:.1f} s, console {shown:.0f} s, told {told:.0f} s, over {over:.0f} s"
    print(f"  {line}", flush=True)
    return line


def _database_frozen() -> str:
    environment = {"AIWRITER_OUTGOING_ALLOW_NETWORKS": "127.0.0.0/8"}
    with (
        Receiver() as receiver,
        Postgres() as server,
        Portal({**environment, "DATABASE_URL": server.url}, within=_START) as portal,
    ):
        portal.shell(
            "from apps.monitoring.services.channels import create_channel, create_route\n"
            "from apps.users.selectors.access import Actor\n"
            "actor = Actor.system_actor('proof')\n"
            f"made = create_channel(actor=actor, name='hook', kind='webhook', address='{receiver.url}')\n"
            "create_route(actor=actor, channel_id=made.pk)\nanswer = 1"
        )
        _ready(portal)
        time.sleep(35)  # the watch learns of channels twice a minute
        main = psutil.Process(server.pid)
        stopped = [main, *main.children(recursive=True)]
        for process in stopped:
            process.send_signal(signal.SIGSTOP)
        begun = time.monotonic()
        try:
            unready = until(lambda: _probe(portal).status_code == 503, 30, "healthd never said 503") - begun
            expect("database" in _probe(portal).json()["failing"], _probe(portal).text)
            times = _probe_often(portal)
            told = until(lambda: len(receiver.got), 90, "nobody was told") - begun
        finally:
            for process in stopped:
                process.send_signal(signal.SIGCONT)
        again = time.monotonic()
        ready = until(lambda: _probe(portal).status_code == 200, 60, "it never got ready again") - again
        over = until(lambda: len(receiver.got) > 1, 120, "its end was not told") - again
        first, second = (json.loads(body) for _, body in receiver.got[:2])
        expect((first["status"], second["status"]) == ("firing", "resolved"), f"{first['status']}, {second['status']}")
        time.sleep(20)
        told_of = [
            f"{body['status']}: {row['labels']['alertname']} {row['annotations']['summary']}"
            for _, raw in receiver.got
            for body in [json.loads(raw)]
            for row in body["alerts"]
        ]
        expect(len(receiver.got) == 2, f"{len(receiver.got)} messages for one fault: {told_of}")
        rows = portal.shell(
            "from apps.monitoring.models import Alert\n"
            "answer = list(Alert.objects.filter(fired_at__isnull=False, external=False).values_list('title', 'state'))"
        )
        expect(rows == [["The database does not answer", "resolved"]], f"{rows}")
    p99 = statistics.quantiles(times, n=100)[98]
    line = (
        f"database frozen: 503 after {unready:.1f} s, {len(times)} probes p99 {p99:.1f} ms, told {told:.0f} s, "
        f"ready {ready:.1f} s after, over {over:.0f} s"
    )
    print(f"  {line}", flush=True)
    expect(unready <= UNREADY_WITHIN, line)
    expect(p99 <= P99_MS, line)
    expect(told <= TOLD_WITHIN, line)
    expect(ready <= READY_WITHIN, line)
    return line


def _probe(portal: Portal) -> httpx2.Response:
    return httpx2.get(f"{portal.probes}/readyz", trust_env=False, timeout=10)


def _probe_often(portal: Portal) -> list[float]:
    """How long each answer took, in milliseconds."""
    times = []
    with httpx2.Client(trust_env=False, timeout=10) as client:
        for _ in range(PROBES):
            begun = time.perf_counter()
            answer = client.get(f"{portal.probes}/readyz")
            times.append((time.perf_counter() - begun) * 1000)
            expect(answer.status_code == 503, f"{answer.status_code} while the database is frozen")
    return times


def _ready(portal: Portal) -> None:
    until(lambda: _probe(portal).status_code == 200, 90, "healthd never said 200")


def _notes(portal: Portal, kind: str) -> int:
    found: int = portal.shell(
        f"from apps.users.models import Notification\nanswer = Notification.objects.filter(kind='{kind}').count()"
    )
    return found


def _alerts(portal: Portal) -> list[str]:
    found: list[str] = portal.shell(
        "from apps.monitoring.models import Alert\n"
        "rows = Alert.objects.filter(fired_at__isnull=False).values_list('subject', flat=True)\n"
        "answer = sorted({row.split(' ')[0] for row in rows})"
    )
    return found
