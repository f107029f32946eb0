"""What a place will hold and cost."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Callable
from decimal import Decimal
from io import StringIO

import pytest
from django.core.management import call_command
from django.test import Client
from rest_framework.test import APIClient

from aiwriter.core.errors import InvalidInput, PermissionDenied
from apps.backups.health import backups
from apps.backups.models import BackupSet, Destination, PlaceSize
from apps.backups.selectors import forecast as selector
from apps.backups.selectors.forecast import forecast, forecast_of, trend
from apps.backups.selectors.status import present_status
from apps.backups.services.destinations import update_destination
from tests.factories.users import SETUP
from tests.people import People

GIB = 2**30
TODAY = dt.datetime.now(dt.UTC).date()


def held(place: Destination, sizes: list[int]) -> None:
    """One size for each of the last days, today the last."""
    for number, size in enumerate(reversed(sizes)):
        PlaceSize.objects.create(destination=place, day=TODAY - dt.timedelta(days=number), bytes=size)


def test_the_trend_leaves_one_jump_alone() -> None:
    days = [(TODAY + dt.timedelta(days=number), 100 + 10 * number) for number in range(20)]
    assert trend(days) == 10
    days[7] = (days[7][0], 9_000)
    assert trend(days) == 10
    assert trend(days[:3]) is None


def test_sizes_and_costs_to_come(place: Destination) -> None:
    held(place, [GIB * number for number in range(1, 11)])
    assert forecast(place).month_now is None
    update_destination(actor=SETUP, destination_id=place.pk, price_gib_month=Decimal("0.02"), currency="eur")
    found = forecast_of(actor=SETUP, destination_id=place.pk)
    assert (found.bytes_now, found.per_day, found.place.currency) == (10 * GIB, GIB, "EUR")
    assert found.ahead[0] == (TODAY, 10 * GIB)
    assert found.ahead[-1] == (TODAY + dt.timedelta(days=90), 100 * GIB)
    assert (found.month_now, found.month_ahead) == (Decimal("0.20"), Decimal("2.00"))
    # 10 GiB and then 30.44 more each month, by the middle of each: 12 * 10 + 30.44 * (0.5 + 1.5 + … + 11.5) = 2311.7 GiB.
    assert found.year == pytest.approx(Decimal("46.23"), abs=Decimal("0.06"))


def test_a_disk_that_fills_is_told(place: Destination, monkeypatch: pytest.MonkeyPatch) -> None:
    held(place, [GIB * number for number in range(1, 11)])
    monkeypatch.setattr(selector.shutil, "disk_usage", lambda _: type("Usage", (), {"free": 12 * GIB}))
    assert forecast(place).full_on == TODAY + dt.timedelta(days=12)
    assert "fills" in {problem.key for problem in present_status().problems}
    told = backups.run()
    assert (told.status, "the disk is full on" in told.message) == ("warn", True)
    monkeypatch.setattr(selector.shutil, "disk_usage", lambda _: type("Usage", (), {"free": 120 * GIB}))
    assert "fills" not in {problem.key for problem in present_status().problems}
    monkeypatch.setattr(selector.shutil, "disk_usage", lambda _: type("Usage", (), {"free": 1200 * GIB}))
    assert forecast(place).full_on is None


@pytest.mark.django_db(transaction=True)
def test_every_run_notes_the_size(place: Destination, back_up: Callable[..., BackupSet]) -> None:
    back_up()
    first = PlaceSize.objects.get()
    assert (first.destination, first.day) == (place, TODAY)
    assert 0 < first.bytes < 50_000_000
    back_up()
    assert PlaceSize.objects.get().bytes >= first.bytes


@pytest.mark.parametrize("wrong", [{"price_gib_month": Decimal(-1)}, {"currency": "EURO"}, {"currency": "1€x"}])
def test_wrong_prices_are_refused(place: Destination, wrong: dict[str, object]) -> None:
    with pytest.raises(InvalidInput) as caught:
        update_destination(actor=SETUP, destination_id=place.pk, **wrong)  # type: ignore[arg-type]
    assert caught.value.field == next(iter(wrong))


def test_page_api_and_command(
    place: Destination, people: People, portal: Callable[..., Client], api: Callable[..., APIClient]
) -> None:
    page = f"/admin/backups/destination/{place.pk}/change/"
    assert "After runs on four days" in portal("alma").get(page).text
    held(place, [GIB * number for number in range(1, 11)])
    changed = portal("alma").post(
        page, {"name": "Shelf", "enabled": "on", "price_gib_month": "0.02", "currency": "USD"}
    )
    assert changed.status_code == 302, changed.text
    shown = portal("alma").get(page).text
    assert "100.0" in shown
    assert "2.00 USD" in shown
    assert "<svg" in shown
    answer = api("otto").get(f"/api/v1/backups/destinations/{place.pk}/forecast")
    assert answer.status_code == 200
    assert (answer.data["bytes_per_day"], answer.data["cost_month_now"]) == (GIB, "0.20")
    assert api("wanda").get(f"/api/v1/backups/destinations/{place.pk}/forecast").status_code == 403
    with pytest.raises(PermissionDenied):
        forecast_of(actor=people.actor("wanda"), destination_id=place.pk)
    said = StringIO()
    call_command("backup", "forecast", "--json", stdout=said)
    assert json.loads(said.getvalue())["cost_month_ahead"] == "2.00"
    said = StringIO()
    call_command("backup", "forecast", stdout=said)
    assert "+1,024.00 MiB a day" in said.getvalue()
