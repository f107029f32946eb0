"""Spans at a real collector: who asked, what was done, which model answered; and no word of it."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import aclosing
from typing import Any

import pytest

from aiwriter.core import context, tracing
from aiwriter_sdk import GenerateRequest, Message
from apps.backends.services.models import ModelCallSpec, open_model
from apps.users.tasks import prune_rate_limits
from tests.factories.backends import openai_profile, route
from tests.fakes.collector import Collector
from tests.fakes.provider import FakeProvider
from tests.people import People

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
ASKED = f"00-{TRACE}-00f067aa0ba902b7-01"


@pytest.fixture
def collector(settings: Any) -> Iterator[Collector]:
    with Collector() as made:
        settings.OTLP_URL = made.url
        tracing.begin("web")
        yield made
        tracing.end()


def test_nothing_is_traced_unless_asked_for(settings: Any) -> None:
    assert settings.OTLP_URL == ""
    tracing.begin("web")
    assert not tracing.is_on()
    with tracing.span("request", kind="SERVER", traceparent=ASKED) as span:
        assert span is None
        assert tracing.traceparent() == ""


def test_a_request_goes_on_with_its_caller_s_trace(db: None, collector: Collector, api: Any) -> None:
    assert api("wanda").get("/api/v1/me", HTTP_TRACEPARENT=ASKED).status_code == 200
    assert api("wanda").get("/api/v1/content/0192b5c4-0000-7000-8000-000000000000").status_code == 404
    tracing.end()
    [asked] = collector.named("GET /api/v1/me")
    assert (asked["trace"], asked["parent"], asked["part"]) == (TRACE, "00f067aa0ba902b7", "web")
    assert (asked["http.route"], asked["http.response.status_code"], asked["error"]) == ("/api/v1/me", 200, False)
    [other] = collector.named("GET /api/v1/content/<uuid:document_id>")
    assert other["trace"] != TRACE


def test_a_task_goes_on_with_the_trace_of_who_sent_it(db: None, collector: Collector) -> None:
    with tracing.span("request", kind="SERVER", traceparent=ASKED):
        sent = tracing.traceparent()
        assert context.trace_id.get() == TRACE
    prune_rate_limits.apply(headers={"traceparent": sent})
    tracing.end()
    [request], [task] = collector.named("request"), collector.named("users.prune_rate_limits")
    assert (task["trace"], task["parent"]) == (TRACE, request["id"])


def test_an_exception_is_told_by_its_kind(collector: Collector) -> None:
    with pytest.raises(ValueError, match="kingfisher"), tracing.span("work", kind="CONSUMER"):
        raise ValueError("cannot read 'A secret kingfisher'")
    tracing.end()
    assert collector.named("work")[0]["error.type"] == "ValueError"
    assert b"kingfisher" not in b"".join(collector.bodies)


def test_a_call_of_a_model_tells_all_but_the_words(
    transactional_db: None, people: People, collector: Collector
) -> None:
    asked = GenerateRequest(model="", messages=[Message(role="user", content="A secret kingfisher")])

    spec = ModelCallSpec(
        purpose="write", request=asked, workspace_id=people.press.pk, user_id=people.wanda.pk, subject="test:1"
    )

    async def story() -> str:
        written = ""
        async with aclosing(open_model(spec)) as events:
            async for event in events:
                written += getattr(event, "text", "")
        return written

    with FakeProvider() as fake, tracing.span("content.run_generation", kind="CONSUMER", traceparent=ASKED):
        profile = openai_profile("Far", fake.openai_url, default_model="fake-large")
        route("write", {"profile": profile.pk, "model": "fake-large"})
        written = asyncio.run(story())
    tracing.end()
    assert len(written) > 20
    [call] = collector.named("chat fake-large")
    [task] = collector.named("content.run_generation")
    assert (call["trace"], call["parent"]) == (TRACE, task["id"])
    assert (call["gen_ai.operation.name"], call["gen_ai.provider.name"]) == ("chat", "openai")
    assert call["gen_ai.usage.output_tokens"] > 0
    assert call["gen_ai.response.finish_reasons"]
    sent = b"".join(collector.bodies)
    assert b"kingfisher" not in sent
    assert written[:20].encode() not in sent
