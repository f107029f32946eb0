"""Flags that this code reads. Whoever needs one asks here, and this asks the OpenFeature API.

Who answers is a setting (`AIWRITER_FLAG_PROVIDER`): the portal's own provider, or one for Unleash, flagd or GrowthBook. When
nobody answers, or with an error, the answer is what the code did before there was a flag.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from openfeature import api
from openfeature.evaluation_context import EvaluationContext


class Person(Protocol):
    """A user, as far as flags ask."""

    pk: uuid.UUID
    email: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Declared:
    """A flag that the code reads.

    Args:
        key: its name.
        title: what it decides.
        kind: "release", "ops", "experiment" or "permission".
        variants: names of the answers and what the code gets.
        default: the variant that is what the code did before.
        off: the variant while the kill switch is on.
        measured: it is noted with every text that is written, so roll-outs of it are guarded and experiments possible.
    """

    key: str
    title: str
    kind: str
    variants: Mapping[str, Any]
    default: str
    off: str
    measured: bool = False


PROMPT = Declared(
    key="generation-prompt",
    title="Which rules the model gets with every wish for text",
    kind="ops",
    variants={"standard": "standard", "exact": "exact"},
    default="standard",
    off="standard",
    measured=True,
)
MODEL_ENDPOINT = Declared(
    key="model-endpoint",
    title="Whether programs may call models through the OpenAI-compatible endpoint",
    kind="ops",
    variants={"on": True, "off": False},
    default="on",
    off="off",
)
DECLARED: Mapping[str, Declared] = {each.key: each for each in (PROMPT, MODEL_ENDPOINT)}


def asker(user: Person | None, workspace_id: uuid.UUID | str | None = None) -> EvaluationContext:
    """Who asks, as OpenFeature has it.

    Args:
        user: the person; None for nobody, who is then told apart by workspace.
        workspace_id: where.
    """
    attributes = {"email": user.email if user else "", "workspace": str(workspace_id) if workspace_id else ""}
    return EvaluationContext(targeting_key=str(user.pk) if user else None, attributes=attributes)


def is_on(flag: Declared, user: Person | None, workspace_id: uuid.UUID | str | None = None) -> bool:
    """The answer of a flag that is on or off."""
    default = bool(flag.variants[flag.default])
    return api.get_client().get_boolean_value(flag.key, default, asker(user, workspace_id))


def choice(flag: Declared, user: Person | None, workspace_id: uuid.UUID | str | None = None) -> str:
    """The answer of a flag that is a word; one that the code does not know is the default."""
    default = str(flag.variants[flag.default])
    found = api.get_client().get_string_value(flag.key, default, asker(user, workspace_id))
    return found if found in flag.variants.values() else default


def measured(user: Person | None, workspace_id: uuid.UUID | str | None = None) -> dict[str, str]:
    """What each measured flag answers, to be kept with a text that is asked for: by key."""
    return {flag.key: choice(flag, user, workspace_id) for flag in DECLARED.values() if flag.measured}
