"""The keyring: every key of the installation, by purpose, with an id, a state and a date by which it is to be replaced.

It is one document outside the database (`AIWRITER_KEYRING`, by default `DATA_DIR/keys/keyring.json`), so that a stolen
database opens nothing. Keys lie in it as they are, or wrapped by a key service (`providers`). A key is pending, active,
decrypt-only or destroyed; of each purpose one is active. Texts that are sealed name the key that opens them.
"""

from aiwriter.core.keyring.document import PURPOSES, Key, Purpose, Ring, State, new_key
from aiwriter.core.keyring.errors import KeyMissing, RingMissing, RingProblem
from aiwriter.core.keyring.store import (
    IN_BACKUPS,
    active,
    create,
    exists,
    find,
    load,
    location,
    of_folder,
    replace,
    take_over,
)

__all__ = [
    "IN_BACKUPS",
    "PURPOSES",
    "Key",
    "KeyMissing",
    "Purpose",
    "Ring",
    "RingMissing",
    "RingProblem",
    "State",
    "active",
    "create",
    "exists",
    "find",
    "load",
    "location",
    "new_key",
    "of_folder",
    "replace",
    "take_over",
]
