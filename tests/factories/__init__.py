"""Factories: they call the services, so every row of a test came into being as in the product."""
