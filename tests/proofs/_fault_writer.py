"""Somebody who writes while the ground shakes: what was taken must be there, once and whole."""

from __future__ import annotations

import threading
import time
from typing import Any

import httpx2

from tests.lab.portal import Portal
from tests.proofs import expect


class Writer(threading.Thread):
    """Writes documents one after the other, each under a key of its own, and repeats what it got no answer to."""

    def __init__(self, portal: Portal, token: str) -> None:
        super().__init__(daemon=True)
        self.portal, self.token = portal, token
        self.taken: dict[str, str] = {}
        self.tries = self.refused = 0
        self.longest = 0.0
        self.going = False
        self.wrong: list[str] = []
        self._over = threading.Event()

    def __enter__(self) -> Writer:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self.join(120)

    def run(self) -> None:
        number = 0
        with self.portal.api(self.token) as client:
            while not self._over.is_set():
                key = f"fault-{number}"
                body = {"title": f"Fault {number}", "body_markdown": f"Words of {number}."}
                begun = time.monotonic()
                self.tries += 1
                try:
                    answer = client.post("/content", json=body, headers={"Idempotency-Key": key}, timeout=120)
                except httpx2.TransportError as error:
                    self.wrong.append(f"no answer: {type(error).__name__}")
                    time.sleep(0.5)
                    continue
                finally:
                    self.longest = max(self.longest, time.monotonic() - begun)
                if answer.status_code == 201:
                    self.taken[answer.json()["id"]] = body["title"]
                    self.going = True
                    number += 1
                    time.sleep(0.2)
                elif answer.status_code in (409, 425, 429, 503):
                    self.refused += 1
                    time.sleep(0.5)
                else:
                    self.wrong.append(f"{answer.status_code} {answer.text[:200]}")
                    time.sleep(0.5)

    def nothing_lost(self, portal: Portal) -> None:
        """Every document that was taken is there once, whole and with its version."""
        expect(not self.wrong, f"answers that nobody should get: {self.wrong[:3]} ({len(self.wrong)})")
        rows: list[list[Any]] = portal.shell(
            "from django.db.models import Count\n"
            "from apps.content.models import Document\n"
            "rows = Document.objects.filter(title__startswith='Fault ').annotate(n=Count('versions'))\n"
            "answer = [[str(row.pk), row.title, row.body_markdown.strip(), row.n] for row in rows]"
        )
        there = {row[0]: row for row in rows}
        lost = set(self.taken) - set(there)
        expect(not lost, f"{len(lost)} documents that were taken are gone")
        titles = [row[1] for row in rows]
        expect(len(titles) == len(set(titles)), "a document was written twice")
        half = [row for row in rows if row[2] != f"Words of {row[1].split()[1]}." or row[3] < 1]
        expect(not half, f"half-written: {half[:3]}")

    def figure(self) -> str:
        """What it saw."""
        return (
            f"{len(self.taken)} documents written, none lost or doubled, {self.refused} answers said to try again, "
            f"the longest took {self.longest:.0f} s"
        )
