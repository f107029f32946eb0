"""The house's own rules, as far as no tool has them."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
TRACKED = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True).stdout.splitlines()
PYTHON = [name for name in TRACKED if name.endswith(".py") and (ROOT / name).is_file()]


def test_every_answer_of_the_index_exists() -> None:
    page = (ROOT / "docs/architecture.md").read_text()
    table = page.split("## Ten-second index")[1].split("## ")[0]
    paths = re.findall(r"`((?:aiwriter|apps|tests)/[\w/.]+)`", table)
    assert len(paths) >= 15
    assert [path for path in paths if not (ROOT / path).exists()] == []


def test_no_room_without_a_name() -> None:
    vague = re.compile(r"(^|/)(utils|helpers|misc|common|managers|stuff)(\.py|/)")
    assert [name for name in PYTHON if vague.search(name)] == []


def test_files_stay_readable() -> None:
    long = {}
    for name in PYTHON:
        if "/migrations/" in name:
            continue
        lines = len((ROOT / name).read_text().splitlines())
        if lines > 450:
            long[name] = lines
    assert long == {}, "split by subject"


def test_nothing_is_left_open() -> None:
    mark = re.compile(r"\b(TODO|FIXME|XXX|HACK|NotImplementedError)\b")
    found = [name for name in PYTHON if name != "tests/house/test_layout.py" and mark.search((ROOT / name).read_text())]
    assert found == []


def test_no_registry_host_is_named() -> None:
    # Put together from pieces, so that this file does not name one either.
    names = (
        "index" + "-url",
        "registry." + "npmjs",
        "pypi.org/" + "simple",
        "files." + "pythonhosted",
        "deb." + "debian",
    )
    hosts = [name.encode() for name in names]
    found = []
    for name in TRACKED:
        path = ROOT / name
        if not path.is_file() or path.suffix in {".png", ".onnx", ".gz", ".pdf", ".docx"}:
            continue
        text = path.read_bytes().lower()
        if any(host in text for host in hosts):
            found.append(name)
    assert found == []


@pytest.mark.parametrize("shelf", ["models", "selectors", "services"])
def test_modules_say_what_they_are(shelf: str) -> None:
    silent = [
        name
        for name in PYTHON
        if f"/{shelf}/" in name
        and not name.endswith("__init__.py")
        and name.startswith(("apps/", "aiwriter/"))
        and not (ROOT / name).read_text().lstrip().startswith('"""')
    ]
    assert silent == []
