"""A Stripe of our own, for machines without a Stripe key. Nothing in the rest of the project imports it."""
