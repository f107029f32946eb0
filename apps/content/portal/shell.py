"""Template tags of the portal: the navigation around a page, and citations in a text."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from django import template
from django.urls import NoReverseMatch, get_script_prefix, get_urlconf, reverse
from django.utils.functional import Promise
from django.utils.html import format_html
from django.utils.safestring import SafeString, mark_safe
from django.utils.translation import gettext_lazy as _

from apps.content.portal.requests import WORKSPACE_KEY, actor_of
from apps.users.models import Workspace
from apps.users.selectors.access import capabilities_of, workspaces_of

register = template.Library()

_TAG = re.compile(r"(<[^>]*>)")
_MARKER = re.compile(r"\[(\d{1,3})\](?!\()")
_SILENT = ("code", "pre", "a")


@lru_cache(maxsize=512)
def _address(route: str, prefix: str, urlconf: str | None) -> str:
    # A page draws its navigation twice, eighty addresses: looked for anew each time they took a tenth of it.
    try:
        return reverse(route, urlconf)
    except NoReverseMatch:
        return ""


@dataclass(frozen=True, slots=True)
class Item:
    """One line of the navigation.

    Args:
        label: words.
        route: name of the route.
        icon: symbol of the sprite.
        capability: what the person needs; "" for everybody.
        whole: current on this page only, not on those below it.
        extra: not in the narrow screen's tab bar, so it stands in its menu.
    """

    label: str | Promise
    route: str
    icon: str
    capability: str = ""
    whole: bool = False
    extra: bool = False

    @property
    def address(self) -> str:
        """The path; "" when the page does not exist in this installation."""
        return _address(self.route, get_script_prefix(), get_urlconf())


# The main navigation, in the order of the work: the texts, when they are due, what they are made of, where they go. A
# part of the portal that brings pages of its own adds a line at its place.
MAIN = (
    Item(_("Home"), "content:home", "home", whole=True),
    Item(_("Documents"), "content:documents", "document", "content.read"),
    Item(_("Calendar"), "content:calendar", "calendar", "content.read", extra=True),
    Item(_("Reviews"), "content:reviews", "check", "content.read", extra=True),
    Item(_("Collections"), "content:collections", "folder", "content.read", extra=True),
    Item(_("Sources"), "content:sources", "source", "sources.read"),
    Item(_("Find a passage"), "content:search", "passage", "sources.read", extra=True),
    Item(_("Templates"), "content:templates", "table", "content.read", extra=True),
    Item(_("Batches"), "content:batches", "list", "content.read", extra=True),
    Item(_("Voices"), "content:voices", "quote", "content.read", extra=True),
    Item(_("Import"), "content:imports", "upload", "content.write", extra=True),
    Item(_("Exported files"), "content:exports", "download", "content.read", extra=True),
    Item(_("Published outside"), "content:publications", "external", "content.read", extra=True),
)
# Tidying up first, then what programs and people may do, the settings last.
MANAGE = (
    Item(_("Tags"), "content:tags", "tag", "content.read"),
    Item(_("Bin"), "content:trash", "trash", "content.read"),
    Item(_("AI actions"), "content:ai-actions", "spark", "content.read"),
    Item(_("Usage"), "content:usage", "pulse", "usage.read"),
    Item(_("Budgets"), "content:budgets", "shield", "usage.read"),
    Item(_("Models"), "content:models", "plug", "content.read"),
    Item(_("API keys"), "users:tokens", "key", "tokens.manage"),
    Item(_("Webhooks"), "content:webhooks", "link", "webhooks.manage"),
    Item(_("Members"), "users:members", "users", "members.manage"),
    Item(_("Settings"), "content:settings", "settings"),
    Item(_("Console"), "admin:index", "console"),
)
ACCOUNT = (
    Item(_("Profile"), "users:profile", "user"),
    Item(_("Two-factor sign-in"), "mfa_index", "shield"),
    Item(_("Open sessions"), "users:sessions", "clock"),
)


def _opened(rooms: list[Workspace], chosen: str) -> Workspace | None:
    """What `workspace_of` finds, among those that are shown anyway: the one that was chosen, else the first."""
    found = [each for each in rooms if str(each.pk) == chosen]
    return found[0] if found else min(rooms, key=lambda each: (each.created_at, each.pk), default=None)


@register.simple_tag(takes_context=True)
def shell(context: template.Context) -> dict[str, Any]:
    """The workspace, the person's other workspaces and the navigation that the person may use."""
    request = context.get("request")
    if request is None or not request.user.is_authenticated:
        return {}
    actor = actor_of(request)
    rooms = list(workspaces_of(actor).order_by("name"))
    workspace = _opened(rooms, request.session.get(WORKSPACE_KEY, ""))
    held = capabilities_of(actor, workspace=workspace, in_portal=request.user.system_capabilities)

    def allowed(items: Iterable[Item]) -> list[Item]:
        return [
            item
            for item in items
            if item.address
            and (not item.capability or item.capability in held)
            and (item.route != "admin:index" or request.user.is_staff)
        ]

    return {
        "workspace": workspace,
        "workspaces": rooms,
        "items": allowed(MAIN if workspace else MAIN[:1]),
        "more": allowed(MANAGE),
        "account": allowed(ACCOUNT),
        "may_write": "content.generate" in held,
    }


@register.filter
def with_citations(html: str, citations: dict[str, Any]) -> SafeString:
    """Turn the markers of a text into chips.

    Args:
        html: clean HTML of `apps.content.markup.markdown.to_html`.
        citations: marker to an object with `verified` and `address`, where the chip leads.
    """
    pieces: list[str] = []
    silent: list[str] = []
    for piece in _TAG.split(html):
        if piece.startswith("<"):
            name = piece.strip("</>").split()[0].lower() if len(piece) > 2 else ""
            if name in _SILENT:
                if piece.startswith("</"):
                    silent = silent[:-1]
                else:
                    silent.append(name)
            pieces.append(piece)
        else:
            pieces.append(piece if silent else _MARKER.sub(_chip(citations), piece))
    return mark_safe("".join(pieces))  # noqa: S308  what came in is clean, what was put in is escaped by format_html


def _chip(citations: dict[str, Any]) -> Callable[[re.Match[str]], str]:
    def replace(match: re.Match[str]) -> str:
        found = citations.get(match[1])
        if found is None:
            return match[0]
        state = "" if found.verified else " cite-unverified"
        label = _("Source %(marker)s") if found.verified else _("Source %(marker)s, not verified")
        return format_html(
            '<a class="cite{}" data-cite="{}" href="{}" aria-label="{}">{}</a>',
            state,
            match[1],
            found.address,
            label % {"marker": match[1]},
            match[1],
        )

    return replace


@register.filter
def within(locator: str, title: str) -> str:
    """A place in a source without the source's own name, which stands above it already."""
    return locator.removeprefix(title).removeprefix(" > ").removeprefix(", ")
