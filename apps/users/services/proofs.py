"""Makes proof packs: one of each month that is over, by the schedule; one of the present month when somebody asks.

The row is the job. It exists once for a month, whoever asks and however often, and is made again only while it has not
succeeded; after a pause of the portal the schedule makes those of the months that it missed.
"""

from __future__ import annotations

import datetime as dt
import logging
import re
import uuid
from typing import Any

from django.db import IntegrityError, transaction
from django.utils import timezone

from aiwriter import __version__
from aiwriter.core import keyring, ledger, proofpack
from aiwriter.core.errors import AppError, Conflict, InvalidInput, NotFound
from aiwriter.core.queue import enqueue
from apps.users.models import AuditCheckpoint, ProofPack
from apps.users.selectors.access import Actor
from apps.users.selectors.proofs import get_pack, require_reader
from apps.users.services import audit, ledger_sealing, proof_parts
from apps.users.services.keys import installed_key
from apps.users.services.ledger_checks import trusted
from apps.users.services.notifications import tell_auditors

logger = logging.getLogger(__name__)

LEASE = dt.timedelta(minutes=10)
PATIENCE = dt.timedelta(seconds=30)
MAX_ATTEMPTS = 5
# What was missed is made up for so many months back.
MONTHS_BACK = 12
ACTOR = Actor.system_actor("proof packs")
PAGE = "/admin/users/proofpack/"
README = """What this portal shows about one month, signed.

manifest.json   names every file with its SHA-256, says what is absent and why, and is signed (Ed25519)
record/         the newest signed checkpoint of the audit record, and what its verifications found
reviews/        the signed evidence of every access review that was ended in the month
drills.json     rehearsed restores of backups: what was lost until then, and how long they took
keys.json       the keyring without its keys, and every rotation in the month
retention.json  the oldest row of each table that has a limit
tests/          what the tests of the installed release said, and the same by requirement of OWASP ASVS
sbom.cdx.json   every part of the installed release (CycloneDX)

Verify it without the portal: python verify_proof.py FILE --key ID=PUBLIC-KEY (deploy/rescue of the product).
The public key comes from `manage.py audit public-keys`, fetched by another way than this file.
"""


def request_pack(*, actor: Actor, month: str = "") -> ProofPack:
    """Ask for a pack.

    Args:
        actor: who reads the audit record, reviews, keys and backups.
        month: "2026-11"; the present one when left out, until now. One that failed is made again.

    Raises:
        PermissionDenied: the actor may not.
        InvalidInput: it is no month, or one that is still to come.
        Conflict: the file of that month is there, or is being made.
    """
    require_reader(actor)
    first = month_of(month)
    whole = _after(first) <= timezone.now()
    with transaction.atomic():
        pack = _renewed(first) if whole else None
        if pack is None:
            try:
                with transaction.atomic():
                    pack = ProofPack.objects.create(month=first, whole=whole, requested_by=actor.user)
            except IntegrityError:
                raise _taken(first, whole) from None
        audit.record(actor, "proof_pack.requested", obj=pack, after={"month": str(pack), "whole": whole})
        enqueue("users.make_proof_pack", pack_id=str(pack.pk))
    return pack


def _taken(first: dt.date, whole: bool) -> Conflict:
    if whole and ProofPack.objects.filter(month=first, whole=True, state="done").exists():
        return Conflict(f"The file of {first:%Y-%m} is there; a month has one.", remedy="Download it.", field="month")
    return Conflict(f"The file of {first:%Y-%m} is being made.", remedy="Wait until it is done.", field="month")


def _renewed(first: dt.date) -> ProofPack | None:
    """The failed pack of a month, waiting again."""
    failed = ProofPack.objects.filter(month=first, whole=True, state="failed")
    if not failed.update(state="queued", attempts=0, queued_at=timezone.now(), error="", remedy="", finished_at=None):
        return None
    return ProofPack.objects.defer("content").get(month=first, whole=True)


def month_of(text: str) -> dt.date:
    """The first day of a month that has begun.

    Raises:
        InvalidInput: it is no month, or still to come.
    """
    now = timezone.now().astimezone(dt.UTC)
    if not text:
        return dt.date(now.year, now.month, 1)
    match = re.fullmatch(r"(\d{4})-(\d{2})", text.strip(), re.ASCII)
    if match is None or not (2000 <= int(match[1]) <= 9000 and 1 <= int(match[2]) <= 12):
        raise InvalidInput(f"'{text[:20]}' is no month.", field="month", remedy="Write it as 2026-11.")
    first = dt.date(int(match[1]), int(match[2]), 1)
    if _moment(first) > now:
        raise InvalidInput(f"{first:%Y-%m} is still to come.", field="month", remedy="Choose one that has begun.")
    return first


def _moment(day: dt.date) -> dt.datetime:
    return dt.datetime(day.year, day.month, day.day, tzinfo=dt.UTC)


def _after(first: dt.date) -> dt.datetime:
    """When a month is over."""
    return _moment(dt.date(first.year + first.month // 12, first.month % 12 + 1, 1))


def sweep_packs() -> int:
    """Begin the packs of months that are over, and wake those whose message or worker was lost. Returns how many."""
    done = sum(_begin(first) for first in _missed())
    before = timezone.now() - PATIENCE
    ids = list(ProofPack.objects.claimable().filter(queued_at__lt=before).values_list("pk", flat=True)[:5])
    for each in ids:
        enqueue("users.make_proof_pack", pack_id=str(each))
    return done + len(ids)


def _missed() -> list[dt.date]:
    """Months that are over, in which the portal had a record, and that have no pack yet; oldest first."""
    began = AuditCheckpoint.objects.order_by("created_at").values_list("created_at", flat=True).first()
    if began is None:
        return []
    now, wanted = timezone.now().astimezone(dt.UTC), []
    first = dt.date(now.year, now.month, 1)
    for _back in range(MONTHS_BACK):
        first = (first - dt.timedelta(days=1)).replace(day=1)
        if _after(first) <= began:
            break
        wanted.append(first)
    there = set(ProofPack.objects.filter(whole=True, month__in=wanted).values_list("month", flat=True))
    return sorted(set(wanted) - there)


def _begin(first: dt.date) -> int:
    try:
        with transaction.atomic():
            pack = ProofPack.objects.create(month=first)
            enqueue("users.make_proof_pack", pack_id=str(pack.pk))
    except IntegrityError:
        # Another scheduler was faster.
        return 0
    return 1


def run_pack(pack_id: uuid.UUID) -> None:
    """Make a pack. Quiet when it is there or somebody else is at it."""
    fence = ProofPack.objects.claim(pack_id, lease=LEASE, to_state="running")
    if fence is None:
        return
    row = ProofPack.objects.defer("content").get(pk=pack_id)
    held = ProofPack.objects.held(pack_id, fence=fence)
    held.filter(started_at=None).update(started_at=timezone.now())
    try:
        if row.attempts > MAX_ATTEMPTS:
            raise Conflict(f"It has ended the worker {MAX_ATTEMPTS} times.", remedy="Look at the worker's log.")
        fields = _made(row)
    except AppError as error:
        _fail(row, held, error.message, error.remedy)
        return
    except Exception:
        # The row stays held: when the lease is over the sweeper has it tried again.
        logger.exception("The proof pack %s could not be made.", pack_id)
        held.update(lease_until=timezone.now() + dt.timedelta(minutes=1))
        return
    with transaction.atomic():
        if not held.update(state="done", lease_until=None, finished_at=timezone.now(), error="", remedy="", **fields):
            return
        after = {"month": str(row), "whole": row.whole, "sha256": fields["sha256"], "key": fields["key_id"]}
        audit.record(ACTOR, "proof_pack.made", obj=row, after=after)
        tell_auditors("proof_pack.made", f"The proof pack of {row} is there", "", f"{PAGE}{row.pk}/change/")


def _fail(row: ProofPack, held: Any, error: str, remedy: str) -> None:
    with transaction.atomic():
        ended = {"state": "failed", "lease_until": None, "finished_at": timezone.now()}
        if held.update(**ended, error=error, remedy=remedy):
            audit.record(ACTOR, "proof_pack.made", obj=row, outcome="failed", reason=error, after={"month": str(row)})
            tell_auditors("proof_pack.failed", f"The proof pack of {row} failed", error, f"{PAGE}{row.pk}/change/")


def _made(row: ProofPack) -> dict[str, Any]:
    """Everything that a finished row has."""
    key = installed_key("checkpoint")
    ledger_sealing.seal_pending()
    ledger_sealing.make_checkpoint(reason="proof pack")
    now = timezone.now()
    period = proof_parts.Period(since=_moment(row.month), until=min(_after(row.month), now), made_at=now)
    parts = [make(period) for make in proof_parts.parts()]
    shown = [
        {"name": each.name, "present": each.present, "says": each.says, "files": sorted(each.files)} for each in parts
    ]
    document = {
        "month": str(row),
        "whole": row.whole,
        "since": period.since.isoformat(),
        "until": period.until.isoformat(timespec="seconds"),
        "made_at": now.isoformat(timespec="seconds"),
        "product": "ai-writer",
        "version": __version__,
        "ledger": AuditCheckpoint.objects.order_by("-seq").values_list("ledger", flat=True).first() or "",
        "parts": shown,
        "key_id": key.id,
        "public_key": ledger.public_key(key.material),
        # Keys of before signed what lies inside; this signature answers for them.
        "signers": trusted(),
    }
    files = {name: content for each in parts for name, content in each.files.items()}
    content = proofpack.write(document, {"README.txt": README.encode(), **files}, key.material)
    if len(content) > proofpack.LARGEST:
        raise Conflict(
            f"The pack would have {len(content) // 2**20} MiB.",
            remedy="Look which files of test results are so large; see AIWRITER_RELEASE_FILES.",
        )
    return {
        "content": content,
        "size": len(content),
        "sha256": proof_parts.sha256(content),
        "key_id": key.id,
        "parts": shown,
        "made_at": now,
    }


def read_file(*, actor: Actor, pack_id: uuid.UUID | str) -> tuple[ProofPack, bytes]:
    """The file of a pack. That it was taken is recorded.

    Raises:
        NotFound: there is none, or it is not made yet.
    """
    pack = get_pack(actor=actor, pack_id=pack_id)
    if pack.state != ProofPack.State.DONE:
        raise NotFound("This proof pack is not made yet.", remedy="Wait until it is signed.")
    audit.record(actor, "proof_pack.downloaded", obj=pack, after={"month": str(pack), "sha256": pack.sha256})
    return pack, bytes(pack.content)


def verify_file(content: bytes, keys: dict[str, str] | None = None) -> proofpack.Verdict:
    """Judge a file with given public keys, or with those of this installation's keyring."""
    if keys is None:
        keys = trusted() if keyring.exists() else {}
    return proofpack.judge(content, keys)
