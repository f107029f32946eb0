"""What a deployment will do, frozen and signed before it begins. Verbs and numbers only: no command of anybody's wording."""

from __future__ import annotations

import base64
import json
import re
import time
import uuid
from dataclasses import asdict, dataclass, field
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from aw_deployd.errors import Refused

FORMAT = 1
STRATEGIES = ("recreate", "rolling", "blue_green", "canary", "rollback", "contract")
ON_LOST = ("resume", "rollback", "hold")
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")


@dataclass(frozen=True, slots=True)
class Stage:
    """A step of a canary.

    Args:
        share: percent of the people.
        min_seconds, max_seconds: how long it lasts.
        min_samples: requests that a verdict needs.
    """

    share: int
    min_seconds: float = 60.0
    max_seconds: float = 600.0
    min_samples: int = 40


@dataclass(frozen=True, slots=True)
class Plan:
    """A deployment, decided.

    Args:
        environment: of which agent.
        fence: grows with each plan of an environment; an older plan is refused.
        release: version to go to.
        from_release: version that serves now; "" for the first.
        digest: of the release, "" where the release has none.
        stages: of a canary.
        bake_seconds: how long the old version is kept after all requests go to the new one.
        keep_old: leave the old version running without requests, so that going back takes a moment.
        probes: how many probes a second each version gets while it is judged.
        on_lost: what an agent does that finds a deployment which nobody has worked on for `lost_seconds`.
        expires_at: seconds since 1970; later the plan is refused.
    """

    environment: str
    fence: int
    release: str
    strategy: str
    from_release: str = ""
    digest: str = ""
    id: str = field(default_factory=lambda: str(uuid.uuid4()))
    stages: tuple[Stage, ...] = ()
    bake_seconds: float = 30.0
    keep_old: bool = True
    workers: bool = True
    rehearse: bool = True
    probes: float = 2.0
    dry_run: bool = False
    on_lost: str = "resume"
    lost_seconds: float = 60.0
    requester: str = ""
    expires_at: float = field(default_factory=lambda: time.time() + 86400)
    format: int = FORMAT

    def __post_init__(self) -> None:
        """Refuse what cannot be meant.

        Raises:
            Refused: with the field and the remedy.
        """
        for name in ("environment", "release", "from_release"):
            value = getattr(self, name)
            if not (name == "from_release" and value == "") and not _NAME.fullmatch(value):
                raise Refused(f"{name} is '{value[:70]}'.", "Use letters, digits, dots and dashes.")
        if self.format != FORMAT:
            raise Refused(f"format is {self.format}.", f"This agent reads format {FORMAT}.")
        if self.strategy not in STRATEGIES:
            raise Refused(f"strategy is '{self.strategy}'.", f"Use one of: {', '.join(STRATEGIES)}.")
        if self.on_lost not in ON_LOST:
            raise Refused(f"on_lost is '{self.on_lost}'.", f"Use one of: {', '.join(ON_LOST)}.")
        shares = [stage.share for stage in self.stages]
        if self.strategy == "canary" and not shares:
            raise Refused("A canary has no stages.", "Name at least one share, such as 5.")
        if shares != sorted(set(shares)) or not all(1 <= share <= 99 for share in shares):
            raise Refused(f"The shares of the stages are {shares}.", "Let them grow, from 1 to 99.")
        if any(stage.max_seconds < stage.min_seconds or stage.min_samples < 1 for stage in self.stages):
            raise Refused(
                "A stage ends before it may pass, or needs no samples.", "Correct max_seconds and min_samples."
            )
        if not 0 <= self.probes <= 20:
            raise Refused(f"probes is {self.probes}.", "Use 0 to 20 a second.")

    def text(self) -> bytes:
        """The one spelling that is signed."""
        return json.dumps(asdict(self), sort_keys=True, separators=(",", ":")).encode()


def read(data: bytes | str) -> Plan:
    """A plan from its JSON.

    Raises:
        Refused: it is none.
    """
    try:
        values: dict[str, Any] = json.loads(data)
        values["stages"] = tuple(Stage(**stage) for stage in values.get("stages", ()))
        return Plan(**values)
    except (ValueError, TypeError, AttributeError) as error:
        raise Refused(f"The plan cannot be read: {error}.", "Make it with aw-deployd plan.") from error


def new_key() -> tuple[str, str]:
    """A private and a public key for plans, as text."""
    key = Ed25519PrivateKey.generate()
    return _text(key.private_bytes_raw()), _text(key.public_key().public_bytes_raw())


def sign(plan: Plan, private: str) -> str:
    """The signature, as text."""
    return _text(Ed25519PrivateKey.from_private_bytes(_bytes(private)).sign(plan.text()))


def verify(plan: Plan, signature: str, trusted: list[str]) -> str:
    """The trusted key that signed the plan.

    Raises:
        Refused: none did, or the plan is too old.
    """
    if time.time() > plan.expires_at:
        raise Refused("The plan has expired.", "Make a new one.")
    for public in trusted:
        try:
            Ed25519PublicKey.from_public_bytes(_bytes(public)).verify(_bytes(signature), plan.text())
        except (InvalidSignature, ValueError):
            continue
        return public
    raise Refused("No trusted key has signed this plan.", "Sign it, or add the key to trusted_keys of the environment.")


def _text(data: bytes) -> str:
    return base64.b64encode(data).decode("ascii")


def _bytes(text: str) -> bytes:
    return base64.b64decode(text, validate=True)
