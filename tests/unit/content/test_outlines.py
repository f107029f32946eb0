"""Long texts, outline first: planned, ordered, written section by section, each at its place, each again if need be."""

from __future__ import annotations

import datetime as dt

import pytest
from django.utils import timezone

from aiwriter.core.errors import Conflict, InvalidInput, NotFound
from apps.backends.models import BackendProfile
from apps.content.markup.outlines import put_section, read_outline, with_heading
from apps.content.models import Document, Generation, Outline, Section
from apps.content.services import outlines
from apps.content.services.documents import save_document
from apps.content.services.generation import stop_generation
from tests.factories.content import DocumentFactory, ready_source, run_to_end
from tests.fakes.provider import FakeProvider
from tests.people import People


def document_of(people: People, body: str = "") -> Document:
    return DocumentFactory(actor=people.actor("wanda"), workspace=people.press, title="Tides", body_markdown=body)


def rows_for(*headings: str, words: int = 60) -> list[dict[str, object]]:
    return [{"heading": heading, "target_words": words} for heading in headings]


def write_all(document: Document) -> Outline:
    """What the worker does: sections one after the other until nothing is left."""
    for _ in range(200):
        outlines.advance_outline(document.pk)
        waiting = Generation.objects.filter(document=document).unfinished().first()
        if waiting is None:
            break
        run_to_end(waiting)
    return Outline.objects.get(document=document)


# ---------------------------------------------------------------- Markdown
def test_an_outline_is_read_by_its_headings_else_by_its_items():
    title, found = read_outline("# On tides\n\n## Why\n\nThe moon [1].\n\n### Springs\n\n## **How**\n\n- One\n- Two\n")
    assert title == "On tides"
    assert [(each.heading, each.instruction) for each in found] == [("Why", "The moon. Springs"), ("How", "One Two")]
    assert [each.heading for each in read_outline("1. First\n   more\n2. Second\n")[1]] == ["First", "Second"]
    assert [each.heading for each in read_outline("```\n## code\n```\n\n## Real\n")[1]] == ["Real"]
    assert read_outline("Nothing here.") == ("", [])


@pytest.mark.parametrize("text", ["Words.", "## Other\n\nWords.", "### Why\n\nWords."])
def test_a_section_begins_with_a_heading(text: str):
    assert with_heading(text, "Why").startswith("## ")
    assert with_heading(text, "Why").rstrip().endswith("Words.")


def test_a_section_finds_its_place():
    body = "Opening.\n\n## One\n\nFirst.\n\n## Three\n\nThird.\n"
    before = [("## One\n\nFirst.", "One")]
    two = put_section(body, "## Two\n\nSecond.", old="", heading="Two", before=before)
    assert two == "Opening.\n\n## One\n\nFirst.\n\n## Two\n\nSecond.\n\n## Three\n\nThird.\n"
    # Written again: in place of what was put in, also after somebody has edited it.
    again = put_section(two, "## Two\n\nNew.", old="## Two\n\nSecond.", heading="Two", before=before)
    assert again == two.replace("Second.", "New.")
    edited = two.replace("Second.", "Edited by hand.\n\n### Sub\n\nMore.")
    again = put_section(edited, "## Two\n\nNew.", old="## Two\n\nSecond.", heading="Two", before=before)
    assert again == two.replace("Second.", "New.")
    zero = put_section(body, "## Zero\n\nNought.", old="", heading="Zero", before=[])
    assert zero.startswith("Opening.\n\n## Zero\n\nNought.\n\n## One")


# ---------------------------------------------------------------- rows
def test_rows_are_changed_ordered_and_removed(people: People):
    document, actor = document_of(people), people.actor("wanda")
    made = outlines.set_sections(actor=actor, document_id=document.pk, sections=rows_for("A", "B", "C"))
    ids = {section.heading: section.pk for section in made}
    changed = [{"id": ids["C"], "heading": "C"}, {"id": ids["A"], "heading": "A again", "target_words": 100}]
    found = outlines.set_sections(actor=actor, document_id=document.pk, sections=changed)
    assert [(each.pk, each.position, each.heading) for each in found] == [(ids["C"], 1, "C"), (ids["A"], 2, "A again")]
    with pytest.raises(Conflict, match="Somebody else"):
        outlines.set_sections(actor=actor, document_id=document.pk, sections=changed, revision=1)
    with pytest.raises(NotFound):
        outlines.set_sections(actor=people.actor("eve"), document_id=document.pk, sections=changed)
    bad = [{"heading": "", "target_words": 300}, {"heading": "A", "target_words": 1}]
    with pytest.raises(InvalidInput) as caught:
        outlines.set_sections(actor=actor, document_id=document.pk, sections=bad)
    assert [each.field for each in caught.value.details] == ["sections.1.heading", "sections.2.target_words"]


# ---------------------------------------------------------------- writing
def test_sections_are_planned_and_written_one_by_one_with_their_citations(
    transactional_db: None, files: BackendProfile, offline: BackendProfile, people: People
):
    ready_source(people.press)
    document, actor = document_of(people), people.actor("wanda")
    outlines.plan_sections(actor=actor, document_id=document.pk, brief={"topic": "Bridges"}, length=900)
    with pytest.raises(Conflict, match="being written"):
        outlines.write_sections(actor=actor, document_id=document.pk)
    outline = write_all(document)
    sections = list(document.sections.all())
    assert (outline.state, outline.error) == ("idle", "")
    assert len(sections) >= 2
    assert {section.state for section in sections} == {"planned"}

    outlines.write_sections(actor=actor, document_id=document.pk)
    assert write_all(document).state == "idle"
    document.refresh_from_db()
    found = [line[3:] for line in document.body_markdown.splitlines() if line.startswith("## ")]
    assert found == [section.heading for section in sections]
    assert {section.state for section in document.sections.all()} == {"written"}
    assert document.versions.filter(reason="ai").count() == len(sections)
    cited = document.current_version.citations
    assert cited.exists()
    assert not cited.filter(verified=False).exists()
    with pytest.raises(Conflict, match="Nothing is left"):
        outlines.write_sections(actor=actor, document_id=document.pk)


def test_one_section_is_written_again_at_its_place(model: BackendProfile, provider: FakeProvider, people: People):
    document, actor = document_of(people), people.actor("wanda")
    made = outlines.set_sections(actor=actor, document_id=document.pk, sections=rows_for("A", "B", "C"))
    provider.behave("fake-large", words=10)
    outlines.write_sections(actor=actor, document_id=document.pk)
    write_all(document)
    provider.behave("fake-large", words=25)
    outlines.write_sections(actor=actor, document_id=document.pk, section_ids=[made[1].pk])
    write_all(document)
    document.refresh_from_db()
    ten = " ".join(f"w{n:06d}" for n in range(1, 11))
    more = " ".join(f"w{n:06d}" for n in range(1, 26))
    assert " ".join(document.body_markdown.split()) == f"## A {ten} ## B {more} ## C {ten}"
    assert [section.words > 20 for section in document.sections.all()] == [False, True, False]
    # The whole plan is told to the model, so that no section writes what another one does.
    assert "The whole document has these sections: A; B; C." in str(provider.log(texts=True)[-1])


def test_a_stop_keeps_what_is_written_and_plans_the_rest_again(
    model: BackendProfile, provider: FakeProvider, people: People
):
    document, actor = document_of(people), people.actor("wanda")
    outlines.set_sections(actor=actor, document_id=document.pk, sections=rows_for("A", "B", "C"))
    provider.behave("fake-large", words=10)
    outlines.write_sections(actor=actor, document_id=document.pk)
    outlines.advance_outline(document.pk)
    run_to_end(document.sections.get(heading="A").generation)
    outlines.advance_outline(document.pk)
    outlines.stop_writing(actor=actor, document_id=document.pk)
    outlines.advance_outline(document.pk)
    assert [section.state for section in document.sections.all()] == ["written", "stopped", "planned"]
    assert Outline.objects.get(document=document).state == "idle"
    outlines.write_sections(actor=actor, document_id=document.pk)
    write_all(document)
    assert {section.state for section in document.sections.all()} == {"written"}


def test_a_failure_is_told_at_its_section_and_the_others_go_on(
    model: BackendProfile, provider: FakeProvider, people: People
):
    document, actor = document_of(people), people.actor("wanda")
    outlines.set_sections(actor=actor, document_id=document.pk, sections=rows_for("A", "B"))
    provider.behave("fake-large", words=10, status=400, code="bad", times=1)
    outlines.write_sections(actor=actor, document_id=document.pk)
    write_all(document)
    first, second = document.sections.all()
    assert (first.state, second.state) == ("failed", "written")
    assert first.error
    assert first.remedy


def test_advancing_twice_asks_once_and_a_lost_message_is_sent_again(
    model: BackendProfile, people: People, jobs_of_test
):
    document, actor = document_of(people), people.actor("wanda")
    outlines.set_sections(actor=actor, document_id=document.pk, sections=rows_for("A", "B"))
    outlines.write_sections(actor=actor, document_id=document.pk)
    outlines.advance_outline(document.pk)
    outlines.advance_outline(document.pk)
    assert Generation.objects.filter(document=document).count() == 1
    assert outlines.sweep_outlines() == 0
    Outline.objects.update(updated_at=timezone.now() - dt.timedelta(minutes=1))
    assert outlines.sweep_outlines() == 1
    stop_generation(actor=actor, generation_id=Generation.objects.get().pk)
    outlines.advance_outline(document.pk)
    assert Section.objects.filter(document=document, state="writing").get().heading == "B"


def test_what_the_writer_adds_between_sections_stays(model: BackendProfile, provider: FakeProvider, people: People):
    document, actor = document_of(people), people.actor("wanda")
    outlines.set_sections(actor=actor, document_id=document.pk, sections=rows_for("A"))
    provider.behave("fake-large", words=5)
    outlines.write_sections(actor=actor, document_id=document.pk)
    write_all(document)
    document.refresh_from_db()
    body = f"{document.body_markdown}\n## My own\n\nMine.\n"
    save_document(actor=actor, document_id=document.pk, revision=document.revision, body_markdown=body)
    one = document.sections.get()
    rows = [{"id": one.pk, "heading": "A"}, {"heading": "B"}]
    outlines.set_sections(actor=actor, document_id=document.pk, sections=rows)
    outlines.write_sections(actor=actor, document_id=document.pk)
    write_all(document)
    document.refresh_from_db()
    heads = [line for line in document.body_markdown.splitlines() if line.startswith("## ")]
    assert heads == ["## A", "## B", "## My own"]


# ---------------------------------------------------------------- pages and API
def test_the_page_plans_orders_and_writes_without_a_script(people: People, portal, model):
    document = document_of(people)
    browser, address = portal("wanda"), f"/documents/{document.pk}/outline"
    form = {"row": ["1", "2"], "heading-1": "B", "position-1": "2", "words-1": "80", "heading-2": "A"}
    form |= {"position-2": "1", "words-2": "90", "instruction-2": "Begin."}
    assert browser.post(f"{address}/save", form).status_code == 302
    assert [each.heading for each in document.sections.all()] == ["A", "B"]
    wrong = browser.post(f"{address}/save", {**form, "words-1": "many"})
    assert "The length of “B” is no number. Write digits only." in wrong.content.decode()
    # What was typed stays.
    assert 'name="words-1" inputmode="numeric" value="many"' in wrong.content.decode()
    assert "Begin." in wrong.content.decode()
    # The empty row can be used as it is.
    assert 'name="words-3" inputmode="numeric" value="300"' in browser.get(address).content.decode()
    assert browser.post(f"{address}/save", {**form, "words-1": ""}).status_code == 302
    assert document.sections.get(heading="B").target_words == 300
    first = document.sections.first()
    again = {"row": ["1"], "id-1": str(first.pk), "heading-1": "A", "position-1": "1", "words-1": "90", "then": "write"}
    assert browser.post(f"{address}/save", again).status_code == 302
    assert Outline.objects.get(document=document).state == "writing"
    assert "0 of 1 sections written" in browser.get(address).content.decode()
    browser.post(f"{address}/stop")
    made = browser.post("/write/long", {"topic": "Tidal power", "length": "2000", "language": "en"})
    assert Outline.objects.get(document__title="Tidal power").state == "planning"
    assert made.url.endswith("/outline")


def test_sections_over_the_api(people: People, api, model):
    document = document_of(people)
    client, path = api("wanda"), f"/api/v1/content/{document.pk}/sections"
    put = client.put(path, {"sections": [{"heading": "A"}, {"heading": "B"}]}, content_type="application/json")
    assert [each["heading"] for each in put.json()["sections"]] == ["A", "B"]
    bad = client.put(path, {"sections": [{"heading": "A", "target_words": 5}]}, content_type="application/json")
    assert bad.status_code == 400
    asked = client.post(f"{path}/write", {}, content_type="application/json")
    assert (asked.status_code, asked.json()["state"]) == (202, "writing")
    assert client.post(f"{path}/write", {}, content_type="application/json").status_code == 409
    assert client.post(f"{path}/stop", {}, content_type="application/json").status_code == 202
