"""Pages by cursor."""

from __future__ import annotations

import datetime as dt

import pytest
from django.utils import timezone
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from rest_framework.permissions import AllowAny
from rest_framework.request import Request
from rest_framework.test import APIRequestFactory
from rest_framework.views import APIView

from aiwriter.core.errors import InvalidInput
from aiwriter.core.rest.pagination import CursorPage, paginated
from apps.users.models import Notification
from tests.people import People

FIELDS = ("id", "title", "kind", "created_at")


class Listing(APIView):
    permission_classes = (AllowAny,)


def ask(query: str = "", queryset=None, path: str = "/api/v1/list", **options):
    request = Request(APIRequestFactory().get(f"{path}?{query}"))
    rows = Notification.objects.values(*FIELDS) if queryset is None else queryset
    return paginated(request, rows, **options).data


def walk(query: str, **options) -> list[str]:
    """Titles of all pages, one after the other."""
    titles, cursor = [], ""
    while True:
        page = ask(f"{query}&cursor={cursor}", **options)
        titles += [row["title"] for row in page["data"]]
        cursor = page["pagination"]["next_cursor"]
        assert page["pagination"]["has_more"] == (cursor is not None)
        if cursor is None:
            return titles


def fill(people: People, count: int, *, same_moment: bool = False) -> list[str]:
    now = timezone.now()
    Notification.objects.bulk_create(
        Notification(
            user=people.wanda,
            kind="ab"[number % 2],
            title=f"n{number:03}",
            created_at=now if same_moment else now + dt.timedelta(microseconds=number),
        )
        for number in range(count)
    )
    return [f"n{number:03}" for number in range(count)]


def test_every_row_comes_once_newest_first(people: People):
    titles = fill(people, 25)
    assert walk("limit=10") == titles[::-1]


@pytest.mark.parametrize("limit", [1, 7, 24, 25, 26])
def test_equal_moments_do_not_hide_rows(people: People, limit: int):
    fill(people, 25, same_moment=True)
    walked = walk(f"limit={limit}")
    assert len(walked) == 25
    assert len(set(walked)) == 25


@pytest.mark.parametrize("ordering", [("title", "id"), ("kind", "-title", "id"), ("-kind", "created_at", "id")])
def test_other_orders_are_kept(people: People, ordering):
    fill(people, 20)
    expected = list(Notification.objects.order_by(*ordering).values_list("title", flat=True))
    assert walk("limit=3", ordering=ordering) == expected


def test_rows_that_arrive_meanwhile_do_not_shift_pages(people: People):
    titles = fill(people, 6)
    first = ask("limit=3")
    Notification.objects.create(user=people.wanda, kind="a", title="new")
    second = ask(f"limit=3&cursor={first['pagination']['next_cursor']}")
    assert [r["title"] for r in first["data"] + second["data"]] == titles[::-1]


def test_models_can_be_rows_too(people: People):
    fill(people, 3)
    page = ask("limit=2", queryset=Notification.objects.all(), row=lambda n: n.title)
    assert page["data"] == ["n002", "n001"]
    assert page["pagination"]["limit"] == 2


@pytest.mark.parametrize("limit", ["0", "201", "-1", "x", "1.5", "9" * 30, "٣", " 1"])
def test_a_limit_out_of_bounds_is_refused(db, limit: str):
    with pytest.raises(InvalidInput) as caught:
        ask(f"limit={limit}")
    assert caught.value.field == "limit"


def test_the_default_limit(people: People):
    fill(people, 60)
    assert len(ask()["data"]) == CursorPage.default_limit == 50


@pytest.mark.parametrize(
    "change",
    [
        {"path": "/api/v1/other"},
        {"query": "kind=a&"},
        {"ordering": ("created_at", "id")},
    ],
)
def test_a_cursor_of_another_list_is_refused(people: People, change):
    fill(people, 5)
    cursor = ask("limit=2")["pagination"]["next_cursor"]
    options = {k: v for k, v in change.items() if k != "query"}
    with pytest.raises(InvalidInput, match="does not belong") as caught:
        ask(f"{change.get('query', '')}limit=2&cursor={cursor}", **options)
    assert caught.value.field == "cursor"


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(text=st.text(min_size=1, max_size=40))
def test_an_invented_cursor_is_refused_and_never_breaks(db, text: str):
    from urllib.parse import quote

    with pytest.raises(InvalidInput):
        ask(f"cursor={quote(text, safe='', errors='replace')}")


def test_a_page_is_one_query(people: People, django_assert_num_queries):
    fill(people, 30)
    cursor = ask("limit=10")["pagination"]["next_cursor"]
    with django_assert_num_queries(1):
        ask(f"limit=10&cursor={cursor}")
