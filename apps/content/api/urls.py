"""Routes of the content app below /api/v1/. The events of a generation are served ahead of Django: see `streams`."""

from __future__ import annotations

from django.urls import path

from apps.content.api import (
    collections,
    documents,
    exports,
    generations,
    preferences,
    presence,
    sources,
    tags,
    trash,
    versions,
    voices,
)

_document = "content/<uuid:document_id>"
_generation = "generations/<uuid:generation_id>"
_source = "sources/<uuid:source_id>"
_voice = "voices/<uuid:voice_id>"
urlpatterns = [
    path("content", documents.DocumentListView.as_view(), name="api-content"),
    path("content/bulk", trash.BulkView.as_view(), name="api-bulk"),
    path(_document, documents.DocumentView.as_view(), name="api-document"),
    path(f"{_document}/versions", versions.VersionListView.as_view(), name="api-versions"),
    path(f"{_document}/versions/<int:number>", versions.VersionView.as_view(), name="api-version"),
    path(f"{_document}/diff", versions.DiffView.as_view(), name="api-diff"),
    path(f"{_document}/revert/<int:number>", versions.RevertView.as_view(), name="api-revert"),
    path(f"{_document}/export", exports.ExportView.as_view(), name="api-export"),
    path(f"{_document}/citations", versions.CitationListView.as_view(), name="api-citations"),
    path(f"{_document}/voice", voices.DocumentVoiceView.as_view(), name="api-document-voice"),
    path("exports", exports.ExportListView.as_view(), name="api-exports"),
    path("exports/<uuid:export_id>", exports.ExportStateView.as_view(), name="api-export-state"),
    path(f"{_document}/duplicate", trash.DuplicateView.as_view(), name="api-duplicate"),
    path(f"{_document}/presence", presence.PresenceView.as_view(), name="api-presence"),
    path("collections", collections.CollectionListView.as_view(), name="api-collections"),
    path("collections/<uuid:collection_id>", collections.CollectionView.as_view(), name="api-collection"),
    path("tags", tags.TagListView.as_view(), name="api-tags"),
    path("tags/<uuid:tag_id>", tags.TagView.as_view(), name="api-tag"),
    path("tags/<uuid:tag_id>/merge", tags.TagMergeView.as_view(), name="api-tag-merge"),
    path("trash", trash.TrashView.as_view(), name="api-trash"),
    path("trash/<uuid:binned_id>", trash.TrashedView.as_view(), name="api-trashed"),
    path("trash/<uuid:binned_id>/restore", trash.RestoreView.as_view(), name="api-restore"),
    path("settings", preferences.SettingsView.as_view(), name="api-settings"),
    path("generate/content", generations.GenerateContentView.as_view(), name="api-generate-content"),
    path("generate/outline", generations.GenerateOutlineView.as_view(), name="api-generate-outline"),
    path("generate/section", generations.GenerateSectionView.as_view(), name="api-generate-section"),
    path("generate/title", generations.GenerateTitleView.as_view(), name="api-generate-title"),
    path("generate/edit", generations.GenerateEditView.as_view(), name="api-generate-edit"),
    path("generations", generations.GenerationListView.as_view(), name="api-generations"),
    path(_generation, generations.GenerationView.as_view(), name="api-generation"),
    path(f"{_generation}/stop", generations.GenerationStopView.as_view(), name="api-generation-stop"),
    path(f"{_generation}/retry", generations.GenerationRetryView.as_view(), name="api-generation-retry"),
    path(f"{_generation}/apply", generations.GenerationApplyView.as_view(), name="api-generation-apply"),
    path("sources", sources.SourceListView.as_view(), name="api-sources"),
    path("sources/text", sources.SourceTextView.as_view(), name="api-sources-text"),
    path("sources/search", sources.SourceSearchView.as_view(), name="api-sources-search"),
    path(_source, sources.SourceView.as_view(), name="api-source"),
    path(f"{_source}/retry", sources.SourceRetryView.as_view(), name="api-source-retry"),
    path("voices", voices.VoiceListView.as_view(), name="api-voices"),
    path(_voice, voices.VoiceView.as_view(), name="api-voice"),
    path(f"{_voice}/approve", voices.VoiceApproveView.as_view(), name="api-voice-approve"),
    path(f"{_voice}/learn", voices.VoiceLearnView.as_view(), name="api-voice-learn"),
    path(f"{_voice}/lint", voices.VoiceLintView.as_view(), name="api-voice-lint"),
    path(f"{_voice}/samples", voices.SampleListView.as_view(), name="api-voice-samples"),
    path(f"{_voice}/samples/<uuid:sample_id>", voices.SampleView.as_view(), name="api-voice-sample"),
    path(f"{_voice}/rules", voices.RuleListView.as_view(), name="api-voice-rules"),
    path(f"{_voice}/rules/accept", voices.RuleAcceptView.as_view(), name="api-voice-rules-accept"),
    path(f"{_voice}/rules/<uuid:rule_id>", voices.RuleView.as_view(), name="api-voice-rule"),
]
