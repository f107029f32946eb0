"""Environments and releases for tests."""

from __future__ import annotations

import uuid
from typing import Any

from apps.deployments.models import Environment, Release
from apps.deployments.services import environments, releases
from apps.users.selectors.access import Actor

SETUP = Actor.system_actor("tests")


def an_environment(slug: str = "", **values: Any) -> Environment:
    """An environment, production-like unless told otherwise."""
    wanted = {"title": "Lab", "kind": "production", **values}
    return environments.create_environment(actor=SETUP, slug=slug or f"lab-{uuid.uuid4().hex[:12]}", **wanted)


def a_release(version: str = "", **values: Any) -> Release:
    """A registered release."""
    return releases.register_release(actor=SETUP, version=version or f"1.{uuid.uuid4().int % 10**9}.0", **values)
