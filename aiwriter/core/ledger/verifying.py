"""Reads a record once and names what is not as it was sealed."""

from __future__ import annotations

import datetime as dt
import hashlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import orjson

from aiwriter.core.ledger.chain import FORM, OCCURRED, Row, canonical, hash_of
from aiwriter.core.ledger.checkpoints import Checkpoint, is_signed
from aiwriter.core.ledger.reports import BEGIN, Finding, Report, Start

# Between a statement and its commit lies time, so events may be sealed a little out of order. More than this is no accident.
LATE = dt.timedelta(minutes=15)
AHEAD = dt.timedelta(minutes=1)
# A clock that is put right by its time server goes back by milliseconds.
JITTER = dt.timedelta(seconds=2)
MAX_FINDINGS = 1000


class Verifier:
    """Reads a record in the order of its numbers and notes what is wrong.

    Args:
        key: gives the audit key of an id, or None when it is not known.
        start: what stands before the first event.
        checkpoints: signed statements; each is compared when its number comes by.
        public_keys: what may sign, by key id.
        with_keys: False for whoever has the public keys only: hashes are not compared, roots are.
    """

    def __init__(
        self,
        key: Callable[[str], bytes | None],
        *,
        start: Start = BEGIN,
        checkpoints: Sequence[Checkpoint] = (),
        public_keys: Mapping[str, str] | None = None,
        with_keys: bool = True,
    ) -> None:
        self._key, self._start, self._with_keys = key, start, with_keys
        self._public = public_keys or {}
        self._points: dict[int, list[Checkpoint]] = {}
        self.report = Report(
            last_seq=start.seq, last_hash=start.hash, last_root=start.root, with_keys=with_keys, first_seq=start.seq + 1
        )
        self._suspects: list[tuple[int, Row]] = []
        self._keys: dict[str, bytes | None] = {}
        self._hashers: dict[str, Any] = {}
        self._gaps: set[int] = set()
        self._moved: dict[int, str] = {}
        for point in checkpoints:
            if self._trusts(point):
                self._points.setdefault(point.seq, []).append(point)

    def run(self, rows: Iterable[Row], again: Callable[[], Iterable[Row]] | None = None) -> Report:
        """Verify.

        Args:
            rows: in the order in which they are said to stand, each with `COLUMNS`.
            again: gives the rows once more, for a second look when something is wrong.
        """
        self._walk(rows)
        self._name_suspects(again)
        self._end()
        self.report.findings.sort(key=lambda each: (each.seq, each.kind))
        return self.report

    def _note(self, kind: str, seq: int, message: str) -> None:
        if len(self.report.findings) < MAX_FINDINGS:
            self.report.findings.append(Finding(kind, seq, message))

    def _trusts(self, point: Checkpoint) -> bool:
        public = self._public.get(point.key_id)
        if public is None:
            self._note("checkpoint", point.seq, f"The checkpoint at {point.seq} is signed by an unknown key.")
        elif not is_signed(point, public):
            self._note("checkpoint", point.seq, f"The signature of the checkpoint at {point.seq} is not valid.")
        else:
            self.report.checkpoints += 1
            return True
        return False

    def _walk(self, rows: Iterable[Row]) -> None:
        # The loop of the product that is to pass 50,000 events a second: names are local, and what is fine is fast.
        report, points, with_keys, hashers = self.report, self._points, self._with_keys, self._hashers
        last_seq, last_hash = report.last_seq, report.last_hash
        newest: dt.datetime | None = None
        before_sealed: dt.datetime | None = None
        sha256, dumps, sort, form = hashlib.sha256, orjson.dumps, orjson.OPT_SORT_KEYS, FORM
        checked = 0
        root = bytes.fromhex(report.last_root)
        ahead: Row | None = None
        for row in rows:
            seq, previous, stored, key_id, sealed_at, origin = row[0], row[1], row[2], row[3], row[4], row[5]
            checked += 1
            text = dumps([form, seq, previous, *row[3:]], option=sort)
            root = sha256(root + text).digest()
            sound = True
            if with_keys:
                hasher = hashers[key_id] if key_id in hashers else self._hasher(key_id)
                if hasher is None:
                    self._note(
                        "key", seq, f"Event {seq} is sealed with the key {key_id or '(none)'}, which is not known."
                    )
                    sound = False
                else:
                    # HMAC by hand from prepared states: hmac.digest prepares the key for each call and takes twice as long.
                    inner, outer = hasher
                    inner, outer = inner.copy(), outer.copy()
                    inner.update(text)
                    outer.update(inner.digest())
                    if outer.hexdigest() != stored:
                        self._suspects.append((seq, row))
                        sound = False
            if seq != last_seq + 1 or ahead is not None:
                last_seq, last_hash, ahead = self._reorder(row, last_seq, last_hash, ahead)
                if last_seq != seq - 1 or ahead is not None:
                    continue
            if sound and previous != last_hash and last_hash:
                self._note("rewritten", seq, f"Event {seq} names another event before it than stands there.")
            if origin == "forged":
                self._note("forged", seq, f"Event {seq} was put into the database by something else than the portal.")
            occurred = row[OCCURRED]
            if newest is None or occurred > newest:
                newest = occurred
            elif newest - occurred > LATE:
                self._note(
                    "clock",
                    seq,
                    f"Event {seq} says {_at(occurred)}, {newest - occurred} before one that was sealed earlier.",
                )
            if before_sealed is not None and before_sealed - sealed_at > JITTER:
                self._note("clock", seq, f"The clock was put back before event {seq} was sealed ({_at(sealed_at)}).")
            elif occurred - sealed_at > AHEAD:
                self._note("clock", seq, f"Event {seq} says {_at(occurred)}, after it was sealed ({_at(sealed_at)}).")
            before_sealed = sealed_at
            # An event that is not what was sealed says nothing of its neighbours; the next one's own hash is looked at all the same.
            last_seq, last_hash = seq, stored if sound else ""
            if seq in points:
                self._compare(points.pop(seq), stored, root.hex())
        if ahead is not None:
            self._gap(last_seq + 1, ahead[0] - 1)
            last_seq, last_hash = ahead[0], ahead[2]
        for seq in sorted(self._gaps):
            self._note("deleted", seq, f"Event {seq} is missing.")
        report.checked, report.last_seq, report.last_hash, report.last_root = checked, last_seq, last_hash, root.hex()

    def _reorder(self, row: Row, last_seq: int, last_hash: str, ahead: Row | None) -> tuple[int, str, Row | None]:
        """A number that does not follow: the place before this event, its hash ("" for unknown), and an event set aside.

        An event that is too early is set aside until the next one shows whether it stands in another's place, or whether
        events are missing before it.
        """
        if ahead is not None:
            if row[0] == last_seq + 2:
                self._note("swapped", ahead[0], f"Event {ahead[0]} stands in the place of event {last_seq + 1}.")
                self._moved[ahead[0]] = ahead[2]
                self._gaps.add(last_seq + 1)
                return last_seq + 1, "", None
            if row[0] == last_seq + 1 and ahead[0] == last_seq + 2:
                self._note("swapped", row[0], f"Event {row[0]} stands in the place of event {ahead[0]}.")
                self._note("swapped", ahead[0], f"Event {ahead[0]} stands in the place of event {row[0]}.")
                return ahead[0], ahead[2], None
            self._gap(last_seq + 1, ahead[0] - 1)
            last_seq, last_hash = ahead[0], ahead[2]
            if row[0] == last_seq + 1:
                return last_seq, last_hash, None
        if row[0] > last_seq:
            between = range(last_seq + 1, row[0])
            if len(between) <= len(self._moved) and all(seq in self._moved for seq in between):
                return row[0] - 1, self._moved[row[0] - 1], None
            return last_seq, last_hash, row
        if row[0] in self._gaps:
            self._gaps.discard(row[0])
            self._note("swapped", row[0], f"Event {row[0]} stands in the place of event {last_seq + 1}.")
        else:
            self._note("replayed", row[0], f"Event {row[0]} comes once more after event {last_seq}.")
        return last_seq, last_hash, None

    def _gap(self, first: int, last: int) -> None:
        if last - first < 100:
            self._gaps.update(range(first, last + 1))
        else:
            self._note("deleted", first, f"Events {first} to {last} are missing.")

    def _fetch(self, key_id: str) -> bytes | None:
        if key_id not in self._keys:
            self._keys[key_id] = self._key(key_id)
        return self._keys[key_id]

    def _hasher(self, key_id: str) -> Any:
        key = self._fetch(key_id)
        self._hashers[key_id] = None if key is None else _prepared(key)
        return self._hashers[key_id]

    def _compare(self, found: Iterable[Checkpoint], stored: str, root: str) -> None:
        for point in found:
            if point.hash != stored:
                self._note(
                    "rewritten",
                    point.seq,
                    f"Event {point.seq} is not the one that the checkpoint of {point.made_at} signed.",
                )
            elif (
                self._start.root
                and point.root != root
                and not self._suspects
                and not self._gaps
                and not self._moved
                and not any(each.kind in _SHIFTING for each in self.report.findings)
            ):
                self._note("edited", point.seq, f"Something up to event {point.seq} was changed after {point.made_at}.")

    def _name_suspects(self, again: Callable[[], Iterable[Row]] | None) -> None:
        """Say of each event whose hash does not fit what was done to it."""
        if not self._suspects:
            return
        suspects = self._suspects[:200]
        swapped: dict[int, int] = {}
        for number, (seq, row) in enumerate(suspects):
            for other_seq, other in suspects[number + 1 :]:
                if self._exchanged(row, other) and self._exchanged(other, row):
                    swapped[seq], swapped[other_seq] = other_seq, seq
        copies = self._copies({row[2] for seq, row in suspects if seq not in swapped}, again)
        for seq, row in self._suspects:
            if seq in swapped:
                self._note("swapped", seq, f"Event {seq} stands in the place of event {swapped[seq]}.")
            elif (original := copies.get(row[2], seq)) != seq:
                self._note("replayed", seq, f"Event {seq} is a copy of event {original}.")
            else:
                self._note("edited", seq, f"Event {seq} is not what was sealed.")

    def _exchanged(self, row: Row, other: Row) -> bool:
        """Whether what `row` says is what was sealed as `other`, or the same with their numbers exchanged."""
        for seal, facts in ((other, row), (row, other)):
            key = self._fetch(seal[3])
            if key is None:
                continue
            for seq, previous in ((seal[0], seal[1]), (facts[0], seal[1])):
                text = orjson.dumps(
                    [FORM, seq, previous, seal[3], seal[4], seal[5], *facts[6:]], option=orjson.OPT_SORT_KEYS
                )
                if hash_of(key, text) == seal[2] and facts is row:
                    return True
                whole = orjson.dumps([FORM, seal[0], row[1], *row[3:]], option=orjson.OPT_SORT_KEYS)
                if hash_of(key, whole) == row[2]:
                    return True
        return False

    def _copies(self, hashes: set[str], again: Callable[[], Iterable[Row]] | None) -> dict[str, int]:
        """The first number under which each hash stands rightly."""
        found: dict[str, int] = {}
        if not hashes or again is None:
            return found
        for row in again():
            if row[2] in hashes and row[2] not in found:
                key = self._fetch(row[3])
                if key is not None and hash_of(key, canonical(row)) == row[2]:
                    found[row[2]] = row[0]
        return found

    def _end(self) -> None:
        last = self.report.last_seq
        for seq, found in self._points.items():
            if seq > last:
                self._note(
                    "cut",
                    last + 1,
                    f"Events {last + 1} to {seq} are gone: the checkpoint of {found[0].made_at} covers {seq}.",
                )
            elif seq > self._start.seq:
                self._note(
                    "deleted", seq, f"Event {seq}, which the checkpoint of {found[0].made_at} signed, is missing."
                )


_SHIFTING = ("deleted", "swapped", "replayed", "edited", "key")


def _prepared(key: bytes) -> tuple[Any, Any]:
    """The two states of HMAC-SHA256 (RFC 2104) after a key."""
    block = (key if len(key) <= 64 else hashlib.sha256(key).digest()).ljust(64, b"\0")
    return hashlib.sha256(bytes(byte ^ 0x36 for byte in block)), hashlib.sha256(bytes(byte ^ 0x5C for byte in block))


def _at(moment: dt.datetime) -> str:
    return moment.isoformat(timespec="seconds")
