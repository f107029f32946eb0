"""What came of texts by what a flag had answered when they were asked for: errors, time, cost, asked for again."""

from __future__ import annotations

import datetime as dt
import itertools
import uuid
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from statistics import fmean, pvariance
from typing import Any

from django.db.models import Q
from django.utils import timezone

from aiwriter.core.ids import uuid7_from
from apps.backends.models import ModelCall
from apps.content.models import Generation
from apps.deployments.models import Experiment
from apps.deployments.selectors.statistics import Arm, percentile

# A stage is judged by its newest texts; more of them would tell nothing else and take longer to read.
MOST_TEXTS = 5_000
# Who wishes the same again within so long was not content.
AGAIN = dt.timedelta(minutes=30)
_IN_ONE_QUESTION = 400
_DONE = ("succeeded", "failed")
_FIELDS = ("pk", "requested_by_id", "state", "applied_version_id", "created_at", "finished_at", "started_at")


@dataclass(frozen=True, slots=True)
class Text:
    """One generation, as far as it is counted."""

    id: uuid.UUID
    user_id: uuid.UUID | None
    state: str
    kept: bool
    created_at: dt.datetime
    started_at: dt.datetime | None
    finished_at: dt.datetime | None
    variant: str
    wish: str


@dataclass(slots=True)
class _Sums:
    texts: list[Text] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)
    costs: list[float] = field(default_factory=list)
    again: int = 0


def arms(key: str, new: str, old: str, since: dt.datetime) -> tuple[Arm, Arm]:
    """What two variants of a flag did since a moment.

    Args:
        key: of the flag.
        new, old: what it answers with each, as it was noted with the texts.
        since: texts that were asked for then or later.
    """
    found = list(_texts(key, Q(pk__gte=uuid7_from(since)), newest=MOST_TEXTS))
    again, now = asked_again(found), timezone.now()
    sums = {new: _Sums(), old: _Sums()}
    for text in found:
        if text.variant in sums and text.state in _DONE:
            sums[text.variant].texts.append(text)
            sums[text.variant].again += text.id in again
    for one in sums.values():
        _price(one)
    # What is still being written has taken so long already: one that hangs must not hide until it is given up.
    for text in found:
        if text.variant in sums and text.state == "running" and text.started_at:
            so_far = (now - text.started_at).total_seconds() * 1000
            ended = percentile(sums[old].seconds)
            if ended is not None and so_far > ended:
                sums[text.variant].seconds.append(so_far)
    return _arm(sums[new]), _arm(sums[old])


def asked_again(texts: Iterable[Text]) -> set[uuid.UUID]:
    """Those whose wish the same person had again, after they had ended and soon. Candidates asked for at once do not count."""
    by_wish: dict[tuple[uuid.UUID, str], list[Text]] = {}
    for text in texts:
        if text.user_id and text.wish:
            by_wish.setdefault((text.user_id, text.wish), []).append(text)
    found = set()
    for same in by_wish.values():
        same.sort(key=lambda each: each.created_at)
        for first, second in itertools.pairwise(same):
            ended = first.finished_at
            if ended is not None and ended <= second.created_at <= ended + AGAIN:
                found.add(first.id)
    return found


def outcomes(experiment: Experiment, now: dt.datetime | None = None) -> Mapping[str, tuple[int, int]]:
    """For each arm: how many people are counted, and how many of them have what the metric asks for.

    Args:
        experiment: which.
        now: the present when left out.
    """
    moment, window = now or timezone.now(), dt.timedelta(hours=experiment.window_hours)
    ripe = experiment.exposures.filter(at__lte=moment - window).values_list("user_id", "variant", "at")
    arm_of = {user_id: (variant, at) for user_id, variant, at in ripe}
    theirs: dict[uuid.UUID, list[Text]] = {user_id: [] for user_id in arm_of}
    # An exposure is noted just after the text that it came with: a minute before the first is early enough.
    begun = uuid7_from(experiment.started_at - dt.timedelta(minutes=1))
    for text in _texts(experiment.flag.key, Q(pk__gte=begun)):
        if text.user_id in arm_of:
            _variant, at = arm_of[text.user_id]
            if window and text.created_at > at + window:
                continue
            theirs[text.user_id].append(text)
    counted = {experiment.control: [0, 0], experiment.treatment: [0, 0]}
    for user_id, texts in theirs.items():
        one = counted.get(arm_of[user_id][0])
        if one is not None:
            one[0] += 1
            one[1] += _has(experiment.metric, texts)
    return {variant: (n, hit) for variant, (n, hit) in counted.items()}


def _has(metric: str, texts: Sequence[Text]) -> bool:
    if metric == Experiment.Metric.FAILED:
        return any(text.state == "failed" for text in texts)
    if metric == Experiment.Metric.KEPT:
        return any(text.kept for text in texts)
    return bool(asked_again(texts))


def _texts(key: str, which: Q, newest: int = 0) -> Iterator[Text]:
    rows = Generation.objects.filter(which, input__measured__flags__has_key=key).order_by("-pk")
    values = rows.values_list(*_FIELDS, "input__measured")
    for pk, user_id, state, kept, created_at, finished_at, started_at, measured in (
        values[:newest] if newest else values.iterator()
    ):
        said: dict[str, Any] = measured or {}
        yield Text(
            id=pk,
            user_id=user_id,
            state=state,
            kept=kept is not None,
            created_at=created_at,
            started_at=started_at,
            finished_at=finished_at,
            variant=str(said.get("flags", {}).get(key, "")),
            wish=str(said.get("wish", "")),
        )


def _price(sums: _Sums) -> None:
    """Take time and cost from the attempts: what was waited for in the queue is no fault of a variant."""
    done = {f"generation:{text.id}": text for text in sums.texts}
    subjects = list(done)
    for begin in range(0, len(subjects), _IN_ONE_QUESTION):
        asked = subjects[begin : begin + _IN_ONE_QUESTION]
        spent: dict[str, list[tuple[int | None, float | None]]] = {}
        calls = ModelCall.objects.filter(subject__in=asked).order_by()
        for subject, took, cost in calls.values_list("subject", "duration_ms", "cost"):
            spent.setdefault(subject, []).append((took, None if cost is None else float(cost)))
        for subject, attempts in spent.items():
            if done[subject].state == "succeeded":
                sums.seconds.append(float(sum(took or 0 for took, _cost in attempts)))
            if all(cost is not None for _took, cost in attempts):
                sums.costs.append(sum(cost or 0.0 for _took, cost in attempts))


def _arm(sums: _Sums) -> Arm:
    failed = [text for text in sums.texts if text.state == "failed"]
    return Arm(
        n=len(sums.texts),
        errors=len(failed),
        regenerated=sums.again,
        p95_ms=percentile(sums.seconds),
        timed=len(sums.seconds),
        priced=len(sums.costs),
        cost=fmean(sums.costs) if sums.costs else 0.0,
        cost_variance=pvariance(sums.costs) if len(sums.costs) > 1 else 0.0,
        people=len({text.user_id for text in sums.texts if text.user_id}),
        hit=len({text.user_id for text in failed if text.user_id}),
    )
