"""Calling a model for a program of the writer's own: the workspace's routes, budgets and audit, no document.

The call runs in a lane of its own and not on the web server's event loop; a plugin that blocks holds up no stream.
"""

from __future__ import annotations

import uuid
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any

from aiwriter.core import flags
from aiwriter.core.errors import InvalidInput, NotFound, Unavailable
from aiwriter.core.ids import uuid7
from aiwriter.core.lanes import Lane
from aiwriter.core.threads import in_thread, to_the_end
from aiwriter_sdk import EmbedResult, GenerateRequest
from apps.backends.models import Route
from apps.backends.selectors.clearance import Clearance, clearance_for
from apps.backends.selectors.routes import JudgedRoute, RouteStepView, judged_route
from apps.backends.services.clearing import refuse
from apps.backends.services.models import AttemptStarted, Completed, Delta, ModelCallSpec, ModelEvent, embed, open_model
from apps.users.models import Workspace
from apps.users.selectors.access import Actor, current_workspace, require
from apps.users.services.audit import record

MAX_INPUTS = 2_048
_lane = Lane("model-calls")


@dataclass(frozen=True, slots=True, kw_only=True)
class Permit:
    """An actor who may call this model of this workspace.

    Args:
        purpose: of the route: "write", "edit", "small" or "embed".
    """

    actor: Actor
    workspace: Workspace
    purpose: str
    id: uuid.UUID


@dataclass(frozen=True, slots=True, kw_only=True)
class Offer:
    """A model that may be called. `id` is the purpose of its route; `step` is the backend that is asked first."""

    id: str
    step: RouteStepView


def offered(*, actor: Actor, workspace: str = "") -> list[Offer]:
    """What may be called: one model for every route of the workspace that leaves the person a backend.

    Args:
        actor: needs "models.use".
        workspace: id or slug; the token's own, or the person's first, when left out.
    """
    place = _place(actor, workspace)
    return _offers(place, clearance_for(place.pk, user_id=actor.user_id))


def _offers(place: Workspace, clearance: Clearance) -> list[Offer]:
    judged = ((name, judged_route(name, place.pk, clearance).steps) for name in Route.Purpose.values)
    return [Offer(id=name, step=steps[0]) for name, steps in judged if steps]


def admit(*, actor: Actor, model: str, embeds: bool = False, workspace: str = "") -> Permit:
    """Check that an actor may call a model.

    Args:
        actor: needs "models.use" in the workspace.
        model: a purpose: "write", "edit", "small", or "embed" for vectors.
        embeds: vectors are wanted, not text.
        workspace: id or slug.

    Raises:
        PermissionDenied, NotFound: no; or there is no such model.
        ResidencyRefused, ConsentMissing: the rules of the workspace, or what the person agreed to, leave no backend.
        InvalidInput: the model writes where vectors are wanted, or the other way about.
        Unavailable: the operators have switched the endpoint off.
    """
    place = _place(actor, workspace)
    if not flags.is_on(flags.MODEL_ENDPOINT, actor.user, place.pk):
        remedy = "Ask the operators until when; the portal itself goes on writing."
        raise Unavailable("The operators have switched this endpoint off.", remedy=remedy)
    clearance = clearance_for(place.pk, user_id=actor.user_id)
    judged = judged_route(model, place.pk, clearance) if model in Route.Purpose.values else JudgedRoute()
    if judged.refused and not judged.steps:
        step, refusal = judged.refused[0]
        refuse(refusal, backend=step.profile.id, workspace_id=place.pk, user_id=actor.user_id)
    if not judged.steps:
        have = [offer.id for offer in _offers(place, clearance)]
        remedy = f"Use one of: {', '.join(have)}." if have else "None is set up; tell the operator."
        raise NotFound(f"There is no model '{model[:60]}'.", field="model", remedy=remedy)
    if embeds != (model == Route.Purpose.EMBED):
        what = "makes vectors" if model == Route.Purpose.EMBED else "writes text"
        raise InvalidInput(f"The model '{model}' {what}.", field="model", remedy="GET /v1/models tells what each does.")
    return Permit(actor=actor, workspace=place, purpose=model, id=uuid7())


async def complete(permit: Permit, request: GenerateRequest) -> AsyncGenerator[list[ModelEvent], None]:
    """Have text written; use it inside `contextlib.aclosing`. Closing it stops the provider and bills what came.

    Args:
        permit: from `admit`.
        request: the conversation.

    Raises:
        BudgetExceeded, Unavailable, InvalidInput: as `open_model`.
    """
    spec = ModelCallSpec(
        purpose=permit.purpose,
        workspace_id=permit.workspace.pk,
        user_id=permit.actor.user_id,
        token_id=permit.actor.token_id,
        subject=f"completion:{permit.id}",
        request=request,
    )
    told: dict[str, Any] = {"purpose": permit.purpose, "model": "", "characters": 0, "end": "stopped"}
    try:
        async with aclosing(_lane.stream(lambda: open_model(spec))) as batches:
            async for batch in batches:
                for event in batch:
                    _note(told, event)
                yield batch
    except Exception:
        told["end"] = "failed"
        raise
    finally:
        await to_the_end(in_thread(_audit, permit, told))


async def vectors(permit: Permit, texts: Sequence[str]) -> tuple[EmbedResult, str]:
    """Embed texts.

    Returns:
        the vectors, and the name of the model that made them.
    """
    told: dict[str, Any] = {"purpose": permit.purpose, "texts": len(texts), "end": "failed"}

    async def work() -> EmbedResult:
        return await embed(
            workspace_id=permit.workspace.pk,
            user_id=permit.actor.user_id,
            token_id=permit.actor.token_id,
            texts=texts,
        )

    try:
        result = await _lane.run(work)
        told["end"] = "stop"
        return result, permit.purpose
    finally:
        await to_the_end(in_thread(_audit, permit, told))


def _note(told: dict[str, Any], event: ModelEvent) -> None:
    if isinstance(event, Delta):
        told["characters"] += len(event.text)
    elif isinstance(event, AttemptStarted):
        told["model"] = event.label
    elif isinstance(event, Completed):
        told |= {
            "end": event.finish_reason,
            "input_tokens": event.input_tokens,
            "output_tokens": event.output_tokens,
        }


def _audit(permit: Permit, told: dict[str, Any]) -> None:
    outcome = "failed" if told["end"] == "failed" else "allowed"
    record(permit.actor, "model.called", workspace=permit.workspace, outcome=outcome, after=told)


def _place(actor: Actor, workspace: str) -> Workspace:
    # Whether at all, before which workspace: who is in none learns that the token may not.
    require(actor, "models.use")
    place = current_workspace(actor, workspace or (str(actor.token.workspace_id or "") if actor.token else ""))
    require(actor, "models.use", workspace=place)
    return place
