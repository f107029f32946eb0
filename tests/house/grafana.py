"""Writes `deploy/observability/grafana-dashboard.json`. `python -m tests.house.grafana`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

FILE = Path(__file__).resolve().parents[2] / "deploy/observability/grafana-dashboard.json"
# Title, unit, queries with their legends.
PANELS: tuple[tuple[str, str, tuple[tuple[str, str], ...]], ...] = (
    (
        "Checks that warn or fail",
        "short",
        (
            ("count(aiw_check_status == 1) or vector(0)", "warn"),
            ("count(aiw_check_status == 2) or vector(0)", "fail"),
            ("count(aiw_check_status == 3) or vector(0)", "unknown"),
        ),
    ),
    ("The watch reports", "bool", (("aiw_watch_up", "{{instance}}"),)),
    ("Requests", "reqps", (("sum by (surface) (rate(aiw_http_requests_total[5m]))", "{{surface}}"),)),
    (
        "Requests that end with an error",
        "percentunit",
        (
            (
                'sum by (surface) (rate(aiw_http_requests_total{status="5xx"}[5m])) / '
                "sum by (surface) (rate(aiw_http_requests_total[5m]))",
                "{{surface}}",
            ),
        ),
    ),
    (
        "95 % of the requests within",
        "s",
        (
            (
                "histogram_quantile(0.95, sum by (surface, le) (rate(aiw_http_request_seconds_bucket[5m])))",
                "{{surface}}",
            ),
        ),
    ),
    (
        "How fast the error budget burns (99.9 %)",
        "short",
        (
            (
                'sum by (surface) (increase(aiw_http_requests_total{surface=~"web|api",status="5xx"}[1h])) / '
                'sum by (surface) (increase(aiw_http_requests_total{surface=~"web|api"}[1h])) / 0.001',
                "{{surface}}",
            ),
        ),
    ),
    ("Open streams", "short", (("sum by (kind) (aiw_streams_open)", "{{kind}}"),)),
    ("Tasks", "ops", (("sum by (outcome) (rate(aiw_tasks_total[5m]))", "{{outcome}}"),)),
    (
        "95 % of the tasks within",
        "s",
        (("topk(5, histogram_quantile(0.95, sum by (task, le) (rate(aiw_task_seconds_bucket[15m]))))", "{{task}}"),),
    ),
    (
        "Model calls",
        "ops",
        (("sum by (backend, outcome) (rate(aiw_model_calls_total[5m]))", "{{backend}} {{outcome}}"),),
    ),
    (
        "Until the first word",
        "s",
        (
            (
                "histogram_quantile(0.95, sum by (backend, le) (rate(aiw_model_first_token_seconds_bucket[15m])))",
                "{{backend}}",
            ),
        ),
    ),
    ("Tokens a minute", "short", (("sum by (direction) (rate(aiw_model_tokens_total[5m])) * 60", "{{direction}}"),)),
    (
        "Cost a day",
        "short",
        (("sum by (backend, currency) (increase(aiw_model_cost_total[1d]))", "{{backend}} {{currency}}"),),
    ),
    (
        "Search for passages",
        "s",
        (
            (
                "histogram_quantile(0.95, sum by (engine, le) (rate(aiw_retrieval_seconds_bucket[5m])))",
                "{{engine}}",
            ),
        ),
    ),
    ("Free disk", "bytes", (('aiw_check_figure{check="disk",figure="free_bytes"}', "{{instance}}"),)),
)


def dashboard() -> str:
    """The file."""
    panels = [_panel(number, *panel) for number, panel in enumerate(PANELS)]
    body: dict[str, Any] = {
        "title": "AI-Writer",
        "uid": "aiwriter",
        "tags": ["aiwriter"],
        "schemaVersion": 39,
        "editable": True,
        "refresh": "30s",
        "time": {"from": "now-6h", "to": "now"},
        "templating": {
            "list": [
                {"name": "source", "label": "Prometheus", "type": "datasource", "query": "prometheus", "current": {}}
            ]
        },
        "panels": panels,
    }
    return json.dumps(body, indent=1) + "\n"


def _panel(number: int, title: str, unit: str, queries: tuple[tuple[str, str], ...]) -> dict[str, Any]:
    source = {"type": "prometheus", "uid": "${source}"}
    return {
        "id": number + 1,
        "title": title,
        "type": "timeseries",
        "datasource": source,
        "gridPos": {"x": number % 3 * 8, "y": number // 3 * 8, "w": 8, "h": 8},
        "fieldConfig": {"defaults": {"unit": unit, "min": 0}, "overrides": []},
        "options": {"legend": {"displayMode": "list", "placement": "bottom"}, "tooltip": {"mode": "multi"}},
        "targets": [
            {"refId": chr(65 + index), "expr": expr, "legendFormat": legend, "datasource": source}
            for index, (expr, legend) in enumerate(queries)
        ],
    }


if __name__ == "__main__":
    FILE.write_text(dashboard(), encoding="utf-8")
