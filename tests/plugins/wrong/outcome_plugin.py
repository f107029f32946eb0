"""A pytest plugin that writes which rules of which class failed, as JSON, to the file in WRONG_OUTCOMES."""

import json
import os
import pathlib

_failed: dict[str, set[str]] = {}
_ran: dict[str, int] = {}
_rules: dict[str, str] = {}


def pytest_collection_modifyitems(items):
    for item in items:
        _rules[item.nodeid] = item.function.__aiwriter_rule__.id


def pytest_runtest_logreport(report):
    key = report.nodeid.split("::")[1].removeprefix("Test_").removesuffix("_")
    if report.when == "call":
        _ran[key] = _ran.get(key, 0) + 1
    if report.failed:
        _failed.setdefault(key, set()).add(_rules[report.nodeid])


def pytest_sessionfinish():
    outcome = {key: [count, sorted(_failed.get(key, ()))] for key, count in _ran.items()}
    pathlib.Path(os.environ["WRONG_OUTCOMES"]).write_text(json.dumps(outcome), encoding="utf-8")
