"""`manage.py audit`: seal, sign, verify and export the audit record."""

from __future__ import annotations

import json
import sys
import time
from argparse import ArgumentParser
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from aiwriter.core import keyring, ledger
from aiwriter.core.errors import InvalidInput
from apps.users.management.service_command import ServiceCommand
from apps.users.selectors.access import Actor
from apps.users.selectors.ledger import EventFilter
from apps.users.services import ledger_checks, ledger_delivery, ledger_files, ledger_reading, ledger_sealing

CHANGED = 14


class Command(ServiceCommand):
    """The record on the command line."""

    help = """seal: seal what waits. checkpoint: sign the end of the record. verify: find what was changed, in the database or,
with --export, in files without any database. export: write sealed events. Exit codes: 0 as sealed, 14 changed."""

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Arguments."""
        parser.add_argument("action", choices=["seal", "checkpoint", "verify", "export", "public-keys"])
        parser.add_argument(
            "--against", action="append", default=[], metavar="FILE", help="verify: a checkpoint kept elsewhere"
        )
        parser.add_argument(
            "--export", action="append", default=[], metavar="FILE", help="verify: exported files in their order"
        )
        parser.add_argument(
            "--public-key",
            action="append",
            default=[],
            metavar="ID=KEY",
            help="verify: trust this signer, and use no keyring; see public-keys",
        )
        parser.add_argument("--format", default="jsonl", choices=ledger_reading.FORMATS, help="export")
        parser.add_argument("--after", type=int, default=0, help="export: begin behind this number")
        parser.add_argument("--out", default="-", help="export, checkpoint: the file to write; - for the terminal")
        parser.add_argument("--json", action="store_true", help="print one JSON object and nothing else")

    def handle(self, *args: Any, **options: Any) -> None:
        """Do what was asked."""
        getattr(self, f"_{options['action'].replace('-', '_')}")(options)

    def _seal(self, options: dict[str, Any]) -> None:
        sealed = ledger_sealing.seal_pending()
        self._say(options, {"sealed": sealed}, f"{sealed} events sealed.")

    def _checkpoint(self, options: dict[str, Any]) -> None:
        ledger_sealing.seal_pending()
        row = ledger_sealing.make_checkpoint(reason="command", force=True)
        if row is None:
            raise InvalidInput("There is nothing to sign yet.")
        if options["out"] != "-":
            Path(options["out"]).write_bytes(ledger_delivery.document_of(row))
        elif not options["json"]:
            self.stdout.write(ledger_delivery.document_of(row).decode().strip())
            return
        self._say(options, row.signed.as_json(), f"Signed at event {row.seq}.")

    def _public_keys(self, options: dict[str, Any]) -> None:
        found = ledger_checks.trusted()
        self._say(options, found, "\n".join(f"{name}={key}" for name, key in found.items()))

    def _export(self, options: dict[str, Any]) -> None:
        actor, after, count = Actor.system_actor("command"), options["after"], 0
        target = sys.stdout.buffer if options["out"] == "-" else Path(options["out"]).open("wb")  # noqa: SIM115
        try:
            while True:
                made = ledger_reading.export_events(
                    actor=actor,
                    format=options["format"],
                    wanted=EventFilter(),
                    after=after,
                    limit=ledger_reading.MAX_EXPORT,
                )
                for number, piece in enumerate(made.pieces):
                    # The table's head stands once.
                    skip = options["format"] == "csv" and count and number == 0
                    target.write(piece.partition(b"\n")[2] if skip else piece)
                count, after = count + 1, made.last
                if not made.more:
                    break
        finally:
            if target is not sys.stdout.buffer:
                target.close()
        if options["out"] != "-":
            self._say(options, {"last": after}, f"Events up to {after} are in {options['out']}.")

    def _verify(self, options: dict[str, Any]) -> None:
        points = [_checkpoint(Path(name)) for name in options["against"]]
        begun = time.monotonic()
        if options["export"]:
            report = self._verify_files([Path(name) for name in options["export"]], points, options["public_key"])
        elif options["public_key"]:
            raise InvalidInput("--public-key is for files.", remedy="Name them with --export.")
        else:
            report = ledger_checks.verify_record(points)
        took = time.monotonic() - begun
        facts = {
            "ok": report.ok,
            "events": report.checked,
            "first_seq": report.first_seq,
            "last_seq": report.last_seq,
            "checkpoints": report.checkpoints,
            "hashes_compared": report.with_keys,
            "seconds": round(took, 3),
            "findings": [each.as_json() for each in report.findings],
        }
        lines = [f"{each.kind:10} {each.seq:>10}  {each.message}" for each in report.findings]
        how = "hashes and checkpoints" if report.with_keys else "roots and checkpoints, without the keyring"
        lines.append(
            f"{report.checked} events up to {report.last_seq}, {report.checkpoints} checkpoints, {took:.1f} s ({how}): "
            + ("as they were sealed." if report.ok else f"{len(report.findings)} findings.")
        )
        self._say(options, facts, "\n".join(lines))
        if not report.ok:
            sys.exit(CHANGED)

    def _verify_files(self, files: list[Path], points: list[ledger.Checkpoint], given: list[str]) -> ledger.Report:
        public = None
        if given:
            public = dict(each.partition("=")[::2] for each in given)
        elif not keyring.exists():
            raise keyring.RingMissing(
                f"The keyring {keyring.location()} is missing.",
                remedy="Name it with AIWRITER_KEYRING, or verify by --public-key ID=KEY and a checkpoint.",
            )

        def rows() -> Iterator[ledger.Row]:
            for path in files:
                try:
                    yield from ledger.rows_of(ledger_files.open_lines(path))
                except ledger.NotAnExport as error:
                    raise InvalidInput(f"{path}: {error}.", remedy="Verify exports in the format jsonl.") from None
                except OSError as error:
                    raise InvalidInput(f"{path} cannot be read: {error.strerror or error}.") from None

        first = next(rows(), None)
        start = ledger.Start()
        if first is not None and first[0] > 1:
            if public is not None:
                raise InvalidInput(
                    "Without the keyring a record is verified from its first event on.",
                    field="export",
                    remedy="Name the files before this one too, or verify where the keyring is.",
                )
            # A part of the record: what stood before its first event is known from the event itself. The root is not, so
            # checkpoints are compared by their hash alone.
            start = ledger.Start(seq=first[0] - 1, hash=first[1], root="")
        return ledger_checks.verify_rows(rows, points, start=start, public_keys=public)

    def _say(self, options: dict[str, Any], found: dict[str, Any], text: str) -> None:
        self.stdout.write(json.dumps(found) if options["json"] else text)


def _checkpoint(path: Path) -> ledger.Checkpoint:
    try:
        return ledger.checkpoint_from(json.loads(path.read_text(encoding="utf-8")))
    except OSError as error:
        raise InvalidInput(f"{path} cannot be read: {error.strerror}.", field="against") from None
    except ValueError as error:
        raise InvalidInput(f"{path} is no checkpoint: {error}.", field="against") from None
