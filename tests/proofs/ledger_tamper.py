"""The audit record: edit, delete, swap, cut, replay, clock put back, sealer killed in mid-batch, each named by its number.

On SQLite and on PostgreSQL. EVENTS events (default 100,000) are written as the portal writes them and sealed by a process
that is killed with kill -9, KILLS times at a random moment and once in the middle of a batch. Then somebody with all rights on
the database, the triggers dropped, does one thing after another to the record; the verification of the database has to name
what and where. The same is done to an exported file, verified by `manage.py audit verify` without any database. Verifying
passes at least 50,000 events a second, from the database and from the file.
"""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from tests.lab.portal import ROOT
from tests.proofs import expect
from tests.servers.postgres import Postgres

EVENTS = int(os.environ.get("EVENTS", "100000"))
KILLS = int(os.environ.get("KILLS", "6"))
LEAST = 50_000
ONLY = os.environ.get("ONLY", "sqlite postgresql").split()

_SEAL = """
import django; django.setup()
from apps.users.models import LedgerHead
from apps.users.services import ledger_sealing
LedgerHead.objects.update(lease_until=None)
real = ledger_sealing._seal_batch
def told(*arguments):
    done = real(*arguments)
    print("batch", flush=True)
    return done
ledger_sealing._seal_batch = told
ledger_sealing.seal_pending(batch=500)
"""
_SEAL_AND_DIE = """
import os, signal
import django; django.setup()
from django.db import connection
from apps.users.models import LedgerHead
from apps.users.services import ledger_sealing
LedgerHead.objects.update(lease_until=None)
def half(rows):
    with connection.cursor() as cursor:
        cursor.executemany(ledger_sealing._UPDATE, rows[: len(rows) // 2])
    os.kill(os.getpid(), signal.SIGKILL)
ledger_sealing._write = half
ledger_sealing.seal_pending(batch=2000)
"""


def prove() -> str:
    """Both databases."""
    figures = []
    if "sqlite" in ONLY:
        with tempfile.TemporaryDirectory(prefix="aiwriter-ledger-") as folder:
            figures.append(f"SQLite {_on(Path(folder), '')}")
    if "postgresql" in ONLY:
        with tempfile.TemporaryDirectory(prefix="aiwriter-ledger-") as folder, Postgres() as server:
            figures.append(f"PostgreSQL {_on(Path(folder), server.url)}")
    return "; ".join(figures)


def _on(folder: Path, url: str) -> str:
    environment = {k: v for k, v in os.environ.items() if not k.startswith("AIWRITER_") and k != "DATABASE_URL"}
    environment |= {"AIWRITER_DATA_DIR": str(folder / "data"), "DJANGO_SETTINGS_MODULE": "aiwriter.settings"}
    if url:
        environment["DATABASE_URL"] = url
    _manage(environment, "migrate", "--verbosity", "0")
    _manage(environment, "bootstrap", "--json")
    written = _step(environment, "write", str(EVENTS))["written"]
    sealed_before = _step(environment, "state")["sealed"]
    kills = 0
    for number in range(KILLS):
        process = subprocess.Popen(
            [sys.executable, "-c", _SEAL], cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True
        )
        assert process.stdout is not None
        for _ in range(random.randint(1, max(1, EVENTS // 500 // KILLS // 2))):
            process.stdout.readline()
        time.sleep(random.uniform(0, 0.05))
        process.send_signal(signal.SIGKILL)
        kills += process.wait() == -signal.SIGKILL
        print(f"  kill {number + 1}: {_step(environment, 'state')}", flush=True)
    died = subprocess.run([sys.executable, "-c", _SEAL_AND_DIE], cwd=ROOT, env=environment, check=False)
    expect(died.returncode == -signal.SIGKILL, f"the sealer was not killed in mid-batch: {died.returncode}")
    state = _step(environment, "state")
    expect(state["half"] == 0, f"{state['half']} events are half sealed after a kill in mid-batch")
    expect(kills > 0, "the sealer was always done before it was killed")
    begun = time.monotonic()
    _step(environment, "seal")
    left = EVENTS - (state["sealed"] - sealed_before)
    print(f"  {left} events sealed in {time.monotonic() - begun:.1f} s after {kills + 1} kills", flush=True)
    state = _step(environment, "state")
    expect(state["unsealed"] == 0, f"{state['unsealed']} events were not sealed")
    expect(state["sealed"] >= written, f"{state['sealed']} sealed of {written}")
    sound = _step(environment, "verify")
    expect(sound["findings"] == [], f"an untouched record: {sound['findings'][:5]}")
    expect(sound["rate"] >= LEAST, f"{sound['rate']:,.0f} events a second from the database")
    for name, answer in _step(environment, "attacks").items():
        expect(answer["found"] == answer["expected"], f"{name}: found {answer['found']}, not {answer['expected']}")
        print(f"  {name}: {answer['found']}", flush=True)
    rate, attacks = _files(folder, environment)
    return (
        f"{state['sealed']:,} events whole after {kills + 1} kills, {sound['rate']:,.0f} verified a second "
        f"({rate:,.0f} from a file without a database), {attacks} attacks on the file named"
    )


def _files(folder: Path, environment: dict[str, str]) -> tuple[float, int]:
    """The same on an exported file; the command gets a database that does not exist."""
    export, point = folder / "audit.jsonl", folder / "checkpoint.json"
    _manage(environment, "audit", "checkpoint", "--out", str(point))
    _manage(environment, "audit", "export", "--out", str(export))
    lines = export.read_bytes().splitlines(keepends=True)
    signed = json.loads(point.read_text())["seq"]
    lines = lines[:signed]
    nowhere = {**environment, "DATABASE_URL": "postgres://nobody@127.0.0.1:1/none"}
    middle = signed // 2

    def told(changed: list[bytes]) -> tuple[int, dict[str, Any]]:
        export.write_bytes(b"".join(changed))
        done = subprocess.run(
            [
                sys.executable,
                "manage.py",
                "audit",
                "verify",
                "--json",
                "--export",
                str(export),
                "--against",
                str(point),
            ],
            cwd=ROOT,
            env=nowhere,
            capture_output=True,
            text=True,
            check=False,
        )
        expect(done.returncode in (0, 14), f"audit verify: {done.returncode} {done.stderr[-500:]}")
        return done.returncode, json.loads(done.stdout.splitlines()[-1])

    code, answer = told(lines)
    expect((code, answer["findings"]) == (0, []), f"an untouched file: {answer['findings'][:3]}")
    rate = answer["events"] / answer["seconds"]
    expect(rate >= LEAST, f"{rate:,.0f} events a second from a file")
    edited = json.loads(lines[middle - 1]) | {"actor_label": "somebody@else"}
    swapped = list(lines)
    swapped[middle - 1], swapped[middle + 9] = swapped[middle + 9], swapped[middle - 1]
    attacks: dict[str, tuple[list[bytes], list[list[Any]]]] = {
        "edit": (
            [*lines[: middle - 1], json.dumps(edited).encode() + b"\n", *lines[middle:]],
            [["edited", middle]],
        ),
        "delete": (lines[: middle - 1] + lines[middle:], [["deleted", middle]]),
        "swap": (swapped, [["swapped", middle], ["swapped", middle + 10]]),
        "cut": (lines[:-7], [["cut", signed - 6]]),
        "replay": ([*lines, lines[middle - 1]], [["replayed", middle]]),
    }
    for name, (changed, expected) in attacks.items():
        code, answer = told(changed)
        found = [[each["kind"], each["seq"]] for each in answer["findings"]]
        expect((code, found) == (14, expected), f"{name} of the file: {code} {found[:5]}, not {expected}")
    return rate, len(attacks)


def _manage(environment: dict[str, str], *arguments: str) -> str:
    done = subprocess.run(
        [sys.executable, "manage.py", *arguments],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    expect(done.returncode == 0, f"manage.py {' '.join(arguments)}: {done.stdout[-500:]}{done.stderr[-1500:]}")
    return done.stdout


def _step(environment: dict[str, str], *arguments: str) -> Any:
    done = subprocess.run(
        [sys.executable, "-m", "tests.proofs.ledger_tamper", *arguments],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    expect(done.returncode == 0, f"{arguments}: {done.stderr[-2000:]}")
    return json.loads(done.stdout.splitlines()[-1])


# ---------------------------------------------------------------- within the portal's own code, in a process of its own
def _main(step: str, *arguments: str) -> None:
    import django

    django.setup()
    print(json.dumps(globals()[f"do_{step}"](*arguments)))


def do_write(count: str) -> dict[str, int]:
    """Events as `record` writes them, many in one statement."""
    from apps.users.models import AuditEvent
    from apps.users.services.audit import mac_of
    from apps.users.services.keys import installed_key

    key, made = installed_key("audit"), 0
    while made < int(count):
        rows = []
        for number in range(made, min(made + 2000, int(count))):
            row = AuditEvent(
                actor_id=f"user:{number % 50}",
                actor_label=f"person{number % 50}@example.org",
                action="document.updated",
                object_type="content.document",
                object_id=str(number),
                object_label=f"Document {number}",
                before={"title": f"Title {number}", "revision": number},
                after={"title": f"Title {number}, better", "revision": number + 1, "tags": ["a", "b"]},
                request_id=f"request-{number}",
                client_address="203.0.113.0",
            )
            row.mac = mac_of(row, key)
            rows.append(row)
        AuditEvent.objects.bulk_create(rows)
        made += len(rows)
    return {"written": AuditEvent.objects.count()}


def do_state() -> dict[str, int]:
    """How far the sealing is."""
    from django.db.models import Q

    from apps.users.models import AuditEvent, LedgerHead

    sealed = AuditEvent.objects.filter(seq__isnull=False)
    head = LedgerHead.objects.filter(pk=1).first()
    return {
        "sealed": sealed.count(),
        "unsealed": AuditEvent.objects.filter(seq=None).count(),
        "half": sealed.filter(Q(hash=None) | Q(sealed_at=None)).count()
        + abs(sealed.count() - (head.seq if head else 0)),
    }


def do_seal() -> dict[str, int]:
    """Seal what is left and sign."""
    from apps.users.models import LedgerHead
    from apps.users.services import ledger_sealing

    LedgerHead.objects.update(lease_until=None)
    sealed = ledger_sealing.seal_pending(limit=10**9)
    ledger_sealing.make_checkpoint(reason="command", force=True)
    return {"sealed": sealed}


def do_verify() -> dict[str, Any]:
    """The whole record, and how fast: the better of two, the machine does other things too."""
    from apps.users.services.ledger_checks import verify_record

    best, findings = 0.0, []
    for _ in range(2):
        begun = time.monotonic()
        report = verify_record()
        best = max(best, report.checked / (time.monotonic() - begun))
        findings = [each.as_json() for each in report.findings]
    return {"rate": best, "findings": findings}


def do_attacks() -> dict[str, Any]:
    """One after another, each in a transaction that is rolled back."""
    from django.db import connection, transaction

    from apps.users.models import AuditCheckpoint, AuditEvent, LedgerHead
    from apps.users.services import ledger_sealing
    from apps.users.services.ledger_checks import verify_record

    last = LedgerHead.objects.get().seq
    middle, other = last // 2, last // 2 + 10
    kept = AuditCheckpoint.objects.order_by("-seq")[0].signed

    def sql(*statements: str) -> None:
        with connection.cursor() as cursor:
            for statement in statements:
                cursor.execute(statement)

    def without_guard() -> None:
        from importlib import import_module

        sql(*import_module("apps.users.migrations.0005_audit_ledger_guard").REMOVE[connection.vendor])

    def swap() -> None:
        # The seals are exchanged, which is the same as exchanging everything that the two events say.
        names = ("seq", "previous_hash", "hash", "sealed_at", "seal_key_id", "origin")
        first = AuditEvent.objects.filter(seq=middle).values("pk", *names)[0]
        second = AuditEvent.objects.filter(seq=other).values("pk", *names)[0]
        AuditEvent.objects.filter(pk=first["pk"]).update(seq=-1)
        for row, seal in ((second, first), (first, second)):
            AuditEvent.objects.filter(pk=row["pk"]).update(**{name: seal[name] for name in names})

    def cut() -> None:
        # Also the head and the database's own checkpoints: only the statement that was kept outside tells.
        sql(f"DELETE FROM users_auditevent WHERE seq > {last - 5}", "DELETE FROM users_auditdelivery")
        sql("DELETE FROM users_auditcheckpoint")
        end = AuditEvent.objects.get(seq=last - 5)
        LedgerHead.objects.update(seq=end.seq, hash=end.hash)

    def replay() -> None:
        row = AuditEvent.objects.get(seq=middle)
        row.pk, row._state.adding, row.seq = AuditEvent._meta.pk.get_default(), True, last + 1
        row.save(force_insert=True)
        row.previous_hash = AuditEvent.objects.get(seq=last).hash

    def forge() -> None:
        row = AuditEvent.objects.get(seq=middle)
        row.pk, row._state.adding = AuditEvent._meta.pk.get_default(), True
        row.seq = row.hash = row.previous_hash = row.sealed_at = row.origin = row.seal_key_id = None
        row.save(force_insert=True)
        ledger_sealing.seal_pending()

    def clock_back() -> None:
        import datetime as dt

        from django.utils import timezone

        from apps.users.selectors.access import Actor
        from apps.users.services.audit import record

        record(Actor.system_actor("proof"), "user.updated")
        true = timezone.now
        ledger_sealing.timezone.now = lambda: true() - dt.timedelta(days=1)
        try:
            ledger_sealing.seal_pending()
        finally:
            ledger_sealing.timezone.now = true

    attacks: dict[str, tuple[Any, list[list[Any]]]] = {
        "edit": (lambda: AuditEvent.objects.filter(seq=middle).update(outcome="denied"), [["edited", middle]]),
        "delete": (lambda: sql(f"DELETE FROM users_auditevent WHERE seq = {middle}"), [["deleted", middle]]),
        "swap": (swap, [["swapped", middle], ["swapped", other]]),
        "cut": (cut, [["cut", last - 4]]),
        "replay": (replay, [["replayed", last + 1]]),
        "replay through the outbox": (forge, [["forged", last + 1]]),
        "clock back": (clock_back, [["clock", last + 1]]),
    }
    answers = {}
    for name, (attack, expected) in attacks.items():
        with transaction.atomic():
            without_guard()
            attack()
            report = verify_record([kept])
            transaction.set_rollback(True)
        found = [[each.kind, each.seq] for each in report.findings]
        if name.startswith("replay"):
            # Its time is that of the event that it copies, which the clock's rule may see as well.
            found = [each for each in found if each[0] != "clock"]
        answers[name] = {"found": found, "expected": expected}
    return answers


if __name__ == "__main__":
    _main(*sys.argv[1:])
