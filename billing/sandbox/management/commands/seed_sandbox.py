"""`manage.py seed_sandbox`: the sandbox's account as it stands on its first day."""

from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand

from billing import handlers, services
from billing.sandbox import seed
from smartspec import clock


class Command(BaseCommand):
    help = (
        "Create what the Stripe sandbox starts with (account, the plans' products and prices, portal) and point its"
        " webhook endpoint at this server's address. Safe to run again: what exists is left alone."
    )

    def handle(self, *args: Any, **options: Any) -> None:
        webhook_url = f"{settings.SITE_URL}/api/webhooks/stripe"
        seed.seed(clock.now(), webhook_url)
        # What an account at Stripe gets by hand once, here by itself: the portal by our rules.
        services.set_up_stripe(handled_events=handlers.HANDLERS, is_dry_run=False)
        self.stdout.write(f"The sandbox is ready; its webhooks go to {webhook_url}")
