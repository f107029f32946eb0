"""The set of all flags as each process keeps it, and what it answers to whom.

The hot path asks the database nothing: once in two seconds a process reads one number, and all flags only when it grew. So a
change, the kill switch among them, is everywhere within some two seconds. What is answered is a pure function of the set and
of who asks, so the same person gets the same answer in every process.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from django.core.exceptions import SynchronousOnlyOperation
from django.db import DatabaseError

from aiwriter.core.buckets import bucket_of
from apps.deployments.models import Experiment, Flag, FlagRollout, FlagStamp
from apps.users.models import Membership, RoleGrant

LOOK_SECONDS = 2.0
# Who has to wait for another one's question waits at most so long, and then takes what is known.
_PATIENCE = 5.0
# Roles are asked for only where a rule names one, and then once in so long for each person and workspace.
ROLE_SECONDS = 30.0
_MOST_ROLES = 10_000

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Who:
    """Who asks. All may be empty: then nothing but the default is left."""

    user_id: str = ""
    workspace_id: str = ""
    email: str = ""
    role: str = ""


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule; see `FlagRule`."""

    workspace_id: str
    user_id: str
    role: str
    email_domain: str
    percent: int
    variant: str


@dataclass(frozen=True, slots=True)
class Trial:
    """An open experiment of a flag."""

    id: str
    control: str
    treatment: str
    share: int
    split: int


@dataclass(frozen=True, slots=True)
class Known:
    """A flag with all that decides."""

    key: str
    variants: Mapping[str, Any]
    default: str
    off: str
    killed: bool
    rules: tuple[Rule, ...] = ()
    trial: Trial | None = None
    rollout: tuple[str, int] | None = None


@dataclass(frozen=True, slots=True)
class Answer:
    """What somebody gets, why, and which experiment it is for.

    `reason` is one of OpenFeature's: DISABLED, TARGETING_MATCH, SPLIT or DEFAULT.
    """

    variant: str
    value: Any
    reason: str
    experiment_id: str = ""


@dataclass(frozen=True, slots=True)
class _Kept:
    stamp: int
    flags: Mapping[str, Known]


_NOTHING = _Kept(-1, {})
_kept, _asked_at = _NOTHING, 0.0
_asking = threading.Lock()
_roles: dict[tuple[str, str], tuple[float, frozenset[str]]] = {}


def present() -> Mapping[str, Known]:
    """The flags by key, at most `LOOK_SECONDS` and one question old.

    While one thread asks, the others go on with what is known, but not with what has not been looked at for longer: in a
    process that nobody asked for an hour, the second who asks waits for the answer of the first.
    """
    global _asked_at, _kept
    age = time.monotonic() - _asked_at
    if age > LOOK_SECONDS and _asking.acquire(timeout=_PATIENCE if age > 2 * LOOK_SECONDS else 0):
        begun = time.monotonic()
        try:
            if begun - _asked_at > LOOK_SECONDS:
                _kept = _fresh(_kept)
                _asked_at = begun
        except (DatabaseError, SynchronousOnlyOperation):
            # What was known stays: a flag must not be why a request fails. An event loop asks nothing; others ask for it.
            log.warning("The flags could not be read; those of before stay", exc_info=True)
            _asked_at = begun
        finally:
            _asking.release()
    return _kept.flags


def forget() -> None:
    """Ask the database at the next question."""
    global _asked_at, _kept
    _kept, _asked_at = _NOTHING, 0.0
    _roles.clear()


def _fresh(before: _Kept) -> _Kept:
    stamp = FlagStamp.objects.values_list("number", flat=True).first() or 0
    return before if stamp == before.stamp else _Kept(stamp, _read())


def _read() -> dict[str, Known]:
    trials = {
        row.flag_id: Trial(str(row.pk), row.control, row.treatment, row.share, row.split)
        for row in Experiment.objects.filter(state__in=Experiment.OPEN)
    }
    rollouts = {
        row.flag_id: (row.variant, row.percent) for row in FlagRollout.objects.filter(state__in=FlagRollout.OPEN)
    }
    return {
        row.key: Known(
            key=row.key,
            variants=row.variants,
            default=row.default_variant,
            off=row.off_variant,
            killed=row.killed_at is not None,
            rules=tuple(
                Rule(
                    str(rule.workspace_id or ""),
                    str(rule.person_id or ""),
                    rule.role,
                    rule.email_domain,
                    rule.percent,
                    rule.variant,
                )
                for rule in row.rules.all()
            ),
            trial=trials.get(row.pk),
            rollout=rollouts.get(row.pk),
        )
        for row in Flag.objects.prefetch_related("rules")
    }


def decide(flag: Known, who: Who, roles: Callable[[Who], frozenset[str]]) -> Answer:
    """What somebody gets: the kill switch, then the first rule that holds, then an experiment, a roll-out, the default.

    Args:
        flag: which.
        who: the asker.
        roles: the roles of that person there; asked only where a rule names one.
    """

    def answer(variant: str, reason: str, experiment_id: str = "") -> Answer:
        return Answer(variant, flag.variants[variant], reason, experiment_id)

    if flag.killed:
        return answer(flag.off, "DISABLED")
    for rule in flag.rules:
        if _holds(rule, who, roles):
            return answer(rule.variant, "TARGETING_MATCH")
    if flag.trial and who.user_id and (arm := arm_of(flag.trial, who.user_id)):
        return answer(arm, "SPLIT", flag.trial.id)
    if flag.rollout and within(flag.rollout[1], who):
        return answer(flag.rollout[0], "SPLIT")
    return answer(flag.default, "DEFAULT")


def within(percent: int, who: Who) -> bool:
    """Whether somebody is among so many per cent: by the bucket that the proxy knows people by; without one, by workspace."""
    subject = who.user_id or who.workspace_id
    return percent >= 100 or (bool(subject) and bucket_of(subject) < percent)


def arm_of(trial: Trial, user_id: str) -> str:
    """The arm of a person, "" for none. By numbers of its own: who is first in roll-outs must not be the treated too."""
    if bucket_of(user_id, salt=f"share:{trial.id}") >= trial.share:
        return ""
    return trial.treatment if bucket_of(user_id, salt=f"arm:{trial.id}") < trial.split else trial.control


def _holds(rule: Rule, who: Who, roles: Callable[[Who], frozenset[str]]) -> bool:
    if rule.workspace_id and rule.workspace_id != who.workspace_id:
        return False
    if rule.user_id and rule.user_id != who.user_id:
        return False
    if rule.email_domain and who.email.rpartition("@")[2].lower() != rule.email_domain:
        return False
    if rule.role and rule.role not in (roles(who) if not who.role else {who.role}):
        return False
    return within(rule.percent, who)


def roles_of(who: Who) -> frozenset[str]:
    """The roles of a person in the portal and in the workspace; in any, where none is named."""
    if not who.user_id:
        return frozenset()
    key, now = (who.user_id, who.workspace_id), time.monotonic()
    until, found = _roles.get(key, (0.0, frozenset()))
    if until < now:
        here = {"workspace_id": who.workspace_id} if who.workspace_id else {}
        rooms = Membership.objects.live().filter(user_id=who.user_id, **here).values_list("role", flat=True)
        portal = RoleGrant.objects.live().filter(user_id=who.user_id).values_list("role", flat=True)
        found = frozenset([*rooms, *portal])
        if len(_roles) >= _MOST_ROLES:
            _roles.clear()
        _roles[key] = (now + ROLE_SECONDS, found)
    return found
