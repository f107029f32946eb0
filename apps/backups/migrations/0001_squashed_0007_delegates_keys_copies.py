"""The tables of backups in one step, as seven migrations have made them.

An empty database takes this one; one that has some of the others takes the rest of them.
"""

import datetime

import django.core.validators
import django.db.models.deletion
import django.utils.timezone
from django.conf import settings
from django.db import migrations, models

import aiwriter.core.ids
import aiwriter.core.schema_tables


class Migration(migrations.Migration):
    replaces = [
        ("backups", "0001_initial"),
        ("backups", "0002_sizes_and_limits"),
        ("backups", "0003_point_in_time"),
        ("backups", "0004_staging"),
        ("backups", "0005_guarded_restores"),
        ("backups", "0006_workspaces_back"),
        ("backups", "0007_delegates_keys_copies"),
    ]
    initial = True

    dependencies = [
        ("backends", "0001_initial"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        aiwriter.core.schema_tables.CreateTables(
            operations=[
                migrations.CreateModel(
                    name="Delegate",
                    fields=[
                        (
                            "id",
                            models.UUIDField(
                                default=aiwriter.core.ids.uuid7, editable=False, primary_key=True, serialize=False
                            ),
                        ),
                        ("name", models.CharField(max_length=80, unique=True)),
                        (
                            "tool",
                            models.CharField(
                                choices=[("pgbackrest", "pgBackRest"), ("barman", "Barman"), ("cnpg", "CloudNativePG")],
                                default="pgbackrest",
                                max_length=12,
                            ),
                        ),
                        (
                            "source",
                            models.CharField(
                                help_text="The stanza of pgBackRest, the server of Barman, the cluster.", max_length=100
                            ),
                        ),
                        (
                            "config",
                            models.CharField(
                                blank=True,
                                help_text="The tool's configuration file; empty for its own default. Of CloudNativePG: the address of the list of backups at the Kubernetes API, or a JSON file that something keeps up to date.",
                                max_length=500,
                            ),
                        ),
                        (
                            "token_ref",
                            models.CharField(
                                blank=True,
                                help_text="Where the token of the Kubernetes API is: env:AIWRITER_SECRET_… or file:…",
                                max_length=140,
                            ),
                        ),
                        (
                            "role",
                            models.CharField(
                                default="postgres", help_text="Superuser of the server, for drills.", max_length=63
                            ),
                        ),
                        ("enabled", models.BooleanField(default=True)),
                        (
                            "gate",
                            models.BooleanField(
                                default=True,
                                help_text="A backup that is overdue or failed makes the portal's check of backups fail.",
                            ),
                        ),
                        (
                            "max_age_hours",
                            models.PositiveIntegerField(
                                default=26,
                                help_text="The newest backup may be so old.",
                                validators=[django.core.validators.MinValueValidator(1)],
                            ),
                        ),
                        (
                            "drill_days",
                            models.PositiveIntegerField(
                                default=0,
                                help_text="Days between two restore drills; 0 for none. Only pgBackRest can be drilled.",
                            ),
                        ),
                        (
                            "state",
                            models.CharField(
                                choices=[
                                    ("unknown", "Not looked at yet"),
                                    ("ok", "In order"),
                                    ("overdue", "Overdue"),
                                    ("failed", "Failed"),
                                ],
                                default="unknown",
                                editable=False,
                                max_length=8,
                            ),
                        ),
                        ("problem", models.TextField(blank=True, editable=False)),
                        ("remedy", models.TextField(blank=True, editable=False)),
                        ("looked_at", models.DateTimeField(blank=True, editable=False, null=True)),
                        ("newest_at", models.DateTimeField(blank=True, editable=False, null=True)),
                        ("since", models.DateTimeField(blank=True, editable=False, null=True)),
                        ("sets", models.JSONField(blank=True, default=list, editable=False)),
                        ("created_at", models.DateTimeField(default=django.utils.timezone.now, editable=False)),
                        ("updated_at", models.DateTimeField(auto_now=True)),
                    ],
                    options={
                        "verbose_name": "backups of another tool",
                        "verbose_name_plural": "backups of other tools",
                        "ordering": ["created_at", "id"],
                    },
                ),
                migrations.CreateModel(
                    name="StagingMark",
                    fields=[
                        (
                            "id",
                            models.UUIDField(
                                default=aiwriter.core.ids.uuid7, editable=False, primary_key=True, serialize=False
                            ),
                        ),
                        ("made_at", models.DateTimeField(default=django.utils.timezone.now)),
                        ("set_name", models.CharField(blank=True, max_length=120)),
                        ("version", models.CharField(blank=True, max_length=40)),
                        ("scan", models.JSONField(blank=True, default=dict)),
                    ],
                    options={
                        "ordering": ["-made_at"],
                    },
                ),
                migrations.CreateModel(
                    name="BackupRun",
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
                                    ("stopped", "Stopped"),
                                ],
                                db_index=True,
                                default="queued",
                                max_length=16,
                            ),
                        ),
                        (
                            "trigger",
                            models.CharField(
                                choices=[
                                    ("schedule", "Schedule"),
                                    ("person", "Person"),
                                    ("command", "Command line"),
                                    ("restore", "Before a restore"),
                                ],
                                default="person",
                                max_length=10,
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
                        ("phase", models.CharField(blank=True, max_length=60)),
                        ("done", models.BigIntegerField(default=0)),
                        ("total", models.BigIntegerField(default=0)),
                        ("log", models.TextField(blank=True)),
                        ("stop_requested_at", models.DateTimeField(blank=True, null=True)),
                        ("error", models.TextField(blank=True)),
                        ("remedy", models.TextField(blank=True)),
                        ("exit_code", models.PositiveSmallIntegerField(blank=True, null=True)),
                        ("created_at", models.DateTimeField(default=django.utils.timezone.now, editable=False)),
                        (
                            "action",
                            models.CharField(
                                choices=[
                                    ("backup", "Backup"),
                                    ("verify", "Check"),
                                    ("deep", "Deep check"),
                                    ("prune", "Clean-up"),
                                    ("copy", "Copy"),
                                    ("reencrypt", "Encryption anew"),
                                ],
                                default="backup",
                                max_length=10,
                            ),
                        ),
                        (
                            "destination",
                            models.ForeignKey(
                                on_delete=django.db.models.deletion.CASCADE,
                                related_name="runs",
                                to="backups.destination",
                            ),
                        ),
                        (
                            "policy",
                            models.ForeignKey(
                                blank=True,
                                null=True,
                                on_delete=django.db.models.deletion.SET_NULL,
                                related_name="runs",
                                to="backups.policy",
                            ),
                        ),
                        (
                            "pin",
                            models.CharField(
                                blank=True, help_text="The set of this run is pinned under this name.", max_length=80
                            ),
                        ),
                        ("result", models.JSONField(blank=True, default=dict)),
                        ("identity_ref", models.CharField(blank=True, db_default="", editable=False, max_length=140)),
                    ],
                    options={
                        "verbose_name": "backup run",
                        "ordering": ["-created_at", "-id"],
                        "indexes": [
                            models.Index(fields=["-created_at", "-id"], name="backup_run_recent"),
                            models.Index(fields=["policy", "action", "-created_at"], name="backup_run_of_policy"),
                        ],
                        "constraints": [
                            models.UniqueConstraint(
                                condition=models.Q(("state", "running")),
                                fields=("destination",),
                                name="backup_run_one_at_a_time",
                            )
                        ],
                    },
                ),
                migrations.CreateModel(
                    name="Destination",
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
                                choices=[("folder", "Folder on this machine"), ("storage", "Storage profile")],
                                default="folder",
                                max_length=10,
                            ),
                        ),
                        (
                            "folder",
                            models.CharField(
                                blank=True,
                                help_text="A path; one that does not begin with / is within the data folder.",
                                max_length=300,
                            ),
                        ),
                        (
                            "profile",
                            models.ForeignKey(
                                blank=True,
                                help_text="A storage profile whose files nobody else uses.",
                                null=True,
                                on_delete=django.db.models.deletion.PROTECT,
                                related_name="backup_destinations",
                                to="backends.backendprofile",
                            ),
                        ),
                        (
                            "prefix",
                            models.CharField(
                                blank=True, default="backups", help_text="Begin of every object's name.", max_length=100
                            ),
                        ),
                        (
                            "recipients",
                            models.JSONField(
                                default=list, help_text="Public keys (age1…) whose owners can open the backups."
                            ),
                        ),
                        ("writer_ref", models.CharField(blank=True, editable=False, max_length=140)),
                        ("identity_ref", models.CharField(blank=True, editable=False, max_length=140)),
                        (
                            "mirror_of",
                            models.ForeignKey(
                                blank=True,
                                help_text="Everything in that repository is copied here after each backup.",
                                null=True,
                                on_delete=django.db.models.deletion.PROTECT,
                                related_name="mirrors",
                                to="backups.destination",
                            ),
                        ),
                        ("enabled", models.BooleanField(default=True)),
                        ("managed", models.CharField(blank=True, editable=False, max_length=40)),
                        ("last_used_at", models.DateTimeField(blank=True, editable=False, null=True)),
                        ("last_problem", models.TextField(blank=True, editable=False)),
                        ("last_remedy", models.TextField(blank=True, editable=False)),
                        ("keys_changed_at", models.DateTimeField(blank=True, editable=False, null=True)),
                        ("encrypted_anew_at", models.DateTimeField(blank=True, editable=False, null=True)),
                        ("key_tested_at", models.DateTimeField(blank=True, editable=False, null=True)),
                        ("compared_at", models.DateTimeField(blank=True, editable=False, null=True)),
                        ("missing_objects", models.PositiveIntegerField(default=0, editable=False)),
                        ("segments_lost_at", models.DateTimeField(blank=True, editable=False, null=True)),
                        (
                            "price_gib_month",
                            models.DecimalField(
                                blank=True,
                                decimal_places=4,
                                help_text="What a GiB costs there a month. Empty: the forecast tells sizes only.",
                                max_digits=9,
                                null=True,
                                validators=[django.core.validators.MinValueValidator(0)],
                            ),
                        ),
                        ("currency", models.CharField(db_default="USD", default="USD", max_length=3)),
                        ("created_at", models.DateTimeField(default=django.utils.timezone.now, editable=False)),
                        ("updated_at", models.DateTimeField(auto_now=True)),
                    ],
                    options={
                        "verbose_name": "place for backups",
                        "verbose_name_plural": "places for backups",
                        "ordering": ["created_at", "id"],
                        "constraints": [
                            models.UniqueConstraint(
                                condition=models.Q(("managed", ""), _negated=True),
                                fields=("managed",),
                                name="backup_destination_managed",
                            ),
                            models.CheckConstraint(
                                condition=models.Q(
                                    models.Q(
                                        ("kind", "folder"), ("profile", None), models.Q(("folder", ""), _negated=True)
                                    ),
                                    models.Q(("kind", "storage"), ("profile__isnull", False)),
                                    _connector="OR",
                                ),
                                name="backup_destination_somewhere",
                                violation_error_message="A place for backups is a folder or a storage profile.",
                            ),
                        ],
                    },
                ),
                migrations.CreateModel(
                    name="BackupSet",
                    fields=[
                        (
                            "id",
                            models.UUIDField(
                                default=aiwriter.core.ids.uuid7, editable=False, primary_key=True, serialize=False
                            ),
                        ),
                        (
                            "destination",
                            models.ForeignKey(
                                on_delete=django.db.models.deletion.CASCADE,
                                related_name="sets",
                                to="backups.destination",
                            ),
                        ),
                        (
                            "run",
                            models.ForeignKey(
                                blank=True,
                                null=True,
                                on_delete=django.db.models.deletion.SET_NULL,
                                related_name="sets",
                                to="backups.backuprun",
                            ),
                        ),
                        ("name", models.CharField(help_text="As the repository calls it.", max_length=120)),
                        (
                            "state",
                            models.CharField(
                                choices=[
                                    ("committed", "Written"),
                                    ("verified", "Checked"),
                                    ("drilled", "Restored in a drill"),
                                    ("incomplete", "Incomplete"),
                                    ("suspicious", "Suspicious"),
                                    ("damaged", "Damaged"),
                                ],
                                db_index=True,
                                default="committed",
                                max_length=12,
                            ),
                        ),
                        ("problem", models.TextField(blank=True)),
                        (
                            "created_at",
                            models.DateTimeField(
                                default=django.utils.timezone.now, help_text="When the snapshot was taken."
                            ),
                        ),
                        ("pin", models.CharField(blank=True, max_length=80)),
                        ("bytes_source", models.BigIntegerField(default=0)),
                        ("bytes_added", models.BigIntegerField(default=0)),
                        ("entries", models.PositiveIntegerField(default=0)),
                        ("rows", models.BigIntegerField(default=0)),
                        ("files", models.PositiveIntegerField(default=0)),
                        ("portal_version", models.CharField(blank=True, max_length=40)),
                        ("engine", models.CharField(blank=True, max_length=20)),
                        ("engine_version", models.CharField(blank=True, max_length=40)),
                        (
                            "capture",
                            models.JSONField(
                                blank=True,
                                default=dict,
                                help_text="Of a base for restores to a moment: line, first segment, usable from.",
                            ),
                        ),
                        ("heads", models.JSONField(blank=True, default=dict, help_text="Last migration of each app.")),
                        (
                            "missing",
                            models.JSONField(blank=True, default=list, help_text="Files that could not be read."),
                        ),
                        ("verified_at", models.DateTimeField(blank=True, null=True)),
                        ("deep_verified_at", models.DateTimeField(blank=True, null=True)),
                        ("drilled_at", models.DateTimeField(blank=True, null=True)),
                    ],
                    options={
                        "verbose_name": "backup set",
                        "ordering": ["-created_at", "-id"],
                        "indexes": [models.Index(fields=["-created_at", "-id"], name="backup_set_recent")],
                        "constraints": [
                            models.UniqueConstraint(fields=("destination", "name"), name="backup_set_once")
                        ],
                    },
                ),
                migrations.CreateModel(
                    name="Pause",
                    fields=[
                        (
                            "id",
                            models.PositiveSmallIntegerField(
                                default=1, editable=False, primary_key=True, serialize=False
                            ),
                        ),
                        ("maintenance", models.BooleanField(default=False)),
                        ("message", models.CharField(blank=True, max_length=300)),
                        ("since", models.DateTimeField(blank=True, null=True)),
                        (
                            "restore_id",
                            models.UUIDField(blank=True, help_text="The restore that works on the portal.", null=True),
                        ),
                        (
                            "outside",
                            models.BooleanField(default=False, help_text="Nothing that waits is published or sent."),
                        ),
                        ("outside_since", models.DateTimeField(blank=True, null=True)),
                    ],
                    options={
                        "verbose_name": "maintenance",
                        "verbose_name_plural": "maintenance",
                        "constraints": [
                            models.CheckConstraint(condition=models.Q(("id", 1)), name="backup_pause_one_row")
                        ],
                    },
                ),
                migrations.CreateModel(
                    name="PlaceSize",
                    fields=[
                        (
                            "id",
                            models.BigAutoField(
                                auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                            ),
                        ),
                        (
                            "destination",
                            models.ForeignKey(
                                on_delete=django.db.models.deletion.CASCADE,
                                related_name="sizes",
                                to="backups.destination",
                            ),
                        ),
                        ("day", models.DateField()),
                        ("bytes", models.BigIntegerField()),
                    ],
                    options={
                        "ordering": ["day"],
                        "constraints": [
                            models.UniqueConstraint(fields=("destination", "day"), name="backup_size_of_day")
                        ],
                    },
                ),
                migrations.CreateModel(
                    name="Policy",
                    fields=[
                        (
                            "id",
                            models.UUIDField(
                                default=aiwriter.core.ids.uuid7, editable=False, primary_key=True, serialize=False
                            ),
                        ),
                        ("name", models.CharField(max_length=80, unique=True)),
                        (
                            "destination",
                            models.ForeignKey(
                                on_delete=django.db.models.deletion.CASCADE,
                                related_name="policies",
                                to="backups.destination",
                            ),
                        ),
                        ("enabled", models.BooleanField(default=True)),
                        (
                            "every",
                            models.CharField(
                                choices=[
                                    ("hour", "Every hour"),
                                    ("six_hours", "Every six hours"),
                                    ("day", "Every day"),
                                    ("week", "Every week, on Monday"),
                                ],
                                default="hour",
                                max_length=10,
                            ),
                        ),
                        (
                            "at",
                            models.TimeField(
                                default=datetime.time(2, 30),
                                help_text="UTC. Of an hourly schedule only the minute counts.",
                            ),
                        ),
                        (
                            "window_start",
                            models.TimeField(
                                blank=True, help_text="UTC. Scheduled backups begin only from this time on …", null=True
                            ),
                        ),
                        ("window_end", models.TimeField(blank=True, help_text="… until this time.", null=True)),
                        (
                            "bandwidth_mb",
                            models.PositiveIntegerField(
                                default=0, help_text="Megabytes a second at most; 0 sets no limit."
                            ),
                        ),
                        (
                            "cpu_percent",
                            models.PositiveIntegerField(
                                db_default=100,
                                default=100,
                                help_text="Share of the processors that a backup may use; 100 sets no limit.",
                                validators=[
                                    django.core.validators.MinValueValidator(5),
                                    django.core.validators.MaxValueValidator(100),
                                ],
                            ),
                        ),
                        ("keep_last", models.PositiveIntegerField(default=7)),
                        ("keep_hourly", models.PositiveIntegerField(default=24)),
                        ("keep_daily", models.PositiveIntegerField(default=14)),
                        ("keep_weekly", models.PositiveIntegerField(default=8)),
                        ("keep_monthly", models.PositiveIntegerField(default=12)),
                        ("keep_yearly", models.PositiveIntegerField(default=3)),
                        (
                            "keep_days",
                            models.PositiveIntegerField(default=2, help_text="Every set that is younger is kept."),
                        ),
                        (
                            "keep_minimum",
                            models.PositiveIntegerField(
                                default=3,
                                help_text="So many sets stay, whatever the other rules say.",
                                validators=[django.core.validators.MinValueValidator(1)],
                            ),
                        ),
                        (
                            "verify_percent",
                            models.PositiveIntegerField(
                                default=15,
                                help_text="Share of the stored bytes that each run checks without a key.",
                                validators=[
                                    django.core.validators.MinValueValidator(1),
                                    django.core.validators.MaxValueValidator(100),
                                ],
                            ),
                        ),
                        (
                            "deep_days",
                            models.PositiveIntegerField(
                                default=30, help_text="Days between two deep checks; 0 for none."
                            ),
                        ),
                        (
                            "drill_days",
                            models.PositiveIntegerField(
                                default=7, help_text="Days between two restore drills; 0 for none."
                            ),
                        ),
                        (
                            "pitr",
                            models.BooleanField(
                                default=False,
                                help_text="Capture every change between two backups, so that any second can be restored.",
                                verbose_name="every change",
                            ),
                        ),
                        (
                            "pitr_seconds",
                            models.PositiveIntegerField(
                                default=10,
                                help_text="A change lies in the place for backups after so many seconds, at the latest.",
                                validators=[
                                    django.core.validators.MinValueValidator(1),
                                    django.core.validators.MaxValueValidator(600),
                                ],
                            ),
                        ),
                        (
                            "pitr_days",
                            models.PositiveIntegerField(
                                default=7,
                                help_text="For so many days every second can be restored.",
                                validators=[django.core.validators.MinValueValidator(1)],
                            ),
                        ),
                        (
                            "rpo_minutes",
                            models.PositiveIntegerField(
                                default=120,
                                help_text="The promise: at most so much work is lost.",
                                verbose_name="RPO in minutes",
                            ),
                        ),
                        (
                            "rto_minutes",
                            models.PositiveIntegerField(
                                default=60,
                                help_text="The promise: after so long the portal serves again.",
                                verbose_name="RTO in minutes",
                            ),
                        ),
                        ("created_at", models.DateTimeField(default=django.utils.timezone.now, editable=False)),
                        ("updated_at", models.DateTimeField(auto_now=True)),
                    ],
                    options={
                        "verbose_name_plural": "policies",
                        "ordering": ["created_at", "id"],
                    },
                ),
                migrations.CreateModel(
                    name="Drill",
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
                                    ("stopped", "Stopped"),
                                ],
                                db_index=True,
                                default="queued",
                                max_length=16,
                            ),
                        ),
                        (
                            "trigger",
                            models.CharField(
                                choices=[
                                    ("schedule", "Schedule"),
                                    ("person", "Person"),
                                    ("command", "Command line"),
                                    ("restore", "Before a restore"),
                                ],
                                default="person",
                                max_length=10,
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
                        ("phase", models.CharField(blank=True, max_length=60)),
                        ("done", models.BigIntegerField(default=0)),
                        ("total", models.BigIntegerField(default=0)),
                        ("log", models.TextField(blank=True)),
                        ("stop_requested_at", models.DateTimeField(blank=True, null=True)),
                        ("error", models.TextField(blank=True)),
                        ("remedy", models.TextField(blank=True)),
                        ("exit_code", models.PositiveSmallIntegerField(blank=True, null=True)),
                        ("created_at", models.DateTimeField(default=django.utils.timezone.now, editable=False)),
                        (
                            "destination",
                            models.ForeignKey(
                                blank=True,
                                null=True,
                                on_delete=django.db.models.deletion.CASCADE,
                                related_name="drills",
                                to="backups.destination",
                            ),
                        ),
                        (
                            "delegate",
                            models.ForeignKey(
                                blank=True,
                                null=True,
                                on_delete=django.db.models.deletion.CASCADE,
                                related_name="drills",
                                to="backups.delegate",
                            ),
                        ),
                        (
                            "policy",
                            models.ForeignKey(
                                blank=True,
                                null=True,
                                on_delete=django.db.models.deletion.SET_NULL,
                                related_name="drills",
                                to="backups.policy",
                            ),
                        ),
                        (
                            "backup_set",
                            models.ForeignKey(
                                blank=True,
                                null=True,
                                on_delete=django.db.models.deletion.SET_NULL,
                                related_name="drills",
                                to="backups.backupset",
                            ),
                        ),
                        ("set_name", models.CharField(blank=True, max_length=120)),
                        (
                            "moment",
                            models.DateTimeField(
                                blank=True,
                                help_text="The moment that was restored; empty for the set's own.",
                                null=True,
                            ),
                        ),
                        (
                            "phases",
                            models.JSONField(
                                blank=True, default=dict, help_text="Seconds of each phase of the restore."
                            ),
                        ),
                        (
                            "findings",
                            models.JSONField(
                                blank=True, default=list, help_text="What was looked at, and what was found."
                            ),
                        ),
                        ("rpo_seconds", models.FloatField(blank=True, null=True)),
                        ("rto_seconds", models.FloatField(blank=True, null=True)),
                    ],
                    options={
                        "ordering": ["-created_at", "-id"],
                        "indexes": [models.Index(fields=["-created_at", "-id"], name="backup_drill_recent")],
                        "constraints": [
                            models.CheckConstraint(
                                condition=models.Q(
                                    models.Q(("delegate", None), ("destination__isnull", False)),
                                    models.Q(("delegate__isnull", False), ("destination", None)),
                                    _connector="OR",
                                ),
                                name="backup_drill_of_something",
                            )
                        ],
                    },
                ),
                migrations.CreateModel(
                    name="Restore",
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
                            "trigger",
                            models.CharField(
                                choices=[
                                    ("schedule", "Schedule"),
                                    ("person", "Person"),
                                    ("command", "Command line"),
                                    ("restore", "Before a restore"),
                                ],
                                default="person",
                                max_length=10,
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
                        ("phase", models.CharField(blank=True, max_length=60)),
                        ("done", models.BigIntegerField(default=0)),
                        ("total", models.BigIntegerField(default=0)),
                        ("log", models.TextField(blank=True)),
                        ("stop_requested_at", models.DateTimeField(blank=True, null=True)),
                        ("error", models.TextField(blank=True)),
                        ("remedy", models.TextField(blank=True)),
                        ("exit_code", models.PositiveSmallIntegerField(blank=True, null=True)),
                        ("created_at", models.DateTimeField(default=django.utils.timezone.now, editable=False)),
                        (
                            "state",
                            models.CharField(
                                choices=[
                                    ("planned", "Planned"),
                                    ("queued", "Waiting"),
                                    ("running", "Running"),
                                    ("succeeded", "Done"),
                                    ("failed", "Failed"),
                                    ("stopped", "Stopped"),
                                    ("undone", "Undone"),
                                ],
                                db_index=True,
                                default="planned",
                                max_length=16,
                            ),
                        ),
                        (
                            "scope",
                            models.CharField(
                                choices=[
                                    ("system", "Everything: database, files and keys"),
                                    ("database", "The database only"),
                                    ("workspace", "One workspace with documents, sources, files and members"),
                                    ("copy", "One workspace as a copy beside the present one"),
                                    ("document", "One document with its versions and files"),
                                    ("file", "One file"),
                                ],
                                max_length=10,
                            ),
                        ),
                        (
                            "subject",
                            models.CharField(
                                blank=True, help_text="Id of the workspace, the document or the file.", max_length=80
                            ),
                        ),
                        (
                            "destination",
                            models.ForeignKey(
                                on_delete=django.db.models.deletion.CASCADE,
                                related_name="restores",
                                to="backups.destination",
                            ),
                        ),
                        (
                            "backup_set",
                            models.ForeignKey(
                                blank=True,
                                null=True,
                                on_delete=django.db.models.deletion.SET_NULL,
                                related_name="restores",
                                to="backups.backupset",
                            ),
                        ),
                        ("set_name", models.CharField(max_length=120)),
                        (
                            "moment",
                            models.DateTimeField(
                                blank=True,
                                help_text="The moment that is brought back; empty for the set's own.",
                                null=True,
                            ),
                        ),
                        ("identity_ref", models.CharField(blank=True, editable=False, max_length=140)),
                        ("plan", models.JSONField(blank=True, default=dict)),
                        ("result", models.JSONField(blank=True, default=dict)),
                        (
                            "safety_run",
                            models.ForeignKey(
                                blank=True,
                                null=True,
                                on_delete=django.db.models.deletion.SET_NULL,
                                related_name="+",
                                to="backups.backuprun",
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
                        ("before", models.CharField(blank=True, editable=False, max_length=300)),
                        ("switched_at", models.DateTimeField(blank=True, null=True)),
                        ("undo_until", models.DateTimeField(blank=True, null=True)),
                        ("undone_at", models.DateTimeField(blank=True, null=True)),
                    ],
                    options={
                        "ordering": ["-created_at", "-id"],
                        "indexes": [models.Index(fields=["-created_at", "-id"], name="backup_restore_recent")],
                    },
                ),
                migrations.CreateModel(
                    name="StagingCopy",
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
                                    ("stopped", "Stopped"),
                                ],
                                db_index=True,
                                default="queued",
                                max_length=16,
                            ),
                        ),
                        (
                            "trigger",
                            models.CharField(
                                choices=[
                                    ("schedule", "Schedule"),
                                    ("person", "Person"),
                                    ("command", "Command line"),
                                    ("restore", "Before a restore"),
                                ],
                                default="person",
                                max_length=10,
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
                        ("phase", models.CharField(blank=True, max_length=60)),
                        ("done", models.BigIntegerField(default=0)),
                        ("total", models.BigIntegerField(default=0)),
                        ("log", models.TextField(blank=True)),
                        ("stop_requested_at", models.DateTimeField(blank=True, null=True)),
                        ("error", models.TextField(blank=True)),
                        ("remedy", models.TextField(blank=True)),
                        ("exit_code", models.PositiveSmallIntegerField(blank=True, null=True)),
                        ("created_at", models.DateTimeField(default=django.utils.timezone.now, editable=False)),
                        (
                            "destination",
                            models.ForeignKey(
                                on_delete=django.db.models.deletion.CASCADE,
                                related_name="staging_copies",
                                to="backups.destination",
                            ),
                        ),
                        (
                            "backup_set",
                            models.ForeignKey(
                                blank=True,
                                null=True,
                                on_delete=django.db.models.deletion.SET_NULL,
                                related_name="+",
                                to="backups.backupset",
                            ),
                        ),
                        ("set_name", models.CharField(max_length=120)),
                        ("folder", models.CharField(help_text="The data folder of the copy.", max_length=300)),
                        (
                            "database",
                            models.CharField(blank=True, help_text="Empty: SQLite, in the folder.", max_length=300),
                        ),
                        ("identity_ref", models.CharField(blank=True, editable=False, max_length=140)),
                        ("database_ref", models.CharField(blank=True, editable=False, max_length=140)),
                        ("result", models.JSONField(blank=True, default=dict)),
                        (
                            "scan",
                            models.JSONField(
                                blank=True, default=dict, help_text="What was looked for, where, and what was found."
                            ),
                        ),
                    ],
                    options={
                        "verbose_name": "staging copy",
                        "verbose_name_plural": "staging copies",
                        "ordering": ["-created_at", "-id"],
                        "indexes": [models.Index(fields=["-created_at", "-id"], name="backup_staging_recent")],
                    },
                ),
            ],
        ),
    ]
