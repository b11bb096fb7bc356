"""What billing contributes to the back-office: money on the home page, whom Stripe's ids mean, what somebody bought."""

from billing.backoffice import actions, finding, home, purchases, timeline

__all__ = ["actions", "finding", "home", "purchases", "timeline"]
