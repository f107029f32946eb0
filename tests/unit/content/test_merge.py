"""Merging three texts: what does not meet is joined, what meets is told, and nothing is lost."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from apps.content.markup.markdown import normalise
from apps.content.markup.merge import assemble, blocks, conflicts, merge, merged_title

BASE = "# Tides\n\nThe moon pulls the sea.\n\n- one\n- two\n\nThe end comes late.\n"
PARAGRAPH = st.lists(st.sampled_from(["sea", "moon", "tide", "harbour", "light", "wind", "stone", "bridge"]), min_size=1, max_size=6)
TEXT = st.lists(PARAGRAPH.map(" ".join), max_size=6).map(lambda parts: normalise("\n\n".join(parts)))


def kinds(base: str, theirs: str, mine: str) -> list[str]:
    return [segment.kind for segment in merge(base, theirs, mine)]


def test_changes_of_different_blocks_are_joined():
    theirs = BASE.replace("The moon", "The bright moon")
    mine = BASE.replace("late", "early") + "\nA new paragraph.\n"
    found = merge(BASE, theirs, mine)
    assert not conflicts(found)
    assert assemble(found) == theirs.replace("late", "early") + "\nA new paragraph.\n"


def test_changes_of_different_words_of_one_paragraph_are_joined():
    theirs, mine = BASE.replace("The moon", "Our moon"), BASE.replace("the sea", "the ocean")
    found = merge(BASE, theirs, mine)
    assert [s.kind for s in found] == ["same", "merged", "same"]
    assert assemble(found) == BASE.replace("The moon", "Our moon").replace("the sea", "the ocean")


def test_neighbouring_blocks_are_judged_by_themselves():
    theirs, mine = BASE.replace("- two", "- two\n- three"), BASE.replace("The moon pulls", "It draws")
    assert kinds(BASE, theirs, mine) == ["same", "mine", "theirs", "same"]


def test_changes_of_the_same_words_are_for_the_writer_to_decide():
    theirs, mine = BASE.replace("pulls", "draws"), BASE.replace("pulls", "lifts")
    found = merge(BASE, theirs, mine)
    assert [(s.theirs, s.mine) for s in conflicts(found)] == [("The moon draws the sea.", "The moon lifts the sea.")]
    assert assemble(found) == mine
    assert assemble(found, {0: "theirs"}) == theirs
    assert "The moon draws the sea.\n\nThe moon lifts the sea." in assemble(found, {0: "both"})


def test_a_block_deleted_here_and_changed_there_is_a_conflict():
    theirs, mine = BASE.replace("The moon pulls the sea.\n\n", ""), BASE.replace("pulls", "lifts")
    found = merge(BASE, theirs, mine)
    assert len(conflicts(found)) == 1
    assert assemble(found, {0: "theirs"}) == theirs


def test_tables_and_listings_are_not_put_together_from_words():
    table = "| a | b |\n| --- | --- |\n| 1 | 2 |\n"
    found = merge(table, table.replace("1", "one"), table.replace("2", "two"))
    assert len(conflicts(found)) == 1


def test_titles():
    assert merged_title("A", "A", "B") == ("B", False)
    assert merged_title("A", "B", "A") == ("B", False)
    assert merged_title("A", "B", "B") == ("B", False)
    assert merged_title("A", "B", "C") == ("C", True)


def test_blocks_are_the_whole_text():
    text = normalise(BASE + "\n```\na\n\nb\n```\n\n> quote\n>\n> more\n")
    assert "\n\n".join(blocks(text)) + "\n" == text


@settings(max_examples=150, deadline=None)
@given(TEXT, TEXT)
def test_one_changed_text_is_taken_as_it_is(base: str, changed: str):
    for found in (merge(base, changed, base), merge(base, base, changed), merge(base, changed, changed)):
        assert not conflicts(found)
        assert assemble(found) == changed


@settings(max_examples=300, deadline=None)
@given(TEXT, TEXT, TEXT)
def test_no_word_that_somebody_added_is_lost(base: str, theirs: str, mine: str):
    found = merge(base, theirs, mine)
    both = assemble(found, dict.fromkeys(range(len(conflicts(found))), "both"))
    added = (set(theirs.split()) | set(mine.split())) - set(base.split())
    assert added <= set(both.split())
    assert normalise(both) == both
    assert "\n\n".join(s.theirs for s in found if s.theirs) == theirs.strip("\n")
    assert "\n\n".join(s.mine for s in found if s.mine) == mine.strip("\n")
