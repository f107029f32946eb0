"""Patience: one timer for many waits, and a word when one of them lasts too long."""

from __future__ import annotations

import asyncio

import pytest

from aiwriter.core.patience import Patience


@pytest.fixture
async def ended() -> list[float]:
    return []


@pytest.fixture
async def patience(ended: list[float]) -> Patience:
    """Notes when it ends, in seconds of the loop's clock."""
    loop = asyncio.get_running_loop()
    return Patience(lambda: ended.append(loop.time()))


async def test_the_last_wait_counts(patience: Patience, ended: list[float]):
    loop = asyncio.get_running_loop()
    for _ in range(5):
        patience.wait(0.1)
        await asyncio.sleep(0.03)
        patience.over()
    begun = loop.time()
    patience.wait(0.1)
    await asyncio.sleep(0.3)
    assert len(ended) == 1
    assert ended[0] - begun >= 0.1


async def test_a_shorter_wait_does_not_wait_for_the_longer(patience: Patience, ended: list[float]):
    patience.wait(60)
    patience.over()
    patience.wait(0.02)
    await asyncio.sleep(0.2)
    assert len(ended) == 1


@pytest.mark.parametrize("end", ["over", "close"])
async def test_what_is_over_is_not_reported(patience: Patience, ended: list[float], end: str):
    patience.wait(0.02)
    getattr(patience, end)()
    await asyncio.sleep(0.1)
    assert not ended
    patience.wait(0.02)
    await asyncio.sleep(0.1)
    assert len(ended) == 1


async def test_a_thousand_waits_make_one_timer(patience: Patience, monkeypatch: pytest.MonkeyPatch):
    made: list[float] = []
    loop = asyncio.get_running_loop()
    call_at = loop.call_at
    monkeypatch.setattr(loop, "call_at", lambda when, *rest: made.append(when) or call_at(when, *rest))
    for _ in range(1000):
        patience.wait(30)
        patience.over()
    patience.close()
    assert len(made) == 1
