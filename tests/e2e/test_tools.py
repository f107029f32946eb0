"""The editor's tools in a browser, by keyboard: find and replace, slash menu, pictures, AI actions, focus, keys."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.e2e.browser import NARROW, Visitor
from tests.e2e.stage import Cast
from tests.fakes.provider import FakeProvider
from tests.lab.models import connect_models, disconnect_models
from tests.lab.portal import Portal

pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.timeout(600)]
PNG = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
Visit = Callable[..., Visitor]
# Pastes a picture as the clipboard brings it: a file without text.
PASTE = """(base64) => {
  const data = new DataTransfer();
  const bytes = Uint8Array.from(atob(base64), (c) => c.charCodeAt(0));
  data.items.add(new File([bytes], "pasted.png", { type: "image/png" }));
  document.querySelector(".ProseMirror").dispatchEvent(
    new ClipboardEvent("paste", { clipboardData: data, bubbles: true, cancelable: true }));
}"""


def test_the_tools_of_the_editor(visit: Visit, cast: Cast, running: Portal, tmp_path: Path) -> None:
    visitor = visit(cast.writer)
    page = visitor.page
    document = running.shell(
        """
from django.contrib.auth import get_user_model
from apps.content.services.documents import create_document
from apps.users.selectors.access import Actor, workspaces_of
actor = Actor.for_user(get_user_model().objects.get(email="wanda@example.org"))
body = "## Cats\\n\\nA **cat** sat. The Cat and the catalogue.\\n\\n## Dogs\\n\\nA dog of 12 and a dog of 30 years.\\n"
answer = str(create_document(actor=actor, workspace=workspaces_of(actor).first(), title="Tools", body_markdown=body).pk)
"""
    )
    visitor.go(f"/documents/{document}/")
    page.wait_for_selector("[data-ready]")
    expect(page.locator("[data-count]")).to_contain_text("min to read")
    panels_fit(page)
    find_and_replace(page, visitor)
    slash_menu(page, visitor)
    pictures(page, visitor, tmp_path)
    focus_and_keys(page, visitor)
    ai_actions(page, running)
    page.keyboard.press("Control+s")
    expect(page.locator(".save-state")).to_have_text("Saved", timeout=15_000)
    page.reload()
    page.wait_for_selector("[data-ready]")
    expect(page.locator(".ProseMirror img[alt='A chart of the tides']")).to_have_count(1)


def panels_fit(page: Page) -> None:
    tabs = page.locator(".side-tablist")
    assert tabs.evaluate("(element) => element.scrollWidth - element.clientWidth") == 0
    outline = page.locator("[data-outline] button")
    page.locator(".ProseMirror > p").last.click()
    expect(outline.last).to_have_attribute("aria-current", "location")


def find_and_replace(page: Page, visitor: Visitor) -> None:
    text, bar = page.locator(".ProseMirror"), page.locator("[data-find]")
    text.click()
    page.keyboard.press("Control+Home")
    page.keyboard.press("Control+h")
    page.keyboard.type("cat")
    count = bar.locator("[data-find-count]")
    expect(count).to_have_text("1 of 4")
    expect(page.locator(".found")).to_have_count(4)
    bar.locator("text=Whole words").click()
    expect(count).to_have_text("1 of 2")
    bar.locator("text=Match case").click()
    expect(count).to_have_text("1 of 1")
    bar.locator("[name=replacement]").fill("mouse")
    page.keyboard.press("Enter")
    expect(text.locator("strong")).to_have_text("mouse")
    expect(count).to_have_text("Not found")
    bar.locator("[name=find]").fill("(")
    bar.locator("text=Regular expression").click()
    expect(count).to_have_text("This expression cannot be read.")
    bar.locator("text=Whole words").click()
    bar.locator("[name=find]").fill(r"dog of (\d+)")
    expect(count).to_have_text("1 of 2")
    assert visitor.barriers() == []
    bar.locator("[name=replacement]").fill("$1-year-old dog")
    bar.locator("text=Replace all").click()
    expect(count).to_have_text("2 replaced. Undo takes all of them back.")
    expect(text).to_contain_text("A 12-year-old dog and a 30-year-old dog years.")
    page.keyboard.press("Escape")
    expect(bar).to_be_hidden()
    page.keyboard.press("Control+z")
    expect(text).to_contain_text("A dog of 12 and a dog of 30 years.")
    # The step before was another one: replacing all is one step of its own.
    expect(text.locator("strong")).to_have_text("mouse")


def slash_menu(page: Page, visitor: Visitor) -> None:
    text, menu = page.locator(".ProseMirror"), page.locator("[data-slash]")
    # Behind the last word. The editor reads the browser's selection a moment after a click, sooner than a person types:
    # the outline tells when, which it can only from another section.
    last, outline = page.locator(".ProseMirror > p").last, page.locator("[data-outline] button")
    text.locator("h2").first.click()
    expect(outline.first).to_have_attribute("aria-current", "location")
    place = last.bounding_box()
    assert place is not None
    last.click(position={"x": place["width"] - 2, "y": place["height"] / 2})
    expect(outline.last).to_have_attribute("aria-current", "location")
    page.keyboard.type("\n/heading")
    expect(menu).to_be_visible()
    chosen = text.get_attribute("aria-activedescendant")
    expect(page.locator(f"#{chosen}")).to_have_text("Heading 1")
    assert visitor.barriers() == []
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    page.keyboard.type("Birds\n/table")
    expect(text.locator("h2").last).to_have_text("Birds")
    page.keyboard.press("Enter")
    expect(text.locator("table")).to_have_count(1)
    page.keyboard.type("/row")
    page.keyboard.press("Enter")
    expect(text.locator("tr")).to_have_count(4)
    page.keyboard.press("Control+End")
    page.keyboard.press("ArrowDown")
    page.keyboard.type("and/or 1 /")
    expect(menu).to_be_visible()
    page.keyboard.press("Escape")
    expect(menu).to_be_hidden()
    page.keyboard.type(" 2")
    expect(text).to_contain_text("and/or 1 / 2")


def pictures(page: Page, visitor: Visitor, folder: Path) -> None:
    dialog, text = page.locator("#picture"), page.locator(".ProseMirror")
    page.evaluate(PASTE, PNG)
    expect(dialog).to_be_visible()
    assert visitor.barriers() == []
    page.keyboard.type("A chart of the tides")
    dialog.locator("[value=go]").click()
    shown = text.locator("img[alt='A chart of the tides']")
    expect(shown).to_have_count(1)
    # It is in the text before its bytes have come.
    assert shown.evaluate("(image) => image.decode().then(() => image.naturalWidth)") == 1
    (folder / "script.png").write_bytes(b"<svg onload=alert(1)>")
    page.click("[data-command=image]")
    dialog.locator("[name=file]").set_input_files(folder / "script.png")
    dialog.locator("text=It only decorates").click()
    dialog.locator("[value=go]").click()
    expect(dialog.locator("[data-problem]")).to_contain_text("Send a PNG")
    # The browser reports the refusal itself.
    visitor.complaints = [text for text in visitor.complaints if "400" not in text]
    dialog.locator("text=Cancel").click()
    expect(dialog).to_be_hidden()


def focus_and_keys(page: Page, visitor: Visitor) -> None:
    page.locator(".ProseMirror > p").first.click()
    page.keyboard.press("Control+Shift+f")
    expect(page.locator(".sidebar")).to_be_hidden()
    expect(page.locator(".is-here")).to_have_count(1)
    assert visitor.barriers() == []
    page.keyboard.press("Escape")
    expect(page.locator(".sidebar")).to_be_visible()
    page.keyboard.press("Control+/")
    expect(page.locator("#shortcuts")).to_contain_text("Find and replace")
    assert visitor.barriers() == []
    page.keyboard.press("Escape")
    page.keyboard.press("Alt+F10")
    expect(page.locator("[data-style]")).to_be_focused()


def ai_actions(page: Page, running: Portal) -> None:
    with FakeProvider(process=True, words=20, tps=200) as model:
        step = {"name": "Editing model", "base_url": model.openai_url, "model": "fake-large"}
        connect_models(running, [step], purposes=("edit",))
        page.locator(".ProseMirror > p").first.click(click_count=3)
        page.keyboard.press("Control+j")
        page.locator("[data-prompt]", has_text="Change the tone").click()
        dialog = page.locator("#values")
        expect(dialog.locator("label:visible")).to_have_count(1)
        page.keyboard.type("calm")
        page.keyboard.press("Enter")
        changes = page.locator("[data-changes] .change")
        expect(changes.first).to_be_visible(timeout=30_000)
        expect(page.locator(".ProseMirror")).to_contain_text("sat.")
        changes.first.locator("[data-choose=reject]").click()
        expect(changes).to_have_count(0)
        # From the slash menu, on the paragraph that the cursor stands in.
        page.locator(".ProseMirror > p").first.click()
        page.keyboard.press("End")
        page.keyboard.type(" /other words")
        page.keyboard.press("Enter")
        expect(changes.first).to_be_visible(timeout=30_000)
        changes.first.locator("[data-choose=accept]").click()
        expect(changes).to_have_count(0)
        expect(page.locator(".ProseMirror > p").first).to_contain_text("w0000")
        disconnect_models(running, purposes=("edit",))


def test_the_tools_on_a_telephone(visit: Visit, cast: Cast) -> None:
    visitor = visit(cast.editor, size=NARROW, dark=True)
    page = visitor.go(f"/documents/{cast.document}/")
    page.wait_for_selector("[data-ready]")
    page.locator(".ProseMirror > p").first.click()
    page.keyboard.press("Control+f")
    page.keyboard.type("window")
    expect(page.locator("[data-find-count]")).to_contain_text(" of ")
    assert visitor.overflow() == 0
    assert visitor.barriers() == []
    page.keyboard.press("Escape")
    for path in ("/ai-actions/",):
        visitor.go(path)
        page.locator(".prompt-new > summary").click()
        assert visitor.overflow() == 0
        assert visitor.barriers() == []
