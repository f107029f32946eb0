"""What may not leave a workspace is refused through every door: drafts, programs' chats and vectors, places to publish."""

from __future__ import annotations

import pytest
from asgiref.sync import sync_to_async

from aiwriter.core.errors import ResidencyRefused
from apps.backends.models import BackendProfile
from apps.backends.services.profiles import Secrets, create_profile
from apps.backends.services.residency import set_rule
from apps.content.models import Publication, WritingSettings
from apps.content.services.publishing import publish_document, run_publication
from apps.users.models import AuditEvent
from tests.factories.backends import SETUP, enabled, openai_profile, route
from tests.factories.content import DocumentFactory, GenerationFactory, run_to_end
from tests.factories.users import make_token
from tests.fakes.provider import FakeProvider
from tests.fakes.wordpress import PASSWORD, USER, FakeWordPress
from tests.people import People
from tests.unit.content.test_openai_endpoint import SAY, ask


@pytest.fixture
def far(transactional_db: None, provider: FakeProvider) -> FakeProvider:
    """A provider in the United States on every route."""
    profile = openai_profile("Far", provider.openai_url)
    BackendProfile.objects.filter(pk=profile.pk).update(region="us")
    for purpose in ("write", "edit", "small", "embed"):
        route(purpose, profile)
    return provider


def only_here(people: People) -> None:
    set_rule(actor=people.actor("eddie"), workspace_id=people.press.pk, regions=["eu"], backends=None)


async def test_no_door_reaches_a_model_that_may_not_be_asked(far: FakeProvider):
    people = People()
    token = await sync_to_async(lambda: make_token(people.wanda, "models.use", workspace=people.press)[1])()
    await sync_to_async(only_here)(people)
    far.reset()
    before = await sync_to_async(far.connections)()
    for path, body in (
        ("/v1/chat/completions", {"model": "write", "messages": SAY}),
        ("/v1/chat/completions", {"model": "small", "messages": SAY, "stream": True}),
        ("/v1/embeddings", {"model": "embed", "input": "tides"}),
    ):
        call, answer = await ask(path, body, token=token)
        assert (call.status, answer["error"]["code"]) == (403, "residency_refused")
        assert "'Press office'" in answer["error"]["message"]
    assert await sync_to_async(far.connections)() == before + 1
    assert await AuditEvent.objects.filter(action="residency.refused").acount() == 3


def test_a_draft_fails_with_the_reason_and_nothing_was_sent(people: People, far: FakeProvider):
    only_here(people)
    before = far.connections()
    done = run_to_end(GenerationFactory(workspace=people.press))
    assert (done.state, done.error_code) == ("failed", "residency_refused")
    assert "may not go to 'Far'" in done.error
    assert far.connections() == before + 1


def test_a_place_to_publish_is_under_the_rule_too(people: People, transactional_db: None):
    WritingSettings.objects.create(workspace=people.press, approval="none")
    with FakeWordPress() as blog:
        place = enabled(
            create_profile(
                actor=SETUP,
                kind="publish",
                plugin_key="wordpress",
                name="Blog",
                options={"base_url": blog.url, "username": USER},
                secrets=Secrets(typed={"application_password": PASSWORD}),
                region="us",
            )
        )
        actor = people.actor("wanda")
        document = DocumentFactory(actor=actor, workspace=people.press, title="Tides", body_markdown="# Tides\n")
        queued = publish_document(actor=actor, document_id=document.pk, target_id=place.pk)
        only_here(people)
        seen = len(blog.site.requests)
        run_publication(queued.pk)
        with pytest.raises(ResidencyRefused, match="may not go to 'Blog'"):
            publish_document(actor=actor, document_id=document.pk, target_id=place.pk)
        row = Publication.objects.get()
        assert (row.state, len(blog.site.requests)) == ("failed", seen)
        assert "it works in 'us'" in row.error
