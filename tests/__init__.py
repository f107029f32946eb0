"""Tests of AI-Writer."""
