"""What a text is about and which sections it gets: the writer's headings, else the headings above the best passages."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from aiwriter_model_offline.prose import BOILERPLATE, Sentence, headings_of, is_boilerplate, without_number, words
from aiwriter_model_offline.relevance import stems
from aiwriter_sdk import GenerateRequest, Passage

_SMALL = frozenset(
    words("a an and as at but by for from if in into nor of off on onto or over per so than the to up via vs with yet")
)
_ASKING = re.compile(
    r"^(?:please\s+)?(?:(?:can|could|would) you\s+)?(?:write|draft|compose|create|make|give|prepare|produce)\s+(?:me\s+|us\s+)?"
    r"(?:(?:a|an|the|some)\s+)?(?:[\w-]+\s+){0,3}?(?:article|post|text|draft|essay|report|overview|summary|guide|introduction|"
    r"section|page|paper|blog post|outline)\s+(?:about|on|of|for|explaining|describing|that explains|covering|to)\s+(.+)$",
    re.IGNORECASE | re.DOTALL,
)
_GENERAL = frozenset(
    words(
        "introduction overview background abstract summary general purpose scope motivation history conclusion conclusions "
        "discussion terminology definitions details notes note example examples miscellaneous other contents basics options "
        "option description parameters arguments usage commands command configuration reference remarks warning caution tip"
    )
)
_ODD = re.compile(r"[<>@{}=|\\]|^\W|\.\w+$|:$")
_TEMPLATE = ("What it is", "How it works", "Using it", "Limits and risks")


@dataclass(frozen=True, slots=True)
class Wish:
    """What the writer asked for.

    Args:
        kind: the task's kind.
        topic: in the writer's words, the asking taken off.
        title: of the text.
        headings: the writer's own, in order.
        length: in words.
        action: what to do with `text`.
        text: a text to work on.
    """

    kind: str
    topic: str
    title: str
    headings: tuple[str, ...] = ()
    length: int = 800
    action: str = ""
    text: str = ""


@dataclass(slots=True)
class Section:
    """A section to be written: its heading, what to look for, and the passages that belong to it by their place."""

    heading: str
    wish: str
    passages: set[int] = field(default_factory=set)


def read(request: GenerateRequest) -> Wish:
    """The wish of a request, from its task and, where that is silent, from the last message of the user."""
    params = request.task.params
    topic = _text(params, "topic") or request.task.instruction
    if not topic:
        topic = next((each.content for each in reversed(request.messages) if each.role == "user"), "")
        topic = topic.strip()[:400]
    topic = _subject(topic)
    raw = params.get("headings") or ()
    lines = (
        raw.splitlines() if isinstance(raw, str) else [str(each) for each in raw] if isinstance(raw, Sequence) else []
    )
    headings = tuple(heading for line in lines if (heading := line.strip().strip("#-*• ").strip()))
    if not headings and (single := _text(params, "heading")):
        headings = (single,)
    length = params.get("length")
    wanted = int(float(str(length))) if re.fullmatch(r"\d+(\.\d+)?", str(length or "").strip()) else 0
    kind = request.task.kind
    return Wish(
        kind=kind,
        topic=topic,
        title=_text(params, "title") or headline(topic),
        headings=headings,
        length=max(60, min(20_000, wanted or (220 if kind == "section" else 800))),
        action=_text(params, "action").lower(),
        text=_text(params, "text"),
    )


def _text(params: Mapping[str, object], name: str) -> str:
    return " ".join(str(params.get(name) or "").split()) if name != "text" else str(params.get(name) or "")


def _subject(topic: str) -> str:
    asked = _ASKING.match(topic.strip())
    return " ".join((asked[1] if asked else topic).split()).strip(" .!\"'")


def headline(topic: str) -> str:
    """A topic as a title: its first sentence, cut at a word, with capitals where English titles have them."""
    first = re.split(r"(?<=[.!?])\s|\n", topic.strip(), maxsplit=1)[0].rstrip(".!:;, ")
    parts = first.split()
    if len(parts) > 14:
        first = " ".join(parts[:14]).rstrip(",;:")
    return title_case(first) or "Untitled"


def title_case(text: str) -> str:
    """Title case by the common English rules; words that hold capitals or digits stay as they are."""
    pieces = text.split()
    done: list[str] = []
    for number, piece in enumerate(pieces):
        bare = piece.strip("\"'“”‘’([{)]},.;:!?")
        edge = number in (0, len(pieces) - 1) or done[-1].endswith((":", "?", "!", "–", "—"))
        own = not bare or bare != bare.lower() or any(character.isdigit() for character in bare)
        if own or (bare in _SMALL and not edge):
            done.append(piece)
        else:
            at = piece.index(bare[0])
            done.append(piece[:at] + piece[at].upper() + piece[at + 1 :])
    return " ".join(done)


def sections(wish: Wish, passages: Sequence[Passage], sentences: Sequence[Sentence]) -> list[Section]:
    """The sections of a text, in order."""
    if wish.headings:
        return [Section(heading, f"{wish.topic}: {heading}" if wish.topic else heading) for heading in wish.headings]
    count = max(3, min(7, round(wish.length / 170)))
    found = _from_sources(wish, passages, sentences, count)
    if len(found) >= 2:
        return found
    return [Section(heading, f"{wish.topic}: {heading}") for heading in _TEMPLATE[:count]]


def _from_sources(wish: Wish, passages: Sequence[Passage], sentences: Sequence[Sentence], count: int) -> list[Section]:
    """Headings of the sources that hold enough to quote; the best first, then in the order of reading."""
    usable: dict[int, int] = {}
    for sentence in sentences:
        usable[sentence.passage] = usable.get(sentence.passage, 0) + 1
    groups: dict[str, list[int]] = {}
    names: dict[str, str] = {}
    for number, passage in enumerate(passages):
        if usable.get(number, 0) < 1 or is_boilerplate(passage):
            continue
        name = _name(passage)
        key = " ".join(sorted(set(stems(name)))) if name else ""
        if key:
            groups.setdefault(key, []).append(number)
            names.setdefault(key, name)
    about = set(stems(wish.topic))

    def worth(key: str) -> float:
        # Passages come best first, so their number is their rank. A heading that only repeats the topic divides nothing.
        rank = sum((0.2 + passages[number].score) / (8 + number) for number in groups[key])
        amount = min(6, sum(usable[number] for number in groups[key])) / 6
        shared = len(about & set(key.split())) / max(1, len(set(key.split())))
        return rank * (0.5 + amount) * (0.6 if shared == 1.0 and len(groups) > count else 1.0 + 0.3 * shared)

    best: list[str] = []
    for key in sorted(groups, key=lambda each: (-worth(each), each)):
        if sum(usable[number] for number in groups[key]) < 2:
            continue
        if any(_alike(key, other) for other in best):
            continue
        best.append(key)
        if len(best) == count:
            break
    best.sort(key=lambda key: _order(names[key], groups[key], passages))
    return [
        Section(_heading(names[key]), f"{wish.topic}: {names[key]}" if wish.topic else names[key], set(groups[key]))
        for key in best
    ]


def _name(passage: Passage) -> str:
    """The lowest heading above a passage that says something, its parent in front of one that does not."""
    path = headings_of(passage)
    for depth, heading in reversed(list(enumerate(path))):
        name = without_number(heading)
        telling = [word for word in words(name) if word not in _GENERAL and stems(word)]
        if not name or not name[0].isalnum() or _ODD.search(name):
            continue
        if 1 <= len(name.split()) <= 9 and telling and not BOILERPLATE.match(name):
            above = without_number(path[depth - 1]) if depth else ""
            # One word says little away from its place: "Resolvers: algorithm".
            alone = len(name.split()) == 1 and not name.isupper() and 1 <= len(above.split()) <= 4
            return f"{_heading(above)}: {name[0].lower()}{name[1:]}" if alone else name
    return without_number(passage.title)


def _alike(one: str, other: str) -> bool:
    a, b = set(one.split()), set(other.split())
    return len(a & b) >= 0.67 * min(len(a), len(b))


def _order(name: str, numbers: list[int], passages: Sequence[Passage]) -> tuple[int, int, tuple[int, ...], int]:
    """General things first, then source by source in the order of the best passage, then as in the source."""
    first = min(numbers)
    title = passages[first].title
    source = min(number for number, passage in enumerate(passages) if passage.title == title)
    general = 0 if re.search(r"introduc|overview|what is|basic|concept|principle|model|background", name, re.I) else 1
    path = passages[first].locator.rsplit(", p. ", 1)
    page = int(path[1]) if len(path) == 2 and path[1].isdigit() else 0
    place = tuple(int(part) for part in re.findall(r"(\d+)(?:\.|\s)", path[0].rsplit(" > ", 1)[-1])[:5])
    return general, source, (page, *place), first


def _heading(name: str) -> str:
    letters = [character for character in name if character.isalpha()]
    if letters and all(character.isupper() for character in letters) and len(name.split()) > 1:
        name = name.lower()
    first = name.split(" ", 1)[0].rstrip(":,")
    return name[:1].upper() + name[1:] if first.isalpha() else name
