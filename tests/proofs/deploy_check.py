"""`manage.py check --deploy --fail-level WARNING` is silent in the profiles for staging and production, and speaks when it should.

Each profile of docs/operators/deploying.md is started with its variables, on a migrated database with a place for checkpoints.
Then one thing after another is taken away, and the check that is meant for it has to say so.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

from tests.lab.portal import ROOT
from tests.proofs import expect

GUIDE = ROOT / "docs/operators/deploying.md"
# What is taken away, and the id of the check that has to say so.
TAKEN: dict[str, tuple[dict[str, str], str]] = {
    "names": ({"AIWRITER_ALLOWED_HOSTS": "*"}, "aiw.W002"),
    "the number of proxies": ({"AIWRITER_TRUSTED_PROXIES": "0"}, "aiw.W003"),
    "the console's networks": ({"AIWRITER_CONSOLE_NETWORKS": ""}, "aiw.W005"),
    "https": ({"AIWRITER_HTTPS": "false"}, "security.W004"),
    "the https address": ({"AIWRITER_PUBLIC_URL": "http://portal.example.org"}, "aiw.W008"),
    "a verified database": ({"REDIS_URL": "redis://redis.example.org/0"}, "aiw.W007"),
    "a long secret key": ({"AIWRITER_SECRET_KEY": "a" * 60}, "security.W009"),
}


def prove() -> str:
    """Both profiles, then each thing taken away."""
    silent = []
    for profile in ("staging", "production"):
        with tempfile.TemporaryDirectory(prefix="aiwriter-deploy-") as folder:
            environment = _environment(profile, Path(folder))
            for command in (["migrate", "--verbosity", "0"], ["bootstrap", "--json"]):
                code, said = _manage(environment, *command)
                expect(code == 0, f"{profile}: {command[0]}: {said[-800:]}")
            code, said = _check(environment)
            expect(
                "aiw.W009" in said, f"{profile}: nothing is said of a record that stays on the machine: {said[-500:]}"
            )
            _manage(environment, "shell", "--no-imports", "-c", _SINK)
            code, said = _check(environment)
            expect(code == 0 and "no issues" in said, f"{profile}: {said[-2000:]}")
            silent.append(profile)
            print(f"  {profile}: silent", flush=True)
            if profile == "production":
                spoken = _taken_away(environment, Path(folder))
    return f"silent in {' and '.join(silent)}; {spoken} things taken away, each told by its check"


_SINK = """
from apps.users.models import AuditSink
AuditSink.objects.create(name="Share", kind="file", address="/mnt/audit")
"""


def _taken_away(environment: dict[str, str], folder: Path) -> int:
    for name, (changes, wanted) in TAKEN.items():
        code, said = _check({**environment, **changes})
        expect(code != 0 and wanted in said, f"without {name}: {wanted} is not told: {said[-800:]}")
        print(f"  without {name}: {wanted}", flush=True)
    (folder / "data" / "secrets").mkdir(exist_ok=True)
    (folder / "data" / "secrets").chmod(0o755)
    code, said = _check(environment)
    expect(code != 0 and "aiw.W006" in said, f"an open folder: {said[-800:]}")
    (folder / "data" / "secrets").chmod(0o700)
    (folder / "data" / "keys" / "keyring.json").chmod(0o644)
    code, said = _check(environment)
    expect(code != 0 and "aiw.E001" in said, f"an open keyring: {said[-800:]}")
    refused, said = _manage({**environment, "AIWRITER_DEBUG": "true"}, "check")
    expect(refused == 2 and "AIWRITER_DEBUG" in said, f"debug in production: {refused} {said[-300:]}")
    return len(TAKEN) + 3


def _environment(profile: str, folder: Path) -> dict[str, str]:
    """The variables that the guide gives for a profile."""
    section = GUIDE.read_text().split(f"## Profile: {profile}")[1].split("\n## ")[0]
    block = re.search(r"```\n(.*?)```", section, re.DOTALL)
    assert block
    stated = dict(line.split("=", 1) for line in block[1].splitlines() if "=" in line and not line.startswith("#"))
    clean = {
        k: v for k, v in os.environ.items() if not k.startswith("AIWRITER_") and k not in ("DATABASE_URL", "REDIS_URL")
    }
    data = folder / "data"
    data.mkdir(mode=0o700)
    for name in ("keys", "secrets"):
        (data / name).mkdir(mode=0o700)
    # The database and the broker of the guide are on other machines; here SQLite stands in, which has no network.
    for name in ("DATABASE_URL", "REDIS_URL"):
        stated.pop(name, None)
    return {**clean, "DJANGO_SETTINGS_MODULE": "aiwriter.settings", **stated, "AIWRITER_DATA_DIR": str(data)}


def _check(environment: dict[str, str]) -> tuple[int, str]:
    return _manage(environment, "check", "--deploy", "--fail-level", "WARNING")


def _manage(environment: dict[str, str], *arguments: str) -> tuple[int, str]:
    done = subprocess.run(
        [sys.executable, "manage.py", *arguments],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    return done.returncode, done.stdout + done.stderr
