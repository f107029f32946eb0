from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("users", "0005_audit_ledger_guard")]
    operations = [
        migrations.AddField(
            model_name="apitoken",
            name="pepper_id",
            field=models.CharField(
                blank=True,
                db_default="",
                default="",
                editable=False,
                help_text="Key of the digest; empty: the secret key.",
                max_length=16,
            ),
        ),
    ]
