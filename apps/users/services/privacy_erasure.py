"""Takes a person out of the portal, step by step; each step may be done twice, so a killed one is simply done again.

First what the apps hold that the data map alone does not find (texts, files, vectors), then row by row what the map says: what
is theirs goes, what they made for others stays and forgets who it was. Then caches, logs and the key of their names in the
audit record, the account itself, and last the space that all of it took in the database's files.
"""

from __future__ import annotations

import base64
import binascii
import logging
import uuid
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from allauth.usersessions.models import UserSession
from django.conf import settings
from django.contrib.sessions.models import Session
from django.db import OperationalError, connection, models, transaction
from django.db.models import Q
from django.utils import timezone
from django.utils.module_loading import import_string

from aiwriter.core import direct
from aiwriter.core.datamap import Erasure, data_map
from apps.users.models import AuditEvent, IdempotencyRecord, Invitation, PrivacyRequest, RateLimit, User, Workspace
from apps.users.selectors.access import Actor
from apps.users.services import audit, sessions, subjects
from apps.users.services.legal_holds import refuse_held
from apps.users.services.people import refuse_losing_last_admin
from apps.users.services.personal_rows import Trace, traces
from apps.users.services.privacy_exports import Steps
from apps.users.services.privacy_parts import Erased, Person, parcel_drop, parts

logger = logging.getLogger(__name__)

ACTOR = Actor.system_actor("privacy desk")
GONE = "erased person"
_AT_A_TIME = 200
_REWRITTEN_BYTES = 1 << 30


def erase(row: PrivacyRequest, steps: Steps) -> dict[str, Any]:
    """Carry an erasure out.

    Args:
        row: approved and held by the caller.
        steps: told of each step; raises when the work has to stop.

    Returns:
        what is gone, what stays and why, until when backups hold copies.

    Raises:
        Conflict: a legal hold stands against it, or it is the last administrator.
    """
    done = Erased(counts=dict(row.report.get("erased", {})), kept=list(row.report.get("kept", [])))
    user = row.person
    if user is not None:
        refuse_held(user)
        person = Person.of(user)
        steps.begin(sum(part.count(person) for part in parts()) + len(list(traces())))
        steps.phase("account closed")
        _close(user)
        for part in parts():
            steps.phase(part.name)
            told = part.erase(person, steps.tick)
            for what, count in told.counts.items():
                done.add(what, count)
            done.kept += told.kept
        steps.phase("records")
        for trace in traces():
            _by_the_map(trace, person, done)
            steps.tick(1)
        steps.phase("caches and logs")
        _forget(person, done)
        PrivacyRequest.objects.filter(pk=row.pk).update(report={"erased": done.counts, "kept": done.kept})
        _finish(row, user, person, done)
    steps.phase("freed space")
    left = wipe()
    return {
        "erased": done.counts,
        "kept": [*dict.fromkeys([*done.kept, *left, *_record_kept(row.person_id_kept)])],
        "copies": [line for path in settings.PRIVACY_COPIES for line in import_string(path)()],
    }


def _close(user: User) -> None:
    """Nobody may act with the account while it is taken apart."""
    with transaction.atomic():
        refuse_losing_last_admin(user)
        User.objects.filter(pk=user.pk).update(status=User.Status.SUSPENDED)
        sessions.close_all(actor=ACTOR, user=user, reason="the account is erased")


def _by_the_map(trace: Trace, person: Person, done: Erased) -> None:
    if trace.table.erasure is Erasure.KEEP:
        if count := trace.whose(person).count():
            done.kept.append(f"{trace.what}: {count}. {trace.table.retention}")
        return
    if trace.table.erasure is Erasure.DELETE:
        done.add(trace.what, _delete(trace.whose(person)))
    first = 1 if trace.table.erasure is Erasure.DELETE else 0
    for path in trace.paths[first:]:
        done.add(f"{trace.what}, without the name", _detach(trace, path, person))


def _delete(rows: Any) -> int:
    count = 0
    while keys := list(rows.values_list("pk", flat=True)[:_AT_A_TIME]):
        with transaction.atomic():
            rows.model._default_manager.filter(pk__in=keys).delete()
        count += len(keys)
    return count


def _detach(trace: Trace, path: str, person: Person) -> int:
    field: Any = trace.model._meta.get_field(path)
    rows = trace.model._default_manager.filter(trace.by(path, person)).order_by()
    if field.null:
        value: Any = None
    elif isinstance(field, models.UUIDField):
        # One id for all of these rows: sums by person stay right, and lead to nobody.
        value = uuid.uuid4()
    elif isinstance(field, models.CharField | models.TextField):
        value = GONE
    else:
        return _delete(rows)
    return int(rows.update(**{path: value}))


def _forget(person: Person, done: Erased) -> None:
    keys = UserSession.objects.filter(user_id=person.id).values_list("session_key", flat=True)
    done.add("sessions", Session.objects.filter(session_key__in=list(keys)).delete()[0])
    invitations = Q(email=person.email) | Q(accepted_by=person.id)
    gone = list(Invitation.objects.filter(invitations).values_list("pk", flat=True))
    subjects.destroy(gone)
    done.add("invitations", Invitation.objects.filter(pk__in=gone).delete()[0])
    traces_of = Q()
    for text in (str(person.id), person.email):
        traces_of |= Q(key__icontains=text)
    done.add("limits", RateLimit.objects.filter(traces_of).delete()[0])
    done.add("kept answers", IdempotencyRecord.objects.filter(scope__icontains=str(person.id)).delete()[0])
    done.add("cache entries", _empty_cache(person))
    done.add("log lines", _mask_logs(person.names))


def _empty_cache(person: Person) -> int:
    """Entries of the cache that tell who the person is, in their key or in what they hold."""
    table = connection.ops.quote_name(settings.CACHES["default"]["LOCATION"])
    needles = [text.lower().encode() for text in (*person.names, str(person.id), person.id.hex)]
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT cache_key, value FROM {table}")  # noqa: S608  the table's name is a setting
        doomed = [key for key, value in cursor.fetchall() if _holds(key, value, needles)]
        for key in doomed:
            cursor.execute(f"DELETE FROM {table} WHERE cache_key = %s", [key])  # noqa: S608
    return len(doomed)


def _holds(key: str, value: str, needles: Iterable[bytes]) -> bool:
    try:
        content = base64.b64decode(value)
    except (binascii.Error, ValueError):
        content = value.encode()
    text = key.lower().encode() + b" " + content.lower()
    return any(needle in text for needle in needles)


def _mask_logs(names: Iterable[str]) -> int:
    """Names in the log files of this machine. Each is written over by as many stars: whoever appends goes on appending."""
    folder = Path(settings.DATA_DIR) / "logs"
    count = 0
    needles = [name.encode() for name in names if len(name) >= 4]
    for path in sorted(folder.glob("*")) if folder.is_dir() else ():
        if not path.is_file():
            continue
        with path.open("r+b") as file:
            content = file.read()
            for needle in needles:
                at = content.find(needle)
                while at >= 0:
                    file.seek(at)
                    file.write(b"*" * len(needle))
                    count += 1
                    at = content.find(needle, at + len(needle))
    return count


def _finish(row: PrivacyRequest, user: User, person: Person, done: Erased) -> None:
    """The last things that know who it was: the words of their requests, their key, the personal workspace, the account."""
    own = PrivacyRequest.objects.filter(person_id_kept=person.id)
    for each in own.exclude(parcel=""):
        parcel_drop(each.parcel)
    with transaction.atomic():
        own.update(wish="", identity="", changes={}, answer="", parcel="", sealed_parcel_key="", parcel_size=0)
        subjects.destroy([person.id])
        done.add(
            "personal workspaces", Workspace.objects.filter(pk__in=person.rooms).delete()[1].get("users.Workspace", 0)
        )
        User.objects.filter(pk=user.pk).delete()
        done.add("accounts", 1)
        audit.record(ACTOR, "privacy.erased", obj=row, after={"person": str(person.id), "counts": dict(done.counts)})
        PrivacyRequest.objects.filter(pk=row.pk).update(report={"erased": done.counts, "kept": done.kept})


def _record_kept(person_id: uuid.UUID) -> list[str]:
    own = AuditEvent.objects.filter(actor_id=f"user:{person_id}")
    count, clear = own.count(), own.exclude(actor_label="").count()
    reason = data_map()["users.AuditEvent"].retention
    lines = [f"audit events: {count}. {reason}"] if count else []
    if clear:
        lines.append(
            f"audit events with a name: {clear}. They are of before names were sealed, and leave with the archive after "
            f"{settings.AUDIT_HOT_DAYS} days."
        )
    return lines


def wipe() -> list[str]:
    """What was deleted stands in the files of the database until its space is used again: have them written anew.

    Returns:
        what could not be, and until when it stays.
    """
    if connection.vendor == "sqlite":
        with connection.cursor() as cursor:
            cursor.execute("VACUUM")
            cursor.execute("PRAGMA wal_autocheckpoint")
            # 0: every change is captured, and the capture alone may empty the log; it does so when it has it.
            if not (cursor.fetchone() or [1])[0]:
                return ["the database's log: until its changes are captured, which takes seconds"]
            cursor.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        return []
    kept = ["PostgreSQL's own log: until its files are used again"]
    with direct.cursor() as cursor, connection.wrap_database_errors:
        cursor.execute("SET lock_timeout = '5s'")
        try:
            # All tables, those of the full-text search too, and what the planner has noted of their values.
            cursor.execute("SELECT tablename FROM pg_tables WHERE schemaname = current_schema() ORDER BY tablename")
            tables = [name for (name,) in cursor.fetchall()]
            cursor.execute("ANALYZE")
            for table in [*tables, "pg_statistic"]:
                cursor.execute("SELECT pg_total_relation_size(%s)", [table])
                small = int((cursor.fetchone() or [0])[0]) <= _REWRITTEN_BYTES
                try:
                    # A table that is rewritten is closed meanwhile: a second for each 100 MB.
                    cursor.execute(f"VACUUM {'(FULL)' if small else ''} {connection.ops.quote_name(table)}")
                except OperationalError:
                    small = False
                if not small:
                    kept.append(f"free space of the table {table}: until it is used again")
        finally:
            cursor.execute("RESET lock_timeout")
    return kept


def erase_again() -> None:
    """After a restore: people who were erased since the backup was made are there again, and go again.

    The audit record comes along with a restore, so it still knows of their erasure.
    """
    gone = AuditEvent.objects.filter(action="privacy.erased", outcome="allowed").values_list("after", flat=True)
    ids = {str(after["person"]) for after in gone if isinstance(after, dict) and "person" in after}
    for user in User.objects.filter(pk__in=ids):
        open_one = Q(person_id_kept=user.pk, kind="erase", state__in=PrivacyRequest.OPEN_STATES)
        if PrivacyRequest.objects.filter(open_one).exists():
            continue
        with transaction.atomic():
            User.objects.filter(pk=user.pk).update(status=User.Status.SUSPENDED)
            PrivacyRequest.objects.create(
                kind="erase",
                state="queued",
                person=user,
                person_id_kept=user.pk,
                identity="erased before, and brought back by a restore",
                due_at=timezone.now(),
                decided_at=timezone.now(),
            )
