"""The actions of `manage.py keys` that are about the keyring; the command itself has those of backups beside them."""

from __future__ import annotations

import time
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from aiwriter.core import keyring
from aiwriter.core.errors import Conflict, InvalidInput
from aiwriter.core.keyring import store
from apps.users.models import Rewrap
from apps.users.selectors.access import Actor
from apps.users.services import key_places, key_rotation
from apps.users.services.keys import ensure_ring

ACTIONS = ("inventory", "prepare", "rotate", "rewrap", "retire", "provider")
HELP = """inventory: every key, its age and what needs it. prepare PURPOSE: make a key that seals nothing yet. rotate PURPOSE: let
another key seal from now on. rewrap: seal every secret with the present key. retire ID: destroy a key that nothing needs.
provider NAME: let file, vault or kms guard the keys."""


def add_arguments(parser: ArgumentParser) -> None:
    """Their options."""
    parser.add_argument("--dry-run", action="store_true", help="with rotate, rewrap, retire: say what would be done")
    parser.add_argument("--out", default="", help="with rotate, prepare: write the new keyring here and change nothing")


def run(action: str, arguments: list[str], options: dict[str, Any]) -> tuple[dict[str, Any], str]:
    """Do one; gives facts for programs and text for people.

    Raises:
        AppError: it cannot be done.
    """
    ensure_ring()
    named = arguments[0] if arguments else ""
    actor = Actor.system_actor("command")
    found: tuple[dict[str, Any], str] = globals()[f"_{action}"](actor, named, options)
    return found


def _inventory(actor: Actor, named: str, options: dict[str, Any]) -> tuple[dict[str, Any], str]:
    ring, found = keyring.load(), key_rotation.inventory(actor=actor)
    rows, lines = [], []
    for state in found.keys:
        key = state.key
        rows.append(
            {
                "id": key.id,
                "purpose": key.purpose,
                "state": key.state.value,
                "created": key.created.isoformat(),
                "rotate_by": key.rotate_by.isoformat(),
                "days_left": state.days_left,
                "uses": state.uses,
            }
        )
        uses = "-" if state.uses is None else str(state.uses)
        due = "  DUE" if state.due else ""
        lines.append(
            f"{key.purpose:11} {key.id}  {key.state.value:12} made {key.created:%Y-%m-%d}  replace by {key.rotate_by}"
            f"  needed by {uses}{due}"
        )
    older = found.older.total()
    lines.append(f"Keyring {keyring.location()}, guarded by {ring.provider}, stage {ring.stage}.")
    if older:
        lines.append(f"{older} secrets have an older form: manage.py keys rewrap")
    facts = {"keys": rows, "stage": ring.stage, "provider": ring.provider, "older": older}
    return facts, "\n".join(lines)


def _prepare(actor: Actor, named: str, options: dict[str, Any]) -> tuple[dict[str, Any], str]:
    if options["out"]:
        key_rotation.check_purpose(named)
        ring = keyring.load()
        key = keyring.new_key(named, state=keyring.State.PENDING)
        return _written(ring.with_key(key), key, options["out"])
    key = key_rotation.prepare_key(actor=actor, purpose=named)
    return {"key": key.id}, f"The key {key.id} is pending; `keys rotate {named}` makes it active."


def _rotate(actor: Actor, named: str, options: dict[str, Any]) -> tuple[dict[str, Any], str]:
    if options["dry_run"] or options["out"]:
        key_rotation.check_purpose(named)
        ring, key = key_rotation.rotated(keyring.load(), named)
        if options["out"]:
            return _written(ring, key, options["out"])
        before = keyring.load().active(named)
        return {"key": None, "before": before.id}, f"The key {before.id} would become decrypt-only, a new one active."
    key, job = key_rotation.rotate_key(actor=actor, purpose=named)
    text = f"The key {key.id} seals from now on."
    facts: dict[str, Any] = {"key": key.id, "job": None}
    if job is not None:
        done = _carry_out(job)
        facts["job"], text = str(job.pk), f"{text} {done.changed} of {done.done} secrets are sealed anew."
    return facts, text


def _rewrap(actor: Actor, named: str, options: dict[str, Any]) -> tuple[dict[str, Any], str]:
    if options["dry_run"]:
        active = keyring.active("field").id
        waiting = sum(count for place in key_places.places() for key, count in place.uses().items() if key != active)
        return {"waiting": waiting}, f"{waiting} secrets would be sealed anew with {active}."
    job = _carry_out(key_rotation.request_rewrap(actor=actor))
    facts = {"job": str(job.pk), "state": job.state, "done": job.done, "changed": job.changed, "problems": job.problems}
    if job.state != "succeeded":
        raise Conflict(f"{job.error} {' '.join(job.problems[:3])}".strip(), remedy="Set these secrets anew.")
    stage = keyring.load().stage
    return facts | {
        "stage": stage
    }, f"{job.changed} of {job.done} secrets are sealed anew; the keyring's stage is {stage}."


def _carry_out(job: Rewrap) -> Rewrap:
    # Here and now: whoever typed the command waits for it, with a worker or without one.
    key_rotation.run_rewrap(job.pk)
    job.refresh_from_db()
    while not job.is_final:
        # A worker was faster. Should it die, its lease runs out and the work is done here.
        time.sleep(0.2)
        key_rotation.run_rewrap(job.pk)
        job.refresh_from_db()
    return job


def _retire(actor: Actor, named: str, options: dict[str, Any]) -> tuple[dict[str, Any], str]:
    if not named:
        raise InvalidInput("Which key?", field="id", remedy="See keys inventory.")
    state = key_rotation.retire_key(actor=actor, key_id=named, dry_run=options["dry_run"])
    done = "could be destroyed: nothing needs it" if options["dry_run"] else "is destroyed"
    return {"key": state.key.id, "dry_run": options["dry_run"]}, f"The key {state.key.id} ({state.key.purpose}) {done}."


def _provider(actor: Actor, named: str, options: dict[str, Any]) -> tuple[dict[str, Any], str]:
    ring = key_rotation.change_provider(actor=actor, provider=named)
    return {"provider": ring.provider}, f"The keys are guarded by {ring.provider}."


def _written(ring: keyring.Ring, key: keyring.Key, out: str) -> tuple[dict[str, Any], str]:
    path = Path(out)
    text = store.written(ring)
    try:
        path.touch(mode=0o600)
        if path.is_file():
            # One that was there may be open to others. A pipe has no mode.
            path.chmod(0o600)
        path.write_text(text, encoding="ascii")
    except OSError as error:
        raise InvalidInput(f"{path} cannot be written: {error.strerror}.", field="out") from error
    return {
        "key": key.id,
        "out": out,
    }, f"{out} holds the keyring with the key {key.id}. Give it to the platform as the secret."
