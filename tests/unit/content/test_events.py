"""The writer of events: one thread for all, and one that the database refuses does not hold up the others."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field

import pytest

from apps.content.models import Generation, GenerationEvent
from apps.content.services.claims import take
from apps.content.services.events import EventWriter, Held, Lost
from tests.factories.content import GenerationFactory, events_of, wait_for

pytestmark = pytest.mark.usefixtures("transactional_db")


@dataclass
class Told:
    """What the writer has said."""

    stopped: threading.Event = field(default_factory=threading.Event)
    lost: threading.Event = field(default_factory=threading.Event)


def hold(writer: EventWriter) -> tuple[Generation, Held, Told]:
    made = GenerationFactory()
    claim = take(made.pk)
    assert claim is not None
    told = Told()
    held = writer.hold(
        generation_id=made.pk,
        fence=claim.fence,
        seq=claim.seq,
        length=0,
        on_stop=told.stopped.set,
        on_lost=told.lost.set,
    )
    return made, held, told


@pytest.fixture
def writer():
    made = EventWriter()
    yield made
    for held in list(made._held.values()):
        made.release(held)
    wait_for(lambda: made._thread is None)


def test_pieces_that_wait_together_are_one_event(writer: EventWriter):
    made, held, _ = hold(writer)
    for number in range(500):
        writer.text(held, f"{number} ")
    writer.commit(held).result(5)
    deltas = [data["text"] for _, kind, data in events_of(made) if kind == "delta"]
    assert "".join(deltas) == "".join(f"{n} " for n in range(500))
    assert len(deltas) < 50


def test_pieces_from_many_threads_all_arrive(writer: EventWriter):
    several = [hold(writer) for _ in range(5)]

    def write(held: Held) -> None:
        for number in range(200):
            writer.text(held, f"{number},")
            if number % 50 == 0:
                writer.event(held, "status", {"n": number})

    threads = [threading.Thread(target=write, args=(held,)) for _, held, _ in several]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for made, held, _ in several:
        writer.commit(held, last=True).result(5)
        events = events_of(made)
        assert [seq for seq, _, _ in events] == list(range(1, len(events) + 1))
        text = "".join(data["text"] for _, kind, data in events if kind == "delta")
        assert text == "".join(f"{n}," for n in range(200))


def test_a_refused_event_does_not_hold_up_the_others(writer: EventWriter):
    broken, bad, told = hold(writer)
    whole, good, _ = hold(writer)
    GenerationEvent.objects.create(generation=broken, seq=bad.seq + 1, type="status", data={})
    writer.text(bad, "never")
    refused = writer.commit(bad)
    writer.text(good, "always")
    writer.commit(good).result(5)
    assert [data.get("text") for _, kind, data in events_of(whole) if kind == "delta"] == ["always"]
    with pytest.raises(Lost):
        refused.result(5)
    assert told.lost.wait(5)


def test_a_claim_that_is_gone_is_noticed_without_an_event(writer: EventWriter):
    made, held, told = hold(writer)
    Generation.objects.filter(pk=made.pk).update(fence=99)
    assert told.lost.wait(5)
    with pytest.raises(Lost):
        writer.commit(held).result(5)
    assert [kind for _, kind, _ in events_of(made)] == ["status"]


def test_one_that_waits_no_longer_disturbs_nobody(writer: EventWriter):
    made, held, _ = hold(writer)
    writer.text(held, "text")
    gone, still = writer.commit(held), writer.commit(held)
    gone.cancel()
    still.result(5)
    writer.text(held, " more")
    writer.commit(held).result(5)
    assert "".join(data["text"] for _, kind, data in events_of(made) if kind == "delta") == "text more"


def test_a_stop_is_heard_soon(writer: EventWriter):
    from django.utils import timezone

    made, _, told = hold(writer)
    Generation.objects.filter(pk=made.pk).update(state="stopping", stop_requested_at=timezone.now())
    assert told.stopped.wait(1.5)


def test_more_writes_belong_to_the_same_transaction(writer: EventWriter):
    made, held, _ = hold(writer)

    def fail() -> None:
        Generation.objects.filter(pk=made.pk).update(finish_reason="half")
        GenerationEvent.objects.create(generation=made, seq=1, type="status", data={})

    writer.text(held, "text")
    with pytest.raises(Lost):
        writer.commit(held, fail).result(5)
    made.refresh_from_db()
    assert made.finish_reason == ""
    assert [kind for _, kind, _ in events_of(made)] == ["status"]
