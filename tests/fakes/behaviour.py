"""How the fake provider answers: one dataclass, written as text in a model's name, a header or an admin call."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

OFF = -1
_FAULTS = ("cut", "eof", "hang", "garbage", "error", "filter", "status", "html", "silent")


@dataclass(frozen=True, slots=True, kw_only=True)
class Behaviour:
    """Everything that a request may be told to do. A count of tokens below zero means "never".

    Args:
        words: length of the whole text in words; a continuation goes on up to this word, so that the text put together
            from several answers is the same as the text of one.
        tps: tokens a second, kept exactly (a late token does not delay the next); 0 writes as fast as it is read.
        first: seconds before the first token.
        style: "numbers" (w000001 w000002 …), "sentences" (plain English words) or "unicode" (numbers with é, 漢 and 🦊).
        cite: with style "sentences", each sentence ends with a marker [1] … [cite] in turn; 0 for none.
        reasoning: tokens of reasoning before the text.
        length: finish "length" after so many tokens of this answer.
        split: send each event in two pieces, cut inside a character of several bytes where there is one.
        usage: whether the tokens are reported.
        in_tokens: tokens of the prompt to report; below zero counts the words.
        cached: how many of them to report as cached.
        done: whether the OpenAI stream ends with [DONE].
        stream: false answers one JSON document although a stream was asked for.
        cut: break the connection (RST) after so many tokens.
        eof: end the body in good order after so many tokens, but without the event that ends an answer.
        hang: say nothing more after so many tokens and keep the connection.
        garbage: send an event that is not JSON after so many tokens.
        error: send the provider's error event after so many tokens; `code` names it.
        filter: finish because of the provider's policy after so many tokens.
        status: answer this HTTP status and no text; `code` is the provider's code, `retry_after` its header (seconds).
        html: answer 200 with a web page.
        silent: accept the request and never answer.
        times: only the first so many requests for the model meet the faults above; below zero all do.
        context: refuse prompts of more words as too long; 0 for no limit.
        refuse_field: refuse requests whose body has this field, as a provider does that does not know it.
        prefill: whether a last message of the assistant is accepted.
    """

    words: int = 200
    tps: float = 0.0
    first: float = 0.0
    style: str = "numbers"
    cite: int = 0
    reasoning: int = 0
    length: int = OFF
    split: bool = False
    usage: bool = True
    in_tokens: int = OFF
    cached: int = 0
    done: bool = True
    stream: bool = True
    cut: int = OFF
    eof: int = OFF
    hang: int = OFF
    garbage: int = OFF
    error: int = OFF
    filter: int = OFF
    status: int = 0
    code: str = ""
    retry_after: float = -1.0
    html: bool = False
    silent: bool = False
    times: int = OFF
    context: int = 0
    refuse_field: str = ""
    prefill: bool = True

    def changed(self, wish: str | Mapping[str, object]) -> Behaviour:
        """This behaviour with the wish laid over it.

        Args:
            wish: "words=200,tps=50" or a mapping of field names.

        Raises:
            ValueError: a name or value that does not exist; a misspelt test must not pass.
        """
        pairs = _pairs(wish) if isinstance(wish, str) else wish
        kinds = {f.name: type(f.default) for f in dataclasses.fields(self)}
        unknown = set(pairs) - set(kinds)
        if unknown:
            raise ValueError(f"the fake provider knows no {sorted(unknown)}; it knows {sorted(kinds)}")
        values: dict[str, Any] = {name: _read(kinds[name], value) for name, value in pairs.items()}
        return dataclasses.replace(self, **values)

    def after(self, requests: int) -> Behaviour:
        """The behaviour of request number `requests` (from 0): without its faults once `times` are used up."""
        if self.times < 0 or requests < self.times:
            return self
        fresh = Behaviour()
        return dataclasses.replace(self, **{name: getattr(fresh, name) for name in _FAULTS})

    def ending(self, tokens: int) -> tuple[int, str]:
        """Where and how an answer of so many tokens ends: (tokens to send, kind of end)."""
        ends = {"cut": self.cut, "eof": self.eof, "hang": self.hang, "garbage": self.garbage, "error": self.error}
        ends |= {"filter": self.filter, "length": self.length}
        due = [(after, kind) for kind, after in ends.items() if 0 <= after <= tokens]
        return min(due, default=(tokens, "stop"))


def of_model(model: str) -> str:
    """The wish that stands in a model's name after a colon: "fake:words=200,tps=50"; "" where there is none."""
    _, colon, wish = model.partition(":")
    return wish if colon and "=" in wish else ""


def _pairs(text: str) -> dict[str, object]:
    pairs: dict[str, object] = {}
    for part in filter(None, (p.strip() for p in text.replace(";", ",").split(","))):
        name, equals, value = part.partition("=")
        pairs[name.strip()] = value.strip() if equals else "1"
    return pairs


def _read(kind: type, value: object) -> object:
    if kind is bool and isinstance(value, str):
        return value.lower() in ("1", "true", "yes", "on")
    return kind(value)
