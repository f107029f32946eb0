"""Rules change what they claim to change, and refuse what needs a model."""

from __future__ import annotations

import pytest
from aiwriter_model_offline.prose import split
from aiwriter_model_offline.rewriting import rewrite
from hypothesis import given, settings
from hypothesis import strategies as st

from aiwriter_sdk import InvalidRequest, Unsupported
from tests.unit.plugins.offline_material import request, write

LONG = (
    "# Harbours\n\nThe harbour of Visby was dug by hand. Hundreds of people worked in it for years. Nobody knows what they were "
    "paid. The stones came from the island itself. Ships have used the harbour ever since.\n\n- one\n- two\n\n```\ncode  stays\n```"
)


def test_shorten_keeps_whole_sentences_headings_and_code() -> None:
    text = rewrite("shorten", LONG)
    assert text.startswith("# Harbours\n\n")
    assert "```\ncode  stays\n```" in text
    before, after = LONG.split("\n\n")[1], text.split("\n\n")[1]
    assert len(after.split()) <= 0.65 * len(before.split())
    assert all(sentence in before for sentence in split(after))


def test_summarise_gives_a_few_of_its_sentences() -> None:
    text = rewrite("summarise", LONG)
    assert 1 <= len(split(text)) <= 2
    assert all(sentence in LONG for sentence in split(text))


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("the ferry  leaves the the harbour at noon .", "The ferry leaves the harbour at noon."),
        ("We recieve mail ,and i answer it!!", "We receive mail, and I answer it!"),
        ("It ended.Then it began ( again ).", "It ended. Then it began (again)."),
        (
            "He said that that was right, e.g. when had had helped.",
            "He said that that was right, e.g. when had had helped.",
        ),
        ("Pay 1,500 at 7:30 for v1.2.3 of `a  ,b`.", "Pay 1,500 at 7:30 for v1.2.3 of `a  ,b`."),
        ("See [the the](http://a.b/c,d) now.", "See [the the](http://a.b/c,d) now."),
        ("- item one ,two\n\n\n\n1. next  item", "- item one, two\n\n1. next item"),
        ("| a  | b ,c |\n|---|---|", "| a  | b ,c |\n|---|---|"),
        ("```\nx  ,y teh\n```", "```\nx  ,y teh\n```"),
    ],
)
def test_fix_corrects_typography_and_leaves_the_rest(before: str, after: str) -> None:
    assert rewrite("fix", before) == after
    assert rewrite("fix", after) == after


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("In order to save time, we utilise ferries.", "To save time, we use ferries."),
        ("It is important to note that ferries sail.", "Ferries sail."),
        ("Due to the fact that it rains, a large number of people stay.", "Because it rains, many people stay."),
        ("Furthermore, the deck is able to turn.", "Also, the deck can turn."),
        ("The `in order to` clause stays.", "The `in order to` clause stays."),
        ("Nothing to do here.", "Nothing to do here."),
    ],
)
def test_simplify_takes_the_plainer_phrase(before: str, after: str) -> None:
    assert rewrite("simplify", before) == after


def test_lists_and_tables() -> None:
    assert rewrite("list", "Boats wait. The gate opens.") == "- Boats wait.\n- The gate opens."
    assert rewrite("table", "Visby; 3\nTurku; 4") == "| Visby | 3 |\n| --- | --- |\n| Turku | 4 |"
    assert rewrite("table", "- Lock: raises boats\n- Bridge: carries roads").split("\n") == [
        "| Term | Description |",
        "| --- | --- |",
        "| Lock | raises boats |",
        "| Bridge | carries roads |",
    ]
    with pytest.raises(InvalidRequest):
        rewrite("table", "Just one sentence without any parts in it.")


def test_headings() -> None:
    text = "# The history of locks\n\n```\n# not a heading\n```\n\n###### deep"
    assert rewrite("titlecase", text).split("\n")[0] == "# The History of Locks"
    assert rewrite("heading_down", text).split("\n")[0] == "## The history of locks"
    assert rewrite("heading_down", text).split("\n")[-1] == "###### deep"
    assert rewrite("heading_up", text).split("\n")[0] == "# The history of locks"
    assert "\n# not a heading\n" in rewrite("heading_down", text)
    assert rewrite("titlecase", "a tale of two cities") == "A Tale of Two Cities"
    with pytest.raises(InvalidRequest):
        rewrite("heading_up", "no heading here")


@pytest.mark.parametrize("action", ["translate", "expand", "formal", "friendly", "custom", "", "sing"])
def test_what_needs_a_model_is_refused_with_advice(action: str) -> None:
    with pytest.raises(Unsupported) as caught:
        write(request("rewrite", action=action, text="Some words."))
    assert "language model" in caught.value.remedy


def test_an_empty_text_is_refused() -> None:
    with pytest.raises(InvalidRequest):
        rewrite("fix", "  \n")


def test_rewriting_streams_the_whole_text_and_goes_on() -> None:
    whole = write(request("rewrite", action="fix", text=LONG))
    assert whole == rewrite("fix", LONG)
    assert write(request("rewrite", action="fix", text=LONG, written=whole[:40])) == whole[40:]


@pytest.mark.parametrize(
    ("text", "title"),
    [("## How locks save water\n\nThey do.", "How Locks Save Water"), ("Locks save water in dry years.", None)],
)
def test_titles(text: str, title: str | None) -> None:
    found = write(request("title", text=text))
    assert "\n" not in found
    assert found == title if title else found[0].isupper()


markdown = st.lists(
    st.sampled_from(
        [
            "# a b",
            "word word",
            "- item",
            "teh  teh",
            "`code`",
            "```",
            "|a|b|",
            "> q",
            "1. x",
            "in order to",
            "A. B!",
            "é漢",
        ]
    ),
    max_size=12,
).map("\n".join)


@given(
    markdown | st.text(max_size=200),
    st.sampled_from(["shorten", "summarise", "fix", "simplify", "list", "table", "titlecase"]),
)
@settings(max_examples=150, deadline=None)
def test_no_text_breaks_the_rules(text: str, action: str) -> None:
    try:
        once = rewrite(action, text)
    except InvalidRequest:
        return
    if action == "simplify":
        assert rewrite(action, once) == once
    if action in {"shorten", "summarise"}:
        assert len(once.split()) <= len(text.split())
