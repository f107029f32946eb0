from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Callable

import pytest

from aiwriter.pluginhost import calls
from aiwriter_sdk import BackendError, Finish, GenerateRequest, Start, TextDelta, TimedOut, Unavailable, Usage
from tests.unit.pluginhost.test_calls import REQUEST, Quiet

Build = Callable[..., calls.BuiltBackend]


def playing(*events: object) -> type[Quiet]:
    """A backend whose stream gives these events; a number waits so many seconds, an exception is raised."""

    class Plays(Quiet):
        closed = 0

        async def stream(self, request: GenerateRequest, *, control: object) -> AsyncIterator[object]:
            try:
                for event in events:
                    if isinstance(event, int | float):
                        await asyncio.sleep(event)
                    elif isinstance(event, BaseException):
                        raise event
                    else:
                        yield event
            finally:
                type(self).closed += 1

    return Plays


async def read(backend: calls.BuiltBackend, limits: calls.StreamLimits | None = None) -> list[object]:
    async with contextlib.aclosing(calls.stream(backend, REQUEST, limits)) as events:
        return [event async for event in events]


HELLO = (Start(model="m"), TextDelta(text="Hello"), Usage(input_tokens=1, output_tokens=2), Finish())


async def test_events_come_as_they_are(built: Build) -> None:
    assert await read(built(playing(*HELLO))) == list(HELLO)


async def test_empty_deltas_and_nul_are_dropped(built: Build) -> None:
    events = await read(built(playing(TextDelta(text=""), TextDelta(text="a\x00b"), TextDelta(text="\x00"), Finish())))
    assert events == [TextDelta(text="ab"), Finish()]


@pytest.mark.parametrize(
    ("events", "said"),
    [
        ((Finish(), TextDelta(text="more")), "after Finish"),
        ((Finish(), Finish()), "after Finish"),
        ((TextDelta(text="x"), Start(model="m"), Finish()), "Start came late"),
        ((HELLO[2], HELLO[2], Finish()), "Usage came twice"),
        ((Usage(input_tokens=-1, output_tokens=0), Finish()), "not a count"),
        ((Usage(input_tokens=True, output_tokens=0), Finish()), "not a count"),
        (("Hello", Finish()), "str is not an event"),
        ((None, Finish()), "NoneType is not an event"),
        ((TextDelta(text=b"x"), Finish()), "bytes instead of text"),  # type: ignore[arg-type]
        ((TextDelta(text="\ud800"), Finish()), "half a character"),
        ((Finish(reason="because"),), "unknown reason"),  # type: ignore[arg-type]
    ],
)
async def test_the_grammar_is_enforced(built: Build, events: tuple[object, ...], said: str) -> None:
    with pytest.raises(BackendError, match=said):
        await read(built(playing(*events)))


async def test_text_before_an_error_stays(built: Build) -> None:
    events = calls.stream(built(playing(TextDelta(text="a"), ConnectionError("gone"))), REQUEST)
    assert await anext(events) == TextDelta(text="a")
    with pytest.raises(Unavailable):
        await anext(events)


async def test_a_missing_finish_may_be_tried_elsewhere(built: Build) -> None:
    with pytest.raises(Unavailable, match="broke off") as caught:
        await read(built(playing(TextDelta(text="a"))))
    assert caught.value.retryable


async def test_an_error_after_finish_costs_no_text(built: Build) -> None:
    assert await read(built(playing(TextDelta(text="a"), Finish(), RuntimeError("cleaning up")))) == [
        TextDelta(text="a"),
        Finish(),
    ]


async def test_a_generator_that_dawdles_after_finish_is_not_waited_for(built: Build) -> None:
    started = time.monotonic()
    assert await read(built(playing(TextDelta(text="a"), Finish(), 30))) == [TextDelta(text="a"), Finish()]
    assert time.monotonic() - started < 3


@pytest.mark.parametrize(
    ("events", "limits"),
    [
        ((30, Finish()), calls.StreamLimits(first=0.2)),
        ((TextDelta(text="a"), 30, Finish()), calls.StreamLimits(idle=0.2)),
        ((*[0.05, TextDelta(text="a")] * 100, Finish()), calls.StreamLimits(total=0.3)),
    ],
    ids=["first", "idle", "total"],
)
async def test_time_is_limited(built: Build, events: tuple[object, ...], limits: calls.StreamLimits) -> None:
    backend = playing(*events)
    started = time.monotonic()
    with pytest.raises(TimedOut):
        await read(built(backend), limits)
    assert time.monotonic() - started < 2
    assert backend.closed == 1


async def test_one_timer_watches_a_whole_stream(built: Build, monkeypatch: pytest.MonkeyPatch) -> None:
    loop, made = asyncio.get_running_loop(), list[float]()
    real = loop.call_at
    monkeypatch.setattr(loop, "call_at", lambda when, *rest, **more: made.append(when) or real(when, *rest, **more))
    events = await read(
        built(playing(*[0.0, TextDelta(text="a")] * 100, Finish())), calls.StreamLimits(first=9, idle=8)
    )
    assert len(events) == 101
    assert len(made) <= 3  # the first wait, a shorter one, and the end


async def test_each_wait_has_its_own_patience(built: Build) -> None:
    # The first may take long; those after it together take longer than one may.
    slow = playing(0.5, *[TextDelta(text="a"), 0.2] * 4, Finish())
    assert len(await read(built(slow), calls.StreamLimits(first=30, idle=0.5))) == 5


@pytest.mark.parametrize("limits", [calls.StreamLimits(max_events=500), calls.StreamLimits(max_characters=10_000)])
async def test_a_flood_is_stopped(build: Build, limits: calls.StreamLimits) -> None:
    with pytest.raises(BackendError, match="more than a model can write"):
        await read(build("floods"), limits)


async def test_a_slow_reader_holds_a_flood_back(built: Build) -> None:
    class Counts(Quiet):
        made = 0

        async def stream(self, request: GenerateRequest, *, control: object) -> AsyncIterator[object]:
            while True:
                type(self).made += 1
                yield TextDelta(text="a")

    async with contextlib.aclosing(calls.stream(built(Counts), REQUEST)) as events:
        await anext(events)
        await asyncio.sleep(0.1)
        assert Counts.made < 200


async def test_leaving_early_closes_the_plugin(built: Build) -> None:
    backend = playing(TextDelta(text="a"), 30, Finish())
    started = time.monotonic()
    async with contextlib.aclosing(calls.stream(built(backend), REQUEST)) as events:
        await anext(events)
    assert backend.closed == 1
    assert time.monotonic() - started < 1


async def test_cancelling_the_reader_closes_the_plugin(built: Build) -> None:
    backend = playing(TextDelta(text="a"), 30, Finish())
    task = asyncio.create_task(read(built(backend)))
    await asyncio.sleep(0.05)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert backend.closed == 1


async def test_a_plugin_that_will_not_stop_is_left_behind(build: Build) -> None:
    started = time.monotonic()
    async with contextlib.aclosing(calls.stream(build("hangs_in_call"), REQUEST)) as events:
        await anext(events)
    assert time.monotonic() - started < 2.5
    for task in asyncio.all_tasks() - {asyncio.current_task()}:
        while not task.done():  # it swallows one cancellation a second
            task.cancel()
            await asyncio.sleep(0)


async def test_ten_thousand_events_are_cheap(built: Build) -> None:
    backend = built(playing(*[TextDelta(text="word ")] * 10_000, Finish()))
    started = time.perf_counter()
    assert len(await read(backend)) == 10_001
    assert time.perf_counter() - started < 2
