"""Questions in people's own words over documentation that every Python brings along, and how well they are answered.

The corpus is the documentation inside the standard library: one document for each module, made of the module's docstring
and those of its functions and classes. The questions (`tests/data/retrieval/questions.tsv`) avoid the module's name. An answer
counts at the rank of the first passage of the right document, passages of one document counting once.
"""

from __future__ import annotations

import importlib
import inspect
import warnings
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import mean

from aiwriter_sdk import EmbedResult
from apps.content.markup.chunks import chunk_document
from apps.content.models import Source, SourceChunk
from apps.content.parsing.builder import TextBuilder
from apps.content.parsing.document import Limits
from apps.content.parsing.markdown import read_markdown
from apps.content.retrieval import hybrid, index, keyword
from apps.users.models import Workspace

QUESTIONS = Path(__file__).resolve().parents[2] / "data" / "retrieval" / "questions.tsv"
# The beginning of a module's documentation; the whole would only make the test slow.
MOST_WORDS = 200
Embed = Callable[[Sequence[str]], EmbedResult]


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


@dataclass(frozen=True, slots=True)
class Answered:
    """How well one way of searching answers: means over the questions.

    Args:
        questions: how many were asked.
        reciprocal_rank: 1 / rank of the first right document among the first ten, 0 when it is not there.
        recall: share of the questions with a right document among the first five.
    """

    questions: int
    reciprocal_rank: float
    recall: float


def shelved(workspace: Workspace) -> list[SourceChunk]:
    """Put the corpus into the workspace. Returns its passages, without vectors."""
    passages: list[SourceChunk] = []
    for name, text in corpus().items():
        builder = TextBuilder(Limits())
        read_markdown(text, builder)
        document = builder.finish(kind="markdown", mime="text/markdown", fallback_title=name)
        source = Source.objects.create(workspace=workspace, title=name, text=document.text, state="ready")
        passages += index.replace_chunks(
            source, chunk_document(document.text, headings=document.headings, blocks=document.blocks)
        )
    return passages


def answered(workspace: Workspace, passages: list[SourceChunk], embed: Embed) -> dict[str, Answered]:
    """Ask all questions of "keyword", of "vector" and of both, "hybrid", with this embedder's vectors of the passages."""
    # At once: each call counts all that is there.
    index.store_vectors(passages, embed([index.embedding_text(row) for row in passages]))
    chunks = SourceChunk.objects.filter(workspace=workspace)
    title = dict(chunks.values_list("id", "source__title"))
    present = set(title.values())
    ranks: dict[str, list[int]] = {"keyword": [], "vector": [], "hybrid": []}
    for question in questions():
        if not question.modules & present:
            continue
        words = keyword.search(workspace_id=workspace.pk, query=question.text, limit=50)
        vectors = index.nearest(workspace_id=workspace.pk, result=embed([question.text]), limit=50).hits
        # Enough passages for ten documents; how deep the halves are searched does not hang on it.
        both = hybrid.search(workspace_id=workspace.pk, query=question.text, limit=25, embed=lambda text: embed([text]))
        ranks["keyword"].append(_rank((title[hit.chunk_id] for hit in words), question.modules))
        ranks["vector"].append(_rank((title[hit.chunk_id] for hit in vectors), question.modules))
        ranks["hybrid"].append(_rank((hit.title for hit in both.hits), question.modules))
    return {
        half: Answered(
            len(found),
            round(mean(1 / rank if rank else 0.0 for rank in found), 3),
            round(mean(0 < rank <= 5 for rank in found), 3),
        )
        for half, found in ranks.items()
    }


def _rank(answers: Iterable[str], right: frozenset[str]) -> int:
    """Rank of the first right document among the first ten, each counted once; 0 when it is not there."""
    for rank, name in enumerate(list(dict.fromkeys(answers))[:10], start=1):
        if name in right:
            return rank
    return 0
