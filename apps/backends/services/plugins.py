"""Which plugins are installed, as the console shows them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from aiwriter.pluginhost import discovery
from aiwriter.pluginhost.discovery import FoundPlugin
from aiwriter_sdk import ConfigSchema
from apps.backends.models import BackendProfile
from apps.users.selectors.access import Actor, require


@dataclass(frozen=True, slots=True)
class InstalledPlugin:
    """A plugin with its use here."""

    found: FoundPlugin
    profiles: int
    enabled: int

    @property
    def state(self) -> str:
        """Its state; "in use" when a profile of it is enabled."""
        return "in use" if self.enabled and self.found.state == discovery.State.READY else str(self.found.state)

    @property
    def label(self) -> str:
        """What an operator reads."""
        return self.found.descriptor.label if self.found.descriptor else self.found.key


def installed(*, actor: Actor, again: bool = False) -> list[InstalledPlugin]:
    """All installed plugins, also those that cannot be used.

    Args:
        actor: needs "plugins.read".
        again: look for newly installed ones.
    """
    require(actor, "plugins.read")
    found = discovery.refresh() if again else discovery.discover()
    counts: dict[tuple[str, str], list[int]] = {}
    for kind, key, enabled in BackendProfile.objects.values_list("kind", "plugin_key", "enabled"):
        count = counts.setdefault((kind, key), [0, 0])
        count[0] += 1
        count[1] += enabled
    return [InstalledPlugin(plugin, *counts.get((plugin.kind, plugin.key), (0, 0))) for plugin in found]


def usable(kinds: Sequence[str] = ("model", "storage", "publish", "check")) -> list[FoundPlugin]:
    """Plugins of which a profile can be made."""
    return [p for p in discovery.discover() if p.state is discovery.State.READY and p.kind in kinds]


def schema_of(kind: str, key: str) -> ConfigSchema:
    """The form of a plugin.

    Raises:
        NotFound, Unavailable: it is not installed or cannot be used.
    """
    return discovery.get(kind, key).config


def as_dict(plugin: InstalledPlugin) -> dict[str, Any]:
    """For the API; the traceback is for the console."""
    found = plugin.found
    return {
        "kind": found.kind,
        "key": found.key,
        "label": plugin.label,
        "state": plugin.state,
        "distribution": found.distribution,
        "version": found.version,
        "home_page": found.home_page,
        "first_party": found.first_party,
        "in_use": plugin.enabled > 0,
        "error": found.error,
        "remedy": found.remedy,
        "capabilities": sorted(found.descriptor.capabilities) if found.descriptor else [],
    }
