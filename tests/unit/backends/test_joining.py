"""A continuation never repeats the end of the text before it, and never loses what is new."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.backends.services.joining import Overlap, joiner, overlap

_WORDS = st.lists(st.from_regex(r"[a-z]{3,9}", fullmatch=True), min_size=12, max_size=40, unique=True)


def joined(written: str, answer: str, sizes: list[int], *, continues: bool) -> str:
    """The answer in pieces of these sizes, through the joiner."""
    seam = joiner(written, continues=continues)
    out, place = [], 0
    for size in [*sizes, len(answer)]:
        out.append(seam.feed(answer[place : place + size]))
        place += size
    return "".join(out) + seam.end()


@given(_WORDS, st.integers(5, 11), st.integers(0, 5), st.lists(st.integers(1, 30), max_size=8), st.booleans())
def test_no_word_doubles_however_much_the_model_repeats(
    words: list[str], cut: int, back: int, sizes: list[int], continues: bool
) -> None:
    written = " ".join(words[:cut])
    answer = " ".join(["", *words[cut:]])
    repeated = " ".join(words[cut - back : cut]) + answer if back else answer
    if len(repeated) - len(answer) < (24 if continues else 10):
        repeated = answer  # so short a repetition may be meant
    assert written + joined(written, repeated, sizes, continues=continues) == " ".join(words)


@given(st.text(max_size=60), st.text(max_size=60), st.lists(st.integers(1, 9), max_size=8))
def test_a_promising_model_loses_only_a_real_repetition(written: str, answer: str, sizes: list[int]) -> None:
    shown = joined(written, answer, sizes, continues=True)
    dropped = answer[: len(answer) - len(shown)]
    assert answer == dropped + shown
    assert written.endswith(dropped)
    assert not dropped or len(dropped) >= 24


@pytest.mark.parametrize(
    ("written", "answer"),
    [
        ("| --- | --- | --- | --- | --- |", "| --- | --- | --- | --- | --- |"),
        ("again and again and again and again ", "and again and again and again"),
        ("a short end", "a short end"),
    ],
)
def test_what_may_be_meant_is_kept(written: str, answer: str) -> None:
    assert joined(written, answer, [], continues=True) == answer


def test_the_longest_repetition_counts() -> None:
    tail = "the river runs to the sea and the river runs to the sea"
    assert overlap(tail, tail) == len(tail)


def test_text_is_shown_as_soon_as_it_differs() -> None:
    seam = Overlap("The harbour was quiet in the morning light.")
    assert seam.feed(" Then") == " Then"
    assert seam.feed(" it woke.") == " it woke."


def test_nothing_is_held_back_without_a_text_before() -> None:
    assert joiner("", continues=False).feed("x") == "x"
