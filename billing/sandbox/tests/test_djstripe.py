"""dj-stripe's own commands and event processing work against the sandbox.

https://docs.stripe.com/api/events/types
"""

import io

import stripe
from django.conf import settings
from django.core.management import call_command
from djstripe import models as djstripe

from billing.sandbox import store
from billing.sandbox.tests.whole_life import live_through_everything


class TestSyncModels:
    def test_runs_without_an_error(self, client_of_stripe: stripe.StripeClient) -> None:
        live_through_everything(client_of_stripe)
        errors = io.StringIO()
        call_command(
            "djstripe_sync_models",
            api_keys=[settings.STRIPE_SECRET_KEY],
            fail_on_error=True,
            stdout=io.StringIO(),
            stderr=errors,
        )
        assert errors.getvalue() == ""
        assert djstripe.Customer.objects.count() >= 2
        assert djstripe.Subscription.objects.exists()
        assert djstripe.Invoice.objects.exists()
        assert djstripe.Charge.objects.exists()
        assert djstripe.Refund.objects.count() == store.rows("refund").count() == 4
        assert djstripe.Session.objects.exists()


class TestProcessEvents:
    def test_takes_every_event_that_was_emitted(self, client_of_stripe: stripe.StripeClient) -> None:
        live_through_everything(client_of_stripe)
        processed = set()
        for row in store.rows("event").order_by("number"):
            djstripe.Event.process(row.data, api_key=settings.STRIPE_SECRET_KEY)
            processed.add(row.name)
        assert djstripe.Event.objects.count() == store.rows("event").count()
        assert processed >= {
            "checkout.session.completed",
            "checkout.session.async_payment_succeeded",
            "checkout.session.async_payment_failed",
            "checkout.session.expired",
            "customer.subscription.created",
            "customer.subscription.updated",
            "customer.subscription.deleted",
            "invoice.paid",
            "invoice.payment_failed",
            "payment_intent.succeeded",
            "refund.created",
        }
