"""Differences: complete, readable, and fast where texts are long."""

from __future__ import annotations

import random

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


def inserted_of(count: int) -> int:
    chance = random.Random(1)
    words = [f"{chance.choice(['of', 'and', 'word', 'text'])}{chance.randrange(300)}" for _ in range(count)]
    before, after = article(words), article(changed(words, 2))
    inserted, _ = changed_words(diff(before, after))
    return inserted


def test_changes_in_a_long_text_are_found():
    # It does not give up and exchange everything: about 2,000 words were changed. A quadratic method would not end in time.
    assert inserted_of(50_000) < 3_000


def test_thousands_of_equal_words():
    before = "the of and " * 10_000
    after = "of the and " * 10_000
    assert "".join(op.after for op in diff(before, after)) == after
