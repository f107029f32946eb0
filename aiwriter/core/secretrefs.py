"""Secret references: a row says where a secret is, never what it is.

`env:AIWRITER_SECRET_NAME` names a variable, `file:NAME` a file of the secrets folder. Prefix and folder are a jail: an
editor of profiles cannot point one at `DATABASE_URL` and post it to an address of their choosing.
"""

from __future__ import annotations

import contextlib
import os
import re
import secrets
from pathlib import Path

from django.conf import settings

from aiwriter import env
from aiwriter.core import keyring, sealed
from aiwriter.core.errors import InvalidInput, StorageFull, Unavailable
from aiwriter_sdk import Secret

_PREFIX = "AIWRITER_SECRET_"
_RESERVED = {variable.name for variable in env.VARIABLES} | {f"{variable.name}_FILE" for variable in env.VARIABLES}
_VARIABLE = re.compile(rf"{_PREFIX}[A-Z0-9_]{{1,80}}")
_FILE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,100}")
_PLACE = "secret-file"
_REMEDY = f"Use env:{_PREFIX}NAME for a variable or file:NAME for a file in the secrets folder."


def check(reference: str) -> None:
    """Refuse a reference outside the jail.

    Raises:
        InvalidInput: the form is wrong or the name is not allowed.
    """
    scheme, _, name = reference.partition(":")
    if scheme == "env" and _VARIABLE.fullmatch(name) and name not in _RESERVED:
        return
    if scheme == "file" and _FILE.fullmatch(name):
        return
    raise InvalidInput(f"'{reference}' is not a secret reference that may be used.", field="secret", remedy=_REMEDY)


def resolve(reference: str) -> Secret:
    """Read a secret now; nothing is kept.

    Raises:
        InvalidInput: the reference is outside the jail.
        Unavailable: the variable is empty or the file cannot be read.
    """
    check(reference)
    scheme, _, name = reference.partition(":")
    if scheme == "env":
        value = env.process_variable(name)
        if not value:
            raise Unavailable(f"The variable {name} is empty.", field="secret", remedy="Set it and restart the portal.")
        return Secret(value)
    path = Path(settings.SECRETS_DIR) / name
    try:
        if path.is_symlink() and path.resolve().parent != Path(settings.SECRETS_DIR).resolve():
            # Kubernetes mounts secrets as links within the folder; a link that leaves it is the jail broken.
            raise Unavailable(f"The secret file {name} leads out of the secrets folder.", field="secret")
        return Secret(opened(name, path.read_text(encoding="utf-8").rstrip("\r\n")))
    except OSError as error:
        raise Unavailable(
            f"The secret file {name} cannot be read: {error.strerror}.",
            field="secret",
            remedy=f"Put it into {settings.SECRETS_DIR}, readable by the portal's user only.",
        ) from error


def opened(name: str, text: str) -> str:
    """The secret in a file's text: files that the portal wrote are sealed, those that operators put there are not.

    Args:
        name: of the file; a sealed text opens under the name that it was sealed for only.
        text: its content.

    Raises:
        Unavailable: it is sealed and cannot be opened.
    """
    return sealed.unseal(f"{_PLACE}:{name}", text) if text.startswith(sealed.MARK) else text


def sealed_text(name: str, value: str) -> str:
    """What a file holds for a secret: sealed by the keyring, or as it is while the version before may still serve."""
    with contextlib.suppress(keyring.RingMissing):
        if keyring.load().stage != "expand":
            return sealed.seal(f"{_PLACE}:{name}", value)
    return value


def store(label: str, value: str) -> str:
    """Keep a secret that an operator typed as a file that only the portal's user can read.

    Args:
        label: makes the file recognisable, "openai-api_key".
        value: the secret.

    Returns:
        the reference, `file:…`.
    """
    folder = Path(settings.SECRETS_DIR)
    name = f"{re.sub(r'[^A-Za-z0-9._-]+', '-', label).strip('-.')[:60] or 'secret'}-{secrets.token_hex(6)}"
    content = sealed_text(name, value)
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        handle = os.open(folder / name, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        raise StorageFull(
            f"The secret could not be kept: {error.strerror}.", remedy=f"Make {folder} writable and try again."
        ) from error
    return f"file:{name}"


def forget(reference: str) -> None:
    """Remove a stored secret file; references to variables and missing files are left alone."""
    scheme, _, name = reference.partition(":")
    if scheme == "file" and _FILE.fullmatch(name):
        (Path(settings.SECRETS_DIR) / name).unlink(missing_ok=True)
