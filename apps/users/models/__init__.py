"""Tables of the users app."""

from apps.users.models.audit import AuditEvent
from apps.users.models.grants import RoleGrant
from apps.users.models.idempotency import IdempotencyRecord
from apps.users.models.limits import RateLimit
from apps.users.models.notifications import Notification
from apps.users.models.people import User
from apps.users.models.tokens import ApiToken
from apps.users.models.workspaces import Membership, Workspace

__all__ = [
    "ApiToken",
    "AuditEvent",
    "IdempotencyRecord",
    "Membership",
    "Notification",
    "RateLimit",
    "RoleGrant",
    "User",
    "Workspace",
]
