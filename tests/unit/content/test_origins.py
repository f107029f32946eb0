"""Origins are kept with every version, whoever writes it and however."""

from __future__ import annotations

import pytest

from aiwriter.core.errors import NotFound
from apps.content.models import Document, Generation, Provenance
from apps.content.selectors.provenance import provenance_of
from apps.content.services.applying import apply_generation
from apps.content.services.documents import save_document
from apps.content.services.histories import restore_version
from tests.factories.content import DocumentFactory, GenerationFactory
from tests.people import People

WRITTEN = "The lighthouse stands on a rock. Its lamp burns all night.\n"


def written(people: People, text: str = WRITTEN, **more: object) -> Generation:
    made = GenerationFactory(actor=people.actor("wanda"), workspace=people.press, **more)
    Generation.objects.filter(pk=made.pk).update(state="succeeded", output_markdown=text)
    made.refresh_from_db()
    return made


def words(people: People, document: Document, number: int | None = None) -> list[tuple[str, str]]:
    found = provenance_of(actor=people.actor("wanda"), document_id=document.pk, number=number)
    document.refresh_from_db()
    text = document.body_markdown if number is None else document.versions.get(number=number).body_markdown
    assert [span.start for span in found.spans] == [0, *(span.end for span in found.spans[:-1])] or not text
    assert (found.spans[-1].end if found.spans else 0) == len(text)
    pieces = [(text[span.start : span.end].strip(), span.origin) for span in found.spans]
    return [piece for piece in pieces if piece[0]]


def save(people: People, document: Document, text: str, **more: object) -> Document:
    document.refresh_from_db()
    return save_document(
        actor=people.actor("wanda"),
        document_id=document.pk,
        revision=document.revision,
        body_markdown=text,
        **more,  # type: ignore[arg-type]
    )


def test_from_a_draft_to_an_edited_text(people: People, db: None):
    generation = written(people)
    document = apply_generation(actor=people.actor("wanda"), generation_id=generation.pk)
    assert words(people, document) == [(WRITTEN.strip(), "ai")]
    save(people, document, WRITTEN + "\nI was there.\n")
    save(people, document, WRITTEN.replace("all night", "until dawn") + "\nI was there.\n", reason="autosave")
    save(people, document, WRITTEN.replace("all night", "until early dawn") + "\nI was there.\n", reason="autosave")
    assert words(people, document) == [
        ("The lighthouse stands on a rock.", "ai"),
        ("Its lamp burns until early dawn.", "ai_edited"),
        ("I was there.", "human"),
    ]
    # One row a version, and the earlier ones stay as they were.
    assert words(people, document, number=1) == [(WRITTEN.strip(), "ai")]
    assert Provenance.objects.count() == document.versions.count() == 3
    restore_version(actor=people.actor("wanda"), document_id=document.pk, number=1)
    assert words(people, document) == [(WRITTEN.strip(), "ai")]


def test_an_accepted_suggestion_names_its_generation(people: People, db: None):
    document = DocumentFactory(actor=people.actor("wanda"), workspace=people.press, body_markdown="I wrote this.\n")
    generation = written(people, document_id=document.pk, kind="section", brief={"heading": "Lamps"})
    save(people, document, f"I wrote this.\n\n{WRITTEN}", reason="ai", generation_id=generation.pk)
    assert words(people, document) == [("I wrote this.", "human"), (WRITTEN.strip(), "ai")]
    found = provenance_of(actor=people.actor("wanda"), document_id=document.pk)
    assert [span.generation for span in found.spans] == ["", str(generation.pk)]
    assert found.disclosure == "ai-assisted"
    assert "AI" in found.summary
    assert sum(found.shares.values()) == pytest.approx(1, abs=0.001)


def test_text_with_renumbered_citations_is_the_models(people: People, db: None):
    document = DocumentFactory(actor=people.actor("wanda"), workspace=people.press, body_markdown="Cited before. [1]\n")
    generation = written(
        people, "Its lamp burns all night. [1]\n", document_id=document.pk, kind="section", brief={"heading": "Lamps"}
    )
    generation.passages.create(marker="1", ordinal=1, title="Lamps", text="Its lamp burns all night.")
    apply_generation(actor=people.actor("wanda"), generation_id=generation.pk, mode="append")
    assert words(people, document) == [("Cited before. [1]", "human"), ("Its lamp burns all night. [2]", "ai")]


def test_a_version_from_before_origins_were_kept(people: People, db: None):
    document = apply_generation(actor=people.actor("wanda"), generation_id=written(people).pk)
    Provenance.objects.all().delete()
    assert words(people, document) == [(WRITTEN.strip(), "ai")]
    save(people, document, WRITTEN + "\nMine.\n")
    assert words(people, document) == [(WRITTEN.strip(), "ai"), ("Mine.", "human")]


def test_origins_of_others_do_not_exist(people: People, db: None):
    document = DocumentFactory(actor=people.actor("wanda"), workspace=people.press)
    with pytest.raises(NotFound):
        provenance_of(actor=people.actor("eve"), document_id=document.pk)
