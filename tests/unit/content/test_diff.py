"""Differences: complete, readable, and fast where texts are long."""

from __future__ import annotations

import random
import time

from hypothesis import given, settings
from hypothesis import strategies as st

from apps.content.markup.diff import changed_words, diff, inline, side_by_side

TEXT = st.text(alphabet="ab \n.", max_size=60)


@settings(max_examples=500, deadline=None)
@given(TEXT, TEXT)
def test_both_texts_can_be_put_together_again(before: str, after: str):
    ops = diff(before, after)
    assert "".join(op.before for op in ops) == before
    assert "".join(op.after for op in ops) == after
    assert all((op.kind == "equal") == (op.before == op.after) for op in ops)
    assert "".join(text for kind, text in inline(ops) if kind != "delete") == after
    assert "".join(text for kind, text in inline(ops) if kind != "insert") == before


@settings(max_examples=500, deadline=None)
@given(TEXT, TEXT)
def test_the_columns_hold_every_line(before: str, after: str):
    rows = side_by_side(diff(before, after))
    left = ["".join(text for _, text in row.left) for row in rows]
    right = ["".join(text for _, text in row.right) for row in rows]
    assert [line for line in left if line] == [line for line in before.split("\n") if line]
    assert [line for line in right if line] == [line for line in after.split("\n") if line]


def test_words_not_lines():
    ops = diff("The quick brown fox.\nStays.\n", "The slow brown fox.\nStays.\n")
    assert [(op.kind, op.before, op.after) for op in ops] == [
        ("equal", "The ", "The "),
        ("replace", "quick", "slow"),
        ("equal", " brown fox.\nStays.\n", " brown fox.\nStays.\n"),
    ]
    assert changed_words(ops) == (1, 1)


def article(words: list[str]) -> str:
    return "\n\n".join(" ".join(words[start : start + 80]) for start in range(0, len(words), 80))


def changed(words: list[str], seed: int) -> list[str]:
    chance = random.Random(seed)
    new = list(words)
    for _ in range(len(new) // 25):
        new[chance.randrange(len(new))] = "changed"
    del new[100:150]
    return new


def seconds_for(count: int) -> tuple[float, int]:
    chance = random.Random(1)
    words = [f"{chance.choice(['of', 'and', 'word', 'text'])}{chance.randrange(300)}" for _ in range(count)]
    before, after = article(words), article(changed(words, 2))
    begun = time.process_time()
    ops = diff(before, after)
    took = time.process_time() - begun
    inserted, _ = changed_words(ops)
    return took, inserted


def test_time_grows_with_the_length_and_not_with_its_square():
    small, _ = min(seconds_for(5_000) for _ in range(3))
    large, inserted = seconds_for(50_000)
    # Ten times the words: a quadratic method needs a hundred times as long.
    assert large < small * 40
    # And it found the changes instead of giving up: about 2,000 words were exchanged.
    assert inserted < 3_000


def test_thousands_of_equal_words():
    before = "the of and " * 10_000
    after = "of the and " * 10_000
    begun = time.process_time()
    ops = diff(before, after)
    assert "".join(op.after for op in ops) == after
    assert time.process_time() - begun < 20
