"""Texts that people agree to and rules about where texts may go, for pages that ask and show them.

It comes last: from then on everybody who has not answered is led to the question.
"""

from __future__ import annotations

from tests.lab.portal import Portal


def add_promises(portal: Portal) -> str:
    """Publish what is asked, answer some of it, and limit where the texts of Field notes may go.

    Returns:
        the address of somebody who has answered nothing.
    """
    return portal.shell(
        """
from apps.backends.services import profiles
from apps.backends.services.residency import set_rule
from apps.users.models import ConsentText, User, Workspace
from apps.users.selectors.access import Actor
from apps.users.services.consents import answer, publish_text
alma, wanda, eddie, otto = (User.objects.get(email=f"{name}@example.org") for name in ("alma", "wanda", "eddie", "otto"))
admin = Actor.for_user(alma)
TEXTS = (
    ("terms", "Terms of use", "This portal is for the work of the house.\\n\\nWhat you write here belongs to the house; what you bring in has to be yours to bring. Do not put passwords or health records into sources.\\n\\nWho leaves the house loses the account on the same day."),
    ("privacy", "What we keep about you", "Your name and address, what you write, and a record of what you change.\\n\\nNobody reads your drafts but the people of your workspace. Under Profile, Your data, you take a copy or ask for erasure."),
    ("outside_models", "May your texts go to models outside?", "Some drafts are better when a provider in the European Union writes them. It keeps nothing for longer than a day and trains nothing with it.\\n\\nWith No the portal writes with its own machines only."),
    ("usage_analysis", "May reports name you?", "Heads of desk see how many tokens each person used in a month."),
)
for purpose, title, body in TEXTS:
    publish_text(actor=admin, purpose=purpose, title=title, body=body)
publish_text(actor=admin, purpose="terms", title="Terms of use", body=TEXTS[0][2] + "\\n\\nNew in this version: health records.")
for person in (alma, wanda, eddie, otto):
    for text in ConsentText.objects.filter(ended_at=None):
        answer(actor=Actor.for_user(person), purpose=text.purpose, version=text.version, given=True)
text = ConsentText.objects.get(purpose="outside_models", ended_at=None)
answer(actor=Actor.for_user(wanda), purpose=text.purpose, version=text.version, given=False)
for name, region in (("Far model", "us-east-1"), ("House model", "eu-de"), ("New model", "")):
    # The writer that ships, under names and regions that providers would have.
    made = profiles.create_profile(actor=admin, kind="model", plugin_key="offline", name=name, options={}, region=region)
    profiles.test_profile(actor=admin, profile_id=made.pk)
    profiles.enable_profile(actor=admin, profile_id=made.pk)
set_rule(actor=admin, workspace_id=None, regions=["eu", "us", "local"], backends=None)
set_rule(actor=Actor.for_user(eddie), workspace_id=Workspace.objects.get(slug="field-notes").pk, regions=["eu", "local"], backends=None)
answer = "nora@example.org"
"""
    )
