"""`manage.py access`: what somebody can do and why; whether a review's signed file is what was signed."""

from __future__ import annotations

import json
import sys
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from aiwriter.core import ledger
from aiwriter.core.errors import InvalidInput, NotFound
from apps.users.management.service_command import ServiceCommand
from apps.users.models import User
from apps.users.selectors.access import Actor
from apps.users.selectors.effective import effective_access
from apps.users.services.ledger_checks import trusted
from apps.users.services.reviews import KIND

CHANGED = 14


class Command(ServiceCommand):
    """Access on the command line."""

    help = """explain EMAIL: every capability of an account with the grants that lead to it. verify FILE: whether the evidence
of an access review is as it was signed, by a key of the keyring or by --key. Exit codes: 0 as signed, 14 changed."""

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Arguments."""
        parser.add_argument("action", choices=["explain", "verify"])
        parser.add_argument("what", help="an e-mail address, or a file")
        parser.add_argument(
            "--key", default="", help="verify: the public key, base64; needs no keyring and no database"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        """Do what was asked."""
        getattr(self, f"_{options['action']}")(options)

    def _explain(self, options: dict[str, Any]) -> None:
        user = User.objects.filter(email=options["what"].strip().lower()).first()
        if user is None:
            raise NotFound("There is no account with this address.", field="what")
        for each in effective_access(actor=Actor.system_actor("command line"), user=user).held:
            where = each.workspace.slug if each.workspace else "*"
            why = ", ".join(f"{way.role or 'lent'} ({way.source}: {way.reason})" for way in each.ways)
            self.stdout.write(f"{'yes' if each.allowed else 'no '} {each.capability:20} {where:20} {why}")

    def _verify(self, options: dict[str, Any]) -> None:
        try:
            whole = json.loads(Path(options["what"]).read_text(encoding="utf-8"))
            document, signature = whole["document"], whole["signature"]
            named = document["key_id"]
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise InvalidInput(f"This is not the evidence of a review: {error}.", field="what") from error
        key = options["key"] or trusted().get(named, "")
        if not key:
            raise InvalidInput(
                f"The keyring has no key {named}.", field="key", remedy="Give the public key with --key."
            )
        if document.get("kind") != KIND or not ledger.is_document_signed(document, signature, key):
            self.stderr.write("CHANGED: the file is not as it was signed.")
            sys.exit(CHANGED)
        self.stdout.write(
            f"As signed: {document['name']}, {len(document['items'])} grants, closed {document['closed_at']}."
        )
