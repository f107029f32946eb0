"""The table of rules in the documentation of the conformance suite: `python -m tests.plugins.rule_table` writes it."""

from __future__ import annotations

from pathlib import Path

from aiwriter_sdk.testing.health import CheckConformance
from aiwriter_sdk.testing.models import ModelConformance
from aiwriter_sdk.testing.publish import PublishConformance
from aiwriter_sdk.testing.rules import reading_order, rules
from aiwriter_sdk.testing.storage import StorageConformance

PAGE = Path(__file__).parents[2] / "docs/plugins/conformance.md"
MARKS = ("<!-- rules -->\n", "<!-- end of rules -->\n")


def table() -> str:
    """All rules of all suites, by id."""
    found = {
        rule.id: rule
        for suite in (ModelConformance, StorageConformance, PublishConformance, CheckConformance)
        for _, rule in rules(suite)
    }
    lines = ["| rule | grade | applies to | what it says |", "| --- | --- | --- | --- |"]
    for _, rule in sorted(found.items(), key=lambda item: reading_order(item[0])):
        needs = ", ".join(need.replace("no ", "not ") for need in rule.needs) or "all"
        lines.append(f"| {rule.id} | {rule.grade} | {needs} | {rule.title} |")
    return "\n".join(lines) + "\n"


def page(text: str) -> str:
    """The page with the present table in it."""
    head, _, rest = text.partition(MARKS[0])
    return f"{head}{MARKS[0]}\n{table()}\n{MARKS[1]}{rest.partition(MARKS[1])[2]}"


if __name__ == "__main__":
    PAGE.write_text(page(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
