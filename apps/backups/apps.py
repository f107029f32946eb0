"""Django's view of the app."""

from django.apps import AppConfig


class BackupsConfig(AppConfig):
    """What the app states about itself.

    Attributes:
        audit_actions: what this app writes into the audit record.
        admin_capabilities: who sees and who changes what in the console.
    """

    name = "apps.backups"
    label = "backups"
    verbose_name = "Backups"
    audit_actions = {
        "backup.destination_created": "A place for backups was set up",
        "backup.destination_updated": "The settings of a place for backups were changed",
        "backup.destination_deleted": "A place for backups was taken out of use",
        "backup.delegate_created": "Backups of another tool are watched",
        "backup.delegate_updated": "What is watched of another tool was changed",
        "backup.delegate_deleted": "Backups of another tool are watched no longer",
        "backup.policy_created": "A schedule of backups was made",
        "backup.policy_updated": "A schedule of backups was changed",
        "backup.policy_deleted": "A schedule of backups was removed",
        "backup.requested": "A backup, a check or a clean-up was asked for",
        "backup.stopped": "A running backup, drill or restore was stopped",
        "backup.pinned": "A backup set was pinned or unpinned",
        "backup.pruned": "Old backup sets were removed",
        "backup.drill_requested": "A restore drill was asked for",
        "backup.restore_planned": "A restore was planned",
        "backup.restore_requested": "A restore was started",
        "backup.restored": "Something was restored from a backup",
        "backup.restore_undone": "A restore was undone",
        "backup.staging_requested": "A staging copy was asked for",
        "backup.staging_made": "A staging copy was made and searched for originals",
        "backup.taken_back": "A removed backup set was taken back",
        "backup.restore_approved": "A second person agreed to a restore",
        "maintenance.begun": "The portal was closed for maintenance",
        "maintenance.ended": "The portal was opened again",
        "outside.armed": "What was held back after a restore was let go or thrown away",
        "backup.key_shown": "The key that opens the backups was taken out",
        "backup.key_tested": "A key was shown to open the backups",
        "backup.keys_changed": "The recipients of the backups were changed",
    }
    admin_capabilities = {
        "backups": {
            "view": ("backups.read",),
            "write": (),
            "destination.write": ("backups.manage",),
            "delegate.write": ("backups.manage",),
            "policy.write": ("backups.manage",),
        }
    }
