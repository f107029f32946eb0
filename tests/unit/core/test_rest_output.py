"""JSON out, entity tags, the OpenAPI description."""

from __future__ import annotations

import datetime as dt
import uuid
from decimal import Decimal

import orjson
import pytest
from django.utils.translation import gettext_lazy
from drf_spectacular.generators import SchemaGenerator
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.test import APIRequestFactory

from aiwriter.core.errors import InvalidInput, PreconditionFailed
from aiwriter.core.rest.precondition import expected_revision, require_match, set_etag
from aiwriter.core.rest.renderers import OrjsonRenderer
from apps.users.api import urls


def rendered(data):
    return orjson.loads(OrjsonRenderer().render(data))


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (uuid.UUID(int=7), "00000000-0000-0000-0000-000000000007"),
        (dt.datetime(2026, 1, 2, 3, 4, 5, tzinfo=dt.UTC), "2026-01-02T03:04:05Z"),
        (dt.date(2026, 1, 2), "2026-01-02"),
        (Decimal("0.000123"), "0.000123"),
        (Decimal("12345678901234567890.12"), "12345678901234567890.12"),
        (gettext_lazy("Home"), "Home"),
        ({"b", "a"}, ["a", "b"]),
        ((1, 2), [1, 2]),
        ({1: "one"}, {"1": "one"}),
        (b"raw", "raw"),
        (range(2), [0, 1]),
    ],
)
def test_values_become_json(value, text):
    assert rendered({"v": value}) == {"v": text}


def test_nothing_is_nothing():
    assert OrjsonRenderer().render(None) == b""


def test_what_has_no_json_is_a_defect():
    with pytest.raises(TypeError):
        rendered({"v": object()})


def request_with(if_match: str | None) -> Request:
    headers = {"If-Match": if_match} if if_match is not None else {}
    return Request(APIRequestFactory().patch("/x", {}, headers=headers))


def test_a_matching_revision_passes():
    answer = set_etag(Response(), 3)
    require_match(request_with(answer.headers["ETag"]), 3)
    require_match(request_with("*"), 3)
    assert expected_revision(request_with('"3"')) == "3"
    assert expected_revision(request_with(None)) is None


def test_an_old_revision_is_refused():
    with pytest.raises(PreconditionFailed, match="Read it again"):
        require_match(request_with('"2"'), 3)


@pytest.mark.parametrize("header", [None, "", "3", '"3', 'W/"3"', '"1", "2"'])
def test_no_or_a_broken_revision_is_refused(header):
    with pytest.raises(InvalidInput) as caught:
        require_match(request_with(header), 3)
    assert caught.value.field == "If-Match"


def test_every_operation_documents_how_it_fails():
    schema = SchemaGenerator(patterns=urls.urlpatterns).get_schema(request=None, public=True)
    operations = [op for methods in schema["paths"].values() for op in methods.values() if "responses" in op]
    assert len(operations) >= 14
    for operation in operations:
        assert {"400", "401", "403", "404", "405", "406", "409", "415", "429"} <= set(operation["responses"])
        assert operation["operationId"]
    reference = operations[0]["responses"]["404"]["content"]["application/json"]["schema"]["$ref"]
    assert reference.removeprefix("#/components/schemas/") in schema["components"]["schemas"]


@pytest.mark.parametrize(
    ("query", "field", "remedy"),
    [
        ("stauts=draft", "stauts", "Use "),
        ("status=draught", "status", "Use one of "),
        ("sort=colour", "sort", "Use one of "),
        ("kind=a%00b", "kind", "NUL"),
    ],
)
def test_a_filter_that_is_wrong_is_refused_by_name(api, people, query: str, field: str, remedy: str):
    answer = api("wanda").get(f"/api/v1/content?{query}")
    assert answer.status_code == 400
    [detail] = answer.json()["error"]["details"]
    assert detail["field"] == field
    assert remedy in detail["remedy"]
