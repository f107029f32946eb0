"""Writes `deploy/observability/rules.yml`: the rules that ship, for Prometheus. `python -m tests.house.prometheus`."""

from __future__ import annotations

import json
import os
from pathlib import Path

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "aiwriter.settings")

FILE = Path(__file__).resolve().parents[2] / "deploy/observability/rules.yml"


def rules() -> str:
    """The file. JSON is YAML, so values are written as JSON."""
    from apps.monitoring.services.alert_defaults import RULES

    lines = [
        "# Made from apps/monitoring/services/alert_defaults.py by `python -m tests.house.prometheus`; change it there.",
        "groups:",
        "  - name: aiwriter",
        "    interval: 5s",
        "    rules:",
    ]
    for slug, rule in RULES.items():
        if not rule["promql"]:
            continue
        lines += [
            f"      - alert: {slug}",
            f"        expr: {json.dumps(rule['promql'])}",
            f"        for: {rule.get('prom_for', rule.get('for_seconds', 0))}s",
            f"        keep_firing_for: {rule.get('keep_firing_seconds', 30)}s",
            f"        labels: {{severity: {rule['severity']}}}",
            f"        annotations: {{summary: {json.dumps(rule['title'])}, runbook: {rule.get('runbook', 'operators/alerts')}}}",
        ]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    import django

    django.setup()
    FILE.write_text(rules(), encoding="utf-8")
