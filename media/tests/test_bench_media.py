"""The bench works and tells everything. How fast it all is depends on the machine, and is nobody's to test."""

import io
import json
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.core.management import CommandError, call_command

from credits import selectors as credits_selectors
from media.bench import dataset
from media.models import StorageAccount
from media.tests.conftest import assert_counters


@pytest.mark.serial
@pytest.mark.django_db(transaction=True)
def test_a_short_run_tells_every_measure_and_leaves_no_database_behind(tmp_path: Path) -> None:
    from smartspec.testing import maintenance_connection

    out, own_name = io.StringIO(), settings.DATABASES["default"]["NAME"]
    call_command("bench_media", "--smoke", "--json", str(tmp_path / "bench.json"), stdout=out, stderr=io.StringIO())
    seen: dict[str, Any] = json.loads((tmp_path / "bench.json").read_text())
    assert [line["name"] for line in seen["lines"]] == [
        "signing 1,000 download URLs",
        "signing 1,000 upload URLs",
        "100 assets, first page",
        "1,000 assets, first page",
        "1,000 assets, last page",
        "10 accounts billed",
        "20 accounts billed",
        "40 accounts billed",
    ]
    assert all(line["median"] > 0 and line["name"] in out.getvalue() for line in seen["lines"])
    with maintenance_connection() as server:
        rows = server.execute("SELECT datname FROM pg_database WHERE datname LIKE 'smartspec_bench_media%'").fetchall()
    assert (rows, settings.DATABASES["default"]["NAME"]) == ([], own_name)


@pytest.mark.parametrize("arguments", [["--rounds", "0"], ["--accounts", "3"], ["--only", "nothing"]])
def test_arguments_say_what_is_wrong(arguments: list[str]) -> None:
    with pytest.raises(CommandError):
        call_command("bench_media", *arguments)


@pytest.mark.django_db
def test_what_is_loaded_is_what_the_services_would_have_written(now: datetime) -> None:
    (one,) = dataset.load_people(["one"], stored_bytes=1200 * dataset.FILE_BYTES, now=now)
    dataset.load_assets(one, 1200, now=now)
    assert_counters(StorageAccount.objects.get(pk=one))
    assert credits_selectors.verify_account(account_id=one) == []
