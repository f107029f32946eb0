"""The tables of documents, sources and generations in one step, as 22 migrations have made them, with their word indexes.

An empty database takes this one; one that has some of the others takes the rest of them.
"""

import django.db.models.deletion
import django.db.models.functions.text
import django.utils.timezone
from django.conf import settings
from django.db import migrations, models

import aiwriter.core.ids
import aiwriter.core.schema_tables
from apps.content.retrieval import document_words, keyword


class Migration(migrations.Migration):
    replaces = [
        ("content", "0001_initial"),
        ("content", "0002_keyword_index"),
        ("content", "0003_voices"),
        ("content", "0004_exports_of_sets"),
        ("content", "0005_organising"),
        ("content", "0006_document_words"),
        ("content", "0007_publications"),
        ("content", "0008_webhooks"),
        ("content", "0009_suggestions"),
        ("content", "0010_provenance"),
        ("content", "0011_imports"),
        ("content", "0012_lifecycle"),
        ("content", "0013_content_types"),
        ("content", "0014_reviews"),
        ("content", "0015_source_originals"),
        ("content", "0016_claim_checks"),
        ("content", "0017_prompt_actions"),
        ("content", "0018_comments"),
        ("content", "0019_sections"),
        ("content", "0020_share_links"),
        ("content", "0021_batches"),
        ("content", "0022_import_pictures"),
    ]
    initial = True

    dependencies = [
        ("backends", "0001_initial"),
        ("users", "0001_squashed_0010_access"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        aiwriter.core.schema_tables.CreateTables(
            operations=[
                migrations.CreateModel(
                    name="Document",
                    fields=[
                        (
                            "id",
                            models.UUIDField(
                                default=aiwriter.core.ids.uuid7, editable=False, primary_key=True, serialize=False
                            ),
                        ),
                        (
                            "workspace",
                            models.ForeignKey(
                                on_delete=django.db.models.deletion.CASCADE,
                                related_name="documents",
                                to="users.workspace",
                            ),
                        ),
                        (
                            "owner",
                            models.ForeignKey(
                                blank=True,
                                null=True,
                                on_delete=django.db.models.deletion.SET_NULL,
                                related_name="documents",
                                to=settings.AUTH_USER_MODEL,
                            ),
                        ),
                        ("title", models.CharField(max_length=300)),
                        ("slug", models.SlugField(blank=True, db_index=False, max_length=120)),
                        ("language", models.CharField(default="en", max_length=12)),
                        ("kind", models.CharField(default="article", max_length=40)),
                        (
                            "status",
                            models.CharField(
                                choices=[
                                    ("draft", "Draft"),
                                    ("in_review", "In review"),
                                    ("approved", "Approved"),
                                    ("scheduled", "Scheduled"),
                                    ("published", "Published"),
                                    ("archived", "Archived"),
                                ],
                                default="draft",
                                max_length=12,
                            ),
                        ),
                        (
                            "collection",
                            models.ForeignKey(
                                blank=True,
                                null=True,
                                on_delete=django.db.models.deletion.SET_NULL,
                                related_name="documents",
                                to="content.collection",
                            ),
                        ),
                        ("brief", models.JSONField(blank=True, default=dict)),
                        (
                            "seo",
                            models.JSONField(blank=True, db_default=models.Value({}, models.JSONField()), default=dict),
                        ),
                        ("body_markdown", models.TextField(blank=True)),
                        ("body_html", models.TextField(blank=True, editable=False)),
                        ("word_count", models.PositiveIntegerField(default=0)),
                        ("revision", models.PositiveIntegerField(default=1)),
                        (
                            "current_version",
                            models.ForeignKey(
                                blank=True,
                                null=True,
                                on_delete=django.db.models.deletion.SET_NULL,
                                related_name="+",
                                to="content.documentversion",
                            ),
                        ),
                        (
                            "review_version",
                            models.ForeignKey(
                                blank=True,
                                null=True,
                                on_delete=django.db.models.deletion.SET_NULL,
                                related_name="+",
                                to="content.documentversion",
                            ),
                        ),
                        (
                            "approved_version",
                            models.ForeignKey(
                                blank=True,
                                null=True,
                                on_delete=django.db.models.deletion.SET_NULL,
                                related_name="+",
                                to="content.documentversion",
                            ),
                        ),
                        (
                            "approved_by",
                            models.ForeignKey(
                                blank=True,
                                null=True,
                                on_delete=django.db.models.deletion.SET_NULL,
                                related_name="+",
                                to=settings.AUTH_USER_MODEL,
                            ),
                        ),
                        ("approved_at", models.DateTimeField(blank=True, null=True)),
                        (
                            "published_version",
                            models.ForeignKey(
                                blank=True,
                                null=True,
                                on_delete=django.db.models.deletion.SET_NULL,
                                related_name="+",
                                to="content.documentversion",
                            ),
                        ),
                        ("published_at", models.DateTimeField(blank=True, null=True)),
                        ("scheduled_at", models.DateTimeField(blank=True, null=True)),
                        (
                            "voice",
                            models.ForeignKey(
                                blank=True,
                                null=True,
                                on_delete=django.db.models.deletion.SET_NULL,
                                related_name="documents",
                                to="content.voiceprofile",
                            ),
                        ),
                        ("created_at", models.DateTimeField(auto_now_add=True)),
                        ("updated_at", models.DateTimeField(auto_now=True)),
                        ("deleted_at", models.DateTimeField(blank=True, null=True)),
                        ("tags", models.ManyToManyField(blank=True, related_name="documents", to="content.tag")),
                    ],
                    options={
                        "ordering": ["-updated_at"],
                        "indexes": [
                            models.Index(fields=["workspace", "-updated_at"], name="content_document_recent"),
                            models.Index(fields=["workspace", "status", "-updated_at"], name="content_document_status"),
                            models.Index(fields=["workspace", "kind", "-updated_at"], name="content_document_kind"),
                            models.Index(fields=["workspace", "-created_at"], name="content_document_newest"),
                            models.Index(fields=["workspace", "title"], name="content_document_title"),
                            models.Index(fields=["workspace", "-word_count"], name="content_document_longest"),
                            models.Index(fields=["workspace", "owner", "-updated_at"], name="content_document_owner"),
                            models.Index(
                                fields=["workspace", "collection", "-updated_at"], name="content_document_collection"
                            ),
                            models.Index(
                                condition=models.Q(("deleted_at__isnull", False)),
                                fields=["workspace", "-deleted_at"],
                                name="content_document_trash",
                            ),
                        ],
                    },
                ),
                migrations.CreateModel(
                    name="Collection",
                    fields=[
                        (
                            "id",
                            models.UUIDField(
                                default=aiwriter.core.ids.uuid7, editable=False, primary_key=True, serialize=False
                            ),
                        ),
                        (
                            "workspace",
                            models.ForeignKey(
                                on_delete=django.db.models.deletion.CASCADE,
                                related_name="collections",
                                to="users.workspace",
                            ),
                        ),
                        (
                            "parent",
                            models.ForeignKey(
                                blank=True,
                                null=True,
                                on_delete=django.db.models.deletion.RESTRICT,
                                related_name="children",
                                to="content.collection",
                            ),
                        ),
                        ("name", models.CharField(max_length=120)),
                        (
                            "created_by",
                            models.ForeignKey(
                                blank=True,
                                null=True,
                                on_delete=django.db.models.deletion.SET_NULL,
                                related_name="+",
                                to=settings.AUTH_USER_MODEL,
                            ),
                        ),
                        ("created_at", models.DateTimeField(auto_now_add=True)),
                        ("updated_at", models.DateTimeField(auto_now=True)),
                    ],
                    options={
                        "ordering": ["name", "id"],
                        "constraints": [
                            models.UniqueConstraint(
                                models.F("parent"),
                                django.db.models.functions.text.Lower("name"),
                                name="content_collection_name",
                            ),
                            models.UniqueConstraint(
                                models.F("workspace"),
                                django.db.models.functions.text.Lower("name"),
                                condition=models.Q(("parent__isnull", True)),
                                name="content_collection_top_name",
                            ),
                            models.CheckConstraint(
                                condition=models.Q(("parent", models.F("id")), _negated=True),
                                name="content_collection_not_in_itself",
                            ),
                        ],
                    },
                ),
                migrations.CreateModel(
                    name="CommentThread",
                    fields=[
                        (
                            "id",
                            models.UUIDField(
                                default=aiwriter.core.ids.uuid7, editable=False, primary_key=True, serialize=False
                            ),
                        ),
                        (
                            "workspace",
                            models.ForeignKey(
                                on_delete=django.db.models.deletion.CASCADE, related_name="+", to="users.workspace"
                            ),
                        ),
                        (
                            "document",
                            models.ForeignKey(
                                on_delete=django.db.models.deletion.CASCADE,
                                related_name="threads",
                                to="content.document",
                            ),
                        ),
                        (
                            "version",
                            models.ForeignKey(
                                null=True,
                                on_delete=django.db.models.deletion.SET_NULL,
                                related_name="+",
                                to="content.documentversion",
                            ),
                        ),
                        ("quote", models.TextField(blank=True)),
                        ("prefix", models.CharField(blank=True, max_length=80)),
                        ("suffix", models.CharField(blank=True, max_length=80)),
                        ("start", models.PositiveIntegerField(default=0)),
                        (
                            "created_by",
                            models.ForeignKey(
                                null=True,
                                on_delete=django.db.models.deletion.SET_NULL,
                                related_name="+",
                                to=settings.AUTH_USER_MODEL,
                            ),
                        ),
                        (
                            "resolved_by",
                            models.ForeignKey(
                                blank=True,
                                null=True,
                                on_delete=django.db.models.deletion.SET_NULL,
                                related_name="+",
                                to=settings.AUTH_USER_MODEL,
                            ),
                        ),
                        ("resolved_at", models.DateTimeField(blank=True, null=True)),
                        ("created_at", models.DateTimeField(auto_now_add=True)),
                        ("updated_at", models.DateTimeField(auto_now=True)),
                    ],
                    options={
                        "ordering": ["created_at", "id"],
                        "indexes": [
                            models.Index(fields=["document", "created_at", "id"], name="content_thread_of_document")
                        ],
                    },
                ),
                migrations.CreateModel(
                    name="Comment",
                    fields=[
                        (
                            "id",
                            models.UUIDField(
                                default=aiwriter.core.ids.uuid7, editable=False, primary_key=True, serialize=False
                            ),
                        ),
                        (
                            "thread",
                            models.ForeignKey(
                                on_delete=django.db.models.deletion.CASCADE,
                                related_name="comments",
                                to="content.commentthread",
                            ),
                        ),
                        (
                            "author",
                            models.ForeignKey(
                                null=True,
                                on_delete=django.db.models.deletion.SET_NULL,
                                related_name="+",
                                to=settings.AUTH_USER_MODEL,
                            ),
                        ),
                        ("body", models.TextField()),
                        ("mentions", models.JSONField(blank=True, default=list, help_text="Ids of people.")),
                        ("created_at", models.DateTimeField(auto_now_add=True)),
                        ("edited_at", models.DateTimeField(blank=True, null=True)),
                    ],
                    options={
                        "ordering": ["created_at", "id"],
                    },
                ),
                migrations.CreateModel(
                    name="ContentType",
                    fields=[
                        (
                            "id",
                            models.UUIDField(
                                default=aiwriter.core.ids.uuid7, editable=False, primary_key=True, serialize=False
                            ),
                        ),
                        (
                            "workspace",
                            models.ForeignKey(
                                blank=True,
                                null=True,
                                on_delete=django.db.models.deletion.CASCADE,
                                related_name="content_types",
                                to="users.workspace",
                            ),
                        ),
                        ("slug", models.SlugField(db_index=False, max_length=40)),
                        ("name", models.CharField(max_length=120)),
                        (
                            "category",
                            models.CharField(
                                choices=[
                                    ("articles", "Articles and long texts"),
                                    ("business", "Business and press"),
                                    ("copy", "Advertising copy"),
                                    ("letters", "Letters and e-mail"),
                                    ("product", "Products"),
                                    ("social", "Social media"),
                                    ("video", "Video"),
                                    ("other", "Other"),
                                ],
                                default="other",
                                max_length=12,
                            ),
                        ),
                        ("description", models.CharField(blank=True, max_length=400)),
                        (
                            "instructions",
                            models.TextField(
                                help_text="What the model is told; {name} stands for a field of the brief."
                            ),
                        ),
                        ("fields", models.JSONField(default=dict, help_text="JSON Schema of the brief.")),
                        (
                            "writes",
                            models.CharField(
                                choices=[("draft", "A whole text"), ("outline", "An outline")],
                                default="draft",
                                max_length=8,
                            ),
                        ),
                        (
                            "length",
                            models.PositiveIntegerField(
                                default=700, help_text="Words that a text has if nobody says otherwise."
                            ),
                        ),
                        ("is_active", models.BooleanField(default=True)),
                        ("revision", models.PositiveIntegerField(default=1)),
                        ("seeded", models.CharField(blank=True, editable=False, max_length=64)),
                        (
                            "created_by",
                            models.ForeignKey(
                                blank=True,
                                null=True,
                                on_delete=django.db.models.deletion.SET_NULL,
                                related_name="+",
                                to=settings.AUTH_USER_MODEL,
                            ),
                        ),
                        ("created_at", models.DateTimeField(auto_now_add=True)),
                        ("updated_at", models.DateTimeField(auto_now=True)),
                    ],
                    options={
                        "ordering": ["category", "name"],
                        "constraints": [
                            models.UniqueConstraint(
                                condition=models.Q(("workspace__isnull", False)),
                                fields=("workspace", "slug"),
                                name="content_type_own_slug",
                            ),
                            models.UniqueConstraint(
                                condition=models.Q(("workspace__isnull", True)),
                                fields=("slug",),
                                name="content_type_common_slug",
                            ),
                        ],
                    },
                ),
                migrations.CreateModel(
                    name="Batch",
                    fields=[
                        (
                            "id",
                            models.UUIDField(
                                default=aiwriter.core.ids.uuid7, editable=False, primary_key=True, serialize=False
                            ),
                        ),
                        (
                            "workspace",
                            models.ForeignKey(
                                on_delete=django.db.models.deletion.CASCADE,
                                related_name="batches",
                                to="users.workspace",
                            ),
                        ),
                        (
                            "requested_by",
                            models.ForeignKey(
                                null=True,
                                on_delete=django.db.models.deletion.SET_NULL,
                                related_name="+",
                                to=settings.AUTH_USER_MODEL,
                            ),
                        ),
                        (
                            "token_id",
                            models.UUIDField(
                                blank=True, editable=False, help_text="API token that asked, if one did.", null=True
                            ),
                        ),
                        (
                            "content_type",
                            models.ForeignKey(
                                blank=True,
                                null=True,
                                on_delete=django.db.models.deletion.SET_NULL,
                                related_name="batches",
                                to="content.contenttype",
                            ),
                        ),
                        ("template_name", models.CharField(max_length=120)),
                        ("name", models.CharField(max_length=300)),
                        ("encoding", models.CharField(blank=True, help_text="As the file was read.", max_length=12)),
                        ("delimiter", models.CharField(blank=True, max_length=1)),
                        ("columns", models.JSONField(default=list, help_text="Names of the columns, each once.")),
                        (
                            "mapping",
                            models.JSONField(default=dict, help_text="Field of the brief to the column that fills it."),
                        ),
                        (
                            "fixed",
                            models.JSONField(
                                default=dict, help_text="Values of fields that are the same for all rows."
                            ),
                        ),
                        (
                            "collection",
                            models.ForeignKey(
                                blank=True,
                                null=True,
                                on_delete=django.db.models.deletion.SET_NULL,
                                related_name="+",
                                to="content.collection",
                            ),
                        ),
                        (
                            "source_ids",
                            models.JSONField(blank=True, help_text="Null: all sources of the workspace.", null=True),
                        ),
                        (
                            "state",
                            models.CharField(
                                choices=[
                                    ("draft", "Not started"),
                                    ("running", "Writing"),
                                    ("stopping", "Stopping"),
                                    ("stopped", "Stopped"),
                                    ("done", "Done"),
                                ],
                                db_index=True,
                                default="draft",
                                max_length=10,
                            ),
                        ),
                        (
                            "failures",
                            models.PositiveIntegerField(default=0, help_text="Rows that failed one after the other."),
                        ),
                        ("error", models.TextField(blank=True)),
                        ("remedy", models.TextField(blank=True)),
                        ("created_at", models.DateTimeField(default=django.utils.timezone.now, editable=False)),
                        ("updated_at", models.DateTimeField(auto_now=True)),
                        ("started_at", models.DateTimeField(blank=True, editable=False, null=True)),
                        ("finished_at", models.DateTimeField(blank=True, editable=False, null=True)),
                    ],
                    options={
                        "ordering": ["-created_at", "-id"],
                        "indexes": [
                            models.Index(fields=["workspace", "-created_at", "-id"], name="content_batch_recent")
                        ],
                    },
                ),
                migrations.CreateModel(
                    name="ContentTypeVersion",
                    fields=[
                        (
                            "id",
                            models.UUIDField(
                                default=aiwriter.core.ids.uuid7, editable=False, primary_key=True, serialize=False
                            ),
                        ),
                        (
                            "content_type",
                            models.ForeignKey(
                                on_delete=django.db.models.deletion.CASCADE,
                                related_name="versions",
                                to="content.contenttype",
                            ),
                        ),
                        ("number", models.PositiveIntegerField()),
                        ("values", models.JSONField()),
                        (
                            "author",
                            models.ForeignKey(
                                blank=True,
                                null=True,
                                on_delete=django.db.models.deletion.SET_NULL,
                                related_name="+",
                                to=settings.AUTH_USER_MODEL,
                            ),
                        ),
                        ("created_at", models.DateTimeField(auto_now_add=True)),
                    ],
                    options={
                        "ordering": ["content_type", "-number"],
                        "constraints": [
                            models.UniqueConstraint(
                                fields=("content_type", "number"), name="content_type_version_number"
                            )
                        ],
                    },
                ),
                migrations.CreateModel(
                    name="Outline",
                    fields=[
                        (
                            "document",
                            models.OneToOneField(
                                on_delete=django.db.models.deletion.CASCADE,
                                primary_key=True,
                                related_name="outline",
                                serialize=False,
                                to="content.document",
                            ),
                        ),
                        ("brief", models.JSONField(blank=True, default=dict)),
                        ("source_ids", models.JSONField(blank=True, null=True)),
                        (
                            "state",
                            models.CharField(
                                choices=[("idle", "Waiting for you"), ("planning", "Planning"), ("writing", "Writing")],
                                db_index=True,
                                default="idle",
                                max_length=8,
                            ),
                        ),
                        ("run", models.PositiveIntegerField(default=0)),
                        ("revision", models.PositiveIntegerField(default=1)),
                        (
                            "requested_by",
                            models.ForeignKey(
                                blank=True,
                                null=True,
                                on_delete=django.db.models.deletion.SET_NULL,
                                related_name="+",
                                to=settings.AUTH_USER_MODEL,
                            ),
                        ),
                        (
                            "token_id",
                            models.UUIDField(
                                blank=True, editable=False, help_text="API token that asked, if one did.", null=True
                            ),
                        ),
                        (
                            "plan",
                            models.ForeignKey(
                                blank=True,
                                null=True,
                                on_delete=django.db.models.deletion.SET_NULL,
                                related_name="+",
                                to="content.generation",
                            ),
                        ),
                        ("error", models.TextField(blank=True)),
                        ("remedy", models.TextField(blank=True)),
                        ("updated_at", models.DateTimeField(auto_now=True)),
                    ],
                ),
                migrations.CreateModel(
                    name="DocumentVersion",
                    fields=[
                        (
                            "id",
                            models.UUIDField(
                                default=aiwriter.core.ids.uuid7, editable=False, primary_key=True, serialize=False
                            ),
                        ),
                        (
                            "document",
                            models.ForeignKey(
                                on_delete=django.db.models.deletion.CASCADE,
                                related_name="versions",
                                to="content.document",
                            ),
                        ),
                        ("number", models.PositiveIntegerField()),
                        ("title", models.CharField(max_length=300)),
                        ("body_markdown", models.TextField(blank=True)),
                        ("sha256", models.CharField(max_length=64)),
                        ("word_count", models.PositiveIntegerField(default=0)),
                        (
                            "author",
                            models.ForeignKey(
                                blank=True,
                                null=True,
                                on_delete=django.db.models.deletion.SET_NULL,
                                related_name="+",
                                to=settings.AUTH_USER_MODEL,
                            ),
                        ),
                        (
                            "reason",
                            models.CharField(
                                choices=[
                                    ("autosave", "Saved while writing"),
                                    ("manual", "Saved"),
                                    ("ai", "Written by a model"),
                                    ("import", "Imported"),
                                    ("restore", "Restored"),
                                    ("api", "Written through the API"),
                                    ("merge", "Two texts merged"),
                                    ("conflict", "Kept beside a newer text"),
                                ],
                                default="manual",
                                max_length=10,
                            ),
                        ),
                        ("label", models.CharField(blank=True, max_length=120)),
                        ("pinned", models.BooleanField(db_default=False, default=False)),
                        (
                            "generation",
                            models.ForeignKey(
                                blank=True,
                                null=True,
                                on_delete=django.db.models.deletion.SET_NULL,
                                related_name="versions",
                                to="content.generation",
                            ),
                        ),
                        ("created_at", models.DateTimeField(auto_now_add=True)),
                    ],
                    options={
                        "ordering": ["document", "-number"],
                        "constraints": [
                            models.UniqueConstraint(fields=("document", "number"), name="content_version_number"),
                            models.CheckConstraint(
                                condition=models.Q(("number__gte", 1)), name="content_version_number_from_1"
                            ),
                        ],
                    },
                ),
                migrations.CreateModel(
                    name="ClaimCheck",
                    fields=[
                        ("lease_until", models.DateTimeField(blank=True, editable=False, null=True)),
                        ("fence", models.PositiveIntegerField(default=0, editable=False)),
                        ("attempts", models.PositiveSmallIntegerField(default=0, editable=False)),
                        ("worker", models.CharField(blank=True, editable=False, max_length=120)),
                        ("queued_at", models.DateTimeField(default=django.utils.timezone.now, editable=False)),
                        ("started_at", models.DateTimeField(blank=True, editable=False, null=True)),
                        ("finished_at", models.DateTimeField(blank=True, editable=False, null=True)),
                        (
                            "id",
                            models.UUIDField(
                                default=aiwriter.core.ids.uuid7, editable=False, primary_key=True, serialize=False
                            ),
                        ),
                        (
                            "document",
                            models.ForeignKey(
                                on_delete=django.db.models.deletion.CASCADE,
                                related_name="claim_checks",
                                to="content.document",
                            ),
                        ),
                        (
                            "version",
                            models.ForeignKey(
                                on_delete=django.db.models.deletion.CASCADE,
                                related_name="+",
                                to="content.documentversion",
                            ),
                        ),
                        (
                            "requested_by",
                            models.ForeignKey(
                                null=True,
                                on_delete=django.db.models.deletion.SET_NULL,
                                related_name="+",
                                to=settings.AUTH_USER_MODEL,
                            ),
                        ),
                        (
                            "state",
                            models.CharField(
                                choices=[
                                    ("queued", "Waiting"),
                                    ("running", "Checking"),
                                    ("ready", "Ready"),
                                    ("stopped", "Stopped"),
                                    ("failed", "Failed"),
                                ],
                                db_index=True,
                                default="queued",
                                max_length=16,
                            ),
                        ),
                        ("total", models.PositiveIntegerField(default=0)),
                        ("done", models.PositiveIntegerField(default=0)),
                        (
                            "note",
                            models.CharField(
                                blank=True,
                                help_text="What was not as usual, for the reader of the result.",
                                max_length=300,
                            ),
                        ),
                        ("error", models.TextField(blank=True)),
                        ("remedy", models.TextField(blank=True)),
                        ("created_at", models.DateTimeField(auto_now_add=True)),
                    ],
                    options={
                        "ordering": ["-created_at"],
                        "indexes": [
                            models.Index(fields=["document", "-created_at", "-id"], name="content_claimcheck_recent")
                        ],
                    },
                ),
                migrations.CreateModel(
                    name="EmbeddingIndex",
                    fields=[
                        (
                            "id",
                            models.UUIDField(
                                default=aiwriter.core.ids.uuid7, editable=False, primary_key=True, serialize=False
                            ),
                        ),
                        (
                            "workspace",
                            models.ForeignKey(
                                on_delete=django.db.models.deletion.CASCADE,
                                related_name="embedding_indexes",
                                to="users.workspace",
                            ),
                        ),
                        ("embedder_id", models.CharField(max_length=120)),
                        ("dimension", models.PositiveSmallIntegerField()),
                        (
                            "generation",
                            models.PositiveIntegerField(
                                default=0, help_text="Number of the collection; each rebuild makes one."
                            ),
                        ),
                        (
                            "state",
                            models.CharField(
                                choices=[
                                    ("empty", "Empty"),
                                    ("building", "Building"),
                                    ("ready", "Ready"),
                                    ("behind", "Behind"),
                                    ("broken", "Broken"),
                                ],
                                default="empty",
                                max_length=10,
                            ),
                        ),
                        ("collection", models.CharField(blank=True, max_length=120)),
                        ("vectors_count", models.PositiveIntegerField(default=0)),
                        ("revision", models.PositiveBigIntegerField(default=0)),
                        ("indexed_revision", models.PositiveBigIntegerField(default=0)),
                        ("last_built_at", models.DateTimeField(blank=True, null=True)),
                        ("verified_at", models.DateTimeField(blank=True, null=True)),
                        ("error", models.TextField(blank=True)),
                        ("created_at", models.DateTimeField(auto_now_add=True)),
                        ("updated_at", models.DateTimeField(auto_now=True)),
                    ],
                    options={
                        "verbose_name_plural": "embedding indexes",
                        "ordering": ["workspace", "embedder_id"],
                        "constraints": [
                            models.UniqueConstraint(
                                fields=("workspace", "embedder_id"), name="content_index_per_embedder"
                            )
                        ],
                    },
                ),
                migrations.CreateModel(
                    name="Export",
                    fields=[
                        ("lease_until", models.DateTimeField(blank=True, editable=False, null=True)),
                        ("fence", models.PositiveIntegerField(default=0, editable=False)),
                        ("attempts", models.PositiveSmallIntegerField(default=0, editable=False)),
                        ("worker", models.CharField(blank=True, editable=False, max_length=120)),
                        ("queued_at", models.DateTimeField(default=django.utils.timezone.now, editable=False)),
                        ("started_at", models.DateTimeField(blank=True, editable=False, null=True)),
                        ("finished_at", models.DateTimeField(blank=True, editable=False, null=True)),
                        (
                            "id",
                            models.UUIDField(
                                default=aiwriter.core.ids.uuid7, editable=False, primary_key=True, serialize=False
                            ),
                        ),
                        (
                            "workspace",
                            models.ForeignKey(
                                null=True,
                                on_delete=django.db.models.deletion.CASCADE,
                                related_name="exports",
                                to="users.workspace",
                            ),
                        ),
                        (
                            "document",
                            models.ForeignKey(
                                blank=True,
                                null=True,
                                on_delete=django.db.models.deletion.CASCADE,
                                related_name="exports",
                                to="content.document",
                            ),
                        ),
                        (
                            "version",
                            models.ForeignKey(
                                blank=True,
                                null=True,
                                on_delete=django.db.models.deletion.CASCADE,
                                related_name="+",
                                to="content.documentversion",
                            ),
                        ),
                        ("selection", models.JSONField(blank=True, default=list)),
                        ("title", models.CharField(blank=True, max_length=300)),
                        ("which", models.CharField(default="current", max_length=10)),
                        ("with_sources", models.BooleanField(default=True)),
                        ("with_origin", models.BooleanField(default=False)),
                        (
                            "requested_by",
                            models.ForeignKey(
                                null=True,
                                on_delete=django.db.models.deletion.SET_NULL,
                                related_name="+",
                                to=settings.AUTH_USER_MODEL,
                            ),
                        ),
                        (
                            "format",
                            models.CharField(
                                choices=[
                                    ("md", "Markdown"),
                                    ("html", "Web page"),
                                    ("docx", "Word"),
                                    ("pdf", "PDF"),
                                    ("txt", "Plain text"),
                                    ("json", "JSON"),
                                ],
                                max_length=4,
                            ),
                        ),
                        (
                            "state",
                            models.CharField(
                                choices=[
                                    ("queued", "Waiting"),
                                    ("running", "Writing the file"),
                                    ("ready", "Ready"),
                                    ("failed", "Failed"),
                                    ("expired", "Expired"),
                                ],
                                db_index=True,
                                default="queued",
                                max_length=16,
                            ),
                        ),
                        ("done", models.PositiveIntegerField(default=0)),
                        (
                            "file",
                            models.ForeignKey(
                                blank=True,
                                null=True,
                                on_delete=django.db.models.deletion.SET_NULL,
                                related_name="exports",
                                to="backends.storedfile",
                            ),
                        ),
                        ("error", models.TextField(blank=True)),
                        ("remedy", models.TextField(blank=True)),
                        ("created_at", models.DateTimeField(auto_now_add=True)),
                        ("expires_at", models.DateTimeField(blank=True, null=True)),
                    ],
                    options={
                        "ordering": ["-created_at"],
                        "indexes": [
                            models.Index(fields=["workspace", "-created_at", "-id"], name="content_export_recent"),
                            models.Index(fields=["state", "expires_at"], name="content_export_expiry"),
                        ],
                    },
                ),
                migrations.CreateModel(
                    name="Generation",
                    fields=[
                        ("lease_until", models.DateTimeField(blank=True, editable=False, null=True)),
                        ("fence", models.PositiveIntegerField(default=0, editable=False)),
                        ("attempts", models.PositiveSmallIntegerField(default=0, editable=False)),
                        ("worker", models.CharField(blank=True, editable=False, max_length=120)),
                        ("queued_at", models.DateTimeField(default=django.utils.timezone.now, editable=False)),
                        ("started_at", models.DateTimeField(blank=True, editable=False, null=True)),
                        ("finished_at", models.DateTimeField(blank=True, editable=False, null=True)),
                        (
                            "id",
                            models.UUIDField(
                                default=aiwriter.core.ids.uuid7, editable=False, primary_key=True, serialize=False
                            ),
                        ),
                        (
                            "workspace",
                            models.ForeignKey(
                                on_delete=django.db.models.deletion.CASCADE,
                                related_name="generations",
                                to="users.workspace",
                            ),
                        ),
                        (
                            "document",
                            models.ForeignKey(
                                blank=True,
                                null=True,
                                on_delete=django.db.models.deletion.CASCADE,
                                related_name="generations",
                                to="content.document",
                            ),
                        ),
                        (
                            "requested_by",
                            models.ForeignKey(
                                blank=True,
                                null=True,
                                on_delete=django.db.models.deletion.SET_NULL,
                                related_name="generations",
                                to=settings.AUTH_USER_MODEL,
                            ),
                        ),
                        (
                            "token_id",
                            models.UUIDField(
                                blank=True, editable=False, help_text="API token that asked, if one did.", null=True
                            ),
                        ),
                        (
                            "kind",
                            models.CharField(
                                choices=[
                                    ("draft", "Draft"),
                                    ("outline", "Outline"),
                                    ("section", "Section"),
                                    ("rewrite", "Rewrite"),
                                    ("title", "Title"),
                                ],
                                max_length=10,
                            ),
                        ),
                        ("input", models.JSONField(default=dict)),
                        ("idempotency_key", models.CharField(blank=True, max_length=120)),
                        (
                            "state",
                            models.CharField(
                                choices=[
                                    ("queued", "Waiting"),
                                    ("running", "Writing"),
                                    ("stopping", "Stopping"),
                                    ("stopped", "Stopped"),
                                    ("succeeded", "Done"),
                                    ("failed", "Failed"),
                                ],
                                db_index=True,
                                default="queued",
                                max_length=16,
                            ),
                        ),
                        ("stop_requested_at", models.DateTimeField(blank=True, editable=False, null=True)),
                        ("finish_reason", models.CharField(blank=True, max_length=20)),
                        ("output_markdown", models.TextField(blank=True)),
                        (
                            "partial_length",
                            models.PositiveIntegerField(
                                default=0, help_text="Characters written, as of the last renewal."
                            ),
                        ),
                        (
                            "last_seq",
                            models.PositiveIntegerField(
                                default=0, help_text="Number of the last event, as of the last renewal."
                            ),
                        ),
                        (
                            "stalls",
                            models.PositiveSmallIntegerField(
                                default=0, help_text="Attempts in a row that added no text."
                            ),
                        ),
                        (
                            "retrieved",
                            models.BooleanField(
                                default=False, help_text="The passages were looked up; a successor uses the same."
                            ),
                        ),
                        (
                            "models_used",
                            models.JSONField(blank=True, default=list, help_text="Which model wrote which characters."),
                        ),
                        ("error_code", models.CharField(blank=True, max_length=40)),
                        ("error", models.TextField(blank=True)),
                        ("remedy", models.TextField(blank=True)),
                        (
                            "applied_version",
                            models.ForeignKey(
                                blank=True,
                                null=True,
                                on_delete=django.db.models.deletion.SET_NULL,
                                related_name="+",
                                to="content.documentversion",
                            ),
                        ),
                        ("created_at", models.DateTimeField(auto_now_add=True)),
                        ("updated_at", models.DateTimeField(auto_now=True)),
                    ],
                    options={
                        "ordering": ["-created_at"],
                        "indexes": [
                            models.Index(fields=["workspace", "-created_at"], name="content_generation_recent"),
                            models.Index(fields=["state", "lease_until"], name="content_generation_sweep"),
                        ],
                        "constraints": [
                            models.UniqueConstraint(
                                condition=models.Q(("idempotency_key", ""), _negated=True),
                                fields=("requested_by", "idempotency_key"),
                                name="content_generation_once_per_key",
                            )
                        ],
                    },
                ),
                migrations.CreateModel(
                    name="BatchRow",
                    fields=[
                        (
                            "id",
                            models.UUIDField(
                                default=aiwriter.core.ids.uuid7, editable=False, primary_key=True, serialize=False
                            ),
                        ),
                        (
                            "batch",
                            models.ForeignKey(
                                db_index=False,
                                on_delete=django.db.models.deletion.CASCADE,
                                related_name="rows",
                                to="content.batch",
                            ),
                        ),
                        ("number", models.PositiveIntegerField()),
                        ("cells", models.JSONField(default=list)),
                        (
                            "unread",
                            models.CharField(
                                blank=True, help_text="Why the row could not be read at all.", max_length=300
                            ),
                        ),
                        (
                            "state",
                            models.CharField(
                                choices=[
                                    ("bad", "Cannot be used"),
                                    ("ready", "Ready"),
                                    ("waiting", "Waiting"),
                                    ("writing", "Being written"),
                                    ("done", "Written"),
                                    ("failed", "Failed"),
                                    ("stopped", "Stopped"),
                                ],
                                default="ready",
                                max_length=8,
                            ),
                        ),
                        (
                            "problems",
                            models.JSONField(
                                default=list, help_text="What is wrong with it: column, field, issue, remedy."
                            ),
                        ),
                        ("attempt", models.PositiveSmallIntegerField(default=1)),
                        (
                            "generation",
                            models.ForeignKey(
                                blank=True,
                                null=True,
                                on_delete=django.db.models.deletion.SET_NULL,
                                related_name="batch_rows",
                                to="content.generation",
                            ),
                        ),
                        (
                            "document",
                            models.ForeignKey(
                                blank=True,
                                null=True,
                                on_delete=django.db.models.deletion.SET_NULL,
                                related_name="batch_rows",
                                to="content.document",
                            ),
                        ),
                        ("error", models.TextField(blank=True)),
                        ("remedy", models.TextField(blank=True)),
                    ],
                    options={
                        "ordering": ["batch", "number"],
                        "indexes": [models.Index(fields=["batch", "state", "number"], name="content_batch_row_state")],
                        "constraints": [
                            models.UniqueConstraint(fields=("batch", "number"), name="content_batch_row_number")
                        ],
                    },
                ),
                migrations.CreateModel(
                    name="GenerationEvent",
                    fields=[
                        ("id", models.BigAutoField(primary_key=True, serialize=False)),
                        (
                            "generation",
                            models.ForeignKey(
                                db_index=False,
                                on_delete=django.db.models.deletion.CASCADE,
                                related_name="events",
                                to="content.generation",
                            ),
                        ),
                        ("seq", models.PositiveIntegerField()),
                        ("type", models.CharField(max_length=12)),
                        ("data", models.JSONField(default=dict)),
                    ],
                    options={
                        "ordering": ["generation", "seq"],
                        "constraints": [
                            models.UniqueConstraint(fields=("generation", "seq"), name="content_event_seq")
                        ],
                    },
                ),
                migrations.CreateModel(
                    name="Import",
                    fields=[
                        ("lease_until", models.DateTimeField(blank=True, editable=False, null=True)),
                        ("fence", models.PositiveIntegerField(default=0, editable=False)),
                        ("attempts", models.PositiveSmallIntegerField(default=0, editable=False)),
                        ("worker", models.CharField(blank=True, editable=False, max_length=120)),
                        ("queued_at", models.DateTimeField(default=django.utils.timezone.now, editable=False)),
                        ("started_at", models.DateTimeField(blank=True, editable=False, null=True)),
                        ("finished_at", models.DateTimeField(blank=True, editable=False, null=True)),
                        (
                            "id",
                            models.UUIDField(
                                default=aiwriter.core.ids.uuid7, editable=False, primary_key=True, serialize=False
                            ),
                        ),
                        (
                            "workspace",
                            models.ForeignKey(
                                on_delete=django.db.models.deletion.CASCADE,
                                related_name="imports",
                                to="users.workspace",
                            ),
                        ),
                        (
                            "requested_by",
                            models.ForeignKey(
                                null=True,
                                on_delete=django.db.models.deletion.SET_NULL,
                                related_name="+",
                                to=settings.AUTH_USER_MODEL,
                            ),
                        ),
                        ("name", models.CharField(max_length=300)),
                        ("url", models.CharField(blank=True, max_length=2000)),
                        (
                            "file",
                            models.ForeignKey(
                                blank=True,
                                null=True,
                                on_delete=django.db.models.deletion.SET_NULL,
                                related_name="imports",
                                to="backends.storedfile",
                            ),
                        ),
                        (
                            "state",
                            models.CharField(
                                choices=[
                                    ("queued", "Waiting"),
                                    ("running", "Reading"),
                                    ("done", "Done"),
                                    ("failed", "Failed"),
                                ],
                                db_index=True,
                                default="queued",
                                max_length=16,
                            ),
                        ),
                        ("notes", models.JSONField(blank=True, default=list)),
                        (
                            "pictures",
                            models.JSONField(
                                blank=True, default=dict, editable=False, help_text="Fingerprint to the kept file."
                            ),
                        ),
                        ("error", models.TextField(blank=True)),
                        ("remedy", models.TextField(blank=True)),
                        ("created_at", models.DateTimeField(default=django.utils.timezone.now, editable=False)),
                        (
                            "documents",
                            models.ManyToManyField(blank=True, related_name="imports", to="content.document"),
                        ),
                    ],
                    options={
                        "ordering": ["-created_at", "-id"],
                        "indexes": [
                            models.Index(fields=["workspace", "-created_at", "-id"], name="content_import_recent")
                        ],
                    },
                ),
                migrations.CreateModel(
                    name="Presence",
                    fields=[
                        ("id", models.BigAutoField(primary_key=True, serialize=False)),
                        (
                            "document",
                            models.ForeignKey(
                                db_index=False,
                                on_delete=django.db.models.deletion.CASCADE,
                                related_name="presences",
                                to="content.document",
                            ),
                        ),
                        (
                            "user",
                            models.ForeignKey(
                                on_delete=django.db.models.deletion.CASCADE,
                                related_name="+",
                                to=settings.AUTH_USER_MODEL,
                            ),
                        ),
                        ("since", models.DateTimeField(default=django.utils.timezone.now)),
                        ("seen_at", models.DateTimeField(db_index=True, default=django.utils.timezone.now)),
                    ],
                    options={
                        "ordering": ["since"],
                        "constraints": [
                            models.UniqueConstraint(fields=("document", "user"), name="content_presence_once")
                        ],
                    },
                ),
                migrations.CreateModel(
                    name="PromptAction",
                    fields=[
                        (
                            "id",
                            models.UUIDField(
                                default=aiwriter.core.ids.uuid7, editable=False, primary_key=True, serialize=False
                            ),
                        ),
                        (
                            "workspace",
                            models.ForeignKey(
                                blank=True,
                                null=True,
                                on_delete=django.db.models.deletion.CASCADE,
                                related_name="prompt_actions",
                                to="users.workspace",
                            ),
                        ),
                        ("key", models.SlugField(help_text="Names it for programs.", max_length=60)),
                        ("name", models.CharField(help_text="The words in the menu.", max_length=80)),
                        (
                            "is_active",
                            models.BooleanField(default=True, help_text="Offered in the menu.", verbose_name="active"),
                        ),
                        (
                            "current",
                            models.ForeignKey(
                                blank=True,
                                null=True,
                                on_delete=django.db.models.deletion.SET_NULL,
                                related_name="+",
                                to="content.promptactionversion",
                            ),
                        ),
                        (
                            "created_by",
                            models.ForeignKey(
                                blank=True,
                                null=True,
                                on_delete=django.db.models.deletion.SET_NULL,
                                related_name="+",
                                to=settings.AUTH_USER_MODEL,
                            ),
                        ),
                        ("created_at", models.DateTimeField(auto_now_add=True)),
                        ("updated_at", models.DateTimeField(auto_now=True)),
                    ],
                    options={
                        "ordering": ["name", "id"],
                        "constraints": [
                            models.UniqueConstraint(fields=("workspace", "key"), name="content_prompt_action_key"),
                            models.UniqueConstraint(
                                condition=models.Q(("workspace__isnull", True)),
                                fields=("key",),
                                name="content_prompt_action_default_key",
                            ),
                        ],
                    },
                ),
                migrations.CreateModel(
                    name="PromptActionVersion",
                    fields=[
                        (
                            "id",
                            models.UUIDField(
                                default=aiwriter.core.ids.uuid7, editable=False, primary_key=True, serialize=False
                            ),
                        ),
                        (
                            "action",
                            models.ForeignKey(
                                db_index=False,
                                on_delete=django.db.models.deletion.CASCADE,
                                related_name="versions",
                                to="content.promptaction",
                            ),
                        ),
                        ("number", models.PositiveIntegerField()),
                        ("template", models.TextField()),
                        (
                            "scope",
                            models.CharField(
                                choices=[
                                    ("selection", "A selection"),
                                    ("whole", "The whole text"),
                                    ("both", "A selection or the whole text"),
                                ],
                                default="selection",
                                max_length=10,
                            ),
                        ),
                        (
                            "placement",
                            models.CharField(
                                choices=[
                                    ("replace", "In place of the text"),
                                    ("before", "Before the text"),
                                    ("after", "After the text"),
                                ],
                                default="replace",
                                max_length=10,
                            ),
                        ),
                        (
                            "created_by",
                            models.ForeignKey(
                                blank=True,
                                null=True,
                                on_delete=django.db.models.deletion.SET_NULL,
                                related_name="+",
                                to=settings.AUTH_USER_MODEL,
                            ),
                        ),
                        ("created_at", models.DateTimeField(auto_now_add=True)),
                    ],
                    options={
                        "ordering": ["-number"],
                        "constraints": [
                            models.UniqueConstraint(
                                fields=("action", "number"), name="content_prompt_action_version_once"
                            )
                        ],
                    },
                ),
                migrations.CreateModel(
                    name="Provenance",
                    fields=[
                        (
                            "id",
                            models.UUIDField(
                                default=aiwriter.core.ids.uuid7, editable=False, primary_key=True, serialize=False
                            ),
                        ),
                        (
                            "version",
                            models.OneToOneField(
                                on_delete=django.db.models.deletion.CASCADE,
                                related_name="provenance",
                                to="content.documentversion",
                            ),
                        ),
                        ("spans", models.JSONField(default=list)),
                        ("human", models.PositiveIntegerField(default=0, help_text="Characters that a person wrote.")),
                        ("ai", models.PositiveIntegerField(default=0, help_text="Characters that a model wrote.")),
                        (
                            "ai_edited",
                            models.PositiveIntegerField(
                                default=0, help_text="Characters of a model in sentences that a person changed."
                            ),
                        ),
                        ("quoted", models.PositiveIntegerField(default=0, help_text="Characters in quotations.")),
                    ],
                    options={
                        "verbose_name_plural": "provenance",
                        "ordering": ["version"],
                    },
                ),
                migrations.CreateModel(
                    name="Publication",
                    fields=[
                        ("lease_until", models.DateTimeField(blank=True, editable=False, null=True)),
                        ("fence", models.PositiveIntegerField(default=0, editable=False)),
                        ("attempts", models.PositiveSmallIntegerField(default=0, editable=False)),
                        ("worker", models.CharField(blank=True, editable=False, max_length=120)),
                        ("queued_at", models.DateTimeField(default=django.utils.timezone.now, editable=False)),
                        ("started_at", models.DateTimeField(blank=True, editable=False, null=True)),
                        ("finished_at", models.DateTimeField(blank=True, editable=False, null=True)),
                        (
                            "id",
                            models.UUIDField(
                                default=aiwriter.core.ids.uuid7, editable=False, primary_key=True, serialize=False
                            ),
                        ),
                        (
                            "workspace",
                            models.ForeignKey(
                                on_delete=django.db.models.deletion.CASCADE,
                                related_name="publications",
                                to="users.workspace",
                            ),
                        ),
                        (
                            "document",
                            models.ForeignKey(
                                on_delete=django.db.models.deletion.CASCADE,
                                related_name="publications",
                                to="content.document",
                            ),
                        ),
                        (
                            "target",
                            models.ForeignKey(
                                on_delete=django.db.models.deletion.PROTECT,
                                related_name="publications",
                                to="backends.backendprofile",
                            ),
                        ),
                        (
                            "version",
                            models.ForeignKey(
                                on_delete=django.db.models.deletion.PROTECT,
                                related_name="+",
                                to="content.documentversion",
                            ),
                        ),
                        (
                            "wish",
                            models.CharField(
                                choices=[
                                    ("publish", "Public"),
                                    ("schedule", "Public at a time"),
                                    ("draft", "Draft"),
                                    ("withdraw", "Not there"),
                                ],
                                default="publish",
                                max_length=10,
                            ),
                        ),
                        ("publish_at", models.DateTimeField(blank=True, null=True)),
                        ("categories", models.JSONField(blank=True, default=list)),
                        ("tags", models.JSONField(blank=True, default=list)),
                        ("with_sources", models.BooleanField(default=True)),
                        (
                            "state",
                            models.CharField(
                                choices=[
                                    ("queued", "Waiting"),
                                    ("running", "On its way"),
                                    ("published", "Up to date there"),
                                    ("withdrawn", "Taken down"),
                                    ("failed", "Failed"),
                                ],
                                db_index=True,
                                default="queued",
                                max_length=16,
                            ),
                        ),
                        (
                            "requested_by",
                            models.ForeignKey(
                                null=True,
                                on_delete=django.db.models.deletion.SET_NULL,
                                related_name="+",
                                to=settings.AUTH_USER_MODEL,
                            ),
                        ),
                        ("remote_id", models.CharField(blank=True, max_length=200)),
                        ("remote_url", models.CharField(blank=True, max_length=2000)),
                        ("sent_hash", models.CharField(blank=True, max_length=64)),
                        (
                            "sent_version",
                            models.ForeignKey(
                                blank=True,
                                null=True,
                                on_delete=django.db.models.deletion.SET_NULL,
                                related_name="+",
                                to="content.documentversion",
                            ),
                        ),
                        ("sent_at", models.DateTimeField(blank=True, null=True)),
                        ("next_try_at", models.DateTimeField(blank=True, null=True)),
                        ("error", models.TextField(blank=True)),
                        ("remedy", models.TextField(blank=True)),
                        ("created_at", models.DateTimeField(auto_now_add=True)),
                        ("updated_at", models.DateTimeField(auto_now=True)),
                    ],
                    options={
                        "ordering": ["-created_at", "-id"],
                        "indexes": [
                            models.Index(fields=["workspace", "-created_at", "-id"], name="content_publication_recent")
                        ],
                        "constraints": [
                            models.UniqueConstraint(fields=("document", "target"), name="content_publication_once")
                        ],
                    },
                ),
                migrations.CreateModel(
                    name="ReviewRequest",
                    fields=[
                        (
                            "id",
                            models.UUIDField(
                                default=aiwriter.core.ids.uuid7, editable=False, primary_key=True, serialize=False
                            ),
                        ),
                        (
                            "workspace",
                            models.ForeignKey(
                                on_delete=django.db.models.deletion.CASCADE,
                                related_name="review_requests",
                                to="users.workspace",
                            ),
                        ),
                        (
                            "document",
                            models.ForeignKey(
                                on_delete=django.db.models.deletion.CASCADE,
                                related_name="review_requests",
                                to="content.document",
                            ),
                        ),
                        (
                            "version",
                            models.ForeignKey(
                                on_delete=django.db.models.deletion.CASCADE,
                                related_name="+",
                                to="content.documentversion",
                            ),
                        ),
                        (
                            "requested_by",
                            models.ForeignKey(
                                null=True,
                                on_delete=django.db.models.deletion.SET_NULL,
                                related_name="+",
                                to=settings.AUTH_USER_MODEL,
                            ),
                        ),
                        ("note", models.TextField(blank=True)),
                        (
                            "state",
                            models.CharField(
                                choices=[
                                    ("open", "Open"),
                                    ("approved", "Approved"),
                                    ("changes", "Changes asked for"),
                                    ("cancelled", "Taken back"),
                                ],
                                default="open",
                                max_length=10,
                            ),
                        ),
                        ("created_at", models.DateTimeField(auto_now_add=True)),
                        ("closed_at", models.DateTimeField(blank=True, null=True)),
                    ],
                    options={
                        "ordering": ["-created_at", "-id"],
                        "indexes": [
                            models.Index(
                                fields=["workspace", "state", "-created_at", "-id"], name="content_review_recent"
                            )
                        ],
                        "constraints": [
                            models.UniqueConstraint(
                                condition=models.Q(("state", "open")),
                                fields=("document",),
                                name="content_review_open_once",
                            )
                        ],
                    },
                ),
                migrations.CreateModel(
                    name="ReviewVerdict",
                    fields=[
                        (
                            "id",
                            models.UUIDField(
                                default=aiwriter.core.ids.uuid7, editable=False, primary_key=True, serialize=False
                            ),
                        ),
                        (
                            "request",
                            models.ForeignKey(
                                on_delete=django.db.models.deletion.CASCADE,
                                related_name="verdicts",
                                to="content.reviewrequest",
                            ),
                        ),
                        (
                            "reviewer",
                            models.ForeignKey(
                                db_index=False,
                                on_delete=django.db.models.deletion.CASCADE,
                                related_name="+",
                                to=settings.AUTH_USER_MODEL,
                            ),
                        ),
                        (
                            "decision",
                            models.CharField(
                                choices=[
                                    ("waiting", "Not decided yet"),
                                    ("approved", "Approved"),
                                    ("changes", "Asked for changes"),
                                ],
                                default="waiting",
                                max_length=10,
                            ),
                        ),
                        ("note", models.TextField(blank=True)),
                        ("decided_at", models.DateTimeField(blank=True, null=True)),
                    ],
                    options={
                        "ordering": ["id"],
                        "indexes": [models.Index(fields=["reviewer", "decision"], name="content_verdict_waiting")],
                        "constraints": [
                            models.UniqueConstraint(fields=("request", "reviewer"), name="content_verdict_once")
                        ],
                    },
                ),
                migrations.CreateModel(
                    name="Schedule",
                    fields=[
                        ("lease_until", models.DateTimeField(blank=True, editable=False, null=True)),
                        ("fence", models.PositiveIntegerField(default=0, editable=False)),
                        ("attempts", models.PositiveSmallIntegerField(default=0, editable=False)),
                        ("worker", models.CharField(blank=True, editable=False, max_length=120)),
                        ("queued_at", models.DateTimeField(default=django.utils.timezone.now, editable=False)),
                        ("started_at", models.DateTimeField(blank=True, editable=False, null=True)),
                        ("finished_at", models.DateTimeField(blank=True, editable=False, null=True)),
                        (
                            "id",
                            models.UUIDField(
                                default=aiwriter.core.ids.uuid7, editable=False, primary_key=True, serialize=False
                            ),
                        ),
                        (
                            "workspace",
                            models.ForeignKey(
                                on_delete=django.db.models.deletion.CASCADE,
                                related_name="schedules",
                                to="users.workspace",
                            ),
                        ),
                        (
                            "document",
                            models.ForeignKey(
                                on_delete=django.db.models.deletion.CASCADE,
                                related_name="schedules",
                                to="content.document",
                            ),
                        ),
                        (
                            "version",
                            models.ForeignKey(
                                on_delete=django.db.models.deletion.CASCADE,
                                related_name="+",
                                to="content.documentversion",
                            ),
                        ),
                        ("publish_at", models.DateTimeField()),
                        ("places", models.JSONField(blank=True, default=list)),
                        (
                            "state",
                            models.CharField(
                                choices=[
                                    ("queued", "Waiting for its time"),
                                    ("running", "Being published"),
                                    ("done", "Published"),
                                    ("cancelled", "Taken back"),
                                    ("failed", "Failed"),
                                ],
                                db_index=True,
                                default="queued",
                                max_length=16,
                            ),
                        ),
                        (
                            "requested_by",
                            models.ForeignKey(
                                null=True,
                                on_delete=django.db.models.deletion.SET_NULL,
                                related_name="+",
                                to=settings.AUTH_USER_MODEL,
                            ),
                        ),
                        ("error", models.TextField(blank=True)),
                        ("remedy", models.TextField(blank=True)),
                        ("created_at", models.DateTimeField(auto_now_add=True)),
                    ],
                    options={
                        "ordering": ["publish_at", "id"],
                        "indexes": [
                            models.Index(fields=["workspace", "publish_at", "id"], name="content_schedule_time")
                        ],
                        "constraints": [
                            models.UniqueConstraint(
                                condition=models.Q(("state__in", ("queued", "running"))),
                                fields=("document",),
                                name="content_schedule_once",
                            )
                        ],
                    },
                ),
                migrations.CreateModel(
                    name="Section",
                    fields=[
                        (
                            "id",
                            models.UUIDField(
                                default=aiwriter.core.ids.uuid7, editable=False, primary_key=True, serialize=False
                            ),
                        ),
                        (
                            "document",
                            models.ForeignKey(
                                on_delete=django.db.models.deletion.CASCADE,
                                related_name="sections",
                                to="content.document",
                            ),
                        ),
                        ("position", models.PositiveSmallIntegerField()),
                        ("heading", models.CharField(max_length=300)),
                        ("instruction", models.TextField(blank=True)),
                        ("target_words", models.PositiveIntegerField(default=300)),
                        (
                            "state",
                            models.CharField(
                                choices=[
                                    ("planned", "Planned"),
                                    ("queued", "In line"),
                                    ("writing", "Writing"),
                                    ("written", "Written"),
                                    ("stopped", "Stopped"),
                                    ("failed", "Failed"),
                                ],
                                default="planned",
                                max_length=8,
                            ),
                        ),
                        ("text", models.TextField(blank=True)),
                        ("words", models.PositiveIntegerField(default=0)),
                        (
                            "generation",
                            models.OneToOneField(
                                blank=True,
                                null=True,
                                on_delete=django.db.models.deletion.SET_NULL,
                                related_name="section",
                                to="content.generation",
                            ),
                        ),
                        ("error", models.TextField(blank=True)),
                        ("remedy", models.TextField(blank=True)),
                    ],
                    options={
                        "ordering": ["document", "position", "id"],
                        "indexes": [
                            models.Index(fields=["document", "position"], name="content_section_order"),
                            models.Index(
                                condition=models.Q(("state__in", ("queued", "writing"))),
                                fields=["state"],
                                name="content_section_unfinished",
                            ),
                        ],
                    },
                ),
                migrations.CreateModel(
                    name="ShareLink",
                    fields=[
                        (
                            "id",
                            models.UUIDField(
                                default=aiwriter.core.ids.uuid7, editable=False, primary_key=True, serialize=False
                            ),
                        ),
                        (
                            "workspace",
                            models.ForeignKey(
                                on_delete=django.db.models.deletion.CASCADE, related_name="+", to="users.workspace"
                            ),
                        ),
                        (
                            "document",
                            models.ForeignKey(
                                on_delete=django.db.models.deletion.CASCADE,
                                related_name="share_links",
                                to="content.document",
                            ),
                        ),
                        (
                            "which",
                            models.CharField(
                                choices=[
                                    ("current", "The present text"),
                                    ("published", "The published text"),
                                    ("version", "One version"),
                                ],
                                default="current",
                                max_length=10,
                            ),
                        ),
                        (
                            "version",
                            models.ForeignKey(
                                blank=True,
                                null=True,
                                on_delete=django.db.models.deletion.CASCADE,
                                related_name="+",
                                to="content.documentversion",
                            ),
                        ),
                        ("label", models.CharField(blank=True, max_length=120)),
                        ("digest", models.CharField(editable=False, max_length=64, unique=True)),
                        (
                            "created_by",
                            models.ForeignKey(
                                on_delete=django.db.models.deletion.CASCADE,
                                related_name="+",
                                to=settings.AUTH_USER_MODEL,
                            ),
                        ),
                        ("created_at", models.DateTimeField(auto_now_add=True)),
                        ("expires_at", models.DateTimeField()),
                        ("revoked_at", models.DateTimeField(blank=True, null=True)),
                        (
                            "last_opened_at",
                            models.DateTimeField(blank=True, editable=False, help_text="To the hour.", null=True),
                        ),
                    ],
                    options={
                        "ordering": ["-created_at", "-id"],
                        "indexes": [
                            models.Index(fields=["document", "-created_at", "-id"], name="content_share_of_document")
                        ],
                    },
                ),
                migrations.CreateModel(
                    name="Source",
                    fields=[
                        ("lease_until", models.DateTimeField(blank=True, editable=False, null=True)),
                        ("fence", models.PositiveIntegerField(default=0, editable=False)),
                        ("attempts", models.PositiveSmallIntegerField(default=0, editable=False)),
                        ("worker", models.CharField(blank=True, editable=False, max_length=120)),
                        ("queued_at", models.DateTimeField(default=django.utils.timezone.now, editable=False)),
                        ("started_at", models.DateTimeField(blank=True, editable=False, null=True)),
                        ("finished_at", models.DateTimeField(blank=True, editable=False, null=True)),
                        (
                            "id",
                            models.UUIDField(
                                default=aiwriter.core.ids.uuid7, editable=False, primary_key=True, serialize=False
                            ),
                        ),
                        (
                            "workspace",
                            models.ForeignKey(
                                on_delete=django.db.models.deletion.CASCADE,
                                related_name="sources",
                                to="users.workspace",
                            ),
                        ),
                        (
                            "owner",
                            models.ForeignKey(
                                blank=True,
                                null=True,
                                on_delete=django.db.models.deletion.SET_NULL,
                                related_name="sources",
                                to=settings.AUTH_USER_MODEL,
                            ),
                        ),
                        (
                            "kind",
                            models.CharField(
                                choices=[
                                    ("file", "File"),
                                    ("url", "Web page"),
                                    ("text", "Text"),
                                    ("document", "Document"),
                                ],
                                default="file",
                                max_length=10,
                            ),
                        ),
                        ("title", models.CharField(max_length=300)),
                        (
                            "file",
                            models.ForeignKey(
                                blank=True,
                                null=True,
                                on_delete=django.db.models.deletion.PROTECT,
                                related_name="sources",
                                to="backends.storedfile",
                            ),
                        ),
                        (
                            "uri",
                            models.CharField(
                                blank=True, help_text="Address or name it was read from.", max_length=2000
                            ),
                        ),
                        ("sha256", models.CharField(blank=True, db_index=True, max_length=64)),
                        ("mime", models.CharField(blank=True, max_length=120)),
                        ("size_bytes", models.PositiveBigIntegerField(default=0)),
                        (
                            "state",
                            models.CharField(
                                choices=[
                                    ("pending", "Waiting"),
                                    ("parsing", "Reading"),
                                    ("embedding", "Indexing"),
                                    ("ready", "Ready"),
                                    ("failed", "Failed"),
                                ],
                                db_index=True,
                                default="pending",
                                max_length=16,
                            ),
                        ),
                        ("error_code", models.CharField(blank=True, max_length=40)),
                        ("error", models.TextField(blank=True)),
                        ("remedy", models.TextField(blank=True)),
                        ("warnings", models.JSONField(blank=True, default=list)),
                        ("text", models.TextField(blank=True)),
                        (
                            "page_map",
                            models.JSONField(
                                blank=True, default=list, help_text="[[first character, page], …], ascending."
                            ),
                        ),
                        (
                            "outline",
                            models.JSONField(
                                blank=True, default=list, help_text="[[first character, level, heading], …]."
                            ),
                        ),
                        (
                            "document",
                            models.ForeignKey(
                                blank=True,
                                null=True,
                                on_delete=django.db.models.deletion.SET_NULL,
                                related_name="as_sources",
                                to="content.document",
                            ),
                        ),
                        ("etag", models.CharField(blank=True, editable=False, max_length=200)),
                        ("last_modified", models.CharField(blank=True, editable=False, max_length=60)),
                        (
                            "fetched_at",
                            models.DateTimeField(
                                blank=True, help_text="When the page or document was last looked at.", null=True
                            ),
                        ),
                        (
                            "refresh_hours",
                            models.PositiveIntegerField(
                                blank=True, help_text="Looked at again so often; empty: never.", null=True
                            ),
                        ),
                        ("refresh_after", models.DateTimeField(blank=True, db_index=True, null=True)),
                        ("word_count", models.PositiveIntegerField(default=0)),
                        ("chunk_count", models.PositiveIntegerField(default=0)),
                        ("page_count", models.PositiveIntegerField(default=0)),
                        ("created_at", models.DateTimeField(auto_now_add=True)),
                        ("updated_at", models.DateTimeField(auto_now=True)),
                    ],
                    options={
                        "ordering": ["-created_at"],
                        "indexes": [
                            models.Index(fields=["workspace", "state", "-created_at"], name="content_source_list"),
                            models.Index(fields=["workspace", "sha256"], name="content_source_digest"),
                        ],
                    },
                ),
                migrations.CreateModel(
                    name="SourceChunk",
                    fields=[
                        (
                            "id",
                            models.UUIDField(
                                default=aiwriter.core.ids.uuid7, editable=False, primary_key=True, serialize=False
                            ),
                        ),
                        (
                            "source",
                            models.ForeignKey(
                                on_delete=django.db.models.deletion.CASCADE, related_name="chunks", to="content.source"
                            ),
                        ),
                        (
                            "workspace",
                            models.ForeignKey(
                                on_delete=django.db.models.deletion.CASCADE, related_name="+", to="users.workspace"
                            ),
                        ),
                        ("ordinal", models.PositiveIntegerField()),
                        ("text", models.TextField()),
                        ("heading_path", models.CharField(blank=True, max_length=500)),
                        ("page", models.PositiveIntegerField(blank=True, null=True)),
                        ("char_start", models.PositiveIntegerField()),
                        ("char_end", models.PositiveIntegerField()),
                        ("token_count", models.PositiveIntegerField(default=0)),
                        ("vector", models.BinaryField(null=True)),
                        ("embedder_id", models.CharField(blank=True, editable=False, max_length=120)),
                        ("dimension", models.PositiveSmallIntegerField(default=0, editable=False)),
                        ("vector_sha256", models.CharField(blank=True, editable=False, max_length=64)),
                    ],
                    options={
                        "ordering": ["source", "ordinal"],
                        "indexes": [models.Index(fields=["workspace", "embedder_id"], name="content_chunk_embedder")],
                        "constraints": [
                            models.UniqueConstraint(fields=("source", "ordinal"), name="content_chunk_ordinal"),
                            models.CheckConstraint(
                                condition=models.Q(("char_end__gt", models.F("char_start"))),
                                name="content_chunk_span_not_empty",
                            ),
                        ],
                    },
                ),
                migrations.CreateModel(
                    name="GenerationPassage",
                    fields=[
                        (
                            "id",
                            models.UUIDField(
                                default=aiwriter.core.ids.uuid7, editable=False, primary_key=True, serialize=False
                            ),
                        ),
                        (
                            "generation",
                            models.ForeignKey(
                                on_delete=django.db.models.deletion.CASCADE,
                                related_name="passages",
                                to="content.generation",
                            ),
                        ),
                        ("marker", models.CharField(max_length=12)),
                        ("ordinal", models.PositiveSmallIntegerField()),
                        (
                            "chunk",
                            models.ForeignKey(
                                blank=True,
                                null=True,
                                on_delete=django.db.models.deletion.SET_NULL,
                                related_name="+",
                                to="content.sourcechunk",
                            ),
                        ),
                        (
                            "source",
                            models.ForeignKey(
                                blank=True,
                                null=True,
                                on_delete=django.db.models.deletion.SET_NULL,
                                related_name="+",
                                to="content.source",
                            ),
                        ),
                        ("title", models.CharField(max_length=300)),
                        ("locator", models.CharField(blank=True, max_length=560)),
                        ("text", models.TextField()),
                        ("score", models.FloatField(default=0.0)),
                    ],
                    options={
                        "ordering": ["generation", "ordinal"],
                        "constraints": [
                            models.UniqueConstraint(fields=("generation", "marker"), name="content_passage_marker")
                        ],
                    },
                ),
                migrations.CreateModel(
                    name="Citation",
                    fields=[
                        (
                            "id",
                            models.UUIDField(
                                default=aiwriter.core.ids.uuid7, editable=False, primary_key=True, serialize=False
                            ),
                        ),
                        (
                            "generation",
                            models.ForeignKey(
                                blank=True,
                                null=True,
                                on_delete=django.db.models.deletion.CASCADE,
                                related_name="citations",
                                to="content.generation",
                            ),
                        ),
                        (
                            "version",
                            models.ForeignKey(
                                blank=True,
                                null=True,
                                on_delete=django.db.models.deletion.CASCADE,
                                related_name="citations",
                                to="content.documentversion",
                            ),
                        ),
                        ("marker", models.CharField(max_length=12)),
                        (
                            "chunk",
                            models.ForeignKey(
                                blank=True,
                                null=True,
                                on_delete=django.db.models.deletion.SET_NULL,
                                related_name="+",
                                to="content.sourcechunk",
                            ),
                        ),
                        (
                            "source",
                            models.ForeignKey(
                                blank=True,
                                null=True,
                                on_delete=django.db.models.deletion.SET_NULL,
                                related_name="citations",
                                to="content.source",
                            ),
                        ),
                        ("source_title", models.CharField(blank=True, max_length=300)),
                        ("locator", models.CharField(blank=True, max_length=560)),
                        ("quote", models.TextField(blank=True)),
                        ("verified", models.BooleanField(default=False)),
                        ("reason", models.CharField(blank=True, max_length=200)),
                        ("score", models.FloatField(default=0.0)),
                        ("start", models.PositiveIntegerField(default=0)),
                        ("end", models.PositiveIntegerField(default=0)),
                    ],
                    options={
                        "ordering": ["start"],
                    },
                ),
                migrations.CreateModel(
                    name="CheckedClaim",
                    fields=[
                        (
                            "id",
                            models.BigAutoField(
                                auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                            ),
                        ),
                        (
                            "claim_check",
                            models.ForeignKey(
                                on_delete=django.db.models.deletion.CASCADE,
                                related_name="claims",
                                to="content.claimcheck",
                            ),
                        ),
                        ("ordinal", models.PositiveIntegerField()),
                        ("text", models.TextField()),
                        ("start", models.PositiveIntegerField()),
                        ("end", models.PositiveIntegerField()),
                        (
                            "verdict",
                            models.CharField(
                                choices=[
                                    ("supported", "Supported"),
                                    ("contradicted", "Contradicted"),
                                    ("not_found", "Not found"),
                                ],
                                max_length=12,
                            ),
                        ),
                        ("reason", models.CharField(blank=True, max_length=300)),
                        ("quote", models.TextField(blank=True)),
                        ("score", models.FloatField(default=0)),
                        (
                            "chunk",
                            models.ForeignKey(
                                null=True,
                                on_delete=django.db.models.deletion.SET_NULL,
                                related_name="+",
                                to="content.sourcechunk",
                            ),
                        ),
                        (
                            "source",
                            models.ForeignKey(
                                null=True,
                                on_delete=django.db.models.deletion.SET_NULL,
                                related_name="+",
                                to="content.source",
                            ),
                        ),
                        ("source_title", models.CharField(blank=True, max_length=300)),
                        ("locator", models.CharField(blank=True, max_length=500)),
                    ],
                    options={
                        "ordering": ["ordinal"],
                        "constraints": [
                            models.UniqueConstraint(fields=("claim_check", "ordinal"), name="content_claim_once")
                        ],
                    },
                ),
                migrations.CreateModel(
                    name="SourcePin",
                    fields=[
                        (
                            "id",
                            models.UUIDField(
                                default=aiwriter.core.ids.uuid7, editable=False, primary_key=True, serialize=False
                            ),
                        ),
                        (
                            "document",
                            models.ForeignKey(
                                on_delete=django.db.models.deletion.CASCADE, related_name="pins", to="content.document"
                            ),
                        ),
                        (
                            "source",
                            models.ForeignKey(
                                on_delete=django.db.models.deletion.CASCADE, related_name="pins", to="content.source"
                            ),
                        ),
                        (
                            "created_by",
                            models.ForeignKey(
                                blank=True,
                                null=True,
                                on_delete=django.db.models.deletion.SET_NULL,
                                related_name="+",
                                to=settings.AUTH_USER_MODEL,
                            ),
                        ),
                        ("created_at", models.DateTimeField(auto_now_add=True)),
                    ],
                    options={
                        "ordering": ["document", "created_at", "id"],
                        "constraints": [
                            models.UniqueConstraint(fields=("document", "source"), name="content_pin_once")
                        ],
                    },
                ),
                migrations.CreateModel(
                    name="Suggestion",
                    fields=[
                        (
                            "id",
                            models.UUIDField(
                                default=aiwriter.core.ids.uuid7, editable=False, primary_key=True, serialize=False
                            ),
                        ),
                        (
                            "document",
                            models.ForeignKey(
                                on_delete=django.db.models.deletion.CASCADE,
                                related_name="suggestions",
                                to="content.document",
                            ),
                        ),
                        (
                            "generation",
                            models.OneToOneField(
                                blank=True,
                                null=True,
                                on_delete=django.db.models.deletion.SET_NULL,
                                related_name="suggestion",
                                to="content.generation",
                            ),
                        ),
                        (
                            "author",
                            models.ForeignKey(
                                blank=True,
                                null=True,
                                on_delete=django.db.models.deletion.SET_NULL,
                                related_name="+",
                                to=settings.AUTH_USER_MODEL,
                            ),
                        ),
                        (
                            "group",
                            models.UUIDField(
                                default=aiwriter.core.ids.uuid7,
                                editable=False,
                                help_text="Candidates for the same passage share it.",
                            ),
                        ),
                        ("candidate", models.PositiveSmallIntegerField(default=1)),
                        ("label", models.CharField(blank=True, max_length=120)),
                        ("action", models.CharField(blank=True, max_length=40)),
                        (
                            "prompt_version",
                            models.ForeignKey(
                                blank=True,
                                null=True,
                                on_delete=django.db.models.deletion.SET_NULL,
                                related_name="+",
                                to="content.promptactionversion",
                            ),
                        ),
                        (
                            "placement",
                            models.CharField(
                                default="replace",
                                help_text="Where what a model writes goes: see PromptActionVersion.Placement.",
                                max_length=10,
                            ),
                        ),
                        ("quote", models.TextField(blank=True, help_text="The passage as it was, in Markdown.")),
                        (
                            "start",
                            models.PositiveIntegerField(
                                default=0, help_text="Where the passage stood in the document's Markdown."
                            ),
                        ),
                        ("replacement", models.TextField(blank=True, help_text="The passage as it is proposed.")),
                        ("ops", models.JSONField(default=list)),
                        (
                            "state",
                            models.CharField(
                                choices=[
                                    ("writing", "Being written"),
                                    ("open", "Waiting for a decision"),
                                    ("decided", "Decided"),
                                    ("failed", "Not written"),
                                ],
                                default="open",
                                max_length=10,
                            ),
                        ),
                        ("created_at", models.DateTimeField(auto_now_add=True)),
                        ("updated_at", models.DateTimeField(auto_now=True)),
                    ],
                    options={
                        "ordering": ["-created_at"],
                        "indexes": [
                            models.Index(fields=["document", "state", "-created_at"], name="content_suggestion_of_doc"),
                            models.Index(fields=["group"], name="content_suggestion_group"),
                        ],
                    },
                ),
                migrations.CreateModel(
                    name="Tag",
                    fields=[
                        (
                            "id",
                            models.UUIDField(
                                default=aiwriter.core.ids.uuid7, editable=False, primary_key=True, serialize=False
                            ),
                        ),
                        (
                            "workspace",
                            models.ForeignKey(
                                on_delete=django.db.models.deletion.CASCADE, related_name="tags", to="users.workspace"
                            ),
                        ),
                        ("name", models.CharField(max_length=60)),
                        ("created_at", models.DateTimeField(auto_now_add=True)),
                    ],
                    options={
                        "ordering": ["name", "id"],
                        "constraints": [
                            models.UniqueConstraint(
                                models.F("workspace"),
                                django.db.models.functions.text.Lower("name"),
                                name="content_tag_name",
                            )
                        ],
                    },
                ),
                migrations.CreateModel(
                    name="VoiceProfile",
                    fields=[
                        (
                            "id",
                            models.UUIDField(
                                default=aiwriter.core.ids.uuid7, editable=False, primary_key=True, serialize=False
                            ),
                        ),
                        (
                            "workspace",
                            models.ForeignKey(
                                on_delete=django.db.models.deletion.CASCADE, related_name="voices", to="users.workspace"
                            ),
                        ),
                        ("name", models.CharField(max_length=120)),
                        (
                            "description",
                            models.TextField(blank=True, help_text="In one's own words; goes into the prompt."),
                        ),
                        ("language", models.CharField(default="en", max_length=12)),
                        (
                            "status",
                            models.CharField(
                                choices=[("draft", "Draft"), ("approved", "Approved")], default="draft", max_length=10
                            ),
                        ),
                        (
                            "is_default",
                            models.BooleanField(default=False, help_text="Used where nothing else is chosen."),
                        ),
                        ("figures", models.JSONField(blank=True, default=dict)),
                        ("revision", models.PositiveIntegerField(default=1)),
                        (
                            "created_by",
                            models.ForeignKey(
                                blank=True,
                                null=True,
                                on_delete=django.db.models.deletion.SET_NULL,
                                related_name="+",
                                to=settings.AUTH_USER_MODEL,
                            ),
                        ),
                        (
                            "approved_by",
                            models.ForeignKey(
                                blank=True,
                                null=True,
                                on_delete=django.db.models.deletion.SET_NULL,
                                related_name="+",
                                to=settings.AUTH_USER_MODEL,
                            ),
                        ),
                        ("approved_at", models.DateTimeField(blank=True, null=True)),
                        ("created_at", models.DateTimeField(auto_now_add=True)),
                        ("updated_at", models.DateTimeField(auto_now=True)),
                    ],
                    options={
                        "ordering": ["name"],
                        "indexes": [models.Index(fields=["workspace", "-created_at"], name="content_voice_recent")],
                        "constraints": [
                            models.UniqueConstraint(fields=("workspace", "name"), name="content_voice_name"),
                            models.UniqueConstraint(
                                condition=models.Q(("is_default", True)),
                                fields=("workspace",),
                                name="content_voice_one_default",
                            ),
                        ],
                    },
                ),
                migrations.CreateModel(
                    name="VoiceRule",
                    fields=[
                        (
                            "id",
                            models.UUIDField(
                                default=aiwriter.core.ids.uuid7, editable=False, primary_key=True, serialize=False
                            ),
                        ),
                        (
                            "voice",
                            models.ForeignKey(
                                on_delete=django.db.models.deletion.CASCADE,
                                related_name="rules",
                                to="content.voiceprofile",
                            ),
                        ),
                        (
                            "kind",
                            models.CharField(
                                choices=[
                                    ("require", "Required term"),
                                    ("forbid", "Forbidden term"),
                                    ("prefer", "Preferred term"),
                                    ("sentence_length", "Sentence length"),
                                    ("readability", "Readability"),
                                    ("tone", "Tone"),
                                ],
                                max_length=16,
                            ),
                        ),
                        ("pattern", models.CharField(blank=True, max_length=200)),
                        ("replacement", models.CharField(blank=True, max_length=200)),
                        ("minimum", models.FloatField(blank=True, null=True)),
                        ("maximum", models.FloatField(blank=True, null=True)),
                        ("message", models.CharField(blank=True, max_length=300)),
                        (
                            "severity",
                            models.CharField(
                                choices=[("error", "Error"), ("warning", "Warning"), ("hint", "Hint")],
                                default="warning",
                                max_length=8,
                            ),
                        ),
                        (
                            "state",
                            models.CharField(
                                choices=[("proposed", "Proposed"), ("active", "Active")], default="active", max_length=8
                            ),
                        ),
                        ("created_at", models.DateTimeField(auto_now_add=True)),
                    ],
                    options={
                        "ordering": ["voice", "kind", "pattern", "id"],
                        "constraints": [
                            models.UniqueConstraint(fields=("voice", "kind", "pattern"), name="content_voice_rule_once")
                        ],
                    },
                ),
                migrations.CreateModel(
                    name="VoiceSample",
                    fields=[
                        (
                            "id",
                            models.UUIDField(
                                default=aiwriter.core.ids.uuid7, editable=False, primary_key=True, serialize=False
                            ),
                        ),
                        (
                            "voice",
                            models.ForeignKey(
                                on_delete=django.db.models.deletion.CASCADE,
                                related_name="samples",
                                to="content.voiceprofile",
                            ),
                        ),
                        ("title", models.CharField(max_length=300)),
                        ("text", models.TextField(blank=True)),
                        (
                            "source",
                            models.ForeignKey(
                                blank=True,
                                null=True,
                                on_delete=django.db.models.deletion.CASCADE,
                                related_name="+",
                                to="content.source",
                            ),
                        ),
                        (
                            "document",
                            models.ForeignKey(
                                blank=True,
                                null=True,
                                on_delete=django.db.models.deletion.CASCADE,
                                related_name="+",
                                to="content.document",
                            ),
                        ),
                        ("word_count", models.PositiveIntegerField(default=0)),
                        ("created_at", models.DateTimeField(auto_now_add=True)),
                    ],
                    options={
                        "ordering": ["voice", "created_at", "id"],
                    },
                ),
                migrations.CreateModel(
                    name="WebhookEndpoint",
                    fields=[
                        (
                            "id",
                            models.UUIDField(
                                default=aiwriter.core.ids.uuid7, editable=False, primary_key=True, serialize=False
                            ),
                        ),
                        (
                            "workspace",
                            models.ForeignKey(
                                on_delete=django.db.models.deletion.CASCADE,
                                related_name="webhooks",
                                to="users.workspace",
                            ),
                        ),
                        ("name", models.CharField(max_length=80)),
                        ("url", models.CharField(max_length=2000)),
                        ("events", models.JSONField(default=list, help_text="Kinds of events; empty for all.")),
                        ("sealed_secret", models.TextField(editable=False)),
                        ("sealed_previous", models.TextField(blank=True, editable=False)),
                        ("previous_until", models.DateTimeField(blank=True, editable=False, null=True)),
                        ("secret_hint", models.CharField(editable=False, max_length=8)),
                        ("enabled", models.BooleanField(default=True)),
                        ("disabled_reason", models.CharField(blank=True, max_length=300)),
                        ("failing_since", models.DateTimeField(blank=True, editable=False, null=True)),
                        (
                            "created_by",
                            models.ForeignKey(
                                null=True,
                                on_delete=django.db.models.deletion.SET_NULL,
                                related_name="+",
                                to=settings.AUTH_USER_MODEL,
                            ),
                        ),
                        ("created_at", models.DateTimeField(default=django.utils.timezone.now, editable=False)),
                        ("updated_at", models.DateTimeField(auto_now=True)),
                    ],
                    options={
                        "ordering": ["-created_at", "-id"],
                        "indexes": [models.Index(fields=["workspace", "enabled"], name="content_webhook_enabled")],
                    },
                ),
                migrations.CreateModel(
                    name="WebhookDelivery",
                    fields=[
                        ("lease_until", models.DateTimeField(blank=True, editable=False, null=True)),
                        ("fence", models.PositiveIntegerField(default=0, editable=False)),
                        ("attempts", models.PositiveSmallIntegerField(default=0, editable=False)),
                        ("worker", models.CharField(blank=True, editable=False, max_length=120)),
                        ("queued_at", models.DateTimeField(default=django.utils.timezone.now, editable=False)),
                        ("started_at", models.DateTimeField(blank=True, editable=False, null=True)),
                        ("finished_at", models.DateTimeField(blank=True, editable=False, null=True)),
                        (
                            "id",
                            models.UUIDField(
                                default=aiwriter.core.ids.uuid7, editable=False, primary_key=True, serialize=False
                            ),
                        ),
                        (
                            "endpoint",
                            models.ForeignKey(
                                on_delete=django.db.models.deletion.CASCADE,
                                related_name="deliveries",
                                to="content.webhookendpoint",
                            ),
                        ),
                        ("event", models.CharField(max_length=60)),
                        (
                            "subject",
                            models.CharField(
                                blank=True, help_text="What it is about, to gather repeated events.", max_length=80
                            ),
                        ),
                        ("payload", models.JSONField()),
                        (
                            "state",
                            models.CharField(
                                choices=[
                                    ("queued", "Waiting"),
                                    ("running", "Being sent"),
                                    ("delivered", "Delivered"),
                                    ("failed", "Failed"),
                                ],
                                db_index=True,
                                default="queued",
                                max_length=16,
                            ),
                        ),
                        ("next_try_at", models.DateTimeField(default=django.utils.timezone.now)),
                        ("response_status", models.PositiveIntegerField(blank=True, null=True)),
                        ("response_excerpt", models.TextField(blank=True)),
                        ("error", models.TextField(blank=True)),
                        ("duration_ms", models.PositiveIntegerField(blank=True, null=True)),
                        ("tries", models.JSONField(default=list, editable=False)),
                        (
                            "repeats",
                            models.ForeignKey(
                                blank=True,
                                null=True,
                                on_delete=django.db.models.deletion.SET_NULL,
                                related_name="+",
                                to="content.webhookdelivery",
                            ),
                        ),
                        ("created_at", models.DateTimeField(default=django.utils.timezone.now, editable=False)),
                    ],
                    options={
                        "ordering": ["-created_at", "-id"],
                        "indexes": [
                            models.Index(fields=["endpoint", "-created_at", "-id"], name="content_delivery_recent"),
                            models.Index(fields=["state", "next_try_at"], name="content_delivery_due"),
                        ],
                    },
                ),
                migrations.CreateModel(
                    name="WritingSettings",
                    fields=[
                        (
                            "workspace",
                            models.OneToOneField(
                                on_delete=django.db.models.deletion.CASCADE,
                                primary_key=True,
                                related_name="writing_settings",
                                serialize=False,
                                to="users.workspace",
                            ),
                        ),
                        (
                            "trash_days",
                            models.PositiveSmallIntegerField(default=30, help_text="0: nothing is deleted by itself."),
                        ),
                        ("language", models.CharField(default="en", max_length=12)),
                        (
                            "default_collection",
                            models.ForeignKey(
                                blank=True,
                                null=True,
                                on_delete=django.db.models.deletion.SET_NULL,
                                related_name="+",
                                to="content.collection",
                            ),
                        ),
                        (
                            "approval",
                            models.CharField(
                                choices=[
                                    ("editor", "An editor approves"),
                                    ("other", "An editor approves who did not write it"),
                                    ("none", "No approval needed"),
                                ],
                                db_default="editor",
                                default="editor",
                                max_length=8,
                            ),
                        ),
                        ("updated_at", models.DateTimeField(auto_now=True)),
                    ],
                    options={
                        "verbose_name_plural": "writing settings",
                    },
                ),
            ],
        ),
        migrations.RunPython(lambda apps, editor: keyword.install_keyword_index(editor), migrations.RunPython.noop),
        migrations.RunPython(lambda apps, editor: document_words.install(editor), migrations.RunPython.noop),
    ]
