"""Django's view of the app."""

from django.apps import AppConfig


class UsersConfig(AppConfig):
    """What the app states about itself.

    Attributes:
        audit_actions: what this app writes into the audit record; see `apps.users.models.audit.known_actions`.
        sealed_fields: columns whose texts are sealed; see `apps.users.services.sealing`.
        admin_capabilities: who sees and who changes what in the console; see `apps.users.models.capabilities`.
    """

    name = "apps.users"
    label = "users"
    verbose_name = "People and access"
    audit_actions = {
        "user.created": "An account was made",
        "user.updated": "An account was changed",
        "user.suspended": "An account was suspended",
        "user.reactivated": "A suspended account was made active again",
        "user.password_set": "A password was set by somebody else or on the command line",
        "user.password_changed": "A person changed their own password",
        "workspace.created": "A workspace was made",
        "workspace.updated": "A workspace was changed",
        "member.added": "A person was added to a workspace",
        "member.changed": "The role or the end of a membership was changed",
        "member.removed": "A person was removed from a workspace",
        "role.granted": "A system role was granted",
        "role.revoked": "A system role was taken away",
        "token.created": "An API token was made",
        "token.revoked": "An API token was revoked",
        "token.refused": "A right API token came from a network that it is not bound to",
        "session.started": "A person signed in",
        "session.refused": "A sign-in was refused",
        "session.ended": "A person signed out",
        "key.prepared": "A key was made that seals nothing yet",
        "key.rotated": "Another key seals from now on",
        "key.rewrap_requested": "Sealing all secrets anew was asked for",
        "key.destroyed": "A key was destroyed",
        "key.provider_changed": "Another key service wraps the keys",
        "audit.read": "The audit record was read",
        "audit.exported": "The audit record was exported",
        "audit.verification_requested": "A verification of the audit record was asked for",
        "audit.checkpoint_requested": "A signed checkpoint of the audit record was asked for",
        "audit.archived": "Old events were moved into a sealed segment",
        "audit.sink_created": "A place for checkpoints was set up",
        "audit.sink_changed": "A place for checkpoints was changed",
        "audit.sink_deleted": "A place for checkpoints was taken out of use",
        "session.closed": "Sessions were ended from elsewhere",
        "factor.added": "A person set up a second factor",
        "factor.removed": "A person removed a second factor",
        "factor.refused": "A second factor was wrong after the right password",
        "factor.reset": "Somebody's second factors were removed by an administrator",
        "factor_policy.set": "A second factor was made a role's duty",
        "factor_policy.dropped": "A role's duty to use a second factor was taken away",
        "sign_in_provider.created": "A sign-in provider was set up",
        "sign_in_provider.changed": "A sign-in provider was changed",
        "sign_in_provider.deleted": "A sign-in provider was removed",
        "role_rule.added": "A group at a sign-in provider was given a role",
        "role_rule.removed": "A group at a sign-in provider lost its role",
        "role_rule.refused": "A group's role could not be given or taken",
        "sign_in_mode.set": "Signing in without a provider was closed or opened",
        "identity.connected": "A person connected a sign-in provider with their account",
        "identity.disconnected": "A person took a sign-in provider off their account",
        "user.emergency_set": "An account was made one for emergencies, or an ordinary one",
        "session.emergency": "An emergency account was used",
        "invitation.sent": "A person was invited",
        "invitation.accepted": "An invitation was accepted",
        "invitation.revoked": "An invitation was withdrawn",
        "privacy.requested": "A person asked about their data, or had somebody ask",
        "privacy.approved": "A request about personal data is to be carried out",
        "privacy.refused": "A request about personal data was refused",
        "privacy.stopped": "A request about personal data was taken back or stopped",
        "privacy.begun_again": "A request about personal data that was stopped or failed was begun again",
        "privacy.carried_out": "A request about personal data was carried out",
        "privacy.downloaded": "A person took out the copy of their data",
        "privacy.erased": "A person was erased",
        "privacy.hold_placed": "A legal hold was placed",
        "privacy.hold_lifted": "A legal hold was lifted",
        "consent.published": "A version of a text that people agree to was put in force",
        "consent.ended": "People are asked about something no longer",
        "consent.given": "A person agreed to something",
        "consent.refused": "A person did not agree to something",
        "consent.withdrawn": "A person took back that they had agreed",
        "access_review.started": "An access review was begun",
        "access_review.decided": "A grant was decided about in an access review",
        "access_review.escalated": "An access review was not decided in time",
        "access_review.closed": "An access review was ended and its evidence signed",
        "grant.reduced": "A grant was reduced to a part of its role",
        "grant.restored": "A reduction of a grant was taken back",
        "group.created": "A group was made",
        "group.changed": "A group was changed",
        "group.deleted": "A group was removed",
        "group.role_added": "A group was given a role",
        "group.role_removed": "A role was taken from a group",
        "group.member_added": "A person was put into a group",
        "group.member_removed": "A person was taken out of a group",
        "elevation_policy.created": "A policy about elevations was made",
        "elevation_policy.changed": "A policy about elevations was changed",
        "elevation_policy.deleted": "A policy about elevations was removed",
        "elevation.requested": "A person asked for more rights for a time",
        "elevation.voted": "A person answered somebody's request for more rights",
        "elevation.activated": "A person got more rights for a time",
        "elevation.extended": "A person's time with more rights was made longer",
        "elevation.ended": "A request for more rights was withdrawn, or what it gave was taken back",
        "proof_pack.requested": "A proof pack was asked for",
        "proof_pack.made": "A proof pack was made and signed",
        "proof_pack.downloaded": "A proof pack was downloaded",
        "portal.bootstrapped": "The first administrator and workspace were made",
    }
    sealed_fields = {
        "users.AuditSink": {"sealed_secret": ""},
        "users.SignInProvider": {"secret_sealed": ""},
        "users.SubjectKey": {"sealed_key": ""},
        "users.PrivacyRequest": {"sealed_parcel_key": ""},
    }
    admin_capabilities = {
        "users": {
            "view": ("users.manage", "audit.read"),
            "write": ("users.manage",),
            "auditevent.view": ("audit.read",),
            "auditevent.write": (),
            "keyrecord.view": ("keys.read",),
            "keyrecord.write": (),
            "rewrap.view": ("keys.read",),
            "rewrap.write": (),
            "auditcheckpoint.view": ("audit.read",),
            "auditcheckpoint.write": (),
            "auditdelivery.view": ("audit.read",),
            "auditdelivery.write": (),
            "auditsegment.view": ("audit.read",),
            "auditsegment.write": (),
            "auditsink.view": ("audit.read",),
            "auditsink.write": ("audit.manage",),
            "auditverification.view": ("audit.read",),
            "auditverification.write": (),
            "proofpack.view": ("audit.read",),
            "proofpack.write": (),
            "privacyrequest.view": ("privacy.read",),
            "privacyrequest.write": (),
            "legalhold.view": ("privacy.read",),
            "legalhold.write": (),
            "consenttext.view": ("privacy.read",),
            "consenttext.write": ("privacy.manage",),
            "consent.view": (),
            "consent.write": (),
            "elevation.write": ("users.manage",),
            "accessreview.view": ("access.review",),
            "accessreview.write": ("access.review",),
            "membership.write": ("members.manage", "users.manage"),
        },
        # Not stated and so closed: allauth's own pages. They show session keys and sealed two-factor secrets, and
        # their writes pass the services by.
        "django_celery_beat": {"view": ("monitoring.read", "jobs.manage"), "write": ("jobs.manage",)},
    }

    def ready(self) -> None:
        """Register system checks; hear what is used."""
        from apps.users import checks  # noqa: F401
        from apps.users.services import uses

        uses.listen()
