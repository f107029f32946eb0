"""What people have agreed to."""

from __future__ import annotations

import uuid
from dataclasses import dataclass

from django.db.models import Count, Exists, OuterRef, Q, QuerySet, Subquery

from apps.users.models import Consent, ConsentText, User
from apps.users.selectors.access import Actor, require, require_person

PAGE = "/privacy/consents/"
OUTSIDE_MODELS = ConsentText.Purpose.OUTSIDE_MODELS
USAGE_ANALYSIS = ConsentText.Purpose.USAGE_ANALYSIS


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """A text in force, and what a person has answered to it.

    Args:
        given: None when they have not answered this version.
    """

    text: ConsentText
    given: bool | None


def unanswered(user: OuterRef) -> Exists:
    """For the query that loads a session's person: whether a text in force has no answer of theirs.

    A text that is a duty counts as unanswered until it is agreed to.
    """
    answers = Consent.objects.filter(text=OuterRef("pk"), user=user).order_by()
    duty = Q(purpose__in=ConsentText.DUTIES)
    open_ones = ConsentText.objects.filter(ended_at=None).filter(
        (duty & ~Exists(answers.filter(given=True))) | (~duty & ~Exists(answers))
    )
    return Exists(open_ones.order_by())


def asked_of(actor: Actor) -> list[Asked]:
    """The texts in force with one's own answers.

    Raises:
        NotAuthenticated, PermissionDenied: no person, or a key that is bound to one workspace.
    """
    user = require_person(actor)
    order = {purpose: place for place, purpose in enumerate(ConsentText.Purpose.values)}
    texts = ConsentText.objects.filter(ended_at=None).annotate(given=_newest(user.pk))
    return [Asked(text=text, given=text.given) for text in sorted(texts, key=lambda text: order[text.purpose])]


def own_answers(actor: Actor) -> QuerySet[Consent]:
    """All answers that one has ever given, newest first."""
    return Consent.objects.filter(user=require_person(actor)).select_related("text")


def texts_for(actor: Actor) -> QuerySet[ConsentText]:
    """All versions with `counted`, for the privacy desk."""
    require(actor, "privacy.read")
    return counted(ConsentText.objects.all())


def counted(texts: QuerySet[ConsentText]) -> QuerySet[ConsentText]:
    """With `yes` and `no`: how many people's newest answer is which."""
    newest = (
        Consent.objects.filter(user=OuterRef("answers__user"), text=OuterRef("pk")).order_by("-id").values("pk")[:1]
    )
    counts = Q(answers__pk=Subquery(newest))
    return texts.annotate(
        yes=Count("answers", filter=counts & Q(answers__given=True)),
        no=Count("answers", filter=counts & Q(answers__given=False)),
    )


def agreed(purpose: str) -> QuerySet[Consent, uuid.UUID] | None:
    """The ids of those who have agreed to the text in force, as a subquery; None when nothing is asked."""
    text = ConsentText.objects.filter(purpose=purpose, ended_at=None).values_list("pk", flat=True).first()
    if text is None:
        return None
    answers = Consent.objects.filter(text=text)
    newer = answers.filter(user=OuterRef("user"), pk__gt=OuterRef("pk"))
    return answers.filter(~Exists(newer), given=True).order_by().values_list("user_id", flat=True)


def withheld(purpose: str, user_id: uuid.UUID) -> ConsentText | None:
    """The text in force that a person has not agreed to; None when they have, or nothing is asked.

    A service account is no person: nobody could answer for it, and it is not asked.
    """
    text = ConsentText.objects.filter(purpose=purpose, ended_at=None).first()
    if text is None:
        # As most portals are; this is asked before each call of a model.
        return None
    answers = Consent.objects.filter(user=user_id, text=text).order_by("-id").values_list("given", flat=True)
    if answers.first() or User.objects.filter(pk=user_id, kind=User.Kind.SERVICE).exists():
        return None
    return text


def _newest(user_id: uuid.UUID) -> Subquery:
    rows = Consent.objects.filter(user=user_id, text=OuterRef("pk")).order_by("-id")
    return Subquery(rows.values("given")[:1])
