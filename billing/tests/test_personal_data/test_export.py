"""The whole of it as one document."""

import json

from djstripe.models import PaymentMethod
from rest_framework.test import APIClient

from billing.tests.test_personal_data.person import EMAIL, NAME, export_of
from credits.models import Entry
from smartspec.users.models import User


class TestExport:
    def test_holds_everything(self, her_client: APIClient, her_life: User) -> None:
        answer = her_client.get("/api/me/export")
        assert answer.status_code == 200
        assert "attachment" in answer["Content-Disposition"]
        data = json.loads(b"".join(answer.streaming_content))  # type: ignore[attr-defined]
        assert (data["person"]["email"], data["person"]["name"]) == (EMAIL, NAME)
        assert {len(data["purchases"]), len(data["subscriptions"])} == {3, 1}
        assert (len(data["refunds"]), len(data["disputes"]), len(data["invoices"])) == (1, 1, 1)
        assert len(data["transactions"]) == Entry.objects.filter(account_id=her_life.pk).count()
        assert [hold["reference_id"] for hold in data["holds"]] == ["job_1"]
        assert data["api_keys"][0]["name"] == f"The laptop of {NAME}"
        assert any(copy["object"] == "payment_method" for copy in data["copied_from_stripe"])

    def test_holds_the_copies_of_what_belongs_to_what_is_hers(self, her_client: APIClient, her_life: User) -> None:
        copied = [copy["object"] for copy in export_of(her_client)["copied_from_stripe"]]
        assert {"customer", "charge", "dispute", "invoice", "line_item", "subscription_item"} <= set(copied)
        assert copied.count("payment_method") == PaymentMethod.objects.count() == 3  # two paid once, and were not kept

    def test_tells_no_secret(self, her_client: APIClient, her_life: User) -> None:
        text = b"".join(her_client.get("/api/me/export").streaming_content).decode()  # type: ignore[attr-defined]
        for secret in ("_secret_", "digest", "session_key", "pbkdf2", "password"):
            assert secret not in text

    def test_is_of_nobody_else(self, alice_client: APIClient, her_life: User) -> None:
        text = b"".join(alice_client.get("/api/me/export").streaming_content).decode()  # type: ignore[attr-defined]
        assert EMAIL not in text
        assert str(her_life.pk) not in text

    def test_takes_a_session(self, anonymous_client: APIClient, worker_client: APIClient) -> None:
        assert anonymous_client.get("/api/me/export").status_code == 401
        assert worker_client.get("/api/me/export").status_code == 403
        assert worker_client.delete("/api/me").status_code == 403
