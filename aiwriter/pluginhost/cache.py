"""Keeps built backends, one for each profile and process, until the profile changes."""

from __future__ import annotations

import threading
from collections.abc import Callable

from aiwriter.pluginhost.calls import BuiltBackend


class BackendCache:
    """Built backends by profile id; safe in several threads.

    A backend that is replaced is let go, not closed: calls of other threads may still run on it. Plugins keep no connection
    of their own beyond a call, the portal's HTTP client does that for them.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._building: dict[str, threading.Lock] = {}
        self._built: dict[str, tuple[str, BuiltBackend]] = {}

    def get(self, profile: str, revision: str, build: Callable[[], BuiltBackend]) -> BuiltBackend:
        """The backend of a profile, built by `build` where there is none of this revision.

        Args:
            profile: id of the profile.
            revision: changes whenever options, secrets or the plugin's version change.
            build: usually `calls.build_backend` with its arguments; called by one thread at a time for a profile. What it
                raises is not kept: the next caller tries again.
        """
        if (ready := self._of(profile, revision)) is not None:
            return ready
        with self._lock:
            building = self._building.setdefault(profile, threading.Lock())
        with building:
            if (ready := self._of(profile, revision)) is not None:
                return ready
            made = build()
            with self._lock:
                self._built[profile] = (revision, made)
            return made

    def forget(self, profile: str) -> None:
        """Drop the backend of a profile that was deleted or disabled."""
        with self._lock:
            self._built.pop(profile, None)
            self._building.pop(profile, None)

    def _of(self, profile: str, revision: str) -> BuiltBackend | None:
        with self._lock:
            known = self._built.get(profile)
        return known[1] if known is not None and known[0] == revision else None
