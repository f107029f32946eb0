"""MiniLM's vectors of the question set, computed once for all: 859 texts took every fresh checkout 36 s, on each database.

`tests/data/retrieval/minilm.npz` holds them as the product stores vectors, in halves, by the hash of their text and with
the fingerprint of the model. A text that is not there, as with another Python's documentation, is computed and kept in
`tests/.artifacts`; `python -m tests.unit.content.kept_vectors` adds those to the file, and throws away another model's.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

import numpy as np
from aiwriter_model_offline import minilm

from aiwriter_sdk import EmbedResult

TESTS = Path(__file__).resolve().parents[2]
COMMITTED = TESTS / "data" / "retrieval" / "minilm.npz"
COMPUTED = TESTS / ".artifacts" / f"{minilm.FINGERPRINT}-2.npz"
# Another processor rounds eight bits otherwise; another model, tokenizer or mean is farther away.
ALIKE = 0.97
Vectors = dict[bytes, np.ndarray]


class Remembering:
    """MiniLM with a memory. A context: what was computed is kept when it ends without an error.

    Args:
        asked_again: of so many texts one is computed though it is known, and compared; 0 for none.
    """

    def __init__(self, *, asked_again: int = 0) -> None:
        self.known = _read(COMMITTED) | _read(COMPUTED)
        self.compared = 0
        self._asked_again = asked_again
        self._asked = 0
        self._new: Vectors = {}
        self._held = ExitStack()

    def __enter__(self) -> Remembering:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        with self._held:
            if self._new and kind is None:
                _write(COMPUTED, _read(COMPUTED) | self._new)

    def __call__(self, texts: Sequence[str]) -> EmbedResult:
        vectors = [self._vector(text).tolist() for text in texts]
        return EmbedResult(vectors=vectors, dimensions=minilm.DIMENSIONS, fingerprint=minilm.FINGERPRINT)

    def _vector(self, text: str) -> np.ndarray:
        key = hashlib.sha256(text.encode()).digest()[:16]
        if key not in self.known and not self._new:
            self._wait_for_others()
        if key not in self.known:
            self.known[key] = self._new[key] = minilm.load().embed(text)
        self._asked += 1
        if self._asked_again and self._asked % self._asked_again == 0:
            alike = float(np.dot(minilm.load().embed(text), self.known[key].astype(np.float32)))
            assert alike > ALIKE, f"the model does not give the kept vector of {text[:60]!r} any more: {alike:.3f}"
            self.compared += 1
        return self.known[key]

    def _wait_for_others(self) -> None:
        # Both databases are tested at once and want the same texts: one computes, the other waits and reads.
        COMPUTED.parent.mkdir(parents=True, exist_ok=True)
        lock = self._held.enter_context(COMPUTED.with_suffix(".lock").open("w"))
        fcntl.flock(lock, fcntl.LOCK_EX)
        self.known |= _read(COMPUTED)


def _read(path: Path) -> Vectors:
    if not path.exists():
        return {}
    with np.load(path) as stored:
        if stored["fingerprint"].tobytes().decode() != minilm.FINGERPRINT:
            return {}
        return {key.tobytes(): vector for key, vector in zip(stored["keys"], stored["vectors"], strict=True)}


def _write(path: Path, vectors: Vectors) -> None:
    scratch = path.with_suffix(f".{os.getpid()}.npz")
    keys = sorted(vectors)  # the same file whatever the order
    np.savez(
        scratch,
        fingerprint=np.frombuffer(minilm.FINGERPRINT.encode(), dtype=np.uint8),
        keys=np.frombuffer(b"".join(keys), dtype=np.uint8).reshape(-1, 16),
        vectors=np.stack([vectors[key] for key in keys]).astype(np.float16),
    )
    scratch.replace(path)


if __name__ == "__main__":
    _write(COMMITTED, _read(COMMITTED) | _read(COMPUTED))
    print(f"{len(_read(COMMITTED))} vectors in {COMMITTED}")
