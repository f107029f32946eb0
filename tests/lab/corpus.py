"""Real documents to write from: manuals that Debian ships, taken out of their packages without installing them."""

from __future__ import annotations

import subprocess
import tempfile
from pathlib import Path

from tests.lab.portal import ROOT

FOLDER = ROOT / "tests" / ".artifacts" / "corpus"
# Package → patterns and how many files to take, of those between 2 and 60 KB, but for PDF.
LEAST, MOST = 2_000, 60_000
PACKAGES: dict[str, tuple[tuple[str, int], ...]] = {
    "git-doc": (("**/*.txt", 120), ("**/*.html", 40)),
    "postgresql-doc-15": (("**/*.html", 60),),
    "debian-reference-en": (("**/*.en.html", 14), ("**/*.pdf", 1)),
    "debian-policy": (("**/*.txt", 5), ("**/*.html", 10)),
}


def _unpack(package: str, into: Path) -> None:
    """Download a package and unpack it; `apt-get download` needs no root."""
    with tempfile.TemporaryDirectory() as scratch:
        command = ["apt-get", "download", "-q", package]
        done = subprocess.run(command, cwd=scratch, capture_output=True, text=True, check=False)
        if done.returncode:
            # Old package lists name versions that are gone; only root may renew them.
            subprocess.run(["apt-get", "update", "-qq"], capture_output=True, check=False)
            subprocess.run(command, cwd=scratch, capture_output=True, check=True)
        archive = next(Path(scratch).glob("*.deb"))
        subprocess.run(["dpkg-deb", "-x", archive, into], check=True)


def documents(count: int = 200) -> list[Path]:
    """At least `count` real text, HTML and PDF files of different names.

    Raises:
        RuntimeError: the packages held fewer.
    """
    found: dict[str, Path] = {}
    for package, patterns in PACKAGES.items():
        folder = FOLDER / package
        if not folder.is_dir():
            staging = FOLDER / f".{package}"
            staging.mkdir(parents=True, exist_ok=True)
            _unpack(package, staging)
            staging.rename(folder)
        for pattern, most in patterns:
            sized = [(f, f.stat().st_size) for f in sorted(folder.glob(pattern)) if f.is_file()]
            files = [f for f, size in sized if LEAST <= size <= MOST or f.suffix == ".pdf"]
            for file in files[:most]:
                found.setdefault(file.name, file)
    chosen = list(found.values())
    if len(chosen) < count:
        raise RuntimeError(f"only {len(chosen)} documents were found, {count} are needed")
    return chosen
