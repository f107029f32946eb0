"""What a provider's test server is asked to play, and how the suite bends what it sends."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Literal

from aiwriter_sdk.testing.wire import Cut, Exchange, Pause, Step, WireReply, WireRequest, WireServer

Fault = Literal["", "auth", "quota", "rate", "server", "context"]
FAULT_STATUS: dict[str, int] = {"auth": 401, "quota": 429, "rate": 429, "server": 500, "context": 400}


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """What the author's `wire` shall answer.

    Args:
        pieces: the text, piece by piece; one event of the provider for each.
        usage: tokens in and out to report; None to report none.
        reason: why the model ended: of itself, cut off at its limit, or by the provider's filter.
        fault: an error to answer with on every path instead: "auth" wrong key, "quota" no credit left, "rate" slow down,
            "server" a fault of the provider, "context" request too long. `FAULT_STATUS` has the usual status of each.
    """

    pieces: tuple[str, ...] = ("The ", "quick ", "brown ", "fox ", "jumps ", "over ", "it.")
    usage: tuple[int, int] | None = (11, 7)
    reason: Literal["stop", "length", "filter"] = "stop"
    fault: Fault = ""

    @property
    def text(self) -> str:
        """The whole text."""
        return "".join(self.pieces)

    @staticmethod
    def vector(text: str) -> list[float]:
        """The embedding to answer with for a text: eight numbers, of length one, the same for the same text."""
        raw = [byte - 127.5 for byte in hashlib.sha256(text.encode()).digest()[:8]]
        length = math.sqrt(sum(number * number for number in raw))
        return [round(number / length, 6) for number in raw]


Bend = Callable[[tuple[Step, ...]], tuple[Step, ...]]


def bytewise(steps: tuple[Step, ...]) -> tuple[Step, ...]:
    """Every byte by itself: characters and events are split everywhere."""
    return tuple(bytes([byte]) for step in steps if isinstance(step, bytes) for byte in step)


def merged(steps: tuple[Step, ...]) -> tuple[Step, ...]:
    """All events in one piece."""
    return (b"".join(step for step in steps if isinstance(step, bytes)),)


def cut(steps: tuple[Step, ...]) -> tuple[Step, ...]:
    """The connection breaks at two thirds."""
    return (*_two_thirds(steps), Cut())


def truncated(steps: tuple[Step, ...]) -> tuple[Step, ...]:
    """The body ends properly at two thirds, without the provider's own sign of the end."""
    return _two_thirds(steps)


def silent(steps: tuple[Step, ...]) -> tuple[Step, ...]:
    """At two thirds nothing comes for half a minute."""
    return (*_two_thirds(steps), Pause(30), *steps[len(_two_thirds(steps)) :])


def mute(steps: tuple[Step, ...]) -> tuple[Step, ...]:
    """Nothing comes at all after the headers, for half a minute."""
    return (Pause(30), *steps)


def garbled(steps: tuple[Step, ...]) -> tuple[Step, ...]:
    """One event in the middle loses its second half."""
    middle = len(steps) // 2
    event = steps[middle]
    half = event[: len(event) // 2] + b"\n\n" if isinstance(event, bytes) else b""
    return (*steps[:middle], half, *steps[middle + 1 :])


def _two_thirds(steps: tuple[Step, ...]) -> tuple[Step, ...]:
    return tuple(steps[: len(steps) * 2 // 3])


class Stage:
    """A wire server that plays scenes, bent as a test wants it.

    Attributes:
        scene, bend: may be exchanged at any time; `bend` changes streamed replies only.
        retry_after: value of that header in replies that are errors.
        delay: seconds before the body of any answer.
        streams: requests that were answered with a stream.
    """

    def __init__(self, play: Callable[[WireRequest, Scene], WireReply]) -> None:
        self._play = play
        self.scene = Scene()
        self.bend: Bend | None = None
        self.retry_after: str | None = None
        self.delay = 0.0
        self.streams: list[WireRequest] = []
        self.server = WireServer(self._answer)

    def _answer(self, request: WireRequest) -> WireReply:
        reply = self._play(request, self.scene)
        if reply.stream:
            self.streams.append(request)
            if self.bend is not None:
                reply = replace(reply, steps=self.bend(tuple(reply.steps)))
        if self.retry_after is not None and reply.status != 200:
            reply = replace(reply, headers={**reply.headers, "Retry-After": self.retry_after})
        if self.delay:
            reply = replace(reply, steps=(Pause(self.delay), *reply.steps))
        return reply

    def stop(self) -> None:
        """Take the server away; nothing listens at its address afterwards."""
        self.server.stop()

    @property
    def last(self) -> Exchange:
        """The newest request and what became of it."""
        assert self.server.exchanges, "no request reached the server"
        return self.server.exchanges[-1]
