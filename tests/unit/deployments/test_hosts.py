"""Several hosts of one installation: one after the other, and nobody is left behind when the database is contracted."""

from __future__ import annotations

from typing import Any

import pytest
from django.utils import timezone

from aiwriter.core.errors import Conflict, InvalidInput
from apps.deployments.models import Environment, GateResult, Release
from apps.deployments.selectors.environments import installation
from apps.deployments.services import environments, rollouts
from apps.users.models import AuditEvent
from tests.factories.deployments import SETUP, a_release, an_environment
from tests.people import People

pytestmark = pytest.mark.django_db


def _serves(environment: Environment, version: str) -> None:
    release = Release.objects.filter(version=version).first() or a_release(version)
    Environment.objects.filter(pk=environment.pk).update(current=release, current_since=timezone.now())


def test_a_release_comes_to_the_next_host_when_it_serves_on_the_one_before(make_lab: Any) -> None:
    lab = make_lab()
    first = an_environment("first", kind="development", title="First host")
    environments.update_environment(actor=SETUP, environment_id=lab.place.pk, follows=first)
    _serves(first, "1.0")
    made = lab.plan()
    with pytest.raises(Conflict, match="First host"):
        rollouts.start(actor=SETUP, deployment_id=made.pk)
    gate = GateResult.objects.get(deployment=made, gate="hosts.in_order")
    assert (gate.status, gate.evidence) == ("fail", {"first": "1.0", "lab": "1.0"})
    _serves(first, "2.0")
    rollouts.start(actor=SETUP, deployment_id=made.pk)


def test_no_host_is_left_behind_by_a_contract_and_none_goes_back_after_it(make_lab: Any) -> None:
    lab = make_lab()
    made = lab.deploy()
    last = an_environment("last", kind="development", title="Last host", follows=lab.place)
    _serves(last, "1.0")
    contract = lab.plan(strategy="contract")
    with pytest.raises(Conflict, match="Another version serves on Last host"):
        rollouts.start(actor=SETUP, deployment_id=contract.pk)
    rollouts.abort(actor=SETUP, deployment_id=contract.pk)
    _serves(last, "2.0")
    assert lab.deploy(strategy="contract").state == "succeeded"
    # The other host works on the same database: the contract of one is that of all.
    other = made
    other.environment = last
    other.save(update_fields=["environment"])
    with pytest.raises(Conflict, match="contracted"):
        rollouts.roll_back(actor=SETUP, deployment_id=other.pk)


def test_hosts_do_not_wait_for_each_other(people: People) -> None:
    alma = people.actor("alma")
    first = an_environment("first", kind="production")
    second = an_environment("second", kind="production", follows=first)
    third = an_environment("third", kind="production", follows=second)
    alone = an_environment("alone", kind="production")
    staging = an_environment("staging", kind="staging")
    for environment, follows, told in (
        (first, third, "each other"),
        (first, first, "each other"),
        (third, staging, "kind"),
    ):
        with pytest.raises(InvalidInput, match=told) as caught:
            environments.update_environment(actor=alma, environment_id=environment.pk, follows=follows)
        assert caught.value.details[0].field == "follows"
    assert installation(second) == [first, second, third]
    assert installation(alone) == [alone]
    environments.delete_environment(actor=alma, environment_id=second.pk)
    assert installation(third) == [third]


def test_the_page_and_the_api(people: People, portal: Any, api: Any) -> None:
    first = an_environment("first", kind="production", title="First host")
    second = an_environment("second", kind="production")
    _serves(first, "1.4")
    alma = api("alma")
    answer = alma.patch(f"/api/v1/environments/{second.pk}", {"follows": str(first.pk)})
    assert (answer.status_code, answer.json()["follows"]) == (200, str(first.pk))
    after = AuditEvent.objects.filter(action="environment.updated").latest("id").after
    assert after == {"follows": "first"}
    shown = portal("ada").get(f"/admin/deployments/environment/{second.pk}/change/").content.decode()
    assert "First host</a>, 1.4" in shown
    missing = alma.patch(f"/api/v1/environments/{second.pk}", {"follows": str(people.press.pk)})
    assert missing.status_code == 404
    assert alma.patch(f"/api/v1/environments/{second.pk}", {"follows": None}).json()["follows"] is None
