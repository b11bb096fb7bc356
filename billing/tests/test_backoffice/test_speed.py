"""Lists stay fast however long they get: what they are ordered, filtered and searched by has an index."""

from collections.abc import Iterator
from typing import Any

import pytest
from django.contrib import admin
from django.db.models import Field, Model, UniqueConstraint

from smartspec.admin.lists import HugeAdmin, filter_name

# Some rows for ever, or some a day.
FEW = {"auth.group", "billing.package", "billing.reconcilerun", "credits.plan", "credits.rate", "users.apikey"}
FEW |= {"billing.clawback", "billing.dispute", "credits.adjustment"}
FEW |= {"procrastinate.procrastinatejob"}  # what is done is gone from there; its own indexes are the queue's
# What divides the rows into large parts: the newest of each are soon found among all.
LARGE_PARTS = {"plan", "interval", "package", "keep_credits", "groups", "cause"}
# Searched by an index of words.
WORDS = {"users.user": {"name"}}
# Whose choices are conditions of their own: each has an index, which the bench of the back-office looks at.
CONDITIONS = {"state", "mirror", "unpaid"}
PAGES = [page for page in admin.site._registry.values() if page.opts.label_lower not in FEW]


def first_column(name: Any) -> str:
    return str(getattr(name, "name", name)).lstrip("-")


def indexed(model: type[Model]) -> Iterator[str]:
    """Yield every field that an index begins with; of the queue's and the libraries' tables those that are declared."""
    fields: list[Any] = [field for field in model._meta.get_fields() if isinstance(field, Field)]
    yield from (field.name for field in fields if field.unique or field.db_index or field.primary_key)
    key: Any = model._meta.pk
    yield from (model._meta.get_field(name).name for name in getattr(key, "field_names", ())[:1])
    yield from (first_column(index.fields[0]) for index in model._meta.indexes if index.fields and not index.condition)
    for constraint in model._meta.constraints:
        if isinstance(constraint, UniqueConstraint) and constraint.fields and not constraint.condition:
            yield constraint.fields[0]


def conditional(model: type[Model]) -> Iterator[str]:
    """Yield every field that some index is narrowed by: a flag that few rows have."""
    for index in model._meta.indexes:
        if index.condition is not None:
            yield from (str(child[0]).split("__")[0] for child in index.condition.children if isinstance(child, tuple))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.opts.label_lower)
class TestIndexes:
    def name(self, page: Any, field: str) -> str:
        return str(page.opts.pk.name) if field == "pk" else page.opts.get_field(field.split("__")[0]).name

    def test_hold_the_order(self, page: Any) -> None:
        order = self.name(page, first_column(page.ordering[0]))
        assert order in set(indexed(page.model)), f"{page.opts.label_lower} is listed by {order}"

    def test_hold_what_is_filtered_by(self, page: Any) -> None:
        if isinstance(page, HugeAdmin):
            return  # filtered only after a search has narrowed it
        known = {*indexed(page.model), *conditional(page.model)}
        asked = {filter_name(item) for item in page.list_filter} - LARGE_PARTS - CONDITIONS
        assert asked - known == set()

    def test_hold_what_is_searched_for(self, page: Any) -> None:
        known = {*indexed(page.model), *WORDS.get(page.opts.label_lower, ())}
        assert {self.name(page, field) for field in page.search_fields or ()} - known == set()
