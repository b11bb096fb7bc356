"""Where Stripe calls us."""

from django.urls import path

from billing import webhooks

urlpatterns = [path("stripe", webhooks.stripe_webhook, name="stripe-webhook")]
