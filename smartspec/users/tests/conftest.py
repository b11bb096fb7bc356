"""Fixtures for people: plans, and allauth's endpoints as the desktop app calls them."""

import re
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from rest_framework.test import APIClient

from smartspec.users.models import User
from smartspec.users.tests import plans

AUTH = "/api/auth/app/v1"


@pytest.fixture(autouse=True)
def put_on_pro(settings: Any) -> Iterator[Callable[[User], None]]:
    """Return a function that puts a user on a plan with `api_access`; everybody else is on Free."""
    settings.PLAN_STATE = "smartspec.users.tests.plans.get_plan_state"
    settings.PLAN = "smartspec.users.tests.plans.get_plan"
    yield lambda user: plans.on_pro.add(user.pk)
    plans.on_pro.clear()


@pytest.fixture
def alice_on_pro(alice: User, put_on_pro: Callable[[User], None]) -> User:
    put_on_pro(alice)
    return alice


def log_in(email: str, password: str) -> str:
    """Log in as the desktop app does and return the session token."""
    answer = APIClient().post(f"{AUTH}/auth/login", {"email": email, "password": password})
    assert answer.status_code == 200, answer.content
    token: str = answer.json()["meta"]["session_token"]
    return token


def client_with(token: str) -> APIClient:
    """Return a client with a session token."""
    return APIClient(HTTP_AUTHORIZATION=f"Bearer {token}")


def code_in(message: Any) -> str:
    """Return the code that a mail tells its reader to type."""
    found = re.search(r"^[A-Z0-9]{4}-?[A-Z0-9]{4}$", message.body, re.MULTILINE)
    assert found, message.body
    return found.group()
