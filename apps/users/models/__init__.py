"""Tables of the users app."""

from apps.users.models.audit import AuditEvent
from apps.users.models.consents import Consent, ConsentText
from apps.users.models.elevations import Elevation, ElevationPolicy, ElevationVote
from apps.users.models.factors import FactorPolicy
from apps.users.models.grants import RoleGrant
from apps.users.models.groups import Group, GroupMember, GroupRole
from apps.users.models.idempotency import IdempotencyRecord
from apps.users.models.invitations import Invitation
from apps.users.models.keys import KeyRecord, Rewrap
from apps.users.models.ledger import (
    AuditCheckpoint,
    AuditDelivery,
    AuditSegment,
    AuditSink,
    AuditVerification,
    LedgerHead,
)
from apps.users.models.limits import RateLimit
from apps.users.models.notifications import Notification
from apps.users.models.people import User
from apps.users.models.privacy import LegalHold, PrivacyRequest, SubjectKey
from apps.users.models.proofs import ProofPack
from apps.users.models.reviews import AccessReview, ReviewItem
from apps.users.models.sso import RoleRule, SignInMode, SignInProvider
from apps.users.models.tokens import ApiToken
from apps.users.models.uses import CapabilityUse, Reduction
from apps.users.models.workspaces import Membership, Workspace

__all__ = [
    "AccessReview",
    "ApiToken",
    "AuditCheckpoint",
    "AuditDelivery",
    "AuditEvent",
    "AuditSegment",
    "AuditSink",
    "AuditVerification",
    "CapabilityUse",
    "Consent",
    "ConsentText",
    "Elevation",
    "ElevationPolicy",
    "ElevationVote",
    "FactorPolicy",
    "Group",
    "GroupMember",
    "GroupRole",
    "IdempotencyRecord",
    "Invitation",
    "KeyRecord",
    "LedgerHead",
    "LegalHold",
    "Membership",
    "Notification",
    "PrivacyRequest",
    "ProofPack",
    "RateLimit",
    "Reduction",
    "ReviewItem",
    "Rewrap",
    "RoleGrant",
    "RoleRule",
    "SignInMode",
    "SignInProvider",
    "SubjectKey",
    "User",
    "Workspace",
]
