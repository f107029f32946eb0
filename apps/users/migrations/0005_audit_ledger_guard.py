"""Lets the database refuse what nobody may do to the sealed record.

Events may be deleted only when they lie in a segment that was released: a file elsewhere holds them, and its digest is kept.
Checkpoints may be neither changed nor deleted, segments only be released.
"""

from importlib import import_module

from django.db import migrations

_before = import_module("apps.users.migrations.0002_audit_append_only")
_RELEASED = "SELECT 1 FROM users_auditsegment WHERE OLD.seq BETWEEN first_seq AND last_seq AND released_at IS NOT NULL"
_SEGMENT = (
    "id",
    "name",
    "first_seq",
    "last_seq",
    "before_hash",
    "before_root",
    "last_hash",
    "last_root",
    "sha256",
    "size",
)


def _same(how):
    return " AND ".join(f'NEW."{name}" {how} OLD."{name}"' for name in _SEGMENT)


INSTALL = {
    "sqlite": [
        _before.INSTALL["sqlite"][0],
        f"""CREATE TRIGGER audit_refuse_delete BEFORE DELETE ON users_auditevent WHEN NOT EXISTS ({_RELEASED})
            BEGIN SELECT RAISE(ABORT, 'the audit record cannot be deleted'); END""",
        """CREATE TRIGGER checkpoint_refuse_update BEFORE UPDATE ON users_auditcheckpoint
            BEGIN SELECT RAISE(ABORT, 'a checkpoint cannot be changed'); END""",
        """CREATE TRIGGER checkpoint_refuse_delete BEFORE DELETE ON users_auditcheckpoint
            BEGIN SELECT RAISE(ABORT, 'a checkpoint cannot be deleted'); END""",
        f"""CREATE TRIGGER segment_refuse_update BEFORE UPDATE ON users_auditsegment WHEN NOT ({_same("IS")})
            BEGIN SELECT RAISE(ABORT, 'an archived segment cannot be changed'); END""",
        """CREATE TRIGGER segment_refuse_delete BEFORE DELETE ON users_auditsegment
            BEGIN SELECT RAISE(ABORT, 'an archived segment cannot be deleted'); END""",
    ],
    "postgresql": [
        _before.INSTALL["postgresql"][0],
        _before.INSTALL["postgresql"][1],
        f"""CREATE OR REPLACE FUNCTION audit_refuse_delete() RETURNS trigger LANGUAGE plpgsql AS
            $$ BEGIN
              IF EXISTS ({_RELEASED}) THEN RETURN OLD; END IF;
              RAISE EXCEPTION 'the audit record cannot be deleted' USING ERRCODE = 'check_violation';
            END $$""",
        """CREATE TRIGGER audit_refuse_delete BEFORE DELETE ON users_auditevent
            FOR EACH ROW EXECUTE FUNCTION audit_refuse_delete()""",
        """CREATE TRIGGER audit_refuse_truncate BEFORE TRUNCATE ON users_auditevent
            FOR EACH STATEMENT EXECUTE FUNCTION audit_refuse()""",
        """CREATE TRIGGER checkpoint_refuse BEFORE UPDATE OR DELETE OR TRUNCATE ON users_auditcheckpoint
            FOR EACH STATEMENT EXECUTE FUNCTION audit_refuse()""",
        f"""CREATE TRIGGER segment_refuse_update BEFORE UPDATE ON users_auditsegment FOR EACH ROW
            WHEN (NOT ({_same("IS NOT DISTINCT FROM")})) EXECUTE FUNCTION audit_refuse()""",
        """CREATE TRIGGER segment_refuse_delete BEFORE DELETE OR TRUNCATE ON users_auditsegment
            FOR EACH STATEMENT EXECUTE FUNCTION audit_refuse()""",
    ],
}
_TRIGGERS = {
    "users_auditevent": ("audit_refuse_update", "audit_refuse_delete", "audit_refuse_truncate"),
    "users_auditcheckpoint": ("checkpoint_refuse_update", "checkpoint_refuse_delete", "checkpoint_refuse"),
    "users_auditsegment": ("segment_refuse_update", "segment_refuse_delete"),
}
REMOVE = {
    "sqlite": [f"DROP TRIGGER IF EXISTS {name}" for names in _TRIGGERS.values() for name in names],
    "postgresql": [f"DROP TRIGGER IF EXISTS {name} ON {table}" for table, names in _TRIGGERS.items() for name in names],
}


def install(apps, schema_editor):
    vendor = schema_editor.connection.vendor
    for statement in (*REMOVE[vendor], *INSTALL[vendor]):
        schema_editor.execute(statement)


def remove(apps, schema_editor):
    vendor = schema_editor.connection.vendor
    for statement in (*REMOVE[vendor], *_before.INSTALL[vendor]):
        schema_editor.execute(statement)


class Migration(migrations.Migration):
    dependencies = [("users", "0004_audit_ledger")]
    operations = [migrations.RunPython(install, remove)]
