"""Checks that plugins bring: they stand beside ours, and a bad one harms nobody."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from django.conf import settings

from aiwriter.pluginhost import discovery
from apps.backends.models import BackendProfile
from apps.backends.services import instances, plugin_checks, profiles
from apps.monitoring.models import CheckResult
from apps.monitoring.services import checks as registry
from apps.monitoring.services.checks import Outcome, Result, run_checks
from apps.monitoring.services.watching import Watch
from tests.people import People
from tests.plugins.dists import write_distribution

CARDS = """
from aiwriter_sdk import ConfigField, ConfigSchema, Descriptor

def card(key, name, **more):
    return Descriptor(key=key, kind="check", label=f"Fake {name}", contract="1.2", target=f"fake_checks:{name}", **more)

good = card("fake-good", "Good", interval=30, deadline=2, config=ConfigSchema(fields=(
    ConfigField(name="limit", type="int", label="Limit", default=3),)))
raises = card("fake-raises", "Raises")
exits = card("fake-exits", "Exits")
odd = card("fake-odd", "Odd")
ends = card("fake-ends", "Ends")
wrong = card("fake-wrong", "Good", interval=1, deadline=60)
"""
CODE = """
import os, sys
from aiwriter_sdk import Health, HealthCheck

class Good(HealthCheck):
    async def health(self, *, control):
        limit = self.config.integer("limit")
        return Health(status="ok" if limit > 2 else "warn", detail=f"Limit {limit}.", remedy="Raise it.",
                      data={"limit": limit, "nothing": float("nan")})

class Raises(HealthCheck):
    async def health(self, *, control):
        raise ValueError("the disk of C:// is blue")

class Exits(HealthCheck):
    async def health(self, *, control):
        sys.exit(3)

class Odd(HealthCheck):
    async def health(self, *, control):
        return "fine"

class Ends(HealthCheck):
    async def health(self, *, control):
        os._exit(9)
"""


@pytest.fixture
def fakes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    names = ("good", "raises", "exits", "odd", "ends", "wrong")
    folder = write_distribution(
        tmp_path / "site",
        "fake-checks",
        entry_points={"aiwriter.checks": {f"fake-{name}": f"fake_cards:{name}" for name in names}},
        modules={"fake_cards.py": CARDS, "fake_checks.py": CODE},
    )
    monkeypatch.syspath_prepend(str(folder))
    monkeypatch.setattr(registry, "_added", None)
    discovery.refresh()
    yield folder
    monkeypatch.undo()
    for name in ("fake_cards", "fake_checks"):
        sys.modules.pop(name, None)
    monkeypatch.setattr(discovery, "_found", None)


Enable = Callable[..., BackendProfile]


@pytest.fixture
def enabled(people: People, fakes: Path) -> Enable:
    def make(name: str, **options: object) -> BackendProfile:
        # As one that was well when it was enabled.
        return BackendProfile.objects.create(
            kind="check", plugin_key=f"fake-{name}", name=name, options=options, enabled=True, last_test_ok=True,
            last_test_revision=1,
        )  # fmt: skip

    return make


def outcome(profile: BackendProfile) -> Outcome:
    (found,) = run_checks([plugin_checks.check_of(profile)])
    return found


@pytest.mark.django_db
class TestPluginChecks:
    def test_the_whole_way_from_a_profile_to_a_result(self, people: People, fakes: Path, tmp_path: Path) -> None:
        actor = people.actor("otto")
        profile = profiles.create_profile(
            actor=actor, kind="check", plugin_key="fake-good", name="Limits", options={"limit": 5}
        )
        assert registry.learn()[-1].key != plugin_checks.key_of(profile)  # not enabled yet
        profiles.test_profile(actor=actor, profile_id=profile.pk)
        profiles.enable_profile(actor=actor, profile_id=profile.pk)
        watch = Watch(state_file=tmp_path / "s", checks=[])
        watch.learn()
        turn = watch.turns[plugin_checks.key_of(profile)]
        assert (turn.check.title, turn.check.interval, turn.check.required) == ("Limits (Fake Good)", 30, False)
        watch._take(turn, outcome(profile))
        watch.keep()
        row = CheckResult.objects.get(key=plugin_checks.key_of(profile))
        assert (row.status, row.message, row.remedy, row.data) == ("ok", "Limit 5.", "Raise it.", {"limit": 5})
        profiles.disable_profile(actor=actor, profile_id=profile.pk)
        watch.learn()
        assert plugin_checks.key_of(profile) not in watch.turns
        watch._take(
            watch.turns["disk"], Outcome(check=watch.turns["disk"].check, result=Result(status="ok"), latency_ms=1)
        )
        watch._stored = float("-inf")
        watch.keep()
        assert not CheckResult.objects.filter(key=plugin_checks.key_of(profile)).exists()

    @pytest.mark.parametrize(
        ("name", "words"),
        [
            ("raises", "The plugin 'fake-raises'"),
            ("exits", "The plugin 'fake-exits'"),
            ("odd", "gave str"),
            ("wrong", "interval"),
            ("gone", "No check plugin with the key 'fake-gone'"),
        ],
    )
    def test_a_bad_one_is_a_failing_result_that_names_it(self, enabled: Enable, name: str, words: str) -> None:
        found = outcome(enabled(name)).result
        assert found.status == "fail"
        assert words in found.message
        assert f"fake-{name}" in found.message

    def test_one_that_ends_the_process_is_not_run_a_third_time(
        self, enabled: Enable, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        profile, asked = enabled("ends"), []

        def dies(_: object) -> None:
            asked.append(1)
            raise SystemError

        check = plugin_checks.check_of(profile)
        monkeypatch.setattr(instances, "ready", dies)
        # What os._exit leaves: the note was made and nobody took it away.
        monkeypatch.setattr(Path, "unlink", lambda *_, **__: None)
        for _ in range(3):
            (found,) = run_checks([check])
        assert len(asked) == 2
        assert "ended the process that watches 2 times" in found.result.message
        BackendProfile.objects.update(revision=2, last_test_revision=2)  # its settings were changed
        profile.refresh_from_db()
        outcome(profile)
        assert len(asked) == 3

    def test_a_source_that_fails_takes_no_check_away(self, enabled: Enable, monkeypatch: pytest.MonkeyPatch) -> None:
        profile = enabled("good")
        assert plugin_checks.key_of(profile) in {check.key for check in registry.learn()}
        monkeypatch.setattr(settings, "CHECK_SOURCES", ["apps.nowhere.checks"])
        assert plugin_checks.key_of(profile) in {check.key for check in registry.learn()}

    def test_a_check_that_ends_the_process_ends_no_test(self, fakes: Path) -> None:
        """The fake is real: it does end a process."""
        code = (
            "import asyncio, fake_checks, logging; from aiwriter_sdk import BackendContext, CallControl, Config\n"
            "made = fake_checks.Ends(Config({}), BackendContext(http=None, logger=logging.getLogger(), data_dir=''))\n"
            "asyncio.run(made.health(control=CallControl(deadline=0)))"
        )
        environment = {**os.environ, "PYTHONPATH": str(fakes)}
        assert subprocess.run([sys.executable, "-c", code], env=environment, check=False).returncode == 9
