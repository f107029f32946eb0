"""Model servers on the machine itself, to offer them to an operator. Nothing is used unasked."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from aiwriter.pluginhost import calls, discovery
from aiwriter_sdk import BackendError
from apps.backends.models import BackendProfile
from apps.backends.services import instances
from apps.backends.services.plugins import usable
from apps.users.selectors.access import Actor, require


@dataclass(frozen=True, slots=True, kw_only=True)
class LocalServer:
    """A server that a plugin proposes.

    Args:
        plugin: key of the plugin that would speak to it.
        known: whether a profile for this address exists already.
        options: of a profile for it.
    """

    plugin: str
    label: str
    base_url: str
    models: tuple[str, ...] = ()
    known: bool = False
    options: Mapping[str, Any] = field(default_factory=dict)


def find_local_servers(*, actor: Actor) -> list[LocalServer]:
    """Let the plugins that can look for servers on this machine do so; takes about half a second.

    Args:
        actor: needs "backends.manage".
    """
    require(actor, "backends.manage")
    profiles = BackendProfile.objects.of_kind("model").values_list("options", flat=True)
    known = {str(options.get("base_url", "")).rstrip("/") for options in profiles}
    found: list[LocalServer] = []
    for plugin in usable(("model",)):
        found += _ask(plugin.key, known)
    return found


def _ask(key: str, known: set[str]) -> list[LocalServer]:
    descriptor = discovery.get("model", key)
    try:
        # Through the host's guard, as every use of plugin code: a finder that fails finds nothing.
        proposals = calls.run(descriptor, _proposals, descriptor.target)
        return [
            LocalServer(
                plugin=key,
                label=str(one.label),
                base_url=str(one.base_url),
                models=tuple(map(str, one.models)),
                known=str(one.base_url).rstrip("/") in known,
                options=dict(one.options),
            )
            for one in proposals
        ]
    except (BackendError, AttributeError, TypeError, ValueError):
        return []


def _proposals(target: str) -> list[Any]:
    module, _, name = target.partition(":")
    finder = getattr(getattr(importlib.import_module(module), name), "find_local", None)
    return list(instances.run_alone(lambda: finder(instances.http))) if finder else []


def as_dict(server: LocalServer) -> dict[str, Any]:
    """For the API."""
    return {
        "label": server.label,
        "base_url": server.base_url,
        "models": list(server.models),
        "options": dict(server.options),
        "known": server.known,
    }
