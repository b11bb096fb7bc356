"""What happens to subscriptions at Stripe over time, seen by a program that knows nothing but Stripe's client library.

    cd billing/sandbox/tests && python -m outside_program http://localhost:8000/sandbox/stripe

Every sentence that it prints was true; the first one that is not ends it with exit code 1. Where each rule is
documented stands beside it. It uses test clocks and never a page, so that it can be held against Stripe itself as well:
`python -m outside_program https://api.stripe.com --key sk_test_…`.
"""
