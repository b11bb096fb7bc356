"""The bench works and tells everything. What it measures is nobody's to test: it depends on the machine."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.core.management import CommandError, call_command

from billing.sandbox.bench.measure import Must

pytestmark = pytest.mark.serial

OPERATIONS = ["balance", "history", "quote", "hold + capture", "webhook", "checkout"]


@pytest.fixture(scope="module")
def smoke(tmp_path_factory: pytest.TempPathFactory, django_db_setup: None) -> dict[str, Any]:
    """What a short run of the whole bench writes, on the tests' own server."""
    folder = tmp_path_factory.mktemp("bench")
    done = subprocess.run(
        [sys.executable, "manage.py", "bench_http", "--smoke", "--json", str(folder / "seen.json"), "--svg", folder],
        cwd=settings.BASE_DIR,
        env=os.environ | {"SMARTSPEC_DATA_DIR": str(settings.DATA_DIR)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    seen: dict[str, Any] = json.loads((folder / "seen.json").read_text())
    return seen | {"output": done.stdout, "folder": folder}


def test_measures_every_operation_at_growing_numbers_of_connections(smoke: dict[str, Any]) -> None:
    assert list(smoke["growth"]) == OPERATIONS
    for points in smoke["growth"].values():
        assert list(points) == ["1", "4"]
        assert all(0 < point["p50_ms"] <= point["p95_ms"] <= point["p99_ms"] for point in points.values())


def test_draws_growth(smoke: dict[str, Any]) -> None:
    for name in ("http-throughput.svg", "http-latency.svg"):
        drawing = (Path(smoke["folder"]) / name).read_text()
        assert all(operation in drawing for operation in OPERATIONS)


def test_says_of_every_must_whether_it_is_met(smoke: dict[str, Any]) -> None:
    labels = [must["label"] for must in smoke["musts"]]
    assert [label.split(":")[0] for label in labels] == [
        "webhook intake / dj-stripe's own view",
        "web server",
        "worker",
        "4 webhooks in a burst, all effective after",
    ]
    assert all(label in smoke["output"] for label in labels)


@pytest.mark.parametrize(
    ("must", "is_met"),
    [
        (Must("ratio", 5.0, 5.0), True),
        (Must("ratio", 4.9, 5.0), False),
        (Must("time", 60.0, 60.0, at_most=True), True),
        (Must("time", 60.1, 60.0, at_most=True), False),
    ],
)
def test_a_must_is_met_at_its_limit(must: Must, is_met: bool) -> None:
    assert must.is_met is is_met


@pytest.mark.parametrize("arguments", [["--only", "nothing"], ["--people", "0"], ["--operations", "9"]])
def test_says_what_is_wrong_with_arguments(arguments: list[str]) -> None:
    with pytest.raises(CommandError):
        call_command("bench_http", *arguments)
