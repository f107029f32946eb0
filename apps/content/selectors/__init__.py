"""Reads. Every one is limited to the workspaces of the actor: what they may not see does not exist for them."""
