"""Configuration: what a restored portal must be set up with, keys and secrets included."""

from __future__ import annotations

import base64
import hashlib
import json
import platform
from pathlib import Path

from django.conf import settings

from aiwriter import env
from aiwriter.core import keyring
from apps.backends.services import plugins
from apps.backups.models import Destination, Restore, StagingCopy
from apps.backups.services.contents import PORTAL, SECRETS
from apps.backups.services.sources import Collecting

_LARGEST = 1 << 20


def configuration(collecting: Collecting) -> None:
    """Put versions and settings into the set, and the secrets that nobody but the recipients of the backup can open.

    Contents of a set are encrypted with a key that only the recipients' keys open, and the portal forgets it after the
    run; so the secrets of this entry are safe even from who reads the whole disk of the repository.
    """
    collecting.progress.phase("configuration")
    variables = _variables()
    plain = {name: value for name, (value, secret) in variables.items() if not secret}
    portal = {
        "version": settings.VERSION,
        "python": platform.python_version(),
        "environment": settings.ENVIRONMENT,
        "variables": plain,
        "plugins": {
            f"{row.kind}:{row.key}": row.version for row in plugins.usable(("model", "storage", "publish", "check"))
        },
    }
    digest = hashlib.sha256(json.dumps([plain, portal["plugins"]], sort_keys=True).encode()).hexdigest()
    secrets = {
        "variables": {name: value for name, (value, secret) in variables.items() if secret},
        "files": _secret_files(),
    }
    collecting.writer.add_bytes(PORTAL, json.dumps(portal, indent=1, sort_keys=True).encode())
    collecting.writer.add_bytes(SECRETS, json.dumps(secrets, sort_keys=True).encode())
    collecting.facts["configuration"] = {
        "version": settings.VERSION,
        "settings_digest": digest,
        "plugins": portal["plugins"],
        "secrets": len(secrets["files"]) + len(secrets["variables"]),
    }


def _variables() -> dict[str, tuple[str, bool]]:
    """What was set from outside: value and whether it is a secret, by name."""
    secret = {variable.name: variable.secret for variable in env.VARIABLES}
    found: dict[str, tuple[str, bool]] = {}
    for name, value in env.process_environment().items():
        if name.startswith("AIWRITER_SECRET_") and name not in secret:
            found[name] = (value, True)
        elif name in secret and value:
            found[name] = (value, secret[name])
    return found


def _secret_files() -> dict[str, str]:
    """Keys and typed secrets by their path, in base64. The key that opens backups is left out: it must lie elsewhere."""
    left_out = {f"secrets/{ref.removeprefix('file:')}" for ref in _identities() if ref.startswith("file:")}
    found: dict[str, str] = {}
    for label, folder in (("keys", Path(settings.DATA_DIR) / "keys"), ("secrets", Path(settings.SECRETS_DIR))):
        if not folder.is_dir():
            continue
        for path in sorted(folder.iterdir()):
            name = f"{label}/{path.name}"
            if path.name.startswith(".") or not path.is_file() or name in left_out:
                continue
            if path.stat().st_size <= _LARGEST:
                found[name] = base64.b64encode(path.read_bytes()).decode()
    ring = Path(settings.KEYRING_FILE)
    if ring.is_file():
        # Also where it is a mounted secret: without it nothing of the database opens.
        found[keyring.IN_BACKUPS] = base64.b64encode(ring.read_bytes()).decode()
    return found


def _identities() -> set[str]:
    """Where keys that open backups lie: those of places, and those given for one restore that is going on."""
    models = (Destination, Restore, StagingCopy)
    return {ref for model in models for ref in model.objects.values_list("identity_ref", flat=True) if ref}
