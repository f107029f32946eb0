"""Batches: a table is read and checked, its rows become documents once each, failed ones are run again."""

from __future__ import annotations

import csv
import io
from typing import Any

import pytest
from django.core.files.base import ContentFile
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from aiwriter.core.errors import Conflict, InvalidInput, NotFound
from apps.backends.models import BackendProfile
from apps.content.models import Batch, BatchRow, ContentType, Document, Generation
from apps.content.parsing.rows import read_table
from apps.content.selectors.batches import progress_of, rows_of
from apps.content.services import batch_runs, batches
from apps.content.services.applying import apply_generation
from apps.content.services.batch_outcomes import empty_table, estimate_batch, outcome_csv
from apps.content.services.collections import create_collection, delete_collection
from apps.content.services.content_types import create_content_type, delete_content_type
from apps.monitoring.services import usage
from apps.users.models import AuditEvent, Notification
from apps.users.selectors.access import Actor
from tests.factories.content import run_to_end
from tests.factories.monitoring import workspace_budget
from tests.factories.users import make_token
from tests.fakes.provider import FakeProvider
from tests.people import People

FIELDS = {
    "properties": {
        "product": {"type": "string", "title": "Product", "maxLength": 60, "examples": ["Tide clock"]},
        "points": {"type": "array", "title": "Good points"},
        "count": {"type": "integer", "title": "Lines", "minimum": 1, "maximum": 500},
        "gift": {"type": "boolean", "title": "For a gift"},
        "mood": {"type": "string", "title": "Mood", "enum": ["Calm", "Loud"]},
    },
    "required": ["product"],
    "x-order": ["product", "points", "count", "gift", "mood"],
}
TABLE = "Product;Lines;Mood;Words;Note\nTide clock;3;calm;120;a\nRain gauge;2;LOUD;;b\nSun dial;1;;90;c\n"


def label(people: People) -> ContentType:
    return create_content_type(
        actor=people.actor("eddie"),
        workspace=people.press,
        name="Label",
        instructions="Write {count} lines about {product}. {points}\nMood: {mood}\nGift: {gift}",
        fields=FIELDS,
    )


def bring(people: People, table: str | bytes = TABLE, **more: object) -> Batch:
    data = table if isinstance(table, bytes) else table.encode()
    given = {"actor": people.actor("wanda"), "workspace": people.press, "name": "labels.csv", "data": data, **more}
    if "content_type_id" not in given:
        given["content_type_id"] = label(people).pk
    return batches.create_batch(**given)  # type: ignore[arg-type]


def problems(batch: Batch) -> dict[int, list[tuple[str, str]]]:
    found = batch.rows.exclude(problems=[]).values_list("number", "problems")
    return {number: [(each["column"], f"{each['issue']} {each['remedy']}") for each in said] for number, said in found}


def states(batch: Batch) -> list[str]:
    return list(batch.rows.order_by("number").values_list("state", flat=True))


def end(state: str = "succeeded", *, text: str = "Written.", error: str = "") -> int:
    """End what is being written, as a worker does, without a model."""
    rows = list(Generation.objects.unfinished().order_by("created_at"))
    for row in rows:
        Generation.objects.filter(pk=row.pk).update(state=state, output_markdown=text, error=error, remedy="Mend it.")
        if state == "succeeded" and row.requested_by:
            apply_generation(actor=Actor.for_user(row.requested_by), generation_id=row.pk)
    return len(rows)


# ---------------------------------------------------------------- checked before anything is written
def test_columns_find_their_fields_and_rows_are_ready(people: People):
    batch = bring(people)
    assert batch.mapping == {"product": "Product", "count": "Lines", "mood": "Mood", "length": "Words"}
    assert states(batch) == ["ready"] * 3
    assert not Generation.objects.exists()
    reader = batches.reader_of(batch, batch.content_type)
    cells = list(batch.rows.order_by("number").values_list("cells", flat=True))
    assert reader.values(cells[0]) == {
        "product": "Tide clock", "count": 3, "mood": "Calm", "length": 120, "language": "en",
    }  # fmt: skip


def test_each_problem_names_row_column_and_remedy(people: People):
    table = (
        "Product,Lines,For a gift,Mood,Words,Language\n,3,,,,\nA,many,maybe,Wild,x,Lower Saxon German\n"
        + "B" * 61
        + ",,,,5,\n"
    )
    told = problems(bring(people, table))
    assert told[2] == [("Product", "“Product” is missing. Fill it in: the text needs product.")]
    assert [column for column, _ in told[3]] == ["Lines", "For a gift", "Words", "Language", "Mood"]
    assert "“Lines” is “many”. Write a whole number in digits." in told[3][0][1]
    assert "Write yes or no." in told[3][1][1]
    assert [column for column, _ in told[4]] == ["Product"]
    assert "has 61 characters" in told[4][0][1]


def test_a_mapping_is_changed_and_the_rows_are_checked_anew(people: People):
    batch = bring(people, "Thing,Points,Extra\nA,one;two,x\n,three,y\n")
    assert batch.mapping == {"points": "Points"}
    assert states(batch) == ["bad", "bad"]
    said = {"actor": people.actor("wanda"), "batch_id": batch.pk}
    with pytest.raises(InvalidInput, match="no column “Ding”"):
        batches.change_batch(**said, mapping={"product": "Ding"})
    with pytest.raises(InvalidInput, match="no field of the template"):
        batches.change_batch(**said, fixed={"colour": "red"})
    batch = batches.change_batch(
        **said, mapping={"product": "Thing", "points": "Points", "mood": ""}, fixed={"mood": "loud", "length": "1,200"}
    )
    assert states(batch) == ["ready", "bad"]
    values = batches.reader_of(batch, batch.content_type).values(["A", "one;two", "x"])
    assert values["points"] == ["one", "two"]
    assert (values["mood"], values["length"]) == ("Loud", 1200)


def test_rows_of_a_program_name_fields_themselves(people: People):
    found, said = label(people), {"actor": people.actor("wanda"), "workspace": people.press}
    rows = [{"product": "A", "points": ["x", "y"], "gift": True}, {"product": "B", "count": 4}]
    batch = batches.create_batch_of_rows(**said, content_type_id=found.pk, rows=rows)
    assert states(batch) == ["ready", "ready"]
    cells = batch.rows.get(number=1).cells
    assert batches.reader_of(batch, found).values(cells)["points"] == ["x", "y"]
    with pytest.raises(InvalidInput, match="colour is no field"):
        batches.create_batch_of_rows(**said, content_type_id=found.pk, rows=[{"colour": "red"}])


def test_others_workspaces_do_not_see_it(people: People):
    batch = bring(people)
    for name in ("eve", "otto"):
        with pytest.raises(NotFound):
            batches.start_batch(actor=people.actor(name), batch_id=batch.pk)
        with pytest.raises(NotFound):
            outcome_csv(actor=people.actor(name), batch_id=batch.pk)


def test_the_estimate_is_that_of_all_rows(people: People, offline: BackendProfile):
    found = label(people)
    actor = people.actor("wanda")
    one = estimate_batch(actor=actor, batch_id=bring(people, "Product\nA\n", content_type_id=found.pk).pk)
    many = bring(people, "Product\n" + "A\n" * 60, content_type_id=found.pk)
    all_ = estimate_batch(actor=actor, batch_id=many.pk)
    assert one is not None
    assert all_ is not None
    assert (all_.rows, all_.sampled) == (60, 30)
    assert all_.wish.output_tokens.high == one.wish.output_tokens.high * 60


# ---------------------------------------------------------------- written
def test_bad_rows_must_be_left_out_knowingly(people: People):
    batch = bring(people, "Product\nA\n\nB\n,\n".replace("\n,\n", "\n" + "C" * 61 + "\n"))
    said = {"actor": people.actor("wanda"), "batch_id": batch.pk}
    with pytest.raises(Conflict, match="1 of 3 rows cannot be used"):
        batches.start_batch(**said)
    batches.start_batch(**said, skip_bad=True)
    assert states(batch) == ["waiting", "waiting", "bad"]


def test_rows_become_documents_once_each(people: People):
    folder = create_collection(actor=people.actor("wanda"), workspace=people.press, name="Labels")
    batch = bring(people, "Product,Title\n" + "".join(f"P{n},Label {n}\n" for n in range(12)), collection_id=folder.pk)
    batches.start_batch(actor=people.actor("wanda"), batch_id=batch.pk)
    with pytest.raises(Conflict, match="running"):
        batches.delete_batch(actor=people.actor("wanda"), batch_id=batch.pk)
    for _ in range(3):
        batch_runs.advance_batch(batch.pk)
    assert Generation.objects.count() == batch_runs.AT_ONCE
    while end():
        batch_runs.advance_batch(batch.pk)
        batch_runs.advance_batch(batch.pk)
    batch.refresh_from_db()
    assert batch.state == "done"
    assert states(batch) == ["done"] * 12
    assert Generation.objects.count() == Document.objects.count() == 12
    made = list(rows_of(actor=people.actor("wanda"), batch_id=batch.pk))
    assert [row.document.title for row in made] == [f"Label {n}" for n in range(12)]
    assert {row.document.collection_id for row in made} == {folder.pk}
    assert {row.document.kind for row in made} == {"label"}
    told = Notification.objects.get(user=people.wanda, kind="batch.finished")
    assert "12 texts are written" in told.title
    actions = set(AuditEvent.objects.filter(action__startswith="batch.").values_list("action", flat=True))
    assert actions == {"batch.created", "batch.started"}


def test_a_stop_ends_what_is_written_and_leaves_the_rest_ready(people: People):
    batch = bring(people, "Product\n" + "A\n" * 8)
    said = {"actor": people.actor("wanda"), "batch_id": batch.pk}
    batches.start_batch(**said)
    batch_runs.advance_batch(batch.pk)
    batches.stop_batch(**said)
    batch_runs.advance_batch(batch.pk)
    batch.refresh_from_db()
    assert batch.state == "stopped"
    assert states(batch) == ["stopped"] * 5 + ["ready"] * 3
    batches.start_batch(**said)
    batch_runs.advance_batch(batch.pk)
    assert states(batch) == ["stopped"] * 5 + ["writing"] * 3
    end()
    batch_runs.advance_batch(batch.pk)
    batches.retry_batch(**said)
    batch_runs.advance_batch(batch.pk)
    end()
    batch_runs.advance_batch(batch.pk)
    assert states(batch) == ["done"] * 8
    assert Document.objects.count() == 8


def test_failed_rows_are_run_again_and_only_those(people: People):
    batch = bring(people)
    said = {"actor": people.actor("wanda"), "batch_id": batch.pk}
    with pytest.raises(Conflict, match="No row has failed"):
        batches.retry_batch(**said)
    batches.start_batch(**said)
    batch_runs.advance_batch(batch.pk)
    first, *_ = Generation.objects.order_by("created_at")
    Generation.objects.filter(pk=first.pk).update(state="failed", error="The model broke.", remedy="Try again.")
    end()
    batch_runs.advance_batch(batch.pk)
    batch.refresh_from_db()
    assert (batch.state, states(batch)) == ("done", ["failed", "done", "done"])
    row = batch.rows.get(state="failed")
    assert (row.error, row.remedy) == ("The model broke.", "Try again.")
    for _ in range(2):
        batches.retry_batch(**said) if batch.rows.filter(state="failed").exists() else None
    batch_runs.advance_batch(batch.pk)
    assert Generation.objects.count() == 4
    end()
    batch_runs.advance_batch(batch.pk)
    assert states(batch) == ["done"] * 3
    assert Document.objects.count() == 3


def test_a_text_that_could_not_become_a_document_is_not_paid_twice(people: People):
    folder = create_collection(actor=people.actor("wanda"), workspace=people.press, name="Labels")
    batch = bring(people, "Product\nA\nB\n", collection_id=folder.pk)
    said = {"actor": people.actor("wanda"), "batch_id": batch.pk}
    batches.start_batch(**said)
    batch_runs.advance_batch(batch.pk)
    delete_collection(actor=people.actor("eddie"), collection_id=folder.pk)
    # The worker could not take them over: they have ended without a document.
    Generation.objects.update(state="succeeded", output_markdown="Written.")
    batch_runs.advance_batch(batch.pk)
    assert states(batch) == ["failed", "failed"]
    # A person takes one over by hand meanwhile.
    by_hand = Generation.objects.order_by("created_at")[0]
    document = apply_generation(actor=people.actor("wanda"), generation_id=by_hand.pk)
    batches.retry_batch(**said)
    batch_runs.advance_batch(batch.pk)
    assert states(batch) == ["done", "done"]
    assert batch.rows.get(number=2).document_id == document.pk
    assert (Generation.objects.count(), Document.objects.count()) == (2, 2)
    batch_runs.advance_batch(batch.pk)
    batch.refresh_from_db()
    assert batch.state == "done"


def test_a_budget_that_is_used_up_stops_the_batch_and_fails_no_row(people: People):
    batch = bring(people)
    said = {"actor": people.actor("wanda"), "batch_id": batch.pk}
    batches.start_batch(**said)
    workspace_budget(people.press, limit_tokens=9)
    usage.reserve(
        subject="call:other",
        workspace_id=people.press.pk,
        user_id=people.wanda.pk,
        token_id=None,
        estimate=usage.Estimate(tokens=9),
    )
    batch_runs.advance_batch(batch.pk)
    batch.refresh_from_db()
    assert (batch.state, states(batch)) == ("stopped", ["ready"] * 3)
    assert "budget" in batch.error
    assert batch.remedy


def test_ten_failures_in_a_row_stop_the_batch(people: People):
    batch = bring(people, "Product\n" + "A\n" * 40)
    batches.start_batch(actor=people.actor("wanda"), batch_id=batch.pk)
    batch_runs.advance_batch(batch.pk)
    while end("failed", error="No key."):
        batch_runs.advance_batch(batch.pk)
    batch.refresh_from_db()
    assert (batch.state, batch.error) == ("stopped", "10 rows in a row failed.")
    progress = progress_of([batch])[batch.pk]
    assert (progress.failed, progress.ready) == (10, 30)


def test_a_template_that_is_gone_stops_the_batch(people: People):
    batch = bring(people)
    batches.start_batch(actor=people.actor("wanda"), batch_id=batch.pk)
    delete_content_type(actor=people.actor("eddie"), content_type_id=batch.content_type_id)
    batch_runs.advance_batch(batch.pk)
    batch.refresh_from_db()
    assert (batch.state, batch.error) == ("stopped", "The template of this batch was removed.")
    assert states(batch) == ["ready"] * 3


@pytest.mark.django_db(transaction=True)
def test_real_texts_and_the_message_that_wakes_the_next_row(
    people: People, model: BackendProfile, provider: FakeProvider
):
    provider.behave("fake-large", words=12)
    batch = bring(people, "Product\nA\nB\n")
    batches.start_batch(actor=people.actor("wanda"), batch_id=batch.pk)
    batch_runs.advance_batch(batch.pk)
    for row in list(Generation.objects.all()):
        run_to_end(row)
    assert batch_runs.sweep_batches(patience=batch_runs.PATIENCE * 0) == 1
    batch_runs.advance_batch(batch.pk)
    assert states(batch) == ["done", "done"]
    assert {row.document.word_count for row in batch.rows.select_related("document")} == {12}


# ---------------------------------------------------------------- the outcome
def test_the_outcome_can_be_corrected_and_brought_again(people: People):
    found = label(people)
    batch = bring(people, 'Product,Note\n"=1+1",-5\n"-x\ty",@me\n' + "C" * 61 + ",\n", content_type_id=found.pk)
    batches.start_batch(actor=people.actor("wanda"), batch_id=batch.pk, skip_bad=True)
    batch_runs.advance_batch(batch.pk)
    end()
    batch_runs.advance_batch(batch.pk)
    said = {"actor": people.actor("wanda"), "batch_id": batch.pk}
    text = "".join(outcome_csv(**said, base="https://portal.example"))
    header, *rows = csv.reader(io.StringIO(text.removeprefix("\ufeff")))
    assert header[:5] == ["Product", "Note", "outcome row", "outcome state", "outcome problem"]
    assert [row[:4] for row in rows[:2]] == [["'=1+1", "-5", "2", "done"], ["'-x\ty", "'@me", "3", "done"]]
    assert rows[0][7].startswith("https://portal.example/documents/")
    assert "has 61 characters" in rows[2][4]
    assert not [cell for row in rows for cell in row if cell[:1] in ("=", "@", "+")]
    again = "".join(outcome_csv(**said, state="again"))
    second = bring(people, again.replace("C" * 61, "C"), content_type_id=found.pk)
    assert second.mapping == {"product": "Product"}
    assert states(second) == ["ready"]
    assert read_table(text.encode()).rows[0].cells[0] == "=1+1"
    with pytest.raises(InvalidInput, match="no state"):
        outcome_csv(**said, state="odd")


def test_an_empty_table_fits_its_template(people: People):
    found = label(people)
    text = empty_table(found)
    assert text.startswith("\ufeffProduct,Good points,Lines,For a gift,Mood,Title of the document,Audience")
    batch = bring(people, text, content_type_id=found.pk)
    assert (states(batch), len(batch.mapping)) == (["ready"], 10)
    assert BatchRow.objects.get().cells[0] == "Tide clock"


# ---------------------------------------------------------------- pages and API
def test_the_page_shows_what_is_wrong_keeps_what_was_chosen_and_starts(
    people: People, client: Client, offline: BackendProfile
):
    found = label(people)
    client.force_login(people.wanda)
    assert client.get(f"/batches/new?template={found.pk}").status_code == 200
    nothing = client.post("/batches/new", {"template": str(found.pk)})
    assert (nothing.status_code, b"No file was sent." in nothing.content) == (400, True)
    sent = {"template": str(found.pk), "file": ContentFile(b"PK\x03\x04", "table.csv")}
    assert b"Excel workbook" in client.post("/batches/new", sent).content
    table = ContentFile(b"Thing,Count\nTide clock,3\n<b>Dial</b>,many\n", "table.csv")
    made = client.post("/batches/new", {"template": str(found.pk), "file": table})
    page = client.get(made.url).content.decode()
    assert "Nothing fills what every text needs:" in page
    assert "<b>Dial" not in page
    fields = {"field": ["product", "count"], "column-product": "Thing", "column-count": "Count", "use": "none"}
    assert client.post(made.url, fields).status_code == 302
    page = client.get(made.url).content.decode()
    assert "“Lines” is “many”. Write a whole number in digits." in page
    assert "tokens out" in page
    refused = client.post(f"{made.url}start", follow=True).content.decode()
    assert "1 of 2 rows cannot be used" in refused
    started = client.post(f"{made.url}start", {"skip_bad": "1"}, follow=True).content.decode()
    assert "0 of 1 written" in started
    rows = client.get(made.url, headers={"X-Fragment": "1"}).content.decode()
    assert 'data-busy="1"' in rows
    assert "<html" not in rows
    bad = client.get(f"{made.url}?state=bad").content.decode()
    assert "Lines" in bad
    assert "attachment" in client.get(f"{made.url}outcome.csv")["Content-Disposition"]
    assert client.get("/batches/").status_code == 200


def test_the_api_does_the_whole_way(people: People, client: Client):
    found = label(people)
    _, secret = make_token(people.wanda, "content.read", "content.write", "content.generate", workspace=people.press)
    key: dict[str, Any] = {"headers": {"Authorization": f"Bearer {secret}"}}
    sent = {"template_id": str(found.pk), "file": ContentFile(TABLE.encode(), "labels.csv"), "delimiter": "semicolon"}
    made = client.post("/api/v1/batches", sent, **key)
    assert made.status_code == 201, made.content
    address = made["Location"]
    assert made.json()["progress"]["ready"] == 3
    assert made.json()["mapping"]["length"] == "Words"
    answer = client.patch(
        address, {"fixed": {"mood": "Wild"}, "mapping": {"product": "Product"}}, "application/json", **key
    )
    assert answer.json()["progress"]["bad"] == 3
    rows = client.get(f"{address}/rows?limit=1&state=bad", **key).json()
    assert rows["data"][0]["problems"][0]["field"] == "mood"
    assert rows["data"][0]["number"] == 2
    assert client.get(f"{address}/estimate", **key).json() == {"rows": 0, "sampled": 0, "estimate": None}
    assert client.post(f"{address}/start", {}, "application/json", **key).status_code == 409
    client.patch(address, {"fixed": {}}, "application/json", **key)
    started = client.post(f"{address}/start", {}, "application/json", **key)
    assert (started.status_code, started.json()["state"]) == (202, "running")
    batch_runs.advance_batch(made.json()["id"])
    assert client.post(f"{address}/stop", **key).json()["state"] == "stopping"
    batch_runs.advance_batch(made.json()["id"])
    again = client.post(f"{address}/retry", **key)
    assert again.json()["progress"]["waiting"] == 3
    body = b"".join(client.get(f"{address}/outcome", **key).streaming_content)
    assert body.startswith(b"\xef\xbb\xbfProduct,Lines")
    both = {"template_id": str(found.pk), "rows": [{"product": "A"}]}
    posted = client.post("/api/v1/batches", both, "application/json", **key)
    assert posted.json()["progress"]["ready"] == 1
    assert client.delete(posted["Location"], **key).status_code == 204
    wrong = client.post("/api/v1/batches", {"template_id": str(found.pk)}, "application/json", **key)
    assert wrong.status_code == 400


def test_the_list_asks_as_often_for_ten_as_for_two(people: People, client: Client):
    found = label(people)
    client.force_login(people.wanda)

    def queries() -> int:
        with CaptureQueriesContext(connection) as asked:
            assert client.get("/batches/").status_code == 200
        return len(asked)

    for _ in range(2):
        bring(people, content_type_id=found.pk)
    queries()
    few = queries()
    for _ in range(8):
        bring(people, content_type_id=found.pk)
    assert queries() == few
