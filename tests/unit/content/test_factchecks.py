"""Claim checks: statements of a draft against passages, and the job that looks all of them up."""

from __future__ import annotations

import pytest

from aiwriter.core.errors import Conflict, InvalidInput, NotFound
from apps.content.markup.claims import claims_in, judge
from apps.content.models import ClaimCheck, Source
from apps.content.services import factchecks, ingesting
from apps.content.services.documents import save_document
from apps.content.services.factchecks import checks_of, get_check, run_check, start_check, stop_check, wake_checks
from apps.content.services.pins import pin_source
from apps.content.services.sources import add_document_source
from tests.factories.content import DocumentFactory, TextSourceFactory
from tests.people import People

HARBOUR = (
    "The tide at the harbour of Brest rises by seven metres in spring. The harbour was opened in 1865. "
    "Ships may not enter the inner harbour at low water. The pilots work in three shifts."
)
DRAFT = (
    "# Brest\n\nIn spring the tide at the harbour of Brest rises by seven metres. The harbour was opened in 1912 [1].\n\n"
    "Ships may enter the inner harbour at low water. The mayor of Brest keeps forty goats. Is that so?\n"
)


@pytest.mark.parametrize(
    ("claim", "verdict"),
    [
        ("In spring the tide at the harbour of Brest rises by 7 metres.", "supported"),
        ("The tide at the harbour of Brest rises by nine metres in spring.", "contradicted"),
        ("The harbour was opened in 1865.", "supported"),
        ("The harbour was opened in 1912.", "contradicted"),
        ("Ships may enter the inner harbour at low water.", "contradicted"),
        ("Ships may not enter the inner harbour at low water.", "supported"),
        ("The pilots work in three shifts.", "supported"),
        ("The pilots work in four shifts.", "contradicted"),
        ("The mayor of Brest keeps forty goats.", "not_found"),
        ("The tide at the harbour of Brest rises by seven metres, which in 1999 flooded the old arsenal.", "not_found"),
    ],
)
def test_a_claim_is_judged_by_the_sentence_that_speaks_of_it(claim: str, verdict: str) -> None:
    found = judge(claim, ["Something else stands here.", HARBOUR])
    assert found.verdict == verdict
    assert found.passage == (-1 if "goats" in claim else 1)
    assert found.passage == -1 or HARBOUR[found.start : found.end].endswith(".")


def test_a_contradiction_says_what_differs() -> None:
    assert judge("The pilots work in four shifts.", [HARBOUR]).reason == "The source says 3, the text 4."
    assert judge("Prices rose in the second year.", ["Prices fell in the second year."]).reason == (
        "The source says “fell”, the text “rose”."
    )


def test_numbers_are_read_as_people_write_them() -> None:
    assert judge("The lake holds 1,024 tons of water.", ["The lake holds 1024 tons of water."]).verdict == "supported"
    assert judge("The share of users is 4.5%.", ["The share of users is 5.5 %."]).verdict == "contradicted"


def test_only_statements_are_claims() -> None:
    text = (
        "# The harbour opened in 1865\n\n> The harbour opened in 1865.\n\n| The harbour | opened in 1865 |\n\n"
        "```\nThe harbour opened in 1865.\n```\n\nYes. Was the harbour opened in 1865? "
        "The **harbour** of [Brest](https://example.org) opened late [1].\n"
    )
    (claim,) = claims_in(text)
    assert claim.text == "The harbour of Brest opened late."
    assert text[claim.start : claim.end] == "The **harbour** of [Brest](https://example.org) opened late [1]."


@pytest.mark.usefixtures("files")
class TestChecks:
    def check(self, people: People, body: str = DRAFT) -> ClaimCheck:
        wanda = people.actor("wanda")
        document = DocumentFactory(actor=wanda, workspace=people.press, title="Brest", body_markdown=body)
        return start_check(actor=wanda, document_id=document.pk)

    def source(self, people: People) -> Source:
        made = TextSourceFactory(actor=people.actor("wanda"), workspace=people.press, title="Port", text=HARBOUR)
        ingesting.ingest()
        return made

    def test_each_statement_gets_its_verdict_and_its_passage(self, people: People) -> None:
        source = self.source(people)
        check = self.check(people)
        run_check(check.pk)
        check.refresh_from_db()
        assert (check.state, check.total, check.done) == ("ready", 4, 4)
        found = list(check.claims.all())
        assert [claim.verdict for claim in found] == ["supported", "contradicted", "contradicted", "not_found"]
        assert {claim.source_id for claim in found[:3]} == {source.pk}
        assert found[1].quote == "The harbour was opened in 1865."
        assert DRAFT[found[1].start : found[1].end].startswith("The harbour was opened in 1912")

    def test_a_worker_that_takes_over_goes_on_and_does_nothing_twice(self, people: People, monkeypatch) -> None:
        self.source(people)
        check = self.check(people)
        real, asked = factchecks.search_sources, []

        def dies(**values: object) -> object:
            asked.append(values["query"])
            if len(asked) == 3:
                raise KeyboardInterrupt
            return real(**values)

        monkeypatch.setattr(factchecks, "search_sources", dies)
        with pytest.raises(KeyboardInterrupt):
            run_check(check.pk)
        assert check.claims.count() == 2
        ClaimCheck.objects.update(lease_until="2020-01-01T00:00Z", queued_at="2020-01-01T00:00Z")
        assert wake_checks() == 1
        run_check(check.pk)
        check.refresh_from_db()
        assert (check.state, check.done, check.claims.count()) == ("ready", 4, 4)
        assert len(asked) == 5

    def test_a_stop_keeps_what_is_judged(self, people: People, monkeypatch) -> None:
        self.source(people)
        check = self.check(people)
        real = factchecks.search_sources

        def stops(**values: object) -> object:
            if ClaimCheck.objects.get(pk=check.pk).done == 1:
                stop_check(actor=people.actor("wanda"), check_id=check.pk)
            return real(**values)

        monkeypatch.setattr(factchecks, "search_sources", stops)
        run_check(check.pk)
        check.refresh_from_db()
        assert (check.state, check.claims.count()) == ("stopped", 1)

    def test_pinned_sources_alone_are_asked_and_a_document_is_no_evidence_for_itself(self, people: People) -> None:
        self.source(people)
        wanda = people.actor("wanda")
        other = TextSourceFactory(actor=wanda, workspace=people.press, title="Goats", text="Goats like salt and hay.")
        check = self.check(people)
        add_document_source(actor=wanda, document_id=check.document_id)
        ingesting.ingest()
        run_check(check.pk)
        assert {claim.source_title for claim in check.claims.exclude(verdict="not_found")} == {"Port"}
        pin_source(actor=wanda, document_id=check.document_id, source_id=other.pk)
        save_document(
            actor=wanda,
            document_id=check.document_id,
            revision=check.document.revision,
            title="Brest",
            body_markdown=DRAFT + "\nOne more sentence about the harbour.\n",
        )
        again = start_check(actor=wanda, document_id=check.document_id)
        assert again.pk != check.pk
        run_check(again.pk)
        assert set(again.claims.values_list("verdict", flat=True)) == {"not_found"}

    def test_what_cannot_be_checked_says_why(self, people: People) -> None:
        with pytest.raises(Conflict, match="no source"):
            self.check(people)
        self.source(people)
        with pytest.raises(InvalidInput, match="no statement"):
            self.check(people, "# Only a title\n")
        check = self.check(people)
        assert start_check(actor=people.actor("wanda"), document_id=check.document_id).pk == check.pk
        with pytest.raises(NotFound):
            get_check(actor=people.actor("eve"), check_id=check.pk)

    def test_the_page_and_the_api_tell_the_same(self, people: People, portal, api) -> None:
        self.source(people)
        check = self.check(people)
        run_check(check.pk)
        page = portal("wanda").get(f"/documents/{check.document_id}/claims?verdict=contradicted").content.decode()
        assert "The source says 1865, the text 1912." in page
        assert "forty goats" not in page
        body = api("wanda").get(f"/api/v1/claim-checks/{check.pk}").json()
        assert (body["supported"], body["contradicted"], body["not_found"]) == (1, 2, 1)
        rows = api("wanda").get(f"/api/v1/claim-checks/{check.pk}/claims?verdict=not_found").json()["data"]
        assert [row["text"] for row in rows] == ["The mayor of Brest keeps forty goats."]
        assert checks_of(actor=people.actor("wanda"), document_id=check.document_id).count() == 1
