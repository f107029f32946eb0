"""The text of the fake provider: the same word at the same place for ever, so that a gap or a double shows."""

from __future__ import annotations

import hashlib
import json
import math
import re
from collections.abc import Mapping, Sequence
from typing import Any

_NUMBERED = re.compile(r"w(\d{6})")
_FRAGMENT = re.compile(r"(?<![\w])w\d{0,5}$")
_GO_ON = re.compile(r"\b(continue|go on|carry on)\b", re.IGNORECASE)
_WORD = re.compile(r"[A-Za-z]+")
_SENTENCE, _PARAGRAPH = 12, 60
_VOCABULARY = (
    *("river", "stone", "harbour", "letter", "garden", "winter", "window", "paper", "market", "signal"),
    *("bridge", "forest", "answer", "morning", "engine", "silver", "village", "history", "language", "weather"),
    *("teacher", "pattern", "measure", "colour", "distance", "memory", "surface", "island", "candle", "station"),
)


def words(style: str, count: int, *, cite: int = 0) -> list[str]:
    """The first `count` words of a style as tokens; joined they are the text."""
    return [_token(style, number, cite) for number in range(1, count + 1)]


def _token(style: str, number: int, cite: int) -> str:
    if style == "sentences":
        return _sentence_word(number - 1, cite)
    gap = " " if number > 1 else ""
    return f"{gap}w{number:06d}" + ("é漢🦊" if style == "unicode" else "")


def _sentence_word(index: int, cite: int) -> str:
    word = _VOCABULARY[(index * 7919 + index // 5) % len(_VOCABULARY)]
    place = index % _SENTENCE
    gap = "" if index == 0 else "\n\n" if index % _PARAGRAPH == 0 else " "
    if place == 0:
        word = word.capitalize()
    if place == _SENTENCE - 1:
        word += f" [{index // _SENTENCE % cite + 1}]." if cite else "."
    return gap + word


def written(turns: Sequence[tuple[str, str]]) -> tuple[str, bool]:
    """The text that the conversation asks to be continued, and whether the model was merely told to go on.

    A last turn of the assistant is continued as it stands (prefill). After a last turn of the user that says "continue",
    the assistant's turn before it is, or else the text within the user's own words.
    """
    if not turns:
        return "", False
    role, last = turns[-1]
    if role == "assistant":
        return last, False
    if not _GO_ON.search(last):
        return "", False
    before = next((text for r, text in reversed(turns[:-1]) if r == "assistant"), "")
    return (before or (last if _NUMBERED.search(last) else "")), True


def remaining(style: str, count: int, done: str, *, told: bool, cite: int = 0) -> list[str]:
    """The tokens that go on after `done`, up to word `count`.

    Args:
        done: what is written already; may end in the middle of a numbered word.
        told: the model was told to go on in a new turn; like real ones it then begins without a space.
    """
    if not done.strip():
        return words(style, count, cite=cite)
    if style == "sentences":
        full, fragment = len(_WORD.findall(done)), ""
    else:
        numbers = _NUMBERED.findall(done)
        full = int(numbers[-1]) if numbers else 0
        cut_off = _FRAGMENT.search(done)
        fragment = cut_off.group() if cut_off else ""
    tokens = words(style, count, cite=cite)[full:]
    if tokens and fragment:
        tokens[0] = tokens[0].strip()[len(fragment) :]
    elif tokens and (told or done[-1].isspace()):
        tokens[0] = tokens[0].lstrip()
    return tokens


def stopped(tokens: list[str], stops: Sequence[str]) -> tuple[list[str], bool]:
    """The tokens up to the first stop text, which is not part of the answer; whether one was met."""
    text = "".join(tokens)
    places = [place for stop in stops if stop and (place := text.find(stop)) >= 0]
    if not places:
        return tokens, False
    kept, room = [], min(places)
    for token in tokens:
        if room <= 0:
            break
        kept.append(token[:room])
        room -= len(token)
    return kept, True


def instance(schema: Mapping[str, Any]) -> list[str]:
    """A JSON document that fits a simple JSON schema, in tokens of eight characters."""
    text = json.dumps(_value(schema, "w000001"), ensure_ascii=False)
    return [text[i : i + 8] for i in range(0, len(text), 8)]


def _value(schema: Mapping[str, Any], word: str) -> object:
    if "enum" in schema:
        return schema["enum"][0]
    kind = schema.get("type", "string")
    if kind == "object":
        return {name: _value(part, name) for name, part in schema.get("properties", {}).items()}
    if kind == "array":
        return [_value(schema.get("items", {}), f"{word} {n + 1}") for n in range(schema.get("minItems", 2))]
    return {"integer": 1, "number": 1.5, "boolean": True, "null": None}.get(kind, word)


def embedding(text: str, dimensions: int) -> list[float]:
    """A vector of length one from the words of a text; texts that share words are near each other."""
    vector = [0.0] * dimensions
    for word in re.findall(r"\w+", text.lower()) or [""]:
        digest = hashlib.blake2b(word.encode(), digest_size=8).digest()
        place = int.from_bytes(digest[:4], "big") % dimensions
        vector[place] += 1.0 if digest[4] & 1 else -1.0
    if not any(vector):  # two words that cancel each other out
        vector[0] = 1.0
    size = math.sqrt(sum(v * v for v in vector))
    return [round(v / size, 6) for v in vector]
