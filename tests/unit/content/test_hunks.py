"""Changes that people decide one by one: complete, small, and never through the middle of Markdown."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from apps.content.markup import anchors
from apps.content.markup.hunks import apply, hunks

WORDS = st.lists(
    st.sampled_from(["the", "arch", "carries", "its", "load", "**bold**", "[a](b)", "`code`", "\n\n", ".", "- ", "# "]),
    max_size=40,
).map(" ".join)


@settings(max_examples=300, deadline=None)
@given(WORDS, WORDS)
def test_all_changes_together_give_the_new_text(before: str, after: str):
    assert apply(before, hunks(before, after)) == after


@settings(max_examples=200, deadline=None)
@given(WORDS, WORDS)
def test_changes_come_in_order_and_do_not_overlap(before: str, after: str):
    position = 0
    for hunk in hunks(before, after):
        assert hunk.start >= position
        assert before[hunk.start : hunk.start + len(hunk.before)] == hunk.before
        position = hunk.start + len(hunk.before)


def test_equal_texts_have_no_changes():
    assert hunks("The same.\n", "The same.\n") == []


def test_two_places_are_two_changes():
    found = hunks(
        "The ferry leaves at seven in the morning and reaches the harbour before noon today.\n",
        "The ferry leaves at eight in the morning and reaches the harbour before dusk today.\n",
    )
    assert [(hunk.before, hunk.after) for hunk in found] == [("seven", "eight"), ("noon", "dusk")]


def test_links_and_emphasis_are_never_cut():
    found = hunks(
        "Read [the guide](https://a.example) and **act now** please.",
        "Read [a guide](https://a.example) and **act soon** please.",
    )
    assert [hunk.before for hunk in found] == ["[the guide](https://a.example)", "**act now**"]


def test_a_paragraph_written_anew_is_one_change():
    found = hunks("Cats sleep all day.\n\nStays.\n", "A wholly other sentence, about submarines.\n\nStays.\n")
    assert len(found) == 1


@pytest.mark.parametrize(
    ("changed", "where"),
    [
        ("Something new in front. The stone arch carries its load.", 24),
        ("The stone arch carries its load. Something new behind.", 0),
        ("The stone arch carries", 0),
    ],
)
def test_a_passage_is_found_again(changed: str, where: int):
    text = "The stone arch carries its load."
    start = text.index("arch")
    prefix, suffix = anchors.context(text, start, start + 4)
    found = anchors.locate(changed, "arch", prefix=prefix, suffix=suffix, start=start)
    assert found == where + start


def test_of_two_equal_places_the_nearer_one_is_meant():
    text = "One arch. " * 20
    start = text.index("arch", 100)
    prefix, suffix = anchors.context(text, start, start + 4)
    assert anchors.locate(text, "arch", prefix=prefix, suffix=suffix, start=start) == start


def test_what_is_gone_is_not_found():
    assert anchors.locate("All new.", "arch", prefix="The stone ", suffix=" carries", start=4) is None
    assert anchors.locate("All new.", "", prefix="The stone ", suffix=" carries", start=4) is None
