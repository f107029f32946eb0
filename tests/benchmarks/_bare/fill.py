"""Makes a writer with documents and prints their token: `python -m tests.benchmarks._bare.fill 2000`."""

import sys

import django

django.setup()

from django.core.management import call_command  # noqa: E402


def main(size: int) -> None:
    """Fill an empty database."""
    call_command("migrate", verbosity=0, interactive=False)
    call_command("createcachetable", verbosity=0)
    from aiwriter.core import keyring, staticfiles
    from apps.content.models import Document, Generation, Source
    from apps.users.models import User
    from apps.users.selectors.access import Actor, workspaces_of
    from apps.users.services.people import create_user
    from apps.users.services.tokens import create_token
    from apps.users.services.workspaces import create_workspace

    # What `prepare` does at a first start.
    staticfiles.collect()
    keyring.create(stage="contract")
    system = Actor.system_actor("benchmark")
    user = create_user(actor=system, email="bench@example.org", full_name="Bench", password="four plain words together")
    assert isinstance(user, User)
    actor = Actor.for_user(user)
    workspace = workspaces_of(actor).first() or create_workspace(actor=system, name="Bench", personal_of=user)
    texts = [f"Paragraph {n}. " * 40 for n in range(10)]
    Document.objects.bulk_create(
        Document(
            workspace=workspace, owner=user, title=f"Document {n}", slug=f"document-{n}", body_markdown=texts[n % 10]
        )
        for n in range(size)
    )
    Source.objects.bulk_create(
        Source(workspace=workspace, owner=user, kind="text", title=f"Source {n}", state="ready", text=texts[n % 10])
        for n in range(size)
    )
    Generation.objects.bulk_create(
        Generation(
            workspace=workspace, requested_by=user, kind="draft", state="succeeded", output_markdown=texts[n % 10]
        )
        for n in range(size)
    )
    scopes = ["content.read", "sources.read", "content.generate"]
    _, raw = create_token(actor=actor, name="bench", scopes=scopes, workspace=workspace)
    print(raw.reveal())


main(int(sys.argv[1]))
