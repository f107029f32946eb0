"""Console pages: that documents, sources and jobs exist and how they fare, never what is written in them."""

from apps.content.admin import content_types, documents, generations, prompt_actions, sources

__all__ = ["content_types", "documents", "generations", "prompt_actions", "sources"]
