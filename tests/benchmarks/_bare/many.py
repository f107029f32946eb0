"""Fills a database with documents, then asks for the lists that standard input names and prints ms and queries."""

import json
import sys
import time

import django

django.setup()

from django.core.management import call_command  # noqa: E402
from django.db import connection  # noqa: E402
from django.test import Client  # noqa: E402
from django.test.utils import CaptureQueriesContext  # noqa: E402


def main(size: int) -> None:
    """Fill an empty database with documents and measure."""
    call_command("migrate", verbosity=0, interactive=False)
    call_command("createcachetable", verbosity=0)
    call_command("collectstatic", verbosity=0, interactive=False)
    from aiwriter.core import keyring
    from apps.content.models import Collection, Document, Tag
    from apps.users.models import User
    from apps.users.selectors.access import Actor
    from apps.users.services.people import create_user
    from apps.users.services.workspaces import create_workspace

    keyring.create(stage="contract")
    system = Actor.system_actor("benchmark")
    user = create_user(actor=system, email="bench@example.org", full_name="Bench", password="four plain words together")
    assert isinstance(user, User)
    room = create_workspace(actor=system, name="Bench", personal_of=user)
    tag = Tag.objects.create(workspace=room, name="seldom")
    collection = Collection.objects.create(workspace=room, name="Small")
    kinds = ("article", "report", "letter")
    for start in range(0, size, 5000):
        Document.objects.bulk_create(
            Document(
                workspace=room,
                owner=user,
                title=f"Document {n}",
                slug=f"document-{n}",
                kind=kinds[n % 3],
                body_markdown=f"Paragraph {n} of the text. " * 8
                + ("A lighthouse." if n % max(1, size // 10) == 0 else ""),
            )
            for n in range(start, min(start + 5000, size))
        )
    few = list(Document.objects.order_by("title")[:10])
    Document.tags.through.objects.bulk_create(Document.tags.through(document=d, tag=tag) for d in few)
    Document.objects.filter(pk__in=[d.pk for d in few]).update(collection=collection)
    client = Client()
    client.force_login(user)
    asked = {
        "list": "/api/v1/content?limit=10",
        "by title": "/api/v1/content?limit=10&sort=title",
        "of a kind": "/api/v1/content?limit=10&kind=report",
        "of a tag": "/api/v1/content?limit=10&tag=seldom",
        "of a collection": f"/api/v1/content?limit=10&collection={collection.pk}",
        "search": "/api/v1/content?limit=10&q=lighthouse",
        "page": "/documents/",
        "home": "/",
    }
    names = list(asked)
    print(json.dumps(names), flush=True)
    # The other database is asked in between: what else the machine does weighs on both alike.
    for line in sys.stdin:
        print(json.dumps(_asked(client, asked[line.strip()])), flush=True)


def _asked(client: Client, path: str) -> tuple[float, int]:
    with CaptureQueriesContext(connection) as seen:
        begun = time.perf_counter()
        answer = client.get(path)
        spent = (time.perf_counter() - begun) * 1000
    if answer.status_code != 200:
        raise RuntimeError(f"{path}: {answer.status_code}")
    return spent, len(seen)


main(int(sys.argv[1]))
