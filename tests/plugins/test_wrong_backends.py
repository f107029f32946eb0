"""Tests of the conformance suite: every deliberately wrong backend fails the rules meant for it, and no others.

The suite runs in processes of its own, one for some backends each, since it needs distributions on the path.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.plugins.dists import write_distribution

WRONG = Path(__file__).parent / "wrong"
sys.path.insert(0, str(WRONG))
import wrong_cases  # noqa: E402

sys.path.remove(str(WRONG))

GROUPS = {
    "model": "aiwriter.models",
    "storage": "aiwriter.storage",
    "publish": "aiwriter.publish_targets",
    "check": "aiwriter.checks",
}
CASES = {
    "model": {case.key: case.fails for case in (*wrong_cases.MODELS, *wrong_cases.WIRES, *wrong_cases.OFFLINE)}
    | wrong_cases.CARDS,
    "storage": {case.key: case.fails for case in wrong_cases.STORAGES},
    "publish": {case.key: case.fails for case in wrong_cases.PUBLISHERS},
    "check": {case.key: case.fails for case in wrong_cases.CHECKS},
}


def _write_distributions(folder: Path) -> None:
    def name(key: str) -> str:
        return key.replace("-", "_")

    cards = {
        kind: {key: f"wrong_descriptors:{kind}_{name(key)}" for key in cases if key not in wrong_cases.CARDS}
        for kind, cases in CASES.items()
    }
    cards["model"] |= {
        "card-label": "wrong_descriptors:model_card_label",
        "card-contract": "wrong_descriptors:model_card_contract",
        "other-name": "wrong_descriptors:model_card_name",
        "card-heavy": "heavy_card:model_card_heavy",
    }
    heavy = "import wrong_offline\nfrom wrong_descriptors import model_card_heavy\n\n__all__ = ['model_card_heavy', 'wrong_offline']\n"
    write_distribution(
        folder,
        "wrong-backends",
        entry_points={GROUPS[kind]: entries for kind, entries in cards.items()},
        modules={"heavy_card.py": heavy},
    )
    write_distribution(
        folder,
        "wrong-requires",
        entry_points={GROUPS["model"]: {"card-requires": "wrong_descriptors:model_card_requires"}},
        requires=("aiwriter-sdk",),
    )


def _outcome(kind: str, keys: tuple[str, ...], folder: Path) -> dict[str, tuple[int, list[str]]]:
    _write_distributions(folder)
    result = folder / "outcome.json"
    done = subprocess.run(
        [
            sys.executable, "-m", "pytest", f"{WRONG}/suite_{kind}.py", "-q", "--tb=short", "--noconftest",
            "-p", "aiwriter_sdk.testing.plugin", "-p", "outcome_plugin", "-p", "no:cacheprovider", "-c", os.devnull,
            "--rootdir", str(folder), "--basetemp", str(folder / "tmp"),
        ],
        cwd=folder,
        env={
            **os.environ,
            "PYTHONPATH": f"{WRONG}:{folder}",
            "PYTHONDONTWRITEBYTECODE": "1",
            # Starting pytest with all installed plugins would take longer than the tests.
            "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",
            "WRONG_OUTCOMES": str(result),
            "WRONG_KEYS": " ".join(keys),
        },
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )  # fmt: skip
    assert done.returncode in (0, 1), done.stdout[-3000:] + done.stderr[-3000:]
    return {**json.loads(result.read_text()), "": done.stdout}


@pytest.mark.timeout(250)
@pytest.mark.parametrize(
    ("kind", "keys"),
    [
        (kind, tuple(list(cases)[at : at + 20]))
        for kind, cases in CASES.items()
        for at in range(0, len(cases), 20)
    ],
    ids=lambda value: value if isinstance(value, str) else f"{value[0]}..{value[-1]}",
)  # fmt: skip
def test_a_wrong_backend_fails_the_intended_rules(kind: str, keys: tuple[str, ...], tmp_path: Path) -> None:
    outcome = _outcome(kind, keys, tmp_path)
    other = {
        key: f"failed {sorted(outcome[key][1])}, should fail {sorted(CASES[kind][key])}"
        for key in keys
        if set(outcome[key][1]) != CASES[kind][key]
    }
    assert not other, f"{other}\n{outcome[''][-8000:]}"
    assert all(outcome[key][0] > 10 for key in keys), "the suite left rules out"
