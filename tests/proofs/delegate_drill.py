"""A backup that Barman made of a PostgreSQL server is watched, restored for practice and read to the last row; one that lost its files fails.

Barman is the real one, with a server whose log it archives. A portal watches it by `manage.py delegates`, which asks Barman
for its list and its own checks; the drill has Barman restore into a scratch folder, starts a server there and dumps every
database. Then the newest backup loses its files: the next drill fails with Barman's words. (pgBackRest is tried the same way in the suite.)
"""

from __future__ import annotations

import json
import shutil
import tempfile
from pathlib import Path
from typing import Any

import psycopg

from tests.proofs import NotRun, expect
from tests.proofs.pitr import Sqlite, answer, environment_of, manage
from tests.servers import barman
from tests.servers.barman import SERVER, Barman

ROWS = 20_000


def prove() -> str:
    """Make, watch, drill, lose, drill."""
    install = barman.install()
    if install is None:
        raise NotRun("Barman with rsync, pg_basebackup and a server that they know (apt install barman postgresql)")
    with tempfile.TemporaryDirectory(prefix="aiwriter-delegate-") as name, Barman() as made:
        folder = Path(name)
        environment = environment_of(folder, Sqlite().url(folder)) | {"AIWRITER_PG_BIN": str(install / "bin")}
        manage(environment, "prepare")
        with psycopg.connect(made.server.url, autocommit=True) as opened:
            opened.execute(f"CREATE TABLE harbour AS SELECT n FROM generate_series(1, {ROWS}) n")
        made.back_up()
        where = ("--tool", "barman", "--source", SERVER, "--config", str(made.config))
        manage(environment, "delegates", "add", "Barman", *where)
        seen = _rows(manage(environment, "delegates", "--json"))
        expect(seen and seen[0]["state"] == "ok", f"it is not in order: {seen}")
        drill = answer(manage(environment, "delegates", "drill", "Barman", "--json"))
        expect(drill["ok"], f"the drill failed: {drill}")
        for each in (made.home / SERVER / "base").iterdir():
            shutil.rmtree(each / "data")
        lost = manage(environment, "delegates", "drill", "Barman", "--json", ok=False)
        expect(not lost.startswith("0 ") and "did not restore" in lost, f"a backup without its files: {lost}")
        return f"Barman restored by a drill in {drill['seconds']:.1f} s: {ROWS:,} rows read; without its files the drill fails"


def _rows(text: str) -> list[dict[str, Any]]:
    found = json.loads(text.strip().splitlines()[-1])
    return list(found["delegates"])
