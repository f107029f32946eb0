"""The Composer quotes, cites, orders and owns up; it never makes anything up."""

from __future__ import annotations

import asyncio
import re
from itertools import pairwise

import pytest
from aiwriter_model_offline import planning
from aiwriter_model_offline.prose import is_quotable, sentences_of, split
from hypothesis import given, settings
from hypothesis import strategies as st

from aiwriter_sdk import (
    BackendError,
    Finish,
    Message,
    NotFound,
    Passage,
    Start,
    TextDelta,
    TimedOut,
    Unsupported,
    Usage,
)
from apps.content.markup.citations import CitedPassage, verify_citations
from tests.unit.plugins.offline_material import backend, control, events, passages, request, write

TOPIC = "Locks and bridges"
EMBEDDERS = pytest.mark.parametrize("embedder", ["lexical", "minilm"])


def headings(text: str) -> list[str]:
    return re.findall(r"^## (.+)$", text, re.MULTILINE)


def body(text: str) -> str:
    """The text without headings and without what the Composer says about itself."""
    return "\n".join(line for line in text.split("\n") if line and not line.startswith(("#", "*")))


def checks(text: str, given: list[Passage] | None = None) -> list[bool]:
    cited = [CitedPassage(each.marker, each.text, each.marker) for each in given or passages()]
    return [check.verified for check in verify_citations(text, cited)]


@EMBEDDERS
def test_every_sentence_of_a_draft_is_a_verified_quotation(embedder: str) -> None:
    text = write(request(topic=TOPIC, length=400), embedder)
    assert text.startswith("# Locks and Bridges\n\n")
    assert len(headings(text)) >= 2
    assert len(checks(text)) >= 6
    assert all(checks(text)), text
    for sentence in split(body(text).replace("\n", " ")):
        assert re.search(r"\[\d+\]\.?$", sentence), f"no citation: {sentence}"
    assert "without a language model" in text.split("\n")[-1]


@EMBEDDERS
def test_boilerplate_is_left_out_and_nothing_is_said_twice(embedder: str) -> None:
    doubled = [*passages(), Passage(marker="9", title="Copy", text=passages()[0].text, score=0.8, locator="Copy")]
    text = write(request(topic=TOPIC, length=900, given=doubled), embedder)
    assert "Copyright" not in text
    assert "[2]" not in text
    said = [re.sub(r" \[\d+\]", "", sentence) for sentence in split(body(text).replace("\n", " "))]
    assert len(said) == len(set(said))


@EMBEDDERS
def test_the_writers_headings_are_kept_and_gaps_are_named(embedder: str) -> None:
    wanted = ["Saving water in locks", "Growing tomatoes on Mars", "Stone arches"]
    text = write(request(topic="", headings=wanted, title="Works of water", length=300), embedder)
    assert text.startswith("# Works of water\n")
    assert headings(text) == wanted
    assert "No source found for “Growing tomatoes on Mars”" in text
    sections = re.split(r"^## .+$", text, flags=re.MULTILINE)[1:]
    assert "[3]" in sections[0]
    assert "No source" not in sections[0] + sections[2]
    assert "compression alone [4]" in sections[2]


@EMBEDDERS
def test_the_same_request_gives_the_same_text(embedder: str) -> None:
    assert write(request(topic=TOPIC), embedder) == write(request(topic=TOPIC), embedder)


def test_a_section_begins_with_its_heading_and_repeats_nothing_of_the_document() -> None:
    document = f"# Canals\n\n{split(passages()[0].text)[0]}"
    text = write(request("section", topic="Canals", headings=["How locks work"], text=document))
    assert text.startswith("## How locks work\n\n")
    assert all(checks(text))
    assert split(passages()[0].text)[0].rstrip(".") not in text
    assert "language model" not in text


def test_an_outline_gives_headings_and_points() -> None:
    text = write(request("outline", topic=TOPIC))
    assert headings(text)
    assert all(line.startswith(("#", "- ")) for line in text.split("\n") if line)
    assert all(checks(text))


def test_without_passages_it_gives_a_frame_and_says_why() -> None:
    text = write(request(topic="Write an article about lighthouses", given=[]))
    assert text.startswith("# Lighthouses\n")
    assert len(headings(text)) >= 3
    assert text.count("No source found") == len(headings(text))
    assert "Add sources" in text


def test_signs_of_markdown_in_sources_stay_signs() -> None:
    odd = "A line is ended by <CRLF> and *never* by a lone `LF` in the whole protocol."
    given = [
        Passage(
            marker="1", title="Lines", text=f"{odd} {odd.replace('never', 'not')}", score=0.9, locator="Lines > Ends"
        )
    ]
    text = write(request("section", headings=["Line ends"], given=given))
    assert "\\<CRLF>" in text
    assert "\\*never\\*" in text
    assert all(checks(text, given))


def test_reference_marks_of_a_source_do_not_become_citations() -> None:
    given = [
        Passage(
            marker="1",
            title="Mail",
            text="Mail is moved by the transfer protocol [2] between hosts that know each other [RFC1123]. Mail is defined in [7].",
            score=0.9,
            locator="Mail > Moving mail",
        )
    ]
    text = write(request("section", headings=["Moving mail between hosts"], given=given))
    assert "Mail is moved by the transfer protocol between hosts that know each other [1]." in text
    assert "defined in" not in text
    assert all(checks(text, given))


# ── going on ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_it_goes_on_exactly_where_it_was_cut() -> None:
    whole = write(request(topic=TOPIC, length=400))
    for cut in (1, 17, len(whole) // 3, len(whole) // 2, len(whole) - 5):
        assert whole[:cut] + write(request(topic=TOPIC, length=400, written=whole[:cut])) == whole
    assert write(request(topic=TOPIC, length=400, written=whole)) == ""


def test_it_goes_on_after_another_writer_without_repeating() -> None:
    whole = write(request(topic=TOPIC, length=400))
    first = headings(whole)[0]
    begun = f"# Locks and Bridges\n\n## {first}\n\nA model wrote these words and was cut"
    rest = write(request(topic=TOPIC, length=400, written=begun))
    assert rest.startswith("…\n\n")
    assert first not in headings(rest)
    assert headings(rest) == headings(whole)[1:]
    assert all(checks(rest))


def test_a_text_can_be_continued_from_the_sources() -> None:
    text = "## Arches\n\nThe stone arch carries its load by compression alone."
    rest = write(request("rewrite", action="continue", text=text))
    assert "compression alone" not in rest
    assert rest
    assert all(checks(rest))


# ── the stream ───────────────────────────────────────────────────────────────────────────────────────────────────────


def test_the_stream_is_fine_grained_and_counted() -> None:
    found = events(request(topic=TOPIC))
    deltas = [event for event in found if isinstance(event, TextDelta)]
    assert isinstance(found[0], Start)
    assert found[-1] == Finish(reason="stop")
    usage = found[-2]
    assert isinstance(usage, Usage)
    assert usage.estimated
    assert usage.input_tokens > 100
    words = len("".join(delta.text for delta in deltas).split())
    assert usage.output_tokens == (words * 4 + 2) // 3
    assert max(len(delta.text.split()) for delta in deltas) <= 4


def test_other_work_goes_on_while_it_composes() -> None:
    async def run() -> float:
        longest, last = 0.0, asyncio.get_running_loop().time()
        done = False

        async def tick() -> None:
            nonlocal longest, last
            while not done:
                await asyncio.sleep(0.001)
                now = asyncio.get_running_loop().time()
                longest, last = max(longest, now - last), now

        ticking = asyncio.create_task(tick())
        many = [
            Passage(marker=str(n), title=f"T{n}", text=p.text, score=0.5, locator=p.locator)
            for n in range(8)
            for p in passages()
        ]
        async for _ in backend().stream(request(topic=TOPIC, length=2000, given=many), control=control()):
            pass
        done = True
        await ticking
        return longest

    # A slice of the interpreter is 5 ms; a whole composition on the loop would be hundreds.
    assert asyncio.run(run()) < 0.5


def test_time_that_is_up_ends_it() -> None:
    async def run() -> None:
        async for _ in backend().stream(request(topic=TOPIC), control=control(seconds=-1)):
            pass

    with pytest.raises(TimedOut):
        asyncio.run(run())


@pytest.mark.parametrize("stop", ["## ", "[", "chamber"])
def test_stop_texts_end_the_text_before_them(stop: str) -> None:
    whole = write(request(topic=TOPIC))
    assert write(request(topic=TOPIC, options={"stop": (stop,)})) == whole.partition(stop)[0]


def test_the_limit_is_kept_and_the_rest_can_be_asked_for() -> None:
    whole = write(request(topic=TOPIC))
    found = events(request(topic=TOPIC, options={"max_output": 40}))
    first = "".join(event.text for event in found if isinstance(event, TextDelta))
    assert found[-1] == Finish(reason="length")
    assert len(first.split()) == 30
    assert first + write(request(topic=TOPIC, written=first)) == whole


def test_what_it_cannot_do_is_refused() -> None:
    with pytest.raises(Unsupported):
        write(request(topic=TOPIC, options={"json_schema": {"type": "object"}}))
    with pytest.raises(NotFound):
        asyncio.run(_first(model="gpt"))


async def _first(model: str) -> None:
    asked = request(topic=TOPIC)
    changed = type(asked)(model=model, messages=asked.messages)
    async for _ in backend().stream(changed, control=control()):
        return


@given(
    st.lists(st.text(max_size=400), max_size=5),
    st.text(max_size=80),
    st.sampled_from(["draft", "outline", "section", "chat"]),
)
@settings(max_examples=50, deadline=None)
def test_no_source_breaks_it(texts: list[str], topic: str, kind: str) -> None:
    given = [Passage(marker=str(n), title=text[:9], text=text, locator=text[:40]) for n, text in enumerate(texts)]
    try:
        text = write(request(kind, topic=topic, given=given))
    except BackendError:
        return
    assert text.startswith("#")
    assert all(checks(text, given)) if given else True


# ── its parts ────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("wish", "title"),
    [
        ("Write me a short article about the history of canal locks.", "The History of Canal Locks"),
        ("how does a lock work?", "How Does a Lock Work?"),
        ("TCP and UDP compared with QUIC", "TCP and UDP Compared with QUIC"),
        ("", "Untitled"),
        ("one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen", None),
    ],
)
def test_titles_come_from_the_wish(wish: str, title: str | None) -> None:
    read = planning.read(request(topic=wish, messages=[Message(role="user", content=wish)]))
    assert read.title == title if title else len(read.title.split()) == 14


@pytest.mark.parametrize(
    "text",
    [
        "Table of Contents . . . . . . . . . . 3",
        "2.1. Basic Structure",
        "Postel [Page 12]",
        "+----+ | A | <-> | B | +----+ and so on for ever.",
        "Copyright (C) The Internet Society. All Rights Reserved to them.",
        "Host name to host address translation.",
        "See http://example.org/a/b/c for the whole of the story.",
        "the second half of a sentence that was cut at its start.",
        "Bradner, S., Key words for use in RFCs, BCP 14, RFC 2119, March 1997.",
        "As shown in the following table, all of the ports are open.",
        "Short.",
    ],
)
def test_what_cannot_be_quoted(text: str) -> None:
    assert not is_quotable(text)


def test_sentences_keep_their_words_and_their_order() -> None:
    found = sentences_of(passages())
    whole = {each.marker: " ".join(each.text.split()) for each in passages()}
    assert all(sentence.text in whole[sentence.marker] for sentence in found)
    assert all(a.position < b.position for a, b in pairwise(found) if a.passage == b.passage)
    assert "2" not in {sentence.marker for sentence in found}
