"""A text that comes slowly: watched, stopped, interrupted, continued by another model; and rewriting a selection."""

from __future__ import annotations

import http.client
import re
import time
from collections.abc import Callable, Iterator

import pytest
from playwright.sync_api import Page, expect

from tests.e2e.browser import Visitor
from tests.e2e.stage import Cast
from tests.fakes.provider import FakeProvider
from tests.fakes.text import words
from tests.lab.models import connect_models, disconnect_models
from tests.lab.portal import Portal

pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.timeout(300)]
Visit = Callable[..., Visitor]
WORDS = 240


@pytest.fixture(scope="module")
def models(running: Portal) -> Iterator[tuple[FakeProvider, FakeProvider]]:
    """Two providers on the routes, one to take over from the other."""
    with (
        FakeProvider(process=True, words=WORDS, tps=60) as first,
        FakeProvider(process=True, words=WORDS, tps=60) as second,
    ):
        connect_models(
            running,
            [
                {"name": "Team model", "base_url": first.openai_url, "model": "fake-large"},
                {"name": "Spare model", "base_url": second.openai_url, "model": "fake-small"},
            ],
            purposes=("write", "edit"),
        )
        yield first, second
        disconnect_models(running, purposes=("write", "edit"))


def start(page: Page, topic: str) -> None:
    page.goto(page.url.split("/", 3)[0] + "//" + page.url.split("/")[2] + "/write/")
    page.fill("#id_topic", topic)
    page.click("text=No sources")
    page.click("text=Write the draft")
    page.wait_for_url(re.compile(r"/generations/"))


def written(page: Page) -> list[str]:
    return page.locator("#text").inner_text().split()


def until(page: Page, count: int) -> list[str]:
    # Asked from here: the security policy lets no string be evaluated inside the page again and again.
    end = time.monotonic() + 30
    while len(text := written(page)) < count:
        assert time.monotonic() < end, f"only {len(text)} words came"
        page.wait_for_timeout(100)
    return text


def test_a_stream_is_watched_reloaded_and_cut_off(visit: Visit, cast: Cast, models: object) -> None:
    visitor = visit(cast.writer)
    page = visitor.page
    start(page, "A text that survives")
    early = until(page, 20)
    assert page.locator("#live").inner_text() == "Generating"
    page.reload()
    assert len(until(page, len(early))) >= len(early)
    visitor.context.set_offline(True)
    page.wait_for_timeout(1200)
    visitor.context.set_offline(False)
    expect(page.locator("[data-at=finished]")).to_be_visible(timeout=60_000)
    # The cut is reported by the browser itself.
    visitor.complaints = [text for text in visitor.complaints if "ERR_INTERNET_DISCONNECTED" not in text]
    assert written(page) == "".join(words("numbers", WORDS)).split()
    assert page.locator("#live").inner_text() == "Done"


def test_stop_keeps_what_is_written(visit: Visit, cast: Cast, models: object) -> None:
    page = visit(cast.writer).page
    start(page, "A text that is stopped")
    until(page, 15)
    page.click("[data-at=stop]")
    expect(page.locator("[data-at=state]")).to_have_text("Stopped", timeout=15_000)
    kept = written(page)
    assert 15 <= len(kept) < WORDS
    page.reload()
    assert written(page) == kept
    page.locator("text=Keep as a document").or_(page.locator("[data-at=edit]")).first.click()
    page.wait_for_selector("[data-ready]")
    assert kept[-1] in page.locator(".ProseMirror").inner_text()


def test_the_writer_is_told_who_goes_on(visit: Visit, cast: Cast, models: tuple[FakeProvider, FakeProvider]) -> None:
    models[0].behave("fake-large", cut=40, words=WORDS, tps=120)
    page = visit(cast.writer).page
    start(page, "A text of two models")
    expect(page.locator("[data-at=finished]")).to_be_visible(timeout=60_000)
    steps = page.locator(".step")
    expect(steps).to_have_count(3)
    assert "goes on" in steps.nth(1).inner_text()
    assert "Spare model" in steps.nth(2).inner_text() or "fake-small" in steps.nth(2).inner_text()
    assert written(page) == "".join(words("numbers", WORDS)).split()
    models[0].behave("fake-large", words=WORDS, tps=60)


def test_a_rewrite_is_a_suggestion_until_it_is_accepted(
    visit: Visit, cast: Cast, models: tuple[FakeProvider, FakeProvider]
) -> None:
    for model in models:
        model.behave("*", words=12, tps=100)
    page = visit(cast.writer).go(f"/documents/{cast.document}/")
    page.wait_for_selector("[data-ready]")
    paragraph = page.locator(".ProseMirror > p").first
    before = paragraph.inner_text()
    paragraph.click(click_count=3)
    page.keyboard.press("Control+j")
    page.click("[data-action=shorten]")
    change = page.locator(".change")
    expect(change).to_have_count(1, timeout=30_000)
    expect(page.locator(".change-ins")).to_contain_text("w000012")
    assert page.locator(".suggestion").is_hidden()
    change.locator("[data-choose=accept]").click()
    expect(paragraph).to_contain_text("w000012")
    expect(page.locator(".change-ins")).to_have_count(0)
    expect(page.locator(".save-state")).to_have_text("Saved", timeout=15_000)
    page.keyboard.press("Control+z")
    expect(paragraph).to_have_text(before)
    expect(page.locator(".save-state")).to_have_text("Saved", timeout=15_000)
    # Turning it down changes nothing.
    paragraph.click(click_count=3)
    page.keyboard.press("Control+j")
    page.click("[data-action=simplify]")
    expect(change).to_have_count(1, timeout=30_000)
    change.locator("[data-choose=reject]").click()
    expect(change).to_have_count(0)
    expect(paragraph).to_have_text(before)


def test_an_idle_connection_outlives_the_patience_of_its_client(running: Portal) -> None:
    # httpx, and with it the openai package, sends on a connection that has been idle for up to 5 s.
    connection = http.client.HTTPConnection("127.0.0.1", running.port, timeout=20)
    for pause in (0, 6):
        time.sleep(pause)
        connection.request("GET", "/livez")
        answer = connection.getresponse()
        assert answer.status == 200
        answer.read()
        assert connection.sock is not None, "the portal has closed it"
    connection.close()
