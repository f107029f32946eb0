"""Every first-party plugin passes the conformance suite, and each wrong backend fails exactly the intended test."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

from tests.proofs import expect

PLUGINS = (
    "storage-local",
    "storage-s3",
    "model-offline",
    "model-openai",
    "model-anthropic",
    "model-gemini",
    "publish-wordpress",
)


def _pytest(*paths: str) -> tuple[int, int, str]:
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *paths],
        env={**os.environ, "CONFORMANCE": "whole"},
        capture_output=True,
        text=True,
        check=False,
    )
    passed = re.search(r"(\d+) passed", done.stdout)
    return done.returncode, int(passed[1]) if passed else 0, done.stdout + done.stderr


def prove() -> str:
    """Run each plugin's suite, then the wrong backends."""
    total = 0
    for plugin in PLUGINS:
        folder = Path("plugins") / plugin / "tests"
        expect(folder.is_dir(), f"{plugin} has no tests")
        suites = [str(path) for path in folder.glob("test_*.py") if "Conformance" in path.read_text()]
        expect(suites, f"{plugin} does not use the conformance suite")
        code, passed, output = _pytest(*suites)
        expect(code == 0 and passed > 0, f"{plugin}:\n{output[-4000:]}")
        print(f"  {plugin}: {passed} passed", flush=True)
        total += passed
    code, wrong, output = _pytest("tests/plugins/test_wrong_backends.py")
    expect(code == 0 and wrong > 0, f"wrong backends:\n{output[-4000:]}")
    return f"{len(PLUGINS)} plugins pass {total} tests; {wrong} tests of wrong backends, each failing what was intended"
