"""What a portal is configured with, without its secrets: kept with every deployment, so that a way back knows it."""

from __future__ import annotations

import hashlib
from typing import Any

from django.conf import settings

from aiwriter import env
from apps.deployments.models import ConfigRevision, Environment
from apps.deployments.services import signing


def snapshot(environment: Environment) -> ConfigRevision | None:
    """The configuration of now, if the portal runs in this environment; the same one again is the same row."""
    if not environment.own:
        return None
    values, refs = present()
    digest = signing.digest({"values": values, "secrets": refs})
    found, _ = ConfigRevision.objects.get_or_create(
        environment=environment, digest=digest, defaults={"values": values, "secret_refs": refs}
    )
    return found


def present() -> tuple[dict[str, str], dict[str, str]]:
    """Variables that are no secret with their values, and of each secret eight characters that tell whether it is another."""
    values: dict[str, str] = {}
    refs: dict[str, str] = {}
    for variable in env.VARIABLES:
        value: Any = settings.ENV.get(variable.name)
        if value in (None, "", [], ()):
            continue
        if variable.secret:
            refs[variable.name] = hashlib.sha256(f"{settings.SECRET_KEY}:{variable.name}:{value}".encode()).hexdigest()[
                :8
            ]
        else:
            values[variable.name] = str(value)
    return values, refs
