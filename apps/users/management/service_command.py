"""Commands that call services."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandError

from aiwriter.core.errors import AppError


class ServiceCommand(BaseCommand):
    """A command whose refusals are one readable line and an exit code of `core.errors`, without a traceback."""

    # Django's checks load every page of the portal, for a second of processor time at each start. What is wrong in a page is told
    # when a release is built (`manage.py check`), what is wrong in a setting by `doctor` and `check --deploy`.
    requires_system_checks: list[str] = []

    def execute(self, *args: Any, **options: Any) -> str | None:
        """Run the command."""
        try:
            return super().execute(*args, **options)
        except AppError as error:
            raise CommandError(str(error), returncode=error.exit_code) from error
