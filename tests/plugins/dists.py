"""Writes throw-away distributions: a folder with modules and a `.dist-info`, as pip would have left it.

Put the folder on `sys.path` (or PYTHONPATH) and `importlib.metadata` finds its entry points; nothing is installed.
"""

from __future__ import annotations

import shutil
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path

ZOO = Path(__file__).parent / "zoo"


def write_distribution(
    folder: Path,
    name: str,
    *,
    version: str = "1.0",
    entry_points: Mapping[str, Mapping[str, str]] | str = "",
    modules: Mapping[str, str] | None = None,
    requires: Sequence[str] = ("aiwriter-sdk>=1.0,<2",),
    home_page: str = "https://example.org/plugin",
) -> Path:
    """Write one distribution.

    Args:
        folder: where; made when it does not exist.
        name: of the distribution.
        version: of the distribution.
        entry_points: group to name to "module:attribute", or the file's text as it is.
        modules: file name to source.
        requires: what it depends on.
        home_page: shown in the console.

    Returns:
        the folder, to be put on the path.
    """
    info = folder / f"{name.replace('-', '_')}-{version}.dist-info"
    info.mkdir(parents=True)
    lines = ["Metadata-Version: 2.1", f"Name: {name}", f"Version: {version}", f"Project-URL: Homepage, {home_page}"]
    lines += [f"Requires-Dist: {requirement}" for requirement in requires]
    (info / "METADATA").write_text("\n".join(lines) + "\n", encoding="utf-8")
    if not isinstance(entry_points, str):
        sections = (
            "\n".join([f"[{group}]", *(f"{key} = {value}" for key, value in entries.items())])
            for group, entries in entry_points.items()
        )
        entry_points = "\n\n".join(sections) + "\n"
    (info / "entry_points.txt").write_text(entry_points, encoding="utf-8")
    for file_name, source in (modules or {}).items():
        path = folder / file_name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(source, encoding="utf-8")
    return folder


def write_animal(folder: Path, name: str) -> Path:
    """Write one plugin of the zoo as a distribution, as `pip install tests/plugins/zoo/<name>` would.

    Args:
        folder: an empty place.
        name: of the folder in the zoo.
    """
    project = tomllib.loads((ZOO / name / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    shutil.copytree(ZOO / name / f"zoo_{name}", folder / f"zoo_{name}")
    return write_distribution(
        folder,
        project["name"],
        version=project["version"],
        entry_points=project["entry-points"],
        requires=project["dependencies"],
        home_page=project["urls"]["Homepage"],
    )
