"""What the tables of who may do what hold; the rest of identity's stand in `datamap.py`."""

from __future__ import annotations

from aiwriter.core.datamap import table
from apps.users.models import capabilities

_ACCOUNT = "as long as the account"
# Lists of words of the code stay readable in a copy: without them nobody could do anything there.
_ABILITIES = ",".join(sorted(capabilities.CAPABILITIES))
_ROLES = ",".join(sorted({*capabilities.WORKSPACE_ROLES, *capabilities.SYSTEM_ROLES}))

ACCESS = (
    table(
        "users.Membership",
        people="user granted_by",
        erasure="delete",
        retention=_ACCOUNT,
        technical=f"id user workspace source only:json({_ABILITIES}) granted_by group elevation expires_at created_at",
        public="role",
        internal="reason",
    ),
    table(
        "users.RoleGrant",
        people="user granted_by",
        erasure="delete",
        retention=_ACCOUNT,
        technical=f"id user granted_by source only:json({_ABILITIES}) group elevation expires_at created_at",
        public="role",
        internal="reason",
    ),
    table(
        "users.Group",
        retention="until an administrator removes it",
        technical="id provider created_at updated_at",
        internal="name description provider_group",
    ),
    table(
        "users.GroupRole",
        retention="as its group",
        technical="id group workspace created_at",
        public=f"role:word({_ROLES})",
    ),
    table(
        "users.GroupMember",
        people="user added_by",
        erasure="delete",
        retention=_ACCOUNT,
        technical="id group user added_by source expires_at created_at",
        internal="reason",
    ),
    table(
        "users.ElevationPolicy",
        people="set_by",
        erasure="detach",
        retention="until an administrator removes it; a used one stays as history",
        technical=f"id capabilities:json({_ABILITIES}) eligible_roles:json({_ROLES}) approver_roles:json({_ROLES}) approvals default_minutes max_minutes proof_minutes "
        "weekdays:json from_hour to_hour extendable strict enabled set_by created_at updated_at",
        public=f"role:word({_ROLES})",
        internal="name description ticket_pattern",
    ),
    table(
        "users.Elevation",
        people="user ended_by",
        erasure="delete",
        retention=_ACCOUNT,
        technical="id policy user workspace minutes approvals lapses_at starts_at expires_at extended_at ended_at "
        "ended_by created_at",
        public="state",
        internal="reason ticket end_reason",
    ),
    table(
        "users.ElevationVote",
        people="voter requester",
        erasure="delete",
        retention=_ACCOUNT,
        technical="id elevation voter requester agrees created_at",
        internal="comment",
    ),
    table(
        "users.CapabilityUse",
        people="user",
        erasure="delete",
        retention="120 days",
        technical="id user token_id workspace_id day allowed denied",
        public=f"capability:word({_ABILITIES})",
    ),
    table(
        "users.Reduction",
        people="adopted_by undone_by",
        erasure="detach",
        retention="as its grant",
        technical=f"id role_grant membership before:json({_ABILITIES}) after:json({_ABILITIES}) adopted_by undo_until undone_at undone_by created_at",
        internal="reason",
    ),
    table(
        "users.AccessReview",
        # The signed file names people, and a copy's masking would break its signature.
        staging="drop",
        people="created_by",
        erasure="detach",
        retention="evidence: until an administrator removes it",
        technical="id workspace recurrence_days due_days due_at previous created_by escalated_at closed_at created_at",
        public="scope on_overdue state",
        internal="name",
        content="evidence",
    ),
    table(
        "users.ReviewItem",
        staging="drop",
        people="user decided_by",
        erasure="delete",
        retention="as its review; the signed file stays",
        technical="id review user workspace role_grant membership decided_by decided_at kept created_at",
        public="role decision",
        internal="comment problem snapshot:json facts:json",
    ),
)
