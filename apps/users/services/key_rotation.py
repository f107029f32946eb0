"""Replaces keys while the portal works: a new one seals from now on, the old one still opens, a job seals everything anew."""

from __future__ import annotations

import dataclasses
import datetime as dt
import logging
import uuid
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from django.conf import settings
from django.db import transaction
from django.utils import timezone

from aiwriter.core import keyring
from aiwriter.core.errors import Conflict, InvalidInput, NotFound
from aiwriter.core.keyring import document, providers, store
from aiwriter.core.queue import enqueue
from apps.users.models import Rewrap
from apps.users.selectors.access import Actor, require, require_proof
from apps.users.services import audit, key_places
from apps.users.services.keys import WARN_DAYS, ensure_ring, note_keys

logger = logging.getLogger(__name__)

LEASE = dt.timedelta(seconds=60)
MAX_ATTEMPTS = 10
KEPT_PROBLEMS = 50
# What a key of these purposes sealed can be sealed anew; files, chains and signatures keep theirs.
RESEALED = ("field",)


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyState:
    """A key as people see it.

    Args:
        uses: how many things need it; None where that is not counted (signed links).
        days_left: until it is to be replaced; negative when that is over.
    """

    key: keyring.Key
    uses: int | None
    days_left: int

    @property
    def due(self) -> bool:
        """Whether it is to be replaced soon."""
        return self.key.state is keyring.State.ACTIVE and self.days_left <= WARN_DAYS

    @property
    def can_retire(self) -> bool:
        """Whether nothing needs it any more."""
        return self.key.state in (keyring.State.DECRYPT_ONLY, keyring.State.PENDING) and not self.uses


@dataclass(frozen=True, slots=True, kw_only=True)
class Inventory:
    """All keys, and what none of them seals yet.

    Args:
        keys: by purpose and age.
        older: how many secrets have the form of the version before the keyring ("") or lie in clear files ("plain").
    """

    keys: list[KeyState]
    older: Counter[str]


def inventory(*, actor: Actor) -> Inventory:
    """Every key with what needs it; looks at all secrets, once. Needs "keys.read"."""
    require(actor, "keys.read")
    ring, uses, today = keyring.load(), key_places.uses(), timezone.now().date()
    found = []
    for purpose in keyring.PURPOSES:
        for key in reversed(ring.of(purpose)):
            count = None if purpose == "url" else uses[key.id]
            found.append(KeyState(key=key, uses=count, days_left=(key.rotate_by - today).days))
    return Inventory(keys=found, older=Counter({name: uses[name] for name in ("", "plain") if uses[name]}))


def prepare_key(*, actor: Actor, purpose: str) -> keyring.Key:
    """Add a key that seals nothing yet, to be handed to every machine before it is made active.

    Raises:
        InvalidInput: no such purpose.
        Conflict: one is pending already.
    """
    require(actor, "keys.manage")
    require_proof(actor)
    ensure_ring()
    check_purpose(purpose)
    with store.changing(), transaction.atomic():
        ring = keyring.load()
        if any(key.state is keyring.State.PENDING for key in ring.of(purpose)):
            raise Conflict(f"A key for '{purpose}' is pending already.", remedy="Make it active: keys rotate.")
        key = keyring.new_key(purpose, state=keyring.State.PENDING)
        audit.record(actor, "key.prepared", after={"key": key.id, "purpose": purpose})
        keyring.replace(ring.with_key(key))
        note_keys()
    return key


def rotate_key(*, actor: Actor, purpose: str) -> tuple[keyring.Key, Rewrap | None]:
    """Let another key seal from now on; the present one still opens what it sealed.

    Args:
        actor: needs "keys.manage".
        purpose: one of `keyring.PURPOSES`.

    Returns:
        the new key, and the job that seals the secrets anew where that is possible.

    Raises:
        InvalidInput: no such purpose.
        StorageFull, RingProblem: the keyring cannot be written; nothing was changed.
    """
    require(actor, "keys.manage")
    require_proof(actor)
    ensure_ring()
    check_purpose(purpose)
    with store.changing(), transaction.atomic():
        ring, fresh = rotated(keyring.load(), purpose)
        job = _start_job(actor) if purpose in RESEALED and ring.stage != "expand" else None
        audit.record(actor, "key.rotated", after={"key": fresh.id, "purpose": purpose})
        keyring.replace(ring)
        note_keys()
    return fresh, job


def rotated(ring: keyring.Ring, purpose: str) -> tuple[keyring.Ring, keyring.Key]:
    """A keyring with another active key of a purpose: the pending one where there is one, else a new one."""
    pending = [key for key in ring.of(purpose) if key.state is keyring.State.PENDING]
    fresh = keyring.new_key(purpose)
    if pending:
        # Its time begins now and not when it was prepared.
        fresh = dataclasses.replace(pending[0], state=keyring.State.ACTIVE, rotate_by=fresh.rotate_by)
    for key in ring.of(purpose):
        if key.state is keyring.State.ACTIVE:
            ring = ring.with_key(dataclasses.replace(key, state=keyring.State.DECRYPT_ONLY))
    return ring.with_key(fresh), fresh


def retire_key(*, actor: Actor, key_id: str, dry_run: bool = False) -> KeyState:
    """Destroy a key that nothing needs any more. Its id stays, so that what it sealed in old backups can be named.

    Args:
        actor: needs "keys.manage".
        key_id: which.
        dry_run: only say whether it could be done.

    Raises:
        NotFound: there is no such key.
        Conflict: it is active, or something needs it.
    """
    require(actor, "keys.manage")
    require_proof(actor)
    with store.changing(), transaction.atomic():
        ring = keyring.load()
        state = next((each for each in inventory(actor=actor).keys if each.key.id == key_id), None)
        if state is None or state.key.state is keyring.State.DESTROYED:
            raise NotFound(f"There is no key {key_id}.")
        if state.key.state is keyring.State.ACTIVE:
            raise Conflict(f"The key {key_id} is active.", remedy=f"Replace it first: keys rotate {state.key.purpose}.")
        if state.uses:
            raise Conflict(
                f"{state.uses} things need the key {key_id}.",
                remedy="Seal secrets anew first (keys rewrap). Files, events and checkpoints keep the key that they have.",
            )
        if not dry_run:
            audit.record(actor, "key.destroyed", after={"key": key_id, "purpose": state.key.purpose})
            gone = dataclasses.replace(state.key, state=keyring.State.DESTROYED, material=b"", wrapped="")
            keyring.replace(ring.with_key(gone))
            note_keys()
    return state


def change_provider(*, actor: Actor, provider: str) -> keyring.Ring:
    """Have the keys wrapped by another key service, or by none.

    Raises:
        InvalidInput: no such provider.
        RingProblem: the service refuses; nothing was changed.
    """
    require(actor, "keys.manage")
    require_proof(actor)
    if provider not in providers.PROVIDERS:
        raise InvalidInput(
            f"'{provider}' is not a key provider.", field="provider", remedy=f"Use {', '.join(providers.PROVIDERS)}."
        )
    with store.changing(), transaction.atomic():
        ring = keyring.load()
        keys = {key.id: dataclasses.replace(key, wrapped="") for key in ring.keys.values()}
        audit.record(actor, "key.provider_changed", before={"provider": ring.provider}, after={"provider": provider})
        keyring.replace(dataclasses.replace(ring, keys=keys, provider=provider))
    return keyring.load()


# ---------------------------------------------------------------- sealing anew
def request_rewrap(*, actor: Actor) -> Rewrap:
    """Have every secret sealed with the present key, the older form and clear files included.

    After this the version before the keyring cannot read them any more: start it when you will not go back.

    Raises:
        PermissionDenied: the actor may not.
        Conflict: a job is running already.
    """
    require(actor, "keys.manage")
    require_proof(actor)
    with store.changing(), transaction.atomic():
        job = _start_job(actor)
        ring = keyring.load()
        audit.record(actor, "key.rewrap_requested", obj=job, after={"stage": ring.stage})
        if ring.stage == "expand":
            keyring.replace(dataclasses.replace(_with_older_file_key(ring), stage="migrate"))
            note_keys()
    return job


def _with_older_file_key(ring: keyring.Ring) -> keyring.Ring:
    """With the key for files that the version before made after this keyring was."""
    older = store.older_file_key(Path(settings.DATA_DIR))
    if older is None or document.id_of("file", older) in ring.keys:
        return ring
    key = keyring.new_key("file", material=older, state=keyring.State.DECRYPT_ONLY)
    return ring.with_key(key)


def _start_job(actor: Actor) -> Rewrap:
    if Rewrap.objects.exclude(state__in=Rewrap.FINAL_STATES).exists():
        raise Conflict("Secrets are being sealed anew at this moment.", remedy="Wait until that is done.")
    job = Rewrap.objects.create(requested_by=actor.user)
    enqueue("users.rewrap_secrets", job_id=str(job.pk))
    return job


def sweep_rewraps() -> int:
    """Wake a job whose message or worker was lost. Returns how many."""
    patience = timezone.now() - dt.timedelta(seconds=15)
    ids = list(Rewrap.objects.claimable().filter(queued_at__lt=patience).values_list("pk", flat=True)[:5])
    for each in ids:
        enqueue("users.rewrap_secrets", job_id=str(each))
    return len(ids)


def run_rewrap(job_id: uuid.UUID) -> None:
    """Seal everything anew, from where the job was left. Quiet when somebody else is at it."""
    fence = Rewrap.objects.claim(job_id, lease=LEASE, to_state="running")
    if fence is None:
        return
    job = Rewrap.objects.get(pk=job_id)
    held = Rewrap.objects.held(job_id, fence=fence)
    if job.attempts > MAX_ATTEMPTS:
        held.update(state="failed", lease_until=None, finished_at=timezone.now(), error="It has ended its worker.")
        return
    todo = key_places.places()
    names = [place.name for place in todo]
    if job.place not in names:
        held.update(total=sum(place.count() for place in todo), done=0, started_at=timezone.now())
        job.place, job.cursor = names[0], ""
    problems: list[str] = list(job.problems)
    done, changed, cursor = job.done, job.changed, job.cursor
    for place in todo[names.index(job.place) :]:
        while True:
            step = place.step(cursor)
            done, changed, cursor = done + step.done, changed + step.changed, step.cursor
            problems = [*problems, *step.problems][:KEPT_PROBLEMS]
            progress: dict[str, Any] = {"place": place.name, "cursor": cursor, "done": done, "changed": changed}
            if not cursor:
                after = names.index(place.name) + 1
                progress |= {"place": names[after] if after < len(names) else place.name}
            if not held.update(**progress, problems=problems, lease_until=timezone.now() + LEASE):
                return
            if not cursor:
                break
    _finish(held, problems)


def _finish(held: Any, problems: list[str]) -> None:
    if problems:
        fields = {"state": "failed", "error": f"{len(problems)} secrets could not be opened; set them anew."}
    else:
        fields = {"state": "succeeded", "error": ""}
        if keyring.load().stage == "migrate":
            left = key_places.uses()
            if not left[""] and not left["plain"]:
                with store.changing():
                    keyring.replace(dataclasses.replace(keyring.load(), stage="contract"))
    held.update(**fields, lease_until=None, finished_at=timezone.now())


def rewraps_for(actor: Actor) -> Any:
    """All jobs, newest first. Needs "keys.read"."""
    require(actor, "keys.read")
    return Rewrap.objects.all()


def get_rewrap(*, actor: Actor, job_id: uuid.UUID | str) -> Rewrap:
    """One job.

    Raises:
        NotFound: there is none.
    """
    found: Rewrap | None = rewraps_for(actor).filter(pk=job_id).first()
    if found is None:
        raise NotFound("There is no such job.")
    return found


def check_purpose(purpose: str) -> None:
    """Refuse a purpose that there is not.

    Raises:
        InvalidInput: which there are.
    """
    if purpose not in keyring.PURPOSES:
        raise InvalidInput(
            f"'{purpose[:20]}' is not a purpose.", field="purpose", remedy=f"Use {', '.join(keyring.PURPOSES)}."
        )
