"""Judges the migrations since the last release: `python -m tests.house.migrations`; `--released` records the heads of one."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

RELEASED = Path(__file__).resolve().parents[1] / "data" / "released_schema.json"


def main(arguments: list[str]) -> int:
    """Print what is wrong. Returns 1 when something is."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "aiwriter.settings")
    import django

    django.setup()
    from aiwriter.core import schema_rules

    if arguments == ["--released"]:
        RELEASED.write_text(json.dumps(schema_rules.heads(), indent=2) + "\n")
        print(f"{RELEASED} holds the heads of this release.")
        return 0
    found = schema_rules.problems(json.loads(RELEASED.read_text()))
    for problem in found:
        print(problem)
    if found:
        print("See docs/operators/migrations.md. Before the first release its heads can be recorded again: --released")
    return 1 if found else 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
