"""Takes the pictures of `docs/img`: every page, light and dark, 1280 and 390 pixels wide. `make screenshots`.

Starts a portal of its own, puts people, sources and documents into it, has a draft written, and photographs what a
visitor sees. `python -m tests.screenshots editor console` takes only the pictures whose names begin so.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from playwright.sync_api import Browser, Page

from tests.e2e.access_stage import add_access
from tests.e2e.browser import NARROW, WIDE, Visitor, chromium
from tests.e2e.promise_stage import add_promises
from tests.e2e.recovery_stage import add_recovery
from tests.e2e.release_stage import add_releases
from tests.e2e.stage import PASSWORD, Cast, set_stage, wait_for_sources
from tests.e2e.trust_stage import add_voice
from tests.e2e.watch_stage import add_sightings
from tests.fakes.provider import FakeProvider
from tests.lab.models import connect_models
from tests.lab.portal import Portal

FOLDER = Path(__file__).resolve().parents[1] / "docs" / "img"
_FIRST = "#result_list tbody th a"
TOPIC = "How a sender learns that a segment was lost, and what it does then"


@dataclass(frozen=True, slots=True)
class Shot:
    """One page to photograph.

    Args:
        name: of the file, without ending.
        path: of the page.
        who: e-mail address; "" for nobody.
        act: what to do on the page first.
    """

    name: str
    path: str
    who: str
    act: Callable[[Page], None] = lambda page: None


def open_citation(page: Page) -> None:
    """Open the first citation of the text."""
    page.locator("#text [data-cite]").first.click()
    page.locator(".passage-card").wait_for()


def wait_for_editor(page: Page) -> None:
    """Until the text can be changed."""
    page.wait_for_selector("[data-ready]")


def choose_first(page: Page) -> None:
    """Tick the first document of the list."""
    page.locator(".row-tick").first.check()


def open_first(page: Page) -> None:
    """Open the first row of a list of the console."""
    page.locator("#result_list tbody th a").first.click()
    page.wait_for_load_state()


def open_web(page: Page) -> None:
    """Open the objective of the pages, of which there are figures."""
    page.locator("#result_list th a", has_text="Pages are answered").click()
    page.wait_for_load_state()


def preview_report(page: Page) -> None:
    """Open the first scheduled report, and what would be sent."""
    open_first(page)
    page.get_by_role("link", name="Preview").click()
    page.wait_for_load_state()


def select_and_improve(page: Page) -> None:
    """Ask for a shorter first paragraph and show the suggestion."""
    page.wait_for_selector("[data-ready]")
    page.locator(".ProseMirror > p").first.click(click_count=3)
    page.keyboard.press("Control+j")
    page.locator("[data-action=shorten]").click()
    page.locator(".change").first.wait_for()


def check_claims(page: Page) -> None:
    """Have the claims checked, and show what was found."""
    start = page.get_by_role("button", name="Check the claims")
    if start.count():
        start.click()
    page.locator("[data-busy='0'] .claim").first.wait_for(timeout=60_000)


def bring_table(page: Page) -> None:
    """Bring a table of which one row cannot be used."""
    table = "Product,Features,Readers,Words\n"
    table += "Tide clock,Shows the next high water,Anglers,150\nRain gauge,Empties itself,Gardeners,many\n"
    table += "Sun dial,Brass; engraved by hand,People with a garden,120\n"
    page.locator("#template").select_option(label="Product description")
    page.locator("#file").set_input_files([{"name": "products.csv", "mimeType": "text/csv", "buffer": table.encode()}])
    page.get_by_role("button", name="Read the table").click()
    page.locator(".batch-problems").first.wait_for()


def write_table(page: Page) -> None:
    """Have the rows written that can be used."""
    bring_table(page)
    page.locator("[name=skip_bad]").check()
    page.locator(".batch-acts .btn-primary").click()
    page.locator("[data-busy='0'] [data-state=done]").first.wait_for(timeout=60_000)


def say_something(page: Page) -> None:
    """Comment on the whole text, once."""
    if not page.locator(".comment-thread").count():
        page.fill("#body", "The last paragraph says twice that nobody counts. @eddie, shall one of them go?")
        page.locator(".comment-page-new .btn-primary").click()
    page.locator(".comment-thread").first.wait_for()


def ask_for_erasure(page: Page) -> None:
    """Have a request on the page."""
    if not page.locator("main .row").count():
        page.check("input[name=kind][value=erase]")
        page.click("main form:has([name=kind]) button[type=submit], main form:has([name=kind]) .btn-primary")
        page.wait_for_selector("main .row")


def open_request(page: Page) -> None:
    """Open the first request."""
    page.click("main table a")
    page.wait_for_selector(".privacy-facts")


def open_link(selector: str) -> Callable[[Page], None]:
    """Follow the first link of a kind."""

    def act(page: Page) -> None:
        page.locator(selector).first.click()
        page.wait_for_load_state()

    return act


def open_review(page: Page) -> None:
    """Open the access review that the editor was told of."""
    page.locator("main li", has_text="access review").get_by_role("button", name="Open").first.click()
    page.wait_for_url("**/access/reviews/**")


def rehearse(page: Page) -> None:
    """Try out what it would mean to remove the first group."""
    chosen = page.locator("select[name=what] option", has_text="News desk").first.get_attribute("value")
    page.locator("select[name=what]").select_option(chosen)
    page.get_by_role("button", name="Rehearse").click()
    page.locator(".access-effects").wait_for()


def shots(cast: Cast, draft: str, voice: str, capture: str) -> list[Shot]:
    """All pictures.

    Args:
        cast: who is there.
        draft: address of a finished generation.
        voice: id of a voice that has learnt.
        capture: id of a debug capture that waits for an answer.
    """
    document = f"/documents/{cast.document}/"
    writer = cast.writer
    return [
        Shot("sign-in", "/accounts/login/", ""),
        Shot("home", "/", writer),
        Shot("home-empty", "/", cast.newcomer),
        Shot("documents", "/documents/", writer),
        Shot("documents-chosen", "/documents/", writer, choose_first),
        Shot("documents-found", "/documents/?q=water+slowly", writer),
        Shot("collections", "/collections/", writer),
        Shot("tags", "/tags/", writer),
        Shot("trash", "/trash/", writer),
        Shot("settings", "/settings/", cast.editor),
        Shot("brief", "/write/?topic=Why+a+closed+window+must+be+probed", writer),
        Shot("templates", "/templates/", writer),
        Shot("template", "/templates/?q=press", writer, lambda page: page.locator(".type-link").first.click()),
        Shot("batch-new", "/batches/new", writer),
        Shot("batch", "/batches/new", writer, bring_table),
        Shot("batch-written", "/batches/new", writer, write_table),
        Shot("batches", "/batches/", writer),
        Shot("long-text", "/write/long", writer),
        Shot("outline", f"{document}outline", writer),
        Shot("template-new", "/templates/new", cast.editor),
        Shot("draft", draft, writer),
        Shot("citation", draft, writer, open_citation),
        Shot("editor", document, writer, wait_for_editor),
        Shot("suggestion", document, writer, select_and_improve),
        Shot("claims", f"{document}claims", writer, check_claims),
        Shot("comments", f"{document}comments", writer, say_something),
        Shot("status", f"{document}status", writer),
        Shot("share", f"{document}share", cast.editor),
        Shot("seo", f"{document}seo", writer),
        Shot("publish", f"{document}publish", writer),
        Shot("document-usage", f"{document}usage", writer),
        Shot("calendar", "/calendar/", writer),
        Shot("reviews", "/reviews/", writer),
        Shot("actions", "/ai-actions/", cast.editor),
        Shot("imports", "/imports/", writer),
        Shot("exports", "/exports/", writer),
        Shot("publications", "/publications/", writer),
        Shot("webhooks", "/webhooks/", cast.editor),
        Shot("usage", "/usage/", writer),
        Shot("budgets", "/budgets/", cast.editor),
        Shot("models", "/models/", writer),
        Shot("notifications", "/notifications/", writer),
        Shot("versions", f"{document}versions/", writer),
        Shot("compare", f"{document}compare?from=1&to=3", writer),
        Shot("sources", "/sources/", writer),
        Shot("search", "/search/?q=When+does+the+sender+repeat+a+segment", writer),
        Shot("voices", "/voices/", writer),
        Shot("voice", f"/voices/{voice}/", writer),
        Shot("tokens", "/tokens/", writer),
        Shot("members", "/members/", cast.editor),
        Shot("profile", "/profile/", writer),
        Shot("console", "/admin/", cast.operator),
        Shot("console-checks", "/admin/monitoring/checkresult/", cast.operator),
        Shot("console-check", "/admin/monitoring/checkresult/", cast.operator, open_first),
        Shot("console-figures", "/admin/monitoring/metricseries/?range=1h", cast.operator),
        Shot("console-alerts", "/admin/monitoring/alert/", cast.operator),
        Shot("console-errors", "/admin/monitoring/errorgroup/", cast.operator),
        Shot("console-error", "/admin/monitoring/errorgroup/", cast.operator, open_first),
        Shot("console-log", "/admin/monitoring/logquery/", cast.operator),
        Shot("console-captures", "/admin/monitoring/debugcapture/", cast.operator),
        Shot("console-capture", "/admin/monitoring/debugcapture/?state=ended", cast.operator, open_first),
        Shot("console-capture-new", "/admin/monitoring/debugcapture/add/", cast.operator),
        Shot("capture", f"/captures/{capture}/", writer),
        Shot("console-unusual", "/admin/monitoring/anomaly/", cast.admin),
        Shot("console-unusual-one", "/admin/monitoring/anomaly/", cast.admin, open_first),
        Shot("console-slos", "/admin/monitoring/slo/", cast.operator),
        Shot("console-slo", "/admin/monitoring/slo/", cast.operator, open_web),
        Shot("console-heartbeats", "/admin/monitoring/expectedrun/", cast.operator),
        Shot("console-heartbeat", "/admin/monitoring/expectedrun/", cast.operator, open_first),
        Shot("console-report-plans", "/admin/monitoring/reportschedule/", cast.operator),
        Shot("console-report-plan", "/admin/monitoring/reportschedule/", cast.operator, open_first),
        Shot("console-report-preview", "/admin/monitoring/reportschedule/", cast.operator, preview_report),
        Shot("console-reports", "/admin/monitoring/reportrun/", cast.operator),
        Shot("console-report", "/admin/monitoring/reportrun/?state=delivered", cast.operator, open_first),
        Shot("console-rules", "/admin/monitoring/alertrule/", cast.operator),
        Shot("console-deployments", "/admin/deployments/deployment/", cast.operator),
        Shot("console-deployment", "/admin/deployments/deployment/", cast.operator, open_first),
        Shot("console-deployment-new", "/admin/deployments/deployment/add/", cast.operator),
        Shot("console-releases", "/admin/deployments/release/", cast.operator),
        Shot("console-release", "/admin/deployments/release/", cast.operator, open_first),
        Shot("console-environment", "/admin/deployments/environment/", cast.admin, open_first),
        Shot("whats-new", "/whats-new/", writer),
        Shot("console-backends", "/admin/backends/backendprofile/", cast.operator),
        Shot("console-audit", "/admin/users/auditevent/", cast.admin),
        Shot("console-ledger", "/admin/users/auditevent/ledger/", cast.admin),
        Shot("console-keys", "/admin/users/keyrecord/", cast.admin),
        Shot("console-proof-packs", "/admin/users/proofpack/", cast.admin),
        Shot("console-proof-pack", "/admin/users/proofpack/", cast.admin, open_link("main td a[href*='/proofpack/']")),
        Shot("access", "/access/", cast.editor),
        Shot("access-why", "/access/why/", cast.editor),
        Shot("access-raised", "/access/", cast.operator),
        Shot("access-review", "/notifications/", cast.editor, open_review),
        Shot("console-people", "/admin/users/user/", cast.admin),
        Shot("console-person", "/admin/users/user/?q=otto", cast.admin, open_first),
        Shot("access-inbox", "/access/", cast.admin),
        Shot("console-access-now", "/admin/users/elevation/", cast.admin),
        Shot("console-elevation", "/admin/users/elevation/", cast.admin, open_link("main td a[href*='/elevation/']")),
        Shot("console-policies", "/admin/users/elevationpolicy/", cast.admin),
        Shot("console-policy", "/admin/users/elevationpolicy/", cast.admin, open_first),
        Shot("console-groups", "/admin/users/group/", cast.admin),
        Shot("console-group", "/admin/users/group/", cast.admin, open_first),
        Shot("console-grants", "/admin/users/rolegrant/", cast.admin),
        Shot("console-access-of", "/admin/users/accessreview/matrix/", cast.admin, open_link("main tbody th a")),
        Shot("console-matrix", "/admin/users/accessreview/matrix/", cast.admin),
        Shot("console-access-reviews", "/admin/users/accessreview/", cast.admin),
        Shot("console-access-review", "/admin/users/accessreview/?q=quarter", cast.admin, open_first),
        Shot("console-shrink", "/admin/users/rolegrant/shrink/", cast.admin),
        Shot("console-adopt", "/admin/users/rolegrant/shrink/", cast.admin, open_link("main td .btn[href*='/role/']")),
        Shot("console-rehearse", "/admin/users/rolegrant/rehearse/", cast.admin, rehearse),
        Shot("console-idle", "/admin/users/rolegrant/idle/", cast.admin),
        Shot("my-data", "/privacy/", cast.writer, act=ask_for_erasure),
        Shot("console-privacy", "/admin/users/privacyrequest/", cast.admin),
        Shot("console-privacy-request", "/admin/users/privacyrequest/", cast.admin, act=open_request),
    ]


def recovery_shots(cast: Cast, made: dict[str, str]) -> list[Shot]:
    """The pages of backups.

    Args:
        cast: who visits.
        made: ids of what the stage put there.
    """
    place, top = f"/admin/backups/destination/{made['place']}", "/admin/backups"
    return [
        Shot("console-backups", f"{top}/backupset/", cast.operator),
        Shot("console-backup-set", f"{top}/backupset/", cast.operator, open_link(_FIRST)),
        Shot("console-backup-runs", f"{top}/backuprun/", cast.operator),
        Shot("console-backup-run", f"{top}/backuprun/", cast.operator, open_link(_FIRST)),
        Shot("console-drills", f"{top}/drill/", cast.operator),
        Shot("console-drill", f"{top}/drill/?state=succeeded", cast.operator, open_link(_FIRST)),
        Shot("console-places", f"{top}/destination/", cast.admin),
        Shot("console-place", f"{place}/change/", cast.admin),
        Shot("console-place-keys", f"{place}/keys/", cast.admin),
        Shot("console-place-new", f"{top}/destination/add/", cast.admin),
        Shot("console-backup-policy", f"{top}/policy/{made['policy']}/change/", cast.admin),
        Shot("console-restores", f"{top}/restore/", cast.admin),
        Shot("console-restore-new", f"{top}/restore/plan/", cast.admin),
        Shot("console-restore-plan", f"{top}/restore/{made['plan']}/change/", cast.admin),
        Shot("console-delegates", f"{top}/delegate/", cast.operator),
        Shot("console-delegate", f"{top}/delegate/", cast.operator, open_link(_FIRST)),
        Shot("console-delegate-new", f"{top}/delegate/add/", cast.admin),
        Shot("console-staging", f"{top}/stagingcopy/", cast.operator),
        Shot("console-staging-copy", f"{top}/stagingcopy/{made['staging']}/change/", cast.operator),
        Shot("console-staging-new", f"{top}/stagingcopy/new/", cast.admin),
        Shot("console-maintenance", f"{top}/pause/", cast.admin),
    ]


def promise_shots(cast: Cast, asked: str) -> list[Shot]:
    """The pages of what people agree to and of where texts may go. They come last: from their stage on everybody is asked.

    Args:
        cast: who visits.
        asked: address of somebody who has answered nothing.
    """
    texts, rules = "/admin/users/consenttext/", "/admin/backends/residencyrule/"
    return [
        Shot("consents-asked", "/settings/", asked),
        Shot("consents", "/privacy/consents/", cast.writer),
        Shot("residency", "/settings/residency/", cast.editor),
        Shot("console-consent-texts", texts, cast.admin),
        Shot("console-consent-text", texts, cast.admin, open_first),
        Shot("console-consent-text-new", f"{texts}add/", cast.admin),
        Shot("console-residency", rules, cast.admin),
        Shot("console-residency-rule", rules, cast.admin, open_first),
    ]


def main(wanted: list[str]) -> int:
    """Take them. Returns 0."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    with Portal(within=400) as portal, chromium() as browser:
        cast = set_stage(portal)
        wait_for_sources(portal)
        draft = write_draft(browser, portal.url, cast.writer)
        voice, capture = add_voice(portal, cast.document), add_sightings(portal)
        add_access(portal)
        add_releases(portal)
        pages = shots(cast, draft, voice, capture) + recovery_shots(cast, add_recovery(portal))
        take_all(browser, portal.url, pages, wanted)
        if not wanted or "writing".startswith(tuple(wanted)):
            take_writing(browser, portal, cast)
        take_all(browser, portal.url, promise_shots(cast, add_promises(portal)), wanted)
    return 0


def take_all(browser: Browser, url: str, pages: list[Shot], wanted: list[str]) -> None:
    """Photograph the wanted pages in all sizes and themes."""
    chosen = [s for s in pages if not wanted or s.name.startswith(tuple(wanted))]
    for size in (WIDE, NARROW):
        for dark in (False, True):
            take(browser, url, chosen, size=size, dark=dark)


def write_draft(browser: Browser, url: str, writer: str) -> str:
    """Have a draft written by the backend that ships; returns its path."""
    visitor = Visitor(browser, url)
    page = visitor.sign_in(writer, PASSWORD)
    ask(visitor, TOPIC)
    page.locator("[data-at=finished]:visible").wait_for(timeout=90_000)
    path = page.url.removeprefix(url)
    visitor.close()
    return path


def ask(visitor: Visitor, topic: str) -> None:
    """Send a brief."""
    visitor.go("/write/")
    visitor.page.fill("#id_topic", topic)
    visitor.page.click("text=Write the draft")
    visitor.page.wait_for_url("**/generations/**")


def take(browser: Browser, url: str, chosen: list[Shot], *, size: tuple[int, int], dark: bool) -> None:
    """Photograph the pages in one size and theme."""
    for who in dict.fromkeys(shot.who for shot in chosen):
        visitor = Visitor(browser, url, size=size, dark=dark)
        if who:
            visitor.sign_in(who, PASSWORD)
        for shot in chosen:
            if shot.who == who:
                visitor.go(shot.path)
                shot.act(visitor.page)
                save(visitor.page, shot.name, size=size, dark=dark)
        visitor.close()


def take_writing(browser: Browser, portal: Portal, cast: Cast) -> None:
    """Photograph a text while it comes; a slow provider gives the time."""
    with FakeProvider(process=True, words=400, tps=40, style="sentences", cite=4) as provider:
        step = {"name": "Team model", "base_url": provider.openai_url, "model": "fake-large"}
        connect_models(portal, [step])
        for size in (WIDE, NARROW):
            for dark in (False, True):
                visitor = Visitor(browser, portal.url, size=size, dark=dark)
                visitor.sign_in(cast.writer, PASSWORD)
                ask(visitor, TOPIC)
                visitor.page.wait_for_timeout(4000)
                save(visitor.page, "writing", size=size, dark=dark)
                visitor.page.click("[data-at=stop]")
                visitor.close()


def save(page: Page, name: str, *, size: tuple[int, int], dark: bool) -> None:
    """Write one file."""
    page.wait_for_timeout(400)
    path = FOLDER / f"{name}-{'dark' if dark else 'light'}-{size[0]}.png"
    page.screenshot(path=path)
    print(path.relative_to(FOLDER.parents[1]), flush=True)


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
