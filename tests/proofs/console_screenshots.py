"""Every page of the console opens without a complaint of the browser, light on a desk and dark on a telephone.

The list is made from the addresses of the installation, so a new page cannot be forgotten: lists, forms, one row of each
table, and whatever stands beside them. A page fails on an error of a script, on what the security policy refuses, when it is
wider than the window, and when it does not answer 200; so does a table without a row. Pages that only take a POST are counted.
SHOTS=folder keeps the pictures for whoever looks at them; ONLY=monitoring takes the addresses that hold this.
"""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import Any

from tests.e2e.access_stage import add_access
from tests.e2e.browser import NARROW, WIDE, Visitor, chromium
from tests.e2e.console_stage import add_rest
from tests.e2e.promise_stage import add_promises
from tests.e2e.recovery_stage import add_recovery
from tests.e2e.release_stage import add_releases
from tests.e2e.stage import PASSWORD, set_stage, wait_for_sources
from tests.e2e.watch_stage import add_sightings
from tests.lab.portal import Portal
from tests.proofs import expect

# What is too wide is so in both themes, and what a theme hides is hidden at both widths.
_LOOKS = ((WIDE, False), (NARROW, True))
# Not pages of their own: they answer scripts, end the session, lead elsewhere, or are files.
_NO_PAGES = (
    "jsi18n", "autocomplete", "logout", "/r/<", "password_change", "<url>", "<app_label>", "/evidence/", "/export/"
)  # fmt: skip
# Tables of libraries, which are closed to everybody: their writes would pass our services by.
_CLOSED = ("auth", "account", "mfa", "socialaccount", "usersessions")
_PATHS = """
from django.apps import apps
from tests.web.routes import routes
answer = {"paths": [], "empty": []}
for route in routes():
    if not route.text.startswith("admin/") or "GET" not in route.methods or any(no in route.text for no in NO_PAGES):
        continue
    parts = route.text.split("/")
    if not route.parameters:
        answer["paths"].append(route.path({}))
        continue
    try:
        model = apps.get_model(parts[1], parts[2])
    except (LookupError, IndexError):
        answer["empty"].append(route.text)
        continue
    row = model._default_manager.order_by("-pk").first()
    given = {name: VALUES[name] for name in route.parameters if name in VALUES}
    if model.__name__ == "StoredFile":
        # The list only: a page of one file would show its name.
        continue
    if len(given) == len(route.parameters):
        answer["paths"].append(route.path(given))
    elif row is None or len(route.parameters) > 1:
        answer["empty"].append(route.text)
    elif not route.text.endswith("<path:object_id>/"):
        answer["paths"].append(route.path({route.parameters[0]: str(row.pk)}))
"""


def _closed(visitor: Visitor, portal: Portal, route: str) -> bool:
    """Whether the table is shown to nobody: those of libraries, which would pass our services by."""
    _, app, model, *_ = route.split("/")
    return bool(visitor.context.request.get(f"{portal.url}/admin/{app}/{model}/", max_redirects=0).status == 403)


def prove() -> str:
    """Open them all."""
    kept = os.environ.get("SHOTS", "")
    folder = Path(kept or tempfile.mkdtemp(prefix="aiwriter-shots-"))
    folder.mkdir(parents=True, exist_ok=True)
    with Portal(within=900) as portal, chromium() as browser, tempfile.TemporaryDirectory() as outside:
        cast = set_stage(portal)
        wait_for_sources(portal)
        add_sightings(portal)
        add_access(portal)
        add_recovery(portal)
        add_releases(portal)
        values = add_rest(portal, Path(outside))
        add_promises(portal)
        code = _PATHS.replace("NO_PAGES", repr(_NO_PAGES)).replace("VALUES", repr(values))
        found: dict[str, list[str]] = portal.shell(code)
        only = os.environ.get("ONLY", "")
        paths = [path for path in found["paths"] if only in path]
        expect(paths, f"no address holds '{only}'")
        visitor = Visitor(browser, portal.url)
        visitor.sign_in(cast.admin, PASSWORD)
        empty = [each for each in found["empty"] if not _closed(visitor, portal, each)]
        print(f"  {len(paths)} pages; of {len(found['empty']) - len(empty)} nobody may open the table", flush=True)
        expect(not empty, f"no row for {', '.join(empty)}")
        problems: list[str] = []
        opened = posts = files = 0
        for path in paths:
            # Asked without a window first: the browser shows no page for an answer that has no body.
            plain = visitor.context.request.get(f"{portal.url}{path}", max_redirects=0)
            if plain.status == 405:
                posts += 1
                continue
            if "attachment" in plain.headers.get("content-disposition", ""):
                files += 1
                continue
            visitor.resize(WIDE, dark=False)
            answer: Any = visitor.page.goto(f"{portal.url}{path}")
            if answer.status == 403 and (path.endswith(("/add/", "/delete/")) or path.split("/")[2] in _CLOSED):
                # Nobody makes or removes these by hand; the browser notes the refusal as an error of its own.
                visitor.complaints = [each for each in visitor.complaints if "status of 403" not in each]
                continue
            if answer.status != 200:
                problems.append(f"{path} answers {answer.status}")
                visitor.complaints.clear()
                continue
            opened += 1
            # The pages of histories and deletions are one each.
            for size, dark in _LOOKS if not path.endswith(("/history/", "/delete/")) else _LOOKS[1:]:
                visitor.resize(size, dark=dark)
                if (wider := visitor.overflow()) > 0:
                    problems.append(f"{path} is {wider} px wider than {size[0]}")
                name = path.strip("/").replace("/", "-").replace("admin-", "", 1)[:80]
                shot = folder / f"{name or 'home'}-{'dark' if dark else 'light'}-{size[0]}.png"
                visitor.page.screenshot(path=shot, full_page=True)
            problems += [f"{path}: {each}" for each in (*visitor.complaints, *visitor.refused())]
            visitor.complaints.clear()
        visitor.close()
        for each in problems:
            print(f"  {each}", flush=True)
    expect(not problems, f"{len(problems)} problems of {opened} pages: {problems[:5]}")
    return f"{opened} pages, light at 1280 and dark at 390 pixels, without a complaint, {posts} take a POST only, {files} are files; pictures in {folder}"
