"""`manage.py proof_pack`: make, list, take out and verify the signed file of a month."""

from __future__ import annotations

import json
import sys
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from aiwriter.core.errors import InvalidInput, NotFound, Unavailable
from aiwriter.core.proofpack import LARGEST
from apps.users.management.service_command import ServiceCommand
from apps.users.models import ProofPack
from apps.users.selectors.access import Actor
from apps.users.selectors.proofs import packs_for
from apps.users.services import proofs

CHANGED = 14


class Command(ServiceCommand):
    """Proof packs on the command line."""

    help = """make: the pack of a month, now and here; the present month when none is named. list: all of them. get: write the
newest of a month to a file. verify FILE: whether a pack is as it was signed, by a key of the keyring or by --key.
Exit codes: 0 done or as signed, 14 changed."""

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Arguments."""
        parser.add_argument("action", choices=["make", "list", "get", "verify"])
        parser.add_argument("what", nargs="?", default="", help="make, get: a month such as 2026-11; verify: a file")
        parser.add_argument("--out", default="", metavar="FILE", help="make, get: where to write the file")
        parser.add_argument(
            "--key",
            action="append",
            default=[],
            metavar="ID=KEY",
            help="verify: trust this signer, and use no keyring and no database; see audit public-keys",
        )
        parser.add_argument("--json", action="store_true", help="print one JSON object and nothing else")

    def handle(self, *args: Any, **options: Any) -> None:
        """Do what was asked."""
        getattr(self, f"_{options['action']}")(options)

    def _make(self, options: dict[str, Any]) -> None:
        pack = proofs.request_pack(actor=Actor.system_actor("command line"), month=options["what"])
        # A worker may have been faster; then the row is done, or about to be.
        proofs.run_pack(pack.pk)
        pack = ProofPack.objects.defer("content").get(pk=pack.pk)
        if pack.state == "failed":
            raise Unavailable(pack.error, remedy=pack.remedy)
        if pack.state != "done":
            raise Unavailable("A worker is making it.", remedy="Ask with: manage.py proof_pack list")
        self._deliver(pack, options)

    def _get(self, options: dict[str, Any]) -> None:
        rows = packs_for(Actor.system_actor("command line")).filter(state="done")
        if options["what"]:
            rows = rows.filter(month=proofs.month_of(options["what"]))
        pack = rows.order_by("-whole", "-made_at").first() if options["what"] else rows.order_by("-made_at").first()
        if pack is None:
            raise NotFound("There is no such proof pack.", remedy="manage.py proof_pack list tells which there are.")
        self._deliver(pack, options)

    def _deliver(self, pack: ProofPack, options: dict[str, Any]) -> None:
        where = ""
        if options["out"]:
            _row, content = proofs.read_file(actor=Actor.system_actor("command line"), pack_id=pack.pk)
            where = f" in {options['out']}"
            try:
                Path(options["out"]).write_bytes(content)
            except OSError as error:
                raise InvalidInput(f"{options['out']} cannot be written: {error.strerror}.", field="out") from None
        facts = {**_facts(pack), "parts": pack.parts}
        lines = [f"{'has ' if each['present'] else 'ABSENT'} {each['name']:10} {each['says']}" for each in pack.parts]
        lines.append(f"{pack.filename}{where}: {pack.size} bytes, SHA-256 {pack.sha256}, signed by {pack.key_id}.")
        self.stdout.write(json.dumps(facts) if options["json"] else "\n".join(lines))

    def _list(self, options: dict[str, Any]) -> None:
        rows = [_facts(row) for row in packs_for(Actor.system_actor("command line"))]
        lines = [
            f"{row['month']} {'whole' if row['whole'] else 'part '} {row['state']:8} {row['sha256']}" for row in rows
        ]
        self.stdout.write(json.dumps({"packs": rows}) if options["json"] else "\n".join(lines) or "There is none yet.")

    def _verify(self, options: dict[str, Any]) -> None:
        keys = dict(each.partition("=")[::2] for each in options["key"]) or None
        try:
            path = Path(options["what"])
            if path.stat().st_size > 2 * LARGEST:
                raise InvalidInput(f"{path} is larger than a proof pack can be.", field="what")
            verdict = proofs.verify_file(path.read_bytes(), keys)
        except OSError as error:
            raise InvalidInput(f"{options['what']} cannot be read: {error.strerror}.", field="what") from None
        document = verdict.document
        facts = {
            "ok": not verdict.problems,
            "problems": verdict.problems,
            "month": document.get("month"),
            "key": verdict.signer,
        }
        if verdict.problems:
            self.stdout.write(
                json.dumps(facts) if options["json"] else "\n".join(f"CHANGED: {each}" for each in verdict.problems)
            )
            sys.exit(CHANGED)
        lines = [
            f"{'has ' if each['present'] else 'ABSENT'} {each['name']:10} {each['says']}" for each in document["parts"]
        ]
        part = "" if document["whole"] else f", until {document['until']} only"
        lines.append(f"As signed by {verdict.signer}: {document['month']}{part}, {len(document['files'])} files.")
        self.stdout.write(json.dumps(facts) if options["json"] else "\n".join(lines))


def _facts(pack: ProofPack) -> dict[str, Any]:
    return {
        "id": str(pack.pk),
        "month": str(pack),
        "whole": pack.whole,
        "state": pack.state,
        "sha256": pack.sha256,
        "size": pack.size,
        "key": pack.key_id,
    }
