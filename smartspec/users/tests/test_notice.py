"""A person who signed up in a browser is told how Free's credits come."""

from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from smartspec.testing import make_user

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize(("is_verified", "is_told"), [(False, True), (True, False)])
def test_unconfirmed_address_is_pointed_to_the_code(client: Client, is_verified: bool, is_told: bool) -> None:
    client.force_login(make_user("carol@smartspec.test", is_verified=is_verified))
    page: Any = client.get("/nothing/here")
    assert (reverse("account_email_verification_sent") in page.content.decode()) is is_told
