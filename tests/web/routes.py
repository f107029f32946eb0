"""Every address of the installation, found in the URL configuration."""

from __future__ import annotations

import re
import uuid
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from django.urls import URLPattern, URLResolver, get_resolver
from django.urls.resolvers import RegexPattern
from django.utils.regex_helper import normalize

_PARAMETER = re.compile(r"<(?:(?P<converter>\w+):)?(?P<name>\w+)>")
# What stands in an address when nobody has said what its parameter names.
_STRANGERS = {"uuid": str(uuid.UUID(int=0)), "int": "1", "slug": "x", "path": "x", "str": "x"}
ADMIN = "admin/"


@dataclass(frozen=True)
class Route:
    """One address.

    Args:
        text: with its parameters, "api/v1/tokens/<uuid:token_id>".
        view: the callable.
        methods: HTTP methods worth asking.
    """

    text: str
    view: Callable[..., Any]
    methods: tuple[str, ...]

    @property
    def app(self) -> str:
        """Which table its rows belong in: the app whose view or model it shows, else "accounts" or "console"."""
        parts = self.text.removeprefix(ADMIN).split("/")
        module = self.view.__module__
        if self.text.startswith(ADMIN):
            return parts[0] if parts[0] in ("users", "monitoring", "backends", "content") else "console"
        if self.text.startswith("accounts/"):
            return "accounts"
        return module.split(".")[1] if module.startswith("apps.") else "console"

    @property
    def parameters(self) -> list[str]:
        """Names of its parameters."""
        return [found["name"] for found in _PARAMETER.finditer(self.text)]

    def path(self, values: Mapping[str, str]) -> str:
        """The address with values in it; what has no value gets a stranger's."""

        def fill(found: re.Match[str]) -> str:
            fallback = _STRANGERS.get(found["converter"] or "str", "x")
            return str(values.get(found["name"], fallback))

        return "/" + _PARAMETER.sub(fill, self.text)

    @property
    def model(self) -> str:
        """For a page of the console about one row: "users.user"."""
        parts = self.text.split("/")
        return ".".join(parts[1:3]) if self.text.startswith(ADMIN) and "<path:object_id>" in parts else ""


def routes() -> list[Route]:
    """Every address once, in the order of the URL configuration."""
    found: dict[str, Route] = {}
    for text, view in _walk(get_resolver().url_patterns, ""):
        found.setdefault(text, Route(text, view, _methods(view)))
    return list(found.values())


def _walk(patterns: list[Any], prefix: str) -> Iterator[tuple[str, Any]]:
    for pattern in patterns:
        text = prefix + _text(pattern.pattern)
        if isinstance(pattern, URLResolver):
            yield from _walk(pattern.url_patterns, text)
        elif isinstance(pattern, URLPattern):
            yield text, pattern.callback


def _text(pattern: Any) -> str:
    if not isinstance(pattern, RegexPattern):
        return str(pattern)
    template = normalize(pattern.regex.pattern)[0][0]
    return re.sub(r"%\((\w+)\)s", r"<\1>", template)


def _methods(view: Any) -> tuple[str, ...]:
    actions = getattr(view, "actions", None)
    shown = getattr(view, "cls", None) or getattr(view, "view_class", None)
    if actions:
        return tuple(sorted(method.upper() for method in actions if method != "head"))
    if shown is not None and hasattr(view, "cls"):
        return tuple(m.upper() for m in ("get", "post", "put", "patch", "delete") if hasattr(shown, m))
    return ("GET", "POST")
