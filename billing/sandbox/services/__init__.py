"""What happens at Stripe, one module per noun. Everything takes `now`; nothing reads a clock.

Services take and return Stripe's own objects as dicts, raise `errors.StripeError`, and emit events as they go. Each
public one is a transaction of its own, so that pages, commands and the API may call them alike.
"""
