"""Whether a backend may get what a workspace has: asked before every call, and before the network.

The router leaves out what is not cleared, so that a chain goes on with the next backend; an attempt asks again in the moment
before it connects, because a rule may have changed since its chain was made.
"""

from __future__ import annotations

import re
import uuid
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from django.db.models import Q

from aiwriter.core.errors import ConsentMissing, InvalidInput, PermissionDenied, ResidencyRefused
from apps.backends.models import BackendProfile, ResidencyRule
from apps.users.models import ConsentText, Workspace
from apps.users.selectors import consents

# On machines of whoever runs the portal.
LOCAL = "local"
_REGION = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)*")
_REGION_LENGTH = 40


class Judged(Protocol):
    """What of a backend counts."""

    @property
    def id(self) -> uuid.UUID: ...
    @property
    def name(self) -> str: ...
    @property
    def region(self) -> str: ...


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a backend gets nothing of this workspace or person.

    Args:
        kind: for the record of attempts: "residency" or "consent".
        message: names workspace, backend and rule.
        remedy: what to do.
    """

    kind: str
    message: str
    remedy: str

    def error(self) -> PermissionDenied:
        """To raise."""
        return (ConsentMissing if self.kind == "consent" else ResidencyRefused)(self.message, remedy=self.remedy)


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """One rule that binds.

    Args:
        of: whose, for people: "the portal" or "the workspace".
        regions, backends: what is allowed; None for everything.
    """

    of: str
    regions: tuple[str, ...] | None
    backends: frozenset[str] | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Clearance:
    """What binds one workspace, and one person, now.

    Args:
        room: its name; "" for what is of no workspace.
        rules: of which each must allow a backend.
        withheld: the text about models outside that the person has not agreed to.
    """

    room: str
    rules: tuple[Rule, ...] = field(default=())
    withheld: ConsentText | None = None

    def refusal(self, profile: Judged) -> Refusal | None:
        """Why a backend is not asked; None when it may be."""
        for rule in self.rules:
            if rule.regions is not None and not allows(rule.regions, profile.region):
                works = (
                    f"it works in '{profile.region}'" if profile.region else "nobody has said in which region it works"
                )
                return self._refused(profile, f"{works}, and {rule.of} allows only {_listed(rule.regions)}")
            if rule.backends is not None and str(profile.id) not in rule.backends:
                return self._refused(profile, f"it is not among the backends that {rule.of} allows")
        if self.withheld is not None and profile.region != LOCAL:
            return Refusal(
                kind="consent",
                message=f"'{profile.name}' is a model outside, and the person for whom this is done has not agreed to "
                f"“{self.withheld.title}” (version {self.withheld.version}).",
                remedy="Agree under Your data, What you agree to; or have an operator set up a model on machines of "
                "your own (region local).",
            )
        return None

    def _refused(self, profile: Judged, why: str) -> Refusal:
        what = f"What is in the workspace '{self.room}'" if self.room else "What the portal keeps"
        return Refusal(
            kind="residency",
            message=f"{what} may not go to '{profile.name}': {why}.",
            remedy="Choose another backend, or change the rule: an editor under Settings, Where texts may go; "
            "an administrator in the console under Rules of residency.",
        )


def clearance_for(workspace_id: uuid.UUID | str | None, *, user_id: uuid.UUID | None = None) -> Clearance:
    """What binds a workspace now; with None what binds the portal's own files and calls.

    A workspace's rule narrows the portal's one, or replaces it where that one is not firm.

    Args:
        workspace_id: whose texts.
        user_id: for whom a model is asked; None where no model is, or no person is behind it.
    """
    withheld = consents.withheld(consents.OUTSIDE_MODELS, user_id) if user_id else None
    rules = {
        rule.workspace_id: rule
        for rule in ResidencyRule.objects.filter(Q(workspace=None) | Q(workspace=workspace_id)).order_by()
    }
    if not rules:
        return Clearance(room="", withheld=withheld)
    portal, own = rules.get(None), rules.get(uuid.UUID(str(workspace_id)) if workspace_id else None)
    room = Workspace.objects.filter(pk=workspace_id).values_list("name", flat=True).first() if workspace_id else ""
    binding = []
    if portal is not None and (portal.firm or own is None or own is portal):
        binding.append(_rule(portal, "the portal"))
    if own is not None and own is not portal:
        binding.append(_rule(own, "the workspace"))
    return Clearance(room=room or "", rules=tuple(binding), withheld=withheld)


def present_refusal(profile_id: uuid.UUID, workspace_id: uuid.UUID | None, user_id: uuid.UUID | None) -> Refusal | None:
    """Why a backend may not be asked, by the rules, the region and the person's word as they stand in this moment."""
    clearance = clearance_for(workspace_id, user_id=user_id)
    binds = clearance.rules or clearance.withheld
    profile = BackendProfile.objects.filter(pk=profile_id).first() if binds else None
    return clearance.refusal(profile) if profile is not None else None


def region_code(text: str, *, field: str = "region") -> str:
    """A region as it is stored: "eu", "eu-de", "us-east-1", "local", or "".

    Raises:
        InvalidInput: it is no code.
    """
    code = text.strip().lower()
    if code and (len(code) > _REGION_LENGTH or not _REGION.fullmatch(code)):
        raise InvalidInput(
            f"'{text.strip()[:60]}' is no region.",
            field=field,
            remedy="Use a code of small letters, digits and hyphens, such as eu, eu-de, us-east-1, "
            "or local for machines of your own.",
        )
    return code


def region_words(text: str) -> list[str] | None:
    """Regions as people type them into one field, "eu, local"; None where they typed none."""
    return text.replace(",", " ").split() or None


def allows(regions: Iterable[str], region: str) -> bool:
    """Whether a region is one of some, or lies in one: eu-de lies in eu."""
    return bool(region) and any(region == each or region.startswith(f"{each}-") for each in regions)


def _rule(row: ResidencyRule, of: str) -> Rule:
    return Rule(
        of=of,
        regions=None if row.regions is None else tuple(row.regions),
        backends=None if row.backends is None else frozenset(row.backends),
    )


def _listed(words: Sequence[str]) -> str:
    return f"the region{'s' if len(words) > 1 else ''} {', '.join(words)}"
