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

from credits.bench import report
from credits.bench.plan import CLIENT_COUNTS, GROUPS, MEASURES, Measure

pytestmark = pytest.mark.serial

HIGHER = Measure("hold", "speed", "ours", "theirs", must=0.5, goal=0.8)
LOWER = Measure("usage", "time", "ours", None, must=5, goal=2, at_most=True)


@pytest.fixture(scope="module")
def smoke(tmp_path_factory: pytest.TempPathFactory, django_db_setup: None) -> dict[str, Any]:
    """What a short run of the whole bench writes, on the tests' own server."""
    folder = tmp_path_factory.mktemp("bench")
    command = [sys.executable, "manage.py", "bench_ledger", "--smoke", "--json", str(folder / "bench.json")]
    done = subprocess.run(
        [*command, "--svg", str(folder / "bench.svg")],
        cwd=settings.BASE_DIR,
        env=os.environ | {"SMARTSPEC_DATA_DIR": str(settings.DATA_DIR)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    seen: dict[str, Any] = json.loads((folder / "bench.json").read_text())
    return seen | {"output": done.stdout, "svg": folder / "bench.svg"}


class TestSmoke:
    def test_has_every_measure(self, smoke: dict[str, Any]) -> None:
        assert [measure["label"] for measure in smoke["measures"]] == [measure.label for measure in MEASURES]
        for measure in smoke["measures"]:
            assert measure["label"] in smoke["output"]

    def test_measures_everything_but_a_peer_that_is_not_installed(self, smoke: dict[str, Any]) -> None:
        left_out = {measure["group"] for measure in smoke["measures"] if measure["value"] is None}
        assert left_out <= {"hordak"}
        assert all(measure["reason"] for measure in smoke["measures"] if measure["value"] is None)

    def test_shows_throughput_by_clients(self, smoke: dict[str, Any]) -> None:
        for kind in ("service", "pgbench"):
            assert list(smoke["throughput_by_clients"][kind]) == [str(count) for count in CLIENT_COUNTS]
        assert Path(smoke["svg"]).read_text().startswith("<svg")

    def test_leaves_no_database_behind(self, smoke: dict[str, Any], django_db_blocker: Any) -> None:
        from smartspec.testing import maintenance_connection

        with django_db_blocker.unblock(), maintenance_connection() as server:
            rows = server.execute("SELECT datname FROM pg_database WHERE datname LIKE 'smartspec_bench%'").fetchall()
        assert rows == []


class TestArguments:
    @pytest.mark.parametrize("arguments", [["--only", "nothing"], ["--rounds", "0"], ["--seconds", "-1"]])
    def test_say_what_is_wrong(self, arguments: list[str]) -> None:
        with pytest.raises(CommandError):
            call_command("bench_ledger", *arguments)


class TestReport:
    @pytest.mark.parametrize(
        ("measure", "ours", "verdict"),
        [
            (HIGHER, 80.0, "goal met"),
            (HIGHER, 50.0, "must met"),
            (HIGHER, 49.0, "MISSED"),
            (LOWER, 2.0, "goal met"),
            (LOWER, 5.0, "must met"),
            (LOWER, 5.1, "MISSED"),
        ],
    )
    def test_compares_with_must_and_goal(self, measure: Measure, ours: float, verdict: str) -> None:
        assert report.result(measure, [{"ours": ours, "theirs": 100.0}], {}).verdict == verdict

    def test_takes_the_ratio_inside_a_round_and_the_median_over_rounds(self) -> None:
        rounds: list[report.Round] = [
            {"ours": 10.0, "theirs": 100.0},
            {"ours": 90.0, "theirs": 100.0},
            {"ours": 1.0, "theirs": 2.0},
        ]
        found = report.result(HIGHER, rounds, {})
        assert (found.low, found.value, found.high) == (0.1, 0.5, 0.9)

    def test_says_why_something_was_not_measured(self) -> None:
        found = report.result(HIGHER, [], {"hold": "pgbench not found"})
        assert (found.verdict, found.reason) == ("not measured", "pgbench not found")
        assert "not measured: pgbench not found" in report.table([found])

    def test_every_group_is_explained(self) -> None:
        from credits.management.commands.bench_ledger import HELP

        assert all(f"\n  {group} " in HELP for group in GROUPS)
