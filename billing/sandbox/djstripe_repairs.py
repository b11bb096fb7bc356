"""Two places where dj-stripe 2.11 would not work with stripe-python 15 and a Stripe at another address."""

from typing import Any

from billing.sandbox.client import build_client


def apply() -> None:
    """Put them right in this process, where the sandbox is installed."""
    from djstripe.models import AccountV2, Event

    def accounts_of_sandbox(cls: type, api_key: str) -> Any:
        return build_client(api_key).v2.core.accounts

    # It makes a client of its own, which ignores `stripe.api_base` and would call api.stripe.com.
    AccountV2._v2_accounts = classmethod(accounts_of_sandbox)

    attach = Event._attach_objects_hook

    def attach_with_plain_request(self: Any, cls: type, data: Any, *args: Any, **kwargs: Any) -> None:
        attach(self, cls, data, *args, **kwargs)
        # It asks whether `request` is a dict; a StripeObject is none since stripe-python 15, and its text is too long.
        request = data["request"]
        if request is not None and not isinstance(request, dict | str):
            self.request_id = request["id"] or ""
            self.idempotency_key = request["idempotency_key"] or ""

    Event._attach_objects_hook = attach_with_plain_request
