"""What operators see and do: jobs and sizes, never titles or texts."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable

import pytest
from django.test import Client
from django.utils import timezone

from aiwriter.core.errors import Conflict, PermissionDenied
from apps.content import health
from apps.content.models import EmbeddingIndex, Export, Generation, GenerationEvent
from apps.content.services import sweeping
from apps.content.services.exports import start_export
from apps.content.services.operating import requeue_as_operator, stop_as_operator
from apps.users.models import AuditEvent
from tests.factories.content import DocumentFactory, GenerationFactory, TextSourceFactory
from tests.people import People

SECRET = "Quarterly loss of the Zebra account"


def test_operators_stop_and_requeue_what_they_may_not_read(people: People):
    made = GenerationFactory(actor=people.actor("wanda"), workspace=people.press)
    with pytest.raises(PermissionDenied):
        stop_as_operator(actor=people.actor("wanda"), generation_id=made.pk)
    requeue_as_operator(actor=people.actor("otto"), generation_id=made.pk)
    stop_as_operator(actor=people.actor("otto"), generation_id=made.pk)
    made.refresh_from_db()
    assert made.state == "stopped"
    with pytest.raises(Conflict):
        requeue_as_operator(actor=people.actor("otto"), generation_id=made.pk)
    actions = AuditEvent.objects.filter(actor_id=people.actor("otto").id).values_list("action", flat=True)
    assert set(actions) == {"generation.requeued", "generation.stopped"}


@pytest.mark.parametrize("page", ["document", "generation", "source"])
@pytest.mark.parametrize("who", ["otto", "ada", "alma"])
@pytest.mark.usefixtures("files")
def test_pages_of_the_console_show_no_content(portal: Callable[..., Client], people: People, page: str, who: str):
    wanda = people.actor("wanda")
    document = DocumentFactory(actor=wanda, workspace=people.press, title=SECRET, body_markdown=f"{SECRET}.\n")
    generation = GenerationFactory(
        actor=wanda, workspace=people.press, brief={"topic": SECRET}, document_id=document.pk
    )
    Generation.objects.filter(pk=generation.pk).update(output_markdown=SECRET, state="succeeded")
    source = TextSourceFactory(actor=wanda, workspace=people.press, title=SECRET, text=SECRET)
    row = {"document": document, "generation": generation, "source": source}[page]
    client = portal(who)
    for address in ("", f"{row.pk}/change/", f"{row.pk}/history/"):
        answer = client.get(f"/admin/content/{page}/{address}")
        assert answer.status_code == 200
        assert "Zebra" not in answer.content.decode()
        assert str(row.pk) in answer.content.decode()


def test_the_audit_record_names_no_titles(people: People):
    DocumentFactory(actor=people.actor("wanda"), workspace=people.press, title=SECRET)
    event = AuditEvent.objects.get(action="document.created")
    assert "Zebra" not in f"{event.object_label} {event.before} {event.after} {event.reason}"


def test_actions_of_the_console_go_through_services(portal: Callable[..., Client], people: People):
    made = GenerationFactory(actor=people.actor("wanda"), workspace=people.press)
    body = {"action": "stop", "_selected_action": [str(made.pk)]}
    assert portal("ada").post("/admin/content/generation/", body).status_code in (200, 302, 403)
    made.refresh_from_db()
    assert made.state == "queued"
    portal("otto").post("/admin/content/generation/", body)
    made.refresh_from_db()
    assert made.state == "stopped"


# ---------------------------------------------------------------- sweeping and tidying
def test_events_are_tidied_away_a_day_after_the_end(people: People):
    old, fresh, running = (GenerationFactory(workspace=people.press) for _ in range(3))
    ended = timezone.now() - sweeping.KEEP_EVENTS - dt.timedelta(minutes=1)
    Generation.objects.filter(pk=old.pk).update(state="succeeded", finished_at=ended)
    Generation.objects.filter(pk=fresh.pk).update(state="succeeded", finished_at=timezone.now())
    assert sweeping.prune_events() == 1
    left = set(GenerationEvent.objects.values_list("generation_id", flat=True))
    assert left == {fresh.pk, running.pk}


@pytest.mark.usefixtures("files")
def test_an_export_whose_message_was_lost_is_made(people: People, run_jobs: Callable[..., list[str]]):
    document = DocumentFactory(actor=people.actor("wanda"), workspace=people.press)
    export = start_export(actor=people.actor("wanda"), document_id=document.pk, format="md")
    assert sweeping.wake_exports() == 0
    Export.objects.update(queued_at=timezone.now() - sweeping.EXPORT_PATIENCE * 2)
    assert sweeping.wake_exports() == 1
    assert set(run_jobs()) == {"content.make_export"}
    export.refresh_from_db()
    assert export.state == "ready"


def test_claims_of_dead_workers_of_this_machine_are_let_go(people: People):
    from aiwriter.core.leases import worker_name

    host = worker_name().rpartition(":")[0]
    later = timezone.now() + dt.timedelta(seconds=60)
    dead, own, far = (GenerationFactory(workspace=people.press) for _ in range(3))
    for row, worker in ((dead, f"{host}:999999999"), (own, worker_name()), (far, "elsewhere:999999999")):
        Generation.objects.filter(pk=row.pk).update(state="running", worker=worker, lease_until=later)
    assert sweeping.release_dead_neighbours() == 1
    claimable = set(Generation.objects.claimable().values_list("pk", flat=True))
    assert claimable == {dead.pk}


# ---------------------------------------------------------------- health
def test_the_queue_tells_its_depth_and_age(people: People):
    assert health.queue.run().status == "ok"
    made = GenerationFactory(workspace=people.press)
    fresh = health.queue.run()
    assert (fresh.status, fresh.data["generations_waiting"]) == ("ok", 1.0)
    for age, status in ((60, "warn"), (600, "fail")):
        Generation.objects.filter(pk=made.pk).update(queued_at=timezone.now() - dt.timedelta(seconds=age))
        result = health.queue.run()
        assert (result.status, result.data["oldest_generation_seconds"] >= age) == (status, True)
        assert result.remedy


def test_the_vector_store_is_told_apart_from_exact_search(people: People, settings):
    settings.AIWRITER_CHROMA_URL = ""
    EmbeddingIndex.objects.create(
        workspace=people.press, embedder_id="e", dimension=3, vectors_count=7, revision=2, indexed_revision=1
    )
    result = health.vector_store.run()
    assert (result.status, result.data) == ("ok", {"vectors": 7.0, "indexes_behind": 1.0})
    settings.AIWRITER_CHROMA_URL = "http://127.0.0.1:9"
    result = health.vector_store.run()
    assert result.status == "warn"
    assert result.remedy
