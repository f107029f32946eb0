"""Rules of residency: who is left out, who is refused before the network, who may say so."""

from __future__ import annotations

import asyncio
import io
import uuid
from collections.abc import Iterator
from contextlib import aclosing

import pytest

from aiwriter.core.errors import InvalidInput, NotFound, PermissionDenied, ResidencyRefused
from aiwriter.core.threads import in_thread
from aiwriter_sdk import GenerateRequest, Message
from apps.backends.models import BackendProfile, ModelCall, ResidencyRule
from apps.backends.selectors.residency import residency_of
from apps.backends.selectors.routes import models_for
from apps.backends.services import filestore, parcels
from apps.backends.services.models import AttemptEnded, Delta, ModelCallSpec, ModelEvent, embed, open_model
from apps.backends.services.profiles import delete_profile, disable_profile, update_profile
from apps.backends.services.residency import drop_rule, set_rule
from apps.users.models import AuditEvent
from tests.factories.backends import SETUP, openai_profile, route, storage_profile
from tests.fakes.provider import FakeProvider
from tests.people import People

pytestmark = pytest.mark.django_db(transaction=True)


class Counted:
    """A provider of which it is known whether anybody has connected since."""

    def __init__(self, running: FakeProvider) -> None:
        self.fake = running
        self._before = 0

    def watch(self) -> None:
        """Count from here."""
        self.fake.reset()
        self._before = self.fake.connections()

    @property
    def reached(self) -> int:
        """Connections since, without those of this question."""
        count = self.fake.connections() - self._before - 1
        self._before += 1
        return count


@pytest.fixture(scope="module")
def servers() -> Iterator[tuple[FakeProvider, FakeProvider]]:
    with FakeProvider(words=20) as near, FakeProvider(words=20) as far:
        yield near, far


@pytest.fixture
def near(servers: tuple[FakeProvider, FakeProvider]) -> Counted:
    return Counted(servers[0])


@pytest.fixture
def far(servers: tuple[FakeProvider, FakeProvider]) -> Counted:
    return Counted(servers[1])


@pytest.fixture
def pair(near: Counted, far: Counted) -> tuple[BackendProfile, BackendProfile]:
    """Two models on every route: the far one is asked first."""
    made = []
    for name, counted, region in (("Near", near, "eu-de"), ("Far", far, "us")):
        profile = openai_profile(name, counted.fake.openai_url)
        update_profile(actor=SETUP, profile_id=profile.pk, region=region)
        made.append(profile)
    for purpose in ("write", "embed"):
        route(purpose, made[1], made[0])
    near.watch()
    far.watch()
    return made[0], made[1]


def allow(people: People, *regions: str, **more: object) -> ResidencyRule:
    return set_rule(
        actor=people.actor("eddie"), workspace_id=people.press.pk, regions=regions or None, backends=None, **more
    )


def spec(people: People, room: str = "press") -> ModelCallSpec:
    return ModelCallSpec(
        purpose="write",
        workspace_id=getattr(people, room).pk,
        user_id=people.wanda.pk,
        subject=f"generation:{uuid.uuid4()}",
        request=GenerateRequest(model="", messages=[Message(role="user", content="Write.")]),
    )


def written(wish: ModelCallSpec, after_first: object = None) -> list[ModelEvent]:
    """All events; `after_first` is called when the first words have come."""

    async def story() -> list[ModelEvent]:
        seen: list[ModelEvent] = []
        async with aclosing(open_model(wish)) as events:
            async for event in events:
                if after_first and isinstance(event, Delta) and not any(isinstance(each, Delta) for each in seen):
                    await in_thread(after_first)  # type: ignore[arg-type]
                seen.append(event)
        return seen

    return asyncio.run(story())


def test_the_router_leaves_out_who_works_elsewhere(people: People, pair, near: Counted, far: Counted) -> None:
    allow(people, "eu", "local")
    written(spec(people))
    assert asyncio.run(embed(workspace_id=people.press.pk, user_id=None, texts=["tides"])).dimensions
    assert far.reached == 0
    assert near.reached > 0
    assert {call.profile_name for call in ModelCall.objects.all()} == {"Near"}
    shown = {offer.step.profile.name: offer for offer in models_for(people.actor("wanda"), people.press.pk)}
    assert "it works in 'us', and the workspace allows only the regions eu, local" in shown["Far"].refusal.message
    assert not shown["Far"].healthy
    # Next door nothing has changed.
    near.watch()
    written(spec(people, "rival"))
    assert (near.reached, far.reached > 0) == (0, True)


def test_where_nobody_is_left_the_call_is_refused_before_the_network(
    people: People, pair, near: Counted, far: Counted
) -> None:
    allow(people, "ch")
    for ask in (
        lambda: written(spec(people)),
        lambda: asyncio.run(embed(workspace_id=people.press.pk, user_id=people.wanda.pk, texts=["tides"])),
    ):
        with pytest.raises(ResidencyRefused) as caught:
            ask()
        for word in (
            "'Press office'",
            "'Far'",
            "'us'",
            "the workspace allows only the region ch",
            "Where texts may go",
        ):
            assert word in str(caught.value)
    assert (near.reached, far.reached) == (0, 0)
    assert not ModelCall.objects.exists()
    events = AuditEvent.objects.filter(action="residency.refused", outcome="denied")
    assert [event.workspace_id for event in events] == [people.press.pk] * 2
    assert {event.actor_id for event in events} == {f"user:{people.wanda.pk}"}
    assert residency_of(people.actor("wanda"), people.press.pk).without == ("Drafts and sections", "Search in sources")


def test_a_rule_that_comes_in_the_middle_counts_for_the_next_backend(
    people: People, pair, near: Counted, far: Counted
) -> None:
    route("write", *pair)
    near.fake.behave("*", words=20, cut=8)
    with pytest.raises(ResidencyRefused, match="may not go to 'Far'"):
        written(spec(people), after_first=lambda: allow(people, "eu"))
    assert far.reached == 0
    calls = {call.profile_name: call for call in ModelCall.objects.all()}
    assert calls["Far"].error_kind == "residency"
    assert BackendProfile.objects.get(name="Far").failures == 0


def test_a_backend_that_moves_is_left_within_a_generation(people: People, pair, near: Counted, far: Counted) -> None:
    near_profile, far_profile = pair
    allow(people, "eu")
    update_profile(actor=SETUP, profile_id=far_profile.pk, region="eu-fr")
    third = openai_profile("Third", near.fake.openai_url, default_model="fake-small")
    update_profile(actor=SETUP, profile_id=third.pk, region="eu")
    route("write", near_profile, far_profile, third)
    far.watch()
    near.fake.behave("fake-large", words=20, cut=8)

    def moves() -> None:
        update_profile(actor=SETUP, profile_id=far_profile.pk, region="us")

    events = written(spec(people), after_first=moves)
    ended = [event for event in events if isinstance(event, AttemptEnded)]
    assert [event.error_kind for event in ended][-1] == "residency"
    assert "Third" in ended[-1].next_label
    assert far.reached == 0


def test_the_portals_rule_binds_every_workspace_unless_it_is_only_a_default(
    people: People, pair, near: Counted, far: Counted
) -> None:
    alma = people.actor("alma")
    set_rule(actor=alma, workspace_id=None, regions=["eu"], backends=None)
    allow(people, "us", "eu")
    written(spec(people))
    assert far.reached == 0
    set_rule(actor=alma, workspace_id=None, regions=["eu"], backends=None, firm=False)
    written(spec(people))
    assert far.reached > 0
    far.watch()
    written(spec(people, "rival"))
    assert far.reached == 0
    assert ResidencyRule.objects.count() == 2


def test_a_list_of_backends_still_binds_when_the_last_one_is_removed(people: People, pair) -> None:
    other = pair[0]
    set_rule(actor=people.actor("eddie"), workspace_id=people.press.pk, regions=None, backends=[str(other.pk)])
    route("write", pair[1])
    route("embed", pair[1])
    disable_profile(actor=SETUP, profile_id=other.pk)
    delete_profile(actor=SETUP, profile_id=other.pk)
    with pytest.raises(ResidencyRefused, match="not among the backends that the workspace allows"):
        written(spec(people))


def test_files_go_to_a_storage_that_may_have_them_or_nowhere(people: People, settings) -> None:
    home, away = storage_profile("Home"), storage_profile("Away", root=str(settings.DATA_DIR / "away"))
    for profile, region in ((home, "local"), (away, "us")):
        update_profile(actor=SETUP, profile_id=profile.pk, region=region)

    def put(text: bytes) -> object:
        return filestore.put_file(
            actor=people.actor("wanda"), workspace=people.press, name="a.txt", stream=io.BytesIO(text)
        ).blob.profile.name

    assert put(b"before") == "Away"
    allow(people, "local")
    assert put(b"before") == "Home"  # the same bytes lie elsewhere, and are stored anew
    assert put(b"after") == "Home"
    disable_profile(actor=SETUP, profile_id=home.pk)
    with pytest.raises(ResidencyRefused, match="may not go to 'Away'"):
        put(b"never")
    set_rule(actor=people.actor("alma"), workspace_id=None, regions=["local"], backends=None)
    with pytest.raises(ResidencyRefused, match="What the portal keeps may not go to 'Away'"):
        parcels.keep(io.BytesIO(b"an export"))


def test_who_may_say_so_and_what_is_no_rule(people: People, pair) -> None:
    for name in ("wanda", "otto", "ada"):
        with pytest.raises((PermissionDenied, NotFound)):
            set_rule(actor=people.actor(name), workspace_id=people.press.pk, regions=["eu"], backends=None)
    for name in ("eddie", "otto"):
        with pytest.raises(PermissionDenied):
            set_rule(actor=people.actor(name), workspace_id=None, regions=["eu"], backends=None)
    with pytest.raises(NotFound):
        set_rule(actor=people.actor("eddie"), workspace_id=people.rival.pk, regions=["eu"], backends=None)
    for wrong, field in (
        ({"regions": None, "backends": None}, "regions"),
        ({"regions": [" "], "backends": None}, "regions"),
        ({"regions": ["Europe!"], "backends": None}, "regions"),
        ({"regions": None, "backends": ["x"]}, "backends"),
        ({"regions": None, "backends": [str(uuid.uuid4())]}, "backends"),
    ):
        with pytest.raises(InvalidInput) as caught:
            set_rule(actor=people.actor("alma"), workspace_id=people.press.pk, **wrong)
        assert caught.value.field == field
    with pytest.raises(InvalidInput):
        update_profile(actor=SETUP, profile_id=pair[0].pk, region="the moon")
    rule = set_rule(actor=people.actor("alma"), workspace_id=people.press.pk, regions=["EU ", "eu"], backends=None)
    assert rule.regions == ["eu"]
    drop_rule(actor=people.actor("eddie"), workspace_id=people.press.pk)
    with pytest.raises(NotFound):
        drop_rule(actor=people.actor("eddie"), workspace_id=people.press.pk)
