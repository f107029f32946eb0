"""The Composer: writes a text out of sentences that stand in the writer's sources, each with its citation.

It knows no language. For each section it takes the sentences that are near the heading and unlike each other, puts
neighbours of one passage next to each other in their own order, and quotes them. Where nothing is near enough it says so
in place of a paragraph. The same request gives the same text.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from aiwriter_model_offline import planning
from aiwriter_model_offline.planning import Section, Wish
from aiwriter_model_offline.prose import Sentence, quoted, sentences_of, words
from aiwriter_model_offline.relevance import Embedder, Space, Vectors, choose, stems
from aiwriter_sdk import Passage

NOTE = (
    "*Composed from your sources without a language model: every sentence above is quoted from the passage that its "
    "number names. Read it as a collection to write from.*"
)
NOTE_EMPTY = (
    "*Written by the Composer, which works without a language model and only quotes your sources. Add sources that cover "
    "this, or connect a language model.*"
)
# Nearness below which a sentence does not answer, by meaning and by words; set on the question set of the tests.
_LEAST_BY_MEANING = 0.27
_LEAST_BY_WORDS = 0.10
# A passage this far below the best one of the request is about something else.
_LEAST_SHARE = 0.5
_DEFINING = re.compile(
    r"^(?:the |an? )?[\w\s()/“”\"'-]{2,60}?\b(?:is|are|was|means|denotes|refers to|provides|consists of|describes|defines|"
    r"allows|enables|specifies)\b",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class _Material:
    passages: Sequence[Passage]
    sentences: list[Sentence]
    space: Space

    @property
    def least(self) -> float:
        return _LEAST_BY_MEANING if self.space.knows_meaning else _LEAST_BY_WORDS


def compose(wish: Wish, passages: Sequence[Passage], embedder: Embedder | None) -> Iterator[str]:
    """The text in pieces: title, then section by section.

    Args:
        wish: what is asked for; kinds other than "outline" and "section" become a draft.
        passages: of the sources, best first.
        embedder: see `Space`.
    """
    if wish.kind == "outline":
        yield from _outline(wish, passages, embedder)
    elif wish.kind == "section":
        yield from _section_alone(wish, passages, embedder)
    else:
        yield from _draft(wish, passages, embedder)


def go_on(text: str, wish: Wish, passages: Sequence[Passage], embedder: Embedder | None) -> Iterator[str]:
    """More sentences on a text's last subject that the text does not hold yet."""
    sentences = [each for each in sentences_of(passages) if not _holds(text, each)]
    last = " ".join(text.split()[-60:])
    material = _gather(passages, sentences, embedder, [last, wish.topic])
    section = Section("", last)
    chosen = _pick(section, material, [], words_wanted=min(wish.length, 160))
    if chosen:
        yield "\n\n".join(_paragraphs(chosen, material))
    else:
        yield _nothing(headline_of(text) or wish.topic or "this")


def headline_of(text: str) -> str:
    """The last heading of a Markdown text."""
    found = re.findall(r"^#{1,6}\s+(.+)$", text, re.MULTILINE)
    return found[-1].strip() if found else ""


def _holds(text: str, sentence: Sentence) -> bool:
    return sentence.key in " ".join(words(text))


def _gather(
    passages: Sequence[Passage], sentences: list[Sentence], embedder: Embedder | None, wishes: Sequence[str]
) -> _Material:
    return _Material(passages, sentences, Space([each.text for each in sentences], embedder, wishes=wishes))


def _draft(wish: Wish, passages: Sequence[Passage], embedder: Embedder | None) -> Iterator[str]:
    yield f"# {wish.title}\n\n"
    passages = relevant(passages)
    sentences = sentences_of(passages)
    sections = planning.sections(wish, passages, sentences)
    if not sentences:
        for section in sections:
            yield f"## {section.heading}\n\n{_nothing(section.heading)}\n\n"
        yield NOTE_EMPTY
        return
    material = _gather(passages, sentences, embedder, [wish.topic, *(section.wish for section in sections)])
    taken: list[int] = []
    opening = _opening(wish, material)
    if opening:
        yield " ".join(quoted(sentences[at]) for at in opening) + "\n\n"
        taken += opening
    share = max(60, (wish.length - sum(sentences[at].size for at in opening)) // max(1, len(sections)))
    for section in sections:
        chosen = _pick(section, material, taken, words_wanted=share)
        if not chosen and not wish.headings:
            continue  # a heading of ours that holds nothing is no loss; one of the writer's is answered
        yield f"## {section.heading}\n\n"
        yield "\n\n".join(_paragraphs(chosen, material)) if chosen else _nothing(section.heading)
        yield "\n\n"
        taken += chosen
    yield NOTE if taken else NOTE_EMPTY


def _section_alone(wish: Wish, passages: Sequence[Passage], embedder: Embedder | None) -> Iterator[str]:
    heading = wish.headings[0] if wish.headings else wish.title
    yield f"## {heading}\n\n"
    # Sentences that the document holds already are not said again.
    sentences = [each for each in sentences_of(passages) if not (wish.text and _holds(wish.text, each))]
    if wish.topic and wish.topic.lower() != heading.lower():
        section = Section(heading, f"{wish.topic}: {heading}")
    else:
        section = Section(heading, heading)
    material = _gather(passages, sentences, embedder, [section.wish])
    chosen = _pick(section, material, [], words_wanted=wish.length)
    yield "\n\n".join(_paragraphs(chosen, material)) if chosen else _nothing(heading)


def _outline(wish: Wish, passages: Sequence[Passage], embedder: Embedder | None) -> Iterator[str]:
    yield f"# {wish.title}\n\n"
    passages = relevant(passages)
    sentences = sentences_of(passages)
    sections = planning.sections(wish, passages, sentences)
    material = _gather(passages, sentences, embedder, [section.wish for section in sections])
    taken: list[int] = []
    for section in sections:
        yield f"## {section.heading}\n\n"
        chosen = _pick(section, material, taken, words_wanted=40, most=2)
        taken += chosen
        yield "\n".join(f"- {quoted(sentences[at])}" for at in chosen) if chosen else _nothing(section.heading)
        yield "\n\n"


def relevant(passages: Sequence[Passage]) -> list[Passage]:
    """Passages without those that were only found because nothing better was left."""
    best = max((passage.score for passage in passages), default=0.0)
    return [passage for passage in passages if passage.score >= _LEAST_SHARE * best]


def _nothing(heading: str) -> str:
    return f"*No source found for “{heading}”.*"


def _opening(wish: Wish, material: _Material) -> list[int]:
    """One to three sentences that say what the subject is."""
    scores = material.space.nearness(wish.topic or wish.title)
    subject = set(stems(wish.topic or wish.title))
    adjusted = scores.copy()
    for at, sentence in enumerate(material.sentences):
        first = set(stems(" ".join(sentence.text.split()[:8])))
        if _DEFINING.match(sentence.text) and subject & first:
            adjusted[at] += 0.15
        adjusted[at] -= 0.3 * (sentence.leans or sentence.points or sentence.personal) + 0.1 * sentence.listed
        adjusted[at] -= 0.01 * sentence.passage
    chosen = choose(adjusted, material.space.likeness, count=2, least=material.least + 0.08)
    if not chosen:
        return []
    follower = _neighbour(chosen[0], material, +1)
    if follower is not None and follower not in chosen and scores[follower] >= material.least:
        chosen.insert(1, follower)
    return chosen[:3]


def _pick(
    section: Section, material: _Material, taken: Sequence[int], *, words_wanted: int, most: int = 12
) -> list[int]:
    """Sentences for a section in the order in which they are read."""
    if not material.sentences:
        return []
    scores = material.space.nearness(section.wish)
    if section.heading and section.wish != section.heading:
        scores = 0.5 * scores + 0.5 * material.space.nearness(section.heading)
    if float(np.max(scores)) < material.least and not section.passages:
        return []
    adjusted = _adjusted(scores, section, material)
    typical = 22
    count = max(1, min(most, round(words_wanted / typical)))
    chosen: list[int] = []
    size = 0
    ranked = choose(adjusted, material.space.likeness, count=count * 3, taken=taken, least=material.least)
    unavailable = set(taken)
    for at in ranked:
        group = _with_support(at, material)
        if group is None or unavailable & set(group):
            continue
        fresh = [each for each in group if each not in chosen]
        chosen += fresh
        size += sum(material.sentences[each].size for each in fresh)
        if size >= words_wanted - typical // 2 or len(chosen) >= most:
            break
    return _reading_order(chosen, adjusted, material)


def _adjusted(scores: Vectors, section: Section, material: _Material) -> Vectors:
    adjusted = scores.copy()
    for at, sentence in enumerate(material.sentences):
        if sentence.passage in section.passages:
            adjusted[at] += 0.18
        elif section.passages:
            # A section that was named after its passages keeps to them, unless another fits very well.
            adjusted[at] -= 0.15
        adjusted[at] -= (
            0.25 * sentence.points + 0.12 * sentence.personal + 0.1 * sentence.listed + 0.05 * sentence.leans
        )
        adjusted[at] += 0.05 * min(1.0, material.passages[sentence.passage].score)
    return adjusted


def _neighbour(at: int, material: _Material, step: int) -> int | None:
    """The sentence directly before or after one in the same passage."""
    other = at + step
    if not 0 <= other < len(material.sentences):
        return None
    one, two = material.sentences[at], material.sentences[other]
    adjacent = one.passage == two.passage and two.position - one.position == step
    return other if adjacent else None


def _with_support(at: int, material: _Material) -> list[int] | None:
    """A sentence with the one before it, when it leans on that; None when it leans on something that cannot be quoted."""
    if not material.sentences[at].leans:
        return [at]
    before = _neighbour(at, material, -1)
    if before is None or material.sentences[before].leans:
        return None
    return [before, at]


def _reading_order(chosen: list[int], scores: Vectors, material: _Material) -> list[int]:
    """Passage by passage, the most relevant passage first, each in its own order."""
    best: dict[int, float] = {}
    for at in chosen:
        passage = material.sentences[at].passage
        best[passage] = max(best.get(passage, -1.0), float(scores[at]))
    passages = sorted(best, key=lambda passage: (-best[passage], passage))
    # Passages of one source follow each other, in the order of the source.
    sources: dict[str, list[int]] = {}
    for passage in passages:
        sources.setdefault(material.passages[passage].title, []).append(passage)
    ordered = [
        passage for group in sources.values() for passage in sorted(group, key=lambda each: _place(each, material))
    ]
    return [at for passage in ordered for at in sorted(chosen) if material.sentences[at].passage == passage]


def _place(passage: int, material: _Material) -> tuple[tuple[int, ...], int]:
    numbers = tuple(int(number) for number in re.findall(r"\d+", material.passages[passage].locator.split(", p. ")[0]))
    return numbers, passage


def _paragraphs(chosen: Sequence[int], material: _Material) -> list[str]:
    """Sentences as paragraphs: a new one where the source changes or four sentences stand together."""
    paragraphs: list[list[int]] = []
    for at in chosen:
        sentence = material.sentences[at]
        last = material.sentences[paragraphs[-1][-1]] if paragraphs else None
        same = last is not None and material.passages[last.passage].title == material.passages[sentence.passage].title
        room = bool(paragraphs) and len(paragraphs[-1]) < 4
        short = bool(paragraphs) and len(paragraphs[-1]) < 2
        if (same and (room or sentence.leans)) or (short and room):
            paragraphs[-1].append(at)
        else:
            paragraphs.append([at])
    return [" ".join(quoted(material.sentences[at]) for at in group) for group in paragraphs]
