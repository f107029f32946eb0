"""Malware in what people put in: found over the daemon's protocol, refused, and told when nobody looks."""

from __future__ import annotations

import datetime as dt
import io
from pathlib import Path

import pytest
from django.utils import timezone

from aiwriter.core.clamd import Clamd, ClamdError
from aiwriter.core.errors import InvalidInput, TooLarge, Unavailable
from aiwriter.security_variables import clamd_problem
from apps.backends.health import malware_scanner
from apps.backends.models import StoredBlob
from apps.backends.services import filestore
from apps.users.models import AuditEvent
from tests.factories.backends import storage_profile
from tests.fakes.clamd import EICAR, FakeClamd
from tests.people import People

pytestmark = pytest.mark.django_db


def put(people: People, data: bytes, **more: str) -> object:
    return filestore.put_file(
        actor=people.actor("wanda"), workspace=people.press, name="a.txt", stream=io.BytesIO(data), **more
    )


@pytest.mark.parametrize("over", ["tcp", "unix"])
def test_malware_is_refused_by_name_and_nothing_is_kept(people: People, settings, tmp_path: Path, over: str) -> None:
    storage_profile()
    with FakeClamd(tmp_path / "clamd.sock" if over == "unix" else None) as daemon:
        settings.CLAMD_ADDRESS = daemon.address
        file = put(people, b"harmless " * 100_000)
        with pytest.raises(InvalidInput, match="Eicar-Signature") as caught:
            put(people, b"before " * 50_000 + EICAR)
        assert caught.value.field == "file"
        with pytest.raises(InvalidInput, match="Eicar-Signature"):
            filestore.put_version(actor=people.actor("wanda"), file=file, stream=io.BytesIO(EICAR))
        put(people, EICAR, purpose="export")
        assert daemon.scanned[:2] == [900_000, 350_000 + len(EICAR)]
        assert len(daemon.scanned) == 3
    assert StoredBlob.objects.count() == 2
    event = AuditEvent.objects.filter(action="file.infected", outcome="denied").first()
    assert (event.reason, event.workspace_id) == ("Eicar-Signature", people.press.pk)


def test_what_nobody_has_looked_at_is_refused_or_taken_as_the_setting_says(people: People, settings) -> None:
    storage_profile()
    with FakeClamd(largest=1000) as daemon:
        settings.CLAMD_ADDRESS = daemon.address
        with pytest.raises(TooLarge, match="larger than the malware scanner takes"):
            put(people, b"a" * 2000)
    with pytest.raises(Unavailable, match="could not be inspected") as caught:
        put(people, b"a")
    assert "health page" in caught.value.remedy
    assert not StoredBlob.objects.exists()
    settings.CLAMD_WHEN_DOWN = "accept"
    put(people, b"a")
    assert StoredBlob.objects.count() == 1


def test_the_check_tells_a_silent_daemon_and_old_signatures(settings) -> None:
    assert (malware_scanner.run().status, malware_scanner.run().message) == ("ok", "None is set up.")
    made = timezone.now() - dt.timedelta(days=9)
    for signatures, status, words in (
        (f"/27400/{timezone.now():%a %b %d %H:%M:%S %Y}", "ok", "signatures 27400"),
        (f"/27390/{made:%a %b %d %H:%M:%S %Y}", "warn", "9 days old"),
        ("", "warn", "does not say"),
    ):
        with FakeClamd(signatures=signatures) as daemon:
            settings.CLAMD_ADDRESS = daemon.address
            result = malware_scanner.run()
        assert (result.status, words in result.message) == (status, True)
    result = malware_scanner.run()
    assert (result.status, "refused meanwhile" in result.message) == ("fail", True)
    with pytest.raises(ClamdError):
        Clamd("unix:/nowhere/at.all", 1).ping()
    assert clamd_problem("tcp://scanner:3310") == clamd_problem("unix:/run/clamd.ctl") == clamd_problem("") == ""
    for wrong in ("scanner:3310", "tcp://scanner", "tcp://scanner:99999", "tcp://scanner:3310/x"):
        assert "tcp://HOST:PORT" in clamd_problem(wrong)
