"""A program of the operator's that is called around backups: to mount a disk, to tell another system."""

from __future__ import annotations

import json
import subprocess
from typing import Any, Literal

from django.conf import settings

from aiwriter import env
from aiwriter.core.errors import Unavailable
from apps.backups.models import BackupRun
from apps.backups.services.progress import Progress

Moment = Literal["before", "after", "failed"]
DEADLINE_SECONDS = 600
_SHOWN = 2_000
# Not the portal's own environment, which holds its secrets.
_PASSED_ON = ("PATH", "HOME", "LANG", "LC_ALL", "TZ")


def call_hook(moment: Moment, run: BackupRun, progress: Progress, **facts: Any) -> None:
    """Call `AIWRITER_BACKUP_HOOK` with the moment as its argument and what is known as JSON on its input.

    It is set by who runs the machine, not in the console: there it would turn a right of the portal into one of the machine.

    Args:
        moment: "before" may refuse the backup; "after" and "failed" are told.
        run: which backup.
        progress: what the program prints goes into the run's log.
        facts: more for the program, such as the name of the set.

    Raises:
        Unavailable: before a backup the program refused, could not be started, or did not end within ten minutes.
    """
    program = settings.BACKUP_HOOK
    if not program:
        return
    told = {"moment": moment, "run": str(run.pk), "destination": run.destination.name, "trigger": run.trigger, **facts}
    present = env.process_environment()
    environment = {name: present[name] for name in _PASSED_ON if name in present}
    try:
        done = subprocess.run(
            [program, moment],
            input=json.dumps(told),
            capture_output=True,
            text=True,
            timeout=DEADLINE_SECONDS,
            env=environment,
            cwd=settings.DATA_DIR,
            check=False,
        )
        problem = f"ended with code {done.returncode}" if done.returncode else ""
        said = (done.stdout + done.stderr).strip()[-_SHOWN:]
    except subprocess.TimeoutExpired:
        problem, said = f"did not end within {DEADLINE_SECONDS // 60} minutes", ""
    except OSError as error:
        problem, said = f"cannot be started: {error.strerror}", ""
    if said:
        progress.say(f"Hook, {moment}: {said}")
    if problem and moment == "before":
        raise Unavailable(
            f"The hook before the backup {problem}.",
            remedy=f"See the log; {program} of AIWRITER_BACKUP_HOOK is called.",
        )
    if problem:
        progress.say(f"The hook ({moment}) {problem}. The backup is not affected.")
