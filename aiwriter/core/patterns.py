"""Patterns that people type, matched in bounded time.

Python's regular expressions try one way after another, and some patterns have more ways than there are seconds: `(a+)+b`. So
only patterns are taken whose ways can be counted before they are used, and of these only those that have few.
"""

from __future__ import annotations

import re
from math import prod

# Letters of a text that is matched; what is longer does not fit.
LONGEST = 80
# Ways to try at most: some milliseconds.
MOST_WAYS = 1_000_000
_ATOM = re.compile(r"\\[dwsDWS]|\\[^A-Za-z0-9]|\[\^?\]?(?:\\[dwsDWS]|\\[^A-Za-z0-9]|[^\]\\\[])*\]|[^\\\[\](){}*+?|]")
_TIMES = re.compile(r"\{(\d{1,3})(?:(,)(\d{0,3}))?\}|[*+?]")


class PatternProblem(Exception):
    """Why a pattern is not taken."""


def check(pattern: str) -> None:
    """Take a pattern or say why not.

    Args:
        pattern: letters, classes, `.`, `\\d`, groups with alternatives; `*`, `+`, `?` and `{m,n}` behind a single one of
            these, `?` behind a group.

    Raises:
        PatternProblem: it has something else, or more ways than can be tried.
    """
    ways, place = _either(pattern, 0)
    if place != len(pattern):
        raise PatternProblem(f"'{pattern[place]}' has no beginning")
    if ways > MOST_WAYS:
        raise PatternProblem("it could match in too many ways; give some of its repetitions a number, like {1,6}")
    try:
        re.compile(pattern)
    except re.error as error:
        raise PatternProblem(str(error)) from error


def fits(pattern: str, text: str) -> bool:
    """Whether a pattern matches all of a text.

    Raises:
        PatternProblem: the pattern is not one that `check` takes.
    """
    check(pattern)
    return len(text) <= LONGEST and re.fullmatch(pattern, text) is not None


def _either(pattern: str, place: int) -> tuple[int, int]:
    """In how many ways alternatives can match from a place on, and where they end."""
    ways, place = _row(pattern, place)
    while pattern[place : place + 1] == "|":
        more, place = _row(pattern, place + 1)
        ways += more
    return ways, place


def _row(pattern: str, place: int) -> tuple[int, int]:
    ways = [1]
    while place < len(pattern) and pattern[place] not in "|)":
        if pattern[place] == "(":
            inner, place = _group(pattern, place)
            if pattern[place : place + 1] == "?":
                inner, place = inner + 1, place + 1
            elif _TIMES.match(pattern, place):
                raise PatternProblem("a group cannot be repeated; repeat a single letter or class")
            ways.append(inner)
            continue
        atom = _ATOM.match(pattern, place)
        if atom is None:
            raise PatternProblem(f"'{pattern[place : place + 2]}' is not understood here")
        place = atom.end()
        if times := _TIMES.match(pattern, place):
            ways.append(_lengths(times))
            place = times.end()
    return prod(ways), place


def _group(pattern: str, place: int) -> tuple[int, int]:
    place += 3 if pattern.startswith("(?:", place) else 1
    inner, place = _either(pattern, place)
    if pattern[place : place + 1] != ")":
        raise PatternProblem("a group has no end")
    return inner, place + 1


def _lengths(times: re.Match[str]) -> int:
    """How many lengths a repetition can have."""
    if times[0] in ("*", "+", "?"):
        return 2 if times[0] == "?" else LONGEST + 1
    least = int(times[1])
    most = least if times[2] is None else int(times[3]) if times[3] else LONGEST
    return max(1, min(most, LONGEST) - least + 1)
