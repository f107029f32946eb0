"""Staging copies: a set's rows and files made into what other eyes may see, while they stream into a new place."""
