"""What the fake provider remembers of each request, for tests of billing and of cancelling."""

from __future__ import annotations

import dataclasses
import time
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from tests.fakes.behaviour import Behaviour, of_model

_BODY_LIMIT = 256 * 1024


@dataclass(slots=True)
class Entry:
    """One request.

    Attributes:
        number: from 1 in order of arrival.
        wire: openai, anthropic, gemini, or "" for one that asks for no text.
        tokens_sent: tokens of text and reasoning handed to the connection.
        ended: how: "stop", "length", "filter", or the fault that was asked for, or "cancelled".
        cancelled: the client closed the connection before the answer was complete.
        closed_early: the connection ended before the answer did, whoever closed it.
        started, first_token, finished: `time.time()`; None for what has not happened.
        headers: names in lower case; the key is left out, `key_ok` says whether it was right.
    """

    number: int
    method: str
    path: str
    wire: str = ""
    model: str = ""
    stream: bool = False
    status: int = 0
    key_ok: bool = True
    continued: bool = False
    prompt_tokens: int = 0
    tokens_sent: int = 0
    ended: str = ""
    cancelled: bool = False
    closed_early: bool = False
    started: float = field(default_factory=time.time)
    first_token: float | None = None
    finished: float | None = None
    headers: dict[str, str] = field(default_factory=dict)
    body: Any = None


class Ledger:
    """All requests, the behaviours that tests asked for, and the streams that are open now."""

    def __init__(self, default: Behaviour) -> None:
        self._start = default
        self.clear()

    def clear(self) -> None:
        """Forget requests and behaviours."""
        self.entries: list[Entry] = []
        self.default = self._start
        self.behaviours: dict[str, Behaviour] = {}
        self.asked: Counter[str] = Counter()
        self.live = 0
        self.peak = 0
        self.connections = 0

    def add(self, method: str, path: str, headers: dict[str, str], size: int, body: object) -> Entry:
        """Note a request; bodies above 256 KB are left out so that load tests do not fill the memory."""
        entry = Entry(number=len(self.entries) + 1, method=method, path=path, headers=headers)
        entry.body = body if size <= _BODY_LIMIT else None
        self.entries.append(entry)
        return entry

    def behave(self, model: str, wish: str | dict[str, object]) -> None:
        """Set the behaviour of a model; "*" for all that have none of their own. The count of requests starts anew."""
        changed = self._start.changed(wish)
        if model == "*":
            self.default = changed
            self.asked.clear()
        else:
            self.behaviours[model] = changed
            self.asked[model] = 0

    def behaviour(self, model: str, header: str = "") -> Behaviour:
        """The behaviour for the next request of this model, which this counts."""
        base = self.behaviours.get(model, self.default)
        wish = header or of_model(model)
        before = self.asked[model]
        self.asked[model] += 1
        return (base.changed(wish) if wish else base).after(before)

    def opened(self) -> None:
        """A stream begins."""
        self.live += 1
        self.peak = max(self.peak, self.live)

    def closed(self) -> None:
        """A stream is over."""
        self.live = max(0, self.live - 1)

    def state(self) -> dict[str, object]:
        """For `GET /__log`."""
        return {
            "live": self.live,
            "peak": self.peak,
            "connections": self.connections,
            "requests": [dataclasses.asdict(e) for e in self.entries],
        }
