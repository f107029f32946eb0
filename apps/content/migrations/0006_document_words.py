"""Full-text search of documents: an FTS5 table on SQLite, a table with a tsvector on PostgreSQL, kept by triggers."""

from django.db import migrations

from apps.content.retrieval.document_words import install, remove


class Migration(migrations.Migration):
    """Outside the models: Django has no field for either."""

    dependencies = [("content", "0005_organising")]
    operations = [migrations.RunPython(lambda apps, editor: install(editor), lambda apps, editor: remove(editor))]
