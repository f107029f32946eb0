"""Work in another loop: in order, whole, stopped when its reader leaves."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import AsyncGenerator
from contextlib import aclosing

import pytest

from aiwriter.core.lanes import Lane

lane = Lane("tests")


async def _numbers(count: int) -> AsyncGenerator[int, None]:
    for number in range(count):
        if number % 7 == 0:
            await asyncio.sleep(0)
        yield number


async def test_everything_comes_in_order():
    got = [number for batch in [b async for b in lane.stream(lambda: _numbers(500))] for number in batch]
    assert got == list(range(500))


async def test_an_error_comes_after_what_was_given():
    async def broken() -> AsyncGenerator[int, None]:
        yield 1
        raise KeyError("gone")

    batches = lane.stream(broken)
    assert await anext(batches) == [1]
    with pytest.raises(KeyError):
        await anext(batches)


async def test_leaving_ends_the_work_before_it_returns():
    ended: list[str] = []

    async def endless() -> AsyncGenerator[int, None]:
        try:
            while True:
                yield 1
                await asyncio.sleep(0.001)
        finally:
            await asyncio.sleep(0.05)
            ended.append("settled")

    async with aclosing(lane.stream(endless)) as batches:
        async for _ in batches:
            break
    assert ended == ["settled"]


async def test_cancelling_before_the_first_step_ends_it_too():
    async def waits() -> AsyncGenerator[int, None]:
        await asyncio.sleep(60)
        yield 1

    async def read() -> None:
        async with aclosing(lane.stream(waits)) as batches:
            async for _ in batches:
                pass

    task = asyncio.create_task(read())
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asyncio.wait_for(asyncio.shield(task), 5)


async def test_what_blocks_there_does_not_block_here():
    async def blocks() -> AsyncGenerator[str, None]:
        yield threading.current_thread().name
        time.sleep(0.5)
        yield "end"

    ticks = 0

    async def tick() -> None:
        nonlocal ticks
        while True:
            await asyncio.sleep(0.01)
            ticks += 1

    ticking = asyncio.create_task(tick())
    got = [item async for batch in lane.stream(blocks) for item in batch]
    ticking.cancel()
    assert got == ["tests", "end"]
    assert ticks > 5


async def test_a_coroutine_gives_its_result():
    async def name() -> str:
        return threading.current_thread().name

    assert await lane.run(name) == "tests"
