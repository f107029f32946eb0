"""What a deployment's page offers is what can be done: no button is missing, and none is only refused."""

from __future__ import annotations

from typing import Any

import pytest
from django.utils import timezone

from apps.deployments.models import Deployment, State, Step
from apps.deployments.models.states import BEFORE_AGENT, FINAL
from apps.deployments.selectors.deployments import consequences, possible
from apps.deployments.services import rollouts
from apps.users.selectors.access import Actor
from tests.factories.deployments import SETUP
from tests.factories.users import RoleGrantFactory, UserFactory
from tests.people import People

pytestmark = pytest.mark.django_db
START, AGREE, ABORT = ">Start<", "I agree to this plan", ("Abort: everybody back", "Withdraw")


def test_stopping_is_offered_in_every_state_that_is_not_final(make_lab: Any, portal: Any, api: Any) -> None:
    lab = make_lab()
    made = lab.plan()
    otto, program = portal("otto"), api("otto")
    for state in State:
        taken = None if state in BEFORE_AGENT else timezone.now()
        Deployment.objects.filter(pk=made.pk).update(
            state=state, taken_at=taken, finished_at=timezone.now() if state in FINAL else None
        )
        page = otto.get(f"/admin/deployments/deployment/{made.pk}/change/").content.decode()
        offered = program.get(f"/api/v1/deployments/{made.pk}").json()["possible"]
        button = any(f">{words}<" in page for words in ABORT)
        assert button == ("abort" in offered) == (state not in FINAL), state
        assert ("resume" in offered) == ("accept" in offered) == (state == State.PAUSED), state


def test_starting_is_offered_once_enough_others_have_agreed(make_lab: Any, people: People, portal: Any) -> None:
    lab = make_lab(approvals_required=2)
    made = lab.plan(actor=people.actor("otto"))
    page = f"/admin/deployments/deployment/{made.pk}/change/"

    def seen(name: str) -> str:
        text: str = portal(name).get(page).content.decode()
        return text

    assert possible(made) == {"abort", "approve"}
    assert "2 other people have to agree" in seen("otto")
    assert START not in seen("otto")
    assert AGREE in seen("alma")
    # The live part says that the page has to be drawn anew.
    live = portal("otto").get(page, headers={"X-Fragment": "1"}).content.decode()
    rollouts.approve(actor=people.actor("alma"), deployment_id=made.pk)
    assert "1 other person has to agree" in seen("otto")
    assert AGREE not in seen("alma")
    assert (
        portal("otto").get(page, headers={"X-Fragment": "1"}).content.decode().partition(">")[0]
        != live.partition(">")[0]
    )
    second = UserFactory(email="olga@example.org")
    RoleGrantFactory(user=second, role="admin")
    rollouts.approve(actor=Actor.for_user(second), deployment_id=made.pk)
    made = Deployment.objects.get()
    assert possible(made) == {"abort", "start"}
    assert START in seen("otto")
    assert "have to agree" not in seen("otto")
    assert START not in seen("ada")


def test_who_planned_it_is_told_that_somebody_else_agrees(make_lab: Any, people: People, portal: Any) -> None:
    lab = make_lab(approvals_required=1)
    made = lab.plan(actor=people.actor("alma"))
    page = portal("alma").get(f"/admin/deployments/deployment/{made.pk}/change/").content.decode()
    assert "You planned it, so it cannot be you." in page
    assert AGREE not in page


def test_what_the_agent_did_is_told_in_words(make_lab: Any, portal: Any) -> None:
    lab = make_lab()
    lab.traffic.rates = {"1.0": (40, 0), "2.0": (20, 8)}
    stage = {"share": 20, "min_seconds": 0, "max_seconds": 0.05, "min_samples": 10}
    done = lab.deploy(strategy="canary", stages=[stage], rehearse=True)
    assert done.state == State.ROLLED_BACK
    assert "rehearse:2.0" in {step.kind for step in done.steps.all()}
    # Each step that the agent knows has words; one of a newer agent is shown as it calls it.
    assert not [step.words for step in done.steps.all() if step.words == step.kind]
    page = portal("otto").get(f"/admin/deployments/deployment/{done.pk}/change/").content.decode()
    assert "Migrations of 2.0 were tried on a copy with the version before" in page
    assert 'watch-bad small nowrap">' in page
    assert "Version 2.0 starts beside 1.0." in page
    for kind in ("fit:1.0:more", "something"):
        assert Step(kind=kind).words == kind


def test_the_way_back_from_a_way_back_is_told_as_it_is(make_lab: Any) -> None:
    lab = make_lab()
    done = lab.deploy()
    back = rollouts.roll_back(actor=SETUP, deployment_id=done.pk)
    lab.talk()
    lab.work()
    lab.talk()
    back.refresh_from_db()
    # The version that was left stands by: the agent keeps it running.
    assert set(lab.runtime.running.values()) == {"1.0", "2.0"}
    assert consequences(back).back.startswith("To 2.0 in a moment")
