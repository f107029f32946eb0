"""What can be wrong with the keyring."""

from __future__ import annotations

from aiwriter.core.errors import Unavailable


class RingProblem(Unavailable):
    """The keyring cannot be read, or is not one."""


class RingMissing(RingProblem):
    """There is no keyring where one is expected."""


class KeyMissing(Unavailable):
    """A key that is needed is not in the keyring.

    Args:
        key_id: which.
    """

    def __init__(self, message: str, *, key_id: str = "", remedy: str = "") -> None:
        super().__init__(message, remedy=remedy)
        self.key_id = key_id
