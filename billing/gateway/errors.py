"""What can go wrong with a call to Stripe, in our words."""

from smartspec.errors import DomainError

UNAVAILABLE = "The payment provider cannot be reached. Please try again in a minute."


class StripeUnavailable(DomainError):
    """Stripe could not be reached, or failed. Trying again later may succeed."""

    code = "stripe_unavailable"
    status = 502
    title = "Payment provider unavailable"


class PaymentsNotConfigured(DomainError):
    """This server has no usable key or price for what was asked."""

    code = "payments_not_configured"
    status = 503
    title = "Payments are not configured"


class CardRefused(DomainError):
    """The bank refused the card; the detail is the sentence that Stripe has for the customer."""

    code = "card_refused"
    status = 422
    title = "Card refused"


class StripeRefused(DomainError):
    """Stripe understood the request and does not do it: our mistake, or a state that changed in between."""

    code = "stripe_refused"
    status = 502
    title = "Refused by the payment provider"


class StripeObjectMissing(StripeRefused):
    """There is no such object at Stripe."""

    code = "stripe_object_missing"
    title = "Not found at the payment provider"
