"""REST endpoints of the users app."""
