"""What plots of roll-outs and experiments show, with the numbers of the table beside them."""

from __future__ import annotations

from dataclasses import dataclass

from aiwriter.core.plots import Line
from apps.deployments.models import Experiment, FlagRollout, FlagSample

_MOST_POINTS = 300


@dataclass(frozen=True, slots=True)
class Row:
    """The last sample of a variant in a stage."""

    percent: int
    variant: str
    sample: FlagSample
    error_share: float


def curves(row: FlagRollout) -> list[Line]:
    """Per cent of the texts that failed or were asked for again, by variant over time; a new stage counts anew."""
    lines: dict[tuple[str, str], list[tuple[float, float | None]]] = {}
    stage_of: dict[str, int] = {}
    for sample in row.samples.all():
        at = sample.at.timestamp()
        for name, bad in (("failed", sample.errors), ("asked for again", sample.regenerated)):
            points = lines.setdefault((sample.arm, name), [])
            if stage_of.get(sample.arm, sample.stage) != sample.stage:
                points.append((at, None))
            if sample.n:
                points.append((at, 100.0 * bad / sample.n))
        stage_of[sample.arm] = sample.stage
    names = {"new": row.variant, "old": row.before}
    order = [(arm, name) for name in ("failed", "asked for again") for arm in ("new", "old")]
    return [Line(f"{names[arm]}: {name}, %", _thinned(lines[arm, name])) for arm, name in order if (arm, name) in lines]


def latest(row: FlagRollout) -> list[Row]:
    """The last sample of each stage and variant."""
    newest = {(sample.stage, sample.arm): sample for sample in row.samples.all()}
    percents = {stage.number: stage.percent for stage in row.stages.all()}
    names = {"new": row.variant, "old": row.before}
    return [
        Row(percents.get(stage, 0), names[arm], sample, 100.0 * sample.errors / sample.n if sample.n else 0.0)
        for (stage, arm), sample in sorted(newest.items(), key=lambda each: (each[0][0], each[0][1] == "old"))
    ]


def exposed(row: Experiment) -> list[Line]:
    """People exposed to each arm over time, and how many each arm needs; nothing before the first."""
    counted: dict[str, int] = {}
    lines: dict[str, list[tuple[float, float | None]]] = {row.control: [], row.treatment: []}
    last = row.started_at.timestamp()
    for variant, at in row.exposures.order_by("at").values_list("variant", "at"):
        counted[variant] = counted.get(variant, 0) + 1
        last = max(last, at.timestamp())
        lines.setdefault(variant, []).append((at.timestamp(), float(counted[variant])))
    if not counted:
        return []
    needed: list[tuple[float, float | None]] = [
        (row.started_at.timestamp(), float(row.planned)),
        (last, float(row.planned)),
    ]
    return [*(Line(name, _thinned(points)) for name, points in lines.items()), Line("needed", needed)]


def _thinned(points: list[tuple[float, float | None]]) -> list[tuple[float, float | None]]:
    step = max(1, len(points) // _MOST_POINTS)
    return [
        point for number, point in enumerate(points) if not number % step or point[1] is None or point is points[-1]
    ]
