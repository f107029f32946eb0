"""Each path of a writer in a real Chromium, from the brief to the published text, and through what goes wrong on the way.

Here: plan, outline, sections, review, approval, publishing to a site with WordPress's REST shape, an edit that leaves the
published text alone, publishing again in place, Word and PDF; a rewrite of which two changes are accepted and one is turned
down; the approval on a telephone. Then the browser tests of two people, of cut and reloaded streams, of the keyboard alone
and of every page at 390 pixels.
"""

from __future__ import annotations

import re
import subprocess
import sys
import zipfile
from pathlib import Path

from playwright.sync_api import Page
from playwright.sync_api import expect as shown

from tests.e2e.browser import NARROW, Visitor, chromium
from tests.e2e.stage import Cast, set_stage, wait_for_sources
from tests.fakes.wordpress import PASSWORD, USER, FakeWordPress
from tests.lab.portal import ROOT, Portal
from tests.proofs import expect

_REST = (
    "tests/e2e/test_story.py",
    "tests/e2e/test_streaming.py",
    "tests/e2e/test_quality.py::test_keyboard_alone",
    "tests/e2e/test_quality.py::test_pages_of_the_portal",
)
_PLACE = """
from apps.backends.services.profiles import Secrets, create_profile, enable_profile, test_profile
from apps.users.selectors.access import Actor
actor = Actor.system_actor("proof")
made = create_profile(actor=actor, kind="publish", plugin_key="wordpress", name="Blog", options={{"base_url": {url!r}, "username": {user!r}}},
    secrets=Secrets(typed={{"application_password": {password!r}}}))
test_profile(actor=actor, profile_id=made.pk)
enable_profile(actor=actor, profile_id=made.pk)
answer = str(made.pk)
"""
_WORDY = "We utilise the pump in order to move the water. A large number of valves are opened at this point in time."


def prove() -> str:
    """Walk every path."""
    with FakeWordPress() as blog, Portal() as portal, chromium() as browser:
        cast = set_stage(portal)
        wait_for_sources(portal)
        portal.shell(_PLACE.format(url=blog.url, user=USER, password=PASSWORD))
        wanda, eddie = Visitor(browser, portal.url), Visitor(browser, portal.url, size=NARROW, dark=True)
        wanda.sign_in(cast.writer, cast.password)
        eddie.sign_in(cast.editor, cast.password)
        document = _write(wanda.page, portal.url)
        print("  planned, ordered and written section by section", flush=True)
        _hand_in(wanda.page, portal.url, document)
        _approve(eddie.page, portal.url, document)
        print("  reviewed and approved on a telephone", flush=True)
        number = _publish(eddie.page, portal.url, document, blog)
        _edit_and_publish_again(wanda.page, eddie.page, portal.url, document, blog, number)
        print("  published, edited without changing it, published again in place", flush=True)
        sizes = _take_out(wanda.page, portal.url, document)
        _decide_changes(wanda.page, portal, cast)
        print("  two changes accepted, one turned down, one step to undo", flush=True)
        complaints = [*wanda.complaints, *eddie.complaints]
        expect(not complaints, f"the browser complained: {complaints[:5]}")
    passed = _rest()
    return (
        f"brief to published text in place ({len(blog.live)} post), Word {sizes[0]:,} and PDF {sizes[1]:,} bytes, "
        f"changes decided one by one, and {passed} more browser tests"
    )


def _write(page: Page, url: str) -> str:
    page.goto(f"{url}/write/long")
    page.fill("#id_topic", "How TCP recovers lost segments and probes a closed window")
    page.fill("#id_length", "1200")
    page.click("main button[type=submit], main form .btn-primary")
    page.wait_for_url(re.compile(r"/documents/[0-9a-f-]+/outline"))
    document = page.url.split("/documents/")[1].split("/")[0]
    page.locator("#outline-form").wait_for(timeout=90_000)
    headings = page.locator("[data-row] input[id^=heading-]")
    count = headings.count() - 1
    expect(count >= 3, f"the outline has {count} sections")
    headings.nth(0).fill("What this text is about")
    second = headings.nth(1).input_value()
    page.locator("[data-move='1']").nth(1).click()
    page.click("button[name=then][value=write]")
    page.wait_for_selector(f"#outline-state progress[value='{count}']", timeout=240_000)
    page.wait_for_selector("#outline-state [data-busy='0']", timeout=60_000)
    page.goto(f"{url}/documents/{document}/")
    page.wait_for_selector("[data-ready]")
    text = page.locator(".ProseMirror").inner_text()
    found = [text.find(heading) for heading in ("What this text is about", second)]
    expect(-1 not in found and found[0] < found[1], f"the sections are not in the text as ordered: {found}")
    expect(page.locator(".ProseMirror p").count() >= count, "sections are empty")
    return document


def _hand_in(page: Page, url: str, document: str) -> None:
    page.goto(f"{url}/documents/{document}/status")
    page.get_by_label("Eddie Okafor").check()
    page.fill("#note", "Please look at the order of the sections.")
    page.click("button[value=submit]")
    shown(page.locator("body")).to_contain_text("Who was asked")


def _approve(page: Page, url: str, document: str) -> None:
    page.goto(f"{url}/reviews/")
    page.click(f"a[href*='{document}/status']")
    page.click("button[name=word][value=approve]")
    shown(page.locator("body")).to_contain_text("Approved")


def _publish(page: Page, url: str, document: str, blog: FakeWordPress) -> int:
    page.goto(f"{url}/documents/{document}/status")
    page.get_by_label("Blog").check()
    page.click("button[value=publish]")
    end = page.locator("body")
    for _ in range(60):
        if blog.site.posts and all(post["status"] == "publish" for post in blog.site.posts.values()):
            break
        page.wait_for_timeout(500)
    expect(len(blog.live) == 1, f"{len(blog.live)} posts stand on the site")
    page.reload()
    shown(end).to_contain_text("Published")
    return int(blog.live[0]["id"])


def _edit_and_publish_again(
    wanda: Page, eddie: Page, url: str, document: str, blog: FakeWordPress, number: int
) -> None:
    before = blog.post(number)["content"]["raw"]
    wanda.goto(f"{url}/documents/{document}/")
    wanda.wait_for_selector("[data-ready]")
    wanda.locator(".ProseMirror > p").first.click()
    wanda.keyboard.press("End")
    wanda.keyboard.type(" A sentence that came later.")
    shown(wanda.locator(".save-state")).to_have_text("Saved", timeout=15_000)
    wanda.goto(f"{url}/documents/{document}/status")
    shown(wanda.locator("body")).to_contain_text("newer than what is published")
    expect(blog.post(number)["content"]["raw"] == before, "the published text has changed with an edit")
    eddie.goto(f"{url}/documents/{document}/status")
    eddie.click("button[value=approve]")
    eddie.goto(f"{url}/documents/{document}/publish")
    eddie.select_option("#version", "approved")
    eddie.click("main form.form .btn-primary")
    for _ in range(60):
        if "came later" in blog.post(number)["content"]["raw"]:
            break
        eddie.wait_for_timeout(500)
    expect("came later" in blog.post(number)["content"]["raw"], "the site did not get the new text")
    expect(len(blog.live) == 1, f"{len(blog.live)} posts stand on the site after the second time")


def _take_out(page: Page, url: str, document: str) -> tuple[int, int]:
    sizes = []
    page.goto(f"{url}/documents/{document}/")
    page.wait_for_selector("[data-ready]")
    for label in ("Word", "PDF"):
        page.click("summary:has-text('Export')")
        with page.expect_download() as coming:
            page.click(f".menu-panel >> text={label}")
        path = Path(coming.value.path())
        if label == "Word":
            with zipfile.ZipFile(path) as archive:
                body = archive.read("word/document.xml").decode()
            expect("What this text is about" in body, "the Word file lacks a heading")
        else:
            expect(path.read_bytes().startswith(b"%PDF-"), "that is no PDF")
        sizes.append(path.stat().st_size)
    return sizes[0], sizes[1]


def _decide_changes(page: Page, portal: Portal, cast: Cast) -> None:
    document = portal.shell(
        f"""
from apps.content.services import documents
from apps.users.models import User, Workspace
from apps.users.selectors.access import Actor
wanda = Actor.for_user(User.objects.get(email={cast.writer!r}))
answer = str(documents.create_document(actor=wanda, workspace=Workspace.objects.get(slug="field-notes"), title="Pump", body_markdown={_WORDY!r}).pk)
"""
    )
    page.goto(f"{portal.url}/documents/{document}/")
    page.wait_for_selector("[data-ready]")
    paragraph = page.locator(".ProseMirror > p").first
    paragraph.click(click_count=3)
    page.keyboard.press("Control+j")
    page.click("[data-action=simplify]")
    changes = page.locator(".change")
    changes.first.wait_for(timeout=60_000)
    count = changes.count()
    expect(count >= 3, f"{count} changes were proposed for: {paragraph.inner_text()}")
    expect("utilise" in paragraph.inner_text(), "the text changed before anything was accepted")
    changes.nth(0).locator("[data-choose=accept]").click()
    shown(changes).to_have_count(count - 1)
    changes.nth(0).locator("[data-choose=reject]").click()
    shown(changes).to_have_count(count - 2)
    changes.nth(0).locator("[data-choose=accept]").click()
    shown(changes).to_have_count(count - 3)
    shown(page.locator(".save-state")).to_have_text("Saved", timeout=15_000)
    text = paragraph.inner_text()
    expect("utilise" not in text and "in order to" in text, f"the wrong changes were made: {text}")
    page.reload()
    page.wait_for_selector("[data-ready]")
    expect(page.locator(".ProseMirror > p").first.inner_text().startswith(text[:40]), "what was accepted is not saved")


def _rest() -> int:
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-n", "0", *_REST], cwd=ROOT, capture_output=True, text=True, check=False
    )
    print("  " + done.stdout.strip().splitlines()[-1], flush=True)
    expect(done.returncode == 0, done.stdout[-3000:])
    found = re.search(r"(\d+) passed", done.stdout)
    return int(found[1]) if found else 0
