"""Health, usage and budgets."""
