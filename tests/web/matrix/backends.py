"""What parameters of the backends app name."""

from __future__ import annotations

import io
import uuid

from apps.backends.models import BackendProfile, ModelCall, ResidencyRule, StoredFile
from apps.backends.services.filestore import put_file, signed_link
from apps.backends.services.profiles import create_profile
from apps.backends.services.residency import set_rule
from apps.backends.services.routing import set_price
from apps.users.selectors.access import Actor
from tests.factories.backends import SETUP, offline_profile, route, storage_profile


def _profile(people):
    """Tested and enabled; the built-in one, so that no test asks the network."""
    found = BackendProfile.objects.filter(name="Offline").first()
    return (found or offline_profile()).pk


def _file(people):
    if not BackendProfile.objects.of_kind("storage").exists():
        storage_profile()
    found = StoredFile.objects.filter(workspace=people.press).first()
    return found or put_file(
        actor=Actor.for_user(people.wanda), workspace=people.press, name="notes.txt", stream=io.BytesIO(b"text")
    )


def _route(people):
    return route("write", {"profile": _profile(people)}, workspace=people.press).pk


def _price(people):
    price = set_price(actor=SETUP, profile_id=_profile(people), model="*", input_price=1, output_price=2)
    return price.pk


def _call(people):
    return ModelCall.objects.create(
        subject=f"generation:{uuid.uuid4()}",
        purpose="write",
        workspace_id=people.press.pk,
        profile_name="Offline",
        plugin_key="offline",
        model="composer",
    ).pk


def _new_profile(people):
    return create_profile(actor=SETUP, kind="model", plugin_key="offline", name="Unused", options={}).pk


def _rule(people, workspace_id=None):
    found = ResidencyRule.objects.filter(workspace=workspace_id).first()
    return (found or set_rule(actor=SETUP, workspace_id=workspace_id, regions=["local"], backends=None)).pk


def _with_rules(people):
    """There is one to remove."""
    for workspace_id in (None, people.press.pk, people.rival.pk):
        _rule(people, workspace_id)
    return {}


BODIES = {
    "PUT api/v1/residency/portal": lambda people: {"regions": ["local"]},
    "DELETE api/v1/residency/portal": _with_rules,
    "PUT api/v1/workspaces/<uuid:workspace_id>/residency": lambda people: {"regions": ["local"]},
    "DELETE api/v1/workspaces/<uuid:workspace_id>/residency": _with_rules,
    "POST settings/residency/": lambda people: {"regions": "local"},
    "POST settings/residency/remove": _with_rules,
    "POST admin/backends/residencyrule/add/": lambda people: {"regions": "local", "firm": "on"},
    "POST admin/backends/residencyrule/<path:object_id>/change/": lambda people: {"regions": "local, eu"},
    "POST admin/backends/residencyrule/<path:object_id>/delete/": lambda people: {"post": "yes"},
    "POST api/v1/backends/profiles": lambda people: {"kind": "model", "plugin": "offline", "name": "New"},
    "PATCH api/v1/backends/profiles/<uuid:profile_id>": lambda people: {"name": "Renamed"},
    "PUT api/v1/routes/<slug:purpose>": lambda people: {"steps": [{"profile": str(_profile(people))}]},
    "POST api/v1/files/<uuid:file_id>/link": lambda people: {"seconds": 60},
    "POST admin/backends/backendprofile/add/": lambda people: {},
    "POST admin/backends/backendprofile/<path:object_id>/change/": lambda people: {"name": "Renamed"},
    "POST admin/backends/backendprofile/<path:object_id>/delete/": lambda people: {"post": "yes"},
    "POST admin/backends/priceoverride/add/": lambda people: {
        "profile": _profile(people),
        "model": "new",
        "input_price": "1",
        "output_price": "2",
        "currency": "EUR",
    },
    "POST admin/backends/priceoverride/<path:object_id>/change/": lambda people: {
        "input_price": "3",
        "output_price": "4",
        "currency": "EUR",
    },
    "POST admin/backends/priceoverride/<path:object_id>/delete/": lambda people: {"post": "yes"},
    "POST admin/backends/route/add/": lambda people: {
        "purpose": "edit",
        "steps-TOTAL_FORMS": "1",
        "steps-INITIAL_FORMS": "0",
        "steps-0-position": "1",
        "steps-0-profile": _profile(people),
        "steps-0-options": "{}",
    },
    "POST admin/backends/route/<path:object_id>/change/": lambda people: {
        "steps-TOTAL_FORMS": "1",
        "steps-INITIAL_FORMS": "0",
        "steps-0-position": "1",
        "steps-0-profile": _profile(people),
        "steps-0-options": "{}",
    },
    "POST admin/backends/route/<path:object_id>/delete/": lambda people: {"post": "yes"},
}
THINGS = {
    "profile_id": _profile,
    "route_id": _route,
    "purpose": lambda people: "small",
    "file_id": lambda people: _file(people).pk,
    "link_token": lambda people: signed_link(actor=Actor.for_user(people.wanda), file=_file(people)).rpartition("/")[2],
    "backends.backendprofile": _new_profile,
    "backends.priceoverride": _price,
    "backends.route": _route,
    "backends.residencyrule": _rule,
    "backends.modelcall": _call,
    "backends.storedblob": lambda people: _file(people).blob_id,
    "backends.storedfile": lambda people: _file(people).pk,
}
