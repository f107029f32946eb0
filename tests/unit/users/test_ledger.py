"""The sealed record: chain, checkpoints, verification, reading, export."""

from __future__ import annotations

import datetime as dt
import itertools
import json
from pathlib import Path
from typing import Any

import pytest
from django.core.management import call_command
from django.db import DatabaseError, connection, transaction
from django.utils import timezone

from aiwriter.core import keyring, ledger
from aiwriter.core.errors import Conflict, InvalidInput, PermissionDenied
from apps.monitoring.health.security import audit_record
from apps.users.models import AuditCheckpoint, AuditEvent, AuditSegment, AuditSink, LedgerHead
from apps.users.selectors.access import Actor
from apps.users.selectors.ledger import EventFilter, present_status
from apps.users.services import (
    ledger_checks,
    ledger_files,
    ledger_reading,
    ledger_sealing,
)
from apps.users.services.audit import record
from tests.people import People

SYSTEM = Actor.system_actor("tests")


def write(count: int, **more: Any) -> list[AuditEvent]:
    """Events that wait for their seal."""
    return [
        record(SYSTEM, "user.updated", reason=f"number {n}", after={"n": n, "share": 0.5}, **more) for n in range(count)
    ]


def sealed(count: int) -> list[list[Any]]:
    """Sealed rows, to be spoiled."""
    write(count)
    ledger_sealing.seal_pending(batch=7)
    return [list(row) for row in ledger_files.every_row()]


def found(rows: list[list[Any]], *points: ledger.Checkpoint) -> list[tuple[str, int]]:
    """What a verification says of rows."""
    report = ledger_checks.verify_rows(lambda: iter(rows), points)
    return [(each.kind, each.seq) for each in report.findings]


REASON = ledger.COLUMNS.index("reason")
OCCURRED = ledger.COLUMNS.index("occurred_at")


def test_events_are_numbered_and_chained_in_batches(db):
    rows = sealed(20)
    assert [row[0] for row in rows] == list(range(1, 21))
    assert rows[0][1] == ledger.GENESIS
    assert all(later[1] == earlier[2] for earlier, later in itertools.pairwise(rows))
    assert {row[5] for row in rows} == {"portal"}
    head = LedgerHead.objects.get()
    assert (head.seq, head.hash, head.lease_until) == (20, rows[-1][2], None)
    assert found(rows) == []
    assert ledger_sealing.seal_pending() == 0


def test_numbers_of_any_kind_are_verified_as_they_are_stored(db):
    record(
        SYSTEM, "user.updated", after={"a": 2**70, "b": 1.0, "c": [1e300, 0.1, -0.0], "d": {"2": None, "1": "ü\u2028"}}
    )
    ledger_sealing.seal_pending()
    rows = [list(row) for row in ledger_files.every_row()]
    assert rows[0][5] == "portal"
    assert found(rows) == []
    lines = [ledger.line_of(row) for row in rows]
    assert found([list(row) for row in ledger.rows_of(lines)]) == []


def _edit(rows):
    rows[4][REASON] = "another"


def _swap_facts(rows):
    rows[4][6:], rows[9][6:] = rows[9][6:], rows[4][6:]


def _swap_numbers(rows):
    rows[4][0], rows[9][0] = rows[9][0], rows[4][0]
    rows.sort(key=lambda row: row[0])


def _swap_places(rows):
    rows[4], rows[9] = rows[9], rows[4]


def _replay(rows):
    rows.append([13, *rows[4][1:]])


def _forge(rows):
    rows[4][5] = "forged"


@pytest.mark.parametrize(
    ("spoil", "expected"),
    [
        (_edit, [("edited", 5)]),
        (lambda rows: rows.pop(4), [("deleted", 5)]),
        (lambda rows: rows.__delitem__(slice(3, 6)), [("deleted", 4), ("deleted", 5), ("deleted", 6)]),
        (_swap_facts, [("swapped", 5), ("swapped", 10)]),
        (_swap_numbers, [("swapped", 5), ("swapped", 10)]),
        (_swap_places, [("swapped", 5), ("swapped", 10)]),
        (lambda rows: rows.insert(5, rows[4]), [("replayed", 5)]),
        (_replay, [("replayed", 13)]),
        (_forge, [("edited", 5), ("forged", 5)]),
        (lambda rows: rows[4].__setitem__(3, "0" * 16), [("key", 5)]),
    ],
)
def test_what_was_done_to_the_record_is_named_with_its_number(db, spoil, expected):
    rows = sealed(12)
    spoil(rows)
    assert found(rows) == expected


def test_a_cut_is_found_by_a_checkpoint(db):
    rows = sealed(6)
    point = ledger_sealing.make_checkpoint()
    assert point is not None
    assert found(rows, point.signed) == []
    assert found(rows[:4], point.signed) == [("cut", 5)]
    assert found(rows[:4]) == []


def test_another_history_is_found_by_a_checkpoint(db):
    rows = sealed(6)
    point = ledger_sealing.make_checkpoint()
    assert point is not None
    forged = ledger.Checkpoint(
        **{**{name: getattr(point.signed, name) for name in ledger.Checkpoint.__slots__}, "hash": "f" * 64}
    )
    assert found(rows, forged) == [("checkpoint", 6)]
    seed = keyring.active("checkpoint").material
    signed = ledger.Checkpoint(
        **{
            **{name: getattr(forged, name) for name in ledger.Checkpoint.__slots__},
            "signature": ledger.sign(seed, forged),
        }
    )
    assert found(rows, signed) == [("rewritten", 6)]


def test_without_the_keyring_the_root_tells_that_something_changed(db):
    rows = sealed(6)
    point = ledger_sealing.make_checkpoint()
    assert point is not None
    public = ledger_checks.trusted()
    report = ledger_checks.verify_rows(lambda: iter(rows), [point.signed], public_keys=public)
    assert report.ok
    assert not report.with_keys
    rows[2][REASON] = "another"
    report = ledger_checks.verify_rows(lambda: iter(rows), [point.signed], public_keys=public)
    assert [(each.kind, each.seq) for each in report.findings] == [("edited", 6)]


def test_a_row_that_the_portal_did_not_write_is_sealed_as_forged(db):
    sealed(3)
    AuditEvent.objects.create(actor_id="user:1", action="user.updated", reason="slipped in")
    real = record(SYSTEM, "user.updated")
    copy = AuditEvent.objects.get(pk=real.pk)
    copy.pk, copy._state.adding = ledger_sealing.AuditEvent._meta.pk.get_default(), True
    copy.save(force_insert=True)
    ledger_sealing.seal_pending()
    rows = [list(row) for row in ledger_files.every_row()]
    assert sorted(kind for kind, _ in found(rows)) == ["forged", "forged"]
    assert {seq for _, seq in found(rows)} == {row[0] for row in rows if str(row[6]) != str(real.pk) and row[0] > 3}


def test_events_of_before_the_chain_are_taken_in(db):
    AuditEvent.objects.create(actor_id="user:1", action="user.updated")
    ledger_sealing.seal_pending()
    assert AuditEvent.objects.get().origin == "older"
    assert found([list(row) for row in ledger_files.every_row()]) == []


def test_a_clock_that_was_put_back_is_named(db, monkeypatch: pytest.MonkeyPatch):
    sealed(3)
    earlier = timezone.now() - dt.timedelta(hours=2)
    monkeypatch.setattr(ledger_sealing.timezone, "now", lambda: earlier)
    write(1)
    LedgerHead.objects.update(lease_until=None)
    ledger_sealing.seal_pending()
    monkeypatch.undo()
    rows = [list(row) for row in ledger_files.every_row()]
    assert found(rows) == [("clock", 4)]


def test_an_event_from_long_before_is_named(db):
    rows = sealed(3)
    late = record(SYSTEM, "user.updated")
    with connection.cursor() as cursor:
        # As a database whose clock was put back would have written it.
        key = late.pk.hex if connection.vendor == "sqlite" else late.pk
        trigger = "audit_refuse_update" if connection.vendor == "sqlite" else "audit_refuse_update ON users_auditevent"
        cursor.execute(f"DROP TRIGGER {trigger}")
        moment = connection.ops.adapt_datetimefield_value(rows[0][OCCURRED] - dt.timedelta(hours=1))
        cursor.execute("UPDATE users_auditevent SET occurred_at = %s WHERE id = %s", [moment, key])
    ledger_sealing.seal_pending()
    assert found([list(row) for row in ledger_files.every_row()]) == [("clock", 4)]


def test_only_one_seals(db):
    write(3)
    LedgerHead.objects.get_or_create(pk=1)
    LedgerHead.objects.update(lease_until=timezone.now() + dt.timedelta(seconds=20))
    assert ledger_sealing.seal_pending() == 0
    LedgerHead.objects.update(lease_until=timezone.now() - dt.timedelta(seconds=1))
    assert ledger_sealing.seal_pending() == 3


def test_a_sealer_that_lost_its_lease_stops(db):
    write(3)
    fence = ledger_sealing._claim()
    assert fence is not None
    LedgerHead.objects.update(fence=fence + 1)
    with pytest.raises(ledger_sealing.LostLease), transaction.atomic():
        ledger_sealing._seal_batch(fence, 10)
    assert AuditEvent.objects.filter(seq=None).count() == 3


def test_checkpoints_name_the_one_before_and_cannot_be_changed(db):
    sealed(2)
    first = ledger_sealing.make_checkpoint()
    assert first is not None
    assert ledger_sealing.make_checkpoint() is None
    sealed(1)
    second = ledger_sealing.make_checkpoint()
    assert second is not None
    assert second.previous == first.signed.digest
    assert second.ledger == first.ledger
    for statement in ("UPDATE users_auditcheckpoint SET seq = 9", "DELETE FROM users_auditcheckpoint"):
        with pytest.raises(DatabaseError), transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(statement)


def test_a_checkpoint_is_made_when_it_is_due(db):
    sealed(2)
    assert ledger_sealing.checkpoint_if_due() is not None
    sealed(1)
    assert ledger_sealing.checkpoint_if_due() is None


# ---------------------------------------------------------------- verification, reading, export
def test_a_verification_writes_its_result_down_and_tells_auditors(people: People, run_jobs):
    sealed(5)
    row = ledger_checks.request_verification(actor=people.actor("ada"))
    with pytest.raises(Conflict):
        ledger_checks.request_verification(actor=people.actor("ada"))
    run_jobs()
    row.refresh_from_db()
    assert (row.state, row.events, row.findings) == ("sound", 5, [])
    with connection.cursor() as cursor:
        trigger = "audit_refuse_update" if connection.vendor == "sqlite" else "audit_refuse_update ON users_auditevent"
        cursor.execute(f"DROP TRIGGER {trigger}")
        cursor.execute("UPDATE users_auditevent SET reason = 'another' WHERE seq = 3")
    row = ledger_checks.request_verification(actor=people.actor("ada"))
    run_jobs()
    row.refresh_from_db()
    assert row.state == "changed"
    assert [(each["kind"], each["seq"]) for each in row.findings] == [("edited", 3)]
    assert people.ada.notifications.filter(kind="audit.changed").exists()
    assert present_status().worst == "fail"


def test_a_record_that_cannot_be_verified_is_no_sound_one(people: People, run_jobs):
    now = timezone.now()
    AuditSegment.objects.create(
        name="lost.jsonl.gz",
        first_seq=1,
        last_seq=2,
        sha256="0" * 64,
        size=1,
        oldest_at=now,
        newest_at=now,
        released_at=now,
    )
    write(1)
    ledger_sealing.seal_pending()
    ledger_checks.request_verification(actor=people.actor("ada"))
    run_jobs()
    result = audit_record.run()
    assert result.status == "warn"
    assert "lost.jsonl.gz" in result.message


def test_reading_is_recorded(people: People):
    ada = people.actor("ada")
    write(2)
    assert ledger_reading.read_events(actor=ada, wanted=EventFilter(action="user.updated")).count() == 2
    noted = AuditEvent.objects.get(action="audit.read")
    assert (noted.actor_id, noted.after) == (f"user:{people.ada.pk}", {"action": "user.updated"})
    with pytest.raises(PermissionDenied):
        ledger_reading.read_events(actor=people.actor("wanda"), wanted=EventFilter())


@pytest.mark.parametrize(
    ("wanted", "count"),
    [
        (EventFilter(who="eddie"), 1),
        (EventFilter(action="workspace.updated"), 1),
        (EventFilter(action="workspace.*", outcome="denied"), 0),
        (EventFilter(outcome="allowed", object_type="users.workspace"), 1),
        (EventFilter(since=dt.datetime(2000, 1, 1, tzinfo=dt.UTC), until=dt.datetime(2001, 1, 1, tzinfo=dt.UTC)), 0),
    ],
)
def test_filters(people: People, wanted, count):
    record(people.actor("eddie"), "workspace.updated", obj=people.press)
    write(2)
    found = ledger_reading.read_events(actor=people.actor("ada"), wanted=wanted)
    assert found.exclude(action__in=("audit.read", "user.updated", "workspace.created")).count() == count


@pytest.mark.parametrize("wanted", [EventFilter(action="user.upated"), EventFilter(outcome="maybe")])
def test_a_filter_that_cannot_match_is_refused(people: People, wanted):
    with pytest.raises(InvalidInput):
        ledger_reading.read_events(actor=people.actor("ada"), wanted=wanted)


def test_exports_go_on_where_the_last_one_ended(people: People):
    write(25)
    ledger_sealing.seal_pending()
    ada = people.actor("ada")
    first = ledger_reading.export_events(actor=ada, limit=10)
    lines = list(first.pieces)
    assert (len(lines), first.last, first.more) == (10, 10, True)
    second = ledger_reading.export_events(actor=ada, after=first.last, limit=100)
    lines += list(second.pieces)
    assert (second.last, second.more) == (25, False)
    assert found([list(row) for row in ledger.rows_of(lines)]) == []
    assert AuditEvent.objects.filter(action="audit.exported").count() == 2


def test_a_table_has_no_formulas(people: People):
    record(people.actor("eddie"), "workspace.updated", reason="=HYPERLINK(1)")
    ledger_sealing.seal_pending()
    text = b"".join(ledger_reading.export_events(actor=people.actor("ada"), format="csv").pieces).decode()
    assert ",'=HYPERLINK(1)," in text


# ---------------------------------------------------------------- the command
def run(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, dict[str, Any]]:
    """Exit code and answer of `manage.py audit … --json`."""
    code = 0
    try:
        call_command("audit", *arguments, "--json")
    except SystemExit as end:
        code = int(str(end.code))
    return code, json.loads(capsys.readouterr().out.strip().splitlines()[-1])


def test_the_command_verifies_a_file_without_the_database(db, tmp_path: Path, capsys, django_db_blocker):
    sealed(30)
    out, point = tmp_path / "audit.jsonl", tmp_path / "checkpoint.json"
    assert run(capsys, "export", "--out", str(out))[1]["last"] == 30
    assert run(capsys, "checkpoint", "--out", str(point))[0] == 0
    keys = run(capsys, "public-keys")[1]
    lines = out.read_bytes().splitlines(keepends=True)
    with django_db_blocker.block():
        # The export's own event came after it, so the checkpoint covers one that the file does not have.
        code, answer = run(capsys, "verify", "--export", str(out), "--against", str(point))
        assert code == 14
        assert [(each["kind"], each["seq"]) for each in answer["findings"]] == [("cut", 31)]
        assert run(capsys, "verify", "--export", str(out))[0] == 0
        name, key = next(iter(keys.items()))
        code, answer = run(
            capsys, "verify", "--export", str(out), "--public-key", f"{name}={key}", "--against", str(point)
        )
        assert not answer["hashes_compared"]
        out.write_bytes(b"".join(lines[:9] + lines[10:]))
        code, answer = run(capsys, "verify", "--export", str(out))
        assert code == 14
        assert [(each["kind"], each["seq"]) for each in answer["findings"]] == [("deleted", 10)]
        part, rest = tmp_path / "a.jsonl", tmp_path / "b.jsonl"
        part.write_bytes(b"".join(lines[:10]))
        rest.write_bytes(b"".join(lines[10:]))
        assert run(capsys, "verify", "--export", str(part), "--export", str(rest))[0] == 0
        assert run(capsys, "verify", "--export", str(rest))[0] == 0


def test_the_command_verifies_the_database(db, capsys):
    sealed(3)
    code, answer = run(capsys, "verify")
    assert (code, answer["events"], answer["ok"]) == (0, 3, True)
    assert AuditCheckpoint.objects.count() == 0
    assert AuditSink.objects.count() == 0
