"""Backends and routes for tests, made by the services and tested and enabled as an operator would."""

from __future__ import annotations

from typing import Any

from apps.backends.models import BackendProfile, Route
from apps.backends.services.profiles import Secrets, create_profile, enable_profile, test_profile
from apps.backends.services.routing import set_route
from apps.users.models import Workspace
from apps.users.selectors.access import Actor

SETUP = Actor.system_actor("tests")


def storage_profile(name: str = "Files", *, encrypt: bool = False, **options: Any) -> BackendProfile:
    """An enabled folder for files."""
    made = create_profile(
        actor=SETUP, kind="storage", plugin_key="local", name=name, options=options, encrypt_files=encrypt
    )
    return enabled(made)


def openai_profile(name: str, url: str, *, key: str = "", **options: Any) -> BackendProfile:
    """An enabled profile of an OpenAI-compatible server.

    Args:
        name: of the profile.
        url: base URL of the wire.
        key: API key.
        options: of the plugin's form.
    """
    made = create_profile(
        actor=SETUP,
        kind="model",
        plugin_key="openai",
        name=name,
        options={"base_url": url, "default_model": "fake-large", **options},
        secrets=Secrets(typed={"api_key": key or f"key-of-{name}-0123456789"}),
    )
    return enabled(made)


def offline_profile(name: str = "Offline") -> BackendProfile:
    """The built-in writer, enabled."""
    return enabled(create_profile(actor=SETUP, kind="model", plugin_key="offline", name=name, options={}))


def enabled(profile: BackendProfile) -> BackendProfile:
    """Test and enable."""
    result = test_profile(actor=SETUP, profile_id=profile.pk)
    assert result.ok, f"{profile.name}: {result.message} {result.remedy}"
    return enable_profile(actor=SETUP, profile_id=profile.pk)


def route(purpose: str, *steps: BackendProfile | dict[str, Any], workspace: Workspace | None = None) -> Route:
    """A chain of profiles, or of steps as `set_route` takes them."""
    given = [{"profile": step.pk} if isinstance(step, BackendProfile) else step for step in steps]
    return set_route(actor=SETUP, purpose=purpose, steps=given, workspace_id=workspace.pk if workspace else None)
