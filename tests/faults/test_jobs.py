"""Generations and batches outlive their workers: kill -9, SIGTERM, and a stop that nobody was there to hear."""

from __future__ import annotations

import random
import time
from collections.abc import Iterator
from functools import partial

import pytest

from apps.backends.models import BackendProfile, ModelCall
from apps.content.models import Batch, Document, Generation
from apps.content.selectors.generations import text_in_events
from apps.content.services.batches import create_batch, start_batch
from apps.content.services.content_types import create_content_type
from apps.content.services.generation import stop_generation
from apps.monitoring.models import UsageRow
from tests.factories import content
from tests.factories.backends import openai_profile, route
from tests.factories.content import GenerationFactory, events_of
from tests.factories.users import SETUP
from tests.fakes.provider import FakeProvider
from tests.faults.workers import Prepared, Worker
from tests.people import People

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.slow, pytest.mark.timeout(180)]
WORDS = 120
# A look reads all that is written; fifty in a second would take more than the workers do.
wait_for = partial(content.wait_for, every=0.1)


@pytest.fixture(scope="module")
def fake() -> Iterator[FakeProvider]:
    with FakeProvider(process=True) as made:
        yield made


@pytest.fixture
def provider(fake: FakeProvider) -> FakeProvider:
    fake.reset()
    fake.behave("fake-large", words=WORDS, tps=25)
    return fake


@pytest.fixture(scope="module")
def prepared(django_db_setup: None) -> Iterator[Prepared]:
    made = Prepared()
    yield made
    made.close()


@pytest.fixture
def model(transactional_db: None, provider: FakeProvider) -> BackendProfile:
    profile = openai_profile("Fake", provider.openai_url)
    for purpose in ("write", "edit", "small"):
        route(purpose, profile)
    return profile


def length(rows: list[Generation]) -> int:
    return sum(len(text_in_events(row.pk)) for row in rows)


def finished(rows: list[Generation]) -> bool:
    return not Generation.objects.filter(pk__in=[row.pk for row in rows]).unfinished().exists()


def assert_whole(row: Generation) -> None:
    """No gap, no double, numbers of events in a row, every attempt settled and billed once."""
    row.refresh_from_db()
    assert row.state == "succeeded", f"{row.state}: {row.error}"
    assert row.output_markdown.split() == [f"w{n:06d}" for n in range(1, WORDS + 1)]
    events = events_of(row)
    assert [seq for seq, _, _ in events] == list(range(1, len(events) + 1))
    assert "".join(data["text"] for _, kind, data in events if kind == "delta") == row.output_markdown
    assert [kind for _, kind, _ in events].count("done") == 1
    calls = list(ModelCall.objects.filter(subject=f"generation:{row.pk}"))
    assert not [call for call in calls if call.state == "running"]
    assert [call.state for call in calls].count("succeeded") == 1
    billed = UsageRow.objects.filter(subject__in=[f"call:{call.pk}" for call in calls])
    assert billed.count() <= len(calls)
    # What was written before a kill is billed to the dead attempt, the rest to its successor: the sum is the text.
    written = sum(row.output_tokens for row in billed)
    assert written == pytest.approx(WORDS, rel=0.5)


def test_killed_workers_leave_no_gap_and_no_double(model: BackendProfile, people: People, prepared: Prepared):
    rows = [GenerationFactory(workspace=people.press) for _ in range(4)]
    chance = random.Random(7)
    with Worker(prepared) as worker:
        for _ in range(2):
            before = length(rows)
            wait_for(lambda before=before: length(rows) > before + 100, seconds=40)
            time.sleep(chance.uniform(0.0, 1.0))
            worker.kill()
            worker.start()
        wait_for(lambda: finished(rows), seconds=90)
    for row in rows:
        assert_whole(row)
        assert row.attempts >= 2


def test_a_worker_that_is_asked_to_end_hands_back_at_once(model: BackendProfile, people: People, prepared: Prepared):
    rows = [GenerationFactory(workspace=people.press) for _ in range(2)]
    with Worker(prepared) as first:
        wait_for(lambda: length(rows) > 200, seconds=40)
        begun = time.monotonic()
        first.terminate()
        assert time.monotonic() - begun < 12
        assert set(Generation.objects.values_list("state", "lease_until")) == {("queued", None)}
        assert not ModelCall.objects.filter(state="running").exists()
    with Worker(prepared):
        wait_for(lambda: finished(rows), seconds=90)
    for row in rows:
        assert_whole(row)


def test_a_stop_that_no_worker_heard_is_kept(
    model: BackendProfile, provider: FakeProvider, people: People, prepared: Prepared
):
    provider.behave("fake-large", words=3000, tps=25)
    row = GenerationFactory(workspace=people.press)
    with Worker(prepared) as worker:
        wait_for(lambda: length([row]) > 100, seconds=40)
        worker.kill()
        assert stop_generation(actor=SETUP, generation_id=row.pk).state == "stopping"
        worker.start()
        wait_for(lambda: finished([row]), seconds=60)
    row.refresh_from_db()
    words = row.output_markdown.split()
    assert row.state == "stopped"
    assert words == [f"w{n:06d}" for n in range(1, len(words) + 1)]
    # The successor ended it without asking the provider again.
    assert len(provider.log(texts=True)) == 1


def test_a_batch_outlives_its_workers_and_makes_each_document_once(
    model: BackendProfile, provider: FakeProvider, people: People, prepared: Prepared
):
    provider.behave("fake-large", words=20, tps=80)
    template = create_content_type(
        actor=people.actor("eddie"),
        workspace=people.press,
        name="Label",
        instructions="Write about {product}.",
        fields={"properties": {"product": {"type": "string"}}, "required": ["product"]},
    )
    wanda, count = people.actor("wanda"), 16
    table = "Product\n" + "".join(f"Thing {n}\n" for n in range(count))
    batch = create_batch(
        actor=wanda, workspace=people.press, content_type_id=template.pk, data=table.encode(), name="things.csv"
    )
    start_batch(actor=wanda, batch_id=batch.pk)
    chance = random.Random(11)
    with Worker(prepared) as worker:
        for _ in range(3):
            before = batch.rows.filter(state="done").count()
            wait_for(lambda before=before: batch.rows.filter(state="done").count() > before, seconds=60)
            time.sleep(chance.uniform(0.0, 0.4))
            worker.kill()
            worker.start()
        wait_for(lambda: Batch.objects.filter(pk=batch.pk, state="done").exists(), seconds=120)
    rows = list(batch.rows.select_related("document", "generation"))
    assert [row.state for row in rows] == ["done"] * count
    assert len({row.document_id for row in rows}) == Document.objects.count() == Generation.objects.count() == count
    for row in rows:
        assert row.document.body_markdown.split() == [f"w{n:06d}" for n in range(1, 21)]
    succeeded = ModelCall.objects.filter(state="succeeded", subject__startswith="generation:")
    assert succeeded.count() == succeeded.values("subject").distinct().count() == count
