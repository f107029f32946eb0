"""What holds in every strategy and every state, whatever happens: looked at after each step of the agent's work."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from django.db import IntegrityError, transaction
from django.utils import timezone

from aiwriter.core.errors import Conflict
from apps.deployments.models import Deployment, Environment, State
from apps.deployments.models.states import BEFORE_AGENT, FINAL
from apps.deployments.selectors.releases import KEPT, kept_releases
from apps.deployments.services import rollouts
from aw_deployd.journal import Row
from aw_deployd.machine import State as AgentState
from aw_deployd.traffic import Shares
from tests.factories.deployments import SETUP, a_release, an_environment
from tests.unit.deployments.test_engine import BAD, CANARY, GOOD
from tests.unit.deployments.test_engine import Lab as AgentLab

WAYS = ("blue_green", "canary", "rolling", "recreate")
A = AgentState
WITH_OLD = (A.STARTING, A.SMOKING, A.SHIFTING, A.ANALYSING, A.PROMOTING, A.SWAPPING, A.BAKING, A.FINALISING)


@pytest.mark.parametrize("rates", [GOOD, BAD], ids=["good", "bad"])
@pytest.mark.parametrize("strategy", WAYS)
def test_all_people_are_somewhere_where_something_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, strategy: str, rates: dict[str, tuple[int, int]]
) -> None:
    lab = AgentLab(tmp_path, monkeypatch, slots=2)
    if strategy == "rolling":
        lab.runtime.running["green"] = "1.0"
        lab.traffic.shares = Shares.only("blue", "green")
    lab.traffic.rates = rates
    seen: list[AgentState] = []
    move = lab.engine._move

    def looked(row: Row, state: AgentState, *more: Any, **named: Any) -> None:
        move(row, state, *more, **named)
        seen.append(state)
        shares = lab.traffic.shares
        assert shares is not None
        held, up = dict(lab.traffic.held), lab.traffic.observe().up
        serving = {slot: shares.of(slot) for slot in ("blue", "green") if shares.of(slot)}
        assert sum(serving.values()) == 100, state
        # Where the one slot is exchanged, the proxy holds the requests.
        assert set(serving) <= up or any(held.values()), (state, serving, up)
        if strategy in ("blue_green", "canary") and state in WITH_OLD:
            assert lab.runtime.running["blue"] == "1.0", f"the old version is gone before the end, at {state}"

    monkeypatch.setattr(lab.engine, "_move", looked)
    stages = CANARY if strategy == "canary" else ()
    row = lab.deploy(strategy=strategy, stages=stages, bake_seconds=0.2, keep_old=False)
    back = rates is BAD and strategy in ("blue_green", "canary")
    assert row.state is (A.ROLLED_BACK if back else A.SUCCEEDED)
    assert len(seen) >= 6
    assert set(lab.serving) == {"1.0" if back else "2.0"}
    assert not back or lab.runtime.running["blue"] == "1.0"
    lab.journal.close()


@pytest.mark.django_db
def test_the_database_itself_allows_one_deployment_under_way(make_lab: Any) -> None:
    lab = make_lab()
    made = lab.plan()
    for state in State:
        ended = state in (State.SUCCEEDED, State.FAILED, State.ROLLED_BACK, State.ROLLBACK_FAILED, State.WITHDRAWN)
        Deployment.objects.filter(pk=made.pk).update(state=state)
        second = Deployment(
            environment=lab.place, release=made.release, strategy="blue_green", plan={}, plan_digest="0" * 64
        )
        if ended:
            second.save(force_insert=True)
            second.delete()
        else:
            with pytest.raises(IntegrityError), transaction.atomic():
                second.save(force_insert=True)
    # Another environment has one of its own.
    Deployment(
        environment=an_environment("elsewhere"),
        release=made.release,
        strategy="blue_green",
        plan={},
        plan_digest="0" * 64,
    ).save(force_insert=True)


@pytest.mark.django_db
def test_the_last_that_served_are_kept_in_each_environment_by_itself() -> None:
    here, there = an_environment("here"), an_environment("there")

    def served(place: Environment, version: str, state: State = State.SUCCEEDED) -> None:
        release = a_release(f"{version}", digest="sha256:" + "0" * 64)
        at = timezone.now()
        Deployment.objects.create(
            environment=place,
            release=release,
            strategy="blue_green",
            plan={},
            plan_digest="0" * 64,
            state=state,
            finished_at=at,
            created_at=at,
        )
        if state == State.SUCCEEDED:
            Environment.objects.filter(pk=place.pk).update(current=release)

    for number in range(KEPT + 2):
        served(here, f"1.{number}")
    served(here, "9.9", State.ROLLED_BACK)
    # What happens elsewhere clears nothing away here.
    for number in range(10):
        served(there, f"2.{number}")
    here.refresh_from_db()
    there.refresh_from_db()
    kept = kept_releases(here)
    assert set(kept) >= {f"1.{KEPT + 1 - back}" for back in range(KEPT)}
    assert "9.9" not in kept
    assert not [version for version in kept if version.startswith("2.")]
    assert {version[0] for version in kept_releases(there)} == {"2"}


@pytest.mark.django_db
def test_going_back_is_understood_in_every_state(make_lab: Any) -> None:
    """Who presses "roll back" need not know how far it is: under way it is an abort, afterwards a deployment of its own."""
    lab = make_lab()
    for state in State:
        made = lab.plan()
        taken = None if state in BEFORE_AGENT else timezone.now()
        Deployment.objects.filter(pk=made.pk).update(state=state, taken_at=taken)
        if state in FINAL:
            # None of these serves: the agent has not reported it.
            with pytest.raises(Conflict, match="does not serve"):
                rollouts.roll_back(actor=SETUP, deployment_id=made.pk)
        else:
            found = rollouts.roll_back(actor=SETUP, deployment_id=made.pk, reason="Back.")
            assert found.pk == made.pk
            assert (found.state == State.WITHDRAWN) == (state in BEFORE_AGENT), state
            assert [each.verb for each in made.commands.all()] == ([] if state in BEFORE_AGENT else ["abort"]), state
        Deployment.objects.filter(pk=made.pk).update(state=State.WITHDRAWN)
