"""`manage.py backup_job`: the child process of a worker that does one job. Not for people."""

from __future__ import annotations

import uuid
from argparse import ArgumentParser
from typing import Any

from apps.backups.services import jobs
from apps.backups.services.working import carry_out
from apps.users.management.service_command import ServiceCommand


class Command(ServiceCommand):
    """Does one job to its end."""

    help = "Carry out a backup run, a drill, a restore or a staging copy that waits. The worker calls this; people use `backup`."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Arguments."""
        parser.add_argument("kind", choices=sorted(jobs.KINDS))
        parser.add_argument("job_id", type=uuid.UUID)

    def handle(self, *args: Any, **options: Any) -> None:
        """Do it; how it ended stands in its row."""
        carry_out(options["kind"], options["job_id"], detached=True)
