"""Where the words come from, through every change."""

from __future__ import annotations

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from apps.content.markup.provenance import ORIGINS, Span, as_json, from_json, shares, trace, whole

MODEL = "The lighthouse stands on a rock. Its lamp burns all night. The keeper writes down each ship.\n"
WORDS = ["tide", "rock", "lamp", "keeper", "“the", "sea”", "> quoted", "\n\n", ". ", "!", "é", "😀", "[1]", " "]


def origins(text: str, spans: list[Span]) -> list[tuple[str, str]]:
    return [(text[span.start : span.end].strip(), span.origin) for span in spans if text[span.start : span.end].strip()]


def assert_covers(text: str, spans: list[Span]) -> None:
    at = 0
    for span in spans:
        assert span.start == at < span.end
        assert span.origin in ORIGINS
        at = span.end
    assert at == len(text)


texts = st.lists(st.sampled_from(WORDS), max_size=40).map(" ".join)


@given(st.lists(st.tuples(texts, st.one_of(st.none(), texts)), min_size=1, max_size=6))
@settings(max_examples=300, deadline=None)
def test_spans_cover_every_text_exactly(changes: list[tuple[str, str | None]]) -> None:
    before, spans = "", []
    for after, written in changes:
        spans = trace(before, spans, after, written=written, generation="g" if written else "")
        assert_covers(after, spans)
        assert from_json(as_json(spans)) == spans
        assert sum(shares(spans).values()) == len(after)
        before = after


@given(texts, texts)
@settings(max_examples=150, deadline=None)
def test_an_unchanged_text_keeps_its_spans(text: str, written: str) -> None:
    spans = trace("", [], text, written=written, generation="g")
    assert trace(text, spans, text) == spans


def test_a_draft_of_a_model_is_the_models() -> None:
    spans = trace("", [], MODEL, written=MODEL, generation="g")
    assert spans == [Span(0, len(MODEL), "ai", "g")]


def test_words_of_a_person_in_an_accepted_text_are_the_persons() -> None:
    after = f"{MODEL}\nI have been there myself twice.\n"
    spans = trace("", [], after, written=MODEL, generation="g")
    assert origins(after, spans) == [(MODEL.strip(), "ai"), ("I have been there myself twice.", "human")]


def test_renumbered_citations_stay_the_models() -> None:
    spans = trace("", [], "Its lamp burns all night. [7]\n", written="Its lamp burns all night. [1]\n", generation="g")
    assert {span.origin for span in spans} == {"ai"}


def test_a_changed_sentence_is_edited_and_its_neighbours_are_not() -> None:
    spans = trace("", [], MODEL, written=MODEL, generation="g")
    after = MODEL.replace("burns all night", "burns until dawn")
    assert origins(after, trace(MODEL, spans, after)) == [
        ("The lighthouse stands on a rock.", "ai"),
        ("Its lamp burns until dawn.", "ai_edited"),
        ("The keeper writes down each ship.", "ai"),
    ]


def test_words_taken_out_of_a_sentence_edit_it_and_a_whole_sentence_taken_out_edits_nothing() -> None:
    spans = trace("", [], MODEL, written=MODEL, generation="g")
    shorter = MODEL.replace(" all night", "")
    assert ("Its lamp burns.", "ai_edited") in origins(shorter, trace(MODEL, spans, shorter))
    without = MODEL.replace("Its lamp burns all night. ", "")
    assert {span.origin for span in trace(MODEL, spans, without)} == {"ai"}


def test_a_sentence_of_a_person_between_those_of_a_model() -> None:
    spans = trace("", [], MODEL, written=MODEL, generation="g")
    after = MODEL.replace("Its lamp", "Nobody lives there now. Its lamp")
    assert origins(after, trace(MODEL, spans, after)) == [
        ("The lighthouse stands on a rock.", "ai"),
        ("Nobody lives there now.", "human"),
        ("Its lamp burns all night. The keeper writes down each ship.", "ai"),
    ]


@pytest.mark.parametrize(
    ("text", "quoted"),
    [
        ("He said “we shall see it” and left.\n", "“we shall see it”"),
        ("> The tide is out.\n\nThat is so.\n", "> The tide is out."),
        ("A “short one” here.\n", None),
    ],
)
def test_quotations(text: str, quoted: str | None) -> None:
    spans = trace("", [], text)
    found = [words for words, origin in origins(text, spans) if origin == "quoted"]
    assert found == ([quoted] if quoted else [])


def test_a_long_text_of_many_edits_stays_whole() -> None:
    chance = random.Random(7)
    text = " ".join(chance.choice(["The tide rose.", "A rock fell.", "Its lamp burns."]) for _ in range(7_000))
    spans = whole(text, "ai", "g")
    for _ in range(20):
        at = chance.randrange(len(text))
        after = f"{text[:at]} x{at} {text[at + chance.randrange(20) :]}"
        spans = trace(text, spans, after)
        assert_covers(after, spans)
        text = after
    assert shares(spans)["ai"] > 0.5 * len(text)


def test_a_text_pasted_into_a_models_text_is_not_the_models() -> None:
    spans = trace("", [], MODEL, written=MODEL, generation="g")
    after = MODEL + "\nPasted words stand here. > not a quote\n"
    assert origins(after, trace(MODEL, spans, after))[-1] == ("Pasted words stand here. > not a quote", "human")
