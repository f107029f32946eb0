"""Setting up what is judged, and proving that a rule arrives."""

from __future__ import annotations

import datetime as dt
import uuid
from typing import Any

from django.db import IntegrityError, transaction
from django.utils import timezone

from aiwriter.core.errors import Conflict, InvalidInput, NotFound
from apps.monitoring.models import Alert, AlertDelivery, AlertRule, ExpectedRun, Slo
from apps.monitoring.services.alerting import fingerprint, tell, terms_of
from apps.monitoring.services.channels import checked
from apps.monitoring.services.checks import learn
from apps.monitoring.services.judging import Track, look
from apps.monitoring.services.observing import Look, looks_of, shadow
from apps.users.models.audit import known_actions
from apps.users.selectors.access import Actor, require
from apps.users.services.audit import record, record_change

FIELDS = (
    "title",
    "severity",
    "source",
    "subject",
    "label",
    "level",
    "combine",
    "compare",
    "threshold",
    "window_minutes",
    "for_seconds",
    "keep_firing_seconds",
    "needed",
    "of_last",
    "no_data",
    "no_data_seconds",
    "runbook",
    "enabled",
)


def create_rule(*, actor: Actor, slug: str, **values: Any) -> AlertRule:
    """Have something judged.

    Args:
        actor: needs "monitoring.manage".
        slug: short name, unique.
        values: some of `FIELDS`; `title` and `source` are needed.

    Raises:
        PermissionDenied: the actor may not.
        InvalidInput: a value cannot be used.
        Conflict: there is one of this name.
    """
    require(actor, "monitoring.manage")
    rule = AlertRule(slug=slug)
    if AlertRule.objects.filter(slug=slug).exists():
        raise Conflict("There is a rule of this name.", field="slug", remedy="Choose another one.")
    return _save(actor, rule, values, "alert_rule.created")


def update_rule(*, actor: Actor, rule_id: uuid.UUID | str, **values: Any) -> AlertRule:
    """Change a rule; values as for `create_rule`. What was proven of it before counts no longer.

    Raises:
        PermissionDenied, NotFound, InvalidInput: it cannot be changed so.
    """
    require(actor, "monitoring.manage")
    rule = get_rule(rule_id)
    if set(values) - {"title", "enabled", "runbook"}:
        rule.proven_at = None
    return _save(actor, rule, values, "alert_rule.updated")


def delete_rule(*, actor: Actor, rule_id: uuid.UUID | str) -> None:
    """Remove a rule; its open alerts end with the next round. One that ships can only be switched off.

    Raises:
        PermissionDenied, NotFound: it is not the actor's to remove.
        Conflict: it ships with the product.
    """
    require(actor, "monitoring.manage")
    rule = get_rule(rule_id)
    if rule.built_in:
        raise Conflict("This rule ships with the product.", remedy="Switch it off instead; it would come back.")
    with transaction.atomic():
        record(actor, "alert_rule.deleted", obj=rule, before=_values(rule))
        rule.delete()


def get_rule(rule_id: uuid.UUID | str) -> AlertRule:
    """One rule.

    Raises:
        NotFound: there is none.
    """
    found = AlertRule.objects.filter(pk=rule_id).first()
    if found is None:
        raise NotFound("There is no such rule.")
    return found


def start_drill(*, actor: Actor, rule_id: uuid.UUID | str) -> Alert:
    """Fire a rule from end to end: trouble that is not real, the rule's own judging, its routes, and receipts.

    The rule is proven when every message of the drill has arrived.

    Args:
        actor: needs "monitoring.manage".
        rule_id: which.

    Raises:
        PermissionDenied, NotFound: it is not the actor's to drill.
        Conflict: the rule would not have fired, or nobody would have been told.
    """
    require(actor, "monitoring.manage")
    rule = get_rule(rule_id)
    now = timezone.now()
    found = _fired(rule, now)
    with transaction.atomic():
        Alert.objects.filter(rule=rule, drill=True, state=Alert.State.FIRING).update(
            state=Alert.State.RESOLVED, resolved_at=now
        )
        alert = Alert.objects.create(
            rule=rule,
            fingerprint=fingerprint(rule, f"drill {uuid.uuid4()}"),
            title=rule.title,
            subject=found.subject,
            severity=found.severity or rule.severity,
            state=Alert.State.FIRING,
            summary=f"A drill, nothing is wrong. {found.summary}",
            value=found.value,
            begun_at=now,
            fired_at=now,
            drill=True,
        )
        if not tell(alert, AlertDelivery.Kind.FIRING, now):
            raise Conflict(
                "No route leads anywhere for this rule, so nobody would be told.",
                remedy=f"Make a route for alerts of the severity {rule.get_severity_display()}.",
            )
        record(actor, "alert_rule.drilled", obj=rule)
    return alert


def _fired(rule: AlertRule, now: dt.datetime) -> Look:
    """What the rule finds when its trouble is there, once its own patience has passed.

    Raises:
        Conflict: it would never have fired.
    """
    terms, track = terms_of(rule), Track()
    found = None
    moment = now
    silence = terms.no_data_wait if rule.no_data == AlertRule.NoData.ALERT else 0.0
    # As many looks as it asks for, then as long as it waits for an answer, and as long as it waits before it fires.
    for seconds in (*[1.0] * terms.of_last, silence, terms.wait, 1.0):
        moment += dt.timedelta(seconds=seconds)
        found = looks_of(rule, shadow(rule, moment))[0]
        track = look(track, found.wrong, terms, moment)
    if track.state != "firing" or found is None:
        raise Conflict("The rule does not fire even when its trouble is there.", remedy="Look at its threshold.")
    return found


def _values(rule: AlertRule) -> dict[str, Any]:
    return {name: getattr(rule, name) for name in FIELDS}


def _save(actor: Actor, rule: AlertRule, values: dict[str, Any], action: str) -> AlertRule:
    before = _values(rule)
    for name in FIELDS:
        if name in values:
            setattr(rule, name, values[name])
    checked(rule)
    _check_subject(rule)
    try:
        with transaction.atomic():
            rule.save()
            record_change(actor, action, obj=rule, before=before, after=_values(rule))
    except IntegrityError:
        raise Conflict("There is a rule of this name.", field="slug", remedy="Choose another one.") from None
    return rule


def _check_subject(rule: AlertRule) -> None:
    if rule.source == AlertRule.Source.CHECK:
        keys = sorted(check.key for check in learn())
        if rule.subject and rule.subject not in keys:
            raise InvalidInput(f"There is no check '{rule.subject}'.", field="subject", remedy=", ".join(keys))
    elif rule.source in (AlertRule.Source.BURN, AlertRule.Source.RUN):
        model = Slo if rule.source == AlertRule.Source.BURN else ExpectedRun
        if rule.subject and not model.objects.filter(slug=rule.subject).exists():
            raise InvalidInput(
                f"There is no '{rule.subject}'.", field="subject", remedy="Leave it empty for every one."
            )
    elif not rule.subject:
        raise InvalidInput(
            "Say what is looked at.", field="subject", remedy="The name of a figure, or the action of an audit event."
        )
    elif rule.source == AlertRule.Source.EVENT and rule.subject not in known_actions():
        raise InvalidInput(
            f"No event '{rule.subject}' is ever recorded.", field="subject", remedy="Use one such as session.refused."
        )
