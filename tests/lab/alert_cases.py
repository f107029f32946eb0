"""Stories that the portal and Prometheus must judge alike: what was seen, and what fires when.

Every ten seconds one look; a story has the status of each check for each look. `fires` says at which seconds the alert
fires, as ranges that include both ends.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

STEP = 10
STATUS = {"o": 0, "w": 1, "f": 2, "u": 3}


@dataclass(frozen=True, slots=True)
class Case:
    """One story.

    Args:
        rule: which rule judges.
        checks: statuses by check, a letter for each look.
        looks: how many looks there are.
        fires: (subject, first second, last second).
    """

    rule: str
    looks: int
    fires: tuple[tuple[str, int, int], ...]
    checks: dict[str, str] = field(default_factory=dict)


CASES: tuple[Case, ...] = (
    Case("check-fails", 12, (("mail", 20, 80),), checks={"mail": "offff" + "f" + "oooooo"}),
    Case("check-fails", 8, (), checks={"mail": "ofofofoo"}),
    Case("check-fails", 9, (("mail", 10, 80),), checks={"mail": "ffoffooff"}),
    Case("check-fails", 10, (("database", 10, 90),), checks={"database": "f" * 10, "mail": "f" * 10}),
    # The database freezes, and everything with it; right after it nothing is known of the others (see `watching`).
    Case(
        "check-fails",
        14,
        (("database", 20, 80),),
        checks={"database": "o" + "f" * 5 + "o" * 8, "mail": "offfffuufooooo"},
    ),
    Case("check-fails", 12, (("mail", 20, 110),), checks={"database": "oooo" + "u" * 8, "mail": "of" + "f" * 10}),
    Case("worker-silent", 12, (("worker", 60, 110),), checks={"database": "o" * 8 + "ffff", "worker": "w" * 12}),
    Case("worker-silent", 12, (), checks={"database": "f" * 12, "worker": "w" * 12}),
    Case("check-fails", 10, (("mail", 20, 90),), checks={"database": "o" * 10, "mail": "offuuuuuuu"}),
    Case("check-fails", 10, (), checks={"mail": "owwwwuuuuu"}),
    Case("check-warns", 70, (("mail", 610, 690),), checks={"mail": "o" + "w" * 69}),
    Case("check-warns", 70, (), checks={"mail": "f" * 70}),
    Case("worker-silent", 12, (("worker", 60, 110),), checks={"worker": "wwwwfffwwwww"}),
    Case("worker-silent", 12, (), checks={"worker": "wwwwwowwwwww", "mail": "f" * 12}),
    Case("checks-silent", 20, (("mail", 130, 170),), checks={"mail": "o" + "u" * 14 + "o" * 5}),
    Case("checks-silent", 14, (), checks={"mail": "uuuuuuuuuuuuo" + "o"}),
)


@dataclass(frozen=True, slots=True)
class BurnCase:
    """A story of an error budget: requests of pages, minute by minute.

    Args:
        rule: which rule judges, at the end.
        minutes: (how many, requests in each, of which wrong).
        fires: whether it fires then.
    """

    rule: str
    minutes: tuple[tuple[int, int, int], ...]
    fires: bool


BURNS: tuple[BurnCase, ...] = (
    BurnCase("budget-burns-fast", ((90, 100, 3),), fires=True),
    BurnCase("budget-burns-fast", ((90, 100, 1),), fires=False),
    # It is over for twenty minutes: the short window says so.
    BurnCase("budget-burns-fast", ((70, 100, 3), (20, 100, 0)), fires=False),
    # Five of sixty are 8 %, but five.
    BurnCase("budget-burns-fast", ((85, 1, 0), (5, 1, 1)), fires=False),
    BurnCase("budget-burns", ((420, 100, 1),), fires=True),
    BurnCase("budget-burns", ((420, 1000, 3),), fires=False),
    BurnCase("budget-burns-slowly", ((4400, 500, 1),), fires=True),
    BurnCase("budget-burns-slowly", ((4400, 5000, 2),), fires=False),
)


def _burn_test(case: BurnCase) -> dict[str, Any]:
    from apps.monitoring.services.alert_defaults import RULES

    series = []
    for status, wanted in (("2xx", False), ("5xx", True)):
        total, values = 0, [0]
        for count, every, bad in case.minutes:
            for _ in range(count):
                total += bad if wanted else every - bad
                values.append(total)
        series.append(
            {
                "series": f'aiw_http_requests_total{{surface="web",route="x",status="{status}",instance="here"}}',
                "values": " ".join(str(value) for value in values),
            }
        )
    rule = RULES[case.rule]
    alert = {
        "exp_labels": {"severity": rule["severity"], "surface": "web"},
        "exp_annotations": {"summary": rule["title"], "runbook": rule["runbook"]},
    }
    end = sum(count for count, _, _ in case.minutes)
    expected = {"eval_time": f"{end}m", "alertname": case.rule, "exp_alerts": [alert] if case.fires else []}
    return {"interval": "1m", "input_series": series, "alert_rule_test": [expected]}


def promtool_files_of_budgets() -> list[str]:
    """The same for error budgets: hours, judged every ten minutes, and days, judged every hour (each looks at days)."""
    files = []
    for days, every in ((False, "10m"), (True, "1h")):
        tests = [_burn_test(case) for case in BURNS if (sum(count for count, _, _ in case.minutes) > 24 * 60) == days]
        files.append(json.dumps({"rule_files": ["rules.yml"], "evaluation_interval": every, "tests": tests}))
    return files


def promtool_file() -> str:
    """The unit tests of `promtool test rules`, as YAML (which JSON is)."""
    tests = []
    for case in CASES:
        series = [
            {
                "series": f'aiw_check_status{{check="{key}",required="no",instance="here",job="aiwriter"}}',
                "values": " ".join(str(STATUS[letter]) for letter in letters),
            }
            for key, letters in case.checks.items()
        ]
        expected = []
        for look in range(case.looks):
            at = look * STEP
            firing = [subject for subject, first, last in case.fires if first <= at <= last]
            expected.append(
                {"eval_time": f"{at}s", "alertname": case.rule, "exp_alerts": [_labels(each, case) for each in firing]}
            )
        tests.append({"interval": f"{STEP}s", "input_series": series, "alert_rule_test": expected})
    return json.dumps({"rule_files": ["rules.yml"], "evaluation_interval": f"{STEP}s", "tests": tests}, indent=1)


def _labels(subject: str, case: Case) -> dict[str, Any]:
    from apps.monitoring.services.alert_defaults import RULES

    rule = RULES[case.rule]
    return {
        "exp_labels": {
            "severity": rule["severity"],
            "check": subject,
            "required": "no",
            "instance": "here",
            "job": "aiwriter",
        },
        "exp_annotations": {"summary": rule["title"], "runbook": rule.get("runbook", "operators/alerts")},
    }
