"""Every page: readable by everybody, quiet under the security policy, no wider than a telephone, alive without script."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.e2e.browser import NARROW, WIDE, Visitor
from tests.e2e.stage import Cast

pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.timeout(300)]
Visit = Callable[..., Visitor]


def portal_pages(cast: Cast) -> list[str]:
    document = f"/documents/{cast.document}/"
    return [
        "/",
        "/documents/",
        "/documents/?q=nothing+has+these+words",
        document,
        f"{document}markdown",
        f"{document}versions/",
        f"{document}versions/1/",
        f"{document}compare?from=1&to=3",
        f"{document}compare?from=1&to=3&view=inline",
        "/write/",
        "/sources/",
        "/documents/?q=water",
        "/collections/",
        "/tags/",
        "/trash/",
        "/settings/",
        "/sources/text",
        "/search/?q=window",
        "/usage/",
        "/models/",
        "/budgets/",
        "/profile/",
        "/tokens/",
        "/members/",
        "/notifications/",
        "/accounts/2fa/",
        "/accounts/sessions/",
        "/accounts/password/change/",
    ]


CONSOLE = [
    "/admin/",
    "/admin/monitoring/checkresult/",
    "/admin/backends/backendprofile/",
    "/admin/backends/modelcall/",
    "/admin/content/generation/",
    "/admin/monitoring/budget/add/",
    "/admin/django_celery_beat/periodictask/add/",
]


def test_pages_of_the_portal(visit: Visit, cast: Cast) -> None:
    assert problems(visit(cast.editor), portal_pages(cast)) == {}


def test_pages_for_nobody_and_for_newcomers(visit: Visit, cast: Cast) -> None:
    assert problems(visit(), ["/accounts/login/"] * 2) == {}
    newcomer = visit(cast.newcomer)
    assert problems(newcomer, ["/", "/documents/", "/sources/", "/write/"]) == {}
    # By now the frame around the content has been judged in this look, and is judged once more as soon as it differs.
    newcomer.page.locator(".sidebar").evaluate("(frame) => frame.style.color = '#ddd'")
    assert "color-contrast" in str(newcomer.barriers())


def test_pages_of_the_console(visit: Visit, cast: Cast) -> None:
    visitor = visit(cast.operator)
    # Django's own forms have labels that axe doubts; what is ours on them is checked by the portal's pages.
    assert problems(visitor, CONSOLE, axe=False) == {}
    assert problems(visitor, ["/admin/"] * 2) == {}


def problems(visitor: Visitor, pages: list[str], *, axe: bool = True) -> dict[str, list[str]]:
    """What is wrong, by page, in a wide light window and a narrow dark one; axe judges one page in this, the next in that."""
    found: dict[str, list[str]] = {}
    looks = [(WIDE, False), (NARROW, True)]
    for path in pages:
        visitor.go(path)
        visitor.page.wait_for_timeout(250)
        wrong = []
        for size, dark in looks:
            visitor.resize(size, dark=dark)
            if (pixels := visitor.overflow()) > 0:
                wrong.append(f"{pixels} pixels too wide for {size[0]}")
        wrong += visitor.refused() + (visitor.barriers() if axe else [])
        if wrong:
            found[path] = wrong
        looks.reverse()
    return found


def test_the_theme_is_remembered_without_a_flash(visit: Visit, cast: Cast) -> None:
    visitor = visit(cast.writer)
    page = visitor.page
    page.locator(".sidebar [data-theme-switch]").click()
    page.locator(".sidebar [data-theme-switch]").click()
    assert page.locator("html").get_attribute("data-theme") == "dark"
    # The server writes the choice into the page itself, so that no script has to repaint it.
    assert 'data-theme="dark"' in page.request.get(visitor.url).text()
    ground = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert ground == "rgb(21, 23, 22)"


def test_without_javascript(visit: Visit, cast: Cast) -> None:
    visitor = visit(cast.writer, javascript=False)
    page = visitor.page
    page.click("nav >> text=Documents")
    page.fill("[name=q]", "lighthouse")
    page.keyboard.press("Enter")
    page.wait_for_selector(".row")
    assert page.locator(".row").count() == 1
    visitor.go(f"/documents/{cast.document}/")
    page.locator("noscript >> text=Edit as Markdown").or_(
        page.locator(".callout >> text=Edit as Markdown")
    ).first.click()
    before = page.locator("#id_body").input_value()
    page.fill("#id_body", f"{before}\nWritten without a script.\n")
    page.click("button:has-text('Save')")
    page.wait_for_selector(".toast")
    assert "Written without a script." in page.locator("#id_body").input_value()
    visitor.go("/write/")
    page.fill("#id_topic", "Windows of a connection")
    page.click("text=Write the draft")
    page.wait_for_url("**/generations/**")
    assert page.locator("[data-at=state]").is_visible()


def test_keyboard_alone(visit: Visit, cast: Cast) -> None:
    page = visit(cast.writer).page
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.className") == "skip"
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.id") == "ask-topic"
    page.keyboard.type("Probing a closed window")
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    page.wait_for_url("**/write/**")
    assert page.locator("#id_topic").input_value() == "Probing a closed window"
    # A menu opens, moves and closes by keys, and gives the focus back.
    page.locator(".sidebar-foot summary").focus()
    page.keyboard.press("Enter")
    page.keyboard.press("ArrowDown")
    assert page.evaluate("document.activeElement.classList.contains('menu-item')")
    page.keyboard.press("Escape")
    assert page.evaluate("document.activeElement.matches('.sidebar-foot summary')")
