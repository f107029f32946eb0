"""Taking documents to publish targets: the one door through which the portal calls one."""

from __future__ import annotations

import uuid
from dataclasses import dataclass

from django.db.models import QuerySet

from aiwriter.core.errors import NotFound
from aiwriter.pluginhost import calls
from aiwriter_sdk import BackendError, Publishable, Published
from apps.backends.models import BackendProfile
from apps.backends.services import instances
from apps.backends.services.clearing import require_cleared

PUBLISH_SECONDS = 90.0
UNPUBLISH_SECONDS = 30.0


@dataclass(frozen=True, slots=True)
class Target:
    """A place that documents can go to, as writers know it: a name, no settings."""

    id: uuid.UUID
    name: str
    plugin: str
    capabilities: frozenset[str]


def enabled_targets() -> QuerySet[BackendProfile]:
    """The places that an operator has set up and enabled, by name."""
    return BackendProfile.objects.enabled().of_kind("publish").order_by("name")


def targets() -> list[Target]:
    """The same as writers see them; a place whose plugin is gone is left out."""
    found = []
    for profile in enabled_targets():
        try:
            descriptor = instances.descriptor_of(profile)
        except BackendError:
            continue
        found.append(Target(profile.pk, profile.name, descriptor.label, descriptor.capabilities))
    return found


def get_target(target_id: uuid.UUID | str) -> BackendProfile:
    """A place that is enabled.

    Raises:
        NotFound: there is none of that id.
    """
    try:
        key = uuid.UUID(str(target_id))
    except ValueError:
        key = None
    found = enabled_targets().filter(pk=key).first() if key else None
    if found is None:
        raise NotFound(
            "There is no such place to publish to.",
            field="target",
            remedy="Choose one of the list; an operator adds places in the console under Backends.",
        )
    return found


def publish(profile: BackendProfile, item: Publishable, *, workspace_id: uuid.UUID, remote_id: str) -> Published:
    """Take a document there. Blocks, at most `PUBLISH_SECONDS`.

    Args:
        profile: of kind "publish".
        item: the document.
        workspace_id: whose document.
        remote_id: what the place called it the last time; "" for the first time.

    Raises:
        BackendError: a subclass, as the target or its guard raised it.
        ResidencyRefused: the rules of the workspace do not let it go there; nothing was sent.
    """
    require_cleared(profile, workspace_id=workspace_id)
    backend = instances.fresh(profile)
    done: Published = instances.run_alone(lambda: _call(backend, "publish", item, remote_id or None))
    return done


def unpublish(profile: BackendProfile, remote_id: str) -> None:
    """Take a document down there. Blocks, at most `UNPUBLISH_SECONDS`.

    Raises:
        BackendError: as for `publish`.
    """
    backend = instances.fresh(profile)
    instances.run_alone(lambda: _call(backend, "unpublish", remote_id))


async def _call(backend: calls.BuiltBackend, method: str, *arguments: object) -> Published:
    seconds = PUBLISH_SECONDS if method == "publish" else UNPUBLISH_SECONDS
    try:
        done: Published = await calls.call(backend, method, *arguments, timeout=seconds)
        return done
    finally:
        await calls.call(backend, "close", timeout=2.0)
