"""Passages cover the text, keep to their size, and know where they stand."""

from __future__ import annotations

from itertools import pairwise
from typing import NamedTuple

from hypothesis import given, settings
from hypothesis import strategies as st

from apps.content.markup.chunks import Chunk, chunk_document
from apps.content.markup.sentences import sentence_spans
from apps.content.parsing.builder import TextBuilder
from apps.content.parsing.document import Heading, Limits, PageStart

words = st.text(st.sampled_from("abcdefgåéξ漢.,;!?\"'()-0123456789"), min_size=1, max_size=14)
sentences = st.lists(words, min_size=1, max_size=40).map(lambda parts: " ".join(parts) + ".")
paragraphs = st.lists(sentences, min_size=1, max_size=8).map(" ".join)
texts = st.lists(paragraphs, min_size=1, max_size=12).map("\n\n".join)


class Piece(NamedTuple):
    kind: str
    text: str


pieces = st.lists(
    st.one_of(
        st.builds(Piece, st.just("heading"), st.lists(words, min_size=1, max_size=8).map(" ".join)),
        st.builds(Piece, st.just("paragraph"), paragraphs),
        st.builds(Piece, st.just("item"), sentences),
        st.builds(Piece, st.just("code"), st.lists(words, min_size=1, max_size=60).map("\n".join)),
    ),
    min_size=1,
    max_size=14,
)


def assert_covers(text: str, chunks: list[Chunk]) -> None:
    covered = bytearray(len(text))
    for number, chunk in enumerate(chunks):
        assert chunk.ordinal == number
        assert chunk.text == text[chunk.char_start : chunk.char_end]
        assert chunk.text == chunk.text.strip()
        assert chunk.words == len(chunk.text.split())
        covered[chunk.char_start : chunk.char_end] = b"\1" * (chunk.char_end - chunk.char_start)
    lost = [text[at] for at in range(len(text)) if not covered[at] and not text[at].isspace()]
    assert not lost, f"characters in no passage: {lost[:20]}"
    for one, two in pairwise(chunks):
        assert one.char_start < two.char_start
        assert one.char_end < two.char_end


@given(texts)
@settings(max_examples=60, deadline=None)
def test_passages_cover_every_text(text: str) -> None:
    chunks = chunk_document(text)
    assert_covers(text, chunks)
    assert chunks == chunk_document(text)


@given(pieces, st.integers(20, 150), st.integers(0, 30))
@settings(max_examples=80, deadline=None)
def test_passages_cover_every_document(parts: list[Piece], target: int, overlap: int) -> None:
    builder = TextBuilder(Limits())
    for number, part in enumerate(parts):
        if number % 4 == 0:
            builder.page(number // 4 + 1)
        if part.kind == "heading":
            builder.heading(number % 3 + 1, part.text)
        elif part.kind == "code":
            builder.code(part.text)
        elif part.kind == "item":
            builder.item(part.text)
        else:
            builder.paragraph(part.text)
    if not any(character.isalnum() for part in parts for character in part.text):
        return
    document = builder.finish(kind="text", mime="text/plain", fallback_title="x")
    chunks = chunk_document(
        document.text,
        headings=document.headings,
        pages=document.pages,
        blocks=document.blocks,
        target_words=target,
        overlap_words=overlap,
    )
    assert_covers(document.text, chunks)
    for chunk in chunks:
        assert chunk.words <= target + overlap, "a passage is larger than allowed"
        page = [page.number for page in document.pages if page.start <= chunk.char_start]
        assert chunk.page == (page[-1] if page else None)


@given(texts)
@settings(max_examples=60, deadline=None)
def test_sentences_cover_the_text_without_a_gap(text: str) -> None:
    spans = list(sentence_spans(text))
    assert spans[0][0] == 0
    assert spans[-1][1] == len(text)
    assert all(one[1] == two[0] for one, two in pairwise(spans))


def test_abbreviations_do_not_end_sentences() -> None:
    text = "Ask Dr. Ek, e.g. Monday. The ferry (cf. Fig. 3) costs 4.50 euro. It leaves at 7 a.m. daily."
    assert [text[a:b].strip() for a, b in sentence_spans(text)] == [
        "Ask Dr. Ek, e.g. Monday.",
        "The ferry (cf. Fig. 3) costs 4.50 euro.",
        "It leaves at 7 a.m. daily.",
    ]


def test_passages_know_their_headings_and_pages() -> None:
    filler = " ".join(f"Sentence number {n} tells about the harbour." for n in range(12))
    text = f"Harbours\n\n{filler}\n\nLights\n\n{filler}\n\nLamps\n\n{filler}"
    lights, lamps = text.index("Lights"), text.index("Lamps")
    headings = [Heading(1, "Harbours", 0), Heading(2, "Lights", lights), Heading(3, "Lamps", lamps)]
    chunks = chunk_document(text, headings=headings, pages=[PageStart(0, 4), PageStart(lights, 5)])
    assert {chunk.heading_path for chunk in chunks} == {
        "Harbours", "Harbours > Lights", "Harbours > Lights > Lamps",
    }  # fmt: skip
    for chunk in chunks:
        assert chunk.page == (4 if chunk.char_start < lights else 5)
        # A section of the first two levels begins a passage.
        assert "Lights" not in chunk.text[1:]


def test_neighbours_share_a_short_sentence() -> None:
    text = " ".join(f"Sentence number {n} has eight words in it." for n in range(60))
    chunks = chunk_document(text)
    for one, two in pairwise(chunks):
        assert two.char_start < one.char_end
        assert one.char_end - two.char_start < 60


def test_an_empty_text_has_no_passages() -> None:
    assert chunk_document("") == []
    assert chunk_document(" \n\n ") == []
