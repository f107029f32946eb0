"""What the scripts of deploy/ write into files of an operator: nothing but what they are for. The rest is shown by the proofs."""

from __future__ import annotations

import importlib.util
import os
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).resolve().parents[2]


def _load(path: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(Path(path).stem, ROOT / "deploy" / path)
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_flip_changes_its_own_lines_of_env(tmp_path: Path) -> None:
    flip = _load("compose/flip.py")
    file = tmp_path / ".env"
    file.write_text("# mine\nCOMPOSE_PROFILES=blue,single\nAIWRITER_RATE=600\nEMAIL_URL=smtp://a\\1b@host")
    file.chmod(0o600)
    variables = flip.Variables(file)
    variables.put(COMPOSE_PROFILES="green,single", AIWRITER_IMAGE=r"host:5000/x@sha256:\1")
    assert file.read_text() == (
        "# mine\nCOMPOSE_PROFILES=green,single\nAIWRITER_RATE=600\nEMAIL_URL=smtp://a\\1b@host\n"
        "AIWRITER_IMAGE=host:5000/x@sha256:\\1\n"
    )
    assert file.stat().st_mode & 0o777 == 0o600
    assert variables.get("COMPOSE_PROFILES") == "green,single"
    assert variables.get("AIWRITER_BLUE_IMAGE") == ""


def test_a_second_flip_is_refused_while_one_runs(tmp_path: Path) -> None:
    flip = _load("compose/flip.py")
    with flip.alone(tmp_path), pytest.raises(flip.Stopped, match="at work"), flip.alone(tmp_path):
        pass


def test_takeover_leads_the_pooler_to_the_other_server(tmp_path: Path) -> None:
    takeover = _load("host/postgres/takeover.py")
    file = tmp_path / "pgbouncer.ini"
    file.write_text((ROOT / "deploy/host/pgbouncer/pgbouncer.ini").read_text())
    before = file.read_text().splitlines()
    words = {"name": "db2", "host": "10.20.0.22", "port": 5433, "user": "x", "stop": [], "promote": [], "fence": []}
    pooler = takeover.Pooler({"admin": [], "file": str(file)})
    pooler.lead(["portal"], takeover.Server(words, "portal"))
    changed = [(old, new) for old, new in zip(before, file.read_text().splitlines(), strict=True) if old != new]
    assert changed == [
        ("portal = host=10.20.0.21 port=5432 dbname=portal", "portal = host=10.20.0.22 port=5433 dbname=portal")
    ]
    with pytest.raises(takeover.Stopped, match="no database 'other'"):
        pooler.lead(["other"], takeover.Server(words, "portal"))


def test_takeover_needs_one_of_each(tmp_path: Path) -> None:
    """Nobody answers at these addresses: nothing is promoted."""
    takeover = _load("host/postgres/takeover.py")
    text = (ROOT / "deploy/host/postgres/takeover.example.toml").read_text()
    file = tmp_path / "site.toml"
    file.write_text(text.replace("10.20.0.21", "127.0.0.1").replace("10.20.0.22", "127.0.0.1").replace("5432", "1"))
    marks = tmp_path / "promoted"
    file.write_text(file.read_text().replace('promote = ["ssh"', f'promote = ["touch", "{marks}", "ssh"'))
    for verb in ("planned", "crashed"):
        with pytest.raises(takeover.Stopped, match="db1 away, db2 away"):
            getattr(takeover.Takeover(file), verb)()
    assert not os.path.lexists(marks)
