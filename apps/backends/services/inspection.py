"""Looks for malware in what people put in, where an operator has set a ClamAV daemon up."""

from __future__ import annotations

import logging
import os
from typing import BinaryIO

from django.conf import settings

from aiwriter.core.clamd import Clamd, ClamdError, TooLargeForClamd
from aiwriter.core.errors import InvalidInput, TooLarge, Unavailable
from apps.users.models import Workspace
from apps.users.selectors.access import Actor
from apps.users.services.audit import record

log = logging.getLogger(__name__)


def scanner() -> Clamd | None:
    """The daemon; None when none is set up."""
    if not settings.CLAMD_ADDRESS:
        return None
    return Clamd(settings.CLAMD_ADDRESS, settings.CLAMD_SECONDS)


def require_clean(*, actor: Actor, workspace: Workspace | None, file: BinaryIO) -> None:
    """Let a file pass in which nothing is found; it is read from its start, and stands there again afterwards.

    Args:
        actor: who brings it.
        workspace: where to.
        file: its bytes.

    Raises:
        InvalidInput: it holds malware.
        Unavailable, TooLarge: it could not be looked at, and the setting says that such files are refused.
    """
    daemon = scanner()
    if daemon is None:
        return
    file.seek(0)
    try:
        found = daemon.scan(file)
    except ClamdError as error:
        _not_looked_at(error)
        return
    finally:
        file.seek(0, os.SEEK_SET)
    if found:
        record(actor, "file.infected", workspace=workspace, outcome="denied", reason=found[:200])
        raise InvalidInput(
            f"The file holds malware: {found[:200]}. It was not kept.",
            field="file",
            remedy="Do not open it. If you are sure that it is harmless, tell the operator this name.",
        )


def _not_looked_at(error: ClamdError) -> None:
    log.warning("A file was not inspected for malware: %s", error)
    if settings.CLAMD_WHEN_DOWN == "accept":
        return
    if isinstance(error, TooLargeForClamd):
        raise TooLarge(
            "The file is larger than the malware scanner takes, and was not kept.",
            field="file",
            remedy="Split it, or ask the operator to raise StreamMaxLength of the scanner.",
        ) from error
    raise Unavailable(
        "The file could not be inspected for malware, and was not kept.",
        field="file",
        remedy="Try again in some minutes. The operator finds the reason on the health page under Malware scanner.",
    ) from error
