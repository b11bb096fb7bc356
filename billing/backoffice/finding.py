"""Whom an id of Stripe's means, and where Stripe shows it."""

import re

from django.conf import settings
from django.urls import reverse

from billing import selectors
from smartspec import backoffice
from smartspec.backoffice import Hit, Link
from smartspec.users.models import User

STRIPE_ID = re.compile(r"[a-z]{2,4}_[A-Za-z0-9_]{1,250}", re.ASCII)


@backoffice.searches(right="billing.view_customer", order=40)
def people_by_stripe_id(term: str) -> list[Hit]:
    """A customer, payment intent, charge, invoice, checkout session, subscription, refund or dispute."""
    if not STRIPE_ID.fullmatch(term):
        return []
    user_id = selectors.find_user_of_stripe_id(stripe_id=term)
    return [Hit(user_id, term)] if user_id else []


@backoffice.links(right="billing.view_customer")
def stripe_dashboard(user: User) -> list[Link]:
    """The customer at Stripe."""
    customer_id = selectors.find_customer_id(user_id=user.pk)
    return [Link(f"Stripe: {customer_id}", dashboard_url("customers", customer_id))] if customer_id else []


def dashboard_url(kind: str, object_id: str) -> str:
    """Return where Stripe's dashboard shows something (`customers`, `payments`, `subscriptions`, `invoices`,
    `disputes`); on a machine without Stripe, the sandbox's overview."""
    if settings.STRIPE_SANDBOX:
        return reverse("sandbox_index")
    mode = "" if settings.STRIPE_LIVE_MODE else "test/"
    return f"https://dashboard.stripe.com/{mode}{kind}/{object_id}"
