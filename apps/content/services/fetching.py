"""Fetching web pages for sources: through the guarded way out, in limits of size and time, only when they have changed."""

from __future__ import annotations

import asyncio
import email.message
import tempfile
from collections.abc import Sequence
from contextlib import aclosing
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import IO
from urllib.parse import unquote, urljoin, urlsplit, urlunsplit

from aiwriter.core.egress import GuardedClient, outgoing_networks
from aiwriter.core.errors import AppError, InvalidInput, TooLarge, Unavailable
from aiwriter_sdk import BackendError
from apps.content.markup.markdown import clean_text

MAX_BYTES = 25 * 2**20
MAX_REDIRECTS = 5
SILENCE_SECONDS = 15.0
# Together below the lease of the sources that wait for it.
TOTAL_SECONDS = 60.0
_AGENT = "AI-Writer/1.0 (source reader)"
_ACCEPT = "text/html,application/xhtml+xml,application/pdf,text/plain;q=0.9,*/*;q=0.5"
_REFUSALS = {
    401: ("The page asks for a sign-in.", "Save the page as a file and upload that."),
    403: ("The server refuses to show the page to programs.", "Save the page as a file and upload that."),
    404: ("There is no such page.", "Check the address in a browser."),
    410: ("The page was removed.", "Look for its new address."),
    429: ("The server was asked too often.", "Wait a while, then refresh it."),
}


@dataclass(frozen=True, slots=True)
class Wanted:
    """A page to fetch; `etag` and `last_modified` as the server said the last time, "" when it has to be fetched anew."""

    url: str
    etag: str = ""
    last_modified: str = ""


@dataclass(slots=True)
class Page:
    """What came: `content` is open at its beginning and removes itself when closed; None when nothing has changed."""

    url: str
    content: IO[bytes] | None = None
    name: str = "page.html"
    content_type: str = ""
    etag: str = ""
    last_modified: str = ""


def check_url(url: str) -> str:
    """An address as it is kept: http or https, without fragment and without sign-in data.

    Raises:
        InvalidInput: it is none.
    """
    text = clean_text(url).strip()
    if "://" not in text and "." in text.partition("/")[0]:
        text = f"https://{text}"
    try:
        parts = urlsplit(text)
        host, _ = parts.hostname, parts.port
    except ValueError as error:
        raise InvalidInput("That is not a web address.", field="url", remedy="Copy it from the browser.") from error
    if parts.scheme not in ("http", "https") or not host or len(text) > 2000 or any(c.isspace() for c in text):
        raise InvalidInput(
            "That is not a web address.", field="url", remedy="Use one that begins with http:// or https://."
        )
    if parts.username or parts.password:
        raise InvalidInput(
            "The address holds a name or password, which would be kept and shown.",
            field="url",
            remedy="Leave them out; save a page that asks for them as a file and upload it.",
        )
    return urlunsplit((parts.scheme, parts.netloc, parts.path or "/", parts.query, ""))


def fetch_all(wanted: Sequence[Wanted]) -> list[Page | AppError]:
    """Fetch pages side by side; one that fails does not hold up the others.

    Returns:
        for each a page, or what went wrong.
    """

    async def every() -> list[Page | AppError]:
        client = GuardedClient(allowed=outgoing_networks(), max_bytes=MAX_BYTES)
        async with aclosing(client):
            return await asyncio.gather(*(_guarded(client, each) for each in wanted))

    return asyncio.run(every()) if wanted else []


async def _guarded(client: GuardedClient, wanted: Wanted) -> Page | AppError:
    try:
        async with asyncio.timeout(TOTAL_SECONDS):
            return await _fetch(client, wanted)
    except TimeoutError:
        return Unavailable(
            f"The page did not arrive within {TOTAL_SECONDS:.0f} seconds.", remedy="Try again later, or upload a file."
        )
    except BackendError as error:
        if "larger than" in str(error):
            return TooLarge(
                f"The page is larger than {MAX_BYTES // 2**20} MB.", remedy="Save the part that you need as a file."
            )
        remedy = error.remedy or "Try again later, or upload a file."
        if "AIWRITER_EGRESS" in remedy:
            remedy = (
                "Save the page as a file and upload that. An operator can open a network with "
                "AIWRITER_OUTGOING_ALLOW_NETWORKS."
            )
        return Unavailable(error.message, remedy=remedy)
    except AppError as error:
        return error


async def _fetch(client: GuardedClient, wanted: Wanted) -> Page:
    address = wanted.url
    headers = {"User-Agent": _AGENT, "Accept": _ACCEPT, "Accept-Language": "*"}
    if wanted.etag:
        headers["If-None-Match"] = wanted.etag
    if wanted.last_modified:
        headers["If-Modified-Since"] = wanted.last_modified
    for _ in range(MAX_REDIRECTS + 1):
        async with client.stream("GET", address, headers=headers, timeout=SILENCE_SECONDS) as response:
            status = response.status_code
            if status == 304:
                return Page(address, etag=wanted.etag, last_modified=wanted.last_modified)
            if status in (301, 302, 303, 307, 308) and response.headers.get("location"):
                # Each step is judged anew: a public page may send us to a private address.
                address = check_url(urljoin(address, response.headers["location"]))
                continue
            if status != 200:
                message, remedy = _REFUSALS.get(
                    status, (f"The server answered {status}.", "Try again later, or open it in a browser.")
                )
                raise Unavailable(message, remedy=remedy)
            content = tempfile.TemporaryFile()  # noqa: SIM115  closed by the caller, who reads it
            try:
                async for piece in response.aiter_bytes():
                    content.write(piece)
            except BaseException:
                content.close()
                raise
            content.seek(0)
            kind = response.headers.get("content-type", "")
            return Page(
                address,
                content,
                _name(address, kind, response.headers.get("content-disposition", "")),
                kind.partition(";")[0].strip()[:120],
                response.headers.get("etag", "")[:200],
                response.headers.get("last-modified", "")[:60],
            )
    raise Unavailable(
        f"The page sends its readers on more than {MAX_REDIRECTS} times.",
        remedy="Use the address that a browser ends at.",
    )


def _name(address: str, content_type: str, disposition: str) -> str:
    """A file name with the ending that tells kinds of text apart."""
    said = email.message.Message()
    said["content-disposition"] = disposition or "inline"
    name = PurePosixPath(said.get_filename() or unquote(urlsplit(address).path)).name or "page"
    if "html" in content_type and not name.lower().endswith((".html", ".htm", ".xhtml")):
        name += ".html"
    return Path(name).name[-120:]
