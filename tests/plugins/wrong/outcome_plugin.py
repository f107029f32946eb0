"""A pytest plugin that writes which rules of which class failed, as JSON, to the file in WRONG_OUTCOMES.

Of the rules that a class should keep, it asks every WRONG_EACH-th, beginning with another one for each class.
"""

import json
import os
import pathlib

_failed: dict[str, set[str]] = {}
_ran: dict[str, int] = {}
_rules: dict[str, str] = {}


def _key(nodeid):
    return nodeid.split("::")[1].removeprefix("Test_").removesuffix("_")


def pytest_collection_modifyitems(config, items):
    intended, each = json.loads(os.environ["WRONG_FAILS"]), int(os.environ["WRONG_EACH"])
    turns, chosen, left = {}, [], []
    for number, item in enumerate(items):
        key, rule = _key(item.nodeid), item.function.__aiwriter_rule__.id
        _rules[item.nodeid] = rule
        turn = turns.setdefault(key, len(turns))
        # One that is right keeps them all.
        wanted = not intended[key] or rule in intended[key] or (number + turn) % each == 0
        (chosen if wanted else left).append(item)
    config.hook.pytest_deselected(items=left)
    items[:] = chosen


def pytest_runtest_logreport(report):
    key = _key(report.nodeid)
    if report.when == "call":
        _ran[key] = _ran.get(key, 0) + 1
    if report.failed:
        _failed.setdefault(key, set()).add(_rules[report.nodeid])


def pytest_sessionfinish():
    outcome = {key: [count, sorted(_failed.get(key, ()))] for key, count in _ran.items()}
    pathlib.Path(os.environ["WRONG_OUTCOMES"]).write_text(json.dumps(outcome), encoding="utf-8")
