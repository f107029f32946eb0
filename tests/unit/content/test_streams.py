"""Event streams: whole, resumable, private, and lean."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from typing import Any

import pytest
from asgiref.sync import sync_to_async
from django.conf import settings
from django.db import transaction
from django.test import Client

from aiwriter.core import draining
from apps.content.api import pump as pumps
from apps.content.api.streams import EVENTS_PATH, stream_events
from apps.content.models import Generation, GenerationEvent
from apps.content.services import events, tickets
from tests.factories.content import GenerationFactory, wait_for
from tests.factories.users import make_token
from tests.people import People

pytestmark = pytest.mark.usefixtures("transactional_db")
SOME_ID = "0199aaaa-bbbb-7ccc-8ddd-eeeeffff0000"


@pytest.fixture(autouse=True)
def no_pump_is_left(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Lets the pump's connections go with the test."""
    monkeypatch.setattr(pumps, "IDLE", 0.05)
    yield
    wait_for(lambda: pumps.pump._thread is None)


class Browser:
    """An ASGI client of one stream."""

    def __init__(self, generation_id: Any, *, ticket: str = "", headers: dict[str, str] | None = None, query: str = ""):
        self.status = 0
        self.headers: dict[bytes, bytes] = {}
        self.body = b""
        self.closed = False
        self.changed = asyncio.Event()
        self.gone = asyncio.Event()
        self.reading = asyncio.Event()
        self.reading.set()
        text = f"ticket={ticket}&{query}" if ticket else query
        scope = {
            "type": "http",
            "method": "GET",
            "path": f"/api/v1/generations/{generation_id}/events",
            "query_string": text.encode(),
            "headers": [(k.lower().encode(), v.encode()) for k, v in (headers or {}).items()],
            "client": ("127.0.0.1", 5000),
        }
        self.task = asyncio.create_task(
            stream_events(scope, self._receive, self._send, generation_id=str(generation_id))
        )

    async def _receive(self) -> dict[str, Any]:
        await self.gone.wait()
        return {"type": "http.disconnect"}

    async def _send(self, message: dict[str, Any]) -> None:
        await self.reading.wait()
        if message["type"] == "http.response.start":
            self.status, self.headers = message["status"], dict(message["headers"])
        else:
            self.body += message["body"]
            self.closed = not message.get("more_body", False)
        self.changed.set()

    @property
    def events(self) -> list[tuple[int, str, dict[str, Any]]]:
        found = []
        for block in self.body.decode().split("\n\n"):
            fields = dict(line.split(": ", 1) for line in block.splitlines() if ": " in line and line[0] != ":")
            if "id" in fields:
                found.append((int(fields["id"]), fields["event"], json.loads(fields["data"])))
        return found

    @property
    def text(self) -> str:
        return "".join(data["text"] for _, kind, data in self.events if kind == "delta")

    async def until(self, condition: Any, seconds: float = 5.0) -> None:
        async with asyncio.timeout(seconds):
            while not condition(self):
                self.changed.clear()
                await self.changed.wait()

    async def leave(self) -> None:
        self.gone.set()
        await asyncio.wait_for(self.task, 5)


def ticket_for(generation: Generation) -> str:
    return tickets.stream_url(user_id=None, generation_id=generation.pk).partition("ticket=")[2]


@sync_to_async
def made(**more: Any) -> Generation:
    return GenerationFactory(**more)


@sync_to_async
def write(generation: Generation, *happened: tuple[str, dict[str, Any]]) -> None:
    with transaction.atomic():
        events.append(generation.pk, happened)


@sync_to_async
def end(generation: Generation, text: str = "", state: str = "succeeded") -> None:
    with transaction.atomic():
        Generation.objects.filter(pk=generation.pk).update(state=state, output_markdown=text)
        events.append(generation.pk, [("done", {"state": state})])


def piece(text: str) -> tuple[str, dict[str, Any]]:
    return "delta", {"text": text}


async def test_what_is_there_then_what_comes_then_the_end():
    generation = await made()
    await write(generation, piece("one "))
    browser = Browser(generation.pk, ticket=ticket_for(generation))
    await browser.until(lambda b: b.text == "one ")
    await write(generation, piece("two "), piece("é 漢 🦊 \n line"))
    await browser.until(lambda b: b.text == "one two é 漢 🦊 \n line")
    await end(generation)
    await browser.until(lambda b: b.closed)
    await browser.task
    assert browser.status == 200
    assert [seq for seq, _, _ in browser.events] == [1, 2, 3, 4, 5]
    assert browser.events[-1][1] == "done"
    assert browser.body.startswith(b"retry: ")
    assert browser.headers[b"content-type"].startswith(b"text/event-stream")
    assert browser.headers[b"x-accel-buffering"] == b"no"
    assert browser.headers[b"cache-control"] == b"no-store"
    assert b"x-request-id" in browser.headers


async def test_a_process_that_ends_closes_the_stream_as_a_whole_answer(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(draining, "_over", False)
    generation = await made()
    await write(generation, piece("one "))
    browser = Browser(generation.pk, ticket=ticket_for(generation))
    await browser.until(lambda b: b.text == "one ")
    draining._end()
    await browser.until(lambda b: b.closed)
    await browser.task
    # What the next process gives begins behind the last number that was seen.
    monkeypatch.setattr(draining, "_over", False)
    await write(generation, piece("two "))
    second = Browser(
        generation.pk, ticket=ticket_for(generation), headers={"Last-Event-ID": str(browser.events[-1][0])}
    )
    await second.until(lambda b: b.text == "two ")
    await second.leave()


@pytest.mark.parametrize("how", ["header", "query"])
async def test_resuming_gives_each_event_once(how: str):
    generation = await made()
    await write(generation, piece("one "), piece("two "))
    first = Browser(generation.pk, ticket=ticket_for(generation))
    await first.until(lambda b: b.text == "one two ")
    await first.leave()
    last = first.events[-1][0]
    await write(generation, piece("three "))
    more: dict[str, Any] = {"headers": {"Last-Event-ID": str(last)}} if how == "header" else {"query": f"after={last}"}
    second = Browser(generation.pk, ticket=ticket_for(generation), **more)
    await second.until(lambda b: "three " in b.text)
    await write(generation, piece("four"))
    await end(generation)
    await second.until(lambda b: b.closed)
    seqs = [seq for seq, _, _ in first.events + second.events]
    assert seqs == list(range(1, len(seqs) + 1))
    assert first.text + second.text == "one two three four"


async def test_many_browsers_of_many_generations():
    generations = [await made() for _ in range(5)]
    browsers = [Browser(g.pk, ticket=ticket_for(g)) for g in generations for _ in range(10)]
    for number in range(5):
        for generation in generations:
            await write(generation, piece(f"{generation.pk}-{number} "))
        await asyncio.sleep(0.02)
    for generation in generations:
        await end(generation)
    for browser in browsers:
        await browser.until(lambda b: b.closed)
    for position, browser in enumerate(browsers):
        key = generations[position // 10].pk
        assert browser.text == "".join(f"{key}-{n} " for n in range(5))


async def test_a_slow_reader_is_dropped_and_can_come_back(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(pumps, "MAX_WAITING", 10_000)
    generation = await made()
    slow = Browser(generation.pk, ticket=ticket_for(generation))
    await slow.until(lambda b: b.events)
    slow.reading.clear()
    for _ in range(6):
        await write(generation, piece("x" * 4_000))
        await asyncio.sleep(0.1)
    slow.reading.set()
    await slow.until(lambda b: b.closed)
    assert len(slow.text) < 24_000
    await end(generation)
    rest = Browser(generation.pk, ticket=ticket_for(generation), headers={"Last-Event-ID": str(slow.events[-1][0])})
    monkeypatch.setattr(pumps, "MAX_WAITING", 1_000_000)
    await rest.until(lambda b: b.closed)
    assert slow.text + rest.text == "x" * 24_000


async def test_leaving_is_not_stopping():
    generation = await made()
    browser = Browser(generation.pk, ticket=ticket_for(generation))
    await browser.until(lambda b: b.events)
    await browser.leave()
    await sync_to_async(generation.refresh_from_db)()
    assert (generation.state, generation.stop_requested_at) == ("queued", None)


async def test_a_quiet_stream_is_kept_alive(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(pumps, "HEARTBEAT", 0.5)
    generation = await made()
    browser = Browser(generation.pk, ticket=ticket_for(generation))
    await browser.until(lambda b: b.body.count(b"\n: ") >= 1 or b.body.count(b": still here") >= 1)
    await browser.leave()


async def test_after_the_events_were_tidied_away_the_whole_text_comes():
    generation = await made()
    await end(generation, "All of it.")
    await sync_to_async(GenerationEvent.objects.filter(generation=generation).delete)()
    browser = Browser(generation.pk, ticket=ticket_for(generation))
    await browser.until(lambda b: b.closed)
    assert [(kind, data.get("text")) for _, kind, data in browser.events] == [("text", "All of it."), ("done", None)]


def error_of(browser: Browser) -> dict[str, Any]:
    return json.loads(browser.body)["error"]


async def test_who_may_listen():
    people = People()
    generation = await made(actor=await sync_to_async(people.actor)("wanda"), workspace=people.press)
    nobody = Browser(generation.pk)
    await nobody.until(lambda b: b.closed)
    assert (nobody.status, error_of(nobody)["code"]) == (401, "not_authenticated")
    for name, status in (("wanda", 200), ("eddie", 200), ("eve", 404)):
        _, token = await sync_to_async(lambda who: make_token(people.named(who), "content.read"))(name)
        browser = Browser(generation.pk, headers={"Authorization": f"Bearer {token}"})
        await browser.until(lambda b: b.status)
        assert browser.status == status, name
        await browser.leave()
    wrong = Browser(generation.pk, headers={"Authorization": "Bearer aiw_wrong_wrong"})
    await wrong.until(lambda b: b.closed)
    assert wrong.status == 401


async def test_a_browser_reconnects_with_its_session():
    people = People()
    generation = await made(actor=await sync_to_async(people.actor)("wanda"), workspace=people.press)
    for name, status in (("wanda", 200), ("eve", 404)):
        client = Client()
        await sync_to_async(lambda who, browser: browser.force_login(people.named(who)))(name, client)
        cookie = f"{settings.SESSION_COOKIE_NAME}={client.cookies[settings.SESSION_COOKIE_NAME].value}"
        browser = Browser(generation.pk, ticket="expired", headers={"Cookie": cookie})
        await browser.until(lambda b: b.status)
        assert browser.status == status, name
        await browser.leave()


async def test_a_ticket_opens_one_stream_for_a_minute(monkeypatch: pytest.MonkeyPatch):
    mine, other = await made(), await made()
    ticket = ticket_for(mine)
    elsewhere = Browser(other.pk, ticket=ticket)
    await elsewhere.until(lambda b: b.closed)
    assert elsewhere.status == 401
    monkeypatch.setattr(tickets, "SECONDS", -1)
    late = Browser(mine.pk, ticket=ticket_for(mine))
    await late.until(lambda b: b.closed)
    assert late.status == 401


async def test_numbers_that_are_none():
    generation = await made()
    browser = Browser(generation.pk, ticket=ticket_for(generation), query="after=x")
    await browser.until(lambda b: b.closed)
    assert (browser.status, error_of(browser)["details"][0]["field"]) == (400, "after")


@pytest.mark.parametrize(
    ("path", "matches"),
    [
        (f"/api/v1/generations/{SOME_ID}/events", True),
        (f"/api/v1/generations/{SOME_ID}/events/", False),
        ("/api/v1/generations/x/events", False),
        (f"/api/v1/generations/{SOME_ID}", False),
    ],
)
def test_addresses(path: str, matches: bool):
    assert bool(EVENTS_PATH.fullmatch(path)) is matches
