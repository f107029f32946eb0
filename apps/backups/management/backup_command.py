"""What the commands of backups have in common: one JSON object with --json, and the exit code of how it ended."""

from __future__ import annotations

import datetime as dt
import json
import sys
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import CommandError
from django.core.serializers.json import DjangoJSONEncoder

from aiwriter.core.errors import AppError, InvalidInput
from apps.backups.models import RecoveryJob
from apps.backups.repository.errors import RepositoryError
from apps.backups.services.repositories import RepositoryProblem
from apps.users.management.service_command import ServiceCommand
from apps.users.selectors.access import Actor

EXIT_CODES = """Exit codes: 0 done · 1 error · 3 incomplete or stopped · 10 no repository · 11 busy · 12 wrong or missing key ·
13 no space · 14 check or drill failed · 15 the clock is wrong. Treat an unknown code as failure."""


class BackupCommand(ServiceCommand):
    """Base of the commands."""

    actor = Actor.system_actor("command")

    def add_arguments(self, parser: ArgumentParser) -> None:
        """The options of all."""
        parser.epilog = EXIT_CODES
        parser.add_argument("--json", action="store_true", help="print one JSON object and nothing else")

    def execute(self, *args: Any, **options: Any) -> str | None:
        """Run; with --json an error is a JSON object too."""
        try:
            return super().execute(*args, **options)
        except CommandError as error:
            cause = error.__cause__
            if options.get("json") and isinstance(cause, AppError):
                self.answer(
                    {
                        "ok": False,
                        "exit_code": cause.exit_code,
                        "error": cause.message,
                        "remedy": cause.remedy,
                        "code": cause.code,
                    }
                )
                sys.exit(cause.exit_code)
            raise
        except RepositoryError as error:
            problem = RepositoryProblem(error)
            raise CommandError(str(problem), returncode=problem.exit_code) from problem

    def answer(self, found: dict[str, Any]) -> None:
        """Print the JSON object."""
        self.stdout.write(json.dumps(found, cls=DjangoJSONEncoder, sort_keys=True))

    def echo(self, options: dict[str, Any]) -> Any:
        """Where log lines go while a job runs."""
        return None if options["json"] else self.stdout.write

    def ended(self, job: RecoveryJob, options: dict[str, Any], **facts: Any) -> None:
        """Say how a job ended, and exit with its code."""
        code = job.exit_code if job.exit_code is not None else (0 if job.state == "succeeded" else 1)
        if options["json"]:
            self.answer(
                {
                    "ok": job.state == "succeeded" and code == 0,
                    "id": job.pk,
                    "state": job.state,
                    "exit_code": code,
                    "error": job.error,
                    "remedy": job.remedy,
                    "seconds": _seconds(job),
                    **facts,
                }
            )
        elif job.state == "succeeded":
            self.stdout.write("Done." if code == 0 else "Done, but incomplete; see above.")
        else:
            self.stderr.write(f"{job.get_state_display()}: {job.error} {job.remedy}".strip())
        if code:
            sys.exit(code)

    @staticmethod
    def moment(text: str) -> dt.datetime | None:
        """A moment as given; without a zone it is UTC.

        Raises:
            InvalidInput: it is no time.
        """
        if not text:
            return None
        try:
            found = dt.datetime.fromisoformat(text)
        except ValueError as error:
            raise InvalidInput(
                f"'{text[:40]}' is no moment.", field="moment", remedy="Write it as 2026-11-26T14:03:07, in UTC."
            ) from error
        return found if found.tzinfo else found.replace(tzinfo=dt.UTC)

    @staticmethod
    def key(text: str) -> str:
        """A key as given: the text itself, or the path of a file that holds it.

        Raises:
            InvalidInput: there is no such file.
        """
        if not text or text.startswith("AGE-SECRET-KEY-"):
            return text
        try:
            content = Path(text).read_text(encoding="utf-8")
        except OSError as error:
            raise InvalidInput(
                f"The key file {text} cannot be read: {error.strerror}.",
                field="key",
                remedy="Name a file that holds the line AGE-SECRET-KEY-1…",
            ) from error
        lines = [line.strip() for line in content.splitlines() if line.strip().startswith("AGE-SECRET-KEY-")]
        return lines[0] if lines else content.strip()

    @staticmethod
    def database(text: str) -> str:
        """An address of a database, or the first line of a file: on the command line every user could read a password.

        Raises:
            InvalidInput: there is no such file.
        """
        if not text or "://" in text:
            return text
        try:
            return Path(text).read_text(encoding="utf-8").strip().partition("\n")[0]
        except OSError as error:
            raise InvalidInput(
                f"The file {text} cannot be read: {error.strerror}.",
                field="database",
                remedy="Name a file that holds the address.",
            ) from error


def _seconds(job: RecoveryJob) -> float | None:
    if job.started_at is None or job.finished_at is None:
        return None
    return round((job.finished_at - job.started_at).total_seconds(), 3)
