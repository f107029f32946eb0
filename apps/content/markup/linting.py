"""Checks a text against the rules of a voice. One pass over the words; the time grows with the text, not with the rules."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from typing import Any

from apps.content.markup.measures import FORMULAS, TONES, WORD, Measured, expanded

MOST_FINDINGS = 2_000
# Marks of one tone rule: a text that breaks it breaks it everywhere, and two hundred marks say no more than thirty.
MOST_MARKS = 50
TERM_KINDS = ("require", "forbid", "prefer")


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """One rule of a voice.

    Args:
        id: the caller's name for it.
        kind: "require", "forbid", "prefer", "sentence_length", "readability" or "tone".
        pattern: the term for the first three, a `*` at its end stands for any ending; else the name of the measure.
        replacement: what to write instead of a term; "" when there is nothing to put in.
        minimum, maximum: for measures; sentence length knows only a maximum.
        message: in place of the sentence that is made.
        severity: "error", "warning" or "hint".
    """

    id: str
    kind: str
    pattern: str = ""
    replacement: str = ""
    minimum: float | None = None
    maximum: float | None = None
    message: str = ""
    severity: str = "warning"


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """Something that a rule objects to.

    Args:
        rule, kind, severity: of the rule.
        start, end: its place; both 0 when it concerns the whole text.
        quote: the words there.
        message: one sentence.
        fix: what to put there instead, "" to take it out; None where only a person can mend it.
    """

    rule: str
    kind: str
    severity: str
    start: int
    end: int
    quote: str
    message: str
    fix: str | None = None


@dataclass(frozen=True, slots=True)
class Report:
    """Findings in the order of the text, those of the whole text first; `cut` says that there are more."""

    findings: list[Finding]
    figures: dict[str, float]
    cut: bool = False

    def as_json(self) -> dict[str, Any]:
        """As the API and the editor get it."""
        return {"data": [asdict(finding) for finding in self.findings], "figures": self.figures, "cut": self.cut}


def lint(text: str, rules: Iterable[Rule], *, language: str = "en") -> Report:
    """Check a text.

    Args:
        text: Markdown or plain text; places are counted in its characters.
        rules: of the voice.
        language: chooses the formula among the figures.
    """
    measured = Measured(text)
    wanted = list(rules)
    found = list(_terms(measured, [rule for rule in wanted if rule.kind in TERM_KINDS]))
    for rule in wanted:
        if rule.kind == "sentence_length":
            found += _long_sentences(measured, rule)
        elif rule.kind == "readability":
            found += _readability(measured, rule)
        elif rule.kind == "tone":
            found += _tone(measured, rule)
    found.sort(key=lambda finding: (finding.start, finding.end))
    return Report(found[:MOST_FINDINGS], measured.figures(language), len(found) > MOST_FINDINGS)


def _finding(measured: Measured, rule: Rule, start: int, end: int, message: str, fix: str | None = None) -> Finding:
    return Finding(
        rule=rule.id,
        kind=rule.kind,
        severity=rule.severity,
        start=start,
        end=end,
        quote=measured.text[start:end],
        message=rule.message or message,
        fix=fix,
    )


def _terms(measured: Measured, rules: list[Rule]) -> Iterator[Finding]:
    """Look at every word once: the words that a term can begin with lead to the terms, so many terms cost no more."""
    whole: dict[str, list[tuple[tuple[str, ...], bool, Rule]]] = defaultdict(list)
    endings: dict[str, list[tuple[tuple[str, ...], bool, Rule]]] = defaultdict(list)
    missing = {}
    for rule in rules:
        words = tuple(word.replace("’", "'").casefold() for word in WORD.findall(rule.pattern))
        if not words:
            continue
        open_end = rule.pattern.rstrip().endswith("*")
        by_ending = open_end and len(words) == 1
        shelf, key = (endings, words[0][:3]) if by_ending else (whole, words[0])
        shelf[key].append((words, open_end, rule))
        if rule.kind == "require":
            missing[rule.id] = rule
    tokens = measured.tokens
    for position, token in enumerate(tokens):
        for words, open_end, rule in (*whole.get(token.folded, ()), *endings.get(token.folded[:3], ())):
            last = position + len(words) - 1
            if not _stands(measured, words, open_end, position):
                continue
            if rule.kind == "require":
                missing.pop(rule.id, None)
                continue
            start, end = token.start, tokens[last].end
            yield _finding(measured, rule, start, end, *_advice(measured, rule, start, end))
    for rule in missing.values():
        yield _finding(measured, rule, 0, 0, f"“{rule.pattern}” does not occur.")


def _stands(measured: Measured, words: tuple[str, ...], open_end: bool, position: int) -> bool:
    tokens = measured.tokens
    if position + len(words) > len(tokens):
        return False
    for offset, word in enumerate(words):
        here = tokens[position + offset]
        last = offset == len(words) - 1
        if not (here.folded.startswith(word) if open_end and last else here.folded == word):
            return False
        # Words of one term stand side by side: a full stop or a line of its own between them parts them.
        if offset and measured.masked[tokens[position + offset - 1].end : here.start].strip(" \n-–/"):
            return False
    return True


def _advice(measured: Measured, rule: Rule, start: int, end: int) -> tuple[str, str | None]:
    quote = measured.text[start:end]
    if not rule.replacement:
        return f"“{quote}” is not used.", None
    wanted = rule.replacement.rstrip("* ")
    stem = rule.pattern.rstrip()
    fix: str | None = wanted
    if stem.endswith("*"):
        # "leverag*" by "us*": the ending goes along. By a whole word it would not fit: "leveraging" is not "use".
        fix = wanted + quote[len(stem) - 1 :] if rule.replacement.endswith("*") else None
    shown = fix or wanted
    message = f"Write “{shown}” instead of “{quote}”." if rule.kind == "prefer" else f"“{quote}” is not used. "
    if rule.kind != "prefer":
        message += f"Write “{shown}”."
    return message, None if fix is None else _like(quote, fix)


def _like(quote: str, replacement: str) -> str:
    """The replacement with the capital letters of what it replaces."""
    if len(quote) > 1 and quote.isupper():
        return replacement.upper()
    return replacement[:1].upper() + replacement[1:] if quote[:1].isupper() else replacement


def _long_sentences(measured: Measured, rule: Rule) -> Iterator[Finding]:
    most = rule.maximum
    if most is None:
        return
    for sentence in measured.sentences:
        if sentence.words > most:
            message = f"The sentence has {sentence.words} words; the voice allows {most:g}."
            yield _finding(measured, rule, sentence.start, sentence.end, message)


def _outside(value: float, rule: Rule) -> str:
    if rule.minimum is not None and value < rule.minimum:
        return f"at least {rule.minimum:g}"
    if rule.maximum is not None and value > rule.maximum:
        return f"at most {rule.maximum:g}"
    return ""


def _readability(measured: Measured, rule: Rule) -> Iterator[Finding]:
    if rule.pattern not in FORMULAS or not measured.tokens:
        return
    value = measured.readability(rule.pattern)
    if limit := _outside(value, rule):
        yield _finding(measured, rule, 0, 0, f"{FORMULAS[rule.pattern]} is {value:.0f}; the voice wants {limit}.")


def _tone(measured: Measured, rule: Rule) -> Iterator[Finding]:
    if rule.pattern not in TONES or not measured.tokens:
        return
    value = measured.tone(rule.pattern)
    limit = _outside(value, rule)
    if not limit:
        return
    yield _finding(measured, rule, 0, 0, f"{value:.1f} {TONES[rule.pattern]}; the voice wants {limit}.")
    if rule.maximum is None or value <= rule.maximum or rule.pattern == "long_words":
        return
    for start, end in measured.tone_places(rule.pattern)[:MOST_MARKS]:
        quote = measured.text[start:end]
        yield _finding(measured, rule, start, end, f"“{quote}” counts here.", _tone_fix(rule.pattern, quote))


def _tone_fix(measure: str, quote: str) -> str | None:
    if measure == "contractions":
        return expanded(quote)
    return "." if measure == "exclamations" else None


def proposals(texts: list[str], language: str) -> tuple[list[Rule], dict[str, float]]:
    """Rules that the given samples keep, for a person to judge, and the figures that they were made from.

    The bounds leave room around what was measured: a rule that its own samples break would be noise.

    Args:
        texts: the samples, Markdown or plain text.
        language: chooses the readability formula.
    """
    joined = Measured("\n\n".join(texts))
    figures = joined.figures(language)
    if not joined.tokens:
        return [], figures
    lengths = sorted(sentence.words for sentence in joined.sentences)
    usual_longest = lengths[min(len(lengths) - 1, int(len(lengths) * 0.95))]
    formula = next(name for name in FORMULAS if name in figures)
    rules = [
        Rule(id="", kind="sentence_length", pattern="words", maximum=float(max(12, usual_longest + 3))),
        _readable(formula, figures[formula]),
    ]
    for measure in ("contractions", "exclamations", "hedges", "second_person", "first_person"):
        value = figures[measure]
        if value <= _SELDOM[measure]:
            rules.append(Rule(id="", kind="tone", pattern=measure, maximum=_SELDOM[measure], severity="hint"))
        elif value >= _OFTEN[measure]:
            rules.append(Rule(id="", kind="tone", pattern=measure, minimum=round(value / 2, 1), severity="hint"))
    rules += _spellings(joined)
    return rules, figures


# Below the first figure the samples avoid it, above the second it is a part of their voice.
_SELDOM = {"contractions": 0.2, "exclamations": 1.0, "hedges": 0.5, "second_person": 0.3, "first_person": 0.3}
_OFTEN = {"contractions": 1.5, "exclamations": 8.0, "hedges": 2.5, "second_person": 2.0, "first_person": 2.0}


def _readable(formula: str, value: float) -> Rule:
    if formula == "lix":
        return Rule(id="", kind="readability", pattern=formula, maximum=float(round(value + 8)))
    return Rule(id="", kind="readability", pattern=formula, minimum=float(round(value - 10)))


# Pairs of which a careful writer uses one only: British and American spelling, and words for the same thing.
_PAIRS = (
    ("colour", "color"), ("behaviour", "behavior"), ("centre", "center"), ("organise", "organize"),
    ("organisation", "organization"), ("favour", "favor"), ("licence", "license"), ("catalogue", "catalog"),
    ("e-mail", "email"), ("web site", "website"), ("on-line", "online"), ("data base", "database"),
    ("customer", "client"), ("use", "utilise"), ("use", "utilize"),
)  # fmt: skip


def _spellings(measured: Measured) -> list[Rule]:
    text = " ".join(token.folded for token in measured.tokens)
    rules = []
    for one, other in _PAIRS:
        uses_one, uses_other = (len(re.findall(rf"(?<!\S){re.escape(word)}(?!\S)", text)) for word in (one, other))
        if uses_one >= 2 and not uses_other:
            rules.append(Rule(id="", kind="prefer", pattern=other, replacement=one))
        elif uses_other >= 2 and not uses_one:
            rules.append(Rule(id="", kind="prefer", pattern=one, replacement=other))
    return rules
