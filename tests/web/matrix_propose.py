"""Prints rows for addresses that have none: `python -m tests.web.matrix_propose [START-OF-ADDRESS] [--all]`.

The numbers are what the addresses answer now. Whether they ought to is for the reader to say.
"""

from __future__ import annotations

import os
import sys

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tests.settings")

import django

django.setup()

from django.db import transaction  # noqa: E402
from django.test.utils import setup_databases, setup_test_environment, teardown_databases  # noqa: E402

from tests.people import People  # noqa: E402
from tests.web.permissions import HEADER, Asking, expected, is_closed  # noqa: E402
from tests.web.routes import routes  # noqa: E402


def main(arguments: list[str]) -> int:
    """Measure and print, table by table."""
    start = next((a for a in arguments if not a.startswith("-")), "")
    known = {} if "--all" in arguments else expected()
    proposed: dict[str, list[list[str]]] = {}
    setup_test_environment(debug=False)
    databases = setup_databases(verbosity=0, interactive=False)
    try:
        for route in routes():
            missing = [m for m in route.methods if (m, route.text) not in known]
            if not missing or not route.text.startswith(start):
                continue
            with transaction.atomic():
                asking = Asking(People())
                path = asking.path(route)
                for method in missing:
                    answers = asking.answers(method, route, path)
                    if not is_closed(answers):
                        row = [method, route.text, *(str(answers[who]) for who in HEADER[2:])]
                        proposed.setdefault(route.app, []).append(row)
                transaction.set_rollback(True)
    finally:
        teardown_databases(databases, verbosity=0)
    for app, rows in sorted(proposed.items()):
        print(f"\n# tests/web/matrix/{app}.csv")
        widths = [max(len(row[i]) for row in [list(HEADER), *rows]) for i in range(len(HEADER))]
        for row in [list(HEADER), *rows]:
            print(", ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
