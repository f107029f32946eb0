"""Setting routes and prices."""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

from django.core.exceptions import ValidationError
from django.db import transaction

from aiwriter.core.errors import Conflict, InvalidInput, NotFound
from apps.backends.models import BackendProfile, PriceOverride, Route, RouteStep
from apps.backends.selectors.profiles import get_profile
from apps.backends.selectors.routes import needed_capability
from apps.users.models import Workspace
from apps.users.selectors.access import Actor, require
from apps.users.services.audit import record

STEP_OPTIONS = {"temperature": (0.0, 2.0), "max_output": (1, 1_000_000), "seed": (0, 2**31 - 1)}
MOST_STEPS = 10


def set_route(
    *, actor: Actor, purpose: str, steps: Sequence[Mapping[str, Any]], workspace_id: uuid.UUID | str | None = None
) -> Route:
    """Say which backends answer a purpose, in which order.

    Args:
        actor: needs "backends.manage".
        purpose: "write", "edit", "small" or "embed".
        steps: first one first; each has `profile` (id) and may have `model` and `options` (temperature, max_output,
            seed).
        workspace_id: the chain of one workspace; the default chain when left out.

    Raises:
        InvalidInput: no step, an unknown purpose, or a step that cannot work.
        NotFound: there is no such profile or workspace.
    """
    require(actor, "backends.manage")
    if purpose not in Route.Purpose.values:
        raise InvalidInput(
            f"There is no purpose '{purpose}'.",
            field="purpose",
            remedy=f"Use one of {', '.join(Route.Purpose.values)}.",
        )
    if not 0 < len(steps) <= MOST_STEPS:
        raise InvalidInput(f"A route has 1 to {MOST_STEPS} steps.", field="steps")
    checked = [_step(actor, purpose, position, step) for position, step in enumerate(steps, start=1)]
    workspace = _workspace(workspace_id)
    with transaction.atomic():
        route, _ = Route.objects.select_for_update().get_or_create(purpose=purpose, workspace=workspace)
        before = _shown(route)
        route.steps.all().delete()
        for step in checked:
            step.route = route
        RouteStep.objects.bulk_create(checked)
        record(actor, "route.changed", obj=route, before={"steps": before}, after={"steps": _shown(route)})
    return route


def delete_route(*, actor: Actor, route_id: uuid.UUID | str) -> None:
    """Remove a workspace's own chain; the default chain then counts there.

    Raises:
        Conflict: it is a default chain.
        NotFound: there is none of this id.
    """
    require(actor, "backends.manage")
    try:
        route = Route.objects.get(pk=route_id)
    except (Route.DoesNotExist, ValidationError, ValueError):
        raise NotFound("There is no such route.") from None
    if route.workspace_id is None:
        raise Conflict("A default route cannot be removed.", remedy="Change its steps instead.")
    with transaction.atomic():
        record(actor, "route.deleted", obj=route, before={"steps": _shown(route)})
        route.delete()


def _step(actor: Actor, purpose: str, position: int, given: Mapping[str, Any]) -> RouteStep:
    where = f"steps.{position - 1}"
    profile = get_profile(actor, given.get("profile") or "")
    if profile.kind != BackendProfile.Kind.MODEL:
        raise InvalidInput(f"'{profile.name}' is a file storage.", field=f"{where}.profile", remedy="Choose a model.")
    if not profile.enabled:
        raise InvalidInput(
            f"'{profile.name}' is not enabled.", field=f"{where}.profile", remedy="Test and enable it first."
        )
    model = str(given.get("model") or "").strip()
    needed = needed_capability(purpose)
    if model:
        info = next((m for m in profile.models if m.id == model), None)
        # A model that the list does not name may exist all the same: not every server lists what it has.
        if info is not None and needed not in info.capabilities:
            raise InvalidInput(
                f"The model {model} cannot {needed}.", field=f"{where}.model", remedy="Choose another model."
            )
    elif profile.models and not any(needed in m.capabilities for m in profile.models):
        raise InvalidInput(
            f"No model of '{profile.name}' can {needed}.", field=f"{where}.profile", remedy="Choose another profile."
        )
    return RouteStep(
        position=position, profile=profile, model=model[:120], options=_options(given.get("options") or {}, where)
    )


def _options(given: Mapping[str, Any], where: str) -> dict[str, float | int]:
    options: dict[str, float | int] = {}
    for name, value in given.items():
        if value in (None, ""):
            continue
        if name not in STEP_OPTIONS:
            known = ", ".join(STEP_OPTIONS)
            raise InvalidInput(f"A step has no option '{name}'.", field=f"{where}.options", remedy=f"Known: {known}.")
        least, most = STEP_OPTIONS[name]
        kind = type(least)
        try:
            number = kind(value)
        except (TypeError, ValueError):
            number = None
        if number is None or not least <= number <= most:
            raise InvalidInput(
                f"{name} is '{value}'.", field=f"{where}.options.{name}", remedy=f"Use {least} to {most}."
            )
        options[name] = number
    return options


def _workspace(workspace_id: uuid.UUID | str | None) -> Workspace | None:
    if workspace_id in (None, ""):
        return None
    try:
        return Workspace.objects.get(pk=workspace_id)
    except (Workspace.DoesNotExist, ValidationError, ValueError):
        raise NotFound("There is no such workspace.", field="workspace") from None


def _shown(route: Route) -> list[str]:
    steps = route.steps.select_related("profile").order_by("position")
    return [f"{step.profile.name} {step.model}".strip() for step in steps]


def set_price(
    *,
    actor: Actor,
    profile_id: uuid.UUID | str,
    model: str,
    input_price: Decimal | None,
    output_price: Decimal | None,
    cached_input_price: Decimal | None = None,
    currency: str = "USD",
) -> PriceOverride | None:
    """State a price in place of the plugin's, or take it back. It counts for calls that end from now on.

    Args:
        actor: needs "backends.manage".
        profile_id: whose model.
        model: its id, or "*" for all models of the profile.
        input_price, output_price: per million tokens; both None takes the price back.
        cached_input_price: of input read from a cache; the price of input when left out.
        currency: three letters.

    Raises:
        InvalidInput: one price without the other, or a negative one.
    """
    require(actor, "backends.manage")
    profile = get_profile(actor, profile_id)
    with transaction.atomic():
        if input_price is None and output_price is None:
            PriceOverride.objects.filter(profile=profile, model=model).delete()
            record(actor, "price.set", obj=profile, after={"model": model, "input": None, "output": None})
            return None
        if input_price is None or output_price is None:
            raise InvalidInput("Only one of the two prices is given.", field="output_price", remedy="Enter both.")
        if min(input_price, output_price, cached_input_price or Decimal(0)) < 0:
            raise InvalidInput("A price is negative.", field="input_price", remedy="Enter 0 for a free model.")
        price, _ = PriceOverride.objects.update_or_create(
            profile=profile,
            model=model,
            defaults={
                "input_price": input_price,
                "output_price": output_price,
                "cached_input_price": cached_input_price,
                "currency": currency.upper(),
            },
        )
        after = {"model": model, "input": input_price, "output": output_price, "currency": price.currency}
        record(actor, "price.set", obj=profile, after=after)
    return price
