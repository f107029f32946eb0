"""Fills in the forms of a page as a browser would, without one."""

from __future__ import annotations

from urllib.parse import urljoin

import httpx2
from bs4 import BeautifulSoup, Tag


def fields_of(form: Tag) -> dict[str, str]:
    """What the browser would send if nothing were typed."""
    values: dict[str, str] = {}
    for element in form.find_all(["input", "textarea", "select"]):
        name = str(element.get("name") or "")
        kind = str(element.get("type") or "")
        if not name or kind in ("submit", "button", "file", "image") or element.has_attr("disabled"):
            continue
        if kind in ("checkbox", "radio") and not element.has_attr("checked"):
            continue
        if element.name == "select":
            chosen = element.find("option", selected=True) or element.find("option")
            values[name] = str(chosen.get("value") or "") if chosen else ""
        else:
            values[name] = element.get_text() if element.name == "textarea" else str(element.get("value") or "")
    return values


def submit(client: httpx2.Client, page: httpx2.Response, *, action: str = "", **typed: str) -> httpx2.Response:
    """Send a form of a page.

    Args:
        client: with the session.
        page: that holds the form.
        action: a part of the form's address; "" takes the first posting form that has all the typed fields.
        typed: values by field name.

    Raises:
        LookupError: the page has no such form.
    """
    soup = BeautifulSoup(page.text, "html.parser")
    for form in soup.find_all("form"):
        target = str(form.get("action") or "")
        if str(form.get("method") or "get").lower() != "post" or action not in target:
            continue
        values = fields_of(form)
        named = {str(element.get("name")) for element in form.find_all(["input", "textarea", "select"])}
        if set(typed) - named:
            continue
        return client.post(
            urljoin(str(page.url), target or str(page.url)),
            data={**values, **typed},
            headers={"Referer": str(page.url)},
        )
    raise LookupError(f"{page.url} has no form for {sorted(typed)} {action}: {soup.get_text(' ', strip=True)[:500]}")
