"""The clock of this machine, beside the times that the repository bears."""

from __future__ import annotations

from collections.abc import Collection
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from apps.backups.repository.errors import ClockSkew
from apps.backups.repository.marks import COMMIT_MARGIN
from apps.backups.repository.sets import PLACE, moment_of

if TYPE_CHECKING:
    from apps.backups.repository.repository import Repository


def later_sets(repository: Repository) -> list[str]:
    """Sets that bear a time which has not come yet, by this machine's clock. Only names are looked at."""
    border = datetime.now(UTC) + COMMIT_MARGIN
    hidden = {set_id for doom in repository.marks.dooms() for set_id in doom.sets}
    found = (name.removeprefix(PLACE) for name in repository.records.names(PLACE))
    return [each for each in found if each not in hidden and (moment_of(each) or border) > border]


def require_clock(repository: Repository, *, without: Collection[str] = ()) -> None:
    """Refuse to go on by a clock that stands before a set which is there.

    A set that is older by name than the one before it would be taken for that one's predecessor, and a grace that is
    counted by such a clock is no grace.

    Args:
        without: sets that do not count, since they are to go.

    Raises:
        ClockSkew: with both times.
    """
    later = sorted(set(later_sets(repository)) - set(without))
    if not later:
        return
    now, then = datetime.now(UTC), moment_of(later[-1])
    hours = (then - now).total_seconds() / 3600 if then else 0.0
    raise ClockSkew(
        f"By this machine's clock it is {now:%Y-%m-%d %H:%M} UTC, and the newest set, {later[-1]}, was begun "
        f"{hours:,.1f} hours later than that.",
        remedy="Set the clock of this machine. If it is right, the set was written while a clock was not: remove it "
        "with `manage.py prune --later-than-now`. Nothing was written.",
    )
