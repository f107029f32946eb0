"""What rules can do to a text: shorten, summarise, correct typography, simplify wordy phrases, lists, tables, headings.

Nothing here guesses a meaning. An action that would need to is refused with the advice to connect a language model.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

import numpy as np

from aiwriter_model_offline.planning import title_case
from aiwriter_model_offline.prose import split
from aiwriter_model_offline.relevance import Space, choose
from aiwriter_sdk import InvalidRequest, Unsupported

_HEADING = re.compile(r"^(#{1,6})\s+(.+?)\s*#*$")
_ENTRY = re.compile(r"^\s*(?:[-*+]|\d{1,3}[.)])\s+(.+)$")
_PAIR = re.compile(
    r"^\s*(?:[-*+]\s+|\d{1,3}[.)]\s+)?(?:\*\*)?([^:|]{1,60}?)(?:\*\*)?\s*(?::|\s[–—-]\s)\s*(?:\*\*\s*)?(.+)$"
)
_FENCE = re.compile(r"^(?:```|~~~)")
_CODE = re.compile(r"`[^`\n]*`|https?://\S+|\[[^\]\n]*\]\([^)\n]*\)|<[^>\n]+>")
_WORDY = (
    ("in order to", "to"), ("so as to", "to"), ("due to the fact that", "because"), ("owing to the fact that", "because"),
    ("in view of the fact that", "because"), ("in light of the fact that", "because"), ("despite the fact that", "although"),
    ("in spite of the fact that", "although"), ("in the event that", "if"), ("in the event of", "if there is"),
    ("at this point in time", "now"), ("at the present time", "now"), ("at that point in time", "then"),
    ("in the near future", "soon"), ("prior to", "before"), ("subsequent to", "after"), ("in addition to", "besides"),
    ("with regard to", "about"), ("with respect to", "about"), ("in regard to", "about"), ("in relation to", "about"),
    ("for the purpose of", "for"), ("in the process of", ""), ("a large number of", "many"), ("a majority of", "most"),
    ("the majority of", "most"), ("a number of", "several"), ("a small number of", "few"), ("is able to", "can"),
    ("are able to", "can"), ("was able to", "could"), ("were able to", "could"), ("has the ability to", "can"),
    ("have the ability to", "can"), ("is capable of being", "can be"), ("it is important to note that", ""),
    ("it should be noted that", ""), ("it is worth noting that", ""), ("please note that", ""), ("note that", ""),
    ("needless to say,", ""), ("as a matter of fact,", ""), ("in the case of", "for"), ("on a regular basis", "regularly"),
    ("on a daily basis", "daily"), ("in a timely manner", "in time"), ("make use of", "use"), ("makes use of", "uses"),
    ("made use of", "used"), ("making use of", "using"), ("take into consideration", "consider"),
    ("takes into consideration", "considers"), ("give consideration to", "consider"), ("make a decision", "decide"),
    ("makes a decision", "decides"), ("come to the conclusion", "conclude"), ("reach a conclusion", "conclude"),
    ("has a tendency to", "tends to"), ("have a tendency to", "tend to"), ("utilise", "use"), ("utilize", "use"),
    ("utilises", "uses"), ("utilizes", "uses"), ("utilised", "used"), ("utilized", "used"), ("utilising", "using"),
    ("utilizing", "using"), ("commence", "begin"), ("commences", "begins"), ("commenced", "began"),
    ("terminate", "end"), ("terminates", "ends"), ("facilitate", "help"), ("facilitates", "helps"),
    ("endeavour to", "try to"), ("endeavor to", "try to"), ("ascertain", "find out"), ("approximately", "about"),
    ("numerous", "many"), ("additionally,", "also,"), ("furthermore,", "also,"), ("nevertheless,", "still,"),
    ("consequently,", "so,"), ("therefore,", "so,"), ("whether or not", "whether"), ("each and every", "every"),
    ("first and foremost,", "first,"), ("absolutely essential", "essential"), ("completely eliminate", "eliminate"),
    ("basic fundamentals", "basics"), ("end result", "result"), ("past history", "history"), ("future plans", "plans"),
    ("free gift", "gift"), ("in close proximity to", "near"), ("until such time as", "until"), ("by means of", "by"),
    ("for the reason that", "because"), ("the reason why is that", "because"), ("there is no doubt that", ""),
)  # fmt: skip
_MISSPELT = {
    "teh": "the", "recieve": "receive", "recieved": "received", "seperate": "separate", "seperately": "separately",
    "definately": "definitely", "occured": "occurred", "occurence": "occurrence", "untill": "until", "wich": "which",
    "adress": "address", "acheive": "achieve", "accross": "across", "begining": "beginning", "beleive": "believe",
    "calender": "calendar", "collegue": "colleague", "comming": "coming", "dependant on": "dependent on",
    "enviroment": "environment", "existance": "existence", "goverment": "government", "grammer": "grammar",
    "happend": "happened", "immediatly": "immediately", "independant": "independent", "knowlege": "knowledge",
    "lenght": "length", "maintainance": "maintenance", "neccessary": "necessary", "noticable": "noticeable",
    "paralell": "parallel", "posible": "possible", "prefered": "preferred", "publically": "publicly",
    "refered": "referred", "succesful": "successful", "succesfully": "successfully", "suprise": "surprise",
    "threshhold": "threshold", "tommorow": "tomorrow", "truely": "truly", "wether": "whether", "writting": "writing",
}  # fmt: skip


def rewrite(action: str, text: str) -> str:
    """The text after an action.

    Raises:
        Unsupported: rules cannot do this.
        InvalidRequest: there is no text, or it does not have what the action works on.
    """
    worker = _ACTIONS.get(action)
    if worker is None:
        raise Unsupported(
            f"The Composer works by rules and cannot {_NEEDS_A_MODEL.get(action, 'do this')}.",
            remedy="Connect a language model under Backends, or choose one of: " + ", ".join(sorted(_ACTIONS)) + ".",
        )
    if not text.strip():
        raise InvalidRequest("There is no text to work on.", remedy="Select the text first.")
    return worker(text)


def _lines(text: str) -> Iterator[tuple[str, bool]]:
    """Each line, and whether it is code."""
    fenced = False
    for line in text.split("\n"):
        fence = bool(_FENCE.match(line))
        yield line, fenced or fence
        fenced ^= fence


def _prose(text: str, change: Callable[[str], str]) -> str:
    """Change everything that is neither code nor an address."""

    def line(piece: str) -> str:
        kept: list[str] = []

        def keep(match: re.Match[str]) -> str:
            kept.append(match[0])
            return f"\ue000{len(kept) - 1}\ue001"

        changed = change(_CODE.sub(keep, piece))
        return re.sub("\ue000(\\d+)\ue001", lambda match: kept[int(match[1])], changed)

    return "\n".join(one if code else line(one) for one, code in _lines(text))


def _blocks(text: str) -> list[str]:
    return [block for block in re.split(r"\n\s*\n", text.strip()) if block.strip()]


def _is_prose(block: str) -> bool:
    first = block.lstrip()
    return not (
        _HEADING.match(first) or _ENTRY.match(first) or _FENCE.match(first) or first.startswith(("|", ">", "    "))
    )


def _central(sentences: list[str], count: int) -> list[int]:
    """The sentences nearest to the middle of the text and unlike each other, in their order."""
    if len(sentences) <= count:
        return list(range(len(sentences)))
    space = Space(sentences, None)
    likeness = np.stack([space.likeness(at) for at in range(len(sentences))])
    scores = likeness.mean(axis=1)
    scores = scores / max(float(scores.max()), 1e-9)
    scores[0] += 0.25  # what a text is about stands at its beginning
    lengths = np.asarray([len(each.split()) for each in sentences])
    scores -= 0.2 * ((lengths < 6) | (lengths > 45))
    return sorted(choose(scores.astype(np.float32), space.likeness, count=count, least=-1.0))


def _shorten(text: str) -> str:
    done: list[str] = []
    for block in _blocks(text):
        if not _is_prose(block):
            entries = block.split("\n")
            listed = all(_ENTRY.match(entry) for entry in entries) and len(entries) > 3
            done.append(
                "\n".join(entries[at] for at in _central(entries, (len(entries) + 1) // 2)) if listed else block
            )
            continue
        sentences = split(" ".join(block.split()))
        total = sum(len(each.split()) for each in sentences)
        keep = max(1, len(sentences) // 2)
        chosen = _central(sentences, keep)
        while len(chosen) > 1 and sum(len(sentences[at].split()) for at in chosen) > 0.6 * total:
            chosen.pop()
        done.append(" ".join(sentences[at] for at in chosen))
    return _simplify("\n\n".join(done))


def _summarise(text: str) -> str:
    sentences = [each for block in _blocks(text) if _is_prose(block) for each in split(" ".join(block.split()))]
    if not sentences:
        raise InvalidRequest("There is no running text to summarise.", remedy="Select paragraphs.")
    count = max(1, min(5, round(len(sentences) / 5) or 1))
    return " ".join(sentences[at] for at in _central(sentences, count))


def _fix(text: str) -> str:
    text = _prose(text, _fix_line)
    return re.sub(r"\n{3,}", "\n\n", text).strip("\n") + ("\n" if text.endswith("\n") else "")


def _fix_line(line: str) -> str:
    lead = re.match(r"^\s*(?:(?:[-*+]|\d{1,3}[.)]|#{1,6}|>)\s+)*", line)
    start = lead[0] if lead else ""
    body = line[len(start) :]
    if body.lstrip().startswith("|") or not body.strip():
        return line.rstrip() if not line.endswith("  ") else line
    body = re.sub(r"[ \t]{2,}", " ", body).rstrip()
    body = re.sub(r"\s+([,;](?=\s|$|[A-Za-z])|[:!?](?=\s|$))", r"\1", body)
    body = re.sub(r"\s+(\.)(?=\s|$)", r"\1", body)
    body = re.sub(r"([,;])(?=[A-Za-z])", r"\1 ", body)
    body = re.sub(r"(?<=[a-z]{2})([.!?])(?=[A-Z][a-z])", r"\1 ", body)
    body = re.sub(r"([!?,;])\1+", r"\1", body)
    body = re.sub(r"(?<!\.)\.\.(?!\.)", ".", body)
    body = re.sub(r"\(\s+", "(", re.sub(r"\s+\)", ")", body))
    body = re.sub(r"\b(\w+)(\s+)\1\b(?!-)", _single, body, flags=re.IGNORECASE)
    body = re.sub(r"\b(i)(?=('m|'ve|'ll|'d)?\b(?![.-]))", "I", body) if re.search(r"(^|\s)i(\s|')", body) else body
    body = re.sub(r"[A-Za-z]+", _spelt, body)
    body = (
        re.sub(r"(?<=[.!?]\s)([a-z])(?=[a-z]*\s)", lambda match: match[1].upper(), body)
        if not _abbreviated(body)
        else body
    )
    if (
        start.strip() in {"", ">"}
        and body[:1].islower()
        and len(body.split()) > 3
        and body.rstrip().endswith((".", "!", "?"))
    ):
        body = body[0].upper() + body[1:]
    return start + body


def _single(match: re.Match[str]) -> str:
    # "that that" and "had had" can be right.
    return match[0] if match[1].lower() in {"that", "had", "is", "do"} or match[1].isdigit() else match[1]


def _abbreviated(body: str) -> bool:
    return bool(re.search(r"\b(?:e\.g|i\.e|etc|vs|cf|approx|no|fig)\.\s[a-z]", body))


def _spelt(match: re.Match[str]) -> str:
    right = _MISSPELT.get(match[0].lower())
    if right is None:
        return match[0]
    return right.capitalize() if match[0][0].isupper() else right


_WORDY_PATTERN = re.compile(
    r"\b(?:"
    + "|".join(re.escape(phrase).removesuffix(",") for phrase, _ in sorted(_WORDY, key=lambda each: -len(each[0])))
    + r")\b,?",
    re.IGNORECASE,
)
_PLAINER = dict(_WORDY)


def _simplify(text: str) -> str:
    return _prose(text, _simplify_line)


def _simplify_line(line: str) -> str:
    def plainer(match: re.Match[str]) -> str:
        found = match[0]
        phrase = found.lower()
        comma = ""
        if phrase not in _PLAINER and phrase.endswith(","):
            phrase, comma = phrase[:-1], ","
        if phrase not in _PLAINER:
            return found
        plain = _PLAINER[phrase]
        if not plain:
            return "\ue002" if found[0].isupper() else ""
        return (plain[0].upper() + plain[1:] if found[0].isupper() else plain) + comma

    line = _WORDY_PATTERN.sub(plainer, line)
    # What followed a phrase that was dropped at the start of a sentence gets its capital.
    line = re.sub("\ue002,?\\s*([a-z])?", lambda match: (match[1] or "").upper(), line)
    return re.sub(r"(?<=\S) {2,}", " ", re.sub(r"\s+([.,;])", r"\1", line))


def _list(text: str) -> str:
    entries: list[str] = []
    for block in _blocks(text):
        if _HEADING.match(block.strip()):
            entries.append(("\n" if entries else "") + block.strip() + "\n")
        elif _is_prose(block):
            for sentence in split(" ".join(block.split())):
                entries += [f"- {entry}" for entry in _enumerated(sentence)]
        else:
            entries += [f"- {match[1]}" if (match := _ENTRY.match(line)) else line for line in block.split("\n")]
    return "\n".join(entries)


def _enumerated(sentence: str) -> list[str]:
    """ "The parts are: a, b and c." as its parts; any other sentence as itself."""
    head, colon, tail = sentence.partition(": ")
    parts = (
        [part.strip(" .;") for part in re.split(r";\s*(?:and\s+)?|,\s*(?:and\s+)?|\s+and\s+", tail)] if colon else []
    )
    if len(parts) >= 3 and all(1 <= len(part.split()) <= 12 for part in parts):
        return (
            [f"{head}:", *(f"  {part}" for part in parts)]
            if len(head.split()) <= 2
            else [f"{head}: {part}" for part in parts]
        )
    return [sentence]


def _table(text: str) -> str:
    rows = [line for line, code in _lines(text) if line.strip() and not code and not line.lstrip().startswith("#")]
    for delimiter in ("\t", ";", "|"):
        cells = [[cell.strip() for cell in row.strip().strip("|").split(delimiter)] for row in rows]
        if len(rows) >= 2 and len({len(row) for row in cells}) == 1 and len(cells[0]) >= 2:
            cells = [row for row in cells if not all(re.fullmatch(r":?-{2,}:?", cell) for cell in row)]
            return _as_table(cells[0], cells[1:])
    pairs = [match for row in rows if (match := _PAIR.match(row))]
    if len(pairs) >= 2 and len(pairs) >= 0.8 * len(rows):
        return _as_table(["Term", "Description"], [[match[1].strip(" *"), match[2].strip()] for match in pairs])
    raise InvalidRequest(
        "This text has no parts that could stand in columns.",
        remedy="Write one entry a line, such as “name: description”, or with semicolons between the columns.",
    )


def _as_table(header: list[str], rows: list[list[str]]) -> str:
    def line(cells: list[str]) -> str:
        return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"

    return "\n".join([line(header), "|" + " --- |" * len(header), *(line(row) for row in rows)])


def _headings(text: str, change: Callable[[str, str], str]) -> str:
    done: list[str] = []
    found = False
    for line, code in _lines(text):
        match = None if code else _HEADING.match(line)
        found |= match is not None
        done.append(change(match[1], match[2]) if match else line)
    if not found:
        raise InvalidRequest("The text has no headings.", remedy="Begin a line with # to make it one.")
    return "\n".join(done)


def _titlecase(text: str) -> str:
    if any(_HEADING.match(line) for line, code in _lines(text) if not code):
        return _headings(text, lambda marks, words: f"{marks} {title_case(words)}")
    if "\n" in text.strip():
        raise InvalidRequest("The text has no headings.", remedy="Begin a line with # to make it one.")
    return title_case(text.strip())


def _heading_up(text: str) -> str:
    return _headings(text, lambda marks, words: f"{marks[1:] or '#'} {words}")


def _heading_down(text: str) -> str:
    return _headings(text, lambda marks, words: f"{(marks + '#')[:6]} {words}")


_ACTIONS: dict[str, Callable[[str], str]] = {
    "shorten": _shorten,
    "summarise": _summarise,
    "summarize": _summarise,
    "fix": _fix,
    "simplify": _simplify,
    "list": _list,
    "table": _table,
    "titlecase": _titlecase,
    "heading_up": _heading_up,
    "heading_down": _heading_down,
}
_NEEDS_A_MODEL = {
    "expand": "expand a text",
    "formal": "change the tone of a text",
    "friendly": "change the tone of a text",
    "tone": "change the tone of a text",
    "translate": "translate",
    "custom": "follow free instructions",
    "": "follow free instructions",
}
