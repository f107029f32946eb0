"""`manage.py flags`: flags from a terminal, for when the console cannot be reached."""

from __future__ import annotations

import json
from argparse import ArgumentParser
from typing import Any

from aiwriter.core.errors import NotFound
from apps.deployments.models import Flag
from apps.deployments.selectors.flags import flags_for, open_experiment, open_rollout, stale_flags
from apps.deployments.services import flags
from apps.users.management.service_command import ServiceCommand
from apps.users.selectors.access import Actor

_COMMAND = Actor.system_actor("command")


class Command(ServiceCommand):
    """Does what was asked, or ends with the remedy and an exit code; `stale` ends with 1 when there is something to do."""

    help = "Flags: what they answer, the kill switch, and which of them have outlived their use."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """One word, and what it needs."""
        verbs = parser.add_subparsers(dest="verb", required=True)
        for verb, words in (("list", "all flags"), ("stale", "those that should be looked at; ends with 1 if any")):
            verbs.add_parser(verb, help=words).add_argument(
                "--json", action="store_true", help="print one JSON list and nothing else"
            )
        chosen = verbs.add_parser("set", help="what everybody gets whom nothing else reaches")
        chosen.add_argument("key")
        chosen.add_argument("variant")
        killed = verbs.add_parser("kill", help="switch the kill switch on")
        killed.add_argument("key")
        killed.add_argument("--reason", required=True, help="why")
        verbs.add_parser("revive", help="switch the kill switch off").add_argument("key")

    def handle(self, *args: Any, **options: Any) -> None:
        """Do it."""
        getattr(self, f"_{options['verb']}")(options)

    def _list(self, options: dict[str, Any]) -> None:
        self._print([_row(flag) for flag in flags_for(_COMMAND)], options)

    def _stale(self, options: dict[str, Any]) -> None:
        found = [{**_row(each.flag), "reasons": list(each.reasons)} for each in stale_flags(_COMMAND)]
        self._print(found, options)
        if found:
            raise SystemExit(1)

    def _print(self, rows: list[dict[str, Any]], options: dict[str, Any]) -> None:
        if options["json"]:
            self.stdout.write(json.dumps(rows, indent=2))
            return
        for row in rows:
            answer = f"KILLED: {row['off']}" if row["killed"] else row["default"]
            self.stdout.write(f"{row['key']:30} {row['kind']:10} {answer:20} {row['under_way'] or row['owner']}")
            for reason in row.get("reasons", ()):
                self.stdout.write(f"    {reason}")

    def _set(self, options: dict[str, Any]) -> None:
        flag = flags.update_flag(actor=_COMMAND, flag_id=_flag(options).pk, default_variant=options["variant"])
        self.stdout.write(f"{flag.key}: everybody whom nothing else reaches gets {flag.default_variant}.")

    def _kill(self, options: dict[str, Any]) -> None:
        flag = flags.kill(actor=_COMMAND, flag_id=_flag(options).pk, reason=options["reason"])
        self.stdout.write(f"{flag.key}: everybody gets {flag.off_variant} within seconds.")

    def _revive(self, options: dict[str, Any]) -> None:
        flag = flags.revive(actor=_COMMAND, flag_id=_flag(options).pk)
        self.stdout.write(f"{flag.key}: what was set before counts again.")


def _flag(options: dict[str, Any]) -> Flag:
    found = flags_for(_COMMAND).filter(key=options["key"]).first()
    if found is None:
        raise NotFound(f"There is no flag '{options['key'][:60]}'.", remedy="See `flags list`.")
    return found


def _row(flag: Flag) -> dict[str, Any]:
    rollout, experiment = open_rollout(flag), open_experiment(flag)
    under_way = f"{rollout.variant} at {rollout.percent} %" if rollout else experiment.title if experiment else ""
    return {
        "key": flag.key,
        "kind": flag.kind,
        "default": flag.default_variant,
        "off": flag.off_variant,
        "killed": flag.killed_at is not None,
        "rules": len(flag.rules.all()),
        "under_way": under_way,
        "owner": flag.owner.email if flag.owner else "",
        "expires_at": flag.expires_at.isoformat() if flag.expires_at else "",
    }
