"""What a drill does with a restored portal, from within it: migrations, signing in, and what the other apps add."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.contrib.auth.hashers import identify_hasher
from django.core.management import call_command
from django.db import connection
from django.db.migrations.executor import MigrationExecutor
from django.utils.module_loading import import_string

from apps.users.models import RoleGrant, User

Finding = dict[str, Any]


def finding(what: str, ok: bool, detail: str) -> Finding:
    """What was tried and what came of it."""
    return {"what": what, "ok": ok, "detail": detail}


def migrations() -> Finding:
    """Whether this version of the portal can take the database over; what is missing is applied here, in the copy."""
    executor = MigrationExecutor(connection)
    unknown = set(executor.loader.applied_migrations) - set(executor.loader.disk_migrations)
    unknown = {key for key in unknown if key[0] in executor.loader.migrated_apps}
    if unknown:
        names = ", ".join(sorted(f"{app}.{name}" for app, name in unknown)[:3])
        return finding("Migrations", False, f"the set comes from a newer version of the portal: {names}")
    plan = executor.migration_plan(executor.loader.graph.leaf_nodes())
    if plan:
        call_command("migrate", interactive=False, verbosity=0)
    return finding("Migrations", True, f"{len(plan)} applied to the copy" if plan else "all are applied")


def sign_in() -> Finding:
    """Whether somebody could sign in: an administrator with a password that can be checked."""
    grants = RoleGrant.objects.live().filter(role="admin")
    for person in User.objects.filter(pk__in=grants.values("user_id"), status=User.Status.ACTIVE):
        try:
            identify_hasher(person.password)
        except ValueError:
            continue
        return finding("Signing in", True, "an administrator has a password that can be checked")
    return finding("Signing in", False, "no administrator could sign in")


def probe() -> list[Finding]:
    """Try everything; what raises has failed."""
    found = [_tried("Migrations", migrations)]
    if found[0]["ok"]:
        found += [_tried(path.rpartition(".")[2], import_string(path)) for path in settings.DRILL_PROBES]
    return found


def _tried(name: str, look: Any) -> Finding:
    try:
        answer: Finding = look()
    except Exception as error:  # noqa: BLE001 - whatever it is, the restored portal cannot do this
        return finding(name, False, f"{type(error).__name__}: {str(error)[:200]}")
    return answer
