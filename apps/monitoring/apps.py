"""Django's view of the app."""

from django.apps import AppConfig


class MonitoringConfig(AppConfig):
    """Imports the tasks, so that every process can look their names up.

    Attributes:
        audit_actions: what this app writes into the audit record.
        admin_capabilities: who sees and who changes what in the console.
    """

    name = "apps.monitoring"
    label = "monitoring"
    verbose_name = "Health and usage"
    audit_actions = {
        "budget.created": "A budget was set",
        "budget.updated": "A budget was changed",
        "budget.deleted": "A budget was removed",
    }
    # Results, usage and reservations are written by the portal alone; a budget is the only thing that people change.
    admin_capabilities = {
        "monitoring": {
            "view": ("monitoring.read",),
            "write": (),
            "budget.write": ("backends.manage",),
        }
    }

    def ready(self) -> None:
        """Register tasks."""
        from apps.monitoring import tasks  # noqa: F401
