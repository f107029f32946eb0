"""The checklist as it stands in `deploy/checklists/gates.yaml`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import yaml
from django.conf import settings

from apps.deployments.models import Deployment, Environment, GateResult, Strategy

PHASES = tuple(GateResult.Phase.values)


@dataclass(frozen=True, slots=True)
class Gate:
    """An item of the checklist.

    Args:
        check: name of what finds the evidence; "" where a person signs.
        required: kinds of environments where it must hold.
        rollback: it must hold for the way back too.
        here: the check asks this portal, so it knows only of the environment that the portal runs in.
        numbers: for the check.
    """

    id: str
    title: str
    phase: str
    check: str = ""
    required: tuple[str, ...] = ()
    rollback: bool = False
    here: bool = False
    waivable: bool = True
    numbers: Mapping[str, float] = field(default_factory=dict)
    remedy: str = ""

    def must_hold(self, deployment: Deployment) -> bool:
        """Whether this deployment may not begin without it."""
        environment = deployment.environment
        asked = self.is_automatic(deployment) or not self.here or environment.kind == Environment.Kind.PRODUCTION
        return environment.kind in self.required and asked

    def is_automatic(self, deployment: Deployment) -> bool:
        """Whether the evidence is found without a person: elsewhere than here somebody who knows has to sign."""
        return bool(self.check) and (not self.here or deployment.environment.own)


@cache
def gates() -> Mapping[str, Gate]:
    """All items, in the order of the file.

    Raises:
        ValueError: the file cannot be used; says why.
    """
    path = Path(settings.BASE_DIR) / "deploy" / "checklists" / "gates.yaml"
    found: dict[str, Gate] = {}
    for values in yaml.safe_load(path.read_text(encoding="utf-8"))["gates"]:
        gate = _read(values)
        if gate.phase not in PHASES or gate.id in found:
            raise ValueError(f"{path}: {gate.id} stands twice, or its phase is none of {', '.join(PHASES)}")
        found[gate.id] = gate
    return found


def _read(values: dict[str, Any]) -> Gate:
    return Gate(
        id=values["id"],
        title=values["title"],
        phase=values["phase"],
        check=values.get("check", ""),
        required=tuple(values.get("required", ())),
        rollback=bool(values.get("rollback", False)),
        here=bool(values.get("here", False)),
        waivable=bool(values.get("waivable", True)),
        numbers=values.get("with", {}),
        remedy=values.get("remedy", ""),
    )


def gates_of(deployment: Deployment, phase: str = "") -> list[Gate]:
    """What is asked of a deployment: of a way back only what it needs."""
    back = deployment.strategy == Strategy.ROLLBACK
    return [gate for gate in gates().values() if (not phase or gate.phase == phase) and (gate.rollback or not back)]
