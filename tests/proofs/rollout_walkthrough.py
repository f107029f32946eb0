"""Two people release from the console: a canary goes live, a bad one is taken back by itself, a good one by hand; writers read what is new.

Real versions behind HAProxy, the agent asking its console, requests of people all the while, and everything that a person
does is done in Chromium, with a picture of each step at 1280 (light) and 390 pixels (dark). PICTURES=folder keeps them.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

from tests.e2e.browser import NARROW, WIDE, Visitor, chromium
from tests.e2e.stage import PASSWORD
from tests.lab.rollout import Crowd, Host
from tests.proofs import Failed, expect, until
from tests.proofs._rollout import SMOKE_REQUESTS, prepared

RATE = 20.0
_PEOPLE = f"""
from django.contrib.auth import get_user_model
from apps.users.selectors.access import Actor
from apps.users.services.roles import grant_role
from apps.users.services.people import create_user
me = Actor.system_actor("proof")
for name, role in (("rolls", "admin"), ("agrees", "admin"), ("writes", "")):
    user = create_user(actor=me, email=f"{{name}}@example.org", password={PASSWORD!r}, full_name=name.title())
    if role:
        grant_role(actor=me, user=user, role=role, reason="walk-through")
answer = True
"""


# Of the whole portal: one of a workspace may not report.
_TOKEN = """
from django.contrib.auth import get_user_model
from apps.users.selectors.access import Actor
from apps.users.services.tokens import create_token
actor = Actor.for_user(get_user_model().objects.get(email="rolls@example.org"))
_, secret = create_token(actor=actor, name="agent", scopes=["deployments.report"])
answer = secret.reveal()
"""
_FIRST = """
from apps.deployments.models import Environment
answer = str(Environment.objects.get(own=True).pk)
"""
_SEEN = """
from apps.deployments.models import Environment
answer = getattr(Environment.objects.get(slug="lab"), "target", None) is not None
"""


class Walk:
    """A person at the console.

    Args:
        visitor: the window.
        folder: for the pictures.
    """

    def __init__(self, visitor: Visitor, folder: Path) -> None:
        self._visitor, self._folder = visitor, folder
        self.page = visitor.page

    def picture(self, name: str) -> None:
        """Of the whole present page, wide and light, narrow and dark."""
        for size, dark in ((WIDE, False), (NARROW, True)):
            self._visitor.resize(size, dark=dark)
            expect(self._visitor.overflow() <= 0, f"{name} is wider than {size[0]} pixels")
            self.page.screenshot(path=self._folder / f"{name}-{size[0]}.png", full_page=True)
        self._visitor.resize(WIDE, dark=False)
        expect(not self._visitor.refused(), f"{name}: the policy refused {self._visitor.refused()}")

    def press(self, words: str, **fields: str) -> None:
        """Press a button of the page's, and agree when it asks whether to."""
        button = self.page.get_by_role("button", name=words, exact=False).first
        for field, text in fields.items():
            button.locator("xpath=ancestor::form").locator(f"[name={field}]").fill(text)
        button.click()
        confirm = self.page.locator("dialog[open] .btn-primary, dialog[open] .btn-danger")
        with contextlib.suppress(Exception):
            confirm.first.click(timeout=1500)
        self.page.wait_for_load_state()

    def plan(self, version: str, *, strategy: str = "canary") -> str:
        """Plan a deployment with the form; its address."""
        self._visitor.go("/admin/deployments/deployment/add/")
        self.page.select_option("[name=release]", label=version)
        self.page.select_option("[name=environment]", label="Walk-through")
        self.page.select_option("[name=strategy]", strategy)
        for field, text in (("shares", "20, 50"), ("stage_seconds", "8"), ("min_samples", "25"), ("bake_seconds", "3")):
            self.page.fill(f"[name={field}]", text)
        self.page.fill("[name=why]", f"{version} is due")
        self.page.click("[name=_save]")
        self.page.wait_for_load_state()
        wrong = " ".join(self.page.locator(".errorlist, .errornote, .messagelist").all_inner_texts())
        if not self.page.url.endswith("/change/"):
            self.picture(f"refused-{version}")
            raise Failed(f"{version} could not be planned at {self.page.url}: {wrong}")
        return self.page.url.removeprefix(self._visitor.url)

    def until_state(self, address: str, states: tuple[str, ...], seconds: float = 240) -> str:
        """Look at the live page until the deployment is in one of these states."""
        self._visitor.go(address)
        heading = self.page.locator("[data-watch] h2").first
        until(lambda: heading.inner_text().strip() in states, seconds, f"still {heading.inner_text()!r}, not {states}")
        return heading.inner_text().strip()


def prove() -> str:
    """Walk."""
    kept = os.environ.get("PICTURES")
    with tempfile.TemporaryDirectory() as scratch, Host("haproxy") as host:
        folder = Path(kept or scratch)
        folder.mkdir(parents=True, exist_ok=True)
        token = prepared(host)
        host.shell(_PEOPLE)
        _register(host, "1.0", "")
        notes = "Drafts keep their **place** when you come back."
        for version, more in (("2.0", {}), ("3.0", {"errors": 0.3, "after": SMOKE_REQUESTS}), ("4.0", {})):
            host.release(version, **more)
            _register(host, version, notes)
        with _agent(host) as place, chromium() as browser, Crowd(host, RATE, token=token) as crowd:
            mine, other = (Walk(Visitor(browser, host.url), folder) for _ in range(2))
            mine._visitor.sign_in("rolls@example.org", PASSWORD)
            other._visitor.sign_in("agrees@example.org", PASSWORD)
            place(mine)
            good = _go_live(mine, other, "2.0")
            expect(host.serving() == {"2.0": 100.0}, f"after the canary: {host.serving()}")
            mine._visitor.go(good)
            mine.press("Tell everybody what is new")
            reader = Walk(Visitor(browser, host.url), folder)
            reader._visitor.sign_in("writes@example.org", PASSWORD)
            news = reader.page.locator(".announcement", has_text="What is new in 2.0").get_by_role("link")
            # Each process asks for announcements once in ten seconds.
            until(lambda: reader._visitor.go("/") and news.count(), 30, "writers are not told what is new")
            news.first.click()
            reader.page.wait_for_url("**/whats-new/**")
            expect("keep their place" in reader.page.locator("main").inner_text(), "the notes are not there")
            reader.picture("5-writers-read-it")

            bad = _begin(mine, other, "3.0", "6")
            end = mine.until_state(bad, ("Went back", "Failed before anybody saw it"))
            mine.picture("7-the-bad-one-went-back")
            expect(host.serving() == {"2.0": 100.0}, f"after the bad version: {host.serving()}")
            hit = mine.page.locator(".watch-facts dd.number").first.inner_text()

            mine._visitor.go(good)
            mine.press("Roll back to 1.0", reason="People miss the old list")
            address = mine.page.url.removeprefix(host.url)
            mine.until_state(address, ("Succeeded",))
            mine.picture("8-rolled-back")
            expect(host.serving() == {"1.0": 100.0}, f"after the way back: {host.serving()}")
            complaints = mine._visitor.complaints + other._visitor.complaints + reader._visitor.complaints
        seen = crowd.seen
        pictures = sorted(path.name for path in folder.glob("*.png"))
        expect(not complaints, f"the browser complained: {complaints[:5]}")
        # The bad version answered some with 500 until it was taken back; nothing else failed.
        allowed = 0.015 * seen["total"] + 5
        expect(seen["failed"] <= allowed, f"{seen['failed']} of {seen['total']} failed: {seen['failures'][:5]}")
    return (
        f"canary live, bad canary “{end}” with {' '.join(hit.split())} people hit, back by hand; {seen['failed']} of "
        f"{seen['total']} requests failed, all by the bad version; {len(pictures)} pictures, no complaint of the browser"
    )


def _go_live(mine: Walk, other: Walk, version: str) -> str:
    address = _begin(mine, other, version, "2")
    mine.until_state(address, ("Succeeded",))
    mine.picture("4-live")
    return address


def _begin(mine: Walk, other: Walk, version: str, number: str) -> str:
    address = mine.plan(version)
    mine.picture(f"{number}-planned-{version}")
    offered = mine.page.get_by_role("button", name="Start", exact=True).count()
    expect(not offered, f"{version} could be started before anybody has agreed")
    other._visitor.go(address)
    other.press("I agree to this plan")
    _prove_anew(other)
    other._visitor.go(address)
    if other.page.get_by_role("button", name="I agree to this plan").count():
        other.press("I agree to this plan")
    mine._visitor.go(address)
    mine.picture(f"{number}-agreed-{version}")
    mine.press("Start")
    heading = mine.page.locator("[data-watch] h2").first
    # A bad one may have gone back already by the next look.
    judged = ("Being judged", "Goes back", "Went back")
    until(lambda: heading.inner_text().strip() in judged, 180, "no stage began")
    # Its first counts come with the next report.
    mine.page.wait_for_timeout(3000)
    mine.picture(f"{number}-under-way-{version}")
    return address


def _prove_anew(person: Walk) -> None:
    """Show who one is, where the page asks for it."""
    field = person.page.locator("[name=password]")
    if field.count():
        field.first.fill(PASSWORD)
        person.page.locator("main button.btn-primary, main [type=submit]").first.click()
        person.page.wait_for_load_state()


def _register(host: Host, version: str, notes: str) -> None:
    manifest = json.loads(host.manage(version, "deployments", "manifest").stdout)
    digest = json.loads((host.releases / version / "release.json").read_text())["digest"]
    path = host.folder / f"{version}.json"
    path.write_text(json.dumps({**manifest, "version": version, "digest": digest, "notes_users": notes}))
    host.manage("1.0", "deployments", "register", str(path))


@contextlib.contextmanager
def _agent(host: Host) -> Iterator[Callable[[Walk], None]]:
    """The agent, asking; what makes its environment in the console is given out, since the key comes from there."""
    serving: list[subprocess.Popen[bytes]] = []

    def place(person: Walk) -> None:
        # The portal made one for itself when it started first; it runs in this one, as the agent's file calls it.
        person._visitor.go(f"/admin/deployments/environment/{host.shell(_FIRST)}/change/")
        person.page.uncheck("[name=own]")
        person.page.click("[name=_save]")
        person.page.wait_for_load_state()
        person._visitor.go("/admin/deployments/environment/add/")
        person.page.check("[name=own]")
        person.page.fill("[name=slug]", "lab")
        person.page.fill("[name=title]", "Walk-through")
        person.page.select_option("[name=kind]", "staging")
        person.page.fill("[name=approvals_required]", "1")
        person.page.click("[name=_save]")
        person.page.wait_for_load_state()
        public = host.shell(
            "from apps.deployments.models import Environment\nanswer = Environment.objects.get(slug='lab').public_key"
        )
        secret = host.folder / "console.token"
        secret.write_text(host.shell(_TOKEN))
        host.trust_console(public, secret)
        serving.append(host.begin("serve"))
        until(lambda: host.shell(_SEEN), 60, "the agent does not report")
        row = person.page.get_by_role("link", name="Walk-through").first
        row.click()
        person.page.wait_for_load_state()
        person.picture("1-the-environment")

    try:
        yield place
    finally:
        for process in serving:
            process.send_signal(signal.SIGTERM)
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(30)
            process.kill()
