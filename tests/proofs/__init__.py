"""Proofs: scripts that each show one promise of the product on real parts.

A proof is a module with a docstring (its first line is the promise), and `prove() -> str`, which raises `Failed` (or any
exception) when the promise does not hold and returns the figure that is printed last.
"""

import time
from collections.abc import Callable


class Failed(Exception):
    """The promise does not hold; the text says what was seen."""


def expect(condition: object, seen: str) -> None:
    """Raise `Failed` with what was seen unless the condition holds."""
    if not condition:
        raise Failed(seen)


def until(done: Callable[[], object], seconds: float, seen: str) -> float:
    """Wait until something holds, and raise `Failed` with what was seen when it does not in time.

    Returns:
        the moment, by `time.monotonic`, at which it held.
    """
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if done():
            return time.monotonic()
        time.sleep(0.2)
    raise Failed(seen)


class NotRun(Exception):
    """The promise could not be tried here; the text says what is missing. Never counted as held."""
