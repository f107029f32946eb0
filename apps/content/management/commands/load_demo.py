"""`manage.py load_demo`: a small workspace to look at, made through the same services that a writer uses."""

from __future__ import annotations

import time
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import CommandError

from apps.content.selectors.generations import get_generation
from apps.content.selectors.sources import sources_for
from apps.content.services.generation import start_generation
from apps.content.services.sources import add_file_sources
from apps.users.management.service_command import ServiceCommand
from apps.users.models import RoleGrant, User, Workspace
from apps.users.selectors.access import Actor, workspaces_of
from apps.users.services.workspaces import add_member, create_workspace

FOLDER = Path(__file__).resolve().parents[1] / "demo"
SLUG = "example"
PATIENCE_SECONDS = 60.0


class Command(ServiceCommand):
    """Makes a workspace with three sources and an article composed from them. Needs a running worker."""

    help = "Load a small example workspace: three sources and an article written from them. Safe to repeat."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Arguments."""
        parser.add_argument("--email", help="whose workspace it becomes; the first administrator's when left out")

    def handle(self, *args: Any, **options: Any) -> None:
        """Make what is not there yet."""
        owner = self._owner(options["email"])
        actor = Actor.for_user(owner)
        workspace = workspaces_of(actor).filter(slug=SLUG).first()
        if workspace is not None:
            self.stdout.write("The example workspace is there already.")
            return
        system = Actor.system_actor("load_demo")
        workspace = create_workspace(actor=system, name="Example", slug=SLUG)
        add_member(actor=system, workspace=workspace, user=owner, role="editor")
        files = [(path.name, path.open("rb"), "text/markdown") for path in sorted(FOLDER.glob("*.md"))]
        for result in add_file_sources(actor=actor, workspace=workspace, files=files):
            if result.error:
                raise CommandError(f"{result.name}: {result.error}")
        self._wait_for_sources(actor, workspace)
        brief = {
            "topic": "The tides: how they come about, how they are predicted, and what they are good for",
            "audience": "curious readers",
            "length": 500,
            "headings": ["How tides come about", "Telling the tide in advance", "Electricity from tides"],
        }
        generation = start_generation(actor=actor, workspace=workspace, kind="draft", brief=brief, apply=True)
        end = time.monotonic() + PATIENCE_SECONDS
        while not get_generation(actor=actor, generation_id=generation.pk).is_final and time.monotonic() < end:
            time.sleep(0.5)
        self.stdout.write("The workspace “Example” has three sources and an article.")

    def _owner(self, email: str | None) -> User:
        if email:
            user = User.objects.filter(email__iexact=email).first()
            if user is None:
                raise CommandError(f"Nobody has the address {email}. See the people in the console.")
            return user
        first = RoleGrant.objects.filter(role="admin").select_related("user").order_by("created_at").first()
        if first is None:
            raise CommandError("There is no administrator yet. Run: python manage.py bootstrap")
        return first.user

    def _wait_for_sources(self, actor: Actor, workspace: Workspace) -> None:
        """Wait until the texts can be searched."""
        end = time.monotonic() + PATIENCE_SECONDS
        while time.monotonic() < end:
            states = set(sources_for(actor, workspace).values_list("state", flat=True))
            if states <= {"ready", "failed"}:
                return
            time.sleep(0.5)
        raise CommandError("The sources are still being read; is the worker running? Try again later.")
