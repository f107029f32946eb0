"""The console, asked from here: what is so goes there, signed plans and people's words come back. Nothing listens.

A thread of `serve`, with a journal of its own on the same file. A console that is away changes nothing: the deployment goes
on as its plan says. A plan comes as a file into the inbox, where its signature counts like that of any other.
"""

from __future__ import annotations

import json
import ssl
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from typing import Any

from aw_deployd import __version__, machine
from aw_deployd.environment import Environment
from aw_deployd.errors import Refused
from aw_deployd.journal import Journal, Row
from aw_deployd.scaler import keep

Describe = Callable[[Environment, Journal], dict[str, Any]]
_LONGEST_ANSWER = 2_000_000


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """The token is for the console, and for no place that it might name."""

    def redirect_request(self, *args: Any) -> None:
        """Follow nothing: the answer is an error."""


class Console(threading.Thread):
    """Asks until it is told to stop.

    Args:
        environment: with `[console]` in its file.
        describe: what is so, as `status` shows it.
        say: tells a person what happens.
        by_people: whether the proxy can tell people apart.
    """

    def __init__(
        self, environment: Environment, describe: Describe, say: Callable[[str], None], *, by_people: bool
    ) -> None:
        super().__init__(name="console", daemon=True)
        self._by_people = by_people
        self._environment, self._describe, self._say = environment, describe, say
        self._done = threading.Event()
        self._acknowledged: dict[str, int] = {}
        self._refused: dict[str, str] = {}
        self._taken: list[int] = []
        self._away = False

    def run(self) -> None:
        """Ask, wait, ask again."""
        journal = Journal(self._environment.state / "journal.sqlite3")
        while not self._done.is_set():
            try:
                self.once(journal)
                self._away = False
            except Exception as error:  # noqa: BLE001
                # Whatever it is, a locked journal, half an answer, a proxy that is away: a thread that ended would never ask again.
                if not self._away:
                    self._say(f"The console cannot be asked: {type(error).__name__}: {error}")
                self._away = True
            self._done.wait(self._environment.console_seconds * (5 if self._away else 1))
        journal.close()

    def stop(self) -> None:
        """Ask no more."""
        self._done.set()

    def once(self, journal: Journal) -> None:
        """Report, and do what comes back."""
        refused, taken = dict(self._refused), list(self._taken)
        answer = self._ask(self._report(journal, refused, taken))
        for identifier in refused:
            self._refused.pop(identifier, None)
        self._taken = [number for number in self._taken if number not in taken]
        self._acknowledged.update(answer.get("acknowledged", {}))
        if scaling := answer.get("scaling"):
            keep(self._environment.state / "scale.json", scaling.get("policies", []), scaling.get("load", {}))
            journal.told_scalings(int(scaling.get("taken", 0)))
        if answer.get("plan"):
            self._keep(answer["plan"], journal)
        for command in answer.get("commands", ()):
            self._obey(command, journal)

    # ------------------------------------------------------------ there
    def _report(self, journal: Journal, refused: dict[str, str], taken: list[int]) -> dict[str, Any]:
        environment = self._environment
        observed = self._describe(environment, journal)
        observed.pop("deployment", None)
        # A console of before this was invented knows no such field.
        scaling = {
            "bounds": {part: list(bounds) for part, bounds in environment.scale.items()},
            "events": journal.scalings(),
            "samples": journal.scale_samples(),
        }
        rows = [row for row in journal.history(environment.name, 3) if self._is_news(row, journal)]
        return {
            "agent": {
                "version": __version__,
                "runtime": environment.runtime,
                "traffic": environment.traffic,
                "by_people": self._by_people,
                "observed": observed,
            },
            "fence": journal.fence(environment.name),
            "deployments": [_whole(row, journal) for row in rows],
            "refused": [{"id": identifier, "reason": reason} for identifier, reason in refused.items()],
            "taken": taken,
            **({"scaling": scaling} if environment.scale else {}),
        }

    def _is_news(self, row: Row, journal: Journal) -> bool:
        return row.state not in machine.FINAL or self._acknowledged.get(row.id, -1) < journal.sequence(row.id)

    def _ask(self, report: dict[str, Any]) -> dict[str, Any]:
        environment = self._environment
        if environment.console_token is None:
            raise OSError("the file of the console's token is not named")
        token = environment.console_token.read_text(encoding="ascii").strip()
        address = f"{environment.console_url.rstrip('/')}/api/v1/agents/{environment.name}/reports"
        headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
        request = urllib.request.Request(address, json.dumps(report).encode(), headers, method="POST")  # noqa: S310
        trusted = str(environment.console_ca) if environment.console_ca else None
        context = ssl.create_default_context(cafile=trusted) if address.startswith("https:") else None
        opener = urllib.request.build_opener(urllib.request.HTTPSHandler(context=context), _NoRedirect)
        with opener.open(request, timeout=20) as answer:
            found: dict[str, Any] = json.loads(answer.read(_LONGEST_ANSWER))
        return found

    # ------------------------------------------------------------ here
    def _keep(self, sealed: dict[str, Any], journal: Journal) -> None:
        """Put a plan into the inbox, once."""
        identifier = str(sealed["plan"]["id"])
        inbox = self._environment.state / "inbox"
        path = inbox / f"{identifier}.json"
        if not identifier.replace("-", "").isalnum() or journal.knows(identifier) or path.exists():
            return
        if (why := path.with_suffix(".reason")).exists():
            self._refused[identifier] = why.read_text(encoding="utf-8")
            return
        if path.with_suffix(".taken").exists():
            return
        new = path.with_suffix(".new")
        new.write_text(json.dumps(sealed), encoding="utf-8")
        new.rename(path)
        self._say(f"A plan for {sealed['plan'].get('release')} came from the console")

    def _obey(self, command: dict[str, Any], journal: Journal) -> None:
        """Leave a command in the journal, once; before the deployment is there it waits for the next time."""
        number, identifier = int(command["number"]), str(command["deployment"])
        if number in self._taken or not journal.knows(identifier):
            return
        try:
            journal.command(identifier, str(command["verb"]), str(command["who"]), number)
        except Refused as error:
            self._say(f"{command['verb']} came too late: {error}")
        self._taken.append(number)


def _whole(row: Row, journal: Journal) -> dict[str, Any]:
    """All that is known of a deployment, and a number that grows with it."""
    return {
        "id": row.id,
        "sequence": journal.sequence(row.id),
        "state": row.state,
        "users_hit": len(row.facts.get("hurt", [])),
        "people": int(row.facts.get("people", 0)),
        "transitions": [
            {"at": at, "old": old, "new": new, "reason": reason} for at, old, new, reason in journal.transitions(row.id)
        ],
        "steps": [{**step, "kind": step["kind"][:160]} for step in journal.steps(row.id)],
        "samples": journal.samples(row.id),
        "at": time.time(),
    }
