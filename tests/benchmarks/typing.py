"""From a key to the next frame in the editor: a document of 100,000 words, while a rewrite streams beside it."""

from __future__ import annotations

import statistics
from typing import Any

from playwright.sync_api import Page

from tests.benchmarks import Row
from tests.e2e.browser import Visitor, chromium
from tests.e2e.stage import set_stage
from tests.fakes.provider import FakeProvider
from tests.lab.models import connect_models
from tests.lab.portal import Portal

LONG, SHORT = 100_000, 1_000
KEYS = 80
# "Good" on https://web.dev/articles/inp is up to 200 ms at the 75th percentile.
GOOD_MS = 200
# From the key to the end of the task after the next frame: the frame is drawn by then.
_WATCH = """
window.keysToFrames = [];
addEventListener("keydown", () => {
  const begun = performance.now();
  requestAnimationFrame(() => {
    const channel = new MessageChannel();
    channel.port1.onmessage = () => window.keysToFrames.push(performance.now() - begun);
    channel.port2.postMessage(0);
  });
}, true);
"""


def measure() -> list[Row]:
    """Type into a short document, into the long one, and into the long one while a model writes."""
    with FakeProvider(process=True, words=5_000, tps=60) as fake, Portal() as portal, chromium() as browser:
        connect_models(
            portal, [{"name": "Paced", "base_url": fake.openai_url, "model": "fake-large"}], purposes=("write", "edit")
        )
        cast = set_stage(portal, sources=False)
        ids = portal.shell(_documents(cast.writer))
        visitor = Visitor(browser, portal.url)
        visitor.context.add_init_script(_WATCH)
        visitor.sign_in(cast.writer, cast.password)
        short = _typed(visitor.page, f"{portal.url}/documents/{ids[0]}/")
        long = _typed(visitor.page, f"{portal.url}/documents/{ids[1]}/")
        streaming = _typed(visitor.page, f"{portal.url}/documents/{ids[1]}/", stream=True)
        running = (
            "from apps.content.models import Generation\nanswer = Generation.objects.filter(state='running').count()"
        )
        if portal.shell(running) != 1:
            raise RuntimeError("no stream ran while the keys were pressed")
    return [
        Row(f"key to frame, {LONG:,} words, p75", _p75(long), GOOD_MS, "ms", "limit (good INP)", 1.0),
        Row(f"key to frame, {LONG:,} words while a model writes, p75", _p75(streaming), GOOD_MS, "ms", "limit", 1.0),
        Row(
            f"key to frame, {LONG:,} words while a model writes, p75", _p75(streaming), _p75(long), "ms", "no stream", 2
        ),
        Row(f"key to frame, {LONG:,} words, p75", _p75(long), _p75(short), "ms", f"{SHORT:,} words"),
    ]


def _documents(email: str) -> str:
    return f"""
from apps.content.services import documents
from apps.users.models import User, Workspace
from apps.users.selectors.access import Actor
wanda, room = Actor.for_user(User.objects.get(email={email!r})), Workspace.objects.get(slug="field-notes")
def text(words):
    paragraph = "The water came slowly at first, and nobody who stood there believed that it would reach the wall. " * 5
    return "\\n\\n".join(f"## Part {{n}}\\n\\n{{paragraph.strip()}}" if n % 10 == 0 else paragraph.strip() for n in range(words // 90))
answer = [str(documents.create_document(actor=wanda, workspace=room, title=f"{{n}} words", body_markdown=text(n)).pk) for n in ({SHORT}, {LONG})]
"""


def _typed(page: Page, url: str, *, stream: bool = False) -> list[float]:
    page.goto(url)
    page.wait_for_selector("[data-ready]", timeout=120_000)
    paragraphs = page.locator(".ProseMirror > p")
    if stream:
        paragraphs.nth(2).click(click_count=3)
        page.keyboard.press("Control+j")
        page.click("[data-action=shorten]")
        page.wait_for_timeout(1_500)
    paragraphs.first.click()
    page.keyboard.press("End")
    page.keyboard.type("warm ", delay=60)
    page.evaluate("() => { window.keysToFrames.length = 0; }")
    page.keyboard.type(("typed words " * KEYS)[:KEYS], delay=60)
    page.wait_for_timeout(1_000)
    found: Any = page.evaluate("() => window.keysToFrames")
    if len(found) < KEYS // 2:
        raise RuntimeError(f"only {len(found)} of {KEYS} keys reached the editor")
    return [float(each) for each in found]


def _p75(values: list[float]) -> float:
    return statistics.quantiles(values, n=4)[2]
