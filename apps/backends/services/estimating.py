"""What a call is likely to use and to cost, before it is made."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from decimal import Decimal

from aiwriter_sdk import Pricing, Usage
from apps.backends.selectors.profiles import price_overrides
from apps.backends.selectors.routes import RouteStepView, route_for
from apps.backends.services.counting import cost_of, pricing_of


@dataclass(frozen=True, slots=True)
class Span:
    """From the least to the most that is expected, tokens."""

    low: int
    high: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelEstimate:
    """What one backend of the chain would cost.

    Args:
        position: 1 is asked first, the others when it fails.
        label: for writers.
        healthy: whether calls pass now.
        context_window: tokens; None when it is not known.
        cost_low, cost_high: None when the price is not known; never 0 for that.
    """

    position: int
    label: str
    model: str
    profile: str
    healthy: bool
    context_window: int | None
    cost_low: Decimal | None
    cost_high: Decimal | None
    currency: str

    @property
    def priced(self) -> bool:
        """Whether the price is known."""
        return self.cost_high is not None


def estimate_models(
    *, purpose: str, workspace_id: uuid.UUID, user_id: uuid.UUID | None, input_tokens: Span, output_tokens: Span
) -> list[ModelEstimate]:
    """The chain of a purpose with the likely cost at each of its backends, in the order in which they are asked.

    Args:
        purpose: of the route.
        workspace_id, user_id: whose texts, and for whom; backends that may not get them are left out.
        input_tokens, output_tokens: what is expected.
    """
    steps = route_for(purpose, workspace_id, user_id=user_id)
    overrides = price_overrides([step.profile.id for step in steps])
    found = []
    for step in steps:
        info = step.info
        chosen = overrides.get((step.profile.id, step.model)) or overrides.get((step.profile.id, "*"))
        pricing = pricing_of(chosen, info.pricing if info else None)
        low, high = (
            _cost(pricing, input_tokens.low, _capped(step, output_tokens.low)),
            _cost(pricing, input_tokens.high, _capped(step, output_tokens.high)),
        )
        found.append(
            ModelEstimate(
                position=step.position,
                label=step.label,
                model=step.model,
                profile=step.profile.name,
                healthy=not step.profile.cooling,
                context_window=info.context_window if info else None,
                cost_low=low,
                cost_high=high,
                currency=pricing.currency if pricing else "",
            )
        )
    return found


def _capped(step: RouteStepView, tokens: int) -> int:
    limits = [step.options.get("max_output"), step.info.max_output if step.info else None]
    return min([tokens, *[limit for limit in limits if limit]])


def _cost(pricing: Pricing | None, input_tokens: int, output_tokens: int) -> Decimal | None:
    return cost_of(Usage(input_tokens=input_tokens, output_tokens=output_tokens), pricing)
