"""One error shape for everything that an endpoint can raise."""

from __future__ import annotations

import orjson
import pytest
from django.core.exceptions import PermissionDenied as DjangoPermissionDenied
from django.http import Http404
from django.test import Client, RequestFactory
from django.urls import path
from rest_framework import exceptions, serializers
from rest_framework.permissions import AllowAny
from rest_framework.response import Response
from rest_framework.test import APIRequestFactory
from rest_framework.views import APIView

from aiwriter.core import errors
from aiwriter.core.rest.exceptions import handle
from aiwriter.core.rest.serializers import Input, read


class Inner(Input):
    number = serializers.IntegerField(min_value=1)


class Body(Input):
    name = serializers.CharField(max_length=5)
    parts = Inner(many=True, required=False)


class View(APIView):
    authentication_classes = ()
    permission_classes = (AllowAny,)
    raised: Exception | None = None

    def get(self, request):
        if self.raised:
            raise self.raised
        return Response({"fine": True})

    def post(self, request):
        return Response(read(Body, request))


def ask(raised: Exception):
    answer = View.as_view(raised=raised)(RequestFactory().get("/api/v1/x"))
    answer.render()
    return answer, orjson.loads(answer.content)


@pytest.mark.parametrize(
    ("raised", "status", "code"),
    [
        (errors.InvalidInput("x"), 400, "invalid_input"),
        (errors.NotAuthenticated("x"), 401, "not_authenticated"),
        (errors.BudgetExceeded("x"), 402, "budget_exceeded"),
        (errors.PermissionDenied("x"), 403, "permission_denied"),
        (errors.NotFound("x"), 404, "not_found"),
        (errors.Conflict("x"), 409, "conflict"),
        (errors.PreconditionFailed("x"), 412, "precondition_failed"),
        (errors.TooLarge("x"), 413, "too_large"),
        (errors.UnsupportedType("x"), 415, "unsupported_type"),
        (errors.TooManyRequests("x"), 429, "too_many_requests"),
        (errors.Unavailable("x"), 503, "unavailable"),
        (errors.StorageFull("x"), 507, "storage_full"),
        (Http404(), 404, "not_found"),
        (DjangoPermissionDenied(), 403, "permission_denied"),
        (exceptions.NotAuthenticated(), 401, "not_authenticated"),
        (exceptions.AuthenticationFailed(), 401, "not_authenticated"),
        (exceptions.PermissionDenied(), 403, "permission_denied"),
        (exceptions.NotFound(), 404, "not_found"),
        (exceptions.ParseError(), 400, "invalid_input"),
        (exceptions.MethodNotAllowed("PUT"), 405, "method_not_allowed"),
        (exceptions.NotAcceptable(), 406, "not_acceptable"),
        (exceptions.UnsupportedMediaType("text/x"), 415, "unsupported_type"),
        (exceptions.Throttled(wait=2.1), 429, "too_many_requests"),
        (exceptions.ValidationError({"a": ["bad"]}), 400, "invalid_input"),
        (exceptions.ValidationError("bad"), 400, "invalid_input"),
    ],
)
def test_every_error_has_its_status_and_the_one_shape(raised, status, code):
    answer, body = ask(raised)
    assert answer.status_code == status
    assert set(body) == {"error", "request_id"}
    assert set(body["error"]) == {"code", "message", "details"}
    assert body["error"]["code"] == code
    assert body["error"]["message"]
    assert ("WWW-Authenticate" in answer.headers) == (status == 401)


def test_the_field_and_the_remedy_arrive():
    _, body = ask(errors.InvalidInput("Too long.", field="title", remedy="Shorten it."))
    assert body["error"]["details"] == [{"field": "title", "issue": "Too long.", "remedy": "Shorten it."}]
    _, body = ask(errors.Conflict("Busy.", remedy="Wait."))
    assert (body["error"]["message"], body["error"]["details"]) == ("Busy. Wait.", [])


@pytest.mark.parametrize(("wait", "header"), [(0.2, "1"), (2.1, "3"), (30, "30")])
def test_limits_say_when_to_come_back(wait, header):
    assert ask(errors.TooManyRequests("x", retry_after=wait))[0].headers["Retry-After"] == header
    assert ask(exceptions.Throttled(wait=wait))[0].headers["Retry-After"] == header


def test_nested_errors_name_their_place():
    request = APIRequestFactory().post(
        "/x", {"name": "toolong", "parts": [{"number": 1}, {"number": 0}]}, format="json"
    )
    answer = View.as_view()(request)
    answer.render()
    details = orjson.loads(answer.content)["error"]["details"]
    assert [d["field"] for d in details] == ["name", "parts.1.number"]


@pytest.mark.parametrize(
    ("body", "field"),
    [({"name": "a", "nmae": "b"}, "nmae"), ({"name": "a", "parts": [{"number": 1, "x": 2}]}, "parts.0.x")],
)
def test_unknown_fields_are_refused(body, field):
    answer = View.as_view()(APIRequestFactory().post("/x", body, format="json"))
    assert answer.status_code == 400
    assert answer.data["error"]["details"][0]["field"] == field


@pytest.mark.parametrize("body", ["{", "[1]", "null", '"text"', '{"name": "\\ud800"}', '{"name": "a\\u0000"}', "NaN"])
def test_bodies_that_are_no_objects_or_no_text_are_refused(body):
    request = APIRequestFactory().post("/x", body, content_type="application/json")
    assert View.as_view()(request).status_code == 400


def test_a_defect_is_left_to_django():
    assert handle(RuntimeError("the password is hunter2"), {}) is None


def broken(request):
    raise RuntimeError("the password is hunter2")


class Broken(View):
    raised = RuntimeError("the password is hunter2")


urlpatterns = [path("api/v1/broken", broken), path("api/v1/broken-view", Broken.as_view())]
handler404 = "aiwriter.core.views.not_found"
handler500 = "aiwriter.core.views.server_error"


@pytest.mark.urls("tests.unit.core.test_rest_exceptions")
@pytest.mark.parametrize("address", ["/api/v1/broken", "/api/v1/broken-view"])
def test_a_defect_answers_500_without_its_details(address, settings):
    settings.DEBUG = False
    answer = Client(raise_request_exception=False).get(address)
    assert answer.status_code == 500
    assert answer.json()["error"]["code"] == "internal_error"
    assert "hunter2" not in answer.content.decode()
    assert answer.json()["request_id"] == answer.headers["X-Request-ID"]


@pytest.mark.urls("tests.unit.core.test_rest_exceptions")
def test_an_unknown_address_below_api_answers_json(settings):
    settings.DEBUG = False
    answer = Client().get("/api/v1/nothing")
    assert (answer.status_code, answer.json()["error"]["code"]) == (404, "not_found")
