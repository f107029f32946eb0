from __future__ import annotations

import threading
import time
import tomllib
from collections.abc import Callable
from pathlib import Path

import pytest

from aiwriter.core.errors import NotFound, Unavailable
from aiwriter.pluginhost import discovery
from aiwriter.pluginhost.discovery import State
from tests.plugins.dists import write_distribution
from tests.unit.pluginhost.conftest import Zoo

CARD = """
from aiwriter_sdk import Descriptor
descriptor = Descriptor(key="{key}", kind="model", label="L", contract="1.0", target="fake_x:X")
"""


@pytest.mark.parametrize(
    ("animal", "state", "error", "traceback"),
    [
        ("raises_at_import", State.BROKEN, "too old", "RuntimeError"),
        ("exits_at_import", State.BROKEN, "licence", "SystemExit"),
        ("syntax_error", State.BROKEN, "SyntaxError", "SyntaxError"),
        ("wrong_type", State.BROKEN, "dict", ""),
        ("wrong_schema", State.BROKEN, "Two fields have this name", ""),
        ("contract_nine", State.INCOMPATIBLE, "contract 9.0", ""),
        ("floods", State.READY, "", ""),
    ],
)
def test_each_animal_has_its_state(zoo: Zoo, animal: str, state: State, error: str, traceback: str) -> None:
    plugin = zoo(animal)[f"zoo-{animal.replace('_', '-')}"]
    assert plugin.state is state
    assert error in plugin.error
    assert traceback in plugin.traceback
    assert (plugin.version, plugin.home_page) == ("1.0", f"https://example.org/zoo/{animal.replace('_', '-')}")
    assert bool(plugin.remedy) is (state is not State.READY)


def test_a_whole_zoo_leaves_the_others_ready(zoo: Zoo) -> None:
    found = zoo("raises_at_import", "exits_at_import", "syntax_error", "wrong_type", "contract_nine", "floods")
    assert found["zoo-floods"].state is State.READY
    assert discovery.get("model", "zoo-floods").label == "Zoo: floods"


def test_an_import_that_hangs_costs_its_time_limit(zoo: Zoo, monkeypatch: pytest.MonkeyPatch) -> None:
    zoo("floods")
    monkeypatch.setattr(discovery, "IMPORT_SECONDS", 0.4)
    started = time.monotonic()
    plugin = zoo("hangs_at_import")["zoo-hangs-at-import"]
    assert time.monotonic() - started < 3
    assert plugin.state is State.BROKEN
    assert "within 0.4 seconds" in plugin.error
    assert "time.sleep(3600)" in plugin.traceback  # its author sees where it stands
    assert next(t for t in threading.enumerate() if t.name == "plugin-import-zoo-hangs-at-import").daemon


def test_a_key_claimed_twice_belongs_to_neither(zoo: Zoo) -> None:
    found = zoo("shared_key_a", "shared_key_b")
    for package in ("zoo-shared-key-a", "zoo-shared-key-b"):
        plugin = found[f"zoo-shared/{package}"]
        assert plugin.state is State.CONFLICT
        assert "zoo-shared-key-a and zoo-shared-key-b" in plugin.error
        assert plugin.descriptor is None
    with pytest.raises(Unavailable, match="claimed more than once"):
        discovery.get("model", "zoo-shared")


def test_blocking_one_claimant_settles_the_conflict(zoo: Zoo, settings: object) -> None:
    settings.AIWRITER_PLUGINS_ALLOW = ["Zoo_Shared.Key-A"]  # type: ignore[attr-defined]  # names compare as pip does
    found = zoo("shared_key_a", "shared_key_b")
    assert found["zoo-shared/zoo-shared-key-a"].state is State.READY
    assert found["zoo-shared/zoo-shared-key-b"].state is State.BLOCKED
    assert discovery.find("model", "zoo-shared").distribution == "zoo-shared-key-a"


def test_a_blocked_plugin_is_not_imported(zoo: Zoo, settings: object) -> None:
    settings.AIWRITER_PLUGINS_ALLOW = ["something-else"]  # type: ignore[attr-defined]
    plugin = zoo("raises_at_import")["zoo-raises-at-import"]
    assert plugin.state is State.BLOCKED
    assert "AIWRITER_PLUGINS_ALLOW" in plugin.remedy
    assert plugin.traceback == ""


def test_safe_mode_loads_only_our_own(
    tmp_path: Path, on_path: Callable[..., dict[str, discovery.FoundPlugin]], settings: object
) -> None:
    settings.AIWRITER_PLUGINS_SAFE_MODE = True  # type: ignore[attr-defined]
    for name, key in (("aiwriter-model-gemini", "fake-own"), ("somebody-elses", "fake-other")):
        module = key.replace("-", "_")
        write_distribution(
            tmp_path,
            name,
            entry_points={"aiwriter.models": {key: f"{module}:descriptor"}},
            modules={f"{module}.py": CARD.format(key=key)},
        )
    found = on_path(tmp_path)
    assert found["fake-own"].state is State.READY
    assert found["fake-other"].state is State.BLOCKED
    assert "SAFE_MODE" in found["fake-other"].remedy


@pytest.mark.parametrize(
    ("entry", "group", "module", "said"),
    [
        ("fake-name", "aiwriter.models", CARD.format(key="fake-key"), "entry point is named 'fake-name'"),
        ("fake-kind", "aiwriter.storage", CARD.format(key="fake-kind"), "group of storage backends"),
        ("fake-none", "aiwriter.models", "", "AttributeError"),
        ("fake-gone", "aiwriter.models", None, "ModuleNotFoundError"),
        ("fake-interrupt", "aiwriter.models", "raise KeyboardInterrupt", "KeyboardInterrupt"),
        ("fake-leak", "aiwriter.models", "raise ValueError('api_key=abcdef123456')", "[redacted]"),
    ],
)
def test_mistakes_of_packaging_are_named(
    tmp_path: Path,
    on_path: Callable[..., dict[str, discovery.FoundPlugin]],
    entry: str,
    group: str,
    module: str | None,
    said: str,
) -> None:
    name = entry.replace("-", "_")
    modules = {} if module is None else {f"{name}.py": module}
    write_distribution(tmp_path, "fake", entry_points={group: {entry: f"{name}:descriptor"}}, modules=modules)
    plugin = on_path(tmp_path)[entry]
    assert plugin.state is State.BROKEN
    assert said in plugin.error + plugin.traceback
    assert "abcdef123456" not in plugin.error + plugin.traceback


def test_unreadable_metadata_hides_nobody_else(
    tmp_path: Path, on_path: Callable[..., dict[str, discovery.FoundPlugin]]
) -> None:
    write_distribution(tmp_path, "fake-torn", entry_points="[aiwriter.models]\nno equals sign here\n")
    write_distribution(
        tmp_path,
        "fake-good",
        entry_points={"aiwriter.models": {"fake-good": "fake_good:descriptor"}},
        modules={"fake_good.py": CARD.format(key="fake-good")},
    )
    binary = write_distribution(tmp_path, "fake-binary", entry_points="x") / "fake_binary-1.0.dist-info"
    (binary / "entry_points.txt").write_bytes(b"[aiwriter.models]\n\xff\xfe = \xff")
    found = on_path(tmp_path)
    assert found["fake-good"].state is State.READY
    assert found["fake-torn"].state is State.BROKEN
    assert "entry points cannot be read" in found["fake-torn"].error


def test_listing_runs_no_code(zoo: Zoo, tmp_path: Path) -> None:
    zoo("floods", "exits_at_import")
    listed = {p.key: p for p in discovery.installed()}
    assert listed["zoo-exits-at-import"].state is State.FOUND
    assert listed["zoo-exits-at-import"].error == ""


def test_discovery_happens_once(zoo: Zoo, monkeypatch: pytest.MonkeyPatch) -> None:
    zoo("floods")
    monkeypatch.setattr(discovery, "_discover", lambda: pytest.fail("discovered again"))
    assert discovery.discover() is discovery.discover()


def test_an_unknown_key_names_what_there_is(zoo: Zoo) -> None:
    zoo("floods")
    with pytest.raises(NotFound) as caught:
        discovery.get("model", "nowhere")
    assert "zoo-floods" in caught.value.remedy
    with pytest.raises(NotFound):
        discovery.get("storage", "zoo-floods")


def test_a_broken_key_says_why(zoo: Zoo) -> None:
    zoo("raises_at_import")
    with pytest.raises(Unavailable, match=r"zoo-raises-at-import 1\.0") as caught:
        discovery.get("model", "zoo-raises-at-import")
    assert "too old" in caught.value.message
    assert "uninstall" in caught.value.remedy


def test_our_own_plugins_are_known_as_ours() -> None:
    root = Path(__file__).parents[3] / "plugins"
    ours = {
        tomllib.loads(path.read_text(encoding="utf-8"))["project"]["name"]
        for path in root.glob("*/pyproject.toml")
        if path.parent.name not in ("sdk", "template")
    }
    assert ours == discovery.FIRST_PARTY
