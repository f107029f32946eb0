"""`manage.py keys`: the keyring of the portal, and who can open the backups."""

from __future__ import annotations

import json
from argparse import ArgumentParser
from typing import Any

from apps.backups.management.backup_command import BackupCommand
from apps.backups.models import BackupRun
from apps.backups.repository import keys
from apps.backups.selectors.destinations import chosen_destination
from apps.backups.services import destinations, rekeying
from apps.backups.services.working import carry_out
from apps.users.management import keyring_actions


class Command(BackupCommand):
    """Shows and changes keys."""

    help = f"""{keyring_actions.HELP} Of backups: new: make a pair of keys. list: whose keys open the backups. show: the key that this machine has, to keep it
elsewhere. recipients: decide anew who can open them. reencrypt: write everything anew under a new key. test: show that a key opens the newest set. forget: take the key off this machine."""

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Arguments."""
        super().add_arguments(parser)
        parser.add_argument(
            "action",
            nargs="?",
            default="list",
            choices=["new", "list", "show", "recipients", "reencrypt", "test", "forget", *keyring_actions.ACTIONS],
        )
        parser.add_argument(
            "recipients",
            nargs="*",
            metavar="value",
            help="with recipients: all public keys (age1…); with prepare and rotate: a purpose; with retire: an id",
        )
        keyring_actions.add_arguments(parser)
        parser.add_argument("--destination", default="", help="name or id of the place; the first when left out")
        parser.add_argument("--key", default="", help="the key, or a file that holds it; the stored one when left out")

    def handle(self, *args: Any, **options: Any) -> None:
        """Do what was asked."""
        if options["action"] in keyring_actions.ACTIONS:
            facts, text = keyring_actions.run(options["action"], options["recipients"], options)
            self.stdout.write(json.dumps({"ok": True, **facts}) if options["json"] else text)
            return
        if options["action"] == "new":
            identity, recipient = keys.make_identity()
            self._say(options, {"identity": identity, "recipient": recipient}, f"{identity}\n# public: {recipient}")
            return
        place = chosen_destination(actor=self.actor, named=options["destination"])
        key = self.key(options["key"])
        if options["action"] == "show":
            identity = destinations.show_identity(actor=self.actor, destination_id=place.pk)
            self._say(options, {"identity": identity}, identity)
            return
        if options["action"] == "recipients":
            place = destinations.change_recipients(
                actor=self.actor, destination_id=place.pk, recipients=options["recipients"], identity=key
            )
        elif options["action"] == "test":
            place = rekeying.try_key(actor=self.actor, destination_id=place.pk, identity=key)
            self._say(options, {"tested_at": place.key_tested_at}, "The key opens the newest set.")
            return
        elif options["action"] == "reencrypt":
            run = rekeying.start_reencrypt(
                actor=self.actor, destination_id=place.pk, identity=key, trigger="command", wake=False
            )
            done = carry_out("run", run.pk, echo=self.echo(options))
            self.ended(done, options, result=BackupRun.objects.get(pk=run.pk).result)
            return
        elif options["action"] == "forget":
            place = destinations.forget_identity(actor=self.actor, destination_id=place.pk, identity=key)
        found = [{"recipient": each, "fingerprint": keys.fingerprint(each)} for each in place.recipients]
        lines = [f"{each['fingerprint']}  {each['recipient']}" for each in found]
        lines.append(f"The key is {'kept on' if place.identity_ref else 'not on'} this machine.")
        self._say(options, {"recipients": found, "identity_kept_here": bool(place.identity_ref)}, "\n".join(lines))

    def _say(self, options: dict[str, Any], found: dict[str, Any], text: str) -> None:
        if options["json"]:
            self.answer({"ok": True, "destination": options["destination"], **found})
        else:
            self.stdout.write(text)
