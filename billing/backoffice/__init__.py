"""What billing contributes to the back-office: money on the home page, whom Stripe's ids mean, what somebody bought."""

from billing.backoffice import actions, alerts, finding, home, purchases, timeline

__all__ = ["actions", "alerts", "finding", "home", "purchases", "timeline"]
