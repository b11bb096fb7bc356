"""Whether a webhook was signed with one of our secrets."""

from datetime import datetime

import stripe
from django.conf import settings

from smartspec.errors import DomainError

SIGNATURE_TOLERANCE_SECONDS = 300


class SignatureInvalid(DomainError):
    """A webhook was not signed with one of our secrets, or too long ago. `cause` says which, for counting."""

    code = "signature_invalid"
    status = 400
    title = "Signature invalid"


def verify_signature(*, body: bytes, header: str, now: datetime) -> None:
    """Check that `body` was signed with one of our secrets within the tolerance.

    :raises SignatureInvalid: with `cause` no_signature, bad_signature or stale.
    """
    if not header:
        raise SignatureInvalid("The Stripe-Signature header is missing.", cause="no_signature")
    for secret in settings.STRIPE_WEBHOOK_SECRETS:
        try:
            stripe.WebhookSignature.verify_header(body, header, secret, tolerance=None)
        except (stripe.SignatureVerificationError, UnicodeDecodeError, TypeError):
            continue  # a TypeError: what is not ASCII is not compared in constant time
        signed_at, _ = stripe.WebhookSignature._get_timestamp_and_signatures(header, "v1")
        if abs(now.timestamp() - signed_at) > SIGNATURE_TOLERANCE_SECONDS:
            raise SignatureInvalid("The signature is too old; check the clocks.", cause="stale")
        return
    raise SignatureInvalid("The signature does not match any of our webhook secrets.", cause="bad_signature")
