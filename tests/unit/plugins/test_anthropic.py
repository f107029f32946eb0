"""What is Anthropic's alone: the system field, caches in the usage, what newer models refuse."""

from __future__ import annotations

import pytest
from aiwriter_model_anthropic.faults import fault, refused_part
from aiwriter_model_anthropic.wire import messages_body

from aiwriter_sdk import (
    AuthFailed,
    ContextTooLong,
    GenerateRequest,
    Message,
    QuotaExceeded,
    RateLimited,
    Unavailable,
    Usage,
)
from tests.fakes.provider import FakeProvider
from tests.unit.plugins.calling import asking, begun, text_of, within, write, write_until_error
from tests.unit.plugins.wires import backend

_SCHEMA = {"type": "object", "properties": {"title": {"type": "string"}}}


def _error(kind: str, message: str) -> dict[str, object]:
    return {"type": "error", "error": {"type": kind, "message": message}}


async def test_tokens_from_the_cache_count_as_input(fake: FakeProvider) -> None:
    events = await write(backend("anthropic", fake), "m:words=3,cached=2", "one two three four five")
    assert Usage(input_tokens=5, output_tokens=3, cached_tokens=2) in events


async def test_system_texts_stand_apart_and_a_key_is_in_its_header(fake: FakeProvider) -> None:
    system = [Message(role="system", content=text) for text in ("Be brief.", "Be kind.")]
    await write(backend("anthropic", fake), "m:words=1", system[0], "q", system[1])
    entry = fake.log(texts=True)[-1]
    assert entry["body"]["system"] == "Be brief.\n\nBe kind."
    assert [turn["role"] for turn in entry["body"]["messages"]] == ["user"]
    assert entry["headers"]["anthropic-version"] == "2023-06-01"


async def test_a_limit_is_always_sent(fake: FakeProvider) -> None:
    await write(backend("anthropic", fake, max_output=321), "m:words=1")
    await write(backend("anthropic", fake, max_output=321), "m:words=1", max_output=5)
    assert [entry["body"]["max_tokens"] for entry in fake.log(texts=True)] == [321, 5]


async def test_an_overload_within_a_stream_keeps_the_text(fake: FakeProvider) -> None:
    text, error = await write_until_error(backend("anthropic", fake), "m:error=3,code=overloaded_error")
    assert text == "w000001 w000002 w000003"
    assert isinstance(error, Unavailable)
    assert error.provider_code == "overloaded_error"


async def test_tokens_are_counted_by_the_provider(fake: FakeProvider) -> None:
    request = asking("m", Message(role="system", content="be brief"), "one two three")
    assert await backend("anthropic", fake).count_tokens(request, control=within()) == 5


def test_a_prefill_has_no_space_at_its_end_and_the_conversation_begins_with_the_user() -> None:
    request = GenerateRequest(model="m", messages=[Message(role="system", content="Write."), begun("Once \n")])
    body = messages_body(request, "m", without=frozenset(), max_output=10)
    assert body["messages"] == [{"role": "user", "content": "Write."}, {"role": "assistant", "content": "Once"}]


def test_json_of_a_model_that_takes_no_tool_order_is_asked_for_as_a_format() -> None:
    request = asking("m", "q", json_schema=_SCHEMA)
    forced = messages_body(request, "m", without=frozenset(), max_output=10)
    formatted = messages_body(request, "m", without=frozenset({"tool"}), max_output=10)
    assert forced["tool_choice"] == {"type": "tool", "name": "answer"}
    assert "tools" not in formatted
    assert formatted["output_config"] == {"format": {"type": "json_schema", "schema": _SCHEMA}}


async def test_begun_json_is_gone_on_with_by_instruction(fake: FakeProvider) -> None:
    await write(backend("anthropic", fake), "m", "q", begun('{"title":'), json_schema=_SCHEMA)
    assert fake.log(texts=True)[-1]["body"]["messages"][-1]["role"] == "user"


@pytest.mark.parametrize(
    ("message", "part"),
    [
        ("This model does not support assistant message prefill. The conversation must end with a user message.", "prefill"),
        ("`temperature` is deprecated for this model.", "temperature"),
        ("tool_choice forces tool use, which is not supported when thinking is enabled", "tool"),
        ("messages: at least one message is required", ""),
    ],
)  # fmt: skip
def test_what_a_model_refuses_is_recognised(message: str, part: str) -> None:
    assert refused_part(400, _error("invalid_request_error", message)) == part
    assert refused_part(500, _error("api_error", message)) == ""


@pytest.mark.parametrize(
    ("status", "body", "kind"),
    [
        (401, _error("authentication_error", "invalid x-api-key"), AuthFailed),
        (400, _error("invalid_request_error", "Your credit balance is too low"), QuotaExceeded),
        (402, _error("billing_error", "m"), QuotaExceeded),
        (400, _error("invalid_request_error", "prompt is too long: 9 tokens > 8 maximum"), ContextTooLong),
        (413, _error("request_too_large", "m"), ContextTooLong),
        (429, _error("rate_limit_error", "m"), RateLimited),
        (529, _error("overloaded_error", "m"), Unavailable),
        (200, _error("overloaded_error", "m"), Unavailable),
        (502, "<html>", Unavailable),
    ],
)
def test_errors_have_their_meaning(status: int, body: object, kind: type[Exception]) -> None:
    assert type(fault(status, body)) is kind


async def test_text_and_reasoning_blocks_are_kept_apart(fake: FakeProvider) -> None:
    assert text_of(await write(backend("anthropic", fake), "m:words=2,reasoning=2")) == "w000001 w000002"
