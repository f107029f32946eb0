"""The wires over the portal's own guarded client, which is what they get outside of tests."""

from __future__ import annotations

import asyncio
import ipaddress
import logging
from collections.abc import AsyncIterator

import pytest

from aiwriter.core.egress import GuardedClient
from aiwriter_sdk import (
    BackendContext,
    Config,
    Finish,
    ModelBackend,
    RateLimited,
    Secret,
    TextDelta,
    TimedOut,
    Unavailable,
)
from tests.fakes.provider import FakeProvider
from tests.fakes.text import words
from tests.unit.plugins.calling import asking, text_of, until_error, within, write, write_until_error
from tests.unit.plugins.wires import KEY, WIRES, backend

pytestmark = pytest.mark.parametrize("wire", WIRES)
_LOOPBACK = (ipaddress.ip_network("127.0.0.0/8"),)


@pytest.fixture
async def http() -> AsyncIterator[GuardedClient]:
    """A client that may call the loopback address."""
    client = GuardedClient(allowed=_LOOPBACK)
    yield client
    await client.aclose()


def _guarded(wire: str, fake: FakeProvider, http: GuardedClient, **options: object) -> ModelBackend:
    plain = backend(wire, fake, **options)
    context = BackendContext(http=http, logger=logging.getLogger("plugins.test"), data_dir="")
    return type(plain)(Config({**plain.config, "api_key": Secret(KEY)}), context)


async def test_it_writes(fake: FakeProvider, http: GuardedClient, wire: str) -> None:
    events = await write(_guarded(wire, fake, http), "m:words=50,style=unicode,split=1")
    assert text_of(events) == "".join(words("unicode", 50))
    assert events[-1] == Finish(reason="stop")


@pytest.mark.parametrize("fault", ["cut", "eof", "garbage"])
async def test_a_broken_answer_is_named(fake: FakeProvider, http: GuardedClient, wire: str, fault: str) -> None:
    text, error = await write_until_error(_guarded(wire, fake, http), f"m:words=20,{fault}=6")
    assert text == "".join(words("numbers", 6))
    assert isinstance(error, Unavailable)


async def test_slow_down_is_named(fake: FakeProvider, http: GuardedClient, wire: str) -> None:
    _, error = await write_until_error(_guarded(wire, fake, http), "m:status=429,retry_after=4")
    assert isinstance(error, RateLimited)
    assert error.retry_after == 4


async def test_silence_and_deadline_end_a_call(fake: FakeProvider, http: GuardedClient, wire: str) -> None:
    _, error = await write_until_error(_guarded(wire, fake, http, silence=1), "m:hang=3")
    assert isinstance(error, TimedOut)
    stream = _guarded(wire, fake, http).stream(asking("m:silent=1"), control=within(0.4))
    _, error = await until_error(stream)
    assert isinstance(error, TimedOut)


async def test_a_private_address_is_refused_until_it_is_allowed(fake: FakeProvider, wire: str) -> None:
    _, error = await write_until_error(_guarded(wire, fake, GuardedClient(allowed=())), "m")
    assert isinstance(error, Unavailable)
    assert "private address" in error.message
    assert fake.log() == []


async def test_closing_stops_the_provider(fake: FakeProvider, http: GuardedClient, wire: str) -> None:
    stream = _guarded(wire, fake, http).stream(asking("m:words=2000,tps=50"), control=within())
    async for event in stream:
        if isinstance(event, TextDelta):
            break
    await stream.aclose()  # type: ignore[attr-defined]
    entry = (await asyncio.to_thread(fake.wait, lambda entries: bool(entries[-1]["finished"]), seconds=2.0))[-1]
    assert entry["cancelled"]


async def test_the_connection_is_used_again(fake: FakeProvider, http: GuardedClient, wire: str) -> None:
    before = fake.connections()
    writer = _guarded(wire, fake, http)
    for _ in range(5):
        await write(writer, "m:words=5")
    # One more is the question itself, which the fake provider is asked over HTTP.
    assert fake.connections() - before == 2
