"""The keyword half of retrieval: an FTS5 table on SQLite, a generated column with a GIN index on PostgreSQL."""

from django.db import migrations

from apps.content.retrieval.keyword import install_keyword_index, remove_keyword_index


class Migration(migrations.Migration):
    """Outside the models: Django has no field for either."""

    dependencies = [("content", "0001_initial")]
    operations = [
        migrations.RunPython(
            lambda apps, editor: install_keyword_index(editor), lambda apps, editor: remove_keyword_index(editor)
        )
    ]
