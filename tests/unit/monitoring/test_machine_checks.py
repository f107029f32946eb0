"""Checks of the machine and of the database server, on the real ones, with what is judged put in."""

from __future__ import annotations

import datetime as dt
import uuid
from collections import deque
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from django.conf import settings
from django.db import connection
from django.utils import timezone
from django_celery_beat.models import IntervalSchedule, PeriodicTask

from apps.backends.health import providers
from apps.backends.models import ModelCall
from apps.monitoring.health import machine, parts
from apps.monitoring.services.checks import registry, run_checks


@pytest.mark.django_db(transaction=True)
def test_every_check_runs_here() -> None:
    outcomes = {each.check.key: each.result for each in run_checks(registry())}
    odd = {key: result.message for key, result in outcomes.items() if "Error" in result.message}
    assert odd == {}
    for key in ("memory", "processor", "descriptors", "network", "clock", "cache", "jobs", "broker", "mail"):
        assert outcomes[key].status in ("ok", "warn"), outcomes[key]
    ours = "database_log" if connection.vendor == "sqlite" else "database_bloat"
    assert outcomes[ours].data["size_bytes"] > 0


def test_when_the_disk_is_full() -> None:
    machine._free.clear()
    try:
        assert machine.seconds_until_full(0, 1000) is None
        assert machine.seconds_until_full(900, 910) is None  # a quarter of an hour says nothing
        assert machine.seconds_until_full(1800, 820) == pytest.approx(8200, rel=0.01)
        assert machine.seconds_until_full(2400, 5000) is None  # somebody made space
    finally:
        machine._free.clear()


def test_a_processor_is_busy_when_it_never_rests(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = iter(range(0, 100_000, 60))
    monkeypatch.setattr(machine.time, "monotonic", lambda: float(next(clock)))
    monkeypatch.setattr(machine.psutil, "cpu_percent", lambda interval: 95.0)
    monkeypatch.setattr(machine, "_busy", deque())
    found = [machine.processor.run().status for _ in range(12)]
    assert found[:9] == ["ok"] * 9
    assert found[-1] == "warn"


@pytest.mark.parametrize(("days", "status"), [(60, "ok"), (10, "warn"), (1, "fail")])
def test_a_certificate_ends(days: int, status: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "portal.example.org")])
    now = timezone.now()
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - dt.timedelta(days=1))
        .not_valid_after(now + dt.timedelta(days=days, hours=1))
        .sign(key, hashes.SHA256())
    )
    file = tmp_path / "portal.pem"
    file.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    monkeypatch.setattr(settings, "CERTIFICATES", [str(file)])
    found = machine.certificates.run()
    assert (found.status, f"in {days} days" in found.message) == (status, True)
    monkeypatch.setattr(settings, "CERTIFICATES", [str(tmp_path / "gone.pem")])
    assert machine.certificates.run().status == "fail"


@pytest.mark.django_db
def test_a_task_that_was_not_sent_is_late() -> None:
    interval = IntervalSchedule.objects.create(every=10, period="seconds")
    PeriodicTask.objects.create(name="sweep", task="t", interval=interval, last_run_at=timezone.now())
    assert parts.schedules.run().status == "ok"
    PeriodicTask.objects.update(last_run_at=timezone.now() - dt.timedelta(minutes=3))
    found = parts.schedules.run()
    assert found.status == "warn"
    assert "sweep was last sent 3 min ago" in found.message


@pytest.mark.django_db
def test_a_provider_that_fails_is_named() -> None:
    def call(state: str) -> None:
        ModelCall.objects.create(
            subject=f"call:{uuid.uuid4()}", purpose="write", profile_name="Cloud", model="m", state=state
        )

    call("succeeded")
    call("failed")
    call("failed")
    assert providers.run().status == "ok"
    call("abandoned")
    found = providers.run()
    assert found.status == "warn"
    assert "Cloud (3 of 4)" in found.message
