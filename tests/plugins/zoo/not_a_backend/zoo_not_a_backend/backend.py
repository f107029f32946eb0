"""No backend here."""


class Animal:
    """Takes what a backend takes."""

    def __init__(self, config, context):
        self.config = config
