"""What an environment variable is, and how its text becomes a value."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal
from urllib.parse import urlsplit

VarType = Literal["str", "bool", "int", "float", "list", "path", "url", "choice"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Variable:
    """One environment variable.

    Args:
        name: as it stands in the environment.
        type: how the text is read.
        default: used when the variable is absent or empty.
        help: what it is for; docs/operators/configuration.md is made from it.
        choices: for type "choice".
        minimum, maximum: bounds for numbers.
        secret: its value is never shown.
        check: returns the problem with a value, or "".
    """

    name: str
    type: VarType
    default: Any
    help: str
    choices: tuple[str, ...] = ()
    minimum: float | None = None
    maximum: float | None = None
    secret: bool = False
    check: Callable[[Any], str] | None = None


_TRUE, _FALSE = {"1", "true", "yes", "on"}, {"0", "false", "no", "off"}


def parse(variable: Variable, text: str) -> Any:
    """Read a variable's text.

    Raises:
        ValueError: with the problem in words.
    """
    kind = variable.type
    if kind == "bool":
        if text.lower() in _TRUE | _FALSE:
            return text.lower() in _TRUE
        raise ValueError(f"is '{text}'. Use true or false.")
    if kind in ("int", "float"):
        try:
            number: float = int(text) if kind == "int" else float(text)
        except ValueError:
            raise ValueError(f"is '{text}', which is not a {'whole ' if kind == 'int' else ''}number.") from None
        if variable.minimum is not None and number < variable.minimum:
            raise ValueError(f"is {text}. The least is {variable.minimum:g}.")
        if variable.maximum is not None and number > variable.maximum:
            raise ValueError(f"is {text}. The most is {variable.maximum:g}.")
        return number
    if kind == "list":
        return [part.strip() for part in text.split(",") if part.strip()]
    if kind == "choice":
        if text not in variable.choices:
            raise ValueError(f"is '{text}'. Use one of: {', '.join(variable.choices)}.")
        return text
    if kind == "path":
        return str(Path(text).expanduser().resolve())
    if kind == "url":
        parts = urlsplit(text)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ValueError(f"is '{text}', which is not a web address. Write for example http://127.0.0.1:8000.")
        return text.rstrip("/")
    return text
