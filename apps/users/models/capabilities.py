"""What can be allowed at all, and which role allows it.

A capability is a string that a service asks for. Roles are sets of capabilities: `writer` and `editor` are held in one
workspace (`Membership.role`), `operator`, `auditor` and `admin` in the whole installation (`RoleGrant.role`). A system
role never gives access to what writers wrote.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache

from django.apps import apps

CAPABILITIES: Mapping[str, str] = {
    "content.read": "Read documents and their versions",
    "content.write": "Create and change documents",
    "content.suggest": "Propose changes of documents",
    "content.comment": "Comment on documents and review them",
    "content.approve": "Approve documents for publication",
    "content.delete": "Delete documents",
    "content.generate": "Have text written by a model",
    "models.use": "Call models through the OpenAI-compatible endpoint",
    "sources.read": "Read sources and search in them",
    "sources.write": "Add and remove sources",
    "templates.manage": "Change the templates of a workspace",
    "templates.common": "Change the templates that all workspaces have",
    "members.manage": "Add, change and remove members of a workspace",
    "prompts.manage": "Change what the AI menu of a workspace's editor offers",
    "prompts.defaults": "Change the AI actions that every workspace starts with",
    "webhooks.manage": "Have programs told what happens in a workspace",
    "tokens.manage": "Make and revoke API tokens of one's own",
    "usage.read": "See what was used and what it cost",
    "budgets.manage": "Limit what a workspace, its members and their API keys may use",
    "residency.manage": "Say where the texts and files of a workspace may be processed and stored",
    "backends.read": "See storage and model backends",
    "backends.manage": "Set up, test and switch backends",
    "plugins.read": "See which plugins are installed and why one is not used",
    "monitoring.read": "See health, usage and jobs",
    "monitoring.manage": "Run checks, handle alerts and incidents, set up who is told",
    "monitoring.report": "Report for jobs elsewhere that they have run",
    "jobs.manage": "Stop and retry jobs, change schedules",
    "backups.read": "See backups, drills and restores",
    "backups.run": "Make, check and drill backups",
    "backups.manage": "Set up places for backups and their schedules",
    "backups.restore": "Restore from backups, and take out the key that opens them",
    "deployments.read": "See releases, environments and deployments",
    "deployments.register": "Register releases and what is said about them",
    "deployments.run": "Plan, start, stop and take back deployments; announce them",
    "deployments.approve": "Agree to deployments of others, sign and waive items of the checklist",
    "deployments.report": "Fetch plans and report for an agent",
    "deployments.manage": "Set up environments, their protection and their keys",
    "audit.read": "Read, verify and export the audit record",
    "audit.manage": "Say where checkpoints of the audit record go",
    "access.review": "Begin access reviews and read their evidence",
    "keys.read": "See which keys there are and how old they are",
    "keys.manage": "Replace keys",
    "privacy.read": "See what people ask about their data",
    "privacy.manage": "Decide what is done about people's data, and place legal holds",
    "users.manage": "Manage accounts, workspaces and system roles",
}

_WRITER = frozenset(
    {
        "content.read",
        "content.write",
        "content.suggest",
        "content.comment",
        "content.delete",
        "content.generate",
        "models.use",
        "sources.read",
        "sources.write",
        "tokens.manage",
        "usage.read",
    }
)
_OPERATOR = frozenset(
    {
        "backends.read",
        "backends.manage",
        "backups.read",
        "backups.run",
        "plugins.read",
        "monitoring.read",
        "monitoring.manage",
        "monitoring.report",
        "jobs.manage",
        "deployments.read",
        "deployments.register",
        "deployments.run",
        "deployments.approve",
        "deployments.report",
        "keys.read",
        "prompts.defaults",
        "templates.common",
        "tokens.manage",
    }
)
WORKSPACE_ROLES: Mapping[str, frozenset[str]] = {
    "writer": _WRITER,
    "editor": _WRITER
    | {
        "budgets.manage",
        "content.approve",
        "members.manage",
        "prompts.manage",
        "residency.manage",
        "templates.manage",
        "webhooks.manage",
    },
}
SYSTEM_ROLES: Mapping[str, frozenset[str]] = {
    "operator": _OPERATOR,
    "auditor": frozenset(
        {
            "access.review",
            "audit.read",
            "keys.read",
            "privacy.read",
            "monitoring.read",
            "deployments.read",
            "backends.read",
            "backups.read",
            "usage.read",
            "tokens.manage",
        }
    ),
    "admin": _OPERATOR
    | {
        "users.manage",
        "members.manage",
        "residency.manage",
        "access.review",
        "audit.read",
        "audit.manage",
        "keys.manage",
        "privacy.read",
        "privacy.manage",
        "backups.manage",
        "backups.restore",
        "deployments.manage",
    },
}
# Who watches must not be who acts: an auditor holds no second system role.
EXCLUSIVE_SYSTEM_ROLE = "auditor"
# What a policy may take out of the roles themselves, so that it is only held by an elevation ("only by elevation").
GRAVE = frozenset({"backups.manage", "backups.restore", "keys.manage"})


@cache
def workspace_roles_with(capability: str) -> tuple[str, ...]:
    """The workspace roles that contain a capability.

    Raises:
        KeyError: no such capability; a misspelt one must fail, not deny.
    """
    CAPABILITIES[capability]
    return tuple(role for role, contents in WORKSPACE_ROLES.items() if capability in contents)


@cache
def system_roles_with(capability: str) -> tuple[str, ...]:
    """The system roles that contain a capability.

    Raises:
        KeyError: no such capability.
    """
    CAPABILITIES[capability]
    return tuple(role for role, contents in SYSTEM_ROLES.items() if capability in contents)


@cache
def admin_capabilities(app_label: str, action: str, model: str) -> tuple[str, ...]:
    """The capabilities of which one is enough for a page of the console.

    Every app states its own in `AppConfig.admin_capabilities = {app label: {"view": (…), "write": (…)}}`; a key like
    "auditevent.view" goes before the app-wide one. What nobody states is closed to everybody.

    Args:
        app_label: "users".
        action: "view", "add", "change" or "delete".
        model: lower-case model name.
    """
    rules: Mapping[str, tuple[str, ...]] = {}
    for config in apps.get_app_configs():
        rules = {**rules, **getattr(config, "admin_capabilities", {}).get(app_label, {})}
    kind = "view" if action == "view" else "write"
    for key in (f"{model}.{action}", f"{model}.{kind}", kind):
        if key in rules:
            return rules[key]
    return ()
