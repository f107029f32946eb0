"""More rights for a time: asked for, agreed to by others, once longer, taken back.

What is lent is a row with an end that the database's clock decides about. No job ends it: it has ended when its time has come,
even when no worker runs.
"""

from __future__ import annotations

import datetime as dt
import uuid

from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction
from django.db.models.functions import Now

from aiwriter.core import patterns
from aiwriter.core.errors import Conflict, Detail, InvalidInput, NotFound, PermissionDenied
from apps.users.models import Elevation, ElevationPolicy, ElevationVote, Membership, RoleGrant, User, Workspace
from apps.users.models.capabilities import EXCLUSIVE_SYSTEM_ROLE
from apps.users.models.elevations import ANSWERED_WITHIN
from apps.users.selectors.access import Actor, can, require_session
from apps.users.selectors.elevations import approvers_of, may_decide, roles_of
from apps.users.services import audit
from apps.users.services.notifications import notify, tell_editors, tell_roles

DESK = "/access/"


def request_elevation(
    *,
    actor: Actor,
    policy: ElevationPolicy,
    reason: str,
    minutes: int | None = None,
    ticket: str = "",
    workspace: Workspace | uuid.UUID | str | None = None,
) -> Elevation:
    """Ask for more rights. Where the policy asks nobody else, they are there at once.

    Args:
        actor: a person at a browser, with a proof as fresh as the policy wants.
        policy: by which.
        reason: why; the people who agree read it.
        minutes: for how long; None: the policy's default.
        ticket: as the policy's pattern wants it.
        workspace: where, for a role in a workspace; who may ask for it may name any.

    Raises:
        NotFound: the actor may not ask for this.
        InvalidInput: one detail for every wrong field.
        Conflict: it was asked for already, holds already, or it is not the time for it.
    """
    user = require_session(actor, minutes=policy.proof_minutes)
    held = roles_of(user)
    if not policy.enabled or user.kind != User.Kind.HUMAN or not held & set(policy.eligible_roles):
        raise NotFound("There is no such policy for you.")
    minutes = policy.default_minutes if minutes is None else minutes
    room = _room(workspace) if policy.needs_workspace else None
    _check(policy, reason, minutes, ticket, room)
    if EXCLUSIVE_SYSTEM_ROLE in held and not policy.needs_workspace:
        raise Conflict("An auditor holds no other system role.", remedy="Ask somebody who is none.")
    with transaction.atomic():
        # The person's row is the lock: of two requests at once the second sees the first.
        User.objects.select_for_update().get(pk=user.pk)
        now = database_now()
        _refuse_outside(policy, now)
        own = Elevation.objects.filter(user=user, policy=policy)
        own.filter(state="open", lapses_at__lte=now).update(state=Elevation.State.LAPSED)
        if own.open().exists():
            raise Conflict("You have asked for this already.", remedy="Wait for the answer, or withdraw the request.")
        if own.live().filter(workspace=room).exists():
            raise Conflict("You have this now.", remedy="Use it, or have it made longer before it ends.")
        try:
            with transaction.atomic():
                row: Elevation = Elevation.objects.create(
                    policy=policy,
                    user=user,
                    workspace=room,
                    reason=reason.strip()[:300],
                    ticket=ticket.strip()[:80],
                    minutes=minutes,
                    approvals=policy.approvals,
                    lapses_at=now + ANSWERED_WITHIN,
                )
        except IntegrityError as error:
            raise Conflict("You have asked for this already.", remedy="Wait for the answer.") from error
        after = {"policy": policy.name, "minutes": minutes, "ticket": ticket, "approvals": policy.approvals}
        audit.record(actor, "elevation.requested", obj=row, reason=reason, after=after)
        if policy.approvals == 0:
            _activate(actor, row, now)
        else:
            for person in approvers_of(policy, row.workspace).exclude(pk=user.pk):
                title = f"{user} asks for: {policy.name}"
                notify(person, "elevation.requested", title, f"{reason} ({minutes} min)", DESK)
    row.refresh_from_db()
    return row


def decide(*, actor: Actor, elevation: Elevation, agrees: bool, comment: str = "") -> Elevation:
    """Agree to somebody else's request, or refuse it. One refusal ends it.

    Args:
        actor: another person at a browser, with a role that the policy names.
        elevation: which.
        agrees: yes or no.
        comment: for the one who asked.

    Raises:
        PermissionDenied: it is the actor's own request, or not theirs to decide.
        Conflict: it is not open any more, or the actor has answered already.
    """
    user = require_session(actor, minutes=elevation.policy.proof_minutes)
    if user.pk == elevation.user_id:
        raise PermissionDenied("Nobody agrees to their own request.", remedy="Ask somebody else to look at it.")
    if not may_decide(user, elevation):
        raise PermissionDenied("This is not yours to decide.", remedy="The policy names the roles that may.")
    with transaction.atomic():
        # Votes queue up behind the request's row: only one of them is the last one that was needed.
        row = Elevation.objects.select_for_update(of=("self",)).select_related("policy", "user").get(pk=elevation.pk)
        now = database_now()
        if row.state != Elevation.State.OPEN or row.lapses_at <= now:
            raise Conflict("This request is not open any more.", remedy="Ask the person to make another.")
        try:
            with transaction.atomic():
                ElevationVote.objects.create(
                    elevation=row, voter=user, requester_id=row.user_id, agrees=agrees, comment=comment.strip()[:300]
                )
        except IntegrityError as error:
            raise Conflict("You have answered this request already.") from error
        audit.record(actor, "elevation.voted", obj=row, reason=comment, after={"agrees": agrees})
        if not agrees:
            row.state, row.ended_by, row.ended_at = Elevation.State.DENIED, user, now
            row.end_reason = comment.strip()[:300]
            row.save(update_fields=["state", "ended_by", "ended_at", "end_reason"])
            notify(row.user, "elevation.denied", f"{user} refused: {row.policy}", comment, DESK)
        elif row.votes.filter(agrees=True).count() >= row.approvals:
            _activate(actor, row, now)
    elevation.refresh_from_db()
    return elevation


def extend(*, actor: Actor, elevation: Elevation) -> Elevation:
    """Make one's own elevation longer, once, by as much as the policy lends at first and never beyond its longest.

    Raises:
        PermissionDenied: it is somebody else's.
        Conflict: it has ended, was made longer already, or is as long as it may be.
    """
    policy = elevation.policy
    user = require_session(actor, minutes=policy.proof_minutes)
    if elevation.user_id != user.pk:
        raise PermissionDenied("Only who has it can have it made longer.")
    with transaction.atomic():
        row: Elevation = Elevation.objects.select_for_update().get(pk=elevation.pk)
        live = Elevation.objects.live().filter(pk=row.pk)
        if not live.exists() or row.starts_at is None or row.expires_at is None:
            raise Conflict("It has ended.", remedy="Ask for it again.")
        longest = row.starts_at + dt.timedelta(minutes=policy.max_minutes)
        until = min(row.expires_at + dt.timedelta(minutes=policy.default_minutes), longest)
        if row.extended_at or not policy.extendable or not policy.enabled or until <= row.expires_at:
            raise Conflict("It cannot be made longer.", remedy="Ask for it again when it has ended.")
        if not live.filter(extended_at=None).update(expires_at=until, extended_at=Now()):
            raise Conflict("It has ended.", remedy="Ask for it again.")
        for given in (RoleGrant, Membership):
            given.objects.filter(elevation=row).update(expires_at=until)
        before, after = {"expires_at": row.expires_at}, {"expires_at": until}
        audit.record(actor, "elevation.extended", obj=row, before=before, after=after)
    elevation.refresh_from_db()
    return elevation


def end(*, actor: Actor, elevation: Elevation, reason: str = "") -> Elevation:
    """Withdraw one's request, hand back what was lent, or take it back from somebody; it counts from the next call on.

    Args:
        actor: the person; who may agree to it; who manages accounts, or the members of its workspace.
        elevation: which.
        reason: for the record and the person.

    Raises:
        PermissionDenied: it is not the actor's to end.
        Conflict: it has ended already.
    """
    own = actor.user_id == elevation.user_id and actor.token is None
    if not own and not _may_take_back(actor, elevation):
        raise PermissionDenied("This is not yours to end.", remedy="Ask an administrator of the portal.")
    state = elevation.state
    next_state = Elevation.State.WITHDRAWN if state == Elevation.State.OPEN else Elevation.State.REVOKED
    with transaction.atomic():
        rows = Elevation.objects.filter(pk=elevation.pk, state=state)
        rows = rows.open() if state == Elevation.State.OPEN else rows.live()
        done = rows.update(state=next_state, ended_at=Now(), ended_by=actor.user, end_reason=reason.strip()[:300])
        if not done:
            raise Conflict("It has ended already.")
        RoleGrant.objects.filter(elevation=elevation).delete()
        Membership.objects.filter(elevation=elevation).delete()
        audit.record(actor, "elevation.ended", obj=elevation, reason=reason, after={"state": str(next_state)})
        if not own:
            notify(elevation.user, "elevation.ended", f"Taken back: {elevation.policy}", reason, DESK)
    elevation.refresh_from_db()
    return elevation


def end_all_of(*, actor: Actor, user: User, reason: str) -> int:
    """End whatever somebody has asked for or was lent; for services that have asked for permission already."""
    rows = [*Elevation.objects.live().filter(user=user), *Elevation.objects.open().filter(user=user)]
    for row in rows:
        end(actor=actor, elevation=row, reason=reason)
    return len(rows)


def database_now() -> dt.datetime:
    """What time it is for the database, which decides about every end."""
    now: dt.datetime = User.objects.order_by().values_list(Now(), flat=True)[:1].get()
    return now


def _activate(actor: Actor, row: Elevation, now: dt.datetime) -> None:
    policy, until = row.policy, now + dt.timedelta(minutes=row.minutes)
    held = roles_of(row.user)
    if row.user.status != User.Status.ACTIVE or not policy.enabled or not held & set(policy.eligible_roles):
        raise Conflict("The person may not have this any more.", remedy="Refuse the request.")
    changed = Elevation.objects.filter(pk=row.pk, state=Elevation.State.OPEN).update(
        state=Elevation.State.ACTIVE, starts_at=now, expires_at=until
    )
    if not changed:
        raise Conflict("This request is not open any more.")
    row.state, row.starts_at, row.expires_at = Elevation.State.ACTIVE, now, until
    given = {
        "user": row.user,
        "role": policy.role,
        "only": policy.capabilities or None,
        "reason": row.reason,
        "source": RoleGrant.Source.ELEVATION,
        "elevation": row,
        "granted_by": actor.user if actor.user_id != row.user_id else None,
        "expires_at": until,
    }
    # `elevation` is unique in both tables: whatever happens, one request gives one thing once.
    if row.workspace is not None:
        Membership.objects.create(workspace=row.workspace, **given)
    else:
        RoleGrant.objects.create(**given)
    after = {"policy": policy.name, "expires_at": until, "workspace": str(row.workspace or "")}
    audit.record(actor, "elevation.activated", obj=row, reason=row.reason, after=after)
    _tell(row, until)


def _tell(row: Elevation, until: dt.datetime) -> None:
    title = f"{row.user} has, until {until:%H:%M} UTC: {row.policy}"
    if row.approvals:
        notify(row.user, "elevation.activated", f"You have, until {until:%H:%M} UTC: {row.policy}", row.reason, DESK)
    if row.workspace is not None:
        # Whose texts these are hears of it, whoever has agreed.
        words = f"{title} ({row.workspace})"
        tell_editors(row.workspace.pk, "elevation.activated", words, row.reason, DESK, but=row.user)
    tell_roles(("admin",), "elevation.activated", title, row.reason, "/admin/users/elevation/", but=row.user)


def _may_take_back(actor: Actor, elevation: Elevation) -> bool:
    if can(actor, "users.manage"):
        return True
    if actor.user is not None and actor.token is None and may_decide(actor.user, elevation):
        return True
    return elevation.workspace_id is not None and can(actor, "members.manage", workspace=elevation.workspace_id)


def _room(workspace: Workspace | uuid.UUID | str | None) -> Workspace | None:
    if isinstance(workspace, Workspace):
        return workspace
    if not workspace:
        return None
    try:
        found = Workspace.objects.filter(pk=workspace).first()
    except ValidationError:
        found = None
    if found is None:
        raise InvalidInput("There is no such workspace.", field="workspace", remedy="Choose one of the list.")
    return found


def _check(policy: ElevationPolicy, reason: str, minutes: int, ticket: str, workspace: Workspace | None) -> None:
    wrong = []
    if not reason.strip():
        wrong.append(Detail("reason", "A request needs a reason.", "Say what you have to do."))
    if not 1 <= minutes <= policy.max_minutes:
        wrong.append(Detail("minutes", f"By this policy it lasts 1 to {policy.max_minutes} minutes."))
    if policy.ticket_pattern:
        wrong += _wrong_ticket(policy.ticket_pattern, ticket.strip())
    if policy.needs_workspace and workspace is None:
        wrong.append(Detail("workspace", "Nothing says in which workspace.", "Choose one."))
    if wrong:
        raise InvalidInput("The request cannot be made like this.", details=wrong)


def _wrong_ticket(pattern: str, ticket: str) -> list[Detail]:
    try:
        if patterns.fits(pattern, ticket):
            return []
    except patterns.PatternProblem as error:
        # Of a policy that was made before patterns were limited.
        return [
            Detail("ticket", f"The policy's pattern cannot be used: {error}.", "Ask an administrator to change it.")
        ]
    return [Detail("ticket", "The ticket is missing or not of this form.", f"It has to match {pattern}.")]


def _refuse_outside(policy: ElevationPolicy, now: dt.datetime) -> None:
    day = not policy.weekdays or now.weekday() in policy.weekdays
    hour = policy.from_hour is None or policy.to_hour is None or policy.from_hour <= now.hour < policy.to_hour
    if not (day and hour):
        raise Conflict(
            "It is not the time at which this can be asked for.", remedy="The policy names days and hours, in UTC."
        )
