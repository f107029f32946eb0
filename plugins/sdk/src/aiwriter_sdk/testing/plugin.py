"""pytest plugin: registered by the entry point `aiwriter_conformance`.

It leaves out rules that do not apply to a backend, marks expected failures, and prints each backend's grade at the end.
"""

from __future__ import annotations

import json
from typing import Any

import pytest

from aiwriter_sdk.descriptor import CONTRACT
from aiwriter_sdk.testing.rules import Conformance, Rule, exempt, reading_order, rules

_PROPERTY = "aiwriter_conformance"


def pytest_addoption(parser: pytest.Parser) -> None:
    """Options of the suite."""
    group = parser.getgroup("aiwriter", "AI-Writer plugin conformance")
    group.addoption(
        "--aiwriter-live", action="store_true", help="also run the conformance tests that call the real provider"
    )


def pytest_configure(config: pytest.Config) -> None:
    """Prepare the report."""
    config.pluginmanager.register(_Report(), "aiwriter-conformance-report")


def _suite(item: pytest.Item) -> tuple[type[Conformance], Rule] | None:
    cls = getattr(item, "cls", None)
    found = getattr(getattr(item, "function", None), "__aiwriter_rule__", None)
    if isinstance(cls, type) and issubclass(cls, Conformance) and isinstance(found, Rule):
        return cls, found
    return None


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Deselect what does not apply, and mark expected failures."""
    live = config.getoption("--aiwriter-live")
    kept, left = [], []
    announced: set[type] = set()
    reasons: dict[type, dict[str, str]] = {}
    for item in items:
        suite = _suite(item)
        if suite is None:
            kept.append(item)
            continue
        cls, one = suite
        if cls not in reasons:
            _untouched(cls)
            reasons[cls] = exempt(cls)
        name = item.name.partition("[")[0]
        if name in reasons[cls] or ("live" in one.needs and not live):
            left.append(item)
            continue
        if reason := cls.expected_failures.get(name):
            item.add_marker(pytest.mark.xfail(reason=reason, strict=True))
        about: dict[str, Any] = {"class": item.nodeid.rpartition("::")[0], "test": name}
        if cls not in announced:
            announced.add(cls)
            about |= {
                "title": f"{cls.descriptor.kind} {cls.descriptor.key}",
                "rules": {n: [r.id, r.grade, r.title] for n, r in rules(cls)},
                "exempt": reasons[cls],
            }
        # Reports travel from xdist's workers to the process that prints; nothing else does.
        item.user_properties.append((_PROPERTY, json.dumps(about)))
        kept.append(item)
    if left:
        config.hook.pytest_deselected(items=left)
        items[:] = kept


def _untouched(cls: type[Conformance]) -> None:
    for name, one in rules(cls):
        if getattr(getattr(cls, name, None), "__aiwriter_rule__", None) is not one:
            raise pytest.UsageError(f"{cls.__name__}.{name} of the conformance suite was removed or replaced.")


class _Report:
    """Collects outcomes and prints them."""

    def __init__(self) -> None:
        self._classes: dict[str, dict[str, Any]] = {}

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        about = next((json.loads(str(v)) for k, v in report.user_properties if k == _PROPERTY), None)
        if about is None:
            return
        row = self._classes.setdefault(about["class"], {"outcomes": {}})
        row.update({k: v for k, v in about.items() if k in ("title", "rules", "exempt")})
        before = row["outcomes"].get(about["test"], "")
        if report.when == "call" or report.outcome != "passed":
            outcome = "expected to fail" if hasattr(report, "wasxfail") and report.skipped else report.outcome
            row["outcomes"][about["test"]] = "failed" if before == "failed" else outcome

    def pytest_terminal_summary(self, terminalreporter: Any, config: pytest.Config) -> None:
        for name, row in sorted(self._classes.items()):
            if "rules" not in row:
                continue
            self._print(terminalreporter, name, row, table=config.get_verbosity() >= 0)

    @staticmethod
    def _print(out: Any, name: str, row: dict[str, Any], *, table: bool) -> None:
        lines, missed, open_ = [], {"required": 0, "recommended": 0}, 0
        for test, (id_, grade, title) in sorted(row["rules"].items(), key=lambda pair: reading_order(pair[1][0])):
            outcome = row["outcomes"].get(test)
            if outcome is None:
                outcome = f"exempt: {row['exempt'][test]}" if test in row["exempt"] else "not run"
                open_ += outcome == "not run" and not test.startswith("test_live")
            missed[grade] += outcome in ("failed", "expected to fail")
            lines.append(f"| {id_} | {grade} | {outcome} | {title} |")
        grade = "conforms" if not missed["required"] else "does not conform"
        if open_ and grade == "conforms":
            grade = f"conforms so far, {open_} rules were not run"
        detail = f"{missed['required']} required and {missed['recommended']} recommended rules not met"
        out.write_line(f"AI-Writer contract {CONTRACT[0]}.{CONTRACT[1]}, {row['title']} ({name}): {grade}; {detail}.")
        if table:
            out.write_line("\n| rule | grade | outcome | what it says |\n| --- | --- | --- | --- |")
            for line in lines:
                out.write_line(line)
            out.write_line("")
