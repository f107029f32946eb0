"""Tests of the conformance suite: every deliberately wrong backend fails the rules meant for it, and no others.

The suite runs in processes of its own, one for many backends, since it needs distributions on the path. A run of all
tests asks each backend the rules that it must fail and a third of the others; `make prove P=conformance`, and so CI, all.
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


EACH = 1 if os.environ.get("CONFORMANCE") == "whole" else 3


def _outcome(
    batch: dict[str, list[str]], wanted: dict[str, frozenset[str]], folder: Path
) -> dict[str, tuple[int, list[str]]]:
    _write_distributions(folder)
    result = folder / "outcome.json"
    # What pytest brings for tests of another kind costs as much as the rules: here nothing looks at what it keeps.
    spared = ("cacheprovider", "logging", "threadexception", "unraisableexception", "warnings", "faulthandler")
    done = subprocess.run(
        [
            sys.executable, "-m", "pytest", *(f"{WRONG}/suite_{kind}.py" for kind in batch), "-q", "-s", "--tb=native",
            "--noconftest", "-p", "aiwriter_sdk.testing.plugin", "-p", "outcome_plugin",
            *(word for name in spared for word in ("-p", f"no:{name}")),
            # Without it every rule looks through the folders of all before it.
            "-o", "tmp_path_retention_policy=none",
            "-c", os.devnull, "--rootdir", str(folder), "--basetemp", str(folder / "tmp"),
        ],
        cwd=folder,
        env={
            **os.environ,
            "PYTHONPATH": f"{WRONG}:{folder}",
            # Starting pytest with all installed plugins would take longer than the tests.
            "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",
            "WRONG_OUTCOMES": str(result),
            "WRONG_KEYS": json.dumps(batch),
            "WRONG_FAILS": json.dumps({name: sorted(fails) for name, fails in wanted.items()}),
            "WRONG_EACH": str(EACH),
        },
        capture_output=True,
        text=True,
        timeout=290,
        check=False,
    )  # fmt: skip
    assert done.returncode in (0, 1), done.stdout[-3000:] + done.stderr[-3000:]
    return {**json.loads(result.read_text()), "": done.stdout}


_models = list(CASES["model"])
_half = len(_models) // 2
BATCHES = {
    "models": {"model": _models[:_half]},
    "more-models": {"model": _models[_half:]},
    "others": {kind: list(cases) for kind, cases in CASES.items() if kind != "model"},
}


@pytest.mark.timeout(300)
@pytest.mark.parametrize("batch", BATCHES.values(), ids=BATCHES)
def test_a_wrong_backend_fails_the_intended_rules(batch: dict[str, list[str]], tmp_path: Path) -> None:
    wanted = {f"{kind}_{key}": CASES[kind][key] for kind, keys in batch.items() for key in keys}
    outcome = _outcome(batch, wanted, tmp_path)
    other = {
        name: f"failed {sorted(outcome[name][1])}, should fail {sorted(fails)}"
        for name, fails in wanted.items()
        if set(outcome[name][1]) != fails
    }
    assert not other, f"{other}\n{outcome[''][-8000:]}"
    assert all(outcome[name][0] > 10 // EACH for name in wanted), "the suite left rules out"
