"""Lets the database refuse what nobody may do to the audit record: change, delete, truncate.

One change is let through: numbering and chaining a row that has no number yet, with nothing else touched.
"""

from django.db import migrations

FACTS = (
    "id",
    "occurred_at",
    "actor_id",
    "actor_label",
    "token_key_id",
    "action",
    "object_type",
    "object_id",
    "object_label",
    "workspace_id",
    "outcome",
    "reason",
    "before",
    "after",
    "request_id",
    "client_address",
)


def _sealing(same):
    kept = " AND ".join(f'NEW."{name}" {same} OLD."{name}"' for name in FACTS)
    return f"OLD.seq IS NULL AND NEW.seq IS NOT NULL AND NEW.hash IS NOT NULL AND {kept}"


INSTALL = {
    "sqlite": [
        f"""CREATE TRIGGER audit_refuse_update BEFORE UPDATE ON users_auditevent WHEN NOT ({_sealing("IS")})
            BEGIN SELECT RAISE(ABORT, 'the audit record cannot be changed'); END""",
        """CREATE TRIGGER audit_refuse_delete BEFORE DELETE ON users_auditevent
            BEGIN SELECT RAISE(ABORT, 'the audit record cannot be deleted'); END""",
    ],
    "postgresql": [
        """CREATE OR REPLACE FUNCTION audit_refuse() RETURNS trigger LANGUAGE plpgsql AS
            $$ BEGIN RAISE EXCEPTION 'the audit record cannot be changed' USING ERRCODE = 'check_violation'; END $$""",
        # jsonb has no trouble with DISTINCT FROM, which treats two nulls as equal.
        f"""CREATE TRIGGER audit_refuse_update BEFORE UPDATE ON users_auditevent FOR EACH ROW
            WHEN (NOT ({_sealing("IS NOT DISTINCT FROM")})) EXECUTE FUNCTION audit_refuse()""",
        """CREATE TRIGGER audit_refuse_delete BEFORE DELETE OR TRUNCATE ON users_auditevent
            FOR EACH STATEMENT EXECUTE FUNCTION audit_refuse()""",
    ],
}
REMOVE = {
    "sqlite": ["DROP TRIGGER IF EXISTS audit_refuse_update", "DROP TRIGGER IF EXISTS audit_refuse_delete"],
    "postgresql": [
        "DROP TRIGGER IF EXISTS audit_refuse_update ON users_auditevent",
        "DROP TRIGGER IF EXISTS audit_refuse_delete ON users_auditevent",
    ],
}


def install(apps, schema_editor):
    for statement in INSTALL[schema_editor.connection.vendor]:
        schema_editor.execute(statement)


def remove(apps, schema_editor):
    for statement in REMOVE[schema_editor.connection.vendor]:
        schema_editor.execute(statement)


class Migration(migrations.Migration):
    dependencies = [("users", "0001_initial")]
    operations = [migrations.RunPython(install, remove)]
