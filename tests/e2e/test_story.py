"""The main job in a browser, with the backend that ships: sources, brief, stream, citation, edit, compare, download."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.e2e.browser import Visitor
from tests.e2e.stage import Cast

pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.timeout(300)]
Visit = Callable[..., Visitor]


def test_from_a_source_to_a_download(visit: Visit, cast: Cast, tmp_path: Path) -> None:
    page = visit(cast.writer).page
    bring_sources(page, tmp_path)
    write_a_draft(page)
    look_at_a_citation(page)
    page.click("[data-at=edit]")
    edit_and_save(page)
    compare_versions(page)
    download(page)


def bring_sources(page: Page, folder: Path) -> None:
    (folder / "congestion.md").write_text("# Congestion\n\n" + "The sender keeps a congestion window of its own. " * 20)
    (folder / "program.bin").write_bytes(b"\x7fELF" + bytes(range(256)) * 8)
    page.click("nav >> text=Sources")
    page.set_input_files("#files", [folder / "congestion.md", folder / "program.bin"])
    ready = page.locator("#source-rows .row", has_text="Congestion")
    expect(ready.locator(".badge")).to_have_text("Ready", timeout=60_000)
    # The file that cannot be read says so, with what to do, and does not stop the other one.
    refused = page.locator(".field-error", has_text="program.bin").first
    expect(refused).to_contain_text("Use PDF", timeout=60_000)


def write_a_draft(page: Page) -> None:
    page.click("text=New article")
    page.fill("#id_topic", "How a sender learns that a segment was lost, and what it does then")
    page.click("text=Write the draft")
    page.wait_for_url(re.compile(r"/generations/"))
    expect(page.locator("[data-at=finished]")).to_be_visible(timeout=90_000)
    expect(page.locator("[data-at=state]")).to_have_text("Done")
    expect(page.locator("#text h1")).to_have_count(1)
    expect(page.locator("#live")).to_have_text("Done")
    assert page.locator("#text [data-cite]").count() >= 2


def look_at_a_citation(page: Page) -> None:
    page.locator("#text [data-cite]").first.click()
    shown = page.locator(".passage-card")
    expect(shown).to_contain_text("The quoted words stand in the source")
    quoted = shown.locator("mark").inner_text()
    assert len(quoted.split()) > 3
    page.keyboard.press("Escape")
    expect(shown).to_have_count(0)
    # Open the same passage in its source: it is marked there.
    page.locator("#text [data-cite]").first.click()
    with page.expect_navigation():
        page.click("text=Open in the source")
    expect(page.locator("#passage")).to_be_visible()
    page.go_back()


def edit_and_save(page: Page) -> None:
    page.wait_for_selector("[data-ready]")
    body = page.locator(".ProseMirror")
    body.click()
    page.keyboard.press("Control+End")
    page.keyboard.type("\nA sentence of my own, with a rule of thumb.")
    state = page.locator(".save-state")
    expect(state).to_have_text("Not saved yet")
    expect(state).to_have_text("Saved", timeout=15_000)
    page.reload()
    expect(page.locator(".ProseMirror")).to_contain_text("a rule of thumb")
    expect(page.locator("[data-outline] li").first).to_be_visible()


def compare_versions(page: Page) -> None:
    page.click("text=Versions")
    expect(page.locator(".history-row")).to_have_count(2)
    page.click("button:has-text('Compare')")
    expect(page.locator("ins", has_text="rule of thumb")).to_be_visible()
    page.click("text=In one text")
    expect(page.locator(".diff-inline ins", has_text="rule of thumb")).to_be_visible()
    page.go_back()
    page.go_back()
    page.click("text=Back to the text")


def download(page: Page) -> None:
    for label, ending, start in (("Word", ".docx", b"PK"), ("Markdown", ".md", b"# "), ("Web page", ".html", b"<!")):
        page.click("summary:has-text('Export')")
        with page.expect_download() as coming:
            page.click(f".menu-panel >> text={label}")
        file = coming.value
        assert file.suggested_filename.endswith(ending)
        assert Path(file.path()).read_bytes().startswith(start), label


def test_two_people_save_the_same_text(visit: Visit, cast: Cast) -> None:
    first, second = visit(cast.writer), visit(cast.editor)
    for visitor in (first, second):
        visitor.go(f"/documents/{cast.document}/")
        visitor.page.wait_for_selector("[data-ready]")
    type_at_end(second.page, " Words of Eddie.")
    expect(second.page.locator(".save-state")).to_have_text("Saved", timeout=15_000)
    type_at_end(first.page, " Words of Wanda.")
    dialog = first.page.locator("#conflict")
    expect(dialog).to_be_visible(timeout=15_000)
    expect(dialog).to_contain_text("Eddie")
    expect(dialog.locator("ins", has_text="Eddie")).to_be_visible()
    expect(dialog.locator("ins", has_text="Wanda")).to_be_visible()
    save = dialog.locator("text=Save as one text")
    expect(save).to_be_disabled()
    dialog.locator("text=Keep both, theirs first").check()
    save.click()
    expect(first.page.locator(".save-state")).to_have_text("Saved", timeout=15_000)
    text = first.page.locator(".ProseMirror")
    expect(text).to_contain_text("Words of Eddie.")
    expect(text).to_contain_text("Words of Wanda.")
    # The browser itself reports the 409; nothing else may be wrong.
    first.complaints = [text for text in first.complaints if "409" not in text]
    newest = first.go(f"/documents/{cast.document}/versions/").locator(".history-row")
    expect(newest.nth(0)).to_contain_text("Two texts merged")
    expect(newest.nth(1)).to_contain_text("Kept beside a newer text")
    expect(newest.nth(2)).to_contain_text("Eddie")


def test_two_people_write_in_different_places(visit: Visit, cast: Cast) -> None:
    first, second = visit(cast.writer), visit(cast.editor)
    for visitor in (first, second):
        visitor.go(f"/documents/{cast.document}/")
        visitor.page.wait_for_selector("[data-ready]")
    expect(second.page.locator("[data-editing]:visible")).to_contain_text("Wanda Brandt is editing", timeout=20_000)
    type_at_end(second.page, " Above by Eddie.")
    expect(second.page.locator(".save-state")).to_have_text("Saved", timeout=15_000)
    first.page.locator(".ProseMirror > p").last.click()
    first.page.keyboard.press("End")
    first.page.keyboard.type(" Below by Wanda.")
    text = first.page.locator(".ProseMirror")
    expect(text).to_contain_text("Above by Eddie.", timeout=15_000)
    expect(first.page.locator("#conflict")).to_be_hidden()
    # The cursor has stayed where it was, although text came in above it.
    first.page.keyboard.type(" And on.")
    expect(text).to_contain_text("Below by Wanda. And on.")
    expect(first.page.locator(".save-state")).to_have_text("Saved", timeout=15_000)
    first.page.reload()
    expect(first.page.locator(".ProseMirror")).to_contain_text("Below by Wanda. And on.")
    first.complaints = [text for text in first.complaints if "409" not in text]


def test_typed_text_survives_a_lost_connection_and_a_closed_window(visit: Visit, cast: Cast) -> None:
    visitor = visit(cast.writer)
    page = visitor.go(f"/documents/{cast.document}/")
    page.wait_for_selector("[data-ready]")
    visitor.context.set_offline(True)
    type_at_end(page, " Kept although nobody answered.")
    expect(page.locator(".save-state")).to_have_text("Kept in this browser; trying again", timeout=15_000)
    again = visitor.context.new_page()
    page.close(run_before_unload=False)
    visitor.context.set_offline(False)
    visitor.complaints.clear()
    visitor.page = again
    visitor.go(f"/documents/{cast.document}/")
    expect(again.locator("#kept")).to_be_visible()
    again.click("text=Take it in")
    expect(again.locator(".save-state")).to_have_text("Saved", timeout=15_000)
    again.reload()
    expect(again.locator(".ProseMirror")).to_contain_text("Kept although nobody answered.")
    expect(again.locator("#kept")).to_be_hidden()


def type_at_end(page: Page, words: str) -> None:
    page.locator(".ProseMirror > p").first.click()
    page.keyboard.press("End")
    page.keyboard.type(words)
    # On a busy machine "Saved" would otherwise be that of the text before.
    expect(page.locator(".save-state")).not_to_have_text("Saved")
