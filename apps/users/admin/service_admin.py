"""Console pages whose writes are services.

A ModelAdmin of any app may build on this: `add_row`, `change_row` and `delete_row` call one service each, and what the
service refuses is shown on the form. Who sees a page at all is settled by `AppConfig.admin_capabilities`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.contrib import admin, messages
from django.db.models import Model, QuerySet
from django.forms import ModelForm
from django.http import HttpRequest, HttpResponse, HttpResponseNotAllowed, HttpResponseRedirect

from aiwriter.core.errors import AppError, Detail, NotFound, PermissionDenied, ProofRequired
from apps.users.selectors.access import Actor
from apps.users.selectors.callers import actor_of


def button(request: HttpRequest, back: str, work: Callable[[Actor], str | None]) -> HttpResponse:
    """Do what a form with one button asks for; a refusal is shown on the page that it came from.

    Args:
        request: must be a POST.
        back: where to go afterwards.
        work: calls one service; gives what is to be said when it is done.
    """
    if request.method != "POST":
        return HttpResponseNotAllowed(["POST"])
    try:
        if said := work(actor_of(request)):
            messages.success(request, said)
    except (NotFound, PermissionDenied):
        raise
    except AppError as error:
        messages.error(request, str(error))
    return HttpResponseRedirect(back)


class ReadOnlyAdmin(admin.ModelAdmin):
    """Shows rows and changes nothing."""

    def has_add_permission(self, request: HttpRequest) -> bool:
        """No."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        """No."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        """No."""
        return False


class _Refused:
    """A form that a service has refused: it is not valid, and says why."""

    refusal: AppError

    def full_clean(self) -> None:
        """Add the refusal to what the form itself finds."""
        super().full_clean()  # type: ignore[misc]
        for detail in self.refusal.details or (Detail("", self.refusal.message, self.refusal.remedy),):
            known = detail.field in self.fields  # type: ignore[attr-defined]
            # A field of another name, such as one that the page puts together of several.
            name = f"{detail.field}: " if detail.field and not known else ""
            said = f"{name}{detail.issue} {detail.remedy or self.refusal.remedy}".strip()
            self.add_error(detail.field if known else None, said)  # type: ignore[attr-defined]


class ServiceAdmin(admin.ModelAdmin):
    """Writes through services only.

    Subclasses define those of `add_row`, `change_row` and `delete_row` that exist; the others have no button.
    """

    def add_row(self, actor: Actor, values: dict[str, Any]) -> Model:
        """Make a row from the form's values and return it."""
        raise LookupError("this page cannot add")

    def change_row(self, actor: Actor, row: Any, values: dict[str, Any]) -> None:
        """Change a stored row to the form's changed values."""
        raise LookupError("this page cannot change")

    def delete_row(self, actor: Actor, row: Any) -> None:
        """Delete a row."""
        raise LookupError("this page cannot delete")

    def has_add_permission(self, request: HttpRequest) -> bool:
        """When there is a service for it."""
        return self._offers("add_row") and super().has_add_permission(request)

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        """When there is a service for it."""
        return self._offers("change_row") and super().has_change_permission(request, obj)

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        """When there is a service for it."""
        return self._offers("delete_row") and super().has_delete_permission(request, obj)

    def save_model(self, request: HttpRequest, obj: Any, form: ModelForm, change: bool) -> None:
        """Call the service instead of `save()`."""
        actor = actor_of(request)
        if change:
            stored = self.model._default_manager.get(pk=obj.pk)
            self.change_row(actor, stored, {name: form.cleaned_data[name] for name in form.changed_data})
        else:
            made = self.add_row(actor, form.cleaned_data)
            obj.__dict__.update(made.__dict__)

    def save_related(self, request: HttpRequest, form: ModelForm, formsets: Any, change: bool) -> None:
        """Save nothing: inlines only show, relations have pages of their own. The history asks for these lists."""
        for formset in formsets:
            formset.new_objects, formset.changed_objects, formset.deleted_objects = [], [], []

    def delete_model(self, request: HttpRequest, obj: Model) -> None:
        """Call the service instead of `delete()`."""
        self.delete_row(actor_of(request), obj)

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet) -> None:
        """Call the service for each: a bulk deletion must leave the same traces."""
        for row in queryset:
            self.delete_row(actor_of(request), row)

    def changeform_view(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        """Show what was typed again when a service refuses it, with the refusal at the fields that it names."""
        try:
            return super().changeform_view(request, *args, **kwargs)
        except AppError as error:
            if request.method != "POST" or isinstance(error, ProofRequired):
                raise
            # What the service had begun is undone. The same form once more, now with an error of its own.
            request.refused_with = error  # type: ignore[attr-defined]
            return super().changeform_view(request, *args, **kwargs)

    def get_form(self, request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
        """The form; what a service has refused is an error of it."""
        form = super().get_form(request, *args, **kwargs)
        error: AppError | None = getattr(request, "refused_with", None)
        return type(form.__name__, (_Refused, form), {"refusal": error}) if error else form

    def delete_view(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        """Show a service's refusal as a message on the same page."""
        return self._told(request, super().delete_view, *args, **kwargs)

    def changelist_view(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        """Show a service's refusal as a message on the same page."""
        return self._told(request, super().changelist_view, *args, **kwargs)

    @staticmethod
    def _told(request: HttpRequest, view: Any, *args: Any, **kwargs: Any) -> HttpResponse:
        try:
            return view(request, *args, **kwargs)
        except AppError as error:
            if request.method != "POST" or isinstance(error, ProofRequired):
                raise
            messages.error(request, str(error))
            return HttpResponseRedirect(request.get_full_path())

    def _offers(self, name: str) -> bool:
        return getattr(type(self), name) is not getattr(ServiceAdmin, name)
