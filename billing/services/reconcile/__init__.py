"""Comparing our books with Stripe's, both ways, and putting right what differs by the same services as ever.

Every comparison reads one object at Stripe, or one row of ours, and yields what differs: nothing is collected, so that
a hundred thousand objects need no more memory than a hundred. What Stripe lists for the window is compared first, then
what of ours is older and may still change.
"""

from billing.services.reconcile.comparing import Difference, Progress
from billing.services.reconcile.running import reconcile

__all__ = ["Difference", "Progress", "reconcile"]
