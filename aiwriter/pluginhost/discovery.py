"""Which plugins are installed, and which of them can be used.

Only descriptors are imported here, each by itself under a guard and a time limit: a plugin that raises, exits or hangs is
reported as broken with its traceback and the portal goes on without it. Backends are imported by `calls` on first use.
"""

from __future__ import annotations

import enum
import importlib
import importlib.metadata
import logging
import re
import sys
import threading
import traceback
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import cast

from django.conf import settings

from aiwriter.core.errors import NotFound, Unavailable
from aiwriter.core.redact import redact
from aiwriter_sdk import GROUPS, Descriptor, Kind
from aiwriter_sdk.checks import contract_problem, descriptor_problems

log = logging.getLogger(__name__)

FIRST_PARTY = frozenset(
    {
        "aiwriter-model-anthropic",
        "aiwriter-model-gemini",
        "aiwriter-model-offline",
        "aiwriter-model-openai",
        "aiwriter-publish-wordpress",
        "aiwriter-storage-local",
        "aiwriter-storage-s3",
    }
)
IMPORT_SECONDS = 5.0
_TRACEBACK_LIMIT = 8_000
_KINDS: dict[str, Kind] = {group: kind for kind, group in GROUPS.items()}


class State(enum.StrEnum):
    """What the portal thinks of an installed plugin."""

    FOUND = "found"  # listed, not imported
    BROKEN = "broken"
    INCOMPATIBLE = "incompatible"
    CONFLICT = "conflict"
    BLOCKED = "blocked"
    READY = "ready"


@dataclass(frozen=True, slots=True, kw_only=True)
class FoundPlugin:
    """One entry point of one installed distribution.

    Args:
        kind: "storage", "model", "publish" or "check"; empty when the distribution's metadata could not be read.
        key: the entry point's name.
        state: see `State`; only READY plugins have been checked whole.
        descriptor: there when READY, and when INCOMPATIBLE to show its label.
        distribution: name of the installed package, as pip shows it.
        version: of the package.
        home_page: from the package's metadata.
        error: one sentence, empty when READY.
        remedy: what the operator can do.
        traceback: where it broke, redacted.
    """

    kind: str
    key: str
    state: State
    distribution: str
    version: str = ""
    home_page: str = ""
    descriptor: Descriptor | None = None
    error: str = ""
    remedy: str = ""
    traceback: str = ""

    @property
    def first_party(self) -> bool:
        """Whether the package is one of AI-Writer's own."""
        return _normal(self.distribution) in FIRST_PARTY


@dataclass(frozen=True, slots=True)
class _Candidate:
    plugin: FoundPlugin
    load: Callable[[], object]


_lock = threading.Lock()
_found: tuple[FoundPlugin, ...] | None = None


def discover() -> tuple[FoundPlugin, ...]:
    """All installed plugins, judged once per process; `refresh` judges anew.

    Takes at most `IMPORT_SECONDS` for each plugin that hangs at import.
    """
    global _found
    with _lock:
        if _found is None:
            _found = _discover()
        return _found


def refresh() -> tuple[FoundPlugin, ...]:
    """Look again: after an installation in this process, or after a setting changed."""
    global _found
    importlib.invalidate_caches()
    with _lock:
        _found = None
    return discover()


def installed() -> tuple[FoundPlugin, ...]:
    """All installed plugins by their metadata alone, in state FOUND; no plugin's code runs."""
    return tuple(candidate.plugin for candidate in _candidates())


def get(kind: str, key: str) -> Descriptor:
    """The descriptor of a plugin that can be used.

    Args:
        kind: "storage", "model", "publish" or "check".
        key: the plugin's key.

    Raises:
        NotFound: no such plugin is installed.
        Unavailable: it is installed and cannot be used; message and remedy say why.
    """
    return find(kind, key).descriptor  # type: ignore[return-value]  # a READY plugin has one


def find(kind: str, key: str) -> FoundPlugin:
    """As `get`, with distribution and version."""
    matches = [plugin for plugin in discover() if (plugin.kind, plugin.key) == (kind, key)]
    for plugin in matches:
        if plugin.state is State.READY:
            return plugin
    if not matches:
        known = ", ".join(sorted(p.key for p in discover() if p.kind == kind and p.state is State.READY)) or "none"
        raise NotFound(
            f"No {kind} plugin with the key '{key}' is installed.",
            field="plugin",
            remedy=f"Install the package that contains it and restart the portal. Usable {kind} plugins: {known}.",
        )
    plugin = matches[0]
    raise Unavailable(
        f"The {kind} plugin '{key}' ({plugin.distribution} {plugin.version}) cannot be used: {plugin.error}",
        field="plugin",
        remedy=plugin.remedy,
    )


def _discover() -> tuple[FoundPlugin, ...]:
    candidates = list(_candidates())
    admitted = [c for c in candidates if _blocked(c.plugin) is None and c.plugin.state is State.FOUND]
    shared = Counter((c.plugin.kind, c.plugin.key) for c in admitted)
    plugins = []
    for candidate in candidates:
        plugin = candidate.plugin
        if (reason := _blocked(plugin)) is not None:
            plugin = replace(plugin, state=State.BLOCKED, error=reason[0], remedy=reason[1])
        elif plugin.state is State.FOUND and shared[plugin.kind, plugin.key] > 1:
            names = sorted(
                {c.plugin.distribution for c in admitted if (c.plugin.kind, c.plugin.key) == (plugin.kind, plugin.key)}
            )
            plugin = replace(
                plugin,
                state=State.CONFLICT,
                error=f"The key '{plugin.key}' is claimed more than once, by {' and '.join(names)}; none of them is used.",
                remedy="Uninstall all but one of these packages and restart the portal.",
            )
        elif plugin.state is State.FOUND:
            plugin = _judge(candidate)
        if plugin.state is not State.READY:
            log.warning(
                "plugin %s of %s %s is %s: %s",
                plugin.key,
                plugin.distribution,
                plugin.version,
                plugin.state,
                plugin.error,
            )
        plugins.append(plugin)
    return tuple(sorted(plugins, key=lambda p: (p.kind, p.key, p.distribution)))


def _candidates() -> Iterator[_Candidate]:
    seen: set[str] = set()
    for distribution in importlib.metadata.distributions():
        try:
            text = distribution.read_text("entry_points.txt") or ""
            # Most packages have none of ours; their metadata, slow to parse, is not read.
            if not any(f"[{group}]" in text for group in _KINDS):
                continue
            name = distribution.metadata["Name"] or "unknown"
            if _normal(name) in seen:
                continue  # an older copy further down the path, which Python would not import either
            seen.add(_normal(name))
        except Exception as error:  # noqa: BLE001 - one unreadable package must not hide all others
            log.warning("the metadata of an installed package cannot be read: %s", type(error).__name__)
            continue
        about = FoundPlugin(
            kind="", key=name, state=State.FOUND, distribution=name, version=distribution.version or "",
            home_page=_home_page(distribution),
        )  # fmt: skip
        try:
            entries = [entry for entry in distribution.entry_points if entry.group in _KINDS]
            for entry in entries:
                yield _Candidate(replace(about, kind=_KINDS[entry.group], key=entry.name), entry.load)
        except Exception as error:  # noqa: BLE001 - the same
            broken = replace(
                about,
                state=State.BROKEN,
                error=f"Its entry points cannot be read: {type(error).__name__}.",
                remedy=f"Install {name} again, or uninstall it.",
                traceback=_traceback(error),
            )
            yield _Candidate(broken, lambda: None)


def _home_page(distribution: importlib.metadata.Distribution) -> str:
    pages = {}
    for line in distribution.metadata.get_all("Project-URL") or ():
        label, _, address = line.partition(",")
        pages[label.strip().lower()] = address.strip()
    for label in ("homepage", "home", "repository", "source", "documentation"):
        if label in pages:
            return pages[label]
    if "Home-page" in distribution.metadata:
        return distribution.metadata["Home-page"]
    return next(iter(pages.values()), "")


def _normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def _blocked(plugin: FoundPlugin) -> tuple[str, str] | None:
    if plugin.first_party:
        return None
    if getattr(settings, "AIWRITER_PLUGINS_SAFE_MODE", False):
        return (
            "Safe mode is on: only AI-Writer's own plugins are loaded.",
            "Unset AIWRITER_PLUGINS_SAFE_MODE and restart the portal.",
        )
    allowed = {_normal(name) for name in getattr(settings, "AIWRITER_PLUGINS_ALLOW", ()) or ()}
    if allowed and _normal(plugin.distribution) not in allowed:
        return (
            f"The package {plugin.distribution} is not on the list of allowed plugins.",
            f"Add {plugin.distribution} to AIWRITER_PLUGINS_ALLOW and restart the portal.",
        )
    return None


def _judge(candidate: _Candidate) -> FoundPlugin:
    """Import and check one descriptor in a thread of its own, so that one that hangs costs the time limit and no more."""
    plugin = candidate.plugin
    verdict: list[FoundPlugin] = []

    def work() -> None:
        # In a thread a KeyboardInterrupt can only be the plugin's own doing; the operator's Ctrl-C goes to the main one.
        try:
            verdict.append(_checked(plugin, candidate.load()))
        except BaseException as error:  # noqa: BLE001 - SystemExit included: a plugin does not end the portal
            verdict.append(
                replace(
                    plugin,
                    state=State.BROKEN,
                    error=f"Importing it failed: {redact(f'{type(error).__name__}: {error}')[:500]}",
                    remedy=f"Update or uninstall {plugin.distribution}; the traceback is for its author.",
                    traceback=_traceback(error),
                )
            )

    thread = threading.Thread(target=work, name=f"plugin-import-{plugin.key}", daemon=True)
    thread.start()
    thread.join(IMPORT_SECONDS)
    if verdict:
        return verdict[0]
    return replace(
        plugin,
        state=State.BROKEN,
        error=f"Importing it did not end within {IMPORT_SECONDS:g} seconds.",
        remedy=f"Update or uninstall {plugin.distribution}: a descriptor's module must do no work when it is imported.",
        traceback=_stack(thread),
    )


def _checked(plugin: FoundPlugin, value: object) -> FoundPlugin:
    if not isinstance(value, Descriptor):
        return replace(
            plugin,
            state=State.BROKEN,
            error=f"Its entry point leads to {type(value).__name__}, not to a Descriptor.",
            remedy=f"Tell the author of {plugin.distribution}, or uninstall it.",
        )
    if (mismatch := contract_problem(value.contract)) is not None:
        return replace(
            plugin, state=State.INCOMPATIBLE, descriptor=value, error=mismatch.problem, remedy=mismatch.remedy
        )
    if problems := descriptor_problems(value, entry_name=plugin.key, kind=plugin.kind):
        return replace(
            plugin,
            state=State.BROKEN,
            error="Its descriptor is wrong: " + " ".join(f"{p.field}: {p.problem}" for p in problems)[:1000],
            remedy=f"Update or uninstall {plugin.distribution}. For its author: {problems[0].remedy}",
        )
    return replace(plugin, state=State.READY, descriptor=value)


def _traceback(error: BaseException) -> str:
    return redact("".join(traceback.format_exception(error)))[-_TRACEBACK_LIMIT:]


def _stack(thread: threading.Thread) -> str:
    """Where a hanging import stands: what its author needs to see."""

    frame = sys._current_frames().get(cast("int", thread.ident))
    return redact("".join(traceback.format_stack(frame)))[-_TRACEBACK_LIMIT:] if frame else ""
