"""`manage.py sync_templates`: bring the templates that come with the portal up to date."""

from __future__ import annotations

from typing import Any

from apps.content.services.type_seeds import ensure_content_types
from apps.users.management.service_command import ServiceCommand


class Command(ServiceCommand):
    """Makes missing templates and updates those that nobody has changed. Also done at every start."""

    help = "Make missing templates, and update those that nobody has changed since they came."

    def handle(self, *args: Any, **options: Any) -> None:
        """Say what was done."""
        made, changed = ensure_content_types()
        self.stdout.write(f"{made} made, {changed} brought up to date.")
