"""Plugins of the zoo on the path of this process, and backends made in place."""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from aiwriter.pluginhost import calls, discovery
from aiwriter.pluginhost.discovery import FoundPlugin
from aiwriter.pluginhost.faults import Origin, PluginLogger
from aiwriter_sdk import Backend, BackendContext, Config, ConfigField, ConfigSchema, Descriptor, Secret
from aiwriter_sdk.testing.stage import ForbiddenHttpClient
from tests.plugins.dists import write_animal

Zoo = Callable[..., dict[str, FoundPlugin]]


@pytest.fixture
def on_path(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[Path], dict[str, FoundPlugin]]]:
    """Puts a folder on the path and looks for plugins anew; gives them by key, with the distribution after a slash."""
    monkeypatch.setattr(discovery, "IMPORT_SECONDS", 2.0)
    before = set(sys.modules)

    def add(folder: Path) -> dict[str, FoundPlugin]:
        monkeypatch.syspath_prepend(str(folder))
        found = discovery.refresh()
        return {p.key: p for p in found} | {f"{p.key}/{p.distribution}": p for p in found}

    yield add
    monkeypatch.undo()
    for name in set(sys.modules) - before:
        if name.startswith(("zoo_", "fake_")):
            del sys.modules[name]
    # The next test in this process discovers what is really installed.
    monkeypatch.setattr(discovery, "_found", None)


@pytest.fixture
def zoo(tmp_path: Path, on_path: Callable[[Path], dict[str, FoundPlugin]]) -> Zoo:
    """Lets animals of the zoo in: `zoo("floods", "exits_at_import")`."""

    def admit(*names: str) -> dict[str, FoundPlugin]:
        folder = tmp_path / "zoo"
        for name in names:
            write_animal(folder, name)
        return on_path(folder)

    return admit


@pytest.fixture
def context(tmp_path: Path) -> BackendContext:
    """A context without network."""
    return BackendContext(
        http=ForbiddenHttpClient(), logger=logging.getLogger("tests.plugin"), data_dir=str(tmp_path), profile="Test"
    )


@pytest.fixture
def build(zoo: Zoo, context: BackendContext) -> Callable[..., calls.BuiltBackend]:
    """A backend of the zoo: `build("floods")`."""

    def make(name: str, values: Mapping[str, object] | None = None) -> calls.BuiltBackend:
        zoo(name)
        descriptor = discovery.get("model", f"zoo-{name.replace('_', '-')}")
        config = Config(values or {})
        logger = PluginLogger(Origin.of(descriptor, config=config, profile=context.profile))
        return calls.build_backend(descriptor, config, replace(context, logger=logger))

    return make


@pytest.fixture
def built(context: BackendContext) -> Callable[..., calls.BuiltBackend]:
    """A backend of a class that the test brings, with the secret `key`."""

    def make(backend: type[Backend], *, kind: str = "model", key: str = "s3cret-value") -> calls.BuiltBackend:
        descriptor = Descriptor(
            key="fake",
            kind=kind,  # type: ignore[arg-type]
            label="Fake",
            contract="1.0",
            target="fake:Fake",
            config=ConfigSchema(fields=(ConfigField(name="key", type="secret", label="Key"),)),
        )
        config = Config({"key": Secret(key)})
        return calls.BuiltBackend(
            instance=backend(config, context),
            descriptor=descriptor,
            origin=Origin.of(descriptor, config=config, profile="Test"),
        )

    return make
