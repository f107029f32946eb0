"""Each row of the ASVS table leads to something that is there."""

from __future__ import annotations

import csv
import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
ROWS = 215


def rows() -> list[dict[str, str]]:
    with (ROOT / "docs" / "asvs.csv").open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def anchors(path: Path) -> set[str]:
    """As the documentation's builder makes them of headings."""
    found = set()
    for heading in re.findall(r"(?m)^#{1,6} +(.+)$", path.read_text(encoding="utf-8")):
        text = re.sub(r"[^\w\s-]", "", heading).strip().lower()
        found.add(re.sub(r"[-\s]+", "-", text))
    return found


def problem(pointer: str) -> str:
    name, _, within = pointer.partition("#")
    name, _, test = name.partition("::")
    path = ROOT / name
    if not path.is_file():
        return f"{pointer}: there is no such file"
    if test and not re.search(rf"(?m)^\s*(async )?def {re.escape(test)}\(", path.read_text(encoding="utf-8")):
        return f"{pointer}: there is no such test"
    return f"{pointer}: there is no such section" if within and within not in anchors(path) else ""


def test_each_row_leads_to_a_test_a_page_or_a_decision():
    found = rows()
    ids = [row["requirement"] for row in found]
    assert len(ids) == len(set(ids)) == ROWS
    assert [row for row in found if row["level"] not in ("1", "2") or not row["what it asks"]] == []
    problems = [text for row in found for pointer in row["where"].split() if (text := problem(pointer))]
    assert not problems, problems
    for row in found:
        kinds = [pointer.startswith("tests/") for pointer in row["where"].split()]
        if row["shown by"] in ("test", "proof"):
            assert any(kinds), row
        elif row["shown by"] == "deviation":
            assert row["where"].startswith("docs/deviations.md#"), row
        else:
            assert row["shown by"] == "document", row
    shown = sum(row["shown by"] in ("test", "proof") for row in found)
    assert shown >= 150, f"only {shown} rows are shown by a test"


def test_each_decision_names_who_signed_it_or_says_that_nobody_has():
    text = (ROOT / "docs" / "deviations.md").read_text(encoding="utf-8")
    intro, *sections = text.split("\n## ")
    waiting = 0
    for section in sections:
        words = " ".join(section.split())
        awaits = re.search(r"\*Proposed on \d+ \w+ \d{4}, awaits a signature[;.]", words)
        assert awaits or re.search(r"Signed: (?!maintainers)\w+ [\w .-]+, \d+ \w+ \d{4}", words), words[:60]
        waiting += bool(awaits)
    assert ("nobody has signed one yet" in " ".join(intro.split())) == (waiting == len(sections))
