"""What the contract's package offers to backends that speak HTTP: events, faults, seams, prices."""

from __future__ import annotations

import asyncio
import datetime as dt
import time
from collections.abc import AsyncIterator
from contextlib import aclosing
from decimal import Decimal

import pytest

from aiwriter_sdk import (
    Config,
    ConfigInvalid,
    GenerateRequest,
    Message,
    NotFound,
    Pricing,
    Secret,
    TimedOut,
    Unavailable,
)
from aiwriter_sdk.calls import (
    ServerEvent,
    base_address,
    estimated_usage,
    header_value,
    opened,
    quoted,
    read_json,
    retry_after,
    server_events,
    status_error,
)
from aiwriter_sdk.continuation import GO_ON, Seam, told
from aiwriter_sdk.prices import PriceList, operator_price
from aiwriter_sdk.testing.http import PlainHttpClient
from aiwriter_sdk.testing.wire import Pause, WireReply, WireServer
from tests.unit.plugins.calling import within


class Body:
    """A response whose body comes in the pieces given."""

    status_code = 200

    def __init__(self, *pieces: bytes, kind: str = "text/event-stream; charset=utf-8") -> None:
        self.headers = {"content-type": kind}
        self._pieces = pieces

    async def aread(self) -> bytes:
        return b"".join(self._pieces)

    async def aiter_lines(self) -> AsyncIterator[str]:
        yield ""

    async def aiter_bytes(self) -> AsyncIterator[bytes]:
        for piece in self._pieces:
            yield piece


async def _events(body: Body) -> list[ServerEvent]:
    async with aclosing(server_events(body, control=within())) as events:
        return [event async for event in events]


async def test_events_are_read_as_the_standard_says() -> None:
    text = ": a comment\r\nevent: one\r\ndata: {\r\ndata:  }\r\n\r\n\r\ndata:é\u2028漢\n\nid: 7\ndata: last\n"
    expected = [ServerEvent("one", "{\n }"), ServerEvent("", "é\u2028漢"), ServerEvent("", "last")]
    assert await _events(Body(text.encode())) == expected
    assert await _events(Body(*(bytes([byte]) for byte in text.encode()))) == expected


async def test_half_an_event_at_the_end_is_not_given() -> None:
    assert await _events(Body(b'data: {"a": 1}\n\ndata: {"a"')) == [ServerEvent("", '{"a": 1}')]


async def test_what_is_no_stream_of_events_is_named() -> None:
    with pytest.raises(Unavailable, match="text/html"):
        await _events(Body(b"<html>", kind="text/html"))
    with pytest.raises(Unavailable, match="does not end"):
        await _events(Body(*[b"x" * 1_000_000] * 17))
    with pytest.raises(Unavailable, match="not JSON"):
        await read_json(Body(b"<html>"), control=within())


async def test_a_deadline_ends_a_call_before_and_within_the_answer() -> None:
    http = PlainHttpClient()
    with WireServer(lambda request: WireReply(steps=(b"{", Pause(30)))) as server:
        for seconds in (0.0, 0.2):
            with pytest.raises(TimedOut):
                async with opened(http, "GET", server.url, control=(control := within(seconds))) as response:
                    await read_json(response, control=control)


async def test_a_flood_that_never_waits_ends_at_its_deadline_too() -> None:
    class Flood(Body):
        async def aiter_bytes(self) -> AsyncIterator[bytes]:
            while True:
                yield b"data: x\n\n"

    async def drink() -> None:
        begin = time.monotonic()
        async with aclosing(server_events(Flood(), control=within(0.2))) as events:
            async for _ in events:
                assert time.monotonic() - begin < 2

    with pytest.raises(TimedOut):
        await drink()


class Silent(Body):
    """One piece, and then nothing."""

    async def aiter_bytes(self) -> AsyncIterator[bytes]:
        yield b"data: x\n\n"
        await asyncio.sleep(30)


async def drink(seconds: float, *, between: float = 0.0) -> None:
    """Read the silent body to its end, with some time for each event."""
    async with aclosing(server_events(Silent(), control=within(seconds))) as events:
        async for _ in events:
            await asyncio.sleep(between)


async def test_silence_ends_at_the_deadline_and_the_task_goes_on() -> None:
    with pytest.raises(TimedOut):
        await drink(0.1)
    task = asyncio.current_task()
    assert task is not None
    assert task.cancelling() == 0
    await asyncio.sleep(0)


async def test_who_is_cancelled_before_the_deadline_is_cancelled() -> None:
    task = asyncio.create_task(drink(0.2))
    await asyncio.sleep(0.05)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_time_that_the_reader_takes_counts() -> None:
    with pytest.raises(TimedOut):
        await drink(0.1, between=0.2)


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (301, "config_invalid"),
        (400, "invalid_request"),
        (401, "auth_failed"),
        (402, "quota_exceeded"),
        (403, "auth_failed"),
        (404, "not_found"),
        (408, "timed_out"),
        (413, "context_too_long"),
        (422, "invalid_request"),
        (429, "rate_limited"),
        (500, "unavailable"),
        (529, "unavailable"),
    ],
)
def test_a_status_without_a_code_has_its_meaning(status: int, kind: str) -> None:
    assert status_error(status).kind == kind


def test_the_providers_words_are_shown_unless_they_repeat_the_key_or_the_request() -> None:
    text = "My secret novel about the harbour of Visby, chapter one."
    assert "no such field" in quoted("There is no such field", texts=[text])
    assert quoted(f"cannot read {text!r}", texts=[text]) == ""
    assert quoted("Incorrect key sk-12345678", secrets=["sk-12345678"]) == ""
    assert quoted("") == ""
    assert len(quoted("word " * 500)) < 300
    assert isinstance(status_error(404, quote=quoted("model 'x' not found")), NotFound)


def test_the_wait_that_a_provider_asks_for_is_read_in_all_its_forms() -> None:
    soon = (dt.datetime.now(dt.UTC) + dt.timedelta(seconds=30)).strftime("%a, %d %b %Y %H:%M:%S GMT")
    assert retry_after({"Retry-After": "7"}) == 7
    assert retry_after({"retry-after-ms": "1500", "Retry-After": "2"}) == 1.5
    assert 25 < (retry_after({"retry-after": soon}) or 0) <= 30
    assert retry_after({"retry-after": "Mon, 01 Jan 2024 00:00:00 GMT"}) == 0
    assert retry_after({"retry-after": "soon"}) is None
    assert retry_after({}) is None


def test_addresses_are_cleaned_and_wrong_ones_refused() -> None:
    assert base_address(" http://h:1/v1/chat/completions/ ", endings=("/chat/completions",)) == "http://h:1/v1"
    for wrong in ("", "h:1/v1", "ftp://h", "http://u:p@h/", "http://h/?key=1", "http://h/#x", "http://[::1"):
        with pytest.raises(ConfigInvalid) as caught:
            base_address(wrong)
        assert caught.value.field == "base_url"
        assert caught.value.remedy


def test_a_key_that_would_break_the_header_is_refused_unseen() -> None:
    assert header_value(Secret(" key ")) == "key"
    for wrong in ("two\nlines", "ключ"):
        with pytest.raises(ConfigInvalid) as caught:
            header_value(Secret(wrong))
        assert wrong not in str(caught.value)


def test_estimates_say_that_they_are_estimates() -> None:
    request = GenerateRequest(model="m", messages=[Message(role="user", content="abcd" * 10)])
    usage = estimated_usage(request, "漢字")
    assert (usage.input_tokens, usage.output_tokens, usage.estimated) == (10, 2, True)


def _join(written: str, pieces: list[str], *, instructed: bool) -> str:
    seam = Seam(written, instructed=instructed)
    return "".join(map(seam.feed, pieces)) + seam.end()


@pytest.mark.parametrize(
    ("written", "pieces", "expected"),
    [
        ("", [" anything"], " anything"),
        ("The end of", ["the road."], " the road."),
        ("The end of", [" the road."], " the road."),
        ("The end of ", [" the road."], "the road."),
        ("The end.\n\n", ["\n", "\nNew."], "New."),
        ("of the long road", ["the long ", "road ", "home."], " home."),
        ("of the long road ", ["the long ", "road ", "home."], "home."),
        ("of the long road", ["the long road"], ""),
        ("of the long road", ["the long island"], " the long island"),
        ("of the long road", ["the"], " the"),
        ("He said (", ["perhaps"], "perhaps"),
        ("路很", ["长"], "长"),
        ("It ended.", ["“So,” she said."], " “So,” she said."),
        ("It ended", [", or so."], ", or so."),
    ],
)
def test_an_instructed_model_is_joined_without_doubles(written: str, pieces: list[str], expected: str) -> None:
    assert _join(written, pieces, instructed=True) == expected
    letters = list("".join(pieces))
    assert _join(written, letters, instructed=True) == expected


@pytest.mark.parametrize(
    ("written", "pieces", "expected"),
    [
        ("extra", ["ordin", "ary"], "ordinary"),
        ("of the long road", ["the long road again"], "the long road again"),
        ("The end. ", [" ", " New."], "New."),
    ],
)
def test_a_prefilled_model_is_taken_at_its_word(written: str, pieces: list[str], expected: str) -> None:
    assert _join(written, pieces, instructed=False) == expected


def test_only_begun_text_is_followed_by_the_instruction() -> None:
    user, begun = Message(role="user", content="q"), Message(role="assistant", content="a")
    assert told([user]) == [user]
    assert told([user, begun]) == [user, begun, Message(role="user", content=GO_ON)]


def test_prices_are_found_by_name_and_edition_and_never_by_likeness() -> None:
    prices = PriceList(as_of=dt.date(2026, 1, 2), rows={"gpt-5": ("1.25", "10", "0.125")})
    known = prices.find("gpt-5-2025-08-07")
    assert known == prices.find("gpt-5") == prices.find("gpt-5-latest")
    assert known is not None
    assert (known.input, known.cached_input, known.as_of) == (Decimal("1.25"), Decimal("0.125"), dt.date(2026, 1, 2))
    assert prices.find("gpt-5-pro") is None


def test_half_a_price_is_refused() -> None:
    assert operator_price(Config({})) is None
    assert operator_price(Config({"price_input": 0, "price_output": 0})) == Pricing(input=Decimal(0), output=Decimal(0))
    for values, field in (
        ({"price_input": 1}, "price_output"),
        ({"price_output": 1}, "price_input"),
        ({"price_input": 1, "price_output": 1, "price_currency": "euro"}, "price_currency"),
    ):
        with pytest.raises(ConfigInvalid) as caught:
            operator_price(Config(values))
        assert caught.value.field == field
