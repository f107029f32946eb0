"""Taking generated text over: only on request, once, with citations that fit into the document."""

from __future__ import annotations

from typing import Any

import pytest

from aiwriter.core.errors import Conflict, InvalidInput, NotFound
from apps.content.models import Document, Generation, GenerationPassage
from apps.content.selectors.documents import citations_of
from apps.content.services.applying import apply_generation
from apps.content.services.documents import save_document
from tests.factories.content import DocumentFactory, GenerationFactory
from tests.people import People

ARCH = "The stone arch carries its load by compression alone."
SPAN = "The Akashi bridge has a main span of 1,991 metres."


def finished(people: People, text: str, passages: dict[str, str] | None = None, **more: Any) -> Generation:
    """A generation as a worker leaves it."""
    made = GenerationFactory(actor=people.actor("wanda"), workspace=people.press, **more)
    for ordinal, (marker, passage) in enumerate((passages or {}).items(), start=1):
        GenerationPassage.objects.create(
            generation=made, marker=marker, ordinal=ordinal, title="Bridges", locator="p. 1", text=passage
        )
    Generation.objects.filter(pk=made.pk).update(state="succeeded", output_markdown=text)
    made.refresh_from_db()
    return made


def test_a_draft_without_document_makes_one(people: People):
    made = finished(people, f"# Spans\n\n{SPAN}[1]\n", {"1": SPAN})
    document = apply_generation(actor=people.actor("wanda"), generation_id=made.pk)
    assert (document.title, document.current_version.reason) == ("Spans", "ai")
    assert document.current_version.generation == made
    [citation] = citations_of(actor=people.actor("wanda"), document_id=document.pk)
    assert (citation.marker, citation.verified, citation.source_title) == ("1", True, "Bridges")
    again = apply_generation(actor=people.actor("wanda"), generation_id=made.pk)
    assert (again.pk, Document.objects.count()) == (document.pk, 1)


def test_a_draft_does_not_overwrite_what_changed_meanwhile(people: People):
    wanda = people.actor("wanda")
    document = DocumentFactory(actor=wanda, workspace=people.press)
    made = finished(people, "Generated.\n", document_id=document.pk)
    save_document(actor=wanda, document_id=document.pk, revision=1, body_markdown="Typed meanwhile.\n")
    with pytest.raises(Conflict):
        apply_generation(actor=wanda, generation_id=made.pk)
    document.refresh_from_db()
    assert document.body_markdown == "Typed meanwhile.\n"
    taken = apply_generation(actor=wanda, generation_id=made.pk, revision=document.revision)
    assert taken.body_markdown == "Generated.\n"
    assert taken.versions.count() == 3


def test_markers_are_numbered_through_the_document(people: People):
    wanda = people.actor("wanda")
    first = finished(people, f"{ARCH}[1]\n", {"1": ARCH})
    document = apply_generation(actor=wanda, generation_id=first.pk)
    second = finished(
        people,
        f"## Spans\n\n{SPAN}[1]\n",
        {"1": SPAN},
        kind="section",
        brief={"heading": "Spans"},
        document_id=document.pk,
    )
    document = apply_generation(actor=wanda, generation_id=second.pk)
    assert f"{ARCH}[1]" in document.body_markdown
    assert f"{SPAN}[2]" in document.body_markdown
    views = citations_of(actor=wanda, document_id=document.pk)
    assert [(view.marker, view.verified) for view in views] == [("1", True), ("2", True)]
    assert "compression" in views[0].quote
    assert "1,991" in views[1].quote


def test_a_rewritten_selection_goes_to_its_place(people: People):
    wanda = people.actor("wanda")
    document = DocumentFactory(actor=wanda, workspace=people.press, body_markdown="One two. Three four. One two.\n")
    brief = {"action": "shorten", "text": "Three four.", "start": 9, "end": 20}
    made = finished(people, "Three.", kind="rewrite", brief=brief, document_id=document.pk)
    assert apply_generation(actor=wanda, generation_id=made.pk).body_markdown == "One two. Three. One two.\n"
    twice = {"action": "shorten", "text": "One two."}
    made = finished(people, "One.", kind="rewrite", brief=twice, document_id=document.pk)
    with pytest.raises(Conflict):
        apply_generation(actor=wanda, generation_id=made.pk)


def test_a_title(people: People):
    wanda = people.actor("wanda")
    document = DocumentFactory(actor=wanda, workspace=people.press)
    made = finished(people, "Of bridges", kind="title", brief={}, document_id=document.pk)
    taken = apply_generation(actor=wanda, generation_id=made.pk)
    assert (taken.title, taken.body_markdown) == ("Of bridges", document.body_markdown)


def test_what_cannot_be_taken_over(people: People):
    wanda = people.actor("wanda")
    running = GenerationFactory(actor=wanda, workspace=people.press)
    with pytest.raises(Conflict):
        apply_generation(actor=wanda, generation_id=running.pk)
    with pytest.raises(Conflict):
        apply_generation(actor=wanda, generation_id=finished(people, " \n").pk)
    with pytest.raises(InvalidInput):
        apply_generation(actor=wanda, generation_id=finished(people, "x").pk, mode="sing")
    with pytest.raises(NotFound):
        apply_generation(actor=people.actor("eve"), generation_id=finished(people, "x").pk)
    assert not Document.objects.exists()
