"""Proves a running installation against a `topology.yaml` of deploy/topologies: what is there, what is missing, what is not seen.

Everything is looked at from inside: the database, the settings, the heartbeats of parts, the health checks. What has no
answer from inside (a standby of a managed database) is "not seen", and never counts as fulfilled.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import yaml
from django.conf import settings
from django.db import connection
from django.db.utils import DatabaseError
from django.utils import timezone

from aiwriter.core.errors import InvalidInput, NotFound
from apps.monitoring.models import Heartbeat
from apps.monitoring.services.results import run_due_checks

FOLDER = Path(settings.BASE_DIR) / "deploy" / "topologies"
ALIVE = dt.timedelta(seconds=60)
_KEYS = {"database", "replicas", "queue", "vectors", "parts", "checks", "settings"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One requirement. `verdict` is "ok", "missing" or "not seen"."""

    what: str
    verdict: str
    said: str
    remedy: str = ""


def load(name_or_path: str) -> dict[str, Any]:
    """Read a topology: a name of deploy/topologies, or a file.

    Raises:
        NotFound: there is none.
        InvalidInput: the file says something that cannot be proved.
    """
    path = Path(name_or_path)
    if not path.suffix:
        path = FOLDER / name_or_path / "topology.yaml"
    try:
        found = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        known = ", ".join(sorted(each.parent.name for each in FOLDER.glob("*/topology.yaml"))) or "none here"
        raise NotFound(f"There is no topology {name_or_path}.", remedy=f"Known: {known}. Or name a file.") from error
    except yaml.YAMLError as error:
        raise InvalidInput(f"{path} is not YAML: {error}", field="topology", remedy="Mend the file.") from error
    requires = found.get("requires") if isinstance(found, dict) else None
    if not isinstance(requires, dict) or (unknown := set(requires) - _KEYS):
        said = f"unknown: {', '.join(sorted(unknown))}" if isinstance(requires, dict) else "it has no 'requires'"
        raise InvalidInput(
            f"{path} cannot be proved: {said}.", field="requires", remedy=f"Use {', '.join(sorted(_KEYS))}."
        )
    if strange := set(requires.get("settings", ())) - set(_SETTINGS):
        raise InvalidInput(
            f"{path} names settings that are not known: {', '.join(sorted(strange))}.",
            field="settings",
            remedy=f"Use {', '.join(sorted(_SETTINGS))}.",
        )
    return found


def examine(topology: dict[str, Any]) -> list[Finding]:
    """Everything that a topology requires, in its order."""
    requires = topology["requires"]
    found: list[Finding] = []
    if requires.get("database", "any") != "any":
        found.append(
            _judged("database", connection.vendor == requires["database"], connection.vendor, "Set DATABASE_URL.")
        )
    if requires.get("replicas"):
        found.append(_replicas(int(requires["replicas"])))
    if requires.get("queue", "any") != "any":
        scheme = settings.CELERY_BROKER_URL.split(":")[0]
        fits = scheme.startswith(requires["queue"]) or (scheme == "sentinel" and requires["queue"] == "redis")
        found.append(_judged("queue", fits, scheme, "Set REDIS_URL."))
    if requires.get("vectors", "any") != "any":
        url = settings.AIWRITER_CHROMA_URL
        found.append(_judged("vectors", bool(url), url or "none", "Set AIWRITER_CHROMA_URL to the store's server."))
    found += [_part(part, int(number)) for part, number in requires.get("parts", {}).items()]
    found += _checks(list(requires.get("checks", ())))
    for name in requires.get("settings", ()):
        look, remedy = _SETTINGS[name]
        fine, said = look()
        found.append(_judged(f"setting {name}", fine, said, remedy))
    return found


def _judged(what: str, fine: bool, said: str, remedy: str) -> Finding:
    return Finding(what=what, verdict="ok" if fine else "missing", said=said, remedy="" if fine else remedy)


def _replicas(wanted: int) -> Finding:
    what, remedy = f"standbys, {wanted} or more", "Add one: deploy/runbooks/database-failover.md."
    if connection.vendor != "postgresql":
        return Finding(what=what, verdict="missing", said=f"{connection.vendor} has none", remedy=remedy)
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT count(*) FILTER (WHERE state = 'streaming'), count(*) FROM pg_stat_replication")
            streaming, rows = cursor.fetchone()
    except DatabaseError as error:
        return Finding(what=what, verdict="not seen", said=str(error).strip()[:200], remedy=remedy)
    if rows and not streaming:
        # Somebody else's rows are there without their state, unless the role is a member of pg_monitor.
        hint = "Give the portal's role pg_monitor, or look at the database's own console."
        return Finding(what=what, verdict="not seen", said=f"{rows} receive, their state is hidden", remedy=hint)
    return _judged(what, streaming >= wanted, f"{streaming} streaming", remedy)


def _part(part: str, wanted: int) -> Finding:
    alive = Heartbeat.objects.filter(part=part, beat_at__gt=timezone.now() - ALIVE).order_by("node")
    nodes = list(alive.values_list("node", flat=True))
    said = f"{len(nodes)} alive: {', '.join(nodes)}" if nodes else "none has reported within a minute"
    remedy = f"Start it on {'another machine' if nodes else 'a machine'}, and look at its log."
    return _judged(f"{part}, {wanted} or more", len(nodes) >= wanted, said, remedy)


def _checks(wanted: list[str]) -> list[Finding]:
    outcomes = {each.check.key: each.result for each in run_due_checks(force=True)}
    found = []
    for key in wanted:
        result = outcomes.get(key)
        if result is None:
            said = "not a check of this installation's database"
            found.append(Finding(what=f"check {key}", verdict="not seen", said=said))
        else:
            said = f"{result.status}: {result.message}"
            found.append(_judged(f"check {key}", result.status == "ok", said, result.remedy))
    return found


def _https() -> tuple[bool, str]:
    return bool(settings.SECURE_HSTS_SECONDS) and settings.PUBLIC_URL.startswith("https://"), settings.PUBLIC_URL


def _keyring() -> tuple[bool, str]:
    inside = Path(settings.DATA_DIR).resolve() in Path(settings.KEYRING_FILE).resolve().parents
    return not inside or settings.KEY_PROVIDER != "file", f"{settings.KEYRING_FILE}, {settings.KEY_PROVIDER}"


def _database_tls() -> tuple[bool, str]:
    mode = parse_qs(urlsplit(settings.DATABASE_URL).query).get("sslmode", ["not asked for"])[0]
    return mode == "verify-full", f"sslmode {mode}"


_SETTINGS: dict[str, tuple[Callable[[], tuple[bool, str]], str]] = {
    "https": (_https, "AIWRITER_HTTPS=true, and an https address in AIWRITER_PUBLIC_URL."),
    "production": (
        lambda: (settings.ENVIRONMENT == "production", settings.ENVIRONMENT),
        "AIWRITER_ENVIRONMENT=production",
    ),
    "proxy": (lambda: (settings.TRUSTED_PROXIES > 0, str(settings.TRUSTED_PROXIES)), "Set AIWRITER_TRUSTED_PROXIES."),
    "json_logs": (
        lambda: (settings.ENV["AIWRITER_LOG_FORMAT"] == "json", settings.ENV["AIWRITER_LOG_FORMAT"]),
        "AIWRITER_LOG_FORMAT=json",
    ),
    "console_networks": (
        lambda: (bool(settings.CONSOLE_NETWORKS), ", ".join(settings.CONSOLE_NETWORKS) or "everywhere"),
        "Name the network of the VPN in AIWRITER_CONSOLE_NETWORKS.",
    ),
    "keyring_outside": (_keyring, "Mount the keyring and name it in AIWRITER_KEYRING, or use a key service."),
    "database_tls": (_database_tls, "Add ?sslmode=verify-full&sslrootcert=… to DATABASE_URL."),
}
