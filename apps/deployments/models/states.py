"""The states of a deployment and the ways between them: the one table that `services.transitions.move` obeys.

Up to `queued` the console alone knows of it; from `gating` on the agent works, and the console repeats what it reports.
The agent's own table (`aw_deployd.machine`) has the same ways, which a test compares.
"""

from __future__ import annotations

from django.db import models


class State(models.TextChoices):
    """Where a deployment stands."""

    PLANNED = "planned", "Planned"
    AWAITING = "awaiting_approval", "Waits for agreement"
    QUEUED = "queued", "Waits for the agent"
    DELEGATED = "delegated", "In the hands of the cluster's controller"
    GATING = "gating", "Being checked by the agent"
    PREPARING = "preparing", "Database is prepared"
    STARTING = "starting", "New version starts"
    SMOKING = "smoking", "New version is tried"
    SHIFTING = "shifting", "People are sent to it"
    ANALYSING = "analysing", "Being judged"
    PAUSED = "paused", "Paused: a person decides"
    PROMOTING = "promoting", "Everybody is sent to it"
    SWAPPING = "swapping_workers", "Workers are exchanged"
    BAKING = "baking", "Old version stands by"
    FINALISING = "finalising", "Old version is put away"
    ROLLING_BACK = "rolling_back", "Goes back"
    SUCCEEDED = "succeeded", "Succeeded"
    FAILED = "failed", "Failed before anybody saw it"
    ROLLED_BACK = "rolled_back", "Went back"
    ROLLBACK_FAILED = "rollback_failed", "Going back failed"
    WITHDRAWN = "withdrawn", "Withdrawn"


S = State
FINAL = frozenset({S.SUCCEEDED, S.FAILED, S.ROLLED_BACK, S.ROLLBACK_FAILED, S.WITHDRAWN})
# Nobody but the console knows of it: it can be thrown away without a word to the agent.
BEFORE_AGENT = frozenset({S.PLANNED, S.AWAITING, S.QUEUED})
# No request has gone to the new version: what fails leaves the old one untouched.
BEFORE_TRAFFIC = frozenset({*BEFORE_AGENT, S.GATING, S.PREPARING, S.STARTING, S.SMOKING})
_FORWARD: dict[State, frozenset[State]] = {
    S.PLANNED: frozenset({S.AWAITING, S.QUEUED}),
    S.AWAITING: frozenset({S.QUEUED}),
    S.QUEUED: frozenset({S.GATING, S.DELEGATED}),
    # What a controller does in between it does not tell; how it ended it does.
    S.DELEGATED: frozenset({S.SUCCEEDED, S.ROLLED_BACK}),
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


def allowed(state: State | str) -> frozenset[State]:
    """Where a deployment may go from here. Whatever is not final may be ended: withdrawn, failed or taken back."""
    here = State(state)
    if here in FINAL:
        return frozenset()
    if here == S.ROLLING_BACK:
        return _FORWARD[here]
    if here in BEFORE_AGENT:
        # A queued plan may be refused by the agent: it is too old, or for another environment.
        return _FORWARD[here] | {S.WITHDRAWN} | ({S.FAILED} if here == S.QUEUED else set())
    ends = {S.ROLLING_BACK} | ({S.FAILED} if here in BEFORE_TRAFFIC else set())
    return _FORWARD[here] | ends
