"""Tables of backups."""

from apps.backups.models.delegates import Delegate
from apps.backups.models.destinations import Destination
from apps.backups.models.drills import Drill
from apps.backups.models.jobs import RecoveryJob
from apps.backups.models.pauses import Pause
from apps.backups.models.policies import Policy
from apps.backups.models.restores import Restore
from apps.backups.models.runs import BackupRun
from apps.backups.models.sets import BackupSet
from apps.backups.models.sizes import PlaceSize
from apps.backups.models.staging import StagingCopy, StagingMark

__all__ = [
    "BackupRun",
    "BackupSet",
    "Delegate",
    "Destination",
    "Drill",
    "Pause",
    "PlaceSize",
    "Policy",
    "RecoveryJob",
    "Restore",
    "StagingCopy",
    "StagingMark",
]
