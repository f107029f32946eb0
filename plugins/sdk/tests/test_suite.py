"""The rules about the rules: nothing may be changed, what does not apply is left out and said."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from aiwriter_sdk import Descriptor
from aiwriter_sdk.testing.models import ModelConformance
from aiwriter_sdk.testing.publish import PublishConformance
from aiwriter_sdk.testing.rules import exempt, rules
from aiwriter_sdk.testing.storage import StorageConformance

CARD = Descriptor(key="x", kind="model", label="X", contract="1.0", target="a:B", capabilities=frozenset({"generate"}))


def test_a_rule_cannot_be_replaced() -> None:
    with pytest.raises(TypeError, match="expected_failures"):
        type("TestMine", (ModelConformance,), {"test_models_are_described": lambda self: None})
    with pytest.raises(TypeError, match="replaces a test"):
        type("TestMine", (ModelConformance,), {"test_models_are_described": None})


@pytest.mark.parametrize("failures", [{"test_models_are_described": " "}, {"test_of_my_own": "because"}])
def test_an_expected_failure_is_a_rule_with_a_reason(failures: dict[str, str]) -> None:
    with pytest.raises(TypeError, match="needs to be a test of the suite, with a reason"):
        type("TestMine", (ModelConformance,), {"expected_failures": failures})


def test_every_rule_has_an_id_of_its_own_and_says_what_it_wants() -> None:
    for suite in (ModelConformance, StorageConformance, PublishConformance):
        found = [rule for _, rule in rules(suite)]
        assert len({rule.id for rule in found}) == len(found)
        assert all(rule.title.endswith(".") for rule in found)


def test_rules_apply_by_what_is_declared() -> None:
    plain = type("TestPlain", (ModelConformance,), {"descriptor": CARD})
    left = exempt(plain)
    assert left["test_embeddings_keep_order_and_number"] == "it does not declare embed"
    assert left["test_a_wrong_key_is_named"] == "it has no secret"
    assert "test_a_broken_connection_is_named" not in left
    offline = Descriptor(
        key="y", kind="model", label="Y", contract="1.0", target="a:B", capabilities=frozenset({"generate", "offline"})
    )
    assert exempt(type("TestOff", (ModelConformance,), {"descriptor": offline}))[
        "test_a_broken_connection_is_named"
    ] == "it works offline"  # fmt: skip


SUITE = """
import aiwriter_sdk.testing.models as m
from aiwriter_sdk import Descriptor

class TestMine(m.ModelConformance):
    descriptor = Descriptor(key="nowhere", kind="model", label="X", contract="1.0", target="json:JSONDecoder",
                            capabilities=frozenset({"offline"}))
    expected_failures = {
        "test_the_entry_point_has_the_name_of_the_key": "it is not installed",
        "test_the_contract_is_supported": "wrongly expected",
    }
"""


def test_the_report_tells_the_grade(tmp_path: Path) -> None:
    (tmp_path / "test_mine.py").write_text(SUITE)
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "aiwriter_sdk.testing.plugin", "-c", os.devnull, "test_mine.py"],
        cwd=tmp_path,
        # What else is installed for pytest takes longer to import than the rules to run.
        env={**os.environ, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert "model nowhere (test_mine.py::TestMine): does not conform" in done.stdout, done.stdout + done.stderr
    table = {line.split(" | ")[0].strip("| "): line for line in done.stdout.splitlines() if line.startswith("| ")}
    assert "| passed |" in table["D01"]
    assert "| expected to fail |" in table["D03"]
    assert "exempt: it does not declare embed" in table["E01"]
    assert "| failed |" in table["B02"]
    assert "| failed |" in table["D02"]  # it passes, so its entry has to go
