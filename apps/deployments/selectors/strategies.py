"""Which ways to a new version an environment offers, and why not the others."""

from __future__ import annotations

from dataclasses import dataclass

from apps.deployments.models import Environment, Strategy, Target

# To a new version: the way back and a contract are asked for in other places.
FORWARD = (Strategy.BLUE_GREEN, Strategy.CANARY, Strategy.ROLLING, Strategy.RECREATE)
FORWARD_CHOICES = [(str(each), each.label) for each in FORWARD]


@dataclass(frozen=True, slots=True)
class Offer:
    """A strategy.

    Args:
        strategy: one of `Strategy`.
        missing: why it cannot be used; "" when it can.
    """

    strategy: str
    missing: str

    @property
    def label(self) -> str:
        """For people."""
        return str(Strategy(self.strategy).label)


def offers(environment: Environment) -> list[Offer]:
    """The strategies to a new version, by what the agent saw; without an agent's word none is refused here."""
    return [Offer(each, missing_for(environment, each)) for each in FORWARD]


def missing_for(environment: Environment, strategy: str) -> str:
    """Why a strategy cannot be used; "" when it can."""
    target: Target | None = getattr(environment, "target", None)
    if environment.delegate:
        fits = strategy in (Strategy.BLUE_GREEN, Strategy.CANARY, Strategy.ROLLBACK)
        return "" if fits else f"{environment.get_delegate_display()} acts there, and does blue/green and canaries."
    if target is None or not target.slots:
        return ""
    slots = target.observed.get("slots", {})
    serving = [name for name, slot in slots.items() if slot.get("percent")]
    if strategy in (Strategy.BLUE_GREEN, Strategy.CANARY) and target.slots < 2:
        return "There is one slot: the new version has no place beside the old one."
    if strategy in (Strategy.BLUE_GREEN, Strategy.CANARY) and len(serving) == target.slots:
        return "All slots serve: none is free for the new version."
    if strategy == Strategy.CANARY and not target.by_people:
        return f"The proxy ({target.traffic}) cannot tell people apart."
    if strategy == Strategy.ROLLING and len(serving) < 2:
        return "Fewer than two slots serve."
    if strategy == Strategy.RECREATE and len(serving) > 1:
        return "Several slots serve, and recreate is for one."
    return ""
