"""The account pages about money, and the pages that Stripe leads back to."""
