"""A stream outlives its tab, the web process and the worker: the text is complete and billed once.

Three drafts are started in a real browser and read there. Of the first the tab is closed, of the second the web process is
killed, of the third the worker; then each is looked at again. TIMES=n repeats it.
"""

from __future__ import annotations

import os
import re
import time

from playwright.sync_api import Page

from tests.e2e.browser import Visitor, chromium
from tests.e2e.stage import set_stage
from tests.fakes.provider import FakeProvider
from tests.fakes.text import words
from tests.lab.models import connect_models
from tests.lab.portal import Portal
from tests.proofs import expect

WORDS, TOKENS_A_SECOND = 400, 40.0
GIVE_UP_SECONDS = 120


def prove() -> str:
    """Write, interrupt, look again."""
    times = int(os.environ.get("TIMES", "1"))
    expected = "".join(words("numbers", WORDS)).split()
    reconnected = 0.0
    with (
        FakeProvider(process=True, words=WORDS, tps=TOKENS_A_SECOND) as fake,
        Portal() as portal,
        chromium() as browser,
    ):
        connect_models(portal, [{"name": "Paced", "base_url": fake.openai_url, "model": "fake-large"}])
        cast = set_stage(portal, sources=False)
        visitor = Visitor(browser, portal.url)
        visitor.sign_in(cast.writer, cast.password)
        generations = []
        for number in range(times):
            for what in ("tab", "web", "worker"):
                page = visitor.context.new_page()
                generations.append(_start(page, portal.url, f"Survives {what} {number}"))
                seen = _until(page, 40)
                if what == "tab":
                    page.close()
                    time.sleep(2)
                    page = visitor.context.new_page()
                    page.goto(f"{portal.url}/generations/{generations[-1]}/")
                else:
                    portal.kill(what)
                    begun = time.monotonic()
                    _until(page, seen + 20)
                    reconnected = max(reconnected, time.monotonic() - begun)
                page.wait_for_selector("[data-at=finished]", timeout=GIVE_UP_SECONDS * 1000)
                shown = _written(page)
                expect(shown == expected, f"{what}: the page shows {len(shown)} words, {len(expected)} were written")
                page.reload()
                expect(_written(page) == expected, f"{what}: another text after a reload")
                page.close()
                print(f"  {what}: {len(shown)} words, complete", flush=True)
        billed = portal.shell(
            f"""
from apps.backends.models import ModelCall
from apps.content.models import Generation
from apps.monitoring.models import UsageRow
answer = {{str(g.pk): {{"state": g.state, "words": len(g.output_markdown.split()), "calls": [
    {{"state": c.state, "chars": c.output_chars, "usage": UsageRow.objects.filter(subject=f'call:{{c.pk}}').count()}}
    for c in ModelCall.objects.filter(subject=f"generation:{{g.pk}}")]}} for g in Generation.objects.filter(pk__in={generations!r})}}
"""
        )
    characters = len("".join(words("numbers", WORDS)))
    attempts = 0
    for name, row in billed.items():
        expect(row["state"] == "succeeded" and row["words"] == WORDS, f"{name}: {row}")
        expect(sum(call["chars"] for call in row["calls"]) == characters, f"{name} was billed for another text: {row}")
        expect(all(call["usage"] == 1 and call["state"] != "running" for call in row["calls"]), f"{name}: {row}")
        attempts += len(row["calls"])
    return (
        f"{len(billed)} drafts of {WORDS} words complete in the browser and in the database after a closed tab, a killed web "
        f"process and a killed worker; {attempts} attempts, each settled once; text goes on after at most {reconnected:.1f} s"
    )


def _start(page: Page, url: str, topic: str) -> str:
    page.goto(f"{url}/write/")
    page.fill("#id_topic", topic)
    page.click("text=No sources")
    page.click("text=Write the draft")
    page.wait_for_url(re.compile(r"/generations/"))
    return page.url.rstrip("/").rpartition("/")[2]


def _written(page: Page) -> list[str]:
    return page.locator("#text").inner_text().split()


def _until(page: Page, count: int) -> int:
    end = time.monotonic() + GIVE_UP_SECONDS
    while (length := len(_written(page))) < count:
        expect(time.monotonic() < end, f"only {length} words came within {GIVE_UP_SECONDS} s")
        page.wait_for_timeout(100)
    return length
