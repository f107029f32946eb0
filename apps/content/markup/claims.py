"""Claims of a draft, and whether passages support or contradict them. Rules that anybody can follow, no model.

A claim is a sentence that states something. A sentence of a passage speaks of the same matter when it holds most of the
claim's words; then it supports the claim if it also holds the claim's numbers, and contradicts it if it gives another
number for the same thing, denies what the claim states, or says the opposite word. Everything else is not found, which
means what it says: nobody has shown that it is wrong. A paraphrase in other words is not found either.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from apps.content.markup.masking import mask
from apps.content.markup.measures import WORD
from apps.content.markup.sentences import sentence_spans

SUPPORTED, CONTRADICTED, NOT_FOUND = "supported", "contradicted", "not_found"
# Shares of the claim's words that a sentence must hold: to be shown as the nearest, to speak of the same, to be the same.
NEAR = 0.5
ALIKE = 0.6
SAME = 0.7
_LEAST_WORDS = 3
_SKIPPED = re.compile(r"^[ \t]*(?:#{1,6}[ \t]|>|\||!\[)")
_NUMBER = re.compile(r"\d+(?:[.,]\d+)*")
# What is left before a mark where a citation or a link was blanked.
_GAP = re.compile(r" +(?=[.,;:!)])")
_NEGATIONS = frozenset(
    WORD.findall("not no never none nor neither cannot without nicht kein keine keinen keiner nie niemals ohne")
)
# Without "one", which is a pronoun more often than a number.
_SPELLED = {
    word: str(number)
    for number, word in enumerate(WORD.findall("two three four five six seven eight nine ten eleven twelve"), 2)
} | {"zero": "0"}
_COMMON = frozenset(
    WORD.findall(
        "the and for that this these those with from into onto over under about after before between are was were been "
        "being has have had having its their they them then than there here which who whom whose what when where while "
        "will would can could should may might must shall does did doing done also only very much many more most some "
        "any each every other such both but because however although though thus hence via per your you our ours his her "
        "him she one der die das den dem des und oder aber ein eine einen einem einer eines ist sind war waren wird "  # codespell:ignore
        "werden wurde wurden hat haben hatte mit von vom zum zur bei aus auf für über unter nach vor auch nur sehr sich "  # codespell:ignore
        "dass als wie"  # codespell:ignore
    )
)
_OPPOSITES = (
    ("increase", "decrease"), ("rise", "fall"), ("rises", "falls"), ("rose", "fell"), ("higher", "lower"),
    ("highest", "lowest"), ("more", "fewer"), ("more", "less"), ("most", "least"), ("larger", "smaller"),
    ("largest", "smallest"), ("always", "never"), ("before", "after"), ("allowed", "forbidden"),
    ("required", "optional"), ("mandatory", "optional"), ("enabled", "disabled"), ("true", "false"),
    ("accepted", "rejected"), ("accept", "reject"), ("first", "last"), ("start", "end"), ("open", "closed"),
    ("faster", "slower"), ("longer", "shorter"), ("maximum", "minimum"), ("won", "lost"), ("safe", "unsafe"),
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Claim:
    """A sentence that states something, without its marks, and where it stands in the Markdown."""

    text: str
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Evidence:
    """What a passage says of a claim.

    Args:
        verdict: SUPPORTED, CONTRADICTED or NOT_FOUND.
        passage: index of the passage; -1 when none comes near it.
        start, end: the sentence in that passage.
        score: share of the claim's words that the sentence holds, 0 to 1.
        reason: for a contradiction, what differs.
    """

    verdict: str
    passage: int = -1
    start: int = 0
    end: int = 0
    score: float = 0.0
    reason: str = ""


@dataclass(frozen=True, slots=True)
class _Facts:
    words: frozenset[str]
    plain: frozenset[str]
    numbers: tuple[tuple[str, str], ...]
    denies: bool


def claims_in(markdown: str, *, most: int = 400) -> list[Claim]:
    """The statements of a draft, in their order.

    Headings, quotations, tables, code, pictures and questions are left out, and sentences of fewer than three words and
    numbers that mean something.

    Args:
        markdown: the draft.
        most: how many at most.
    """
    masked = mask(markdown)
    found: list[Claim] = []
    for start, end in _blocks(markdown):
        for low, high in sentence_spans(masked, start, end):
            text = masked[low:high]
            trimmed = text.strip()
            if not trimmed or trimmed.endswith("?") or _size(trimmed) < _LEAST_WORDS:
                continue
            begin = low + len(text) - len(text.lstrip())
            plain = _GAP.sub("", " ".join(trimmed.split()))
            found.append(Claim(plain, begin, low + len(text.rstrip())))
            if len(found) == most:
                return found
    return found


def judge(claim: str, passages: Sequence[str]) -> Evidence:
    """What the passages say of a claim; the sentence that speaks of it most decides, of two the supporting one.

    Args:
        claim: the sentence.
        passages: texts of passages, the likeliest first.
    """
    wanted = _facts(claim)
    best = Evidence(NOT_FOUND)
    for number, passage in enumerate(passages):
        for start, end in sentence_spans(passage):
            sentence = passage[start:end]
            stop = start + len(sentence.rstrip())
            said = _facts(sentence)
            score = len(wanted.words & said.words) / len(wanted.words) if wanted.words else 0.0
            verdict, reason = _compare(wanted, said, score)
            if score >= NEAR and _rank(verdict, score) > _rank(best.verdict, best.score):
                best = Evidence(verdict, number, start, stop, round(score, 3), reason)
    return best


def _rank(verdict: str, score: float) -> tuple[bool, float, bool]:
    return verdict != NOT_FOUND, score, verdict == SUPPORTED


def _compare(wanted: _Facts, said: _Facts, score: float) -> tuple[str, str]:
    if score < ALIKE:
        return NOT_FOUND, ""
    if reason := _other_number(wanted, said):
        return CONTRADICTED, reason
    missing = {value for value, _ in wanted.numbers} - {value for value, _ in said.numbers}
    if missing:
        return NOT_FOUND, ""
    if score >= SAME:
        if wanted.denies != said.denies:
            return CONTRADICTED, "The source denies it." if said.denies else "The source states it."
        for pair in _OPPOSITES:
            for ours, theirs in (pair, pair[::-1]):
                if ours in wanted.plain - said.plain and theirs in said.plain - wanted.plain:
                    return CONTRADICTED, f"The source says “{theirs}”, the text “{ours}”."
    return (SUPPORTED, "") if wanted.denies == said.denies else (NOT_FOUND, "")


def _other_number(wanted: _Facts, said: _Facts) -> str:
    """Why the numbers disagree, or "": the same thing is counted in both, and no count of it is the same."""
    values = {value for value, _ in said.numbers}
    for value, unit in wanted.numbers:
        if value in values:
            continue
        others = [other for other, thing in said.numbers if thing == unit]
        # A bare number (a year, a version) is compared with the only other one.
        if others and (unit or len(others) == 1):
            return f"The source says {others[0]}, the text {value}."
    return ""


def _blocks(markdown: str) -> Iterator[tuple[int, int]]:
    """Runs of lines that are prose: no heading, quotation, table row or picture among them."""
    begin, at = -1, 0
    for line in markdown.splitlines(keepends=True):
        if _SKIPPED.match(line):
            if begin >= 0:
                yield begin, at
            begin = -1
        elif begin < 0:
            begin = at
        at += len(line)
    if begin >= 0:
        yield begin, at


def _size(text: str) -> int:
    facts = _facts(text)
    return len(facts.words) + len(facts.numbers) if len(facts.words) > 1 else 0


def _facts(text: str) -> _Facts:
    tokens = [(match[0].replace("’", "'").casefold(), match.end()) for match in WORD.finditer(text)]
    names = [word for word, _ in tokens]
    numbers = []
    for place, (word, end) in enumerate(tokens):
        value = _value(word)
        if value:
            unit = "%" if text[end : end + 2].strip().startswith("%") else _unit(names[place + 1 : place + 2])
            numbers.append((value, unit))
    content = [word for word in names if not _value(word) and len(word) > 2 and word not in _COMMON]
    denies = any(word in _NEGATIONS or word.endswith("n't") for word in names)
    words = frozenset(_stem(word) for word in content if word not in _NEGATIONS)
    return _Facts(words, frozenset(names), tuple(numbers), denies)


def _value(word: str) -> str:
    if word in _SPELLED:
        return _SPELLED[word]
    if not _NUMBER.fullmatch(word):
        return ""
    # "1,024" is 1024; a decimal comma before one or two digits is a point.
    if re.fullmatch(r"\d{1,3}(?:,\d{3})+(?:\.\d+)?", word):
        return word.replace(",", "")
    return word.replace(",", ".")


def _unit(after: list[str]) -> str:
    return _stem(after[0]) if after and not _value(after[0]) and after[0] not in _COMMON else ""


def _stem(word: str) -> str:
    """A word without its ending: enough to tell that "compress" and "compressed" are one matter."""
    return word[: max(4, len(word) - 3)] if len(word) > 4 else word.rstrip("s") if len(word) == 4 else word
