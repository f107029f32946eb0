"""Accounts that nobody uses, and API keys that nobody uses, that allow too much or lie about."""

from __future__ import annotations

import datetime as dt
import uuid
from dataclasses import dataclass

from django.db.models import Count, Q, QuerySet, Sum
from django.utils import timezone

from apps.users.models import ApiToken, CapabilityUse, Membership, User
from apps.users.models.capabilities import GRAVE
from apps.users.models.expiry import not_expired
from apps.users.selectors.access import Actor, require_sight

DORMANT_DAYS = 45
STALE_DAYS = 45
NEVER_DAYS = 14
WATCHED_DAYS = 90
_KEYS_TO_THE_HOUSE = GRAVE | {"users.manage", "backends.manage"}


def dormant_accounts(*, actor: Actor, days: int = DORMANT_DAYS) -> QuerySet[User]:
    """Active accounts of which nothing was seen for so long, with `token_count`: the keys that still work.

    Args:
        actor: needs "users.manage" or "audit.read".
        days: since when. An account that is younger is not listed.
    """
    require_sight(actor)
    since = timezone.now() - dt.timedelta(days=days)
    unseen = Q(last_seen_day__lt=since.date()) | Q(last_seen_day=None)
    keys = Count("api_tokens", filter=Q(api_tokens__enabled=True) & not_expired("api_tokens__"), distinct=True)
    return User.objects.filter(unseen, status=User.Status.ACTIVE, created_at__lt=since).annotate(token_count=keys)


@dataclass(frozen=True, slots=True)
class TokenFinding:
    """What is to be said about an API key.

    Args:
        token: which.
        never: made two weeks ago or more, and never used.
        stale: not used for 45 days.
        grave: can harm the whole portal and works from anywhere.
        unused: scopes that 90 days of use did not need.
        unbound: reaches every workspace of a person who is in several.
    """

    token: ApiToken
    never: bool
    stale: bool
    grave: list[str]
    unused: list[str]
    unbound: bool

    @property
    def wide(self) -> bool:
        """Whether it allows more than it should."""
        return bool(self.grave or self.unused or self.unbound)


def token_findings(*, actor: Actor) -> list[TokenFinding]:
    """API keys that work and about which something is to be said, the gravest first.

    Args:
        actor: needs "users.manage" or "audit.read".
    """
    require_sight(actor)
    now = timezone.now()
    tokens = list(ApiToken.objects.usable().select_related("user", "workspace").order_by("user__email", "name"))
    used = _used_scopes(tokens)
    several = set(
        Membership.objects.live()
        .filter(user__in={token.user_id for token in tokens})
        .order_by()
        .values("user_id")
        .annotate(rooms=Count("workspace_id", distinct=True))
        .filter(rooms__gt=1)
        .values_list("user_id", flat=True)
    )
    found = []
    for token in tokens:
        watched = used.get(token.pk)
        each = TokenFinding(
            token=token,
            never=token.last_used_at is None and token.created_at < now - dt.timedelta(days=NEVER_DAYS),
            stale=token.last_used_at is not None and token.last_used_at < now - dt.timedelta(days=STALE_DAYS),
            grave=sorted(set(token.scopes) & _KEYS_TO_THE_HOUSE) if not token.networks else [],
            # Of a key that was only just made nobody knows yet what it will need.
            unused=sorted(set(token.scopes) - watched)
            if watched and token.created_at < now - dt.timedelta(days=NEVER_DAYS)
            else [],
            unbound=token.workspace_id is None and token.user_id in several,
        )
        if each.never or each.stale or each.wide:
            found.append(each)
    return sorted(found, key=lambda each: (not each.grave, not each.never, not each.stale, each.token.name))


def _used_scopes(tokens: list[ApiToken]) -> dict[uuid.UUID, set[str]]:
    since = (timezone.now() - dt.timedelta(days=WATCHED_DAYS)).date()
    rows = (
        CapabilityUse.objects.filter(token_id__in=[token.pk for token in tokens], day__gte=since)
        .order_by()
        .values_list("token_id", "capability")
        .annotate(uses=Sum("allowed"))
        .filter(uses__gt=0)
    )
    found: dict[uuid.UUID, set[str]] = {}
    for token_id, capability, _ in rows:
        found.setdefault(token_id, set()).add(capability)
    return found


def service_accounts(*, actor: Actor) -> QuerySet[User]:
    """Accounts that act by their keys alone, with `token_count`."""
    require_sight(actor)
    keys = Count("api_tokens", filter=Q(api_tokens__enabled=True) & not_expired("api_tokens__"), distinct=True)
    return User.objects.filter(kind=User.Kind.SERVICE).annotate(token_count=keys)
