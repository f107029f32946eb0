"""The repository that backups lie in: encrypted, deduplicated, append-only. Pure Python, knows nothing of the portal.

`docs/operators/backup-format.md` describes the format; `deploy/rescue/restore.py` reads it without any of this.
"""

from apps.backups.repository.control import Control
from apps.backups.repository.copying import Comparison, CopyReport, compare, copy, mend_from
from apps.backups.repository.errors import RepositoryError, Stopped
from apps.backups.repository.keys import fingerprint, make_identity, parse_identity, parse_recipient, recipient_of
from apps.backups.repository.pruning import PruneReport, prune, undrop
from apps.backups.repository.reader import SetReader
from apps.backups.repository.repository import Repository
from apps.backups.repository.rotation import ReencryptReport, reencrypt, rewrap
from apps.backups.repository.sets import Entry, SetInfo
from apps.backups.repository.store import FolderStore, ObjectStore
from apps.backups.repository.verifying import Problem, Report, losses, verify_cheap, verify_deep
from apps.backups.repository.writer import SetWriter

__all__ = [
    "Comparison",
    "Control",
    "CopyReport",
    "Entry",
    "FolderStore",
    "ObjectStore",
    "Problem",
    "PruneReport",
    "ReencryptReport",
    "Report",
    "Repository",
    "RepositoryError",
    "SetInfo",
    "SetReader",
    "SetWriter",
    "Stopped",
    "compare",
    "copy",
    "fingerprint",
    "losses",
    "make_identity",
    "mend_from",
    "parse_identity",
    "parse_recipient",
    "prune",
    "recipient_of",
    "reencrypt",
    "rewrap",
    "undrop",
    "verify_cheap",
    "verify_deep",
]
