"""A portal, a cast and a browser for all browser tests, gone with the last of them."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser

from tests.databases import migrated_file
from tests.e2e.browser import Visitor, chromium
from tests.e2e.stage import Cast, set_stage, wait_for_sources
from tests.lab.portal import Portal


@pytest.fixture(scope="package")
def running() -> Iterator[Portal]:
    """A whole portal, started as a person starts it; where the run has migrated a database, on a copy of that."""
    folder = Path(tempfile.mkdtemp(prefix="aiwriter-portal-"))
    if migrated := migrated_file():
        shutil.copy(migrated, folder / "aiwriter.sqlite3")
    with Portal(folder=folder, desk=True) as portal:
        yield portal
    shutil.rmtree(folder, ignore_errors=True)
    folder.with_suffix(".out").unlink(missing_ok=True)


@pytest.fixture(scope="package")
def cast(running: Portal) -> Cast:
    """People, documents and sources."""
    made = set_stage(running)
    wait_for_sources(running)
    return made


@pytest.fixture(scope="package")
def browser() -> Iterator[Browser]:
    """Chromium; not for longer: while it runs, the thread has an event loop in which no other test could run."""
    with chromium() as found:
        yield found


@pytest.fixture
def visit(running: Portal, browser: Browser, cast: Cast) -> Iterator[Callable[..., Visitor]]:
    """Opens a window, signed in as somebody of the cast; complaints of the browser fail the test at its end."""
    opened: list[Visitor] = []

    def enter(email: str = "", **how: object) -> Visitor:
        visitor = Visitor(browser, running.url, **how)  # type: ignore[arg-type]
        opened.append(visitor)
        if email:
            visitor.sign_in(email, cast.password)
        return visitor

    yield enter
    complaints = [text for visitor in opened for text in visitor.complaints]
    for visitor in opened:
        visitor.close()
    assert not complaints
