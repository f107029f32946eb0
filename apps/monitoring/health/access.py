"""Checks of how people get in."""

from __future__ import annotations

from django.conf import settings

from apps.monitoring.services.checks import Result, check
from apps.users.models import FactorPolicy, RoleGrant


@check("second_factor", title="Second factors", interval=600, deadline=5)
def second_factor() -> Result:
    """Whether who runs the portal has to sign in with more than a password."""
    system_roles = {role for role, _ in RoleGrant.Role.choices}
    holders = RoleGrant.objects.live().filter(user__status="active", user__kind="human")
    asked = set(FactorPolicy.objects.values_list("role", flat=True))
    open_roles = sorted({*holders.order_by().values_list("role", flat=True)} & system_roles - asked)
    alone = holders.order_by().values("user_id").distinct().count() < 2
    if not open_roles:
        return Result(status="ok", message="Everybody who runs the portal is asked for one.")
    if alone and not settings.REACHABLE:
        return Result(status="ok", message="One person runs the portal, on this machine only; no rule is needed.")
    return Result(
        status="warn",
        message=f"A stolen password is enough for the roles {', '.join(open_roles)}.",
        remedy="Make a second factor their duty in the console under sign-in rules; it can begin in two weeks.",
        data={"roles": len(open_roles)},
    )
