"""Questions in people's own words over documentation that every Python brings along, and how well they are answered.

The corpus is the documentation inside the standard library: one document for each module, made of the module's docstring
and those of its functions and classes. The questions (`tests/data/retrieval/questions.tsv`) avoid the module's name. An answer
counts at the rank of the first passage of the right document, passages of one document counting once.
"""

from __future__ import annotations

import importlib
import inspect
import warnings
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

QUESTIONS = Path(__file__).resolve().parents[2] / "data" / "retrieval" / "questions.tsv"
# The beginning of a module's documentation; the whole would only make the test slow.
MOST_WORDS = 200


@dataclass(frozen=True, slots=True)
class Question:
    """A question, and the modules whose documentation answers it."""

    text: str
    modules: frozenset[str]


def questions() -> list[Question]:
    """The question set."""
    found = []
    for line in QUESTIONS.read_text(encoding="utf-8").splitlines():
        if line and not line.startswith("#"):
            text, _, modules = line.partition("\t")
            found.append(Question(text, frozenset(modules.split("|"))))
    return found


def corpus() -> dict[str, str]:
    """Markdown documents by module name."""
    names = sorted(set().union(*(question.modules for question in questions())))
    return {name: text for name in names if (text := _document(name))}


def _document(name: str) -> str:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            module = importlib.import_module(name)
        except ImportError:  # removed in a later Python, or not built on this machine
            return ""
        parts = [f"# {name}", _plain(inspect.getdoc(module) or "")]
        for member, value in inspect.getmembers(module):
            if member.startswith("_") or not (inspect.isclass(value) or inspect.isroutine(value)):
                continue
            home = getattr(value, "__module__", name) or name
            if not home.lstrip("_").startswith(name.partition(".")[0].lstrip("_")):
                continue
            text = inspect.getdoc(value) or ""
            if len(text.split()) >= 8:
                parts.append(f"## {member}\n\n{_plain(text)}")
            if sum(len(part.split()) for part in parts) > MOST_WORDS:
                break
    return "\n\n".join(part for part in parts if part)


def _plain(text: str) -> str:
    # A docstring's underlines and indentation would read as headings and code.
    lines = (line.strip() for line in text.splitlines())
    return "\n".join("" if line and not line.strip("=-~*#") else line.replace("#", "") for line in lines)


def reciprocal_rank(answers: Iterable[str], right: frozenset[str]) -> float:
    """1 / rank of the first right document among the first ten, each counted once; 0 when it is not there."""
    for rank, name in enumerate(list(dict.fromkeys(answers))[:10], start=1):
        if name in right:
            return 1 / rank
    return 0.0
