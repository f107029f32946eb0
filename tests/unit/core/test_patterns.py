"""Patterns that people type are matched in bounded time, or not taken."""

from __future__ import annotations

import pytest

from aiwriter.core.patterns import LONGEST, PatternProblem, check, fits


@pytest.mark.parametrize(
    ("pattern", "fitting", "other"),
    [
        ("OPS-[0-9]{1,6}", "OPS-412", "OPS-"),
        (r"(?:INC|CHG)\d{7}|#\d+", "CHG0012345", "CHG1"),
        (r"^[A-Z]+-\d+(-[a-z]+)?$", "NET-7-late", "NET-7-"),
        (r"a\.b[\]\-.]?", "a.b]", "axb"),
        ("", "", "x"),
    ],
)
def test_what_tickets_need_is_taken(pattern: str, fitting: str, other: str):
    assert fits(pattern, fitting)
    assert not fits(pattern, other)


@pytest.mark.parametrize(
    "pattern",
    [
        "(a+)+b",
        "(a|a)*b",
        "a*a*a*a*b",
        "a?" * 30,
        "(a|a)" * 20,
        r"(a)\1",
        "(?=a)a",
        "a*?",
        "a++",
        "(?i)a",
        "(a",
        "a)",
        "[z-a]",
    ],
)
def test_what_could_take_long_or_is_not_understood_is_refused(pattern: str):
    with pytest.raises(PatternProblem):
        check(pattern)


def test_a_text_that_is_too_long_fits_nothing():
    assert fits("a*", "a" * LONGEST)
    assert not fits("a*", "a" * (LONGEST + 1))
