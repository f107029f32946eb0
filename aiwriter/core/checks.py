"""System checks of what a public installation needs: `manage.py check --deploy`. Each has an id, a hint, and a page of docs.

They stand beside Django's own (security.W…). In the profiles for staging and production all of them are silent; see
docs/operators/deploying.md.
"""

from __future__ import annotations

import stat
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

from django.apps import AppConfig
from django.conf import settings
from django.core.checks import CheckMessage, Error, Tags, Warning, register

from aiwriter.core import keyring
from aiwriter.core.errors import AppError

_LOOPBACK = ("127.0.0.1", "localhost", "::1", "")
_DEBUG_TOOLS = ("debug_toolbar", "silk", "django_extensions", "nplusone", "django_browser_reload")
Apps = Sequence[AppConfig] | None


@register(Tags.security)
def keyring_is_usable(app_configs: Apps, **kwargs: Any) -> list[CheckMessage]:
    """aiw.E001: a keyring that is there can be read, by the portal's user only."""
    try:
        if keyring.exists():
            keyring.load()
    except AppError as error:
        return [Error(error.message, hint=error.remedy, id="aiw.E001")]
    return []


@register(Tags.security, deploy=True)
def hosts_are_named(app_configs: Apps, **kwargs: Any) -> list[CheckMessage]:
    """aiw.W002: no host name is answered that is not the portal's own."""
    if not any(host == "*" or host.startswith(".") for host in settings.ALLOWED_HOSTS):
        return []
    return [
        Warning(
            "ALLOWED_HOSTS answers to names that are not the portal's.",
            hint="List the names in AIWRITER_ALLOWED_HOSTS, without * and without a leading dot.",
            id="aiw.W002",
        )
    ]


@register(Tags.security, deploy=True)
def proxies_are_counted(app_configs: Apps, **kwargs: Any) -> list[CheckMessage]:
    """aiw.W003: behind a proxy its number is stated, or everybody has the proxy's address."""
    public = urlsplit(settings.PUBLIC_URL)
    behind = public.scheme == "https" or (public.hostname or "") not in (settings.HOST, *_LOOPBACK)
    if settings.TRUSTED_PROXIES or not behind:
        return []
    return [
        Warning(
            "The portal is reached through a proxy (AIWRITER_PUBLIC_URL), and none is trusted.",
            hint="Set AIWRITER_TRUSTED_PROXIES to the number of proxies in front; without it all visitors share one "
            "limit, and the audit record names the proxy.",
            id="aiw.W003",
        )
    ]


@register(Tags.security, deploy=True)
def debugging_is_off(app_configs: Apps, **kwargs: Any) -> list[CheckMessage]:
    """aiw.W004: nothing that shows the inside is installed."""
    found = [name for name in _DEBUG_TOOLS if name in settings.INSTALLED_APPS]
    if not found:
        return []
    return [Warning(f"{', '.join(found)} is installed.", hint="Take it out of INSTALLED_APPS.", id="aiw.W004")]


@register(Tags.security, deploy=True)
def console_is_inside(app_configs: Apps, **kwargs: Any) -> list[CheckMessage]:
    """aiw.W005: the console is reached from named networks only."""
    if settings.CONSOLE_NETWORKS or urlsplit(settings.PUBLIC_URL).hostname in _LOOPBACK:
        return []
    return [
        Warning(
            "The console is reached from everywhere.",
            hint="Name the operators' networks in AIWRITER_CONSOLE_NETWORKS, such as that of the VPN.",
            id="aiw.W005",
        )
    ]


@register(Tags.security, deploy=True)
def folders_are_closed(app_configs: Apps, **kwargs: Any) -> list[CheckMessage]:
    """aiw.W006: keys and secrets are for the portal's user only."""
    found: list[CheckMessage] = []
    for path in (Path(settings.DATA_DIR) / "keys", Path(settings.SECRETS_DIR)):
        try:
            mode = stat.S_IMODE(path.stat().st_mode)
        except OSError:
            continue
        if mode & 0o077:
            hint = f"chmod 700 {path}"
            found.append(Warning(f"{path} is open to others (mode {mode:04o}).", hint=hint, id="aiw.W006"))
    return found


@register(Tags.security, deploy=True)
def connections_are_private(app_configs: Apps, **kwargs: Any) -> list[CheckMessage]:
    """aiw.W007: what goes over a network to the database and the broker is encrypted, and the server proves who it is."""
    found: list[CheckMessage] = []
    addresses = {
        "DATABASE_URL": settings.DATABASE_URL,
        "AIWRITER_DATABASE_DIRECT_URL": settings.DATABASE_DIRECT_URL,
        "AIWRITER_REPLICA_URL": settings.REPLICA_URL,
    }
    for name, url in addresses.items():
        database = urlsplit(url)
        if database.scheme.startswith("postgres") and _leads_out(url):
            mode = parse_qs(database.query).get("sslmode", [""])[0]
            if mode != "verify-full":
                hint = f"Add sslmode=verify-full&sslrootcert=… to {name}, behind its question mark."
                found.append(
                    Warning("The database is reached without a verified connection.", hint=hint, id="aiw.W007")
                )
    in_clear = [
        url for url in (settings.REDIS_URL, settings.CELERY_BROKER_URL)
        if urlsplit(url).scheme in ("redis", "sentinel") and _leads_out(url)
    ]  # fmt: skip
    if in_clear:
        hint = "Use rediss:// in REDIS_URL. Sentinels are reached in clear: keep them in a network of their own."
        found.append(Warning("Redis is reached in clear.", hint=hint, id="aiw.W007"))
    return found


def _leads_out(url: str) -> bool:
    """Whether one of an address's hosts is another machine."""
    hosts = urlsplit(url).netloc.rpartition("@")[2].split(",")
    return any((urlsplit(f"//{host}").hostname or "") not in _LOOPBACK for host in hosts)


@register(Tags.security, deploy=True)
def everything_is_https(app_configs: Apps, **kwargs: Any) -> list[CheckMessage]:
    """aiw.W008: the address that people use is an https one."""
    public = urlsplit(settings.PUBLIC_URL)
    if public.scheme == "https" or public.hostname in _LOOPBACK:
        return []
    return [
        Warning(
            f"AIWRITER_PUBLIC_URL is {settings.PUBLIC_URL}.",
            hint="Use https:// and AIWRITER_HTTPS=true behind a proxy that has the certificate.",
            id="aiw.W008",
        )
    ]
