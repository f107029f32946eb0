"""What the exceptions and log lines of plugins become before anybody else sees them.

A plugin may raise anything, with a key in its message, from a frame whose local variables hold the key. So the portal never
passes a plugin's exception on: it makes a new one of the SDK's own class, without cause, context or frames, and logs the
traceback as redacted text.
"""

from __future__ import annotations

import base64
import json
import logging
import math
import sys
import traceback
from collections.abc import Iterable, Mapping, MutableMapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote, quote_plus

import aiwriter_sdk
from aiwriter.core.redact import redact
from aiwriter_sdk import (
    BackendError,
    Config,
    ConfigInvalid,
    Descriptor,
    RateLimited,
    Secret,
    TimedOut,
    Unavailable,
)

log = logging.getLogger(__name__)

_OWN = {
    error
    for error in vars(aiwriter_sdk).values()
    if isinstance(error, type) and issubclass(error, BackendError)
}  # fmt: skip
_MESSAGE = 1_000
_LONGEST_WAIT = 86_400.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """Whose fault it would be: for messages, and for what must be masked in them.

    Args:
        plugin: the plugin's key.
        profile: the profile's name; empty before there is one.
        secrets: values that no message or log line may hold, in every spelling in which they are sent.
    """

    plugin: str
    profile: str = ""
    secrets: tuple[str, ...] = field(default=(), repr=False)

    @classmethod
    def of(cls, descriptor: Descriptor, *, config: Config | None = None, profile: str = "") -> Origin:
        """The origin of calls to one profile of a plugin."""
        values = [value.reveal() for value in (config or {}).values() if isinstance(value, Secret) and value]
        return cls(plugin=descriptor.key, profile=profile, secrets=tuple(_spellings(values)))

    def clean(self, text: object, limit: int = _MESSAGE) -> str:
        """Anything as text without secrets, at most `limit` characters."""
        # Masked before it is cut: a secret across the cut would otherwise leave its first half.
        return redact(_as_text(text), self.secrets)[:limit]


def _spellings(values: Iterable[str]) -> list[str]:
    found: dict[str, None] = {}
    for value in values:
        raw = value.encode("utf-8", "surrogatepass")
        for spelling in (
            value,
            quote(value, safe=""),
            quote_plus(value),
            json.dumps(value)[1:-1],
            repr(value)[1:-1],
            base64.b64encode(raw).decode(),
            base64.urlsafe_b64encode(raw).decode(),
        ):
            found[spelling] = None
    return sorted(found, key=len, reverse=True)


def _as_text(value: object) -> str:
    try:
        return str(value)
    except Exception:  # noqa: BLE001 - the __str__ of a plugin's exception is plugin code too
        return f"<{type(value).__name__} without text>"


def mapped(error: BaseException, origin: Origin) -> BackendError:
    """The SDK error that stands for whatever a plugin raised.

    A subclass that the plugin made becomes the nearest class of the SDK, whose `kind` the portal stores. Faults of the
    plugin itself are logged with their traceback.

    Args:
        error: anything but a cancellation by the portal or a KeyboardInterrupt.
        origin: who raised it.
    """
    if isinstance(error, BackendError):
        return _copied(error, origin)
    if isinstance(error, TimeoutError):
        return TimedOut("The backend gave up waiting.")
    if isinstance(error, ConnectionError):
        return Unavailable(f"The connection to the backend failed: {origin.clean(error, 300) or type(error).__name__}.")
    text = origin.clean("".join(traceback.format_exception(error)), 20_000)
    log.error(
        "plugin %s raised %s\n%s", origin.plugin, type(error).__name__, text,
        extra={"plugin": origin.plugin, "profile": origin.profile},
    )  # fmt: skip
    return BackendError(
        f"The plugin '{origin.plugin}' failed: {type(error).__name__}: {origin.clean(error, 300)}",
        remedy="This is a fault of the plugin. The log has its traceback, for the plugin's author.",
    )


def violation(problem: str, origin: Origin) -> BackendError:
    """The plugin broke the contract in a way that raised nothing."""
    problem = origin.clean(problem, 300)
    log.error("plugin %s broke the contract: %s", origin.plugin, problem, extra={"plugin": origin.plugin})
    return BackendError(
        f"The plugin '{origin.plugin}' broke the contract: {problem}",
        remedy="This is a fault of the plugin; its author can find it with the conformance suite.",
    )


def _copied(error: BackendError, origin: Origin) -> BackendError:
    kind = next(cls for cls in type(error).__mro__ if cls in _OWN)
    message = origin.clean(getattr(error, "message", "") or error)
    options: dict[str, Any] = {
        "remedy": origin.clean(getattr(error, "remedy", "")),
        "provider_code": origin.clean(getattr(error, "provider_code", ""), 100),
    }
    if kind is RateLimited:
        options["retry_after"] = _seconds(getattr(error, "retry_after", None))
    elif kind is ConfigInvalid:
        options["field"] = origin.clean(getattr(error, "field", ""), 60)
    return kind(message, **options)


def _seconds(value: object) -> float | None:
    if isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value) and value >= 0:
        return min(float(value), _LONGEST_WAIT)
    return None


class PluginLogger(logging.LoggerAdapter[logging.Logger]):
    """The logger that a backend is given: tagged with plugin and profile, secrets masked, tracebacks too."""

    def __init__(self, origin: Origin) -> None:
        super().__init__(logging.getLogger(f"aiwriter.plugins.{origin.plugin}"), {})
        self._origin = origin

    def log(self, level: int, msg: object, *args: object, **kwargs: Any) -> None:
        """As `logging.Logger.log`; the line is put together and masked before any handler sees it."""
        if not self.isEnabledFor(level):
            return
        text = self._joined(msg, args)
        if error := _exception(kwargs.pop("exc_info", None)):
            text += "\n" + "".join(traceback.format_exception(error))
        extra = {"plugin": self._origin.plugin, "profile": self._origin.profile}
        stack = int(kwargs.get("stacklevel", 1)) + 1
        self.logger.log(level, "%s", self._origin.clean(text, 20_000), extra=extra, stacklevel=stack)

    def process(self, msg: Any, kwargs: MutableMapping[str, Any]) -> tuple[Any, MutableMapping[str, Any]]:
        """Left as it is; `log` does the work."""
        return msg, kwargs

    @staticmethod
    def _joined(msg: object, args: tuple[object, ...]) -> str:
        # As logging does: a single mapping is what named places such as %(key)s are filled from.
        values = args[0] if len(args) == 1 and isinstance(args[0], Mapping) and args[0] else args
        try:
            return str(msg) % values if args else str(msg)
        except Exception:  # noqa: BLE001 - a wrong format string in a plugin's log line is no reason to fail its call
            return f"{_as_text(msg)} {_as_text(args)}"


def _exception(given: object) -> BaseException | None:
    if isinstance(given, BaseException):
        return given
    if isinstance(given, tuple) and len(given) == 3:
        return given[1] if isinstance(given[1], BaseException) else None
    return sys.exc_info()[1] if given else None
