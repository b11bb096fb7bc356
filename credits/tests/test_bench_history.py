"""The bench of long histories works, and its made-up people are such as the ledger would have written."""

import os
import subprocess
import sys

import pytest
from django.conf import settings

from credits import selectors
from credits.bench import histories
from smartspec import clock


@pytest.mark.serial
def test_asks_for_every_page() -> None:
    done = subprocess.run(
        [sys.executable, "manage.py", "bench_history", "--entries", "3000", "--rounds", "1"],
        cwd=settings.BASE_DIR,
        env=os.environ | {"SMARTSPEC_DATA_DIR": str(settings.DATA_DIR)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode in (0, 1), done.stderr  # how fast it is, is nobody's to test
    assert "search: a model of every fifth" in done.stdout
    assert "times as slow:" in done.stdout


@pytest.mark.django_db
@pytest.mark.broken_books
def test_finds_what_its_searches_are_named_after() -> None:
    now = clock.now()
    person = histories.make_person("somebody", entries=1200, now=now, progress=lambda line: None)
    account = person.user.pk

    def found(term: str, entry_type: str | None = None) -> int:
        filter = selectors.TransactionFilter(account, entry_type, search=term)
        return selectors.list_transactions(filter=filter, limit=25).total

    assert [found(term) for term in ("nothing", "ticket", "video", "flux-pro", "rare")] == [0, 2, 598, 180, 1]
    assert selectors.list_transactions(filter=selectors.TransactionFilter(account), limit=25).total == 1200
    assert sum(day.count for day in selectors.usage_by_day(account_id=account, days=365, now=now)) == 1140
