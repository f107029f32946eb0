"""Texts that are longer than what a model writes at once."""

from __future__ import annotations

from apps.backends.models import BackendProfile, ModelCall
from tests.factories.content import GenerationFactory, events_of, run_to_end
from tests.fakes.provider import FakeProvider
from tests.people import People


def test_ten_thousand_words_come_whole_from_a_model_that_stops_every_500_tokens(
    model: BackendProfile, provider: FakeProvider, people: People
):
    provider.behave("fake-large", words=10_000, length=500)
    brief = {"topic": "Tides", "length": 10_000}
    done = run_to_end(GenerationFactory(workspace=people.press, brief=brief))
    assert (done.state, done.finish_reason, done.error) == ("succeeded", "stop", "")
    assert done.output_markdown.split() == [f"w{n:06d}" for n in range(1, 10_001)]
    calls = ModelCall.objects.filter(subject=f"generation:{done.pk}")
    assert calls.count() >= 20
    assert set(calls.values_list("state", flat=True)) == {"succeeded"}
    # One model wrote it all, however often it was asked.
    assert [(span["model"], span["start"], span["end"]) for span in done.models_used] == [
        ("fake-large", 0, len(done.output_markdown))
    ]
    usage = next(data for _, kind, data in events_of(done) if kind == "usage")
    assert usage["output_tokens"] == sum(call.output_tokens for call in calls)


def test_a_model_that_starts_anew_when_told_to_go_on_adds_nothing_twice(
    model: BackendProfile, provider: FakeProvider, people: People
):
    provider.behave("fake-large", words=1_500, length=400, prefill=False)
    done = run_to_end(GenerationFactory(workspace=people.press, brief={"topic": "Tides", "length": 1_500}))
    assert (done.finish_reason, done.error) == ("stop", "")
    assert done.output_markdown.split() == [f"w{n:06d}" for n in range(1, 1_501)]


def test_a_model_that_never_ends_is_let_end(model: BackendProfile, provider: FakeProvider, people: People):
    provider.behave("fake-large", words=100_000, length=2_000)
    done = run_to_end(GenerationFactory(workspace=people.press, brief={"topic": "Tides", "length": 500}))
    assert (done.state, done.finish_reason) == ("succeeded", "length")
    assert 500 < len(done.output_markdown.split()) < 5_000


def test_a_title_is_not_continued(model: BackendProfile, provider: FakeProvider, people: People):
    provider.behave("fake-large", words=100, length=5)
    done = run_to_end(GenerationFactory(workspace=people.press, kind="title", brief={"text": "About tides."}))
    assert (done.finish_reason, len(done.output_markdown.split())) == ("length", 5)
