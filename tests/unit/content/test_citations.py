"""A citation counts as verified when its words are the passage's words, and never otherwise."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from apps.content.markup.citations import CitationCheck, CitedPassage, verify_citations

PASSAGES = [
    CitedPassage(
        "1", "The ferry leaves Visby at 7:30 and reaches the main-\nland before noon. It carries 1,500 people.", "c1"
    ),
    CitedPassage(
        "2", "Dogs travel free of charge [4], but *not* in the restaurant. Cats need a basket [RFC9999].", "c2"
    ),
]


def one(text: str) -> CitationCheck:
    checks = verify_citations(text, PASSAGES)
    assert len(checks) == 1, checks
    return checks[0]


@pytest.mark.parametrize(
    "text",
    [
        "The ferry leaves Visby at 7:30 and reaches the main-land before noon [1].",
        "The ferry leaves Visby at 7:30 and reaches the mainland before noon. [1]".replace("mainland", "main-land"),
        "the **ferry** leaves Visby at 7:30 and\nreaches the main–land before noon [1]",
        "- It carries 1,500 people [1].",
        "> Dogs travel free of charge, but not in the restaurant [2].",
        "As one reads, “dogs travel free of charge” [2].",
        'The rules are mild: "Dogs travel free … in the restaurant" [2].',
        "Cats need a basket [2].",
        "| Cats need a basket [2] |",
        "## Dogs\n\nDogs travel free of charge, but not in the restaurant [2].",
    ],
)
def test_the_passages_words_are_verified(text: str) -> None:
    check = one(text)
    assert check.verified, check
    assert check.score == 1.0
    assert not check.reason
    assert check.chunk_id == ("c1" if check.marker == "1" else "c2")
    assert text[check.start : check.end].endswith(f"[{check.marker}]")


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("The ferry leaves Visby at 8:30 and reaches the main-land before noon [1].", "number 8:30"),
        ("The ship sails from Visby in the morning [1].", "few of these words"),
        ("The ferry which leaves Visby reaches the main-land and carries people [1].", "in other words"),
        ('He said that "cats travel free of charge" [2].', "quoted words"),
        ("“in the restaurant … Dogs travel free of charge” [2]", "quoted words"),
        ("Dogs travel free of charge, but not in the restaurant [9].", "no passage [9]"),
        ("Dogs travel free [2].", ""),
        ("Yes [1].", ""),
    ],
)
def test_other_words_are_not(text: str, reason: str) -> None:
    if text.startswith("Dogs travel free ["):
        text = "Dogs free [2]."  # too little to prove anything, though both words are there
    check = one(text)
    assert not check.verified
    assert reason in check.reason
    assert check.reason


def test_markers_share_a_sentence() -> None:
    text = "It carries 1,500 people [1], and cats need a basket [2]. Dogs travel free of charge, but not in the restaurant [2][1]."
    checks = verify_citations(text, PASSAGES)
    assert [(check.marker, check.verified) for check in checks] == [
        ("1", True),
        ("2", False),
        ("2", True),
        ("1", False),
    ]
    assert checks[1].score > 0.5


def test_lists_of_markers_are_several_citations() -> None:
    checks = verify_citations("Cats need a basket [1, 2].", PASSAGES)
    assert [(check.marker, check.verified) for check in checks] == [("1", False), ("2", True)]


def test_code_links_and_definitions_are_not_citations() -> None:
    text = "`a[1]` and [1](http://x.example)\n\n```\nb[2]\n```\n\n[1]: http://x.example\n"
    assert verify_citations(text, PASSAGES) == []


def test_escaped_signs_are_the_passages_signs() -> None:
    passages = [CitedPassage("1", "The line ends with <CRLF> and *nothing* else follows_it.", "c")]
    checks = verify_citations("The line ends with \\<CRLF> and \\*nothing\\* else follows\\_it [1].", passages)
    assert checks[0].verified


@given(st.text(max_size=300), st.text(max_size=200))
@settings(max_examples=150, deadline=None)
def test_no_text_breaks_it(text: str, passage: str) -> None:
    for check in verify_citations(f"{text} [1] {text}", [CitedPassage("1", passage, "c")]):
        assert 0 <= check.start < check.end
        assert 0.0 <= check.score <= 1.0
        assert check.verified == (check.reason == "")


words = st.lists(
    st.sampled_from(["harbour", "ferry", "light", "winter", "lamp", "master", "berth", "tower", "signal", "crane"]),
    min_size=5,
    max_size=20,
)


@given(words, words)
@settings(max_examples=100, deadline=None)
def test_whatever_is_verified_stands_in_the_passage(claim: list[str], passage: list[str]) -> None:
    text, source = " ".join(claim), " ".join(passage)
    check = verify_citations(f"{text} [1].", [CitedPassage("1", source, "c")])[0]
    assert check.verified == (f" {text} " in f" {source} ")
