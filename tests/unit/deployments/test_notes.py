"""What is new is told to everybody only where its notes are shown."""

from __future__ import annotations

from typing import Any

import pytest

from aiwriter.core.errors import Conflict
from apps.deployments.models import Announcement
from apps.deployments.services import announcements, environments, rollouts
from tests.factories.deployments import SETUP
from tests.people import People

pytestmark = pytest.mark.django_db
BUTTON = "Tell everybody what is new"


def test_notes_of_another_portal_are_not_told_here(make_lab: Any, portal: Any, api: Any) -> None:
    lab = make_lab()
    done = lab.deploy()
    page = f"/admin/deployments/deployment/{done.pk}/change/"
    with pytest.raises(Conflict, match="another portal") as refused:
        announcements.publish_notes(actor=SETUP, deployment_id=done.pk)
    assert refused.value.field == "environment"
    assert "own" in refused.value.remedy
    assert BUTTON not in portal("otto").get(page).content.decode()
    assert api("otto").post(f"/api/v1/deployments/{done.pk}/notes", {}).status_code == 409
    assert not Announcement.objects.exists()
    environments.update_environment(actor=SETUP, environment_id=lab.place.pk, own=True)
    assert BUTTON in portal("otto").get(page).content.decode()
    assert api("otto").post(f"/api/v1/deployments/{done.pk}/notes", {}).status_code == 201


def test_notes_are_told_of_what_everybody_has(make_lab: Any, people: People, portal: Any) -> None:
    lab = make_lab(own=True)
    made = lab.plan()
    with pytest.raises(Conflict, match="not live") as refused:
        announcements.publish_notes(actor=SETUP, deployment_id=made.pk)
    assert refused.value.remedy
    rollouts.abort(actor=SETUP, deployment_id=made.pk)
    done = lab.deploy()
    announcements.publish_notes(actor=SETUP, deployment_id=done.pk)
    (line,) = Announcement.objects.all()
    written = portal("wanda").get(line.link.partition("#")[0]).content.decode()
    assert f'id="{line.link.partition("#")[2]}"' in written
    # Who reads them need not be told that they are there; everybody else is.
    assert "Read more" not in written
    assert "Read more" in portal("wanda").get("/").content.decode()
    back = rollouts.roll_back(actor=SETUP, deployment_id=done.pk)
    lab.talk()
    lab.work()
    lab.talk()
    back.refresh_from_db()
    assert back.state == "succeeded"
    # 1.0 serves again, which is not new; and nobody is told of 2.0 any longer.
    for each, why in ((back, "nothing new"), (done, "not live")):
        with pytest.raises(Conflict, match=why):
            announcements.publish_notes(actor=SETUP, deployment_id=each.pk)
        page = f"/admin/deployments/deployment/{each.pk}/change/"
        assert BUTTON not in portal("otto").get(page).content.decode()
