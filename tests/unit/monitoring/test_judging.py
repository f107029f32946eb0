"""When an alert begins, fires and ends: for, keep firing, n of m, no data."""

from __future__ import annotations

import datetime as dt

import pytest

from apps.monitoring.services.judging import Terms, Track, look

BEGIN = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)


def states(seen: str, every: float = 10.0, **terms: object) -> str:
    """A letter for each look: . nothing, p pending, F firing, r over. `seen` has 1 wrong, 0 right, ? nothing known."""
    track, found = Track(), ""
    for number, letter in enumerate(seen):
        wrong = {"1": True, "0": False, "?": None}[letter]
        track = look(track, wrong, Terms(**terms), BEGIN + dt.timedelta(seconds=number * every))  # type: ignore[arg-type]
        found += {"": ".", "pending": "p", "firing": "F", "resolved": "r"}[track.state]
    return found


@pytest.mark.parametrize(
    ("seen", "found", "terms"),
    [
        ("0110", ".FFr", {}),
        ("01110", ".ppF" + "r", {"wait": 20}),
        ("011011", ".pp.pp", {"wait": 20}),
        ("10100000", "FFFFFr" + "rr", {"keep": 20}),
        ("1000", "FFFr", {"keep": 20}),
        ("1001", "FFFF", {"keep": 30}),
        ("01010111", "......FF", {"needed": 3, "of_last": 4}),
        ("0101", "...F", {"needed": 2, "of_last": 3}),
        ("1??0", "FFFr", {"no_data": "keep"}),
        ("1?", "Fr", {"no_data": "ok"}),
        ("0????", "...FF", {"no_data": "alert", "no_data_wait": 20}),
        ("0??0??", "......", {"no_data": "alert", "no_data_wait": 20}),
        ("0????0", "...FFr", {"no_data": "alert", "no_data_wait": 20}),
        ("10111", "FrFFF", {}),
    ],
)
def test_a_story_has_one_end(seen: str, found: str, terms: dict[str, object]) -> None:
    assert states(seen, **terms) == found
