"""Refunds and disputes, from the first event to the last."""

from datetime import timedelta
from typing import Any

import pytest
import stripe

from billing.sandbox import store
from billing.sandbox.services import disputes, refunds, timekeeping
from billing.sandbox.tests.conftest import emitted_types
from smartspec import clock

SOON = timedelta(minutes=2)


def charge(client: stripe.StripeClient, card: str = "pm_card_visa", amount: int = 2000) -> Any:
    """Take a payment and return its charge."""
    intent = client.v1.payment_intents.create(
        params={"amount": amount, "currency": "usd", "payment_method": card, "confirm": True}
    )
    return store.get("charge", str(intent.latest_charge))


def pass_a_while() -> None:
    timekeeping.pass_time(now=clock.now() + SOON)


class TestRefund:
    """https://docs.stripe.com/refunds"""

    def test_in_parts_until_nothing_is_left(self, client_of_stripe: stripe.StripeClient) -> None:
        api, paid = client_of_stripe.v1.refunds, charge(client_of_stripe)
        for amount, total, is_whole in ((500, 500, False), (700, 1200, False), (800, 2000, True)):
            refund = api.create(params={"charge": paid["id"], "amount": amount})
            assert refund.status == "succeeded"
            after = store.get("charge", paid["id"])
            assert (after["amount_refunded"], after["refunded"]) == (total, is_whole)
        assert emitted_types()[-2:] == ["refund.created", "charge.refunded"]
        with pytest.raises(stripe.InvalidRequestError) as raised:
            api.create(params={"charge": paid["id"]})
        assert raised.value.code == "charge_already_refunded"

    def test_of_more_than_is_left_is_refused(self, client_of_stripe: stripe.StripeClient) -> None:
        with pytest.raises(stripe.InvalidRequestError, match="greater than unrefunded amount"):
            client_of_stripe.v1.refunds.create(params={"charge": charge(client_of_stripe)["id"], "amount": 2001})

    def test_may_be_pending_at_first(self, client_of_stripe: stripe.StripeClient) -> None:
        """https://docs.stripe.com/testing#refunds"""
        paid = charge(client_of_stripe, "pm_card_pendingRefund")
        refund = client_of_stripe.v1.refunds.create(params={"charge": paid["id"]})
        assert (refund.status, store.get("charge", paid["id"])["refunded"]) == ("pending", True)
        pass_a_while()
        assert store.get("refund", refund.id)["status"] == "succeeded"
        assert emitted_types()[-2:] == ["refund.updated", "charge.refund.updated"]

    def test_may_fail_after_it_succeeded(self, client_of_stripe: stripe.StripeClient) -> None:
        """https://docs.stripe.com/refunds#failed-refunds"""
        paid = charge(client_of_stripe, "pm_card_refundFail")
        refund = client_of_stripe.v1.refunds.create(params={"charge": paid["id"], "amount": 500})
        assert refund.status == "succeeded"
        pass_a_while()
        failed = store.get("refund", refund.id)
        assert (failed["status"], failed["failure_reason"]) == ("failed", "expired_or_canceled_card")
        assert store.get("balance_transaction", failed["failure_balance_transaction"])["amount"] == 500
        after = store.get("charge", paid["id"])
        assert (after["amount_refunded"], after["refunded"]) == (0, False)
        assert emitted_types()[-3:] == ["refund.updated", "charge.refund.updated", "refund.failed"]
        assert client_of_stripe.v1.refunds.create(params={"charge": paid["id"]}).amount == 2000

    def test_fails_once(self, client_of_stripe: stripe.StripeClient) -> None:
        refund = client_of_stripe.v1.refunds.create(params={"charge": charge(client_of_stripe)["id"]})
        refunds.settle_refund(refund.id, outcome="fail", now=clock.now())
        with pytest.raises(Exception, match="This refund is failed"):
            refunds.settle_refund(refund.id, outcome="fail", now=clock.now())


class TestDispute:
    """https://docs.stripe.com/disputes/how-disputes-work"""

    def opened(self, client: stripe.StripeClient, card: str = "pm_card_createDispute") -> dict[str, Any]:
        paid = charge(client, card)
        pass_a_while()
        (dispute,) = store.find("dispute", data__charge=paid["id"])
        return dispute

    def test_is_opened_for_the_card_that_is_made_for_it(self, client_of_stripe: stripe.StripeClient) -> None:
        """https://docs.stripe.com/testing#disputes"""
        dispute = self.opened(client_of_stripe)
        assert (dispute["status"], dispute["reason"], dispute["amount"]) == ("needs_response", "fraudulent", 2000)
        (line,) = dispute["balance_transactions"]
        assert (line["amount"], line["fee"], line["net"]) == (-2000, 1500, -3500)
        assert store.get("charge", dispute["charge"])["disputed"]
        assert emitted_types()[-2:] == ["charge.dispute.created", "charge.dispute.funds_withdrawn"]
        with pytest.raises(stripe.InvalidRequestError) as raised:
            client_of_stripe.v1.refunds.create(params={"charge": dispute["charge"]})
        assert raised.value.code == "charge_disputed"

    @pytest.mark.parametrize(
        ("evidence", "status", "last"),
        [
            ("winning_evidence", "won", ["charge.dispute.funds_reinstated", "charge.dispute.closed"]),
            ("losing_evidence", "lost", ["charge.dispute.updated", "charge.dispute.closed"]),
        ],
    )
    def test_is_decided_by_its_evidence(
        self, client_of_stripe: stripe.StripeClient, evidence: str, status: str, last: list[str]
    ) -> None:
        """https://docs.stripe.com/testing#disputes and /disputes/api"""
        dispute = self.opened(client_of_stripe)
        updated = client_of_stripe.v1.disputes.update(
            dispute["id"], params={"evidence": {"uncategorized_text": evidence}}
        )
        assert (updated.status, updated.evidence_details.submission_count) == ("under_review", 1)
        pass_a_while()
        assert store.get("dispute", dispute["id"])["status"] == status
        assert emitted_types()[-2:] == last

    def test_is_staged_without_being_submitted(self, client_of_stripe: stripe.StripeClient) -> None:
        dispute = self.opened(client_of_stripe)
        params: Any = {"evidence": {"uncategorized_text": "winning_evidence"}, "submit": False}
        updated = client_of_stripe.v1.disputes.update(dispute["id"], params=params)
        assert (updated.status, updated.evidence_details.has_evidence) == ("needs_response", True)

    def test_is_lost_when_it_is_accepted(self, client_of_stripe: stripe.StripeClient) -> None:
        """https://docs.stripe.com/api/disputes/close"""
        dispute = self.opened(client_of_stripe)
        assert client_of_stripe.v1.disputes.close(dispute["id"]).status == "lost"
        with pytest.raises(stripe.InvalidRequestError, match="already closed"):
            client_of_stripe.v1.disputes.close(dispute["id"])

    def test_is_lost_when_nobody_answers(self, client_of_stripe: stripe.StripeClient) -> None:
        """https://docs.stripe.com/disputes/responding"""
        dispute = self.opened(client_of_stripe)
        timekeeping.pass_time(now=store.moment(dispute["evidence_details"]["due_by"]))
        assert store.get("dispute", dispute["id"])["status"] == "lost"

    def test_of_a_part_takes_that_part(self, client_of_stripe: stripe.StripeClient) -> None:
        dispute = disputes.open_dispute(charge(client_of_stripe)["id"], amount=300, now=clock.now())
        assert store.get("dispute", dispute["id"])["balance_transactions"][0]["amount"] == -300


class TestInquiry:
    """https://docs.stripe.com/disputes/how-disputes-work#inquiries"""

    def opened(self, client: stripe.StripeClient) -> dict[str, Any]:
        charge(client, "pm_card_createDisputeInquiry")
        pass_a_while()
        (dispute,) = store.find("dispute")
        return dispute

    def test_takes_no_money(self, client_of_stripe: stripe.StripeClient) -> None:
        dispute = self.opened(client_of_stripe)
        assert (dispute["status"], dispute["balance_transactions"]) == ("warning_needs_response", [])
        assert emitted_types()[-1] == "charge.dispute.created"
        assert client_of_stripe.v1.refunds.create(params={"charge": dispute["charge"]}).status == "succeeded"

    def test_closes_by_itself_in_the_end(self, client_of_stripe: stripe.StripeClient) -> None:
        dispute = self.opened(client_of_stripe)
        timekeeping.pass_time(now=clock.now() + timedelta(days=121))
        assert store.get("dispute", dispute["id"])["status"] == "warning_closed"
        assert not store.get("charge", dispute["charge"])["disputed"]

    def test_becomes_a_dispute_where_its_evidence_says_so(self, client_of_stripe: stripe.StripeClient) -> None:
        """https://docs.stripe.com/testing#evidence"""
        opened = self.opened(client_of_stripe)
        next_day = clock.now() + timedelta(days=1)
        evidence = {"uncategorized_text": "escalate_inquiry_evidence"}
        handed_in = disputes.update_dispute(opened["id"], {"evidence": evidence}, now=next_day)
        assert handed_in["status"] == "warning_under_review"
        timekeeping.pass_time(now=next_day + timedelta(hours=1))
        dispute = store.get("dispute", opened["id"])
        assert (dispute["status"], len(dispute["balance_transactions"])) == ("needs_response", 1)
        assert dispute["evidence_details"]["due_by"] > opened["evidence_details"]["due_by"]

    def test_may_become_a_dispute(self, client_of_stripe: stripe.StripeClient) -> None:
        dispute = disputes.escalate_inquiry(self.opened(client_of_stripe)["id"], now=clock.now())
        assert (dispute["status"], len(dispute["balance_transactions"])) == ("needs_response", 1)
        assert emitted_types()[-2:] == ["charge.dispute.updated", "charge.dispute.funds_withdrawn"]
