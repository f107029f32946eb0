"""Writes and outside work. A verb per function; the actor comes first and is checked first."""
