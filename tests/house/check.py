"""`make check`: everything that can be judged without running the product. Independent checks run side by side."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

BIN = Path(sys.executable).parent
CODE = ["aiwriter", "apps", "plugins/sdk/src", "tests/lab", "tests/servers"]
PLUGINS = sorted(str(path) for path in Path("plugins").glob("*/src") if path.parent.name not in ("sdk", "template"))
CHECKS: dict[str, list[str]] = {
    "types": [str(BIN / "mypy"), *CODE],
    "lint": [str(BIN / "ruff"), "check", "."],
    "format": [str(BIN / "ruff"), "format", "--check", "--quiet", "."],
    "imports": [str(BIN / "lint-imports")],
    "system": [sys.executable, "manage.py", "check", "--fail-level", "WARNING"],
    # Fails on a warning; whether it is the one that is kept, tests/house/test_api.py asks.
    "api": [
        sys.executable,
        "manage.py",
        "spectacular",
        "--validate",
        "--fail-on-warn",
        "--file",
        "{scratch}/openapi.yaml",
    ],
    "migrations": [sys.executable, "manage.py", "makemigrations", "--check", "--dry-run"],
    # What each may do while the version before still serves.
    "phases": [sys.executable, "-m", "tests.house.migrations"],
    "spelling": [str(BIN / "codespell"), "README.md", "CHANGELOG.md", "docs", "aiwriter", "apps", "templates"],
    "docs": [str(BIN / "mkdocs"), "build", "--strict", "--quiet", "--site-dir", "{scratch}/site"],
    "types agent": [str(BIN / "mypy"), "deploy/agent/src"],
    **{f"types {Path(p).parent.name}": [str(BIN / "mypy"), p] for p in PLUGINS},
}


def _run(name: str, command: list[str], scratch: str) -> tuple[str, int, str, float]:
    begun = time.monotonic()
    environment = {**os.environ, "AIWRITER_DATA_DIR": f"{scratch}/data", "NO_MKDOCS_2_WARNING": "1"}
    environment.pop("DATABASE_URL", None)
    words = [word.replace("{scratch}", scratch) for word in command]
    if words[0].endswith("mypy"):
        # A cache each: two mypy processes on one cache damage it.
        words[1:1] = ["--cache-dir", f".mypy_cache/{name.replace(' ', '-')}"]
    done = subprocess.run(words, capture_output=True, text=True, check=False, env=environment)
    return name, done.returncode, done.stdout + done.stderr, time.monotonic() - begun


def main(wanted: list[str]) -> int:
    """Run all checks, or those named. Returns 1 when one failed."""
    chosen = {name: command for name, command in CHECKS.items() if not wanted or name.split()[0] in wanted}
    failed = 0
    with tempfile.TemporaryDirectory() as scratch, ThreadPoolExecutor(2) as pool:
        for future in [pool.submit(_run, name, command, scratch) for name, command in chosen.items()]:
            name, code, output, seconds = future.result()
            print(f"{'ok  ' if code == 0 else 'FAIL'} {name:24} {seconds:5.1f} s", flush=True)
            if code:
                failed += 1
                print(output, flush=True)
    print(f"{len(chosen) - failed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
