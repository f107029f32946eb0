"""Lists of documents: words, filters, orders, and the same queries whatever the length."""

from __future__ import annotations

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from aiwriter.core.errors import InvalidInput
from apps.content.models import Document
from apps.content.retrieval.document_words import rebuild, verify
from apps.content.selectors.listing import Filters, kinds_in, listed_documents
from apps.content.selectors.searching import highlighted, query_words, snippets
from apps.content.services.collections import create_collection
from apps.content.services.documents import delete_document, save_document
from apps.content.services.trash import purge_document
from tests.factories.content import DocumentFactory
from tests.people import People


def document(people: People, title: str, body: str = "", **more) -> Document:
    return DocumentFactory(actor=people.actor("wanda"), workspace=people.press, title=title, body_markdown=body, **more)


def titles(people: People, sort: str = "title", who: str = "wanda", **asked) -> list[str]:
    rows, ordering = listed_documents(actor=people.actor(who), workspace=None, filters=Filters(**asked), sort=sort)
    return [row.title for row in rows.order_by(*ordering)]


def test_words_are_found_as_soon_as_they_are_saved_and_no_longer(people: People):
    wanda = people.actor("wanda")
    text = document(people, "Bridges", "The stone arch carries its load.\n")
    document(people, "Tides", "The moon pulls the sea.\n")
    assert titles(people, query="arch") == ["Bridges"]
    assert titles(people, query="bridge LOAD") == ["Bridges"]
    assert titles(people, query="arch sea") == []
    save_document(actor=wanda, document_id=text.pk, revision=1, body_markdown="Cables of steel.\n")
    assert titles(people, query="arch") == []
    assert titles(people, query="cab") == ["Bridges"]
    delete_document(actor=wanda, document_id=text.pk)
    assert titles(people, query="cables") == []
    purge_document(actor=wanda, document_id=text.pk)
    assert verify() == (True, 1, 1)


def test_nothing_of_another_workspace_is_found(people: People):
    document(people, "Bridges", "The secret arch.\n")
    assert titles(people, who="eve", query="arch") == []
    assert titles(people, who="eve") == []


@pytest.mark.parametrize("query", ['"', "a AND", "(", "scope:x", "x*", "NEAR(", "''", "-", ":*", "\\", "🙂", "%"])
def test_no_query_is_an_operator(people: People, query: str):
    document(people, "Bridges", "Text.\n")
    assert titles(people, query=query) in ([], ["Bridges"])


def test_a_text_of_very_many_different_words_is_saved_and_found(people: People):
    body = " ".join(f"w{n:x}ord{n * 7919:x}" for n in range(120_000))
    document(people, "Long", f"beginning {body}\n")
    assert titles(people, query="beginning") == ["Long"]


def test_the_best_comes_first(people: People):
    document(people, "Other", "Once about tides, and then about much else that is not.\n")
    document(people, "Tides", "Tides and tides.\n")
    assert titles(people, "relevance", query="tides") == ["Tides", "Other"]
    with pytest.raises(InvalidInput, match="words"):
        titles(people, "relevance")


def test_filters_and_orders(people: People):
    sea = create_collection(actor=people.actor("wanda"), workspace=people.press, name="Sea")
    document(people, "A", "one two three", tags=["x", "y"], collection_id=sea.pk)
    document(people, "B", "one", tags=["x"], kind="report")
    DocumentFactory(actor=people.actor("eddie"), workspace=people.press, title="C", body_markdown="one two")
    assert titles(people, tags=("X",)) == ["A", "B"]
    assert titles(people, tags=("x", "y")) == ["A"]
    assert titles(people, collection=str(sea.pk)) == ["A"]
    assert titles(people, collection="none") == ["B", "C"]
    assert titles(people, owner="me") == ["A", "B"]
    assert titles(people, owner=str(people.eddie.pk)) == ["C"]
    assert titles(people, kind="report") == ["B"]
    assert titles(people, status="draft", query="one", tags=("x",)) == ["A", "B"]
    assert titles(people, "-word_count") == ["A", "C", "B"]
    assert kinds_in(people.press) == ["article", "report"]
    for wrong in ({"collection": "x"}, {"owner": "x"}, {"sort": "size"}):
        with pytest.raises(InvalidInput):
            titles(people, **wrong)


def test_snippets_show_the_place_and_mark_the_words(people: People):
    text = document(
        people, "Long", "Filler words. " * 200 + "## The *Akashi* bridge has <b>cables</b>.\n" + "End. " * 99
    )
    found = snippets(Document.objects.all(), [text.pk], query_words("bridges akashi"))[text.pk]
    assert [bit.text for bit in found if bit.hit] == ["Akashi", "bridge"]
    shown = "".join(bit.text for bit in found)
    assert shown.startswith("… ")
    assert shown.endswith(" …")
    assert len(shown) < 260
    assert snippets(Document.objects.all(), [text.pk], ["absent"]) == {}
    assert list(highlighted("The Bridge", ["bridge"])) == [("The ", False), ("Bridge", True)]


def test_the_index_can_be_made_again(people: People):
    document(people, "Bridges", "The arch.\n")
    table = "content_document_word_row" if connection.vendor == "sqlite" else "content_document_word"
    with connection.cursor() as cursor:
        cursor.execute(f"DELETE FROM {table}")
    assert not verify().ok
    assert rebuild() == 1
    assert titles(people, query="arch") == ["Bridges"]


@pytest.mark.parametrize("asked", ["", "&q=article", "&tag=x", "&sort=title", "&q=article&sort=relevance"])
def test_a_list_takes_the_same_queries_whatever_its_length(api, portal, people: People, asked: str):
    wanda, page = api("wanda"), portal("wanda")

    def count(client, address: str) -> int:
        with CaptureQueriesContext(
            connection,
        ) as seen:
            assert client.get(address).status_code == 200
        return len(seen)

    addresses = ((wanda, f"/api/v1/content?limit=50{asked}"), (page, f"/documents/?x=1{asked}"))
    document(people, "First", "article", tags=["x"])
    few = [count(*each) for each in addresses]
    for number in range(12):
        document(people, f"Article {number}", "article", tags=["x", f"tag{number}"])
    assert [count(*each) for each in addresses] == few
