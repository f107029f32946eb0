"""The tables of people, access, the record and privacy in one step, as ten migrations have made them, with the record's guards.

An empty database takes this one; one that has some of the others takes the rest of them.
"""

import uuid
from importlib import import_module

import django.db.models.deletion
import django.db.models.functions.datetime
import django.db.models.functions.text
import django.utils.timezone
from django.conf import settings
from django.db import migrations, models

import aiwriter.core.ids
import aiwriter.core.schema_tables
import apps.users.models.elevations
import apps.users.models.people

_guards = import_module("apps.users.migrations.0005_audit_ledger_guard")


class Migration(migrations.Migration):
    replaces = [
        ("users", "0001_initial"),
        ("users", "0002_audit_append_only"),
        ("users", "0003_rate_limits"),
        ("users", "0004_audit_ledger"),
        ("users", "0005_audit_ledger_guard"),
        ("users", "0006_token_pepper"),
        ("users", "0007_sign_in"),
        ("users", "0008_single_sign_on"),
        ("users", "0009_privacy"),
        ("users", "0010_access"),
    ]
    initial = True

    dependencies = []

    operations = [
        aiwriter.core.schema_tables.CreateTables(
            operations=[
                migrations.CreateModel(
                    name="AuditSink",
                    fields=[
                        (
                            "id",
                            models.UUIDField(
                                default=aiwriter.core.ids.uuid7, editable=False, primary_key=True, serialize=False
                            ),
                        ),
                        ("name", models.CharField(max_length=80, unique=True)),
                        (
                            "kind",
                            models.CharField(
                                choices=[
                                    ("file", "Folder"),
                                    ("syslog", "Syslog server"),
                                    ("webhook", "Webhook"),
                                    ("storage", "Storage profile (S3 and others)"),
                                ],
                                max_length=8,
                            ),
                        ),
                        (
                            "address",
                            models.CharField(
                                blank=True,
                                help_text="Folder, https:// address, or tls://host:6514 (also tcp, udp) for syslog.",
                                max_length=2000,
                            ),
                        ),
                        (
                            "profile_id",
                            models.UUIDField(blank=True, help_text="Storage profile, for that kind.", null=True),
                        ),
                        (
                            "prefix",
                            models.CharField(blank=True, help_text="Begin of the names of objects.", max_length=200),
                        ),
                        ("sealed_secret", models.TextField(blank=True, editable=False)),
                        ("secret_hint", models.CharField(blank=True, editable=False, max_length=8)),
                        ("enabled", models.BooleanField(default=True)),
                        ("last_ok_at", models.DateTimeField(blank=True, editable=False, null=True)),
                        (
                            "last_seq",
                            models.BigIntegerField(
                                default=0, editable=False, help_text="Up to which event its newest checkpoint goes."
                            ),
                        ),
                        ("failing_since", models.DateTimeField(blank=True, editable=False, null=True)),
                        ("last_error", models.TextField(blank=True, editable=False)),
                        ("created_at", models.DateTimeField(default=django.utils.timezone.now, editable=False)),
                    ],
                    options={
                        "verbose_name": "place for checkpoints",
                        "verbose_name_plural": "places for checkpoints",
                        "ordering": ["-created_at", "-id"],
                    },
                ),
                migrations.CreateModel(
                    name="Group",
                    fields=[
                        (
                            "id",
                            models.UUIDField(
                                default=aiwriter.core.ids.uuid7, editable=False, primary_key=True, serialize=False
                            ),
                        ),
                        ("name", models.CharField(max_length=80, unique=True)),
                        ("description", models.CharField(blank=True, max_length=300)),
                        (
                            "provider",
                            models.ForeignKey(
                                blank=True,
                                help_text="Fills the group: its people come and go with their group there.",
                                null=True,
                                on_delete=django.db.models.deletion.SET_NULL,
                                related_name="fills",
                                to="users.signinprovider",
                            ),
                        ),
                        (
                            "provider_group",
                            models.CharField(
                                blank=True,
                                help_text="As the provider names it.",
                                max_length=200,
                                verbose_name="group at the provider",
                            ),
                        ),
                        ("created_at", models.DateTimeField(default=django.utils.timezone.now, editable=False)),
                        ("updated_at", models.DateTimeField(auto_now=True)),
                    ],
                    options={
                        "ordering": ["name"],
                        "constraints": [
                            models.CheckConstraint(
                                condition=models.Q(("name", ""), _negated=True), name="group_has_name"
                            )
                        ],
                    },
                ),
                migrations.CreateModel(
                    name="KeyRecord",
                    fields=[
                        ("id", models.CharField(max_length=16, primary_key=True, serialize=False)),
                        (
                            "purpose",
                            models.CharField(
                                choices=[
                                    ("field", "field"),
                                    ("file", "file"),
                                    ("pepper", "pepper"),
                                    ("audit", "audit"),
                                    ("checkpoint", "checkpoint"),
                                    ("url", "url"),
                                ],
                                max_length=12,
                            ),
                        ),
                        (
                            "state",
                            models.CharField(
                                choices=[
                                    ("pending", "pending"),
                                    ("active", "active"),
                                    ("decrypt-only", "decrypt-only"),
                                    ("destroyed", "destroyed"),
                                ],
                                max_length=12,
                            ),
                        ),
                        ("rotate_by", models.DateField()),
                        ("created_at", models.DateTimeField()),
                    ],
                    options={
                        "verbose_name": "key",
                        "ordering": ["-created_at", "-id"],
                    },
                ),
                migrations.CreateModel(
                    name="SubjectKey",
                    fields=[
                        ("id", models.UUIDField(editable=False, primary_key=True, serialize=False)),
                        ("sealed_key", models.TextField(blank=True)),
                        ("created_at", models.DateTimeField(default=django.utils.timezone.now, editable=False)),
                        ("destroyed_at", models.DateTimeField(blank=True, editable=False, null=True)),
                    ],
                    options={
                        "verbose_name": "person's key",
                        "ordering": ["-created_at", "-id"],
                    },
                ),
                migrations.CreateModel(
                    name="User",
                    fields=[
                        ("password", models.CharField(max_length=128, verbose_name="password")),
                        ("last_login", models.DateTimeField(blank=True, null=True, verbose_name="last login")),
                        (
                            "id",
                            models.UUIDField(
                                default=aiwriter.core.ids.uuid7, editable=False, primary_key=True, serialize=False
                            ),
                        ),
                        ("email", models.EmailField(max_length=254, unique=True, verbose_name="e-mail address")),
                        ("full_name", models.CharField(blank=True, max_length=150, verbose_name="name")),
                        (
                            "kind",
                            models.CharField(
                                choices=[("human", "Person"), ("service", "Service account")],
                                default="human",
                                max_length=8,
                            ),
                        ),
                        (
                            "status",
                            models.CharField(
                                choices=[("active", "Active"), ("suspended", "Suspended")],
                                default="active",
                                max_length=10,
                            ),
                        ),
                        (
                            "is_emergency",
                            models.BooleanField(
                                default=False,
                                help_text="Keeps its password when people sign in through a provider only. Its use is told to all administrators.",
                                verbose_name="emergency account",
                            ),
                        ),
                        ("locale", models.CharField(default="en", max_length=12, verbose_name="language")),
                        (
                            "timezone",
                            models.CharField(
                                default="UTC",
                                max_length=64,
                                validators=[apps.users.models.people.validate_timezone],
                                verbose_name="time zone",
                            ),
                        ),
                        ("last_seen_day", models.DateField(blank=True, editable=False, null=True)),
                        ("created_at", models.DateTimeField(default=django.utils.timezone.now, editable=False)),
                        ("updated_at", models.DateTimeField(auto_now=True)),
                    ],
                    options={
                        "ordering": ["email"],
                        "constraints": [
                            models.CheckConstraint(
                                condition=models.Q(("email", django.db.models.functions.text.Lower("email"))),
                                name="user_email_lower_case",
                                violation_error_message="Write the e-mail address in lower case.",
                            ),
                            models.CheckConstraint(
                                condition=models.Q(("kind", "human"), ("password__startswith", "!"), _connector="OR"),
                                name="user_service_has_no_password",
                                violation_error_message="A service account has no password; it acts by tokens.",
                            ),
                        ],
                    },
                ),
                migrations.CreateModel(
                    name="AccessReview",
                    fields=[
                        (
                            "id",
                            models.UUIDField(
                                default=aiwriter.core.ids.uuid7, editable=False, primary_key=True, serialize=False
                            ),
                        ),
                        ("name", models.CharField(max_length=80)),
                        (
                            "scope",
                            models.CharField(
                                choices=[
                                    ("privileged", "System roles"),
                                    ("all", "System roles and all memberships"),
                                    ("workspace", "Members of one workspace"),
                                ],
                                default="privileged",
                                max_length=10,
                            ),
                        ),
                        (
                            "workspace",
                            models.ForeignKey(
                                blank=True,
                                null=True,
                                on_delete=django.db.models.deletion.CASCADE,
                                related_name="+",
                                to="users.workspace",
                            ),
                        ),
                        (
                            "recurrence_days",
                            models.PositiveSmallIntegerField(
                                blank=True,
                                help_text="Counted from the beginning. Empty: once.",
                                null=True,
                                verbose_name="again after days",
                            ),
                        ),
                        ("due_days", models.PositiveSmallIntegerField(default=14, verbose_name="days to decide")),
                        ("due_at", models.DateTimeField()),
                        (
                            "on_overdue",
                            models.CharField(
                                choices=[
                                    ("revoke", "Take away what nobody has decided about"),
                                    ("escalate", "Tell all administrators and auditors"),
                                ],
                                default="escalate",
                                max_length=8,
                            ),
                        ),
                        (
                            "state",
                            models.CharField(
                                choices=[("open", "Open"), ("closed", "Closed")], default="open", max_length=6
                            ),
                        ),
                        (
                            "previous",
                            models.OneToOneField(
                                blank=True,
                                null=True,
                                on_delete=django.db.models.deletion.SET_NULL,
                                related_name="following",
                                to="users.accessreview",
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
                        ("escalated_at", models.DateTimeField(blank=True, null=True)),
                        ("closed_at", models.DateTimeField(blank=True, null=True)),
                        ("evidence", models.TextField(blank=True, help_text="The signed file, as it was signed.")),
                        ("created_at", models.DateTimeField(default=django.utils.timezone.now, editable=False)),
                    ],
                    options={
                        "ordering": ["-created_at", "-id"],
                        "constraints": [
                            models.CheckConstraint(
                                condition=models.Q(
                                    models.Q(("scope", "workspace"), ("workspace__isnull", False)),
                                    models.Q(
                                        models.Q(("scope", "workspace"), _negated=True), ("workspace__isnull", True)
                                    ),
                                    _connector="OR",
                                ),
                                name="access_review_workspace_fits",
                            ),
                            models.CheckConstraint(
                                condition=models.Q(
                                    models.Q(("state", "closed"), _negated=True),
                                    models.Q(("closed_at__isnull", False), models.Q(("evidence", ""), _negated=True)),
                                    _connector="OR",
                                ),
                                name="access_review_closed_is_signed",
                            ),
                        ],
                    },
                ),
                migrations.CreateModel(
                    name="AuditCheckpoint",
                    fields=[
                        (
                            "id",
                            models.UUIDField(
                                default=aiwriter.core.ids.uuid7, editable=False, primary_key=True, serialize=False
                            ),
                        ),
                        ("seq", models.BigIntegerField()),
                        ("hash", models.CharField(max_length=64)),
                        ("root", models.CharField(max_length=64)),
                        ("made_at", models.CharField(help_text="As it was signed.", max_length=40)),
                        ("ledger", models.CharField(max_length=40)),
                        ("previous", models.CharField(blank=True, max_length=64)),
                        ("key_id", models.CharField(max_length=16)),
                        ("signature", models.CharField(max_length=100)),
                        ("reason", models.CharField(default="schedule", max_length=20)),
                        ("created_at", models.DateTimeField(default=django.utils.timezone.now, editable=False)),
                    ],
                    options={
                        "verbose_name": "checkpoint",
                        "ordering": ["-created_at", "-id"],
                        "indexes": [models.Index(fields=["-seq"], name="checkpoint_of_seq")],
                    },
                ),
                migrations.CreateModel(
                    name="AuditEvent",
                    fields=[
                        (
                            "id",
                            models.UUIDField(
                                default=aiwriter.core.ids.uuid7, editable=False, primary_key=True, serialize=False
                            ),
                        ),
                        ("occurred_at", models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                        ("actor_id", models.CharField(max_length=80)),
                        ("actor_label", models.CharField(blank=True, max_length=254)),
                        ("token_key_id", models.CharField(blank=True, max_length=16)),
                        ("action", models.CharField(max_length=60)),
                        ("object_type", models.CharField(blank=True, max_length=60)),
                        ("object_id", models.CharField(blank=True, max_length=64)),
                        ("object_label", models.CharField(blank=True, max_length=1200)),
                        ("workspace_id", models.UUIDField(blank=True, null=True)),
                        (
                            "outcome",
                            models.CharField(
                                choices=[("allowed", "Allowed"), ("denied", "Denied"), ("failed", "Failed")],
                                default="allowed",
                                max_length=8,
                            ),
                        ),
                        ("reason", models.CharField(blank=True, max_length=2800)),
                        ("before", models.JSONField(blank=True, null=True)),
                        ("after", models.JSONField(blank=True, null=True)),
                        ("request_id", models.CharField(blank=True, max_length=64)),
                        ("client_address", models.CharField(blank=True, max_length=45)),
                        ("mac", models.CharField(blank=True, editable=False, max_length=64, null=True)),
                        ("seq", models.BigIntegerField(blank=True, editable=False, null=True, unique=True)),
                        ("previous_hash", models.CharField(blank=True, editable=False, max_length=64, null=True)),
                        ("hash", models.CharField(blank=True, editable=False, max_length=64, null=True)),
                        ("seal_key_id", models.CharField(blank=True, editable=False, max_length=16, null=True)),
                        ("sealed_at", models.DateTimeField(blank=True, editable=False, null=True)),
                        (
                            "origin",
                            models.CharField(
                                blank=True,
                                choices=[
                                    ("portal", "The portal"),
                                    ("older", "The portal, before there was a chain"),
                                    ("forged", "Something else"),
                                ],
                                editable=False,
                                max_length=8,
                                null=True,
                            ),
                        ),
                    ],
                    options={
                        "ordering": ["-occurred_at", "-id"],
                        "indexes": [
                            models.Index(
                                condition=models.Q(("seq", None)), fields=["occurred_at", "id"], name="audit_unsealed"
                            ),
                            models.Index(fields=["action", "-occurred_at", "-id"], name="audit_of_action"),
                            models.Index(fields=["workspace_id", "-occurred_at", "-id"], name="audit_of_workspace"),
                            models.Index(fields=["-occurred_at", "-id"], name="audit_newest"),
                            models.Index(fields=["object_type", "object_id"], name="audit_of_object"),
                            models.Index(fields=["actor_id", "-occurred_at"], name="audit_of_actor"),
                        ],
                    },
                ),
                migrations.CreateModel(
                    name="AuditSegment",
                    fields=[
                        (
                            "id",
                            models.UUIDField(
                                default=aiwriter.core.ids.uuid7, editable=False, primary_key=True, serialize=False
                            ),
                        ),
                        ("name", models.CharField(max_length=80, unique=True)),
                        ("first_seq", models.BigIntegerField(unique=True)),
                        ("last_seq", models.BigIntegerField(unique=True)),
                        ("before_hash", models.CharField(max_length=64)),
                        ("before_root", models.CharField(max_length=64)),
                        ("last_hash", models.CharField(max_length=64)),
                        ("last_root", models.CharField(max_length=64)),
                        ("sha256", models.CharField(max_length=64)),
                        ("size", models.PositiveBigIntegerField()),
                        ("oldest_at", models.DateTimeField()),
                        ("newest_at", models.DateTimeField()),
                        (
                            "released_at",
                            models.DateTimeField(
                                blank=True,
                                help_text="Since when its events are out of the table; not before a place outside has it.",
                                null=True,
                            ),
                        ),
                        ("created_at", models.DateTimeField(default=django.utils.timezone.now, editable=False)),
                    ],
                    options={
                        "verbose_name": "archived segment",
                        "ordering": ["-created_at", "-id"],
                        "constraints": [
                            models.CheckConstraint(
                                condition=models.Q(("last_seq__gte", models.F("first_seq"))), name="segment_forward"
                            )
                        ],
                    },
                ),
                migrations.CreateModel(
                    name="AuditVerification",
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
                            "state",
                            models.CharField(
                                choices=[
                                    ("queued", "Waiting"),
                                    ("running", "Running"),
                                    ("sound", "As it was sealed"),
                                    ("changed", "Not as it was sealed"),
                                    ("failed", "Could not be verified"),
                                ],
                                db_index=True,
                                default="queued",
                                max_length=16,
                            ),
                        ),
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
                        ("events", models.BigIntegerField(default=0)),
                        ("first_seq", models.BigIntegerField(default=0)),
                        ("last_seq", models.BigIntegerField(default=0)),
                        ("checkpoints", models.PositiveIntegerField(default=0)),
                        ("seconds", models.FloatField(blank=True, null=True)),
                        ("findings", models.JSONField(blank=True, default=list)),
                        ("error", models.TextField(blank=True)),
                        ("created_at", models.DateTimeField(default=django.utils.timezone.now, editable=False)),
                    ],
                    options={
                        "verbose_name": "verification of the record",
                        "verbose_name_plural": "verifications of the record",
                        "ordering": ["-created_at", "-id"],
                    },
                ),
                migrations.CreateModel(
                    name="ElevationPolicy",
                    fields=[
                        (
                            "id",
                            models.UUIDField(
                                default=aiwriter.core.ids.uuid7, editable=False, primary_key=True, serialize=False
                            ),
                        ),
                        ("name", models.CharField(max_length=80, unique=True)),
                        (
                            "description",
                            models.CharField(blank=True, help_text="Shown to those who may ask.", max_length=300),
                        ),
                        (
                            "role",
                            models.CharField(
                                blank=True,
                                help_text="Writer and editor are lent in one workspace, which the request names.",
                                max_length=8,
                            ),
                        ),
                        (
                            "capabilities",
                            models.JSONField(
                                blank=True, default=list, help_text="Empty: everything that the role allows."
                            ),
                        ),
                        ("eligible_roles", models.JSONField(help_text="Who holds one of them may ask.")),
                        (
                            "approver_roles",
                            models.JSONField(
                                default=apps.users.models.elevations._admins,
                                help_text="Who holds one of them may agree.",
                            ),
                        ),
                        (
                            "approvals",
                            models.PositiveSmallIntegerField(
                                default=1, help_text="How many other people have to agree, 0 to 2."
                            ),
                        ),
                        (
                            "default_minutes",
                            models.PositiveSmallIntegerField(default=60, verbose_name="minutes at first"),
                        ),
                        ("max_minutes", models.PositiveSmallIntegerField(default=480, verbose_name="minutes at most")),
                        (
                            "proof_minutes",
                            models.PositiveSmallIntegerField(
                                default=5,
                                help_text="Minutes since the person has shown who they are.",
                                verbose_name="proof of at most",
                            ),
                        ),
                        (
                            "ticket_pattern",
                            models.CharField(
                                blank=True,
                                help_text="Regular expression that a request's ticket has to match. Empty: no ticket.",
                                max_length=120,
                            ),
                        ),
                        (
                            "weekdays",
                            models.JSONField(blank=True, default=list, help_text="0 is Monday. Empty: all days."),
                        ),
                        (
                            "from_hour",
                            models.PositiveSmallIntegerField(blank=True, help_text="UTC, 0 to 23.", null=True),
                        ),
                        (
                            "to_hour",
                            models.PositiveSmallIntegerField(
                                blank=True, help_text="UTC, 1 to 24; not included.", null=True
                            ),
                        ),
                        ("extendable", models.BooleanField(default=True, verbose_name="once longer")),
                        (
                            "strict",
                            models.BooleanField(
                                default=False,
                                help_text="Roles alone do not allow these capabilities any more; an emergency account's does.",
                                verbose_name="only by elevation",
                            ),
                        ),
                        ("enabled", models.BooleanField(default=True)),
                        (
                            "set_by",
                            models.ForeignKey(
                                blank=True,
                                editable=False,
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
                        "verbose_name_plural": "elevation policies",
                        "ordering": ["name"],
                        "constraints": [
                            models.CheckConstraint(
                                condition=models.Q(("approvals__lte", 2)), name="elevation_policy_approvals"
                            ),
                            models.CheckConstraint(
                                condition=models.Q(
                                    ("default_minutes__gte", 1),
                                    ("max_minutes__gte", models.F("default_minutes")),
                                    ("max_minutes__lte", 480),
                                ),
                                name="elevation_policy_minutes",
                            ),
                            models.CheckConstraint(
                                condition=models.Q(("proof_minutes__gte", 1), ("proof_minutes__lte", 5)),
                                name="elevation_policy_proof",
                            ),
                        ],
                    },
                ),
                migrations.CreateModel(
                    name="Elevation",
                    fields=[
                        (
                            "id",
                            models.UUIDField(
                                default=aiwriter.core.ids.uuid7, editable=False, primary_key=True, serialize=False
                            ),
                        ),
                        (
                            "policy",
                            models.ForeignKey(
                                on_delete=django.db.models.deletion.PROTECT,
                                related_name="elevations",
                                to="users.elevationpolicy",
                            ),
                        ),
                        (
                            "user",
                            models.ForeignKey(
                                on_delete=django.db.models.deletion.CASCADE,
                                related_name="elevations",
                                to=settings.AUTH_USER_MODEL,
                            ),
                        ),
                        (
                            "workspace",
                            models.ForeignKey(
                                blank=True,
                                null=True,
                                on_delete=django.db.models.deletion.CASCADE,
                                related_name="+",
                                to="users.workspace",
                            ),
                        ),
                        ("reason", models.CharField(max_length=300)),
                        ("ticket", models.CharField(blank=True, max_length=80)),
                        ("minutes", models.PositiveSmallIntegerField()),
                        (
                            "approvals",
                            models.PositiveSmallIntegerField(
                                help_text="As the policy asked when the request was made."
                            ),
                        ),
                        (
                            "state",
                            models.CharField(
                                choices=[
                                    ("open", "Waits for an answer"),
                                    ("active", "Agreed"),
                                    ("denied", "Refused"),
                                    ("withdrawn", "Withdrawn"),
                                    ("lapsed", "Not answered in time"),
                                    ("revoked", "Taken back"),
                                ],
                                default="open",
                                max_length=9,
                            ),
                        ),
                        ("lapses_at", models.DateTimeField()),
                        ("starts_at", models.DateTimeField(blank=True, null=True)),
                        ("expires_at", models.DateTimeField(blank=True, null=True)),
                        ("extended_at", models.DateTimeField(blank=True, null=True)),
                        ("ended_at", models.DateTimeField(blank=True, null=True)),
                        (
                            "ended_by",
                            models.ForeignKey(
                                blank=True,
                                null=True,
                                on_delete=django.db.models.deletion.SET_NULL,
                                related_name="+",
                                to=settings.AUTH_USER_MODEL,
                            ),
                        ),
                        ("end_reason", models.CharField(blank=True, max_length=300)),
                        ("created_at", models.DateTimeField(default=django.utils.timezone.now, editable=False)),
                    ],
                    options={
                        "verbose_name_plural": "access now",
                        "ordering": ["-created_at", "-id"],
                        "indexes": [
                            models.Index(fields=["state", "expires_at"], name="elevation_of_state"),
                            models.Index(fields=["user", "-created_at"], name="elevation_of_user"),
                        ],
                        "constraints": [
                            models.UniqueConstraint(
                                condition=models.Q(("state", "open")),
                                fields=("user", "policy"),
                                name="elevation_open_once",
                            ),
                            models.CheckConstraint(
                                condition=models.Q(
                                    models.Q(("state__in", ["active", "revoked"]), _negated=True),
                                    models.Q(("expires_at__isnull", False), ("starts_at__isnull", False)),
                                    _connector="OR",
                                ),
                                name="elevation_active_has_end",
                            ),
                            models.CheckConstraint(
                                condition=models.Q(("reason", ""), _negated=True), name="elevation_has_reason"
                            ),
                        ],
                    },
                ),
                migrations.CreateModel(
                    name="ElevationVote",
                    fields=[
                        (
                            "id",
                            models.UUIDField(
                                default=aiwriter.core.ids.uuid7, editable=False, primary_key=True, serialize=False
                            ),
                        ),
                        (
                            "elevation",
                            models.ForeignKey(
                                on_delete=django.db.models.deletion.CASCADE, related_name="votes", to="users.elevation"
                            ),
                        ),
                        (
                            "voter",
                            models.ForeignKey(
                                on_delete=django.db.models.deletion.CASCADE,
                                related_name="+",
                                to=settings.AUTH_USER_MODEL,
                            ),
                        ),
                        (
                            "requester",
                            models.ForeignKey(
                                on_delete=django.db.models.deletion.CASCADE,
                                related_name="+",
                                to=settings.AUTH_USER_MODEL,
                            ),
                        ),
                        ("agrees", models.BooleanField()),
                        ("comment", models.CharField(blank=True, max_length=300)),
                        ("created_at", models.DateTimeField(default=django.utils.timezone.now, editable=False)),
                    ],
                    options={
                        "ordering": ["created_at"],
                        "constraints": [
                            models.UniqueConstraint(fields=("elevation", "voter"), name="elevation_vote_once"),
                            models.CheckConstraint(
                                condition=models.Q(("voter", models.F("requester")), _negated=True),
                                name="elevation_vote_by_another",
                            ),
                        ],
                    },
                ),
                migrations.CreateModel(
                    name="FactorPolicy",
                    fields=[
                        (
                            "id",
                            models.UUIDField(
                                default=aiwriter.core.ids.uuid7, editable=False, primary_key=True, serialize=False
                            ),
                        ),
                        (
                            "role",
                            models.CharField(
                                choices=[
                                    ("writer", "Writer"),
                                    ("editor", "Editor"),
                                    ("operator", "Operator"),
                                    ("auditor", "Auditor"),
                                    ("admin", "Administrator"),
                                ],
                                max_length=8,
                                unique=True,
                            ),
                        ),
                        (
                            "strength",
                            models.CharField(
                                choices=[("any", "Any second factor"), ("passkey", "A passkey")],
                                default="any",
                                max_length=8,
                            ),
                        ),
                        (
                            "enforced_from",
                            models.DateTimeField(help_text="From this moment nobody of the role gets in without."),
                        ),
                        (
                            "grace_days",
                            models.PositiveSmallIntegerField(
                                default=0,
                                help_text="Days that somebody has who gets the role later, counted from that day.",
                            ),
                        ),
                        (
                            "set_by",
                            models.ForeignKey(
                                blank=True,
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
                        "verbose_name": "sign-in rule",
                        "ordering": ["role"],
                        "constraints": [
                            models.CheckConstraint(
                                condition=models.Q(("role__in", ["writer", "editor", "operator", "auditor", "admin"])),
                                name="factor_policy_role_known",
                            ),
                            models.CheckConstraint(
                                condition=models.Q(("strength__in", ["any", "passkey"])),
                                name="factor_policy_strength_known",
                            ),
                        ],
                    },
                ),
                migrations.CreateModel(
                    name="GroupMember",
                    fields=[
                        (
                            "id",
                            models.UUIDField(
                                default=aiwriter.core.ids.uuid7, editable=False, primary_key=True, serialize=False
                            ),
                        ),
                        (
                            "group",
                            models.ForeignKey(
                                on_delete=django.db.models.deletion.CASCADE, related_name="members", to="users.group"
                            ),
                        ),
                        (
                            "user",
                            models.ForeignKey(
                                on_delete=django.db.models.deletion.CASCADE,
                                related_name="group_memberships",
                                to=settings.AUTH_USER_MODEL,
                            ),
                        ),
                        (
                            "added_by",
                            models.ForeignKey(
                                blank=True,
                                null=True,
                                on_delete=django.db.models.deletion.SET_NULL,
                                related_name="+",
                                to=settings.AUTH_USER_MODEL,
                            ),
                        ),
                        ("reason", models.CharField(max_length=300)),
                        (
                            "source",
                            models.CharField(
                                choices=[
                                    ("person", "Put in by a person"),
                                    ("provider", "From a group at the identity provider"),
                                ],
                                default="person",
                                max_length=8,
                            ),
                        ),
                        ("expires_at", models.DateTimeField(blank=True, null=True)),
                        ("created_at", models.DateTimeField(default=django.utils.timezone.now, editable=False)),
                    ],
                    options={
                        "ordering": ["group", "user"],
                        "constraints": [
                            models.UniqueConstraint(fields=("group", "user"), name="group_member_once"),
                            models.CheckConstraint(
                                condition=models.Q(("reason", ""), _negated=True), name="group_member_has_reason"
                            ),
                        ],
                    },
                ),
                migrations.CreateModel(
                    name="IdempotencyRecord",
                    fields=[
                        (
                            "id",
                            models.UUIDField(
                                default=aiwriter.core.ids.uuid7, editable=False, primary_key=True, serialize=False
                            ),
                        ),
                        ("scope", models.CharField(help_text="Digest of caller, method and path.", max_length=64)),
                        ("key", models.CharField(max_length=128)),
                        ("request_hash", models.CharField(max_length=64)),
                        ("response_status", models.PositiveSmallIntegerField(null=True)),
                        ("response_body", models.BinaryField(default=bytes)),
                        ("response_headers", models.JSONField(default=dict)),
                        ("created_at", models.DateTimeField(default=django.utils.timezone.now)),
                    ],
                    options={
                        "indexes": [models.Index(fields=["created_at"], name="idempotency_age")],
                        "constraints": [models.UniqueConstraint(fields=("scope", "key"), name="idempotency_key_once")],
                    },
                ),
                migrations.CreateModel(
                    name="LedgerHead",
                    fields=[
                        (
                            "id",
                            models.PositiveSmallIntegerField(
                                default=1, editable=False, primary_key=True, serialize=False
                            ),
                        ),
                        ("seq", models.BigIntegerField(default=0, editable=False)),
                        (
                            "hash",
                            models.CharField(
                                default="0000000000000000000000000000000000000000000000000000000000000000",
                                editable=False,
                                max_length=64,
                            ),
                        ),
                        (
                            "root",
                            models.CharField(
                                default="0000000000000000000000000000000000000000000000000000000000000000",
                                editable=False,
                                max_length=64,
                            ),
                        ),
                        ("sealed_at", models.DateTimeField(editable=False, null=True)),
                        ("lease_until", models.DateTimeField(editable=False, null=True)),
                        ("fence", models.PositiveBigIntegerField(default=0, editable=False)),
                        ("worker", models.CharField(blank=True, editable=False, max_length=120)),
                    ],
                    options={
                        "constraints": [
                            models.CheckConstraint(condition=models.Q(("id", 1)), name="ledger_has_one_head")
                        ],
                    },
                ),
                migrations.CreateModel(
                    name="LegalHold",
                    fields=[
                        (
                            "id",
                            models.UUIDField(
                                default=aiwriter.core.ids.uuid7, editable=False, primary_key=True, serialize=False
                            ),
                        ),
                        (
                            "user",
                            models.ForeignKey(
                                on_delete=django.db.models.deletion.CASCADE,
                                related_name="legal_holds",
                                to=settings.AUTH_USER_MODEL,
                            ),
                        ),
                        ("reason", models.CharField(max_length=500)),
                        (
                            "placed_by",
                            models.ForeignKey(
                                blank=True,
                                null=True,
                                on_delete=django.db.models.deletion.SET_NULL,
                                related_name="+",
                                to=settings.AUTH_USER_MODEL,
                            ),
                        ),
                        ("placed_at", models.DateTimeField(default=django.utils.timezone.now, editable=False)),
                        (
                            "lifted_by",
                            models.ForeignKey(
                                blank=True,
                                null=True,
                                on_delete=django.db.models.deletion.SET_NULL,
                                related_name="+",
                                to=settings.AUTH_USER_MODEL,
                            ),
                        ),
                        ("lifted_at", models.DateTimeField(blank=True, editable=False, null=True)),
                    ],
                    options={
                        "ordering": ["-placed_at", "-id"],
                        "constraints": [
                            models.UniqueConstraint(
                                condition=models.Q(("lifted_at", None)),
                                fields=("user",),
                                name="legal_hold_once",
                                violation_error_message="A hold is in force already.",
                            )
                        ],
                    },
                ),
                migrations.CreateModel(
                    name="Membership",
                    fields=[
                        (
                            "id",
                            models.UUIDField(
                                default=aiwriter.core.ids.uuid7, editable=False, primary_key=True, serialize=False
                            ),
                        ),
                        (
                            "user",
                            models.ForeignKey(
                                on_delete=django.db.models.deletion.CASCADE,
                                related_name="memberships",
                                to=settings.AUTH_USER_MODEL,
                            ),
                        ),
                        (
                            "workspace",
                            models.ForeignKey(
                                on_delete=django.db.models.deletion.CASCADE,
                                related_name="memberships",
                                to="users.workspace",
                            ),
                        ),
                        (
                            "role",
                            models.CharField(
                                choices=[("writer", "Writer"), ("editor", "Editor")], default="writer", max_length=8
                            ),
                        ),
                        (
                            "only",
                            models.JSONField(
                                blank=True,
                                help_text="Capabilities that are left of the role. Empty: all of it.",
                                null=True,
                                verbose_name="reduced to",
                            ),
                        ),
                        (
                            "granted_by",
                            models.ForeignKey(
                                blank=True,
                                editable=False,
                                help_text="Empty: by the system itself, or before this was noted.",
                                null=True,
                                on_delete=django.db.models.deletion.SET_NULL,
                                related_name="+",
                                to=settings.AUTH_USER_MODEL,
                            ),
                        ),
                        ("reason", models.CharField(blank=True, db_default="", default="", max_length=300)),
                        (
                            "source",
                            models.CharField(
                                choices=[
                                    ("person", "Given by a person"),
                                    ("provider", "From a group at the identity provider"),
                                    ("group", "From a group of this portal"),
                                    ("elevation", "For a time, approved by another person"),
                                ],
                                default="person",
                                max_length=9,
                            ),
                        ),
                        (
                            "group",
                            models.ForeignKey(
                                blank=True,
                                editable=False,
                                null=True,
                                on_delete=django.db.models.deletion.CASCADE,
                                related_name="memberships",
                                to="users.group",
                            ),
                        ),
                        (
                            "elevation",
                            models.OneToOneField(
                                blank=True,
                                editable=False,
                                null=True,
                                on_delete=django.db.models.deletion.CASCADE,
                                related_name="membership",
                                to="users.elevation",
                            ),
                        ),
                        ("expires_at", models.DateTimeField(blank=True, null=True)),
                        ("created_at", models.DateTimeField(default=django.utils.timezone.now, editable=False)),
                    ],
                    options={
                        "ordering": ["workspace", "user"],
                        "constraints": [
                            models.UniqueConstraint(
                                condition=models.Q(("elevation", None), ("group", None)),
                                fields=("user", "workspace"),
                                name="membership_once",
                            ),
                            models.UniqueConstraint(
                                condition=models.Q(("group__isnull", False)),
                                fields=("user", "workspace", "group"),
                                name="membership_by_group_once",
                            ),
                            models.CheckConstraint(
                                condition=models.Q(("elevation", None), ("expires_at__isnull", False), _connector="OR"),
                                name="membership_lent_has_end",
                            ),
                            models.CheckConstraint(
                                condition=models.Q(("role__in", ["writer", "editor"])), name="membership_role_known"
                            ),
                        ],
                    },
                ),
                migrations.CreateModel(
                    name="Notification",
                    fields=[
                        (
                            "id",
                            models.UUIDField(
                                default=aiwriter.core.ids.uuid7, editable=False, primary_key=True, serialize=False
                            ),
                        ),
                        (
                            "user",
                            models.ForeignKey(
                                on_delete=django.db.models.deletion.CASCADE,
                                related_name="notifications",
                                to=settings.AUTH_USER_MODEL,
                            ),
                        ),
                        (
                            "kind",
                            models.CharField(help_text="What it is about, such as generation.finished.", max_length=40),
                        ),
                        ("title", models.CharField(max_length=200)),
                        ("body", models.TextField(blank=True)),
                        ("link", models.CharField(blank=True, help_text="Path within the portal.", max_length=300)),
                        ("read_at", models.DateTimeField(blank=True, null=True)),
                        ("created_at", models.DateTimeField(default=django.utils.timezone.now, editable=False)),
                    ],
                    options={
                        "ordering": ["-created_at", "-id"],
                        "indexes": [
                            models.Index(fields=["user", "-created_at", "-id"], name="notification_newest"),
                            models.Index(
                                condition=models.Q(("read_at", None)), fields=["user"], name="notification_unread"
                            ),
                        ],
                    },
                ),
                migrations.CreateModel(
                    name="PrivacyRequest",
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
                            "kind",
                            models.CharField(
                                choices=[
                                    ("export", "A copy of the data"),
                                    ("erase", "Erasure"),
                                    ("rectify", "Correction"),
                                    ("restrict", "Restriction"),
                                ],
                                max_length=8,
                            ),
                        ),
                        (
                            "state",
                            models.CharField(
                                choices=[
                                    ("waiting", "Needs a decision"),
                                    ("queued", "Waiting for a worker"),
                                    ("running", "Running"),
                                    ("done", "Done"),
                                    ("refused", "Refused"),
                                    ("stopped", "Stopped"),
                                    ("failed", "Failed"),
                                ],
                                db_index=True,
                                default="waiting",
                                max_length=16,
                            ),
                        ),
                        (
                            "person",
                            models.ForeignKey(
                                blank=True,
                                null=True,
                                on_delete=django.db.models.deletion.SET_NULL,
                                related_name="privacy_requests",
                                to=settings.AUTH_USER_MODEL,
                            ),
                        ),
                        (
                            "person_id_kept",
                            models.UUIDField(editable=False, help_text="Whose; stays when the account is gone."),
                        ),
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
                            "identity",
                            models.CharField(
                                blank=True, help_text="How the person has shown who they are.", max_length=300
                            ),
                        ),
                        ("wish", models.TextField(blank=True, help_text="In the person's words.")),
                        (
                            "changes",
                            models.JSONField(
                                blank=True,
                                default=dict,
                                help_text="Of a correction: the name or the address as it should be.",
                            ),
                        ),
                        ("due_at", models.DateTimeField()),
                        (
                            "decided_by",
                            models.ForeignKey(
                                blank=True,
                                null=True,
                                on_delete=django.db.models.deletion.SET_NULL,
                                related_name="+",
                                to=settings.AUTH_USER_MODEL,
                            ),
                        ),
                        ("decided_at", models.DateTimeField(blank=True, editable=False, null=True)),
                        (
                            "answer",
                            models.CharField(
                                blank=True, help_text="Why it was refused, or what was done.", max_length=500
                            ),
                        ),
                        ("phase", models.CharField(blank=True, editable=False, max_length=80)),
                        ("done", models.BigIntegerField(default=0)),
                        ("total", models.BigIntegerField(default=0)),
                        ("stop_requested_at", models.DateTimeField(blank=True, editable=False, null=True)),
                        (
                            "report",
                            models.JSONField(
                                blank=True, default=dict, help_text="What was done, what was kept and why."
                            ),
                        ),
                        ("parcel", models.CharField(blank=True, editable=False, max_length=300)),
                        ("sealed_parcel_key", models.TextField(blank=True, editable=False)),
                        ("parcel_size", models.BigIntegerField(default=0, editable=False)),
                        ("expires_at", models.DateTimeField(blank=True, editable=False, null=True)),
                        ("error", models.TextField(blank=True)),
                        ("remedy", models.TextField(blank=True)),
                        ("created_at", models.DateTimeField(default=django.utils.timezone.now, editable=False)),
                    ],
                    options={
                        "verbose_name": "privacy request",
                        "verbose_name_plural": "privacy desk",
                        "ordering": ["-created_at", "-id"],
                        "constraints": [
                            models.UniqueConstraint(
                                condition=models.Q(("state__in", ["waiting", "queued", "running"])),
                                fields=("person_id_kept", "kind"),
                                name="privacy_request_once",
                                violation_error_message="Such a request is open already.",
                            )
                        ],
                    },
                ),
                migrations.CreateModel(
                    name="RateLimit",
                    fields=[
                        ("key", models.CharField(max_length=80, primary_key=True, serialize=False)),
                        ("due", models.FloatField(help_text="Seconds since 1970.")),
                    ],
                    options={
                        "indexes": [models.Index(fields=["due"], name="rate_limit_age")],
                    },
                ),
                migrations.CreateModel(
                    name="Rewrap",
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
                            "state",
                            models.CharField(
                                choices=[
                                    ("queued", "Waiting"),
                                    ("running", "Running"),
                                    ("succeeded", "Done"),
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
                                blank=True,
                                null=True,
                                on_delete=django.db.models.deletion.SET_NULL,
                                related_name="+",
                                to=settings.AUTH_USER_MODEL,
                            ),
                        ),
                        (
                            "place",
                            models.CharField(blank=True, help_text="Which kind of secret is at work.", max_length=80),
                        ),
                        ("cursor", models.CharField(blank=True, editable=False, max_length=200)),
                        ("done", models.BigIntegerField(default=0)),
                        ("total", models.BigIntegerField(default=0)),
                        ("changed", models.BigIntegerField(default=0)),
                        ("problems", models.JSONField(blank=True, default=list)),
                        ("error", models.TextField(blank=True)),
                        ("created_at", models.DateTimeField(default=django.utils.timezone.now, editable=False)),
                    ],
                    options={
                        "verbose_name": "move to the present keys",
                        "verbose_name_plural": "moves to the present keys",
                        "ordering": ["-created_at", "-id"],
                    },
                ),
                migrations.CreateModel(
                    name="RoleGrant",
                    fields=[
                        (
                            "id",
                            models.UUIDField(
                                default=aiwriter.core.ids.uuid7, editable=False, primary_key=True, serialize=False
                            ),
                        ),
                        (
                            "user",
                            models.ForeignKey(
                                on_delete=django.db.models.deletion.CASCADE,
                                related_name="role_grants",
                                to=settings.AUTH_USER_MODEL,
                            ),
                        ),
                        (
                            "role",
                            models.CharField(
                                blank=True,
                                choices=[("operator", "Operator"), ("auditor", "Auditor"), ("admin", "Administrator")],
                                help_text="Empty: only what was lent for a time.",
                                max_length=8,
                            ),
                        ),
                        (
                            "only",
                            models.JSONField(
                                blank=True,
                                help_text="Capabilities that are left of the role. Empty: all of it.",
                                null=True,
                                verbose_name="reduced to",
                            ),
                        ),
                        (
                            "granted_by",
                            models.ForeignKey(
                                blank=True,
                                help_text="Empty: granted by the system itself, at the first start or on the command line.",
                                null=True,
                                on_delete=django.db.models.deletion.SET_NULL,
                                related_name="+",
                                to=settings.AUTH_USER_MODEL,
                            ),
                        ),
                        ("reason", models.CharField(max_length=300)),
                        (
                            "source",
                            models.CharField(
                                choices=[
                                    ("person", "Given by a person"),
                                    ("provider", "From a group at the identity provider"),
                                    ("group", "From a group of this portal"),
                                    ("elevation", "For a time, approved by another person"),
                                ],
                                default="person",
                                max_length=9,
                            ),
                        ),
                        (
                            "group",
                            models.ForeignKey(
                                blank=True,
                                editable=False,
                                null=True,
                                on_delete=django.db.models.deletion.CASCADE,
                                related_name="role_grants",
                                to="users.group",
                            ),
                        ),
                        (
                            "elevation",
                            models.OneToOneField(
                                blank=True,
                                editable=False,
                                null=True,
                                on_delete=django.db.models.deletion.CASCADE,
                                related_name="role_grant",
                                to="users.elevation",
                            ),
                        ),
                        ("expires_at", models.DateTimeField(blank=True, null=True)),
                        ("created_at", models.DateTimeField(default=django.utils.timezone.now, editable=False)),
                    ],
                    options={
                        "ordering": ["role", "user"],
                        "constraints": [
                            models.UniqueConstraint(
                                condition=models.Q(("elevation", None), ("group", None)),
                                fields=("user", "role"),
                                name="role_granted_once",
                            ),
                            models.UniqueConstraint(
                                condition=models.Q(("group__isnull", False)),
                                fields=("user", "role", "group"),
                                name="role_by_group_once",
                            ),
                            models.CheckConstraint(
                                condition=models.Q(
                                    ("role__in", ["operator", "auditor", "admin"]),
                                    models.Q(("elevation__isnull", False), ("only__isnull", False), ("role", "")),
                                    _connector="OR",
                                ),
                                name="role_grant_role_known",
                            ),
                            models.CheckConstraint(
                                condition=models.Q(("elevation", None), ("expires_at__isnull", False), _connector="OR"),
                                name="role_lent_has_end",
                            ),
                            models.CheckConstraint(
                                condition=models.Q(("reason", ""), _negated=True), name="role_grant_has_reason"
                            ),
                        ],
                    },
                ),
                migrations.CreateModel(
                    name="Reduction",
                    fields=[
                        (
                            "id",
                            models.UUIDField(
                                default=aiwriter.core.ids.uuid7, editable=False, primary_key=True, serialize=False
                            ),
                        ),
                        (
                            "role_grant",
                            models.ForeignKey(
                                blank=True,
                                null=True,
                                on_delete=django.db.models.deletion.CASCADE,
                                related_name="reductions",
                                to="users.rolegrant",
                            ),
                        ),
                        (
                            "membership",
                            models.ForeignKey(
                                blank=True,
                                null=True,
                                on_delete=django.db.models.deletion.CASCADE,
                                related_name="reductions",
                                to="users.membership",
                            ),
                        ),
                        ("before", models.JSONField(blank=True, null=True)),
                        ("after", models.JSONField()),
                        ("reason", models.CharField(blank=True, max_length=300)),
                        (
                            "adopted_by",
                            models.ForeignKey(
                                blank=True,
                                null=True,
                                on_delete=django.db.models.deletion.SET_NULL,
                                related_name="+",
                                to=settings.AUTH_USER_MODEL,
                            ),
                        ),
                        ("undo_until", models.DateTimeField()),
                        ("undone_at", models.DateTimeField(blank=True, null=True)),
                        (
                            "undone_by",
                            models.ForeignKey(
                                blank=True,
                                null=True,
                                on_delete=django.db.models.deletion.SET_NULL,
                                related_name="+",
                                to=settings.AUTH_USER_MODEL,
                            ),
                        ),
                        ("created_at", models.DateTimeField(default=django.utils.timezone.now, editable=False)),
                    ],
                    options={
                        "ordering": ["-created_at", "-id"],
                        "constraints": [
                            models.CheckConstraint(
                                condition=models.Q(
                                    models.Q(("membership__isnull", False), ("role_grant", None)),
                                    models.Q(("membership", None), ("role_grant__isnull", False)),
                                    _connector="OR",
                                ),
                                name="reduction_of_one",
                            )
                        ],
                    },
                ),
                migrations.CreateModel(
                    name="SignInMode",
                    fields=[
                        (
                            "id",
                            models.PositiveSmallIntegerField(
                                default=1, editable=False, primary_key=True, serialize=False
                            ),
                        ),
                        (
                            "providers_only",
                            models.BooleanField(
                                default=False,
                                help_text="Only through a provider; the emergency account keeps its password.",
                            ),
                        ),
                        (
                            "set_by",
                            models.ForeignKey(
                                blank=True,
                                null=True,
                                on_delete=django.db.models.deletion.SET_NULL,
                                related_name="+",
                                to=settings.AUTH_USER_MODEL,
                            ),
                        ),
                        ("updated_at", models.DateTimeField(auto_now=True)),
                    ],
                    options={
                        "constraints": [
                            models.CheckConstraint(condition=models.Q(("id", 1)), name="sign_in_mode_one_row")
                        ],
                    },
                ),
                migrations.CreateModel(
                    name="SignInProvider",
                    fields=[
                        (
                            "id",
                            models.UUIDField(
                                default=aiwriter.core.ids.uuid7, editable=False, primary_key=True, serialize=False
                            ),
                        ),
                        (
                            "kind",
                            models.CharField(choices=[("oidc", "OpenID Connect"), ("saml", "SAML 2.0")], max_length=4),
                        ),
                        (
                            "slug",
                            models.SlugField(
                                help_text="Stands in the addresses that the provider is told.",
                                max_length=40,
                                unique=True,
                            ),
                        ),
                        ("name", models.CharField(help_text="As the button says it.", max_length=60)),
                        ("enabled", models.BooleanField(default=True)),
                        (
                            "issuer",
                            models.CharField(
                                help_text="OpenID Connect: the issuer's address. SAML: the provider's entity id.",
                                max_length=500,
                            ),
                        ),
                        ("client_id", models.CharField(blank=True, help_text="OpenID Connect only.", max_length=200)),
                        ("secret_sealed", models.TextField(blank=True, editable=False)),
                        (
                            "sso_url",
                            models.CharField(blank=True, help_text="SAML only: where sign-in begins.", max_length=500),
                        ),
                        (
                            "certificate",
                            models.TextField(blank=True, help_text="SAML only: with what the provider signs, as PEM."),
                        ),
                        ("scopes", models.CharField(default="openid profile email", editable=False, max_length=200)),
                        ("authorization_origin", models.CharField(blank=True, editable=False, max_length=300)),
                        (
                            "groups_claim",
                            models.CharField(
                                default="groups",
                                help_text="Claim or attribute that names the person's groups.",
                                max_length=200,
                            ),
                        ),
                        (
                            "creates_accounts",
                            models.BooleanField(
                                default=False,
                                help_text="Whoever comes with a confirmed address of one of the domains gets an account.",
                            ),
                        ),
                        (
                            "domains",
                            models.JSONField(
                                blank=True, default=list, help_text="Domains of addresses, for new accounts."
                            ),
                        ),
                        (
                            "counts_as_factor",
                            models.BooleanField(
                                default=False,
                                help_text="The provider asks for a second factor itself, so rules about those are fulfilled.",
                            ),
                        ),
                        ("created_at", models.DateTimeField(default=django.utils.timezone.now, editable=False)),
                        ("updated_at", models.DateTimeField(auto_now=True)),
                    ],
                    options={
                        "verbose_name": "sign-in provider",
                        "ordering": ["name"],
                        "constraints": [
                            models.CheckConstraint(
                                condition=models.Q(("kind__in", ["oidc", "saml"])), name="sign_in_provider_kind_known"
                            )
                        ],
                    },
                ),
                migrations.CreateModel(
                    name="Workspace",
                    fields=[
                        (
                            "id",
                            models.UUIDField(
                                default=aiwriter.core.ids.uuid7, editable=False, primary_key=True, serialize=False
                            ),
                        ),
                        ("name", models.CharField(max_length=120)),
                        ("slug", models.SlugField(max_length=60, unique=True)),
                        (
                            "personal_of",
                            models.OneToOneField(
                                blank=True,
                                help_text="The one person whose private workspace this is.",
                                null=True,
                                on_delete=django.db.models.deletion.PROTECT,
                                related_name="personal_workspace",
                                to=settings.AUTH_USER_MODEL,
                            ),
                        ),
                        ("created_at", models.DateTimeField(default=django.utils.timezone.now, editable=False)),
                        ("updated_at", models.DateTimeField(auto_now=True)),
                    ],
                    options={
                        "ordering": ["name", "id"],
                    },
                ),
                migrations.CreateModel(
                    name="RoleRule",
                    fields=[
                        (
                            "id",
                            models.UUIDField(
                                default=aiwriter.core.ids.uuid7, editable=False, primary_key=True, serialize=False
                            ),
                        ),
                        (
                            "provider",
                            models.ForeignKey(
                                on_delete=django.db.models.deletion.CASCADE,
                                related_name="rules",
                                to="users.signinprovider",
                            ),
                        ),
                        ("group", models.CharField(max_length=200)),
                        (
                            "workspace",
                            models.ForeignKey(
                                blank=True,
                                null=True,
                                on_delete=django.db.models.deletion.CASCADE,
                                related_name="+",
                                to="users.workspace",
                            ),
                        ),
                        (
                            "role",
                            models.CharField(
                                choices=[
                                    ("writer", "Writer"),
                                    ("editor", "Editor"),
                                    ("operator", "Operator"),
                                    ("auditor", "Auditor"),
                                    ("admin", "Administrator"),
                                ],
                                max_length=8,
                            ),
                        ),
                        ("created_at", models.DateTimeField(default=django.utils.timezone.now, editable=False)),
                    ],
                    options={
                        "ordering": ["provider", "group"],
                        "constraints": [
                            models.UniqueConstraint(
                                condition=models.Q(("workspace__isnull", False)),
                                fields=("provider", "group", "workspace"),
                                name="role_rule_once_per_workspace",
                            ),
                            models.UniqueConstraint(
                                condition=models.Q(("workspace__isnull", True)),
                                fields=("provider", "group", "role"),
                                name="role_rule_once_in_the_portal",
                            ),
                            models.CheckConstraint(
                                condition=models.Q(
                                    models.Q(("role__in", ["writer", "editor"]), ("workspace__isnull", False)),
                                    models.Q(
                                        ("role__in", ["operator", "auditor", "admin"]), ("workspace__isnull", True)
                                    ),
                                    _connector="OR",
                                ),
                                name="role_rule_role_where_it_belongs",
                            ),
                        ],
                    },
                ),
                migrations.CreateModel(
                    name="ReviewItem",
                    fields=[
                        (
                            "id",
                            models.UUIDField(
                                default=aiwriter.core.ids.uuid7, editable=False, primary_key=True, serialize=False
                            ),
                        ),
                        (
                            "review",
                            models.ForeignKey(
                                on_delete=django.db.models.deletion.CASCADE,
                                related_name="items",
                                to="users.accessreview",
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
                        (
                            "workspace",
                            models.ForeignKey(
                                blank=True,
                                null=True,
                                on_delete=django.db.models.deletion.SET_NULL,
                                related_name="+",
                                to="users.workspace",
                            ),
                        ),
                        (
                            "role_grant",
                            models.ForeignKey(
                                blank=True,
                                null=True,
                                on_delete=django.db.models.deletion.SET_NULL,
                                related_name="+",
                                to="users.rolegrant",
                            ),
                        ),
                        (
                            "membership",
                            models.ForeignKey(
                                blank=True,
                                null=True,
                                on_delete=django.db.models.deletion.SET_NULL,
                                related_name="+",
                                to="users.membership",
                            ),
                        ),
                        ("role", models.CharField(max_length=8)),
                        ("snapshot", models.JSONField(help_text="The grant when the campaign began.")),
                        (
                            "facts",
                            models.JSONField(
                                help_text="Last use, uses in 90 days, how many others hold the same, what was needed."
                            ),
                        ),
                        (
                            "decision",
                            models.CharField(
                                blank=True,
                                choices=[
                                    ("keep", "Keep"),
                                    ("reduce", "Reduce"),
                                    ("revoke", "Take away"),
                                    ("gone", "Had ended already"),
                                ],
                                max_length=6,
                            ),
                        ),
                        ("kept", models.JSONField(blank=True, help_text="What a reduction left.", null=True)),
                        ("comment", models.CharField(blank=True, max_length=300)),
                        (
                            "decided_by",
                            models.ForeignKey(
                                blank=True,
                                null=True,
                                on_delete=django.db.models.deletion.SET_NULL,
                                related_name="+",
                                to=settings.AUTH_USER_MODEL,
                            ),
                        ),
                        ("decided_at", models.DateTimeField(blank=True, null=True)),
                        (
                            "problem",
                            models.CharField(
                                blank=True, help_text="Why it could not be taken away when it was due.", max_length=300
                            ),
                        ),
                        ("created_at", models.DateTimeField(default=django.utils.timezone.now, editable=False)),
                    ],
                    options={
                        "ordering": ["created_at", "id"],
                        "indexes": [models.Index(fields=["review", "decision"], name="review_item_open")],
                        "constraints": [
                            models.CheckConstraint(
                                condition=models.Q(
                                    ("decided_by", None),
                                    models.Q(("decided_by", models.F("user")), _negated=True),
                                    _connector="OR",
                                ),
                                name="review_item_by_another",
                            ),
                            models.CheckConstraint(
                                condition=models.Q(
                                    models.Q(("decided_at", None), ("decision", "")),
                                    models.Q(models.Q(("decision", ""), _negated=True), ("decided_at__isnull", False)),
                                    _connector="OR",
                                ),
                                name="review_item_decided_when",
                            ),
                            models.UniqueConstraint(
                                condition=models.Q(("role_grant__isnull", False)),
                                fields=("review", "role_grant"),
                                name="review_item_of_grant",
                            ),
                            models.UniqueConstraint(
                                condition=models.Q(("membership__isnull", False)),
                                fields=("review", "membership"),
                                name="review_item_of_member",
                            ),
                        ],
                    },
                ),
                migrations.CreateModel(
                    name="Invitation",
                    fields=[
                        (
                            "id",
                            models.UUIDField(
                                default=aiwriter.core.ids.uuid7, editable=False, primary_key=True, serialize=False
                            ),
                        ),
                        ("email", models.EmailField(max_length=254, verbose_name="e-mail address")),
                        (
                            "workspace",
                            models.ForeignKey(
                                blank=True,
                                null=True,
                                on_delete=django.db.models.deletion.CASCADE,
                                related_name="invitations",
                                to="users.workspace",
                            ),
                        ),
                        (
                            "workspace_role",
                            models.CharField(
                                blank=True, choices=[("writer", "Writer"), ("editor", "Editor")], max_length=8
                            ),
                        ),
                        (
                            "system_role",
                            models.CharField(
                                blank=True,
                                choices=[("operator", "Operator"), ("auditor", "Auditor"), ("admin", "Administrator")],
                                max_length=8,
                            ),
                        ),
                        (
                            "invited_by",
                            models.ForeignKey(
                                blank=True,
                                help_text="The account is made with this person's rights, as they are when it is accepted.",
                                null=True,
                                on_delete=django.db.models.deletion.SET_NULL,
                                related_name="+",
                                to=settings.AUTH_USER_MODEL,
                            ),
                        ),
                        ("expires_at", models.DateTimeField()),
                        ("mailed_at", models.DateTimeField(blank=True, editable=False, null=True)),
                        ("accepted_at", models.DateTimeField(blank=True, editable=False, null=True)),
                        (
                            "accepted_by",
                            models.ForeignKey(
                                blank=True,
                                null=True,
                                on_delete=django.db.models.deletion.SET_NULL,
                                related_name="+",
                                to=settings.AUTH_USER_MODEL,
                            ),
                        ),
                        ("revoked_at", models.DateTimeField(blank=True, editable=False, null=True)),
                        ("created_at", models.DateTimeField(default=django.utils.timezone.now, editable=False)),
                    ],
                    options={
                        "ordering": ["-created_at", "-id"],
                        "constraints": [
                            models.CheckConstraint(
                                condition=models.Q(
                                    models.Q(("workspace__isnull", True), ("workspace_role", "")),
                                    models.Q(
                                        ("workspace__isnull", False), models.Q(("workspace_role", ""), _negated=True)
                                    ),
                                    _connector="OR",
                                ),
                                name="invitation_role_with_workspace",
                            ),
                            models.UniqueConstraint(
                                condition=models.Q(("accepted_at", None), ("revoked_at", None)),
                                fields=("email",),
                                name="invitation_open_once",
                            ),
                        ],
                    },
                ),
                migrations.CreateModel(
                    name="GroupRole",
                    fields=[
                        (
                            "id",
                            models.UUIDField(
                                default=aiwriter.core.ids.uuid7, editable=False, primary_key=True, serialize=False
                            ),
                        ),
                        (
                            "group",
                            models.ForeignKey(
                                on_delete=django.db.models.deletion.CASCADE, related_name="roles", to="users.group"
                            ),
                        ),
                        (
                            "workspace",
                            models.ForeignKey(
                                blank=True,
                                null=True,
                                on_delete=django.db.models.deletion.CASCADE,
                                related_name="+",
                                to="users.workspace",
                            ),
                        ),
                        ("role", models.CharField(max_length=8)),
                        ("created_at", models.DateTimeField(default=django.utils.timezone.now, editable=False)),
                    ],
                    options={
                        "ordering": ["group", "created_at"],
                        "constraints": [
                            models.UniqueConstraint(
                                condition=models.Q(("workspace__isnull", False)),
                                fields=("group", "workspace"),
                                name="group_role_once_in_workspace",
                            ),
                            models.UniqueConstraint(
                                condition=models.Q(("workspace", None)),
                                fields=("group", "role"),
                                name="group_role_once",
                            ),
                            models.CheckConstraint(
                                condition=models.Q(
                                    models.Q(("role__in", ["operator", "auditor", "admin"]), ("workspace", None)),
                                    models.Q(("role__in", ["writer", "editor"]), ("workspace__isnull", False)),
                                    _connector="OR",
                                ),
                                name="group_role_fits",
                            ),
                        ],
                    },
                ),
                migrations.CreateModel(
                    name="ApiToken",
                    fields=[
                        (
                            "id",
                            models.UUIDField(
                                default=aiwriter.core.ids.uuid7, editable=False, primary_key=True, serialize=False
                            ),
                        ),
                        (
                            "user",
                            models.ForeignKey(
                                on_delete=django.db.models.deletion.CASCADE,
                                related_name="api_tokens",
                                to=settings.AUTH_USER_MODEL,
                            ),
                        ),
                        (
                            "workspace",
                            models.ForeignKey(
                                blank=True,
                                help_text="Empty: every workspace of the person.",
                                null=True,
                                on_delete=django.db.models.deletion.CASCADE,
                                related_name="api_tokens",
                                to="users.workspace",
                            ),
                        ),
                        ("name", models.CharField(max_length=80)),
                        ("key_id", models.CharField(editable=False, max_length=16, unique=True)),
                        ("digest", models.CharField(editable=False, max_length=64)),
                        (
                            "pepper_id",
                            models.CharField(
                                blank=True,
                                db_default="",
                                default="",
                                editable=False,
                                help_text="Key of the digest; empty: the secret key.",
                                max_length=16,
                            ),
                        ),
                        ("scopes", models.JSONField(default=list)),
                        (
                            "networks",
                            models.JSONField(
                                blank=True,
                                help_text="From which networks it works, like 10.8.0.0/24. Empty: from anywhere.",
                                null=True,
                            ),
                        ),
                        ("enabled", models.BooleanField(default=True)),
                        ("expires_at", models.DateTimeField()),
                        ("created_at", models.DateTimeField(default=django.utils.timezone.now, editable=False)),
                        (
                            "last_used_at",
                            models.DateTimeField(
                                blank=True,
                                editable=False,
                                help_text="To the hour, so that reading does not write on every call.",
                                null=True,
                            ),
                        ),
                        (
                            "last_used_address",
                            models.CharField(blank=True, editable=False, help_text="Network only.", max_length=45),
                        ),
                    ],
                    options={
                        "verbose_name": "API token",
                        "ordering": ["-created_at", "-id"],
                        "indexes": [models.Index(fields=["user", "-created_at"], name="token_of_user")],
                    },
                ),
                migrations.CreateModel(
                    name="AuditDelivery",
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
                            "sink",
                            models.ForeignKey(
                                on_delete=django.db.models.deletion.CASCADE,
                                related_name="deliveries",
                                to="users.auditsink",
                            ),
                        ),
                        (
                            "checkpoint",
                            models.ForeignKey(
                                null=True,
                                on_delete=django.db.models.deletion.PROTECT,
                                related_name="deliveries",
                                to="users.auditcheckpoint",
                            ),
                        ),
                        (
                            "segment",
                            models.ForeignKey(
                                null=True,
                                on_delete=django.db.models.deletion.PROTECT,
                                related_name="deliveries",
                                to="users.auditsegment",
                            ),
                        ),
                        (
                            "state",
                            models.CharField(
                                choices=[
                                    ("queued", "Waiting"),
                                    ("running", "Being sent"),
                                    ("delivered", "Delivered"),
                                    ("failed", "Given up"),
                                ],
                                db_index=True,
                                default="queued",
                                max_length=16,
                            ),
                        ),
                        ("next_try_at", models.DateTimeField(default=django.utils.timezone.now)),
                        ("error", models.TextField(blank=True)),
                        ("remedy", models.TextField(blank=True)),
                        ("created_at", models.DateTimeField(default=django.utils.timezone.now, editable=False)),
                    ],
                    options={
                        "verbose_name": "delivery of a checkpoint",
                        "verbose_name_plural": "deliveries of checkpoints",
                        "ordering": ["-created_at", "-id"],
                        "indexes": [models.Index(fields=["state", "next_try_at"], name="audit_delivery_due")],
                        "constraints": [
                            models.UniqueConstraint(fields=("sink", "checkpoint"), name="audit_delivery_once"),
                            models.UniqueConstraint(fields=("sink", "segment"), name="audit_segment_delivery_once"),
                            models.CheckConstraint(
                                condition=models.Q(
                                    models.Q(("checkpoint", None), ("segment__isnull", False)),
                                    models.Q(("checkpoint__isnull", False), ("segment", None)),
                                    _connector="OR",
                                ),
                                name="audit_delivery_of_one",
                            ),
                        ],
                    },
                ),
                migrations.CreateModel(
                    name="CapabilityUse",
                    fields=[
                        ("id", models.BigAutoField(primary_key=True, serialize=False)),
                        (
                            "user",
                            models.ForeignKey(
                                db_constraint=False,
                                db_index=False,
                                on_delete=django.db.models.deletion.CASCADE,
                                related_name="+",
                                to=settings.AUTH_USER_MODEL,
                            ),
                        ),
                        ("token_id", models.UUIDField(default=uuid.UUID("00000000-0000-0000-0000-000000000000"))),
                        ("workspace_id", models.UUIDField(default=uuid.UUID("00000000-0000-0000-0000-000000000000"))),
                        ("capability", models.CharField(max_length=60)),
                        ("day", models.DateField()),
                        ("allowed", models.PositiveIntegerField(default=0)),
                        ("denied", models.PositiveIntegerField(default=0)),
                    ],
                    options={
                        "indexes": [models.Index(fields=["day"], name="capability_use_of_day")],
                        "constraints": [
                            models.UniqueConstraint(
                                fields=("user", "day", "capability", "workspace_id", "token_id"),
                                name="capability_use_once",
                            )
                        ],
                    },
                ),
            ],
        ),
        migrations.RunPython(_guards.install, migrations.RunPython.noop),
    ]
