"""The permission matrix over every address, method and person holds; each of five planted leaks is found; 404 across workspaces.

The matrix (tests/web/test_permission_matrix.py) is generated from the URL configuration: a new address without a row fails it.
It is run whole, with everybody asked about every row. Then one leak after another is planted: a service without its check, a list of all workspaces, an endpoint
without sign-in, a console page for everybody, a token beyond its scopes; each run has to fail where the leak is. Last, each row
of the tables about a thing of a workspace is read: for the writer of another one it says 404, never 403.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys

from tests.lab.portal import ROOT
from tests.proofs import expect
from tests.proofs._leaks import LEAKS

MATRIX = "tests/web/test_permission_matrix.py"
WORKERS = os.environ.get("WORKERS", "2")


def prove() -> str:
    """Whole, leaky, and read."""
    code, said = _run("-n", WORKERS, "--dist", "loadscope")
    expect(code == 0, f"the matrix does not hold:\n{said[-2000:]}")
    count = re.search(r"(\d+) passed", said)
    found = []
    for name, (_, where) in LEAKS.items():
        code, said = _run("-p", "tests.proofs._leaks", "-n", "0", "-k", where, LEAK=name)
        expect(code == 1, f"{name}: not found (exit code {code}):\n{said[-1500:]}")
        where_found = sorted(
            set(re.findall(r"((?:GET|POST|PUT|PATCH|DELETE) \S+) \(\w+\.csv\): expected and got", said))
        )
        expect(where_found, f"{name}: the run failed for another reason:\n{said[-1500:]}")
        print(f"  {name}: {', '.join(where_found[:3])}", flush=True)
        found.append(name)
    cells, hidden = _read()
    return (
        f"{count[1] if count else '?'} tests, {cells:,} cells hold; {len(found)} of {len(LEAKS)} planted leaks found; "
        f"{hidden} rows about things of a workspace are 404 for another one"
    )


def _run(*arguments: str, **more: str) -> tuple[int, str]:
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "--no-header", "-p", "no:cacheprovider", MATRIX, *arguments],
        cwd=ROOT,
        env={**os.environ, "DJANGO_SETTINGS_MODULE": "tests.settings", "MATRIX": "whole", **more},
        capture_output=True,
        text=True,
        check=False,
    )
    return done.returncode, done.stdout + done.stderr


def _read() -> tuple[int, int]:
    """Cells of all tables, and rows whose thing wanda has and eve does not learn of."""
    # What reads the tables knows the portal's addresses, so it has to be set up here too.
    os.environ["DJANGO_SETTINGS_MODULE"] = "tests.settings"
    import django

    django.setup()
    from tests.web.permissions import ASKERS, expected

    rows = expected()
    hidden = 0
    for row in rows.values():
        in_workspace = "<" in row.route and row.answers["wanda"] in (200, 201, 202, 204) and row.answers["eve"] == 404
        hidden += in_workspace
        theirs = "<" in row.route and row.route.startswith("api/") and row.answers["wanda"] < 300
        expect(not (theirs and row.answers["eve"] == 403), f"{row}: eve gets 403 and so learns that it exists")
    return len(rows) * len(ASKERS), hidden
