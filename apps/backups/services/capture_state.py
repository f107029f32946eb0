"""What the capturing process and the rest of the portal tell each other: files, so that no row has to be written each second.

A row would be captured in its turn, and would go back in time with a restore.
"""

from __future__ import annotations

import json
import time
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

from aiwriter.core.wholefiles import write_whole
from apps.backups.services.repositories import work_folder

# Without a beat for so long, nobody captures.
SILENT = 30.0
_STEP = 0.05


@dataclass(slots=True)
class CaptureState:
    """How far a capture is.

    Args:
        line, engine, number, link, until: the newest sealed segment. `until` in milliseconds.
        shipped, shipped_until: the newest segment that lies in the repository.
        pending_since: when the oldest change was made that is not there yet; 0 when there is none.
        position: where the engine goes on.
        beat: when the process last gave a sign, in seconds.
        asked: monotonic time at which the last question was answered.
        problem, remedy, teller: what is wrong, what to do, and which part of the process says so.
        gaps: what was not captured: from, until (milliseconds), why.
    """

    destination: str = ""
    line: str = ""
    engine: str = ""
    started: int = 0
    number: int = 0
    link: str = ""
    until: int = 0
    shipped: int = 0
    shipped_until: int = 0
    pending_since: float = 0.0
    position: dict[str, Any] = field(default_factory=dict)
    beat: float = 0.0
    asked: float = 0.0
    pid: int = 0
    problem: str = ""
    remedy: str = ""
    teller: str = ""
    gaps: list[dict[str, Any]] = field(default_factory=list)

    @property
    def alive(self) -> bool:
        """Whether the process gives signs."""
        return time.time() - self.beat < SILENT

    def tell(self, teller: str, problem: str, remedy: str) -> None:
        """Say that something is wrong. It stays until the same part is well again."""
        self.problem, self.remedy, self.teller = problem[:500], remedy[:500], teller

    def well(self, teller: str) -> None:
        """A part is well: what it said holds no more, and what another one said still does."""
        if self.teller == teller:
            self.problem = self.remedy = self.teller = ""

    def note_pending(self, unsealed: float) -> None:
        """Note since when something is on its way to the repository.

        Args:
            unsealed: when the oldest change was made that is in no segment yet; 0 when there is none.
        """
        if self.pending_since and self.shipped < self.number:
            # What was sealed is older than that, and still on its way.
            self.pending_since = max(self.pending_since, self.shipped_until / 1000)
        else:
            self.pending_since = unsealed

    @property
    def lag(self) -> float:
        """Seconds of work that a loss of this machine would cost now."""
        if not self.alive:
            return max(0.0, time.time() - self.shipped_until / 1000)
        return max(0.0, time.time() - self.pending_since) if self.pending_since else 0.0


def capture_folder() -> Path:
    """Where state and spool lie."""
    folder = work_folder() / "capture"
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    return folder


def spool_folder() -> Path:
    """Sealed segments that are not in the repository yet."""
    return capture_folder() / "spool"


def read_state() -> CaptureState | None:
    """What the process wrote last; None when there was never one."""
    try:
        found = json.loads((capture_folder() / "state.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    known = {each.name for each in fields(CaptureState)}
    return CaptureState(**{name: value for name, value in found.items() if name in known})


def write_state(state: CaptureState, *, durable: bool) -> None:
    """Replace what was written."""
    write_whole(capture_folder() / "state.json", json.dumps(asdict(state)).encode(), durable=durable)


# ------------------------------------------------------------ what is wanted
def wanted() -> dict[str, Any] | None:
    """Which place changes are captured to, and how often; None when no policy wants it."""
    try:
        found: dict[str, Any] = json.loads(wanted_file().read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return found


def wanted_file() -> Path:
    """The supervisor runs the capture while this is there."""
    return capture_folder() / "wanted.json"


def want(what: dict[str, Any] | None) -> None:
    """Say what is wanted."""
    if what is None:
        wanted_file().unlink(missing_ok=True)
    elif wanted() != what:
        write_whole(wanted_file(), json.dumps(what).encode())


def question_file() -> Path:
    """Somebody wants a segment now."""
    return capture_folder() / "ask"


def seal_now(patience: float = 10.0) -> CaptureState | None:
    """Have everything up to now sealed; the state afterwards, or None when nobody captures."""
    state = read_state()
    if wanted() is None or state is None or not state.alive:
        return None
    begun = time.monotonic()
    question_file().touch()
    while time.monotonic() - begun < patience:
        time.sleep(_STEP)
        state = read_state()
        if state is not None and state.asked >= begun:
            return state
    return None


def settle(patience: float = 15.0) -> None:
    """Have everything up to now in the repository, as far as that is possible in so many seconds."""
    end = time.monotonic() + patience
    state = seal_now(patience)
    while state is not None and time.monotonic() < end:
        folder = spool_folder() / state.line
        if not folder.is_dir() or not any(
            path.name.partition("-")[0] <= f"{state.number:010d}" for path in folder.iterdir() if path.name[0].isdigit()
        ):
            return
        time.sleep(_STEP)
