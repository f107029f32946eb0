"""What parameters of batches name."""

from __future__ import annotations

from django.core.files.base import ContentFile

from apps.content.models import Batch, BatchRow
from apps.content.services.batches import create_batch
from tests.web.matrix.content import THINGS as CONTENT

TABLE = b"Title\nOne\nTwo\n"


def _batch(people):
    """Not started."""
    found = Batch.objects.filter(workspace=people.press).first()
    return (
        found
        or create_batch(
            actor=people.actor("wanda"),
            workspace=people.press,
            content_type_id=CONTENT["content_type_id"](people),
            data=TABLE,
            name="table.csv",
        )
    ).pk


def _brought(people):
    return {"template_id": str(CONTENT["content_type_id"](people)), "file": ContentFile(TABLE, "table.csv")}


def _brought_on_page(people):
    return {"template": str(CONTENT["content_type_id"](people)), "file": ContentFile(TABLE, "table.csv")}


def _failed(people):
    BatchRow.objects.filter(batch=_batch(people)).update(state="failed")
    return {}


THINGS = {"batch_id": _batch, "content.batch": _batch}
BODIES = {
    "POST api/v1/batches": _brought,
    "PATCH api/v1/batches/<uuid:batch_id>": lambda people: {"name": "New"},
    "POST api/v1/batches/<uuid:batch_id>/retry": _failed,
    "POST batches/new": _brought_on_page,
    "POST batches/<uuid:batch_id>/": lambda people: {"field": "title", "column-title": "Title", "use": "none"},
}
