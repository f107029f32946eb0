"""What becomes of a generation when its provider fails: over the real wire, against the fake provider.

The fake provider numbers its words and goes on with the next number, so a gap and a double both show.
"""

from __future__ import annotations

import asyncio
import time
import uuid
from collections.abc import Iterator
from contextlib import aclosing
from decimal import Decimal

import pytest

from aiwriter.core.errors import BudgetExceeded, InvalidInput, Unavailable
from aiwriter.core.threads import in_thread
from aiwriter_sdk import GenerateRequest, Message
from apps.backends.models import BackendProfile, ModelCall
from apps.backends.selectors.routes import route_for
from apps.backends.services import metering
from apps.backends.services.chain import RetryPolicy
from apps.backends.services.models import (
    AttemptEnded,
    AttemptStarted,
    Completed,
    Delta,
    ModelCallSpec,
    ModelEvent,
    open_model,
)
from apps.backends.services.routing import set_price
from apps.monitoring.models import Budget, BudgetPeriod, Reservation, UsageRow
from apps.users.models import Workspace
from tests.factories.backends import SETUP, offline_profile, openai_profile, route
from tests.factories.monitoring import workspace_budget
from tests.factories.users import UserFactory, WorkspaceFactory
from tests.fakes.provider import FakeProvider
from tests.fakes.text import words

QUICK = RetryPolicy(base=0.02, cap=0.1)
WHOLE = "".join(words("numbers", 200))
pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(scope="module")
def first() -> Iterator[FakeProvider]:
    with FakeProvider() as fake:
        yield fake


@pytest.fixture(scope="module")
def second() -> Iterator[FakeProvider]:
    with FakeProvider() as fake:
        yield fake


@pytest.fixture
def fakes(first: FakeProvider, second: FakeProvider) -> tuple[FakeProvider, FakeProvider]:
    first.reset()
    second.reset()
    return first, second


def spec(**changes: object) -> ModelCallSpec:
    values: dict[str, object] = {
        "purpose": "write",
        "workspace_id": WorkspaceFactory().pk,
        "user_id": UserFactory().pk,
        "subject": f"generation:{uuid.uuid4()}",
        "request": GenerateRequest(model="", messages=[Message(role="user", content="Write about rivers.")]),
        **changes,
    }
    return ModelCallSpec(**values)  # type: ignore[arg-type]


async def collect(wish: ModelCallSpec, policy: RetryPolicy = QUICK) -> list[ModelEvent]:
    async with aclosing(open_model(wish, policy=policy)) as events:
        return [event async for event in events]


def text(events: list[ModelEvent]) -> str:
    return "".join(event.text for event in events if isinstance(event, Delta))


def calls(wish: ModelCallSpec) -> list[ModelCall]:
    return list(ModelCall.objects.of_subject(wish.subject))


def test_a_whole_text_from_the_first_backend(fakes: tuple[FakeProvider, FakeProvider]) -> None:
    route("write", openai_profile("One", fakes[0].openai_url))
    wish = spec()
    events = asyncio.run(collect(wish))
    assert text(events) == WHOLE
    assert isinstance(events[0], AttemptStarted)
    done = events[-1]
    assert isinstance(done, Completed)
    assert (done.finish_reason, done.output_tokens, done.cost) == ("stop", 200, None)
    (call,) = calls(wish)
    assert (call.state, call.usage_source, call.output_tokens, call.cost) == ("succeeded", "provider", 200, None)
    assert call.output_chars == len(WHOLE)
    assert call.ttft_ms is not None
    assert UsageRow.objects.get().subject == f"call:{call.pk}"


@pytest.mark.parametrize("fault", ["cut", "eof", "error", "garbage"])
def test_failover_inside_a_text(fakes: tuple[FakeProvider, FakeProvider], fault: str) -> None:
    one, two = fakes
    route("write", openai_profile("One", one.openai_url), openai_profile("Two", two.openai_url))
    one.behave("*", **{fault: 120})
    wish = spec()
    events = asyncio.run(collect(wish))
    assert text(events) == WHOLE
    started = [event for event in events if isinstance(event, AttemptStarted)]
    (ended,) = [event for event in events if isinstance(event, AttemptEnded)]
    assert [event.profile_name for event in started] == ["One", "Two"]
    assert ended.next_label == started[1].label
    assert ended.error_kind
    assert [call.state for call in calls(wish)] == ["failed", "succeeded"]
    assert calls(wish)[0].output_tokens > 0
    assert UsageRow.objects.count() == 2
    assert two.log(texts=True)[0]["continued"]


def test_the_only_backend_goes_on_after_a_break_in_its_text(fakes: tuple[FakeProvider, FakeProvider]) -> None:
    fakes[0].behave("*", cut=80, times=2)
    route("write", openai_profile("One", fakes[0].openai_url))
    wish = spec()
    assert text(asyncio.run(collect(wish))) == WHOLE
    assert [call.state for call in calls(wish)] == ["failed", "failed", "succeeded"]


def test_before_the_first_word_the_same_backend_is_tried_again(fakes: tuple[FakeProvider, FakeProvider]) -> None:
    one, two = fakes
    one.behave("*", status=503, times=2)
    route("write", openai_profile("One", one.openai_url), openai_profile("Two", two.openai_url))
    wish = spec()
    events = asyncio.run(collect(wish))
    assert text(events) == WHOLE
    assert len(one.log(texts=True)) == 3
    assert not two.log(texts=True)
    assert [(c.state, c.output_tokens, c.cost) for c in calls(wish)][:2] == [("failed", 0, Decimal(0))] * 2
    # Refused calls are free: they leave a row of the attempt and none of usage.
    assert UsageRow.objects.count() == 1


def test_retry_after_is_obeyed(fakes: tuple[FakeProvider, FakeProvider]) -> None:
    one, _ = fakes
    one.behave("*", status=429, retry_after=1.0, times=1)
    route("write", openai_profile("One", one.openai_url))
    asyncio.run(collect(spec()))
    requests = one.log(texts=True)
    assert requests[1]["started"] - requests[0]["started"] >= 1.0


def test_a_quota_error_is_not_multiplied(fakes: tuple[FakeProvider, FakeProvider]) -> None:
    one, two = fakes
    same = "one-account-with-many-profiles"
    one.behave("*", status=429, code="insufficient_quota")
    two.behave("*", status=429, code="insufficient_quota")
    profiles = [openai_profile(f"Same {n}", one.openai_url, key=same) for n in range(3)]
    profiles += [openai_profile(f"Other {n}", two.openai_url, key=f"another-account-{n}") for n in range(3)]
    route("write", *profiles)
    with pytest.raises(Unavailable, match="no credit or quota"):
        asyncio.run(collect(spec()))
    assert len(one.log(texts=True)) == 1
    assert len(two.log(texts=True)) == 1
    # And for a while nobody asks these two again.
    cooled = BackendProfile.objects.filter(cooldown_kind="quota_exceeded").values_list("name", flat=True)
    assert set(cooled) == {"Same 0", "Other 0"}


def test_a_backend_without_an_account_follows_refusing_accounts(fakes: tuple[FakeProvider, FakeProvider]) -> None:
    one, two = fakes
    one.behave("*", status=401)
    two.behave("*", status=401)
    profiles = [openai_profile("A", one.openai_url), openai_profile("B", two.openai_url), offline_profile()]
    route("write", *profiles)
    events = asyncio.run(collect(spec()))
    assert [e.profile_name for e in events if isinstance(e, AttemptStarted)] == ["A", "B", "Offline"]
    assert isinstance(events[-1], Completed)


def test_a_policy_refusal_ends_the_chain(fakes: tuple[FakeProvider, FakeProvider]) -> None:
    one, two = fakes
    one.behave("*", status=400, code="content_policy_violation")
    route("write", openai_profile("One", one.openai_url), openai_profile("Two", two.openai_url))
    with pytest.raises(InvalidInput):
        asyncio.run(collect(spec()))
    assert not two.log(texts=True)


def test_an_outage_is_remembered_by_everybody(fakes: tuple[FakeProvider, FakeProvider]) -> None:
    one, two = fakes
    one.behave("*", status=500)
    route("write", openai_profile("One", one.openai_url), openai_profile("Two", two.openai_url))
    asyncio.run(collect(spec()))
    profile = BackendProfile.objects.get(name="One")
    assert profile.cooling
    assert profile.failures == 3
    before = len(one.log(texts=True))
    asyncio.run(collect(spec()))
    assert len(one.log(texts=True)) == before


async def _stop_after(wish: ModelCallSpec, deltas: int) -> tuple[str, float]:
    written, begun = "", 0.0
    async with aclosing(open_model(wish, policy=QUICK)) as events:
        async for event in events:
            if isinstance(event, Delta):
                written += event.text
                deltas -= 1
                if not deltas:
                    begun = time.monotonic()
                    break
    return written, time.monotonic() - begun


def test_stopping_stops_the_provider_and_bills_what_was_written(fakes: tuple[FakeProvider, FakeProvider]) -> None:
    one, _ = fakes
    one.behave("*", words=5000, tps=200)
    route("write", openai_profile("One", one.openai_url))
    wish = spec()
    written, took = asyncio.run(_stop_after(wish, 30))
    assert took < 1.5
    entries = one.wait(lambda log: any(e["cancelled"] for e in log), seconds=2)
    assert entries[-1]["tokens_sent"] < 1000
    (call,) = calls(wish)
    assert (call.state, call.usage_source) == ("stopped", "counted")
    assert call.output_chars == len(written)
    assert call.output_tokens > 0
    assert Reservation.objects.get().state == "settled"
    assert UsageRow.objects.get().output_tokens == call.output_tokens


def test_cancelling_the_task_settles_as_well(fakes: tuple[FakeProvider, FakeProvider]) -> None:
    one, _ = fakes
    one.behave("*", first=30)
    route("write", openai_profile("One", one.openai_url))
    wish = spec()

    async def story() -> None:
        task = asyncio.create_task(collect(wish))
        while not await in_thread(lambda: len(one.log(texts=True))):
            await asyncio.sleep(0.02)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(story())
    assert [call.state for call in calls(wish)] == ["stopped"]
    one.wait(lambda log: any(e["cancelled"] for e in log), seconds=2)


def test_money_of_all_attempts_adds_up(fakes: tuple[FakeProvider, FakeProvider]) -> None:
    one, two = fakes
    one.behave("*", cut=50)
    profiles = [openai_profile("One", one.openai_url), openai_profile("Two", two.openai_url)]
    for profile in profiles:
        set_price(
            actor=SETUP,
            profile_id=profile.pk,
            model="*",
            input_price=Decimal(3),
            output_price=Decimal(15),
        )
    route("write", *profiles)
    wish = spec()
    budget = workspace_budget(_workspace(wish), limit_cost=Decimal(5))
    done = asyncio.run(collect(wish))[-1]
    assert isinstance(done, Completed)
    rows = calls(wish)
    expected = sum((Decimal(3) * c.input_tokens + Decimal(15) * c.output_tokens) / 1_000_000 for c in rows)
    assert done.cost == sum(c.cost for c in rows if c.cost is not None) == expected
    assert sum(row.cost or 0 for row in UsageRow.objects.all()) == expected
    period = BudgetPeriod.objects.get(budget=budget)
    assert period.spent_nanos == int(expected * 1_000_000_000)
    assert (period.reserved_nanos, period.reserved_tokens) == (0, 0)


def _workspace(wish: ModelCallSpec) -> Workspace:
    return Workspace.objects.get(pk=wish.workspace_id)


def test_a_budget_stops_the_second_attempt_and_keeps_the_text(fakes: tuple[FakeProvider, FakeProvider]) -> None:
    one, two = fakes
    one.behave("*", cut=100)
    route("write", openai_profile("One", one.openai_url), openai_profile("Two", two.openai_url))
    wish = spec()
    # Room for one estimate of 2,000 tokens, not for what is spent and a second one.
    workspace_budget(_workspace(wish), limit_tokens=2100)
    received: list[str] = []

    async def story() -> None:
        async with aclosing(open_model(wish, policy=QUICK)) as events:
            async for event in events:
                if isinstance(event, Delta):
                    received.append(event.text)

    with pytest.raises(BudgetExceeded, match="budget"):
        asyncio.run(story())
    assert "".join(received) == "".join(words("numbers", 100))
    assert not two.log(texts=True)
    assert Budget.objects.get().periods.get().reserved_tokens == 0


def test_length_is_continued_as_often_as_asked(fakes: tuple[FakeProvider, FakeProvider]) -> None:
    one, _ = fakes
    one.behave("*", length=60)
    route("write", openai_profile("One", one.openai_url))
    wish = spec(continue_on_length=2)
    events = asyncio.run(collect(wish))
    assert text(events) == "".join(words("numbers", 180))
    assert isinstance(events[-1], Completed)
    assert events[-1].finish_reason == "length"
    assert events[-1].output_tokens == 180


def test_a_killed_attempt_is_settled_once_by_its_successor(fakes: tuple[FakeProvider, FakeProvider]) -> None:
    one, _ = fakes
    route("write", openai_profile("One", one.openai_url))
    wish = spec()
    written = "".join(words("numbers", 90))
    dead = _killed_attempt(wish, number=1)
    events = asyncio.run(collect(spec(**{**_fields(wish), "written": written, "first_attempt_number": 2})))
    assert written + text(events) == WHOLE
    first, second_call = calls(wish)
    assert (first.pk, first.state, first.number, second_call.number) == (dead, "abandoned", 1, 2)
    assert first.output_chars == len(written)
    assert first.output_tokens > 0
    assert metering.settle_abandoned_calls(older_than=metering.ABANDONED_AFTER * 0) == 0
    assert UsageRow.objects.count() == 2
    assert UsageRow.objects.get(subject=f"call:{dead}").output_tokens == first.output_tokens


def _fields(wish: ModelCallSpec) -> dict[str, object]:
    return {name: getattr(wish, name) for name in ("workspace_id", "user_id", "subject", "request")}


def _killed_attempt(wish: ModelCallSpec, *, number: int) -> uuid.UUID:
    """What kill -9 leaves: an opened row and reservation that nobody settles."""
    call_id = uuid.uuid4()
    metering.open_attempt(
        call_id=call_id,
        billing=metering.Billing(
            subject=wish.subject, purpose="write", workspace_id=wish.workspace_id, user_id=wish.user_id
        ),
        step=route_for("write", wish.workspace_id)[0],
        input_tokens=10,
        output_tokens=1000,
        first_number=number,
    )
    return call_id


def test_the_sweeper_settles_what_nobody_takes_over(fakes: tuple[FakeProvider, FakeProvider]) -> None:
    route("write", openai_profile("One", fakes[0].openai_url))
    wish = spec()
    dead = _killed_attempt(wish, number=1)
    assert metering.settle_abandoned_calls() == 0  # it may still live
    ModelCall.objects.filter(pk=dead).update(output_chars=400)
    assert metering.settle_abandoned_calls(older_than=metering.ABANDONED_AFTER * 0) == 1
    assert metering.settle_abandoned_calls(older_than=metering.ABANDONED_AFTER * 0) == 0
    call = ModelCall.objects.get(pk=dead)
    assert (call.state, call.output_tokens) == ("abandoned", 100)
    assert UsageRow.objects.get().input_tokens == 10


def test_nobody_is_set_up() -> None:
    with pytest.raises(Unavailable, match="No model is set up"):
        asyncio.run(collect(spec()))
