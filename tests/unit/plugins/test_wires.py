"""What all three wires have in common, each against the fake provider over a real connection."""

from __future__ import annotations

import asyncio
import json
import logging
from decimal import Decimal

import pytest

from aiwriter_sdk import (
    AuthFailed,
    BackendError,
    ContextTooLong,
    Finish,
    NotFound,
    Pricing,
    QuotaExceeded,
    RateLimited,
    ReasoningDelta,
    Refused,
    Start,
    TextDelta,
    TimedOut,
    Unavailable,
    Usage,
)
from tests.fakes.provider import FakeProvider
from tests.fakes.text import words
from tests.unit.plugins.calling import asking, begun, text_of, until_error, within, write, write_until_error
from tests.unit.plugins.wires import KEY, WIRES, backend

pytestmark = pytest.mark.parametrize("wire", WIRES)


async def test_an_answer_has_its_events_in_order(fake: FakeProvider, wire: str) -> None:
    events = await write(backend(wire, fake), "m:words=5,cached=1", "one two three")
    assert isinstance(events[0], Start)
    assert events[0].model == "m:words=5,cached=1"
    assert text_of(events) == "".join(words("numbers", 5))
    usage = [event for event in events if isinstance(event, Usage)]
    assert usage == [Usage(input_tokens=3, output_tokens=5, cached_tokens=1)]
    assert events[-2:] == [usage[0], Finish(reason="stop")]


async def test_characters_split_between_packets_stay_whole(fake: FakeProvider, wire: str) -> None:
    events = await write(backend(wire, fake), "m:words=30,style=unicode,split=1")
    assert text_of(events) == "".join(words("unicode", 30))


async def test_reasoning_is_kept_apart(fake: FakeProvider, wire: str) -> None:
    events = await write(backend(wire, fake), "m:words=2,reasoning=3")
    assert [event.text for event in events if isinstance(event, ReasoningDelta)] == [
        "thought 1 ",
        "thought 2 ",
        "thought 3 ",
    ]
    assert text_of(events) == "w000001 w000002"


@pytest.mark.parametrize("fault", ["cut", "eof", "garbage", "error"])
async def test_a_text_that_breaks_off_is_kept_and_the_error_may_be_retried(
    fake: FakeProvider, wire: str, fault: str
) -> None:
    text, error = await write_until_error(backend(wire, fake), f"m:words=20,{fault}=7")
    assert text == "".join(words("numbers", 7))
    assert isinstance(error, Unavailable)
    assert error.retryable
    assert len(fake.log(texts=True)) == 1


@pytest.mark.parametrize("prefill", [1, 0])
@pytest.mark.parametrize("style", ["numbers", "sentences"])
async def test_a_text_continued_after_two_cuts_is_the_text_of_one_answer(
    fake: FakeProvider, wire: str, style: str, prefill: int
) -> None:
    writer, text = backend(wire, fake), ""
    for fault in ("cut=20", "error=33", "words=120"):
        turns = ["Write.", *([begun(text)] if text else [])]
        piece, _ = await write_until_error(writer, f"m:words=120,style={style},prefill={prefill},{fault}", *turns)
        text += piece
    # A model that is told to go on begins a paragraph with a space, since it does not know of the empty line.
    assert text.split() == "".join(words(style, 120)).split()


async def test_a_space_at_the_end_of_the_begun_text_is_not_doubled(fake: FakeProvider, wire: str) -> None:
    for prefill in (1, 0):
        events = await write(
            backend(wire, fake), f"m:words=6,prefill={prefill}", "Write.", begun("w000001 w000002\n\n")
        )
        assert text_of(events) == "w000003 w000004 w000005 w000006"


async def test_a_refused_prefill_is_asked_for_once_and_then_no_more(fake: FakeProvider, wire: str) -> None:
    options = {"continuation": "prefill"} if wire == "openai" else {}
    writer = backend(wire, fake, **options)
    for _ in range(2):
        await write(writer, "m:words=6,prefill=0", "Write.", begun("w000001"))
    assert [entry["status"] for entry in fake.log(texts=True)] == [400, 200, 200]


@pytest.mark.parametrize(
    ("wish", "kind", "retry_after"),
    [
        ("status=401", AuthFailed, None),
        ("status=403", AuthFailed, None),
        ("status=402", QuotaExceeded, None),
        ("status=429,retry_after=7", RateLimited, 7.0),
        ("status=429", RateLimited, None),
        ("status=500", Unavailable, None),
        ("status=503", Unavailable, None),
        ("status=529", Unavailable, None),
        ("context=2", ContextTooLong, None),
        ("filter=0", Refused, None),
        ("html=1", Unavailable, None),
    ],
)
async def test_faults_are_named(
    fake: FakeProvider, wire: str, wish: str, kind: type[BackendError], retry_after: float | None
) -> None:
    text, error = await write_until_error(backend(wire, fake), f"m:{wish}", "one two three")
    assert text == ""
    assert type(error) is kind
    assert getattr(error, "retry_after", None) == retry_after
    assert len(fake.log(texts=True)) == 1, "trying again is the host's business"


async def test_a_wrong_key_is_named_and_never_shown(
    fake: FakeProvider, wire: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    writer = backend(wire, fake, key="wrong-key-0123456789")
    with pytest.raises(AuthFailed) as caught:
        await writer.health(control=within())
    _, error = await write_until_error(writer, "m")
    assert isinstance(error, AuthFailed)
    for said in (repr(caught.value), repr(error), repr(vars(error)), repr(writer.config), caplog.text):
        assert "wrong-key" not in said


async def test_an_unknown_model_is_named(fake: FakeProvider, wire: str) -> None:
    _, error = await write_until_error(backend(wire, fake), "missing-model")
    assert isinstance(error, NotFound)


async def test_length_and_filter_end_an_answer(fake: FakeProvider, wire: str) -> None:
    writer = backend(wire, fake)
    assert (await write(writer, "m:words=9,length=4"))[-1] == Finish(reason="length")
    assert (await write(writer, "m:words=9", max_output=4))[-1] == Finish(reason="length")
    cut = await write(writer, "m:words=9,filter=4")
    assert cut[-1] == Finish(reason="filter")
    assert text_of(cut) == "".join(words("numbers", 4))


async def test_stop_texts_end_an_answer(fake: FakeProvider, wire: str) -> None:
    assert text_of(await write(backend(wire, fake), "m:words=9", stop=["w000005"])).strip().endswith("w000004")


async def test_tokens_that_nobody_counted_are_estimated(fake: FakeProvider, wire: str) -> None:
    events = await write(backend(wire, fake), "m:words=100,usage=0", "word " * 40)
    usage = next(event for event in events if isinstance(event, Usage))
    assert usage.estimated
    assert usage.input_tokens == 50
    assert usage.output_tokens == 200


async def test_closing_stops_the_provider(fake: FakeProvider, wire: str) -> None:
    stream = backend(wire, fake).stream(asking("m:words=2000,tps=50"), control=within())
    seen = 0
    async for event in stream:
        seen += isinstance(event, TextDelta)
        if seen == 10:
            break
    await stream.aclose()  # type: ignore[attr-defined]
    entry = (await asyncio.to_thread(fake.wait, lambda entries: bool(entries[-1]["finished"]), seconds=2.0))[-1]
    assert entry["cancelled"]
    assert entry["tokens_sent"] < 30


async def test_a_provider_that_falls_silent_is_given_up(fake: FakeProvider, wire: str) -> None:
    text, error = await write_until_error(backend(wire, fake, silence=1), "m:hang=3")
    assert text == "".join(words("numbers", 3))
    assert isinstance(error, TimedOut)
    await asyncio.to_thread(fake.wait, lambda entries: entries[-1]["cancelled"] or entries[-1]["closed_early"])


async def test_an_answer_that_trickles_on_ends_at_its_deadline(fake: FakeProvider, wire: str) -> None:
    stream = backend(wire, fake).stream(asking("m:words=500,tps=20"), control=within(0.8))
    text, error = await until_error(stream)
    assert isinstance(error, TimedOut)
    assert 5 <= len(text.split()) <= 20


async def test_a_refused_temperature_is_left_out(fake: FakeProvider, wire: str) -> None:
    writer = backend(wire, fake)
    fake.behave("m", words=2, refuse_field="temperature")
    for _ in range(2):
        assert text_of(await write(writer, "m", temperature=0.4))
    bodies = [json.dumps(entry["body"]) for entry in fake.log(texts=True)]
    assert ["temperature" in body for body in bodies] == [True, False, False]


async def test_json_comes_as_the_schema_wants_it(fake: FakeProvider, wire: str) -> None:
    schema = {
        "type": "object",
        "properties": {"title": {"type": "string"}, "tags": {"type": "array", "items": {"type": "string"}}},
        "required": ["title", "tags"],
        "additionalProperties": False,
    }
    events = await write(backend(wire, fake), "m", json_schema=schema)
    assert json.loads(text_of(events)) == {"title": "title", "tags": ["tags 1", "tags 2"]}
    assert events[-1] == Finish(reason="stop")


async def test_models_are_listed_with_what_they_can_do(fake: FakeProvider, wire: str) -> None:
    models = {info.id: info for info in await backend(wire, fake, default_model="mine").models(control=within())}
    assert {"fake-large", "fake-small", "mine"} <= set(models)
    assert "generate" in models["fake-large"].capabilities
    if wire != "anthropic":
        assert models["fake-embed"].capabilities == {"embed"}
    assert models["fake-large"].pricing is None, "the prices of the real provider do not hold for another server"


async def test_an_operators_price_holds_for_all_models(fake: FakeProvider, wire: str) -> None:
    prices = {"price_input": 2.1, "price_output": 8, "price_currency": "eur"}
    models = await backend(wire, fake, **prices).models(control=within())
    pricing = models[0].pricing
    assert pricing is not None
    assert pricing == Pricing(input=Decimal("2.1"), output=Decimal("8"), currency="EUR")


async def test_health_is_measured_and_costs_nothing(fake: FakeProvider, wire: str) -> None:
    health = await backend(wire, fake, key=KEY).health(control=within())
    assert health.status == "ok"
    assert health.data["latency_ms"] > 0
    assert fake.log(texts=True) == []
