"""Tables of the writers' work."""

from apps.content.models.batches import Batch, BatchRow
from apps.content.models.comments import Comment, CommentThread
from apps.content.models.content_types import ContentType, ContentTypeVersion
from apps.content.models.documents import Document, DocumentVersion
from apps.content.models.exports import Export
from apps.content.models.factchecks import CheckedClaim, ClaimCheck
from apps.content.models.generations import Citation, Generation, GenerationEvent, GenerationPassage, NewEvent
from apps.content.models.imports import Import
from apps.content.models.lifecycle import Schedule
from apps.content.models.organising import Collection, Presence, Tag, WritingSettings
from apps.content.models.prompt_actions import PromptAction, PromptActionVersion
from apps.content.models.provenance import Provenance
from apps.content.models.publications import Publication
from apps.content.models.reviews import ReviewRequest, ReviewVerdict
from apps.content.models.sections import Outline, Section
from apps.content.models.sharing import ShareLink
from apps.content.models.sources import EmbeddingIndex, Source, SourceChunk, SourcePin
from apps.content.models.suggestions import Suggestion
from apps.content.models.voices import VoiceProfile, VoiceRule, VoiceSample
from apps.content.models.webhooks import WebhookDelivery, WebhookEndpoint

__all__ = [
    "Batch",
    "BatchRow",
    "CheckedClaim",
    "Citation",
    "ClaimCheck",
    "Collection",
    "Comment",
    "CommentThread",
    "ContentType",
    "ContentTypeVersion",
    "Document",
    "DocumentVersion",
    "EmbeddingIndex",
    "Export",
    "Generation",
    "GenerationEvent",
    "GenerationPassage",
    "Import",
    "NewEvent",
    "Outline",
    "Presence",
    "PromptAction",
    "PromptActionVersion",
    "Provenance",
    "Publication",
    "ReviewRequest",
    "ReviewVerdict",
    "Schedule",
    "Section",
    "ShareLink",
    "Source",
    "SourceChunk",
    "SourcePin",
    "Suggestion",
    "Tag",
    "VoiceProfile",
    "VoiceRule",
    "VoiceSample",
    "WebhookDelivery",
    "WebhookEndpoint",
    "WritingSettings",
]
