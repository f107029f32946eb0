"""Setting up flags: what they answer to whom, and the kill switch."""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from typing import Any

from django.db import IntegrityError, transaction
from django.db.models import F
from django.utils import timezone

from aiwriter.core.errors import Conflict, InvalidInput, NotFound
from aiwriter.core.flags import DECLARED
from apps.deployments.models import Experiment, Flag, FlagRollout, FlagRule, FlagStamp
from apps.deployments.models.flags import ROLES
from apps.deployments.selectors import flag_set
from apps.deployments.services.environments import checked, words
from apps.users.models import User, Workspace
from apps.users.selectors.access import Actor, require
from apps.users.services.audit import record, record_change

FIELDS = ("title", "kind", "variants", "default_variant", "off_variant", "owner", "expires_at")
CONDITIONS = ("workspace_id", "person_id", "role", "email_domain", "percent", "variant")
MAX_RULES, MAX_VARIANTS = 50, 10
_BOOTSTRAP = Actor.system_actor("bootstrap")


def ensure_flags() -> None:
    """At every start: rows for the flags that the code reads, answering as the code did before. What is there stays."""
    known = set(Flag.objects.values_list("key", flat=True))
    for each in DECLARED.values():
        if each.key not in known:
            create_flag(
                actor=_BOOTSTRAP,
                key=each.key,
                title=each.title,
                kind=each.kind,
                variants=dict(each.variants),
                default_variant=each.default,
                off_variant=each.off,
            )


def create_flag(*, actor: Actor, key: str, **values: Any) -> Flag:
    """Set up a flag.

    Args:
        actor: needs "deployments.run".
        key: as the code asks for it.
        values: some of `FIELDS`; the owner is the actor when left out, `off_variant` is the default's.

    Raises:
        PermissionDenied: the actor may not.
        InvalidInput: a value cannot be used.
        Conflict: there is one of this name.
    """
    require(actor, "deployments.run")
    flag = Flag(key=key)
    values.setdefault("owner", actor.user)
    if not values.get("off_variant"):
        values["off_variant"] = values.get("default_variant", "")
    _fill(flag, values)
    try:
        with transaction.atomic():
            flag.save(force_insert=True)
            record(actor, "flag.created", obj=flag, after={"key": key, **_told(flag)})
            changed()
    except IntegrityError:
        raise Conflict("There is a flag of this name.", field="key", remedy="Choose another name.") from None
    return flag


def update_flag(*, actor: Actor, flag_id: uuid.UUID | str, **values: Any) -> Flag:
    """Change a flag; values as for `create_flag`.

    Raises:
        PermissionDenied, NotFound, InvalidInput: it cannot be changed so.
        Conflict: a roll-out or an experiment needs the variants as they are.
    """
    require(actor, "deployments.run")
    with transaction.atomic():
        flag = locked(flag_id)
        before = _fill(flag, values)
        after = _told(flag)
        if any(before[name] != after[name] for name in ("variants", "default_variant", "kind")):
            free(flag)
        flag.changed_at = timezone.now()
        flag.save()
        record_change(actor, "flag.updated", obj=flag, before=before, after=after)
        changed()
    return flag


def set_rules(*, actor: Actor, flag_id: uuid.UUID | str, rules: Sequence[Mapping[str, Any]]) -> Flag:
    """Replace the rules of a flag, in their order: of those that hold the first decides.

    Args:
        actor: needs "deployments.run".
        flag_id: which.
        rules: each with some of `CONDITIONS`; "variant" is needed, and all others that it names must hold.

    Raises:
        PermissionDenied, NotFound, InvalidInput: they cannot be set.
    """
    require(actor, "deployments.run")
    if len(rules) > MAX_RULES:
        raise InvalidInput(f"There are more than {MAX_RULES} rules.", field="rules", remedy="Join some of them.")
    with transaction.atomic():
        flag = locked(flag_id)
        before = [_rule_told(row) for row in flag.rules.all()]
        rows = [_rule(flag, number, given) for number, given in enumerate(rules, start=1)]
        flag.rules.all().delete()
        FlagRule.objects.bulk_create(rows)
        flag.changed_at = timezone.now()
        flag.save(update_fields=["changed_at"])
        after = [_rule_told(row) for row in rows]
        record(actor, "flag.rules_set", obj=flag, before={"rules": before}, after={"rules": after})
        changed()
    return flag


def kill(*, actor: Actor, flag_id: uuid.UUID | str, reason: str) -> Flag:
    """Give everybody the variant for this case, whatever else is set; within seconds in every process.

    A roll-out or an experiment that is under way stays as it is, and counts again when the switch is off; but a roll-out is
    paused, since nobody has its variant.

    Raises:
        PermissionDenied, NotFound, InvalidInput: it cannot be killed so.
        Conflict: it is already.
    """
    require(actor, "deployments.run")
    said = words(reason, "reason", 300)
    with transaction.atomic():
        flag = locked(flag_id)
        if flag.killed_at:
            raise Conflict("The kill switch is on already.", remedy="Load the page again.")
        flag.killed_at, flag.kill_reason = timezone.now(), said
        flag.save(update_fields=["killed_at", "kill_reason"])
        flag.rollouts.filter(state=FlagRollout.State.RUNNING).update(
            state=FlagRollout.State.PAUSED, why="The kill switch is on."
        )
        record(actor, "flag.killed", obj=flag, reason=said, after={"variant": flag.off_variant})
        changed()
    return flag


def revive(*, actor: Actor, flag_id: uuid.UUID | str) -> Flag:
    """Take the kill switch off: what was set before counts again.

    Raises:
        PermissionDenied, NotFound: it is not the actor's to revive.
        Conflict: it is off.
    """
    require(actor, "deployments.run")
    with transaction.atomic():
        flag = locked(flag_id)
        if not flag.killed_at:
            raise Conflict("The kill switch is off.", remedy="Load the page again.")
        before, flag.killed_at, flag.kill_reason = flag.kill_reason, None, ""
        flag.save(update_fields=["killed_at", "kill_reason"])
        record(actor, "flag.revived", obj=flag, before={"reason": before})
        changed()
    return flag


def delete_flag(*, actor: Actor, flag_id: uuid.UUID | str) -> None:
    """Remove a flag with its history: the code gets its own default.

    Raises:
        PermissionDenied, NotFound: it is not the actor's to remove.
        Conflict: this version of the code reads it, or something is under way.
    """
    require(actor, "deployments.run")
    with transaction.atomic():
        flag = locked(flag_id)
        if flag.key in DECLARED:
            raise Conflict(
                "This version of the code reads it, and would make it again.", remedy="Remove it from the code first."
            )
        free(flag)
        record(actor, "flag.deleted", obj=flag, before={"key": flag.key, **_told(flag)})
        flag.delete()
        changed()


# ---------------------------------------------------------------- for the other services of flags
def locked(flag_id: uuid.UUID | str) -> Flag:
    """The row, for this transaction.

    Raises:
        NotFound: there is none.
    """
    found = Flag.objects.select_for_update().filter(pk=flag_id).first()
    if found is None:
        raise NotFound("There is no such flag.")
    return found


def changed() -> None:
    """Let every process read the flags anew; this one at its next question."""
    FlagStamp.objects.get_or_create(pk=1)
    FlagStamp.objects.update(number=F("number") + 1)
    transaction.on_commit(flag_set.forget)


def free(flag: Flag) -> None:
    """Refuse while a roll-out or an experiment is under way.

    Raises:
        Conflict: one is.
    """
    if flag.rollouts.filter(state__in=FlagRollout.OPEN).exists():
        raise Conflict("A roll-out of this flag is under way.", remedy="Stop it first, or wait for its end.")
    if flag.experiments.filter(state__in=Experiment.OPEN).exists():
        raise Conflict("An experiment with this flag is under way.", remedy="End it first.")


def known_variant(flag: Flag, variant: str, field: str) -> str:
    """A variant that the flag has.

    Raises:
        InvalidInput: it has none of this name.
    """
    if variant not in flag.variants:
        raise InvalidInput(
            f"'{variant[:40]}' is none of its variants.", field=field, remedy=f"Use {', '.join(flag.variants)}."
        )
    return variant


# ---------------------------------------------------------------- inside
def _told(flag: Flag) -> dict[str, Any]:
    return {**{name: getattr(flag, name) for name in FIELDS if name != "owner"}, "owner": flag.owner_id}


def _fill(flag: Flag, values: dict[str, Any]) -> dict[str, Any]:
    """Put values into a row and check the whole. Returns what it was before."""
    before = _told(flag)
    for name, value in values.items():
        if name not in FIELDS:
            raise InvalidInput(f"'{name[:40]}' cannot be set.", field=name[:40])
        setattr(flag, name, value)
    _check_variants(flag.variants)
    checked(flag, ("key", "title", "kind", "default_variant", "off_variant"))
    known_variant(flag, flag.default_variant, "default_variant")
    known_variant(flag, flag.off_variant, "off_variant")
    declared = DECLARED.get(flag.key)
    if declared and dict(flag.variants) != dict(declared.variants):
        raise InvalidInput(
            "The code knows this flag with other variants.", field="variants", remedy=f"Use {dict(declared.variants)}."
        )
    if flag.kind in Flag.PASSING and flag.expires_at is None:
        raise InvalidInput(
            "A feature on its way and a comparison end one day.",
            field="expires_at",
            remedy="Say when it should be gone.",
        )
    for name in {rule.variant for rule in flag.rules.all()} if not flag._state.adding else ():
        known_variant(flag, name, "variants")
    return before


def _check_variants(variants: Any) -> None:
    if not isinstance(variants, dict) or not 2 <= len(variants) <= MAX_VARIANTS:
        raise InvalidInput(
            f"A flag has 2 to {MAX_VARIANTS} variants.", field="variants", remedy='Write {"on": true, "off": false}.'
        )
    if any(not isinstance(name, str) or not 0 < len(name) <= 40 for name in variants):
        raise InvalidInput("A variant's name has 1 to 40 characters.", field="variants", remedy="Use short names.")
    if len({type(value) for value in variants.values()}) != 1 or None in variants.values():
        raise InvalidInput(
            "All variants have values of one type.",
            field="variants",
            remedy="Use truth values, words, numbers or lists.",
        )


def _rule(flag: Flag, number: int, given: Mapping[str, Any]) -> FlagRule:
    if unknown := sorted(set(given) - set(CONDITIONS)):
        raise InvalidInput(
            f"'{unknown[0][:40]}' is no condition.", field="rules", remedy=f"Use {', '.join(CONDITIONS)}."
        )
    values = {name: value for name, value in given.items() if value not in (None, "")}
    known_variant(flag, str(values.get("variant", "")), "variant")
    percent = values.get("percent", 100)
    if isinstance(percent, bool) or not isinstance(percent, int) or not 0 <= percent <= 100:
        raise InvalidInput("A percentage lies between 0 and 100.", field="percent", remedy="Use a whole number.")
    if (role := values.get("role", "")) and role not in ROLES:
        raise InvalidInput(f"'{str(role)[:20]}' is no role.", field="role", remedy=f"Use {', '.join(ROLES)}.")
    domain = str(values.get("email_domain", "")).strip().lower().lstrip("@")
    if domain and ("." not in domain or " " in domain or "@" in domain or len(domain) > 120):
        raise InvalidInput(f"'{domain[:40]}' is no domain.", field="email_domain", remedy="Write example.org.")
    for name, model in (("workspace_id", Workspace), ("person_id", User)):
        if name in values and not model.objects.filter(pk=values[name]).exists():
            raise NotFound("There is no such workspace or person.", field=name)
    return FlagRule(flag=flag, number=number, **{**values, "percent": percent, "role": role, "email_domain": domain})


def _rule_told(row: FlagRule) -> dict[str, Any]:
    told = {name: getattr(row, name) for name in CONDITIONS}
    return {
        name: str(value) if name.endswith("_id") else value for name, value in told.items() if value not in (None, "")
    }
