"""Which function does the work of which job."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from typing import Any

from aiwriter.core.errors import NotFound
from apps.backups.models import RecoveryJob
from apps.backups.services import drills, jobs, restores, upkeep
from apps.backups.services.staging import copies

WORK: dict[str, Callable[[Any, Any], None]] = {
    "run": upkeep.work,
    "drill": drills.run_drill,
    "restore": restores.run_restore,
    "staging": copies.run_staging,
}


def carry_out(
    kind: str, job_id: uuid.UUID, *, detached: bool = False, echo: Callable[[str], None] | None = None
) -> RecoveryJob:
    """Do a job to its end in this process.

    Args:
        kind: "run", "drill", "restore" or "staging".
        job_id: which.
        detached: this process is a child of a worker.
        echo: gets every log line.

    Raises:
        NotFound: there is no such job.
        Busy: something else works on the same repository.
    """
    model: Any = jobs.KINDS[kind]
    job = model.objects.filter(pk=job_id).first()
    if job is None:
        raise NotFound("There is no such job.")
    return jobs.carry_out(job, WORK[kind], detached=detached, echo=echo)
