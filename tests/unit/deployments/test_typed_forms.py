"""What was typed into a form of the console is still there when a service refuses it."""

from __future__ import annotations

from typing import Any

import pytest

from apps.deployments.models import Environment
from apps.users.models import AuditEvent
from tests.factories.deployments import an_environment
from tests.people import People

pytestmark = pytest.mark.django_db
ADD = "/admin/deployments/environment/add/"
TYPED = {
    "slug": "second",
    "title": "A title that took a while",
    "kind": "staging",
    "data_policy": "synthetic",
    "approvals_required": "2",
    "default_strategy": "canary",
    "soak_hours": "12",
    "release_keys": "",
}


def test_a_new_row_that_a_service_refuses_keeps_what_was_typed(portal: Any) -> None:
    an_environment("first", own=True)
    answer = portal("alma").post(ADD, {**TYPED, "own": "on"})
    assert answer.status_code == 200
    form = answer.context["adminform"].form
    assert form.errors == {"own": ["Another environment is this portal's own. Change that one first."]}
    page = answer.content.decode()
    for words in ('value="second"', 'value="A title that took a while"', 'value="12"', "Change that one first."):
        assert words in page
    assert form["default_strategy"].value() == "canary"
    assert not Environment.objects.filter(slug="second").exists()
    assert not AuditEvent.objects.filter(action="environment.created", after__slug="second").exists()


def test_a_changed_row_that_a_service_refuses_keeps_what_was_typed(portal: Any) -> None:
    an_environment("first", own=True)
    row = an_environment("second", title="Before", kind="staging")
    answer = portal("alma").post(f"/admin/deployments/environment/{row.pk}/change/", {**TYPED, "own": "on"})
    assert answer.status_code == 200
    assert 'value="A title that took a while"' in answer.content.decode()
    assert "Change that one first." in answer.content.decode()
    row.refresh_from_db()
    assert (row.title, row.own) == ("Before", False)
    typed = {**TYPED, "release_keys": "no key at all"}
    answer = portal("alma").post(f"/admin/deployments/environment/{row.pk}/change/", typed)
    assert "no key at all" in answer.content.decode()
    (error,) = answer.context["adminform"].form.errors["release_keys"]
    assert error == "'no key at all…' is no public key. One a line, as aw-deployd keygen prints them."


def test_what_the_form_has_no_field_for_is_told_above_it_by_its_name(
    portal: Any, make_lab: Any, people: People
) -> None:
    lab = make_lab()
    form = {
        "release": lab.plan().release_id,
        "environment": lab.place.pk,
        "strategy": "canary",
        "shares": "50, 5",
        "stage_seconds": "7",
        "min_samples": "10",
        "bake_seconds": "0",
        "probes": "0",
        "why": "It took long to say why",
        "on_lost": "hold",
    }
    answer = portal("otto").post("/admin/deployments/deployment/add/", form)
    assert answer.status_code == 200
    assert answer.context["adminform"].form.non_field_errors() == [
        "stages: The shares must grow, and be 20 at most. For example 5, 25, 50."
    ]
    assert "It took long to say why" in answer.content.decode()
    assert 'value="50, 5"' in answer.content.decode()
    # A refusal that is about no field.
    answer = portal("otto").post("/admin/deployments/deployment/add/", {**form, "shares": "5, 50"})
    (error,) = answer.context["adminform"].form.non_field_errors()
    assert "under way in Lab" in error
    assert "It took long to say why" in answer.content.decode()


def test_a_refused_form_without_rights_shows_nothing(portal: Any) -> None:
    an_environment("first", own=True)
    assert portal("wanda").post(ADD, {**TYPED, "own": "on"}).status_code in (302, 403)
    assert not Environment.objects.filter(slug="second").exists()
