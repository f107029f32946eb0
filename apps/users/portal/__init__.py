"""Pages of the users app."""
