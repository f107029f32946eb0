"""A release: a folder with `app`, the code of one version, `venv`, its packages, and a `release.json` that says what it is.

One for Compose or Kubernetes is an image: its folder holds a `release.json` that names it, and nothing else.
"""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from aw_deployd.errors import Refused

MANIFEST = "release.json"
# Never a word that a program could take for an option.
_IMAGE = re.compile(r"[a-z0-9][A-Za-z0-9._:/@-]{0,254}")


@dataclass(frozen=True, slots=True)
class Release:
    """What is known of a version.

    Args:
        folder: what it is; `code` is within, unless it is an image.
        python: the interpreter that has its packages.
        digest: of its files, or of its image; "" when the manifest has none.
        min_upgrade_from: no version before this one may be replaced directly.
        image: where a registry has it, for runtimes that start images; "" for a release that is a folder.
    """

    version: str
    folder: Path
    python: str
    digest: str = ""
    git_sha: str = ""
    min_upgrade_from: str = ""
    image: str = ""

    @property
    def code(self) -> Path:
        """Where its programs are started.

        Raises:
            Refused: it is an image.
        """
        if self.image:
            raise Refused(
                f"Release {self.version} is the image {self.image}.", "Images are for Compose and Kubernetes."
            )
        return self.folder / "app"


def load(releases: Path, version: str) -> Release:
    """Read a release.

    Raises:
        Refused: it is not there, or calls itself something else.
    """
    folder = releases / version
    try:
        values: dict[str, Any] = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise Refused(f"{folder} holds no release: {error}.", "Unpack it there; release.json must be in it.") from error
    if values.get("version") != version:
        raise Refused(f"{folder} calls itself {values.get('version')}.", "Unpack it under its own version.")
    found = Release(
        version=version,
        folder=folder,
        python=str(values.get("python") or folder / "venv" / "bin" / "python"),
        digest=str(values.get("digest", "")),
        git_sha=str(values.get("git_sha", "")),
        min_upgrade_from=str(values.get("min_upgrade_from", "")),
        image=str(values.get("image", "")),
    )
    if found.image and not _IMAGE.fullmatch(found.image):
        raise Refused(f"{folder} names the image '{found.image}'.", "Write it like registry.example.org/aiwriter:1.1.")
    if not found.image and not found.code.is_dir():
        raise Refused(
            f"{folder} has no folder 'app'.", "Its code belongs there; for Compose or Kubernetes, name an 'image'."
        )
    return found


def digest(code: Path) -> str:
    """Of all files of the code: names, and what is in them."""
    total = hashlib.sha256()
    for path in sorted(code.rglob("*")):
        if path.is_file() and "__pycache__" not in path.parts:
            inside = hashlib.sha256(path.read_bytes()).hexdigest()
            total.update(f"{path.relative_to(code).as_posix()}\0{inside}\n".encode())
    return f"sha256:{total.hexdigest()}"


def verify(release: Release, *, found: tuple[str, ...], wanted: str, coming_from: str) -> dict[str, str]:
    """Whether this is the release that was meant, and may replace the one that serves.

    Args:
        found: digests by which it is known here.
        wanted: digest of the plan; "" to check against the manifest only.
        coming_from: version that serves; "" for none.

    Returns:
        the evidence.

    Raises:
        Refused: no.
    """
    for name, value in (("the plan", wanted), ("the manifest", release.digest)):
        if value and value not in found:
            raise Refused(
                f"Release {release.version} is {found[0][:19]}…, and {name} says {value[:19]}….", "Fetch it again."
            )
    if coming_from and release.min_upgrade_from and order(coming_from) < order(release.min_upgrade_from):
        raise Refused(
            f"Release {release.version} replaces {release.min_upgrade_from} or newer, and {coming_from} serves.",
            f"Go to {release.min_upgrade_from} first.",
        )
    return {"digest": found[0], "git_sha": release.git_sha}


def order(version: str) -> tuple[tuple[int, str], ...]:
    """What versions are sorted by: numbers as numbers."""
    return tuple((int(part), "") if part.isdigit() else (-1, part) for part in re.findall(r"\d+|[A-Za-z]+", version))
