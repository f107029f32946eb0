"""An environment: where its releases lie, which slots it has, which drivers serve it. A TOML file that the operator writes."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from aw_deployd.errors import Refused

# Of a part that may be there several times.
MOST = 32


@dataclass(frozen=True, slots=True)
class Slot:
    """A place where a version serves.

    Args:
        address: host:port that the proxy sends requests to.
    """

    name: str
    address: str

    @property
    def host(self) -> str:
        """Before the colon."""
        return self.address.rpartition(":")[0]

    @property
    def port(self) -> int:
        """Behind it."""
        return int(self.address.rpartition(":")[2])


@dataclass(frozen=True, slots=True)
class Environment:
    """The file, read.

    Args:
        state: folder of the journal, the sockets, and what the drivers write.
        releases: folder with one folder for each version.
        data: the portal's data folder.
        variables: file with the portal's variables, NAME=value in each line; only the agent's user can read it.
        listen: host:port of the proxy, or the path of a socket of its.
        user: whom jobs run as; "" for the agent's own. Needed where the agent is root, for systemctl.
        probe_token: file with an API token for the probes; without one they ask public pages only.
        console_url: of the portal whose console is asked for plans; "" for none. From `[console]`.
        console_token: file with an API token that may do nothing but "deployments.report".
        console_ca: file with the certificates that are trusted for it; the system's without one.
        scale: fewest and most of "web" and "worker" that the console's policies may choose; what is not there is not scaled.
    """

    name: str
    state: Path
    releases: Path
    data: Path
    slots: tuple[Slot, ...]
    runtime: str
    traffic: str
    listen: str
    binary: str = ""
    variables: Path | None = None
    trusted_keys: tuple[str, ...] = ()
    probe_token: Path | None = None
    probe_paths: tuple[str, ...] = ()
    drain_seconds: float = 60.0
    start_seconds: float = 90.0
    host_header: str = "localhost"
    user: str = ""
    roles: tuple[str, ...] = ("worker", "scheduler", "healthd", "watch")
    options: dict[str, Any] = field(default_factory=dict)
    console_url: str = ""
    console_token: Path | None = None
    console_ca: Path | None = None
    console_seconds: float = 2.0
    scale: dict[str, tuple[int, int]] = field(default_factory=dict)

    def slot(self, name: str) -> Slot:
        """By its name.

        Raises:
            Refused: there is none.
        """
        for slot in self.slots:
            if slot.name == name:
                return slot
        raise Refused(f"There is no slot '{name}'.", f"Slots: {', '.join(slot.name for slot in self.slots)}.")

    @property
    def socket_folder(self) -> Path:
        """For sockets and small files of the drivers."""
        return self.state / "run"


def load(path: Path) -> Environment:
    """Read the file.

    Raises:
        Refused: with the name that is missing or wrong.
    """
    try:
        values = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise Refused(f"{path} cannot be read: {error}.", "Look at deploy/agent/README.md for an example.") from error
    try:
        slots = tuple(Slot(each["name"], each["address"]) for each in values.pop("slots"))
        if values.get("runtime") == "compose":
            _settle_compose(values)
        for name in ("state", "releases", "data", "variables", "probe_token"):
            if values.get(name):
                values[name] = Path(values[name]).expanduser()
        for name in ("trusted_keys", "probe_paths", "roles"):
            if name in values:
                values[name] = tuple(values[name])
        values |= {f"console_{name}": value for name, value in values.pop("console", {}).items()}
        for name in ("console_token", "console_ca"):
            if name in values:
                values[name] = Path(values[name]).expanduser()
        values["scale"] = {part: (int(least), int(most)) for part, (least, most) in values.get("scale", {}).items()}
        found = Environment(slots=slots, **values)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise Refused(f"{path}: {error}.", "Name every setting of the example once.") from error
    names = [slot.name for slot in found.slots]
    if len(set(names)) != len(names) or not all(name.isalnum() and name.islower() for name in names):
        raise Refused(f"{path}: the slots are called {names}.", "Use different names of small letters and digits.")
    if found.console_url and (not found.console_url.startswith(("https://", "http://")) or found.console_token is None):
        raise Refused(f"{path}: the console cannot be asked.", "Write url = 'https://…' and token = 'FILE'.")
    for part, (least, most) in found.scale.items():
        top = len(names) - 1 if part == "web" else MOST
        if part not in ("web", "worker") or not (1 if part == "web" else 0) <= least <= most <= top:
            raise Refused(
                f"{path}: [scale] has {part} = [{least}, {most}].",
                f"Write web = [1, {len(names) - 1}] or less (one slot stays free), worker = [0, {MOST}] or less.",
            )
    for slot in found.slots:
        if not slot.host or not slot.address.rpartition(":")[2].isdigit():
            raise Refused(f"{path}: slot {slot.name} has the address '{slot.address}'.", "Write host:port.")
    return found


def _settle_compose(values: dict[str, Any]) -> None:
    """What follows from the folder of the installation: its proxy, that proxy's entrance, and no folder of data."""
    folder = Path(str(values.get("options", {})["folder"])).expanduser()
    values.setdefault("traffic", "compose")
    values.setdefault("listen", str(folder / "run" / "agent.sock"))
    values.setdefault("data", values["state"])
    values.setdefault("roles", ["worker", "scheduler", "watch", "healthd", "vectors"])
