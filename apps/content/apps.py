"""Django's view of the app."""

from django.apps import AppConfig
from django.db.models.signals import post_migrate


class ContentConfig(AppConfig):
    """What the app states about itself."""

    name = "apps.content"
    label = "content"
    verbose_name = "Content"

    # Sealed columns, with the purpose under which the version before the keyring sealed them.
    sealed_fields = {"content.WebhookEndpoint": {"sealed_secret": "webhook", "sealed_previous": "webhook"}}
    audit_actions = {
        "document.created": "A document was created",
        "suggestion.made": "Changes of a document were proposed",
        "suggestion.accepted": "Proposed changes were put into a document",
        "suggestion.rejected": "Proposed changes were turned down",
        "document.claims_checked": "The statements of a document were checked against its sources",
        "document.deleted": "A document was put into the bin",
        "document.restored": "A document was taken out of the bin",
        "document.purged": "A document was deleted for good",
        "document.submitted": "A document was handed in for review",
        "document.approved": "A version of a document was approved",
        "document.returned": "A document was made a draft again",
        "document.scheduled": "A document got a time to be published at",
        "document.unscheduled": "The time of a document was taken back",
        "document.published": "A version of a document was published",
        "document.unpublished": "A published document was taken back",
        "document.archived": "A document was put into the archive",
        "document.reopened": "A document was taken out of the archive",
        "review.requested": "Somebody was asked for a review",
        "review.approved": "A reviewer approved a text",
        "review.changes_requested": "A reviewer asked for changes",
        "review.cancelled": "A request for a review was taken back",
        "comment.created": "Somebody commented on a document",
        "comment.edited": "A comment was changed",
        "comment.deleted": "A comment was taken away",
        "comment.resolved": "Comments were marked as settled",
        "comment.reopened": "Comments were opened again",
        "share.created": "A link to a document was made",
        "share.revoked": "A link to a document was ended",
        "document.duplicated": "A document was copied",
        "document.merged": "Two texts of a document were merged",
        "document.moved": "A document was put into another collection",
        "document.tagged": "The tags of a document were changed",
        "collection.created": "A collection was made",
        "collection.changed": "A collection was renamed or moved",
        "collection.deleted": "A collection was taken away",
        "tag.created": "A tag was made",
        "tag.renamed": "A tag was renamed",
        "tag.merged": "A tag was merged with another",
        "tag.deleted": "A tag was taken away",
        "settings.changed": "The settings of a workspace were changed",
        "picture.added": "A picture was put into a document",
        "document.exported": "A document was exported",
        "documents.exported": "Several documents were exported",
        "version.restored": "An earlier version became the text again",
        "document.sent": "A document was sent to a place to publish",
        "document.withheld": "A document was stopped on its way to a place: its approval was taken back",
        "document.withdrawn": "A document was taken down at a place",
        "document.seo": "Search engine fields of a document were changed",
        "import.started": "A text was taken in as a document",
        "prompt.created": "An AI action was made",
        "prompt.changed": "An AI action was changed",
        "prompt.restored": "An earlier version of an AI action counts again",
        "prompt.deleted": "An AI action was deleted",
        "webhook.created": "A webhook was made",
        "webhook.changed": "A webhook was changed",
        "webhook.deleted": "A webhook was deleted",
        "webhook.rotated": "A webhook got a new secret",
        "source.added": "A source was added",
        "source.deleted": "A source was removed",
        "source.changed": "A source's name or schedule was changed",
        "source.refreshed": "A source was asked to be looked at again",
        "source.pinned": "A source was pinned to a document",
        "source.unpinned": "A source was taken off a document",
        "source.retried": "A source was read in again",
        "generation.started": "A generation was asked for",
        "generation.stopped": "A generation was stopped",
        "generation.applied": "Generated text was taken over into a document",
        "generation.requeued": "An operator put a generation back into the queue",
        "model.called": "A model was called through the OpenAI-compatible endpoint",
        "tool.called": "An assistant used a tool over MCP",
        "outline.changed": "The outline of a document was changed",
        "outline.planned": "An outline was asked for",
        "outline.written": "The sections of a document were asked for",
        "batch.created": "A table was brought, to have texts written of its rows",
        "batch.changed": "What a batch will do was changed",
        "batch.started": "The texts of a batch were asked for",
        "batch.retried": "The failed rows of a batch were run again",
        "batch.stopped": "A batch was stopped",
        "batch.deleted": "A batch was removed",
        "template.created": "A template was made",
        "template.changed": "A template was changed",
        "template.deleted": "A template was removed",
        "voice.created": "A voice was made",
        "voice.changed": "A voice or its rules were changed",
        "voice.learnt": "A voice learnt from its samples",
        "voice.approved": "A voice was approved for generations",
        "voice.chosen": "A voice was chosen for a document",
        "voice.deleted": "A voice was removed",
        "vectors.rebuilt": "The vector index was made again from the database",
    }
    # Operators see that jobs and documents exist and how large they are; what is written in them is not theirs to read.
    admin_capabilities = {
        "content": {
            "view": ("monitoring.read", "jobs.manage"),
            "generation.change": ("jobs.manage",),
            "contenttype.view": ("templates.common", "monitoring.read"),
            "contenttype.write": ("templates.common",),
            "source.change": ("jobs.manage",),
            "promptaction.view": ("prompts.defaults",),
            "promptaction.write": ("prompts.defaults",),
            "promptaction.delete": (),
        }
    }

    def ready(self) -> None:
        """Mend the word indexes after every migration."""
        from apps.content.retrieval.document_words import ensure_document_words
        from apps.content.retrieval.keyword import ensure_keyword_index
        from apps.content.services.prompt_defaults import ensure_default_actions

        # SQLite drops triggers when Django rebuilds a table for an ALTER.
        post_migrate.connect(ensure_keyword_index, sender=self, dispatch_uid="content.keyword_index")
        post_migrate.connect(ensure_document_words, sender=self, dispatch_uid="content.document_words")
        post_migrate.connect(ensure_default_actions, sender=self, dispatch_uid="content.default_actions")
