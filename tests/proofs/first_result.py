"""From an empty clone to an article with citations from 200 real documents, edited, compared and downloaded in a browser.

The clone is started with `make run` on a PATH without PostgreSQL, Redis, Node or a compiler, with empty package caches.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from playwright.sync_api import Page
from playwright.sync_api import expect as see

from tests.e2e.browser import chromium
from tests.lab.corpus import documents
from tests.lab.portal import ROOT, Portal
from tests.proofs import expect

COLD_SECONDS, WARM_SECONDS, MEMORY_BYTES = 120.0, 15.0, 1e9
ABSENT = ("gcc", "cc", "g++", "clang", "node", "npm", "psql", "postgres", "redis-server", "docker", "cargo")
NEEDED = "bash sh env make git awk grep sed cat test touch mkdir rm ln ls dirname basename uname tr sort head cut id chmod cp mv sleep"


def _bare_path(scratch: Path) -> str:
    """A folder of links to the few programs that a bare machine has."""
    folder = scratch / "bin"
    folder.mkdir()
    for name in NEEDED.split():
        if found := shutil.which(name):
            (folder / name).symlink_to(found)
    base = Path(getattr(sys, "_base_executable", sys.executable))
    for name in ("python3", f"python3.{sys.version_info.minor}"):
        (folder / name).symlink_to(base.resolve())
    for name in ABSENT:
        expect(shutil.which(name, path=str(folder)) is None, f"{name} is on the bare PATH")
    return str(folder)


def _portal(scratch: Path, clone: Path, data: Path) -> Portal:
    environment = {
        "PATH": _bare_path(scratch) if not (scratch / "bin").exists() else str(scratch / "bin"),
        "HOME": str(scratch / "home"),
        "UV_CACHE_DIR": str(scratch / "uv-cache"),
        "PIP_NO_CACHE_DIR": "1",
        "VIRTUAL_ENV": "",
    }
    return Portal(environment, folder=data, command=["make", "run"], checkout=clone, within=300)


def _story(page: Page, portal: Portal, folder: Path) -> dict[str, str]:
    """What a writer does on the first day; returns figures."""
    files = documents()
    page.goto(f"{portal.url}/")
    page.fill("[name=login]", portal.email)
    page.fill("[name=password]", portal.password)
    page.click("main button.btn-primary")
    page.click("nav >> text=Sources")
    begun = time.monotonic()
    for start in range(0, len(files), 60):
        page.set_input_files("#files", files[start : start + 60])
        page.wait_for_timeout(500)
    ready = _wait_for_sources(portal, len(files))
    uploaded = time.monotonic() - begun
    page.click("text=New article")
    page.fill("#id_topic", "How Git stores history, and how to find a commit that introduced a bug with bisect")
    page.click("text=Write the draft")
    page.wait_for_url(re.compile(r"/generations/"))
    see(page.locator("[data-at=finished]")).to_be_visible(timeout=120_000)
    citations = page.locator("#text [data-cite]").count()
    expect(citations >= 5, f"only {citations} citations in the article")
    page.locator("#text [data-cite]").first.click()
    see(page.locator(".passage-card mark").first).to_be_visible()
    page.keyboard.press("Escape")
    page.screenshot(path=str(folder / "article.png"))
    page.click("[data-at=edit]")
    page.wait_for_selector("[data-ready]")
    page.locator(".ProseMirror").click()
    page.keyboard.press("Control+End")
    page.keyboard.type("\nA sentence of my own at the end.")
    see(page.locator(".save-state")).to_have_text("Saved", timeout=20_000)
    page.click("text=Versions")
    see(page.locator(".history-row")).to_have_count(2)
    page.click("button:has-text('Compare')")
    see(page.locator("ins", has_text="sentence of my own").first).to_be_visible()
    page.go_back()
    page.click("text=Back to the text")
    page.wait_for_selector("[data-ready]")
    for label, start in (("Word", b"PK"), ("Markdown", b"# ")):
        page.click("summary:has-text('Export')")
        with page.expect_download() as coming:
            page.click(f".menu-panel >> text={label}")
        expect(Path(coming.value.path()).read_bytes().startswith(start), f"the {label} file is not one")
    page.goto(f"{portal.url}/admin/")
    see(page.locator("body")).to_contain_text("Generations")
    page.goto(f"{portal.url}/admin/content/generation/")
    see(page.locator("#result_list")).to_contain_text("Done")
    page.goto(f"{portal.url}/admin/content/source/")
    see(page.locator(".paginator")).to_contain_text(re.compile(r"\d+ sources"))
    return {"documents": str(ready), "seconds until all were ready": f"{uploaded:.0f}", "citations": str(citations)}


def _wait_for_sources(portal: Portal, count: int) -> int:
    """Wait until every document is ready; returns how many."""
    seen: dict[str, int] = {}
    end = time.monotonic() + 900
    while time.monotonic() < end:
        seen = portal.shell(
            "from django.db.models import Count\nfrom apps.content.models import Source\n"
            "answer = dict(Source.objects.values_list('state').annotate(n=Count('pk')).order_by())"
        )
        print(f"  sources: {seen}", flush=True)
        if sum(seen.values()) >= count and set(seen) <= {"ready", "failed"}:
            expect(seen.get("ready", 0) >= 200, f"fewer than 200 documents are ready: {seen}")
            return seen["ready"]
        time.sleep(5)
    raise AssertionError(f"the sources are not ready: {seen}")


def prove() -> str:
    """Clone, run, write; stop, run again."""
    with tempfile.TemporaryDirectory(prefix="aiwriter-first-") as name:
        scratch = Path(name)
        clone, data = scratch / "clone", scratch / "data"
        data.mkdir()
        (scratch / "home").mkdir()
        subprocess.run(["git", "clone", "-q", str(ROOT), str(clone)], check=True)
        with _portal(scratch, clone, data) as portal:
            cold = portal.seconds_to_healthy
            print(f"  healthy after {cold:.1f} s with empty caches", flush=True)
            expect(cold <= COLD_SECONDS, f"healthy after {cold:.0f} s, the limit is {COLD_SECONDS:.0f} s")
            expect(portal.email and portal.password, "the first-login secret was not shown")
            portal.python = str(clone / ".venv/bin/python")
            email, password = portal.email, portal.password
            with chromium() as browser:
                figures = _story(browser.new_page(), portal, scratch)
            memory = portal.rss_bytes()
            print("  " + ", ".join(f"{part} {size / 1e6:.0f} MB" for part, size in memory.items()), flush=True)
            expect(sum(memory.values()) <= MEMORY_BYTES, f"{sum(memory.values()) / 1e6:.0f} MB of memory: {memory}")
        with _portal(scratch, clone, data) as portal:
            warm = portal.seconds_to_healthy
            expect(warm <= WARM_SECONDS, f"the second start took {warm:.1f} s, the limit is {WARM_SECONDS:.0f} s")
            expect(not portal.password, "the first-login secret was shown twice")
            portal.email, portal.password = email, password
            home = portal.sign_in().get("/documents/")
            expect("Git" in home.text, "the document is not there after the restart")
        if keep := os.environ.get("KEEP"):
            shutil.copy(scratch / "article.png", keep)
    told = ", ".join(f"{value} {key}" for key, value in figures.items())
    return f"cold start {cold:.0f} s, later {warm:.1f} s, {told}, {sum(memory.values()) / 1e6:.0f} MB in all processes"
