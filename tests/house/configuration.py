"""Writes docs/operators/configuration.md from the table of variables: `python -m tests.house.configuration`."""

from __future__ import annotations

from pathlib import Path

from aiwriter.env import BASE_DIR, VARIABLES, Variable

PAGE = Path("docs/operators/configuration.md")


def _default(variable: Variable) -> str:
    value = variable.default
    if isinstance(value, list):
        value = ",".join(value)
    if isinstance(value, bool):
        value = str(value).lower()
    text = str(value).replace(str(BASE_DIR) + "/", "")
    return f"`{text}`" if text else "empty"


def _type(variable: Variable) -> str:
    if variable.choices:
        return " / ".join(f"`{choice}`" for choice in variable.choices)
    if variable.minimum is not None or variable.maximum is not None:
        return f"{variable.type}, {variable.minimum:g} to {variable.maximum:g}"
    return variable.type


def page() -> str:
    """The page's text."""
    rows = [
        f"| `{v.name}` | {_type(v)} | {'secret' if v.secret else _default(v)} | {v.help} |"
        for v in sorted(VARIABLES, key=lambda v: v.name)
    ]
    return "\n".join(
        [
            "# Configuration",
            "",
            "Variables come from the environment or from a file `.env` beside `manage.py`; the environment wins. Each may be",
            "given as a file: `NAME_FILE=/run/secrets/name`. A wrong value stops the start, and all problems are told at once.",
            "Backends read their keys from `AIWRITER_SECRET_…` variables of your naming, or from files in the secrets folder.",
            "",
            "| variable | type | default | meaning |",
            "| --- | --- | --- | --- |",
            *rows,
            "",
        ]
    )


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
