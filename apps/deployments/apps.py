"""Django's view of the app."""

from django.apps import AppConfig


class DeploymentsConfig(AppConfig):
    """Names what the app records and who sees what.

    Attributes:
        audit_actions: what this app writes into the audit record.
        sealed_fields: columns whose texts are sealed; the rotation of keys goes through them.
        admin_capabilities: who sees and who changes what in the console.
    """

    name = "apps.deployments"
    label = "deployments"
    verbose_name = "Releases"
    audit_actions = {
        "environment.created": "An environment was set up",
        "environment.updated": "An environment was changed",
        "environment.deleted": "An environment was removed",
        "environment.released": "An environment whose roll-back had failed was opened again",
        "environment.key_replaced": "The key that signs an environment's plans was replaced",
        "freeze.created": "Nothing may be rolled out for a time",
        "freeze.deleted": "A freeze of roll-outs was removed",
        "scale_policy.created": "A scale policy was set",
        "scale_policy.updated": "A scale policy was changed",
        "scale_policy.deleted": "A scale policy was removed",
        "release.registered": "A release was registered",
        "release.updated": "What is said about a release was changed",
        "release.withdrawn": "A release was withdrawn",
        "deployment.planned": "A deployment was planned",
        "deployment.approved": "Another person agreed to a deployment",
        "deployment.started": "A deployment was started",
        "deployment.commanded": "A deployment under way was told to stop, to be judged again or to go on",
        "deployment.delegate_answered": "A controller of a cluster was answered otherwise than before, or told something new",
        "deployment.withdrawn": "A deployment was withdrawn before anything was done",
        "deployment.ended": "A deployment ended",
        "gate.signed": "An item of a deployment's checklist was signed",
        "gate.waived": "An item of a deployment's checklist was waived",
        "announcement.created": "An announcement was made",
        "announcement.deleted": "An announcement was taken down",
        "flag.created": "A flag was set up",
        "flag.updated": "A flag was changed",
        "flag.rules_set": "The rules of a flag were replaced",
        "flag.killed": "The kill switch of a flag was switched on",
        "flag.revived": "The kill switch of a flag was switched off",
        "flag.deleted": "A flag was removed",
        "flag.rollout_started": "A guarded roll-out of a flag began",
        "flag.rollout_advanced": "A guarded roll-out of a flag reached more people",
        "flag.rollout_paused": "A guarded roll-out of a flag paused, since nothing is known",
        "flag.rollout_resumed": "A guarded roll-out of a flag that was paused is judged anew",
        "flag.rollout_ended": "A guarded roll-out of a flag ended",
        "experiment.started": "An experiment began",
        "experiment.concluded": "An experiment reached its size and has a result",
        "experiment.ended": "An experiment was ended",
    }
    sealed_fields = {"deployments.Environment": {"sealed_key": ""}}
    admin_capabilities = {
        "deployments": {
            "view": ("deployments.read",),
            "write": (),
            "environment.write": ("deployments.manage",),
            "freezewindow.write": ("deployments.manage",),
            "scalepolicy.write": ("deployments.manage",),
            "release.write": ("deployments.register",),
            "deployment.write": ("deployments.run",),
            "announcement.write": ("deployments.run",),
            "flag.write": ("deployments.run",),
            "flagrollout.write": ("deployments.run",),
            "experiment.write": ("deployments.run",),
        }
    }

    def ready(self) -> None:
        """Answer flags. Waits for nothing: the provider asks the database when it is first asked."""
        from django.conf import settings
        from django.utils.module_loading import import_string
        from openfeature import api

        api.set_provider_and_wait(import_string(settings.FLAG_PROVIDER)())
