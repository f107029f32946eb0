"""Connects a running portal to a fake provider, and makes people with tokens, through the product's own services."""

from __future__ import annotations

from typing import Any

from tests.lab.portal import Portal

_PEOPLE = """
from django.contrib.auth import get_user_model
from apps.users.selectors.access import Actor, workspaces_of
"""


def writer_token(portal: Portal, *more: str, only: tuple[str, ...] = ()) -> str:
    """A token of the first administrator for the first workspace, with all that a writer may do, and more scopes, or `only` these."""
    token: str = portal.shell(
        _PEOPLE
        + f"""
from apps.users.services.tokens import create_token
user = get_user_model().objects.get(email={portal.email!r})
actor = Actor.for_user(user)
workspace = workspaces_of(actor).first()
scopes = ["content.read", "content.write", "content.delete", "content.generate", "sources.read", "sources.write", "usage.read"]
made, raw = create_token(actor=actor, name="proof", scopes=list({only!r}) or [*scopes, *{more!r}], workspace=workspace)
answer = raw.reveal() if hasattr(raw, "reveal") else raw
"""
    )
    return token


def connect_models(portal: Portal, steps: list[dict[str, Any]], *, purposes: tuple[str, ...] = ("write",)) -> None:
    """Make a profile for each step and put them, in this order, on the routes of the purposes.

    Args:
        portal: a running portal.
        steps: dictionaries with name, base_url, model and optionally plugin ("openai") and prices.
        purposes: routes to set.
    """
    portal.shell(
        _PEOPLE
        + f"""
from apps.backends.services import profiles, routing
user = get_user_model().objects.get(email={portal.email!r})
actor = Actor.for_user(user)
made = []
for step in {steps!r}:
    options = {{"base_url": step["base_url"], **step.get("options", {{}})}}
    profile = profiles.create_profile(
        actor=actor, kind="model", plugin_key=step.get("plugin", "openai"), name=step["name"], options=options,
        secrets=profiles.Secrets(typed={{"api_key": "test-key-for-the-fake"}}),
    )
    profiles.test_profile(actor=actor, profile_id=profile.pk)
    profiles.enable_profile(actor=actor, profile_id=profile.pk)
    made.append((profile, step["model"]))
for purpose in {purposes!r}:
    routing.set_route(actor=actor, purpose=purpose, steps=[{{"profile": p.pk, "model": m}} for p, m in made])
answer = len(made)
"""
    )


def disconnect_models(portal: Portal, *, purposes: tuple[str, ...]) -> None:
    """Put the built-in backend alone back on these routes."""
    portal.shell(
        _PEOPLE
        + f"""
from apps.backends.models import BackendProfile
from apps.backends.services import routing
actor = Actor.for_user(get_user_model().objects.get(email={portal.email!r}))
for purpose in {purposes!r}:
    routing.set_route(actor=actor, purpose=purpose, steps=[{{"profile": BackendProfile.objects.get(managed="offline").pk}}])
answer = True
"""
    )
