"""The chain of the audit record: how an event is sealed, and how a record is verified, with or without a database.

Each event has a number, the hash of the one before, and a hash of its own: HMAC-SHA256 with a key of the keyring over
everything that it says. Beside the hash runs a root, SHA-256 over the same bytes and the root before, which needs no key.
Checkpoints sign number, hash and root with Ed25519. So whoever has the keyring finds each changed event by its number, and
whoever has only the public key finds that something before a checkpoint was changed.
"""

from aiwriter.core.ledger.chain import (
    COLUMNS,
    FACTS,
    FORM,
    GENESIS,
    Row,
    canonical,
    hash_of,
    jsonable,
    mac,
    root_of,
)
from aiwriter.core.ledger.checkpoints import (
    Checkpoint,
    checkpoint_from,
    is_document_signed,
    is_signed,
    public_key,
    sign,
    sign_document,
)
from aiwriter.core.ledger.files import NotAnExport, line_of, rows_of
from aiwriter.core.ledger.reports import Finding, Report, Start
from aiwriter.core.ledger.verifying import Verifier

__all__ = [
    "COLUMNS",
    "FACTS",
    "FORM",
    "GENESIS",
    "Checkpoint",
    "Finding",
    "NotAnExport",
    "Report",
    "Row",
    "Start",
    "Verifier",
    "canonical",
    "checkpoint_from",
    "hash_of",
    "is_document_signed",
    "is_signed",
    "jsonable",
    "line_of",
    "mac",
    "public_key",
    "root_of",
    "rows_of",
    "sign",
    "sign_document",
]
