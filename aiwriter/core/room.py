"""Keeping the last of the disk for what must go on: sign-ins, the audit, and saving a text.

Uploads and exports end before the disk is full, so that what is small and matters still fits. The health check `disk` fails
at the same share, long after it has warned; of a disk above 100 GiB earlier than files are refused.
"""

from __future__ import annotations

import shutil

from django.conf import settings

from aiwriter.core.errors import StorageFull

SHARE = 0.02
# Of a large disk two per cent would be a lot to leave empty.
MOST_BYTES = 2 * 2**30


def require_room() -> None:
    """Refuse to store a file when the disk of the data folder is nearly full.

    Raises:
        StorageFull: less than 2 % is left, and less than 2 GiB. Nothing was changed.
    """
    try:
        usage = shutil.disk_usage(settings.DATA_DIR)
    except OSError:
        return  # whoever writes there says better what is wrong
    if usage.free < min(usage.total * SHARE, MOST_BYTES):
        raise StorageFull(
            f"Less than {SHARE:.0%} of the server's disk is free ({usage.free / 2**20:.0f} MiB); files are not taken any more.",
            field="file",
            remedy="Ask the operator for space. Texts can still be saved.",
        )
