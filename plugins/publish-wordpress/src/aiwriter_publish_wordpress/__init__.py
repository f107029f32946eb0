"""AI-Writer publish target for WordPress."""
