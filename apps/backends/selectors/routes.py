"""Reading routes: which backends answer a wish, in which order."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from django.db.models import Q, QuerySet

from aiwriter_sdk import ModelInfo
from apps.backends.models import Route, RouteStep
from apps.backends.selectors.clearance import Clearance, Refusal, clearance_for
from apps.backends.selectors.profiles import ProfileView, profile_view
from apps.users.selectors.access import Actor, require


@dataclass(frozen=True, slots=True, kw_only=True)
class RouteStepView:
    """One backend of a chain.

    Args:
        profile: which backend.
        model: id of the model; "" leaves it to the backend.
        options: temperature, max_output, seed.
    """

    position: int
    profile: ProfileView
    model: str
    options: Mapping[str, Any] = field(default_factory=dict)

    @property
    def info(self) -> ModelInfo | None:
        """What is known of the model."""
        return self.profile.model(self.model)

    @property
    def label(self) -> str:
        """For writers: which model, of which backend."""
        info = self.info
        model = (info.label if info else "") or self.model
        return f"{model} · {self.profile.name}" if model else self.profile.name


def needed_capability(purpose: str) -> str:
    """What a model must be able to do for a purpose."""
    return "embed" if purpose == Route.Purpose.EMBED else "generate"


@dataclass(frozen=True, slots=True, kw_only=True)
class JudgedRoute:
    """The enabled steps of a chain: those that may be asked, and those that may not.

    Args:
        steps: in the order in which they are asked.
        refused: with the reason.
    """

    steps: tuple[RouteStepView, ...] = ()
    refused: tuple[tuple[RouteStepView, Refusal], ...] = ()


def route_for(
    purpose: str, workspace_id: uuid.UUID | str | None, *, user_id: uuid.UUID | None = None
) -> tuple[RouteStepView, ...]:
    """The enabled steps of the chain for a purpose that the rules of residency let be asked.

    Args:
        purpose: "write", "edit", "small" or "embed".
        workspace_id: whose, its own chain where it has one; None for the default chain.
        user_id: for whom; their word about models outside counts.
    """
    return judged_route(purpose, workspace_id, clearance_for(workspace_id, user_id=user_id)).steps


def judged_route(purpose: str, workspace_id: uuid.UUID | str | None, clearance: Clearance) -> JudgedRoute:
    """As `route_for`, with what was left out and why.

    Args:
        purpose, workspace_id: as there.
        clearance: what binds.
    """
    routes = Route.objects.filter(purpose=purpose).filter(Q(workspace=None) | Q(workspace_id=workspace_id))
    chosen = max(routes, key=lambda route: route.workspace_id is not None, default=None)
    if chosen is None:
        return JudgedRoute()
    rows = RouteStep.objects.filter(route=chosen, profile__enabled=True, profile__kind="model")
    steps = [_view(step, purpose) for step in rows.select_related("profile").order_by("position")]
    judged = [(step, clearance.refusal(step.profile)) for step in steps]
    return JudgedRoute(
        steps=tuple(step for step, refusal in judged if refusal is None),
        refused=tuple((step, refusal) for step, refusal in judged if refusal is not None),
    )


def _view(step: RouteStep, purpose: str) -> RouteStepView:
    profile = profile_view(step.profile)
    return RouteStepView(
        position=step.position,
        profile=profile,
        model=step.model or default_model(profile, purpose),
        options=dict(step.options),
    )


def default_model(profile: ProfileView, purpose: str) -> str:
    """The model of a step that names none: the profile's own default if it suits, else the first that does."""
    suitable = [info.id for info in profile.models if needed_capability(purpose) in info.capabilities]
    preferred = str(profile.options.get("default_model") or "")
    if preferred in suitable or not suitable:
        return preferred
    return suitable[0]


@dataclass(frozen=True, slots=True, kw_only=True)
class OfferedModel:
    """A model of a workspace's chain.

    Args:
        refusal: why it is not asked here; None when it is.
    """

    purpose: str
    position: int
    step: RouteStepView
    refusal: Refusal | None = None

    @property
    def healthy(self) -> bool:
        """Whether calls pass now."""
        return self.refusal is None and not self.step.profile.cooling


def models_for(actor: Actor, workspace_id: uuid.UUID) -> list[OfferedModel]:
    """The models behind every purpose in a workspace, in the order in which they are asked."""
    require(actor, "content.read", workspace=workspace_id)
    offered = []
    clearance = clearance_for(workspace_id, user_id=actor.user_id)
    for purpose in Route.Purpose.values:
        judged = judged_route(purpose, workspace_id, clearance)
        all_steps = [*((step, None) for step in judged.steps), *judged.refused]
        for step, refusal in sorted(all_steps, key=lambda each: each[0].position):
            offered.append(OfferedModel(purpose=purpose, position=step.position, step=step, refusal=refusal))
    return offered


def visible_routes(actor: Actor) -> QuerySet[Route]:
    """All chains, for those who may see backends."""
    require(actor, "backends.read")
    return Route.objects.prefetch_related("steps__profile").select_related("workspace")
