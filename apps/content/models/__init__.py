"""Tables of the writers' work."""

from apps.content.models.sources import EmbeddingIndex, Source, SourceChunk

__all__ = ["EmbeddingIndex", "Source", "SourceChunk"]
