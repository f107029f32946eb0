"""What pgBackRest, Barman and CloudNativePG say of their backups, in one shape."""

from __future__ import annotations

import datetime as dt
import json
import shutil
import subprocess
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from aiwriter import env
from aiwriter.core import secretrefs
from aiwriter.core.egress import fetch
from aiwriter.core.errors import Unavailable
from aiwriter_sdk import BackendError
from apps.backups.models import Delegate

_PATIENCE = 90
_SHOWN = 50
_LARGEST = 8 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Copy:
    """One backup of another tool.

    Args:
        label: what the tool calls it.
        kind: "full", "incr", "diff" or what the tool says.
        finished: when it ended, ISO; empty when it has not.
        size: bytes that it restores to; 0 when the tool does not say.
        good: whether it ended well.
        note: what is wrong with it.
    """

    label: str
    kind: str = ""
    finished: str = ""
    size: int = 0
    good: bool = True
    note: str = ""


@dataclass(slots=True)
class Seen:
    """What a look found.

    Args:
        copies: newest first.
        problem: what the tool itself calls wrong.
    """

    copies: list[Copy] = field(default_factory=list)
    problem: str = ""
    remedy: str = ""

    @property
    def newest(self) -> dt.datetime | None:
        """When the newest good one ended."""
        return max((dt.datetime.fromisoformat(each.finished) for each in self._good), default=None)

    @property
    def since(self) -> dt.datetime | None:
        """When the oldest good one ended."""
        return min((dt.datetime.fromisoformat(each.finished) for each in self._good), default=None)

    @property
    def _good(self) -> Iterable[Copy]:
        return (each for each in self.copies if each.good and each.finished)

    def as_rows(self) -> list[dict[str, Any]]:
        """For the table."""
        return [asdict(each) for each in self.copies[:_SHOWN]]


def ask(row: Delegate) -> Seen:
    """Ask the tool.

    Raises:
        Unavailable: it is not here, does not answer, or says something that cannot be read.
    """
    try:
        seen = _READERS[row.tool](row)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise Unavailable(
            f"What {row.get_tool_display()} said cannot be read ({type(error).__name__}).",
            remedy="Is it a version that answers in JSON? See the page on backups of other tools.",
        ) from error
    seen.copies.sort(key=lambda each: each.finished or "9", reverse=True)
    return seen


def program(name: str) -> str:
    """Where a tool is.

    Raises:
        Unavailable: it is not installed.
    """
    found = shutil.which(name)
    if found is None:
        raise Unavailable(
            f"{name} is not installed on this machine.",
            remedy="Install it where the worker runs, with a configuration that reaches the repository.",
        )
    return found


def run(command: list[str], *, good: Iterable[int] = (0,)) -> str:
    """The output of a tool.

    Raises:
        Unavailable: it failed or hangs, with what it said.
    """
    try:
        done = subprocess.run(
            command, capture_output=True, timeout=_PATIENCE, check=False, env=env.process_environment(), cwd="/"
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise Unavailable(
            f"{Path(command[0]).name} does not answer.", remedy="Call it by hand, as the portal's user."
        ) from error
    if done.returncode not in good:
        said = (done.stderr or done.stdout).decode("utf-8", "replace").strip()[-400:]
        raise Unavailable(
            f"{Path(command[0]).name} ended with {done.returncode}: {said or 'it said nothing'}",
            remedy="Call it by hand, as the portal's user.",
        )
    return done.stdout.decode("utf-8", "replace")


# ------------------------------------------------------------ pgBackRest
def pgbackrest(row: Delegate, *words: str) -> list[str]:
    """A command line of pgBackRest."""
    own = [f"--config={row.config}"] if row.config else []
    return [program("pgbackrest"), *own, f"--stanza={row.source}", "--log-level-file=off", *words]


def _pgbackrest(row: Delegate) -> Seen:
    answer = json.loads(run(pgbackrest(row, "--output=json", "info")))
    stanza = next((each for each in answer if each["name"] == row.source), None)
    if stanza is None:
        return Seen(problem=f"pgBackRest knows no stanza '{row.source}'.", remedy="See the names in its configuration.")
    copies = [
        Copy(
            label=each["label"],
            kind=each["type"],
            finished=_moment(each["timestamp"]["stop"]),
            size=int(each["info"]["size"]),
            good=not each.get("error"),
            note="pages with wrong checksums" if each.get("error") else "",
        )
        for each in stanza["backup"]
    ]
    status = stanza["status"]
    # 2: no backup was made yet; the age tells that better.
    wrong = status["code"] not in (0, 2)
    return Seen(
        copies,
        f"pgBackRest, stanza {row.source}: {status['message']}." if wrong else "",
        "Run: pgbackrest check" if wrong else "",
    )


# ------------------------------------------------------------ Barman
def barman(row: Delegate, *words: str) -> list[str]:
    """A command line of Barman."""
    return [program("barman"), *(["-c", row.config] if row.config else []), *words]


def _barman(row: Delegate) -> Seen:
    base = barman(row, "-f", "json")
    listed = json.loads(run([*base, "list-backup", row.source]))[row.source]
    checked = json.loads(run([*base, "check", row.source], good=(0, 1)))[row.source]
    copies = [
        Copy(
            label=each["backup_id"],
            kind="full",
            finished=_barman_moment(each),
            size=int(each.get("size_bytes") or 0),
            good=each["status"] in ("DONE", "WAITING_FOR_WALS"),
            note="" if each["status"] == "DONE" else each["status"],
        )
        for each in listed
    ]
    failed = [
        name.replace("_", " ")
        for name, found in checked.items()
        if isinstance(found, dict) and found["status"] == "FAILED"
    ]
    problem = f"barman check: {', '.join(failed)} failed." if failed else ""
    return Seen(copies, problem, f"Run: barman check {row.source}" if failed else "")


def _barman_moment(each: dict[str, Any]) -> str:
    if each.get("end_time_timestamp"):
        return _moment(int(each["end_time_timestamp"]))
    if not each.get("end_time"):
        return ""
    # "Thu Nov 26 09:38:11 2026", in the time of the machine.
    return dt.datetime.strptime(each["end_time"], "%a %b %d %H:%M:%S %Y").astimezone(dt.UTC).isoformat()


# ------------------------------------------------------------ CloudNativePG
def _cnpg(row: Delegate) -> Seen:
    """The list of `backups.postgresql.cnpg.io`, or one `Cluster`."""
    answer = json.loads(_document(row))
    if answer.get("kind") == "Cluster":
        return _cluster(answer.get("status", {}))
    copies = []
    for each in answer["items"]:
        if each.get("spec", {}).get("cluster", {}).get("name") != row.source:
            continue
        status = each.get("status", {})
        phase = status.get("phase", "")
        copies.append(
            Copy(
                label=each["metadata"]["name"],
                kind=str(status.get("method", "")),
                finished=_iso(status.get("stoppedAt", "")),
                good=phase == "completed",
                note="" if phase == "completed" else f"{phase} {status.get('error', '')}".strip()[:300],
            )
        )
    last = max(copies, key=lambda each: each.finished or "9", default=None)
    failed = last is not None and last.note.startswith("failed")
    return Seen(
        copies,
        f"The last backup failed: {last.note}" if last and failed else "",
        "See: kubectl describe backup" if failed else "",
    )


def _cluster(status: dict[str, Any]) -> Seen:
    good, bad = _iso(status.get("lastSuccessfulBackup", "")), _iso(status.get("lastFailedBackup", ""))
    copies = [Copy(label="lastSuccessfulBackup", finished=good)] if good else []
    if (first := _iso(status.get("firstRecoverabilityPoint", ""))) and first != good:
        copies.append(Copy(label="firstRecoverabilityPoint", finished=first))
    failed = bool(bad) and bad > good
    return Seen(
        copies, f"The last backup failed at {bad}." if failed else "", "See: kubectl describe backup" if failed else ""
    )


def _document(row: Delegate) -> bytes:
    if not row.config.startswith(("http://", "https://")):
        try:
            return Path(row.config).read_bytes()[:_LARGEST]
        except OSError as error:
            raise Unavailable(
                f"{row.config} cannot be read: {error.strerror}.", remedy="Does something write it?"
            ) from error
    headers = {"Accept": "application/json"}
    if row.token_ref:
        headers["Authorization"] = f"Bearer {secretrefs.resolve(row.token_ref).reveal()}"
    try:
        status, body = fetch("GET", row.config, headers=headers, max_bytes=_LARGEST)
    except BackendError as error:
        raise Unavailable(f"The Kubernetes API: {error}", remedy=getattr(error, "remedy", "")) from error
    if status != 200:
        raise Unavailable(
            f"The Kubernetes API answers {status}.", remedy="May the token list backups.postgresql.cnpg.io there?"
        )
    return body


# Tools that can restore here, and how one asks each what is wrong with its backups.
RESTORING = {Delegate.Tool.PGBACKREST: "pgbackrest verify", Delegate.Tool.BARMAN: "barman check-backup"}


def restoring(row: Delegate, label: str, data: Path) -> list[str]:
    """The command that lays a backup out in an empty folder, to be started there up to its own end and no further."""
    if row.tool == Delegate.Tool.BARMAN:
        return barman(row, "recover", "--target-immediate", "--target-action", "promote", row.source, label, str(data))
    return pgbackrest(
        row,
        f"--pg1-path={data}",
        f"--set={label}",
        "--type=immediate",
        "--target-action=promote",
        "--archive-mode=off",
        "restore",
    )


_READERS: dict[str, Callable[[Delegate], Seen]] = {"pgbackrest": _pgbackrest, "barman": _barman, "cnpg": _cnpg}


def _moment(seconds: int) -> str:
    return dt.datetime.fromtimestamp(seconds, dt.UTC).isoformat()


def _iso(text: str) -> str:
    return dt.datetime.fromisoformat(text.replace("Z", "+00:00")).astimezone(dt.UTC).isoformat() if text else ""


__all__ = ["RESTORING", "Copy", "Seen", "ask", "barman", "pgbackrest", "program", "restoring", "run"]
