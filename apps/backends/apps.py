"""Django's view of the app."""

from django.apps import AppConfig


class BackendsConfig(AppConfig):
    """What the app states about itself.

    Attributes:
        audit_actions: what this app writes into the audit record.
        admin_capabilities: who sees and who changes what in the console.
    """

    name = "apps.backends"
    label = "backends"
    verbose_name = "Backends and files"
    audit_actions = {
        "profile.created": "A backend was set up",
        "profile.updated": "The settings of a backend were changed",
        "profile.tested": "A backend was tested",
        "profile.enabled": "A backend was enabled",
        "profile.disabled": "A backend was disabled",
        "profile.deleted": "A backend was removed",
        "price.set": "The price of a model was entered or removed",
        "route.changed": "The order of backends for a purpose was changed",
        "route.deleted": "A workspace's own order of backends was removed",
        "residency.set": "It was said where texts and files may be processed and stored",
        "residency.dropped": "A rule about where texts and files may go was removed",
        "residency.refused": "A text or a file was not sent where the rules do not let it go",
        "consent.refused_call": "A model outside was not asked, because the person had not agreed",
        "file.downloaded": "A file was downloaded",
        "file.infected": "A file was refused because it holds malware",
        "file.deleted": "A file was removed",
    }
    # Files, blobs and calls are written by the portal alone. Their content and names are the writers' and not shown.
    admin_capabilities = {
        "backends": {
            "view": ("backends.read",),
            "write": (),
            "backendprofile.write": ("backends.manage",),
            "priceoverride.write": ("backends.manage",),
            "route.write": ("backends.manage",),
            "routestep.write": ("backends.manage",),
            "residencyrule.write": ("privacy.manage",),
        }
    }
