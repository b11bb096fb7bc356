"""The dashboard in docs/ shows figures that `/metrics` exposes, by labels that they have."""

import json
import re
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.test import Client
from prometheus_client.parser import text_string_to_metric_families

from credits import ledger
from smartspec.watching.words import all_gauges

DASHBOARD = Path(settings.BASE_DIR) / "docs/grafana/smartspec.json"
BY = re.compile(r"by \(([^)]*)\)")


def queries() -> list[tuple[str, str]]:
    """Return the title of each panel with each of its queries."""
    panels: list[dict[str, Any]] = json.loads(DASHBOARD.read_text())["panels"]
    return [(panel["title"], target["expr"]) for panel in panels for target in panel.get("targets", ())]


@pytest.fixture
def exposed(client: Client, db: None) -> dict[str, set[str]]:
    """What `/metrics` tells after one request and one call of the ledger: the name of each series with its labels."""
    ledger.CALLS.labels("place_hold", "ok").inc(0)
    client.get("/healthz")
    text = client.get("/metrics").content.decode()
    series: dict[str, set[str]] = {}
    for family in text_string_to_metric_families(text):
        series.setdefault(family.name, set())
        for sample in family.samples:
            series.setdefault(sample.name, set()).update(sample.labels)
    return series


def test_every_metric_of_the_dashboard_is_exposed(exposed: dict[str, set[str]]) -> None:
    # Exposed once there was a first comparison with Stripe.
    later = {"smartspec_reconcile_differences"}
    assert queries()
    for title, query in queries():
        for name in re.findall(r"smartspec_\w+", query):
            assert name in exposed or name in later, f"{title}: no metric {name}"


def test_every_label_that_the_dashboard_groups_by_exists(exposed: dict[str, set[str]], now: datetime) -> None:
    read = {gauge.name: set(gauge.labels) for look in all_gauges().values() for gauge in look(now)}
    for title, query in queries():
        (name,) = set(re.findall(r"smartspec_\w+", query))
        wanted = {label.strip() for found in BY.findall(query) for label in found.split(",")}
        assert wanted <= exposed.get(name, set()) | read.get(name, set()), f"{title}: {name} has no {wanted}"


def test_every_metric_that_the_ground_documents_is_on_the_dashboard() -> None:
    page = (Path(settings.BASE_DIR) / "docs/operations.md").read_text()
    table = [line for line in page.splitlines() if line.startswith("| `smartspec_")]
    documented = {name for line in table for name in re.findall(r"`(smartspec_\w+)`", line)}
    assert documented
    shown = {name for _, query in queries() for name in re.findall(r"smartspec_\w+", query)}
    assert documented <= {re.sub(r"_(count|bucket|sum)$", "", name) for name in shown}
