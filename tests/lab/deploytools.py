"""Programs that judge and run the files of deploy/: an environment of their own, made when a proof first needs it."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from pathlib import Path

from tests.lab.portal import ROOT
from tests.proofs import NotRun
from tests.servers import installed

FOLDER = ROOT / ".venv" / "deploy"
LIST = ROOT / "requirements" / "deploy.txt"


def tools() -> Path:
    """The folder of their programs.

    Raises:
        NotRun: they cannot be installed here.
    """
    stamp = FOLDER / ".installed"
    wanted = hashlib.sha256(LIST.read_bytes()).hexdigest()
    if stamp.is_file() and stamp.read_text() == wanted:
        return FOLDER / "bin"
    uv = Path(sys.executable).with_name("uv")
    for command in (
        [str(uv), "venv", "--quiet", "--clear", "--python", sys.executable, str(FOLDER)],
        [
            str(uv),
            "pip",
            "install",
            "--quiet",
            "--require-hashes",
            "--python",
            str(FOLDER / "bin/python"),
            "-r",
            str(LIST),
        ],
    ):
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            raise NotRun(f"the tools of requirements/deploy.txt cannot be installed: {done.stderr.strip()[-400:]}")
    stamp.write_text(wanted)
    return FOLDER / "bin"


def program(name: str, remedy: str) -> str:
    """A program of this machine.

    Raises:
        NotRun: it is not there.
    """
    found = installed(name)
    if not found:
        raise NotRun(f"{name} is not installed ({remedy})")
    return found


def ran(command: list[str], *, within: float = 600.0, cwd: Path = ROOT, variables: dict[str, str] | None = None) -> str:
    """Run a command and return what it said.

    Raises:
        RuntimeError: it failed; the text has the end of what it said.
    """
    done = subprocess.run(
        command,
        capture_output=True,
        text=True,
        check=False,
        timeout=within,
        cwd=cwd,
        env={**os.environ, **(variables or {})},
    )
    said = done.stdout + done.stderr
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)[:300]} ended with {done.returncode}:\n{said[-3000:]}")
    return said
