"""Faults of the database, Redis, the disk and the providers are met as promised; 20 kills of random parts lose nothing.

Each is induced for real: SIGSTOP of the whole server, a restart in the middle of writes, a refused connection, a Redis that
is gone, emptied or asleep, a small tmpfs at 2 % and full (needs root, otherwise that row is "not run"), a provider that says
429, 500, nothing or nonsense. ONLY=database,redis,disk,provider,kills runs some of them; KILLS, GENERATIONS and SEED as in
the proof jobs-kill.
"""

from __future__ import annotations

import os
import signal
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any

import httpx2
import psutil

from tests.fakes.provider import FakeProvider
from tests.fakes.text import words
from tests.lab.models import connect_models, writer_token
from tests.lab.portal import Portal, read_events
from tests.proofs import expect, jobs_kill, until
from tests.proofs._fault_writer import Writer
from tests.servers.postgres import Postgres
from tests.servers.redis import Redis

_START = 600.0
UNREADY_WITHIN, READY_WITHIN = 6.0, 10.0
# The pool gives up after 15 s and a request may ask twice; nothing may wait for longer than that.
REQUEST_WITHIN = 45.0
FREEZE_SECONDS = 10.0
WORDS = 120


def prove() -> str:
    """Every fault, one after the other."""
    only = os.environ.get("ONLY", "database,redis,disk,provider,kills").split(",")
    rows = {"database": _database, "redis": _redis, "disk": _disk, "provider": _provider, "kills": _kills}
    found = []
    for name in only:
        found.append(rows[name]())
        print(f"  {name}: {found[-1]}", flush=True)
    return "; ".join(found)


# ------------------------------------------------------------ the database
def _database() -> str:
    with Postgres(durable=True) as server, Portal({"DATABASE_URL": server.url}, within=_START) as portal:
        token = writer_token(portal)
        _ready(portal)
        said = []
        with Writer(portal, token) as writer:
            for name, begin, end in (
                ("frozen", lambda: _signal(server, signal.SIGSTOP), lambda: _signal(server, signal.SIGCONT)),
                ("restarted", lambda: _stop(server, signal.SIGINT), server.start),
                ("killed and refusing", lambda: _stop(server, signal.SIGQUIT), server.start),
            ):
                until(lambda: writer.going, 60, "nothing was written before")
                begun = time.monotonic()
                begin()
                unready = until(lambda: _probe(portal) == 503, 30, f"{name}: never 503") - begun
                time.sleep(max(0.0, FREEZE_SECONDS - (time.monotonic() - begun)))
                end()
                again = time.monotonic()
                ready = until(lambda: _probe(portal) == 200, 60, f"{name}: never ready again") - again
                writer.going = False
                until(lambda: writer.going, 90, f"{name}: nothing was written after")
                said.append(f"{name} 503 after {unready:.1f} s, ready {ready:.1f} s after its end")
                expect(unready <= UNREADY_WITHIN, said[-1])
                expect(ready <= READY_WITHIN, said[-1])
        writer.nothing_lost(portal)
        expect(writer.longest <= REQUEST_WITHIN, f"a request took {writer.longest:.0f} s")
        return f"database {', '.join(said)}; {writer.figure()}"


def _signal(server: Postgres, number: int) -> None:
    main = psutil.Process(server.pid)
    for process in [main, *main.children(recursive=True)]:
        with suppress(psutil.NoSuchProcess):
            process.send_signal(number)


def _stop(server: Postgres, number: int) -> None:
    """SIGINT ends every connection in good order, SIGQUIT without it; waits until the server is gone."""
    main = psutil.Process(server.pid)
    main.send_signal(number)
    main.wait(30)


# ------------------------------------------------------------ Redis
def _redis() -> str:
    with (
        Redis() as server,
        FakeProvider(process=True, words=WORDS, tps=60) as fake,
        Portal({"REDIS_URL": server.url}, within=_START) as portal,
    ):
        connect_models(portal, [{"name": "Paced", "base_url": fake.openai_url, "model": "fake-large"}])
        token, console = writer_token(portal), portal.sign_in()
        _ready(portal)
        said = []
        for name, fault, mend in (
            ("emptied", lambda: _flush(server), lambda: None),
            ("asleep", lambda: _asleep(server, 12.0), lambda: None),
            ("gone", lambda: server.__exit__(None, None, None), server.__enter__),
        ):
            fault()
            begun = time.monotonic()
            expect(_opens(console, "/admin/"), f"{name}: the session is lost")
            page = time.monotonic() - begun
            ids = [_generate(portal, token, f"{name} {number}") for number in range(3)]
            for each in ids:
                text = _until_done(portal, token, each)
                expect(text == _text(), f"{name}: a text came out as {text[:60]}")
            said.append(f"{name}: a page {page:.1f} s, 3 of 3 texts within {time.monotonic() - begun:.0f} s")
            if name == "gone":
                passed = _sign_in_guesses(portal)
                # Five at once, and one more a minute; the table counts as exactly as Redis does.
                expect(5 <= passed <= 6, f"{passed} guesses were judged while Redis is gone")
                said.append(f"{passed} of 30 guesses judged")
                until(lambda: _fires(portal, "broker"), 120, "nobody was told that Redis is gone")
            mend()
        until(lambda: not _fires(portal, "broker"), 180, "the alert never ended")
    return f"Redis {', '.join(said)}; its alert came and went"


def _flush(server: Redis) -> None:
    import redis

    redis.Redis.from_url(server.url).flushall()


def _asleep(server: Redis, seconds: float) -> None:
    """Slow to answer: the server sleeps for some seconds while the portal is used."""
    port = server.port
    found = [c.pid for c in psutil.net_connections("tcp") if c.status == "LISTEN" and c.laddr.port == port and c.pid]
    process = psutil.Process(found[0])
    process.send_signal(signal.SIGSTOP)

    def wake() -> None:
        with suppress(psutil.NoSuchProcess):
            process.send_signal(signal.SIGCONT)

    timer = threading.Timer(seconds, wake)
    timer.daemon = True
    timer.start()


def _sign_in_guesses(portal: Portal) -> int:
    """How many of 30 wrong passwords, sent ten at a time, were judged instead of turned away."""
    judged: list[int] = []

    def guess(number: int) -> None:
        with httpx2.Client(base_url=portal.url, timeout=60, follow_redirects=True, trust_env=False) as client:
            page = client.get("/accounts/login/")
            form = {
                "login": portal.email,
                "password": f"wrong {number}",
                "csrfmiddlewaretoken": client.cookies.get("csrftoken", ""),
            }
            answer = client.post("/accounts/login/", data=form, headers={"Referer": str(page.url)})
            if "do not belong together" in answer.text:
                judged.append(number)

    for first in range(0, 30, 10):
        threads = [threading.Thread(target=guess, args=(first + n,)) for n in range(10)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(120)
    return len(judged)


# ------------------------------------------------------------ the disk
@contextmanager
def _small_disk(folder: Path, mib: int = 400) -> Iterator[Callable[[float], None]]:
    """A tmpfs; gives what fills it until only this share is free."""
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={mib}m", "tmpfs", folder], check=True)

    def fill(share: float) -> None:
        space = os.statvfs(folder)
        spare = int(space.f_blocks * space.f_frsize * share)
        with (folder / "ballast").open("ab", buffering=0) as ballast:
            while (left := os.statvfs(folder).f_bavail * space.f_frsize - spare) > 0:
                try:
                    ballast.write(b"\0" * min(left, 1 << 20))
                except OSError:
                    break

    try:
        yield fill
    finally:
        subprocess.run(["umount", "-l", folder], check=False)


def _disk() -> str:
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory())) / "data"
        folder.mkdir()
        try:
            fill = stack.enter_context(_small_disk(folder))
        except (subprocess.CalledProcessError, PermissionError):
            return "disk: not run (mounting needs root)"
        portal = stack.enter_context(Portal(folder=folder, within=_START))
        token = writer_token(portal)
        _ready(portal)
        with portal.api(token) as client:
            made = client.post("/content", json={"title": "Before", "body_markdown": "Kept words."}).json()
            fill(0.08)
            until(lambda: _check(portal, "disk") == "warn", 60, "nothing warned at 8 %")
            expect(_upload(client) < 300, "an upload was refused at 8 %")
            fill(0.015)
            expect(_upload(client) == 507, "an upload was taken at 1.5 %")
            saved = _save(client, made, "At two per cent.")
            expect(saved.status_code == 200, f"saving at 1.5 %: {saved.status_code} {saved.text[:200]}")
            seen = portal.sign_in()
            expect(_opens(seen, "/admin/"), "nobody can sign in at 1.5 %")
            until(lambda: _check(portal, "disk") == "fail", 60, "the check does not fail at 1.5 %")
            until(lambda: _fires(portal, "disk"), 90, "nobody was told at 1.5 %")
            events = portal.shell(
                "from apps.users.models import AuditEvent\n"
                "answer = AuditEvent.objects.filter(action='session.started').count()"
            )
            expect(events >= 1, "the sign-in is not in the audit")
            fill(0.0)
            expect(_upload(client) in (503, 507), "an upload was taken on a full disk")
            kept = client.get(f"/content/{made['id']}")
            expect(kept.json()["body_markdown"].strip() == "At two per cent.", "the text is lost on a full disk")
            (folder / "ballast").unlink()
            again = _save(client, kept.json(), "After.")
            expect(again.status_code == 200, f"after space was made: {again.status_code} {again.text[:200]}")
        whole = portal.shell(
            "from django.db import connection\n"
            "cursor = connection.cursor()\ncursor.execute('PRAGMA integrity_check')\nanswer = cursor.fetchone()[0]"
        )
        expect(whole == "ok", f"the database is damaged: {whole}")
    return "disk: warned at 8 %; at 1.5 % uploads 507, sign-in, audit and saving work, told; full: nothing lost"


def _upload(client: httpx2.Client) -> int:
    """The status of a small upload; what is wrong with a single file is that of the answer."""
    name, data = f"{time.time()}.txt", f"Tides {time.time()}. ".encode() * 50
    return client.post("/sources", files={"file": (name, data)}).status_code


def _save(client: httpx2.Client, document: dict[str, Any], text: str) -> httpx2.Response:
    headers = {"If-Match": f'"{document["revision"]}"'}
    return client.patch(f"/content/{document['id']}", json={"body_markdown": text}, headers=headers)


# ------------------------------------------------------------ providers
def _provider() -> str:
    faults: dict[str, dict[str, object]] = {
        "429": {"status": 429, "retry_after": 30},
        "500": {"status": 500},
        "hangs in the middle": {"hang": 40},
        "nonsense in the middle": {"garbage": 40},
        "a web page": {"html": True},
    }
    with (
        FakeProvider(process=True, words=WORDS) as bad,
        FakeProvider(process=True, words=WORDS) as good,
        Portal(within=_START) as portal,
    ):
        steps = [
            {"name": "Bad", "base_url": bad.openai_url, "model": "fake-large"},
            {"name": "Good", "base_url": good.openai_url, "model": "fake-large"},
        ]
        connect_models(portal, steps)
        token = writer_token(portal)
        for name, behaviour in faults.items():
            bad.behave("fake-large", **behaviour)
            portal.shell("from apps.backends.models import BackendProfile\n"
                         "answer = BackendProfile.objects.update(failures=0, cooldown_until=None)")  # fmt: skip
            text = _until_done(portal, token, _generate(portal, token, name))
            expect(text == _text(), f"{name}: the second backend did not make it whole: {text[-80:]}")
        # Nobody left: the person is told, and what was set aside of the budget is given back.
        for fake in (bad, good):
            fake.behave("fake-large", status=500)
        portal.shell("from apps.backends.models import BackendProfile\n"
                     "answer = BackendProfile.objects.update(failures=0, cooldown_until=None)")  # fmt: skip
        with portal.api(token) as client:
            started = _generate(portal, token, "nobody is left")
            events = list(read_events(client, f"/generations/{started}/events"))
        errors = [data for _, kind, data in events if kind == "error"]
        expect(bool(errors and errors[0]["message"] and errors[0]["remedy"]), f"no word to the person: {events[-2:]}")
        open_: list[int] = portal.shell(
            "from apps.backends.models import ModelCall\nfrom apps.monitoring.models import Reservation\n"
            "answer = [ModelCall.objects.filter(state='running').count(), Reservation.objects.filter(state='open').count()]"
        )
        expect(open_ == [0, 0], f"calls still open, reservations still held: {open_}")
    return f"provider {', '.join(faults)}: each text whole from the second backend; none left: a message with a remedy, nothing held"


# ------------------------------------------------------------ kills
def _kills() -> str:
    def record_holds(portal: Portal) -> str:
        until(lambda: not _unsealed(portal), 60, "events of the audit are not sealed")
        done = portal.manage("audit", "verify", check=False)
        expect(done.returncode == 0, f"the audit does not verify: {done.stdout[-500:]} {done.stderr[-500:]}")
        return "audit sealed and verified, "

    return jobs_kill.prove(record_holds)


def _unsealed(portal: Portal) -> int:
    found: int = portal.shell(
        "from apps.users.selectors.ledger import present_status\nanswer = present_status().unsealed"
    )
    return found


# ------------------------------------------------------------ what they share
def _text() -> str:
    return "".join(words("numbers", WORDS)).strip()


def _generate(portal: Portal, token: str, topic: str) -> str:
    with portal.api(token) as client:
        answer = client.post("/generate/content", json={"topic": topic, "source_ids": []})
        expect(answer.status_code == 202, f"{topic}: {answer.status_code} {answer.text[:300]}")
        started: str = answer.json()["id"]
        return started


def _until_done(portal: Portal, token: str, generation: str, within: float = 180.0) -> str:
    end = time.monotonic() + within
    with portal.api(token) as client:
        while time.monotonic() < end:
            found = client.get(f"/generations/{generation}").json()
            if found["state"] in ("succeeded", "failed", "cancelled"):
                expect(found["state"] == "succeeded", f"a generation ended as {found['state']}: {found.get('error')}")
                text: str = found.get("output_markdown") or found.get("text") or ""
                return text.strip()
            time.sleep(0.5)
    expect(False, f"a generation has not ended within {within:.0f} s")
    return ""


def _fires(portal: Portal, check: str) -> bool:
    found: int = portal.shell(
        "from apps.monitoring.models import Alert\n"
        f"answer = Alert.objects.filter(state='firing', drill=False, subject__startswith='{check} ').count()"
    )
    return found > 0


def _check(portal: Portal, key: str) -> str:
    found: str = portal.shell(
        "from apps.monitoring.models import CheckResult\n"
        f"row = CheckResult.objects.filter(key='{key}').first()\nanswer = row.effective_status if row else ''"
    )
    return found


def _probe(portal: Portal) -> int:
    return httpx2.get(f"{portal.probes}/readyz", trust_env=False, timeout=10).status_code


def _opens(client: httpx2.Client, path: str) -> bool:
    """Whether a page is shown. Redirects are followed, and the page to sign in answers 200, too."""
    answer = client.get(path)
    return answer.status_code == 200 and answer.url.path == path


def _ready(portal: Portal) -> None:
    until(lambda: _probe(portal) == 200, 120, "healthd never said 200")
