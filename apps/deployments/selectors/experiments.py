"""Reading experiments: how far they are, and what may be said of them."""

from __future__ import annotations

import uuid
from dataclasses import dataclass

from django.db.models import Count, QuerySet

from aiwriter.core.errors import NotFound
from apps.deployments.models import Experiment
from apps.deployments.selectors.flag_outcomes import outcomes
from apps.deployments.selectors.statistics import ALPHA, SRM_ALPHA, proportions_differ, sample_ratio
from apps.users.selectors.access import Actor, require


@dataclass(frozen=True, slots=True)
class Side:
    """One arm.

    Args:
        variant: its name.
        exposed: people who were given it.
        counted: of these, whose time is over.
        hit: of these, who have what the metric asks for.
    """

    variant: str
    exposed: int
    counted: int
    hit: int

    @property
    def share(self) -> float:
        """Of those that are counted."""
        return self.hit / self.counted if self.counted else 0.0


@dataclass(frozen=True, slots=True)
class Standing:
    """What may be said of an experiment now.

    Args:
        verdict: "collecting", "refused" (the arms are not as planned), "better", "worse" or "inconclusive".
        words: for people.
        control, treatment: the arms.
        ratio_p: chance of arms of these sizes when all is well.
        p: chance of this difference when there is none; None before the planned size.
    """

    verdict: str
    words: str
    control: Side
    treatment: Side
    ratio_p: float
    p: float | None = None


def experiments_for(actor: Actor) -> QuerySet[Experiment]:
    """All experiments, newest first."""
    require(actor, "deployments.read")
    return Experiment.objects.select_related("flag")


def experiment_for(actor: Actor, experiment_id: uuid.UUID | str) -> Experiment:
    """One of them.

    Raises:
        NotFound: there is none.
    """
    found = experiments_for(actor).filter(pk=experiment_id).first()
    if found is None:
        raise NotFound("There is no such experiment.")
    return found


def standing(experiment: Experiment) -> Standing:
    """How it stands: as it was concluded, else by what is known now."""
    if kept := experiment.result:
        sides = {name: Side(**kept[name]) for name in ("control", "treatment")}
        return Standing(kept["verdict"], kept["words"], **sides, ratio_p=kept["ratio_p"], p=kept["p"])
    counted = outcomes(experiment)
    by_variant = experiment.exposures.order_by().values("variant").annotate(n=Count("id"))
    exposed = {row["variant"]: row["n"] for row in by_variant}
    control, treatment = (
        Side(name, exposed.get(name, 0), *counted[name]) for name in (experiment.control, experiment.treatment)
    )
    return _judge(experiment, control, treatment)


def _judge(experiment: Experiment, control: Side, treatment: Side) -> Standing:
    ratio_p = sample_ratio(control.exposed, treatment.exposed, experiment.split)
    if ratio_p < SRM_ALPHA:
        words = (
            f"No verdict: {control.exposed} and {treatment.exposed} people are not the planned "
            f"{100 - experiment.split} to {experiment.split} (p {ratio_p:.2g}). Somebody is missing from one arm, and so is "
            "what they would have shown. Find out who, and begin anew."
        )
        return Standing("refused", words, control, treatment, ratio_p)
    least = min(control.counted, treatment.counted)
    if least < experiment.planned:
        words = f"No verdict yet: {least} of {experiment.planned} people are counted in the smaller arm."
        return Standing("collecting", words, control, treatment, ratio_p)
    p = proportions_differ(control.hit, control.counted, treatment.hit, treatment.counted)
    shares = f"{treatment.share:.1%} against {control.share:.1%} (p {p:.2g})"
    if p >= ALPHA:
        words = f"Inconclusive: {shares}. A difference of {experiment.effect:.1%} would most likely have shown."
        return Standing("inconclusive", words, control, treatment, ratio_p, p)
    more_is_better = experiment.metric == Experiment.Metric.KEPT
    better = (treatment.share > control.share) == more_is_better
    words = f"'{treatment.variant}' is {'better' if better else 'worse'}: {shares}."
    return Standing("better" if better else "worse", words, control, treatment, ratio_p, p)
