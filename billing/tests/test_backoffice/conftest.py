"""Members of staff at their desks."""

import pytest
from django.test import Client

from billing.tests.test_backoffice.desk import staff_client


@pytest.fixture
def support(db: None) -> Client:
    return staff_client("Support")


@pytest.fixture
def decider(db: None) -> Client:
    """Somebody of Billing."""
    return staff_client("Billing")
