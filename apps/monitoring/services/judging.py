"""When an alert begins, fires and ends. No clock, no database: the same looks always give the same alert.

The meaning of `for` and of keeping on firing is that of Prometheus, so that the rules of `deploy/observability` and these
say the same; the tests let both judge the same cases. Two things Prometheus has no word for: n of the last m looks, and
what it means that nothing is known.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass, replace
from typing import Literal

State = Literal["", "pending", "firing", "resolved"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """How patient a rule is. Times in seconds.

    Args:
        wait: wrong for so long on end before it fires ("for").
        keep: right for so long before it is over ("keep_firing_for").
        needed, of_last: so many of the last looks must be wrong for the look to count as wrong.
        no_data: what a look without an answer means: "ok", "keep" or "alert".
        no_data_wait: how long nothing may be known before "alert" counts it as wrong.
    """

    wait: float = 0.0
    keep: float = 0.0
    needed: int = 1
    of_last: int = 1
    no_data: str = "ok"
    no_data_wait: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Track:
    """What is remembered of one alert."""

    state: State = ""
    begun: dt.datetime | None = None
    right_since: dt.datetime | None = None
    silent_since: dt.datetime | None = None
    looks: str = ""


def look(track: Track, wrong: bool | None, terms: Terms, now: dt.datetime) -> Track:
    """What becomes of an alert after one more look.

    Args:
        track: what is remembered; a new one for what was never wrong.
        wrong: what the look found; None when nothing is known.
        terms: of the rule.
        now: when.
    """
    wrong, track = _with_silence(track, wrong, terms, now)
    if wrong is None:
        return track
    looks = (track.looks + ("1" if wrong else "0"))[-terms.of_last :]
    track = replace(track, looks=looks)
    return _wrong(track, terms, now) if looks.count("1") >= terms.needed else _right(track, terms, now)


def _with_silence(track: Track, wrong: bool | None, terms: Terms, now: dt.datetime) -> tuple[bool | None, Track]:
    if wrong is not None:
        return wrong, replace(track, silent_since=None)
    since = track.silent_since or now
    track = replace(track, silent_since=since)
    if terms.no_data == "alert" and (now - since).total_seconds() >= terms.no_data_wait:
        return True, track
    return (False if terms.no_data == "ok" else None), track


def _wrong(track: Track, terms: Terms, now: dt.datetime) -> Track:
    if track.state in ("", "resolved"):
        track = replace(track, state="pending", begun=now)
    begun = track.begun or now
    if track.state == "pending" and (now - begun).total_seconds() >= terms.wait:
        track = replace(track, state="firing")
    return replace(track, right_since=None)


def _right(track: Track, terms: Terms, now: dt.datetime) -> Track:
    if track.state == "pending":
        return replace(track, state="", begun=None)
    if track.state == "firing":
        since = track.right_since or now
        if (now - since).total_seconds() >= terms.keep:
            return replace(track, state="resolved", right_since=None)
        return replace(track, right_since=since)
    return track
