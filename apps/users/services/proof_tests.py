"""What the tests of the installed release said: files that its pipeline made and shipped with it. Without them it says so.

The folder (`AIWRITER_RELEASE_FILES`, else `deploy/release` of the release) may hold results as JUnit XML (`tests*.xml`),
results of proofs (`proofs.json`), the table of requirements (`asvs.csv`), and `release.json` with `version` and `revision`.
"""

from __future__ import annotations

import csv
import io
from collections import Counter
from pathlib import Path
from typing import Any

import orjson
from django.conf import settings
from lxml import etree

from aiwriter import __version__
from aiwriter.core.errors import InvalidInput
from apps.users.services.proof_parts import Part, Period, sha256, text_of

# The tests of the product make 4 MiB; more is something else.
LARGEST = 16 * 2**20
_ORDER = ("passed", "skipped", "failed")


def folder() -> Path:
    """Where the files of the release lie."""
    return Path(settings.RELEASE_FILES)


def tests(period: Period) -> Part:
    """Counts, what failed, and the result of each requirement's tests."""
    found = sorted(folder().glob("tests*.xml")) if folder().is_dir() else []
    if not found:
        return Part(
            name="tests",
            present=False,
            says=f"The installed release came without results of its tests: no tests*.xml in {folder()}.",
        )
    release = _json("release.json")
    if (version := release.get("version", __version__)) != __version__:
        return Part(
            name="tests",
            present=False,
            says=f"The results in {folder()} are those of version {version}; {__version__} is installed.",
        )
    results: dict[str, str] = {}
    runs, files = [], {}
    for path in found:
        content = _read(path)
        cases = _cases(path.name, content)
        counts = Counter(state for _name, state in cases)
        for name, state in cases:
            # Of several runs, databases and parameters the worst counts.
            results[name] = max(results.get(name, "passed"), state, key=_ORDER.index)
        failed = sorted({name for name, state in cases if state == "failed"})
        runs.append({"file": path.name, "sha256": sha256(content), **counts, "failed_tests": failed})
        files[f"tests/{path.name}"] = content
    proofs = _json("proofs.json")
    rows = _requirements(results, proofs)
    facts = {"release": release, "runs": runs, "proofs": proofs}
    files["tests/results.json"] = text_of(facts)
    said = "; ".join(
        f"{run['file']}: {run.get('passed', 0)} passed, {run.get('failed', 0)} failed, {run.get('skipped', 0)} skipped"
        for run in runs
    )
    if rows:
        files["tests/requirements.json"] = text_of(rows)
        states = Counter(row["result"] for row in rows)
        said += "; requirements: " + ", ".join(f"{states[name]} {name}" for name in sorted(states))
    return Part(name="tests", present=True, says=said + ".", files=files)


def _read(path: Path) -> bytes:
    try:
        content = path.read_bytes()
    except OSError as error:
        raise InvalidInput(
            f"{path} cannot be read: {error.strerror}.", remedy="Let the portal's user read the release's files."
        ) from None
    if len(content) > LARGEST:
        raise InvalidInput(
            f"{path} has {len(content) // 2**20} MiB.", remedy="Put results of tests there, without their output."
        )
    return content


def _json(name: str) -> dict[str, Any]:
    path = folder() / name
    if not path.is_file():
        return {}
    try:
        value = orjson.loads(_read(path))
    except orjson.JSONDecodeError as error:
        raise InvalidInput(f"{path} is no JSON: {error}.", remedy="Make the release's files anew.") from None
    if not isinstance(value, dict):
        raise InvalidInput(f"{path} holds no object.", remedy="Make the release's files anew.")
    return value


def _cases(name: str, content: bytes) -> list[tuple[str, str]]:
    """Each test as a pointer writes it (`tests/unit/x/test_y.py::test_z`, without parameters) and how it ended."""
    parser = etree.XMLParser(resolve_entities=False, no_network=True, huge_tree=False, dtd_validation=False)
    try:
        root = etree.fromstring(content, parser)
    except etree.XMLSyntaxError as error:
        raise InvalidInput(f"{name} is no JUnit XML: {error}.", remedy="Make it with pytest --junitxml.") from None
    found = []
    for case in root.iter("testcase"):
        module, test = case.get("classname", ""), case.get("name", "").partition("[")[0]
        # A class of tests has a capital: it is no part of the file's name.
        path = "/".join(each for each in module.split(".") if not each[:1].isupper())
        state = "passed"
        if case.find("failure") is not None or case.find("error") is not None:
            state = "failed"
        elif case.find("skipped") is not None:
            state = "skipped"
        found.append((f"{path}.py::{test}", state))
    return found


def _requirements(results: dict[str, str], proofs: dict[str, Any]) -> list[dict[str, Any]]:
    """Each requirement of the table with the results of what it points to."""
    path = folder() / "asvs.csv"
    if not path.is_file():
        return []
    rows = []
    for row in csv.DictReader(io.StringIO(_read(path).decode())):
        shown = {pointer: _result(pointer, results, proofs) for pointer in (row.get("where") or "").split()}
        tried = [state for state in shown.values() if state in _ORDER]
        if tried:
            result = "not run" if "not run" in shown.values() else max(tried, key=_ORDER.index)
            result = "failed" if "failed" in tried else result
        else:
            result = "not run" if "not run" in shown.values() else "by document"
        rows.append({"requirement": row["requirement"], "result": result, "shown": shown})
    return rows


def _result(pointer: str, results: dict[str, str], proofs: dict[str, Any]) -> str:
    if pointer.startswith("tests/proofs/"):
        proof = proofs.get(Path(pointer).stem.replace("_", "-"))
        if not isinstance(proof, dict):
            return "not run"
        return "passed" if proof.get("holds") is True else "failed"
    return results.get(pointer, "not run") if "::" in pointer else "document"
