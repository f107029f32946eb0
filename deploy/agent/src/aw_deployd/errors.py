"""What the agent says when it cannot do something: the problem and the remedy."""

from __future__ import annotations


class DeployError(Exception):
    """A step failed or was refused.

    Args:
        message: the problem.
        remedy: what to do about it.
    """

    def __init__(self, message: str, remedy: str = "") -> None:
        super().__init__(f"{message} {remedy}".strip())
        self.message, self.remedy = message, remedy


class Refused(DeployError):
    """Something must not be done; nothing was changed."""


class Stale(Refused):
    """Somebody with a higher fencing number has taken over."""
