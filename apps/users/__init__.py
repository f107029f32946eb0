"""Identity: people, workspaces, roles, tokens, the audit record, notifications."""
