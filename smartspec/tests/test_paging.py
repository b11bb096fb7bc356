"""Long tables are read page by page."""

from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from smartspec import exports, paging
from smartspec.paging import in_pages
from smartspec.users.models import SentMail, User


@pytest.fixture(autouse=True)
def mails(alice: User, now: datetime, monkeypatch: pytest.MonkeyPatch) -> None:
    """Seven mails to Alice, newest first, some of them at one moment; a page has two."""
    monkeypatch.setattr(paging, "PAGE_ROWS", 2)
    SentMail.objects.bulk_create(
        SentMail(user=alice, template="plan_paid", cause=f"in_{number}", sent_at=now - timedelta(days=number // 3))
        for number in range(7)
    )


class TestPages:
    def test_bring_every_row_once_by_its_key(self) -> None:
        assert list(in_pages(SentMail.objects.all())) == list(SentMail.objects.order_by("pk"))

    @pytest.mark.parametrize("order", [("cause",), ("sent_at", "pk"), ("template", "sent_at", "cause")])
    def test_bring_every_row_once_in_the_order_asked_for(self, order: tuple[str, ...]) -> None:
        ordered = SentMail.objects.order_by(*order)
        assert list(in_pages(ordered)) == list(ordered)

    def test_bring_parts_of_rows_too(self) -> None:
        parts = SentMail.objects.order_by("cause").values_list("cause", "pk", named=True)
        assert [row.cause for row in in_pages(parts)] == [f"in_{number}" for number in range(7)]

    @pytest.mark.parametrize(
        "read", [in_pages, lambda rows: exports.pick(rows, "cause", "sent_at")], ids=["rows", "columns"]
    )
    def test_are_asked_for_when_their_turn_comes(self, read: Callable[[Any], Iterator[Any]]) -> None:
        rows = read(SentMail.objects.order_by("sent_at", "pk"))
        for asked in (1, 0, 1, 0, 1, 0, 1):
            with CaptureQueriesContext(connection) as queries:
                next(rows)
            assert [query["sql"].endswith("LIMIT 2") for query in queries] == [True] * asked
        assert list(rows) == []
