"""A real Chromium: found, started, watched. Everything that the browser complains about fails the test."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from axe_playwright_python.sync_playwright import Axe  # type: ignore[import-untyped]
from playwright.sync_api import Browser, BrowserContext, Page, sync_playwright

# The first draws pages without the browser around them: two thirds of the processor time.
NAMES = ("chromium-headless-shell", "chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
]
WIDE, NARROW = (1280, 820), (390, 844)
# Runs before the page's own scripts: what the security policy refuses is not always told in the console.
_WATCH = """
window.refused = [];
document.addEventListener("securitypolicyviolation", (event) =>
  window.refused.push(`${event.violatedDirective} ${event.blockedURI} ${event.sourceFile}:${event.lineNumber}`));
"""

_STILL = """() => Promise.all(document.getAnimations()
  .filter((each) => each.effect.getComputedTiming().endTime !== Infinity)
  .map((each) => each.finished.catch(() => 0)))"""

# Without preload: it fetches imported sheets anew and puts them into style elements, which the policy refuses.
# Of what is in order it need not tell where.
_OPTIONS = {
    "runOnly": {"type": "tag", "values": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]},
    "preload": False,
    "resultTypes": ["violations"],
}
# What stands around the content of every page: two thirds of the elements of a usual one.
_FRAME = ".sidebar, .topbar, .tabbar"
# What axe computes grows with the elements that are there. Taken out while it looks: the strokes of icons that are hidden
# from everybody who hears the page, and a part of the frame of which it has judged every word and every look. Which link is
# the present page's and the secret of a form may differ. What it could only find with frame and content side by side, an id
# that both have, is told here.
_JUDGE = """async ([options, where, judged]) => {
  const words = (part) => {
    const copy = part.cloneNode(true);
    copy.querySelectorAll("input[type=hidden]").forEach((each) => each.remove());
    copy.querySelectorAll("[aria-current]").forEach((each) => each.removeAttribute("aria-current"));
    return copy.outerHTML;
  };
  const looks = (part) => [...part.querySelectorAll(":not(svg *)")].map((each) => {
    const { color, backgroundColor, opacity, fontSize, fontWeight, visibility } = getComputedStyle(each);
    const { width, height } = each.getBoundingClientRect();
    const known = each.closest("[aria-current]") ? "current" : "";
    return [each.tagName, each.className, known, color, backgroundColor, opacity, fontSize, fontWeight, visibility, width, height].join();
  });
  const frame = [...document.querySelectorAll(where)];
  const ids = frame.flatMap((part) => [...part.querySelectorAll("[id]")].map((each) => each.id));
  const twice = ids.filter((id) => document.querySelectorAll(`[id="${CSS.escape(id)}"]`).length > 1);
  const seen = frame.map((part) => [words(part), ...looks(part)]), known = new Set(judged);
  const emptied = [...document.querySelectorAll("svg[aria-hidden=true]"), ...frame.filter((_, n) => seen[n].every((each) => known.has(each)))]
    .map((part) => [part, [...part.childNodes]]);
  for (const [part] of emptied) part.replaceChildren();
  try {
    const { violations } = await axe.run(document, options);
    const fresh = [...new Set(seen.flat())].filter((each) => !known.has(each));
    return { violations, fresh, twice: twice.map((id) => `the id ${id} is there twice`) };
  } finally {
    for (const [part, children] of emptied) part.replaceChildren(...children);
  }
}"""


def find_chromium() -> str:
    """Path of an installed Chromium.

    Raises:
        RuntimeError: there is none.
    """
    found = next((path for name in NAMES if (path := shutil.which(name))), "")
    if not found:
        raise RuntimeError("No Chromium is installed. On Debian: apt install chromium")
    return found


@contextmanager
def chromium() -> Iterator[Browser]:
    """A browser for the time of the block."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=find_chromium(), args=FLAGS)
        try:
            yield browser
        finally:
            browser.close()


class Visitor:
    """Somebody with a browser window.

    Args:
        browser: the browser.
        url: where the portal is, "http://127.0.0.1:8000".
        size: width and height in CSS pixels.
        dark: whether the system asks for dark pages.
        javascript: switched off for pages that must work without.
    """

    def __init__(
        self,
        browser: Browser,
        url: str,
        *,
        size: tuple[int, int] = WIDE,
        dark: bool = False,
        javascript: bool = True,
    ) -> None:
        self.url = url
        self._look = size, dark
        # What axe has judged of frames, by the look of the window.
        self._judged: dict[tuple[tuple[int, int], bool], list[str]] = {}
        self.context: BrowserContext = browser.new_context(
            viewport={"width": size[0], "height": size[1]},
            color_scheme="dark" if dark else "light",
            java_script_enabled=javascript,
            accept_downloads=True,
            locale="en-GB",
        )
        self.context.add_init_script(_WATCH)
        self.page: Page = self.context.new_page()
        self.complaints: list[str] = []
        self.page.on("pageerror", lambda error: self.complaints.append(f"{self.page.url}: {error}"))
        self.page.on("console", self._listen)

    def _listen(self, message: Any) -> None:
        if message.type == "error":
            self.complaints.append(f"{self.page.url}: {message.text}")

    def go(self, path: str) -> Page:
        """Open a page; it must answer 200."""
        answer = self.page.goto(f"{self.url}{path}")
        assert answer is not None
        assert answer.status == 200, f"{path} answered {answer.status}"
        return self.page

    def sign_in(self, email: str, password: str) -> Page:
        """Sign in through the page."""
        self.go("/accounts/login/")
        self.page.fill("[name=login]", email)
        self.page.fill("[name=password]", password)
        self.page.click("main button.btn-primary")
        self.page.wait_for_url(lambda address: "/accounts/login" not in address)
        return self.page

    def refused(self) -> list[str]:
        """What the content security policy refused on the present page."""
        return list(self.page.evaluate("window.refused"))

    def overflow(self) -> int:
        """By how many pixels the page is wider than the window."""
        return int(self.page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth"))

    def resize(self, size: tuple[int, int], *, dark: bool) -> None:
        """Look at the present page in another window, without loading it anew; nothing happens when it is such a one."""
        if self._look == (size, dark):
            return
        self._look = size, dark
        self.page.set_viewport_size({"width": size[0], "height": size[1]})
        self.page.emulate_media(color_scheme="dark" if dark else "light")
        self.page.wait_for_timeout(150)

    def barriers(self) -> list[str]:
        """What axe finds against WCAG 2.2 AA on the present page, and in its frame what this visitor has not had judged."""
        if not self.page.evaluate("'axe' in window"):
            # Half a megabyte: sent once, and from then on each page of this window brings it along by itself.
            self.page.evaluate(Axe().axe_script)
            self.context.add_init_script(Axe().axe_script)
        judged = self._judged.setdefault(self._look, [])
        # A dialog that still fades in has pale words.
        self.page.evaluate(_STILL)
        answer = self.page.evaluate(_JUDGE, [_OPTIONS, _FRAME, judged])
        judged += answer["fresh"]
        return answer["twice"] + [
            f"{item['id']}: {item['help']} {[' '.join(node['target']) for node in item['nodes'][:4]]} "
            f"{item['nodes'][0].get('failureSummary', '')[:300]}"
            for item in answer["violations"]
        ]

    def close(self) -> None:
        """Close the window."""
        self.context.close()
