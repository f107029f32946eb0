"""Anthropic's Claude models."""
