"""Pages of the web, fetched through the guarded way out."""

from __future__ import annotations

import asyncio
from urllib.parse import urljoin, urlsplit

from aiwriter.core.egress import GuardedClient, outgoing_networks
from aiwriter.core.errors import Unavailable, UnsupportedType
from aiwriter.core.threads import in_thread
from apps.content.services.import_pictures import Box
from apps.content.services.import_texts import markdown_text, page_text

MAX_PAGE, _REDIRECTS, FETCH_SECONDS = 10 * 2**20, 5, 30.0
TYPES = {
    "text/html": ".html",
    "application/xhtml+xml": ".html",
    "text/markdown": ".md",
    "text/plain": ".md",
    "application/vnd.openxmlformats-officedocument.wordprocessingml.document": ".docx",
}


async def read_page(url: str) -> tuple[str, str]:
    """Title and Markdown of a page of the web, fetched through the guarded way out; nothing is kept.

    Raises:
        Unavailable: it does not answer.
        UnsupportedType: it is no text.
        BackendError: the address may not be asked, or does not answer.
    """
    address, kind, content = await get_page(url)
    ending = TYPES.get(kind, "")
    if ending not in (".html", ".md"):
        raise UnsupportedType(
            f"The address leads to {kind[:60] or 'something unknown'}, not to a text.",
            field="url",
            remedy="Download it and add it as a source.",
        )
    name = f"{urlsplit(address).hostname or 'page'}{ending}"
    # Its pictures are of no use to a model that reads the words.
    read = await in_thread(page_text if ending == ".html" else markdown_text, content, name, Box(most=0))
    return read.title, read.body


async def get_page(url: str) -> tuple[str, str, bytes]:
    """Final address, type and bytes of what an address leads to.

    Raises:
        Unavailable: it does not answer, or leads in a circle.
        BackendError: the address may not be asked, or is too large.
    """
    client = GuardedClient(allowed=outgoing_networks(), max_bytes=MAX_PAGE)
    try:
        async with asyncio.timeout(FETCH_SECONDS):
            for _ in range(_REDIRECTS):
                async with client.stream("GET", url, headers={"Accept": "text/html, text/markdown, */*;q=0.5"}) as got:
                    if got.status_code in (301, 302, 303, 307, 308) and got.headers.get("location"):
                        # Each step is judged anew: a public page may lead to a private address.
                        url = urljoin(url, got.headers["location"])
                        continue
                    if got.status_code != 200:
                        raise Unavailable(f"The address answers {got.status_code}.", remedy="Check it in a browser.")
                    kind = got.headers.get("content-type", "").partition(";")[0].strip().lower()
                    return url, kind, await got.aread()
            raise Unavailable("The address leads from one redirect to the next.", remedy="Enter the last one.")
    except TimeoutError:
        raise Unavailable(f"The page did not come within {FETCH_SECONDS:g} seconds.", remedy="Try again.") from None
    finally:
        await client.aclose()
