"""The agent that rolls out versions of AI-Writer on a host. It imports nothing of the portal and works while that is down."""

__version__ = "1.0.0"
