"""AI-Writer: the project package. `__version__` is the product's version; CHANGELOG.md says what it brought."""

__version__ = "0.1.0"
