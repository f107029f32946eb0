"""The states of a deployment and the ways between them. One function changes a state, and it knows these ways only."""

from __future__ import annotations

from enum import StrEnum

from aw_deployd.errors import Refused


class State(StrEnum):
    """Where a deployment stands."""

    PLANNED = "planned"
    GATING = "gating"
    PREPARING = "preparing"
    STARTING = "starting"
    SMOKING = "smoking"
    SHIFTING = "shifting"
    ANALYSING = "analysing"
    PAUSED = "paused"
    PROMOTING = "promoting"
    SWAPPING = "swapping_workers"
    BAKING = "baking"
    FINALISING = "finalising"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    ROLLING_BACK = "rolling_back"
    ROLLED_BACK = "rolled_back"
    ROLLBACK_FAILED = "rollback_failed"


S = State
FINAL = frozenset({S.SUCCEEDED, S.FAILED, S.ROLLED_BACK, S.ROLLBACK_FAILED})
# No request has gone to the new version yet: what fails here leaves the old one untouched.
BEFORE_TRAFFIC = frozenset({S.PLANNED, S.GATING, S.PREPARING, S.STARTING, S.SMOKING})
_FORWARD: dict[State, frozenset[State]] = {
    S.PLANNED: frozenset({S.GATING}),
    S.GATING: frozenset({S.PREPARING}),
    S.PREPARING: frozenset({S.STARTING, S.FINALISING}),
    S.STARTING: frozenset({S.SMOKING}),
    S.SMOKING: frozenset({S.SHIFTING, S.PROMOTING}),
    S.SHIFTING: frozenset({S.ANALYSING, S.PROMOTING}),
    S.ANALYSING: frozenset({S.SHIFTING, S.PAUSED, S.PROMOTING}),
    S.PAUSED: frozenset({S.ANALYSING}),
    S.PROMOTING: frozenset({S.SWAPPING}),
    S.SWAPPING: frozenset({S.BAKING}),
    S.BAKING: frozenset({S.FINALISING}),
    S.FINALISING: frozenset({S.SUCCEEDED}),
    S.ROLLING_BACK: frozenset({S.ROLLED_BACK, S.ROLLBACK_FAILED}),
}


def allowed(state: State) -> frozenset[State]:
    """Where a deployment may go from here. Whatever is not final may be ended: by failing, or by going back."""
    if state in FINAL:
        return frozenset()
    if state is S.ROLLING_BACK:
        return _FORWARD[state]
    back = S.FAILED if state in BEFORE_TRAFFIC else S.ROLLING_BACK
    # A recreate stops the old version while it prepares, so it goes back from there as well.
    return _FORWARD[state] | {back, S.ROLLING_BACK}


def check(old: State, new: State) -> None:
    """Refuse a way that does not exist.

    Raises:
        Refused: with both names.
    """
    if new not in allowed(old):
        raise Refused(f"A deployment that is {old} cannot become {new}.")
