"""Stripe's HTTP API: from a form-encoded request to a JSON answer. `dispatch.answer` is the way in."""
