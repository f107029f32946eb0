"""Writing: events without gaps, text kept whatever happens, each wish once."""

from __future__ import annotations

import threading

import pytest

from aiwriter.core.errors import BudgetExceeded, Conflict, InvalidInput, NotFound, PermissionDenied
from apps.backends.models import BackendProfile, ModelCall
from apps.content.models import Citation, Generation, GenerationEvent
from apps.content.selectors.generations import text_in_events
from apps.content.services.generation import retry_generation, run_generation, runner, start_generation, stop_generation
from apps.monitoring.services.budgets import create_budget
from tests.factories.content import GenerationFactory, events_of, ready_source, run_to_end, wait_for
from tests.factories.users import SETUP
from tests.fakes.provider import FakeProvider
from tests.people import People


def numbered(text: str) -> list[str]:
    return text.split()


def test_text_arrives_whole_and_events_have_no_gap(model: BackendProfile, provider: FakeProvider, people: People):
    provider.behave("fake-large", words=300)
    done = run_to_end(GenerationFactory(workspace=people.press))
    assert (done.state, done.finish_reason, done.error) == ("succeeded", "stop", "")
    assert numbered(done.output_markdown) == [f"w{n:06d}" for n in range(1, 301)]
    events = events_of(done)
    assert [seq for seq, _, _ in events] == list(range(1, len(events) + 1))
    assert "".join(data["text"] for _, kind, data in events if kind == "delta") == done.output_markdown
    kinds = [kind for _, kind, _ in events]
    assert (kinds[0], kinds[-1]) == ("status", "done")
    assert {"passages", "attempt", "usage"} <= set(kinds)
    assert events[-1][2] == {
        "state": "succeeded",
        "finish_reason": "stop",
        "words": 300,
        "length": len(done.output_markdown),
    }


def test_every_word_is_billed_once(model: BackendProfile, provider: FakeProvider, people: People):
    provider.behave("fake-large", words=50)
    done = run_to_end(GenerationFactory(workspace=people.press))
    call = ModelCall.objects.get(subject=f"generation:{done.pk}")
    usage = next(data for _, kind, data in events_of(done) if kind == "usage")
    assert (call.state, usage["output_tokens"]) == ("succeeded", call.output_tokens)
    assert done.models_used[0]["model"] == "fake-large"
    assert (done.models_used[0]["start"], done.models_used[0]["end"]) == (0, len(done.output_markdown))


def test_a_finished_generation_is_not_run_again(model: BackendProfile, provider: FakeProvider, people: People):
    provider.behave("fake-large", words=5)
    done = run_to_end(GenerationFactory(workspace=people.press))
    before = events_of(done)
    run_to_end(done)
    assert events_of(done) == before
    assert len(provider.log(texts=True)) == 1


def test_a_text_that_was_whole_is_not_paid_for_again(model: BackendProfile, provider: FakeProvider, people: People):
    provider.behave("fake-large", words=50)
    done = run_to_end(GenerationFactory(workspace=people.press))
    # As a worker leaves it that is killed after the attempt was settled and before anything else was noted.
    last = GenerationEvent.objects.filter(generation=done, type="delta").latest("seq").seq
    GenerationEvent.objects.filter(generation=done, seq__gt=last).delete()
    Generation.objects.filter(pk=done.pk).update(state="queued", output_markdown="", finish_reason="", finished_at=None)
    again = run_to_end(done)
    assert (again.state, again.finish_reason) == ("succeeded", "stop")
    assert numbered(again.output_markdown) == [f"w{n:06d}" for n in range(1, 51)]
    assert len(provider.log(texts=True)) == 1
    assert ModelCall.objects.filter(subject=f"generation:{done.pk}").count() == 1


def test_citations_are_checked_against_the_passages(
    model: BackendProfile, offline: BackendProfile, files: BackendProfile, people: People
):
    ready_source(people.press)
    made = GenerationFactory(
        actor=people.actor("wanda"), workspace=people.press, brief={"topic": "the span of the Akashi bridge"}
    )
    # The offline writer quotes, so its citations must hold.
    from tests.factories.backends import route

    route("write", {"profile": offline.pk, "model": "composer"})
    done = run_to_end(made)
    assert done.state == "succeeded", done.error
    citations = list(Citation.objects.filter(generation=done))
    assert citations
    assert all(each.verified for each in citations)
    told = [data for _, kind, data in events_of(done) if kind == "citation"]
    assert [each["marker"] for each in told] == [each.marker for each in citations]
    assert all(done.output_markdown[each.start : each.end].endswith(f"[{each.marker}]") for each in citations)


def test_a_provider_that_breaks_leaves_the_text(model: BackendProfile, provider: FakeProvider, people: People):
    provider.behave("fake-large", words=300, error=40, code="invalid_request_error")
    done = run_to_end(GenerationFactory(workspace=people.press))
    assert done.state == "failed"
    assert numbered(done.output_markdown)[:3] == ["w000001", "w000002", "w000003"]
    assert done.output_markdown == text_in_events(done.pk)
    assert done.error
    kinds = [kind for _, kind, _ in events_of(done)]
    assert kinds[-2:] == ["error", "done"]


def test_stop_closes_the_provider_and_keeps_the_text(model: BackendProfile, provider: FakeProvider, people: People):
    provider.behave("fake-large", words=5000, tps=50)
    made = GenerationFactory(actor=people.actor("wanda"), workspace=people.press)
    assert runner.submit(made.pk)
    wait_for(lambda: len(text_in_events(made.pk)) > 50)
    assert stop_generation(actor=people.actor("wanda"), generation_id=made.pk).state == "stopping"
    wait_for(lambda: provider.live() == 0, seconds=3)
    assert runner.wait(10)
    made.refresh_from_db()
    assert (made.state, made.finish_reason) == ("stopped", "stopped")
    words = numbered(made.output_markdown)
    assert words == [f"w{n:06d}" for n in range(1, len(words) + 1)]
    assert ModelCall.objects.get(subject=f"generation:{made.pk}").state == "stopped"


def test_stop_before_a_worker_came(people: People, transactional_db: None):
    made = GenerationFactory(actor=people.actor("wanda"), workspace=people.press)
    stopped = stop_generation(actor=people.actor("wanda"), generation_id=made.pk)
    assert stopped.state == "stopped"
    assert events_of(made)[-1][1] == "done"
    assert stop_generation(actor=people.actor("wanda"), generation_id=made.pk).state == "stopped"


def test_shutdown_hands_back_and_the_next_one_goes_on(model: BackendProfile, provider: FakeProvider, people: People):
    provider.behave("fake-large", words=200, tps=100)
    made = GenerationFactory(workspace=people.press)
    runner.submit(made.pk)
    wait_for(lambda: len(text_in_events(made.pk)) > 50)
    # A worker asks twice: when the signal comes and when its pool has ended.
    threading.Thread(target=runner.shutdown, args=(10,)).start()
    runner.shutdown(10)
    try:
        made.refresh_from_db()
        assert (made.state, made.lease_until) == ("queued", None)
        assert text_in_events(made.pk)
        assert not runner.submit(made.pk)
    finally:
        runner.reopen()
    done = run_to_end(made)
    assert done.state == "succeeded", done.error
    assert numbered(done.output_markdown) == [f"w{n:06d}" for n in range(1, 201)]
    events = events_of(done)
    assert [seq for seq, _, _ in events] == list(range(1, len(events) + 1))
    assert sorted(ModelCall.objects.filter(subject=f"generation:{made.pk}").values_list("state", flat=True)) == [
        "stopped",
        "succeeded",
    ]


def test_a_worker_that_lost_its_claim_adds_nothing(model: BackendProfile, provider: FakeProvider, people: People):
    provider.behave("fake-large", words=2000, tps=100)
    made = GenerationFactory(workspace=people.press)
    runner.submit(made.pk)
    wait_for(lambda: len(text_in_events(made.pk)) > 50)
    Generation.objects.filter(pk=made.pk).update(fence=99, state="running")
    assert runner.wait(10)
    before = len(events_of(made))
    made.refresh_from_db()
    assert (made.state, made.fence) == ("running", 99)
    assert before == len(events_of(made))


def test_the_same_key_is_the_same_generation(people: People):
    wish = {"workspace": people.press, "kind": "draft", "brief": {"topic": "Bridges"}, "idempotency_key": "k1"}
    first = start_generation(actor=people.actor("wanda"), **wish)
    assert start_generation(actor=people.actor("wanda"), **wish).pk == first.pk
    assert start_generation(actor=people.actor("eddie"), **wish).pk != first.pk
    with pytest.raises(Conflict):
        start_generation(actor=people.actor("wanda"), **{**wish, "brief": {"topic": "Tunnels"}})


def test_the_budget_is_asked_before_a_job_is_made(people: People):
    create_budget(actor=SETUP, scope="workspace", scope_id=people.press.pk, period="day", limit_tokens=0, hard=True)
    with pytest.raises(BudgetExceeded):
        GenerationFactory(actor=people.actor("wanda"), workspace=people.press)
    assert not Generation.objects.exists()


@pytest.mark.parametrize(
    ("kind", "brief", "field"),
    [
        ("draft", {}, "topic"),
        ("draft", {"topic": "x", "colour": "red"}, "colour"),
        ("draft", {"topic": "x", "length": 5}, "length"),
        ("draft", {"topic": 7}, "topic"),
        ("rewrite", {"action": "shorten"}, "text"),
        ("rewrite", {"action": "sing", "text": "x"}, "action"),
        ("rewrite", {"action": "translate", "text": "x"}, "language"),
        ("section", {}, "heading"),
        ("title", {}, "document_id"),
        ("poem", {"topic": "x"}, "kind"),
    ],
)
def test_a_wish_that_cannot_be_used_names_its_field(people: People, kind: str, brief: dict[str, object], field: str):
    with pytest.raises(InvalidInput) as caught:
        GenerationFactory(actor=people.actor("wanda"), workspace=people.press, kind=kind, brief=brief)
    assert caught.value.field == field
    assert caught.value.details[0].remedy or caught.value.remedy


def test_who_may_ask_and_stop(people: People):
    made = GenerationFactory(actor=people.actor("wanda"), workspace=people.press)
    with pytest.raises(NotFound):
        stop_generation(actor=people.actor("eve"), generation_id=made.pk)
    with pytest.raises(NotFound):
        GenerationFactory(actor=people.actor("eve"), workspace=people.press)
    with pytest.raises((PermissionDenied, NotFound)):
        GenerationFactory(actor=people.actor("otto"), workspace=people.press)


def test_retry_asks_anew(model: BackendProfile, provider: FakeProvider, people: People):
    provider.behave("fake-large", words=5)
    first = run_to_end(GenerationFactory(actor=people.actor("wanda"), workspace=people.press))
    second = retry_generation(actor=people.actor("wanda"), generation_id=first.pk)
    assert second.pk != first.pk
    assert second.input["brief"] == first.input["brief"]
    assert second.state == "queued"


async def test_an_unknown_id_is_nothing_to_do(transactional_db: None):
    import uuid

    await run_generation(uuid.uuid4())
