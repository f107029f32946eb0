"""Small parts of the look: icons, the current place in the navigation, field attributes."""

from __future__ import annotations

import re
from functools import cache, lru_cache
from typing import Any

from django import template
from django.forms import BoundField
from django.templatetags.static import static
from django.utils.html import escape, format_html
from django.utils.safestring import SafeString, mark_safe

register = template.Library()

THEMES = ("light", "dark")
_CODE = re.compile(r"`([^`\n]+)`")


@cache
def _sprite() -> str:
    # A process serves one version of the product: where its sprite lies changes with the process only.
    return static("img/icons.svg")


@register.simple_tag
# A string that is marked safe equals one that is not: what was drawn of the one must not come back for the other.
@lru_cache(maxsize=1024, typed=True)
def icon(name: str, size: str = "") -> SafeString:
    """An icon of the sprite; decorative, so that a screen reader passes over it.

    Args:
        name: id of a symbol in `static/img/icons.svg`.
        size: "", "sm" or "lg".
    """
    extra = f" icon-{size}" if size else ""
    return format_html(
        '<svg class="icon{}" aria-hidden="true" focusable="false"><use href="{}#{}"></use></svg>',
        extra,
        _sprite(),
        name,
    )


@register.simple_tag(takes_context=True)
def theme(context: template.Context) -> SafeString:
    """The `data-theme` attribute for `<html>`, from the cookie, so that a dark page never flashes white first."""
    request = context.get("request")
    chosen = request.COOKIES.get("theme", "") if request is not None else ""
    return format_html(' data-theme="{}"', chosen) if chosen in THEMES else SafeString("")


@register.simple_tag(takes_context=True)
def current(context: template.Context, address: str, whole: bool = False) -> SafeString:
    """`aria-current="page"` when the page lies at or below an address.

    Args:
        address: path of the link.
        whole: count only the page itself, not what lies below.
    """
    request = context.get("request")
    path = request.path if request is not None else ""
    here = path == address if whole else path.startswith(address)
    return SafeString(' aria-current="page"') if here else SafeString("")


@register.simple_tag
def field(bound: BoundField, **attributes: Any) -> SafeString:
    """A form field's control, told to assistive technology together with its help and its errors.

    Args:
        bound: the field.
        attributes: further attributes; an underscore stands for a hyphen.
    """
    described = []
    if bound.help_text:
        described.append(f"{bound.id_for_label}_help")
    if bound.errors:
        described.append(f"{bound.id_for_label}_error")
    attrs: dict[str, Any] = {name.replace("_", "-"): value for name, value in attributes.items()}
    if described:
        attrs["aria-describedby"] = " ".join(described)
    if bound.errors:
        attrs["aria-invalid"] = "true"
    return bound.as_widget(attrs=attrs)


@register.filter
def initial(value: object) -> str:
    """The first letter of a name, for an avatar."""
    return (str(value).strip() or "?")[0].upper()


@register.filter(is_safe=True)
def with_code(text: object) -> SafeString:
    """What is wrong, or what to do about it, with the commands between backticks shown as such."""
    # Escaped first: nothing but the two tags around a command is markup.
    return mark_safe(_CODE.sub(r"<code>\1</code>", escape(text)))  # noqa: S308
