"""Embedding is metered like writing, and a call shows that it lives."""

from __future__ import annotations

import asyncio
import uuid
from contextlib import aclosing
from decimal import Decimal
from pathlib import Path

import pytest

from aiwriter.core.errors import BudgetExceeded, Unavailable
from aiwriter.core.threads import in_thread
from aiwriter_sdk import GenerateRequest, Message
from apps.backends.models import BackendProfile, ModelCall
from apps.backends.services import heartbeats, models
from apps.backends.services.models import Delta, ModelCallSpec, embed, embedder_fingerprint, open_model
from apps.backends.services.routing import set_price
from apps.monitoring.models import UsageRow
from tests.factories.backends import SETUP, openai_profile, route
from tests.factories.monitoring import workspace_budget
from tests.fakes.provider import FakeProvider
from tests.people import People

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def embedder(fake: FakeProvider) -> BackendProfile:
    profile = openai_profile("Vectors", fake.openai_url, embedding_models="fake-embed", default_model="fake-embed")
    route("embed", {"profile": profile.pk, "model": "fake-embed"})
    return profile


def run(people: People, *texts: str):  # type: ignore[no-untyped-def]
    return asyncio.run(embed(workspace_id=people.press.pk, user_id=people.wanda.pk, texts=texts))


def test_an_embedding_leaves_a_row_and_its_cost(people: People, embedder: BackendProfile) -> None:
    set_price(actor=SETUP, profile_id=embedder.pk, model="*", input_price=Decimal(2), output_price=Decimal(0))
    result = run(people, "one text", "another text")
    assert len(result.vectors) == 2
    call = ModelCall.objects.get()
    assert (call.purpose, call.state, call.workspace_id) == ("embed", "succeeded", people.press.pk)
    assert call.input_tokens > 0
    assert call.cost == Decimal(2) * call.input_tokens / 1_000_000
    assert UsageRow.objects.get().cost == call.cost


def test_a_passing_fault_is_tried_again_each_attempt_with_a_row(people: People) -> None:
    first = FakeProvider()
    first.start()
    profile = openai_profile("Vectors", first.openai_url, embedding_models="fake-embed", default_model="fake-embed")
    route("embed", {"profile": profile.pk, "model": "fake-embed"})
    press, wanda = people.press.pk, people.wanda.pk
    first.stop()

    async def story() -> int:
        working = asyncio.create_task(embed(workspace_id=press, user_id=wanda, texts=["text"]))
        while not await in_thread(ModelCall.objects.filter(state="failed").exists):
            await asyncio.sleep(0.02)
        with FakeProvider(port=first.port):
            return len((await working).vectors)

    assert asyncio.run(story()) == 1
    states = [call.state for call in ModelCall.objects.order_by("number")]
    assert states[-1] == "succeeded"
    assert set(states[:-1]) == {"failed"}
    assert len({call.subject for call in ModelCall.objects.all()}) == 1
    assert UsageRow.objects.count() == 1


def test_a_refused_key_is_not_tried_again(
    people: People,
    embedder: BackendProfile,
    fake: FakeProvider,
    settings,  # type: ignore[no-untyped-def]
) -> None:
    (secret,) = Path(settings.SECRETS_DIR).glob("*")
    secret.write_text("wrong-key-0123456789")
    with pytest.raises(Unavailable, match=r"Vectors.*credentials"):
        run(people, "text")
    assert len([e for e in fake.log() if e["path"].endswith("/embeddings")]) == 1
    assert ModelCall.objects.get().error_kind == "auth_failed"


def test_a_budget_refuses_before_anything_is_sent(people: People, embedder: BackendProfile, fake: FakeProvider) -> None:
    workspace_budget(people.press, limit_tokens=3)
    with pytest.raises(BudgetExceeded):
        run(people, "a text of more than three tokens")
    assert not [e for e in fake.log() if e["path"].endswith("/embeddings")]
    assert not ModelCall.objects.exists()


def test_without_an_embedder(people: People) -> None:
    with pytest.raises(Unavailable, match="No model is set up"):
        run(people, "text")


def test_the_fingerprint_is_asked_for_once(people: People, embedder: BackendProfile, fake: FakeProvider) -> None:
    models._fingerprints.clear()

    async def twice() -> tuple[tuple[str, int], tuple[str, int]]:
        return await embedder_fingerprint(people.press.pk), await embedder_fingerprint(people.press.pk)

    people.press  # noqa: B018
    one, two = asyncio.run(twice())
    assert one == two
    assert one[1] > 0
    assert ModelCall.objects.count() == 1


def test_a_number_that_is_taken_after_all_is_not_taken_twice(people: People, fake: FakeProvider) -> None:
    route("write", openai_profile("Fast", fake.openai_url))
    spec = ModelCallSpec(
        purpose="write",
        workspace_id=people.press.pk,
        user_id=people.wanda.pk,
        subject=f"generation:{uuid.uuid4()}",
        request=GenerateRequest(model="", messages=[Message(role="user", content="Write.")]),
        untried=True,
    )

    async def write() -> None:
        async with aclosing(open_model(spec)) as events:
            async for _ in events:
                pass

    # As two workers that both believe to be the first.
    asyncio.run(write())
    asyncio.run(write())
    calls = ModelCall.objects.of_subject(spec.subject).values_list("number", "state")
    assert list(calls) == [(1, "succeeded"), (2, "succeeded")]
    assert UsageRow.objects.count() == 2


def test_a_running_call_shows_how_far_it_is(
    people: People, fake: FakeProvider, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(heartbeats, "INTERVAL_SECONDS", 0.05)
    fake.behave("*", words=400, tps=100)
    route("write", openai_profile("Slow", fake.openai_url))
    spec = ModelCallSpec(
        purpose="write",
        workspace_id=people.press.pk,
        user_id=people.wanda.pk,
        subject=f"generation:{uuid.uuid4()}",
        request=GenerateRequest(model="", messages=[Message(role="user", content="Write.")]),
    )

    async def story() -> tuple[int, bool]:
        async with aclosing(open_model(spec)) as events:
            seen = 0
            async for event in events:
                seen += isinstance(event, Delta)
                if seen == 80:
                    row = await in_thread(lambda: ModelCall.objects.get())
                    return row.output_chars, row.heartbeat_at > row.started_at
        raise AssertionError("the text ended too early")

    characters, beaten = asyncio.run(story())
    assert characters > 50
    assert beaten
    assert ModelCall.objects.get().state == "stopped"
